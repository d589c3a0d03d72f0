//! The ground of a measurement: a durable Postgres, the service as a process of its own, a merchant with his key.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::key::Role;
use postgres_dev::{Cluster, Durability};
use serde_json::Value;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::Outcome;
use crate::load::{self, Ask};
use crate::pgbench::{Script, Scripts};

/// Invoices that reads choose from.
pub const SEEDED: u32 = 10_000;

/// See the module. Ends what it started.
pub struct Ground {
    service: Child,
    program: Program,
    pub port: u16,
    /// Where the console and the banks call.
    pub internal_port: u16,
    /// The merchant's key.
    pub key: String,
    pub scripts: Scripts,
    pub sql: PgPool,
    counted: i64,
    cluster: Cluster,
    runs: u32,
    _folder: TempDir,
}

impl Ground {
    /// Everything is there, and reads have something to find. `command` is what the service does: `serve`, or `run` with a
    /// worker in the same process.
    pub async fn lay(command: &'static str, group_connections: Option<u32>) -> Outcome<Ground> {
        let folder = tempfile::Builder::new().prefix("kashio-bench-").tempdir_in("/var/tmp")?;
        // Open to the user that Postgres runs as.
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711))?;
        let cluster = Cluster::start(folder.path(), Durability::Full)?;
        let url = cluster.url("bench");
        let admin = PgPool::connect(&cluster.url("postgres")).await?;
        sqlx::query("create database bench").execute(&admin).await?;
        admin.close().await;
        kashio(&url, &["migrate", "up"])?;
        let [_, key] = merchant(&url, "test")?;
        let ports = free_ports()?;
        let program =
            Program { url: url.clone(), folder: folder.path().to_owned(), ports, group_connections };
        let service = program.start(command)?;
        let sql = PgPool::connect(&url).await?;
        let scripts = Scripts::empty(folder.path());
        let mut ground = Ground {
            service,
            program,
            port: ports[0],
            internal_port: ports[1],
            key,
            scripts,
            sql,
            counted: 0,
            cluster,
            runs: 0,
            _folder: folder,
        };
        ground.ready().await?;
        // One invoice by HTTP: the references are built from its rows.
        load::once(&ground, Ask::Create).await?;
        ground.scripts.build(&ground.sql).await?;
        ground.seed().await?;
        ground.recount().await?;
        if command == "run" {
            ground.numbered().await?;
        }
        Ok(ground)
    }

    /// Waits until every event has its number: whoever registers afterwards is told of none of them, and of each that is to
    /// be told there is a delivery.
    pub async fn numbered(&self) -> Outcome<()> {
        let is_left = "select exists (select from events where sequence is null)";
        while sqlx::query_scalar(is_left).fetch_one(&self.sql).await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn ready(&mut self) -> Outcome<()> {
        let began = Instant::now();
        // Ready when it listens: what it says then is measured elsewhere.
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            if began.elapsed() > Duration::from_secs(10) || self.service.try_wait()?.is_some() {
                return Err("the service does not start".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The database.
    pub fn url(&self) -> &str {
        &self.program.url
    }

    /// Another merchant's key.
    pub fn merchant(&self) -> Outcome<String> {
        let [_, key] = merchant(&self.program.url, "test")?;
        Ok(key)
    }

    /// A merchant who takes real money: the account's id, and its live key.
    pub fn live_merchant(&self) -> Outcome<[String; 2]> {
        merchant(&self.program.url, "live")
    }

    /// The key of a service inside.
    pub fn service_key(&self, role: &Role) -> Outcome<String> {
        let mut arguments =
            vec!["service-key", "create", "--name", "bench", "--json", "--role", role.as_str()];
        arguments.extend(role.channel().into_iter().flat_map(|channel| ["--channel", channel]));
        text(&made(&self.program.url, &arguments)?, "secret")
    }

    /// A worker of its own, which numbers and delivers until it is dropped.
    pub fn worker(&self) -> Outcome<Worker> {
        Ok(Worker(self.program.start("work")?))
    }

    /// Ends the service and starts it anew; tells how long it took until the first answer of 200.
    pub async fn start_again(&mut self) -> Outcome<Duration> {
        end(&mut self.service);
        let began = Instant::now();
        self.service = self.program.start("serve")?;
        loop {
            match load::once(self, Ask::List).await {
                Ok(()) => return Ok(began.elapsed()),
                Err(error) if began.elapsed() > Duration::from_secs(10) => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    /// Physical memory of the service, in MB: now, and the most so far.
    pub fn memory(&self) -> Outcome<[f64; 2]> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.service.id()))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            kib.map(|kib| kib / 1_024.0).ok_or_else(|| format!("no {name}"))
        };
        Ok([field("VmRSS:")?, field("VmHWM:")?])
    }

    /// As many invoices as that, of which each has its event and its saved answer.
    pub async fn grow(&mut self, rows: u32) -> Outcome<()> {
        self.scripts.grow(&self.sql, SEEDED + 1, rows).await
    }

    async fn seed(&mut self) -> Outcome<()> {
        self.scripts.seed(&self.program.url, SEEDED)?;
        // Whether Postgres counts its rows by itself in time would depend on the minute.
        sqlx::query("vacuum analyze").execute(&self.sql).await?;
        self.runs = 1;
        Ok(())
    }

    /// Runs a reference.
    pub async fn pgbench(
        &mut self,
        script: Script,
        clients: usize,
        time: Duration,
        per_second: Option<f64>,
    ) -> Outcome<load::Figures> {
        self.runs += 1;
        let url = &self.program.url;
        let figures = self.scripts.run(url, script, clients, time, self.runs, per_second)?;
        // What pgbench was about when its time was over may be done and not in its log.
        self.recount().await?;
        Ok(figures)
    }

    /// From here on rows are counted.
    pub async fn recount(&mut self) -> Outcome<()> {
        self.counted = self.rows().await?.0;
        Ok(())
    }

    /// As many rows and events as were answered: else nothing was measured.
    pub async fn must_add_up(&mut self, answered: usize) -> Outcome<()> {
        let (invoices, events) = self.rows().await?;
        let expected = self.counted + i64::try_from(answered)?;
        if invoices != expected || events != expected {
            return Err(format!(
                "{expected} were answered, {invoices} invoices and {events} events are there"
            )
            .into());
        }
        self.counted = invoices;
        Ok(())
    }

    async fn rows(&self) -> Outcome<(i64, i64)> {
        let query = "select (select count(*) from invoices), (select count(*) from events)";
        Ok(sqlx::query_as(query).fetch_one(&self.sql).await?)
    }

    pub fn postgres_pid(&self) -> u32 {
        self.cluster.pid()
    }

    pub fn service_pid(&self) -> u32 {
        self.service.id()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        end(&mut self.service);
    }
}

/// A worker's process.
pub struct Worker(Child);

impl Worker {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

fn end(process: &mut Child) {
    // It may have ended by itself.
    let _ = process.kill();
    let _ = process.wait();
}

/// How the service is started.
struct Program {
    url: String,
    folder: PathBuf,
    /// The public one and the internal one.
    ports: [u16; 2],
    group_connections: Option<u32>,
}

impl Program {
    fn start(&self, what: &str) -> Outcome<Child> {
        let mut command = Command::new(program()?);
        command.arg0("kashio").arg(what).env("DATABASE_URL", &self.url);
        let settings = [
            ("HTTP__BIND", format!("127.0.0.1:{}", self.ports[0])),
            ("HTTP__REQUIRE_HTTPS", "false".to_owned()),
            ("INTERNAL__BIND", format!("127.0.0.1:{}", self.ports[1])),
            ("MANAGEMENT__BIND", "127.0.0.1:0".to_owned()),
            ("LIMITS__PER_SECOND", "0".to_owned()),
            ("LIMITS__REQUESTS", "1024".to_owned()),
            ("WEBHOOKS__LOOPBACK", "true".to_owned()),
            ("SECRETS__KEYS", format!("a:{}", STANDARD.encode([7; 32]))),
        ];
        command.envs(settings.map(|(name, value)| (format!("KASHIO__{name}"), value)));
        if let Some(many) = self.group_connections {
            command.env("KASHIO__DATABASE__GROUP_CONNECTIONS", many.to_string());
        }
        // A line for each request is a part of the work.
        let log = fs::File::create(self.folder.join(format!("{what}.log")))?;
        Ok(command.stdout(log.try_clone()?).stderr(log).spawn()?)
    }
}

/// An account's id, and its key for one mode; it may take live money.
fn merchant(url: &str, mode: &str) -> Outcome<[String; 2]> {
    let account = made(url, &["account", "create", "--name", "Tienda", "--live", "--json"])?;
    let id = text(&account, "id")?;
    let key = made(url, &["key", "create", "--account", &id, "--mode", mode, "--name", "caja", "--json"])?;
    Ok([id, text(&key, "secret")?])
}

fn text(object: &Value, field: &str) -> Outcome<String> {
    let text = object[field].as_str().ok_or_else(|| format!("no {field}"))?;
    Ok(text.to_owned())
}

/// Two ports that nobody has.
fn free_ports() -> Outcome<[u16; 2]> {
    let [public, internal] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([public.local_addr()?.port(), internal.local_addr()?.port()])
}

fn program() -> Outcome<PathBuf> {
    Ok(std::env::current_exe()?)
}

fn kashio(url: &str, arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new(program()?);
    let output =
        command.arg0("kashio").args(arguments).env("DATABASE_URL", url).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(format!("kashio {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What an operator's command made.
fn made(url: &str, arguments: &[&str]) -> Outcome<Value> {
    let said = kashio(url, arguments)?;
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.into_iter().find(|line| line.get("id").is_some()).ok_or_else(|| format!("no id in {said}").into())
}
