//! The ground of a measurement: a durable Postgres, the service as a process of its own, a merchant with his key.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
    pub port: u16,
    /// The merchant's key.
    pub key: String,
    pub scripts: Scripts,
    pub sql: PgPool,
    counted: i64,
    cluster: Cluster,
    url: String,
    runs: u32,
    _folder: TempDir,
}

impl Ground {
    /// Everything is there, and reads have something to find.
    pub async fn lay(group_connections: Option<u32>) -> Outcome<Ground> {
        let folder = tempfile::Builder::new().prefix("kashio-bench-").tempdir_in("/var/tmp")?;
        // Open to the user that Postgres runs as.
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711))?;
        let cluster = Cluster::start(folder.path(), Durability::Full)?;
        let url = cluster.url("bench");
        let admin = PgPool::connect(&cluster.url("postgres")).await?;
        sqlx::query("create database bench").execute(&admin).await?;
        admin.close().await;
        kashio(&url, &["migrate", "up"])?;
        let account = made(&url, &["account", "create", "--name", "Tienda", "--json"])?;
        let id = account["id"].as_str().unwrap_or_default().to_owned();
        let key =
            made(&url, &["key", "create", "--account", &id, "--mode", "test", "--name", "caja", "--json"])?;
        let key = key["secret"].as_str().unwrap_or_default().to_owned();

        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program()?);
        command.arg0("kashio").arg("serve").env("DATABASE_URL", &url);
        command.env("KASHIO__HTTP__BIND", format!("127.0.0.1:{free}"));
        command.env("KASHIO__INTERNAL__BIND", "127.0.0.1:0").env("KASHIO__MANAGEMENT__BIND", "127.0.0.1:0");
        command.env("KASHIO__HTTP__REQUIRE_HTTPS", "false").env("KASHIO__LIMITS__PER_SECOND", "0");
        command.env("KASHIO__LIMITS__REQUESTS", "1024");
        if let Some(many) = group_connections {
            command.env("KASHIO__DATABASE__GROUP_CONNECTIONS", many.to_string());
        }
        // A line for each request is a part of the work.
        let log = fs::File::create(folder.path().join("service.log"))?;
        let service = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let sql = PgPool::connect(&url).await?;
        let scripts = Scripts::empty(folder.path());
        let mut ground = Ground {
            service,
            port: free,
            key,
            scripts,
            sql,
            counted: 0,
            cluster,
            url,
            runs: 0,
            _folder: folder,
        };
        ground.ready().await?;
        // One invoice by HTTP: the references are built from its rows.
        load::once(&ground, Ask::Create).await?;
        ground.scripts.build(&ground.sql).await?;
        ground.seed()?;
        ground.counted = ground.rows().await?.0;
        Ok(ground)
    }

    async fn ready(&mut self) -> Outcome<()> {
        let began = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            if began.elapsed() > Duration::from_secs(10) || self.service.try_wait()?.is_some() {
                return Err("the service does not start".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn seed(&mut self) -> Outcome<()> {
        self.scripts.seed(&self.url, SEEDED)?;
        self.runs = 1;
        Ok(())
    }

    /// Runs a reference.
    pub async fn pgbench(
        &mut self,
        script: Script,
        clients: usize,
        time: Duration,
    ) -> Outcome<load::Figures> {
        self.runs += 1;
        let figures = self.scripts.run(&self.url, script, clients, time, self.runs)?;
        // What pgbench was about when its time was over may be done and not in its log.
        self.counted = self.rows().await?.0;
        Ok(figures)
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
        // It may have ended by itself.
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
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
