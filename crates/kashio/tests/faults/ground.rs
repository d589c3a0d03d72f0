//! The ground that stories happen on: Postgres, the wire to it, replicas behind a balancer, a worker, two tenants with
//! both modes each, and a bank.

use std::collections::HashSet;
use std::fs::{self, Permissions, set_permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use domain::account::Mode;
use postgres_dev::{Cluster, Durability};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tempfile::TempDir;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::balancer::{Balancer, Ports, Repeats};
use crate::client::{INVOICES, Weather};
use crate::program::{Environment, Program, operator_of, present};
use crate::wire::Wire;

/// The database of a story, on its own server.
const DATABASE: &str = "faults";

/// One story at a time.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Waits until no other story is told.
pub async fn turn() -> tokio::sync::MutexGuard<'static, ()> {
    TURN.lock().await
}

/// A tenant in one mode: nobody else sees what is his.
#[derive(Clone, Debug)]
pub struct Owner {
    pub number: usize,
    pub mode: Mode,
    pub key: String,
}

impl Owner {
    /// What the references of all his invoices begin with.
    pub fn mark(&self) -> String {
        format!("owner{}-", self.number)
    }
}

/// A Postgres of a story's own, that loses nothing it has confirmed.
pub struct Postgres {
    cluster: Cluster,
    pub port: u16,
    _folder: TempDir,
}

impl Postgres {
    pub fn start() -> Postgres {
        let folder = tempfile::Builder::new().prefix("kashio-faults-").tempdir_in("/var/tmp").unwrap();
        // Open to the user that Postgres runs as.
        set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        Cluster::start(folder.path(), Durability::Full).unwrap().stop().unwrap();
        // It keeps its port, and this is none of those that the system gives to whoever connects: after a crash it
        // must still be free.
        fs::write(folder.path().join("postgres.port"), low_port().to_string()).unwrap();
        let cluster = Cluster::start(folder.path(), Durability::Full).unwrap();
        let port = url::Url::parse(&cluster.url(DATABASE)).unwrap().port().unwrap();
        Postgres { cluster, port, _folder: folder }
    }

    pub fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// Kills it in one of two ways and starts it again at once; gives the moment since when it takes connections.
    pub fn fall(&mut self, how: Fall) -> Instant {
        match how {
            Fall::Killed => self.cluster.kill().unwrap(),
            Fall::Immediate => self.cluster.crash().unwrap(),
        }
        self.cluster.restart().unwrap();
        assert_eq!(
            url::Url::parse(&self.url(DATABASE)).unwrap().port(),
            Some(self.port),
            "its port was taken"
        );
        Instant::now()
    }
}

/// How Postgres falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fall {
    /// `kill -9` of the postmaster.
    Killed,
    /// `pg_ctl restart -m immediate`.
    Immediate,
}

/// What is different in a story.
pub struct Plan {
    pub seed: u64,
    pub replicas: usize,
    pub repeats: Repeats,
    /// The edition that migrates and serves.
    pub binary: PathBuf,
    pub settings: Vec<(&'static str, String)>,
}

impl Plan {
    pub fn new(seed: u64) -> Plan {
        Plan { seed, replicas: 4, repeats: Repeats::Unsent, binary: present(), settings: Vec::new() }
    }
}

/// See the module.
pub struct Ground {
    // In the order in which they end.
    _balancer: Balancer,
    pub replicas: Vec<Program>,
    pub worker: Program,
    pub ports: Vec<Ports>,
    pub wire: Wire,
    pub sql: PgPool,
    pub postgres: Postgres,
    pub client: reqwest::Client,
    /// Where merchants call.
    pub public: String,
    /// Where the bank's connector calls.
    pub internal: String,
    pub owners: Vec<Owner>,
    pub bank: String,
    /// When something was broken.
    pub weather: Weather,
    _folder: TempDir,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

impl Ground {
    pub async fn new(plan: Plan) -> Ground {
        let turn = turn().await;
        kashio::use_ring();
        let folder = tempfile::tempdir().unwrap();
        let postgres = block_in_place(Postgres::start);
        let direct = postgres.url(DATABASE);
        let admin = PgPool::connect(&postgres.url("postgres")).await.unwrap();
        sqlx::query("create database faults").execute(&admin).await.unwrap();
        admin.close().await;
        let (applied, said) = operator_of(&plan.binary, &direct, &["migrate", "up"]);
        assert!(applied, "{said}");
        let wire = Wire::to(postgres.port, low_port(), plan.seed);
        let through =
            direct.replace(&format!(":{}/", postgres.port), &format!(":{}/", wire.port)) + "?sslmode=disable";

        let mut environment: Environment = [
            ("DATABASE_URL", through.as_str()),
            ("KASHIO__DATABASE__CONNECTIONS", "6"),
            ("KASHIO__HTTP__REQUIRE_HTTPS", "false"),
            ("KASHIO__LIMITS__PER_SECOND", "0"),
            ("KASHIO__SECRETS__KEYS", "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ("KASHIO__SHUTDOWN__LAME_DUCK_SECONDS", "1"),
            ("KASHIO__WEBHOOKS__LOOPBACK", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        environment.extend(plan.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let start = |command, name: String, ports: Ports| {
            let mut environment = environment.clone();
            let mut listen = |setting: &str, port| {
                environment.insert(format!("KASHIO__{setting}__BIND"), format!("127.0.0.1:{port}"))
            };
            listen("HTTP", ports.public);
            listen("INTERNAL", ports.internal);
            listen("MANAGEMENT", ports.management);
            Program::start(
                plan.binary.clone(),
                command,
                environment,
                folder.path().join(name),
                ports.management,
            )
        };
        let some = || Ports { public: low_port(), internal: low_port(), management: low_port() };
        let ports: Vec<Ports> = (0..plan.replicas).map(|_| some()).collect();
        let numbered = ports.iter().enumerate();
        let replicas = numbered.map(|(n, at)| start("serve", format!("replica{n}.log"), *at)).collect();
        let worker = start("work", "worker.log".to_owned(), some());
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        let (public, internal) = (low_port(), low_port());
        let sql = PgPoolOptions::new().max_connections(2).connect(&direct).await.unwrap();
        let mut ground = Ground {
            _balancer: Balancer::start(folder.path(), public, internal, &ports, plan.repeats).await,
            replicas,
            worker,
            ports,
            wire,
            sql,
            postgres,
            client,
            public: format!("http://127.0.0.1:{public}"),
            internal: format!("http://127.0.0.1:{internal}"),
            owners: Vec::new(),
            bank: String::new(),
            weather: Weather::default(),
            _folder: folder,
            _turn: turn,
        };
        ground.ready().await;
        ground.settle(&plan.binary, &direct).await;
        ground
    }

    /// Waits until everything is ready and the balancer knows it.
    pub async fn ready(&self) {
        for program in self.replicas.iter().chain([&self.worker]) {
            program.ready(&self.client).await;
        }
        sleep(Duration::from_millis(300)).await;
    }

    /// Two tenants, and a bank that serves both.
    async fn settle(&mut self, binary: &Path, database: &str) {
        let made = |arguments: &[&str]| made(binary, database, arguments);
        let console = made(&["service-key", "create", "--name", "consola", "--role", "kcms"]);
        let bank = ["service-key", "create", "--name", "banco", "--role", "collector", "--channel", "banco"];
        self.bank = made(&bank)["secret"].as_str().unwrap().to_owned();
        let console = console["secret"].as_str().unwrap();
        for tenant in 0..2 {
            let account = made(&["account", "create", "--name", "Tienda", "--live"]);
            let account = account["id"].as_str().unwrap();
            for (n, (mode, name)) in [(Mode::Test, "test"), (Mode::Live, "live")].into_iter().enumerate() {
                let key = ["key", "create", "--account", account, "--mode", name, "--name", "caja"];
                let key = made(&key)["secret"].as_str().unwrap().to_owned();
                self.owners.push(Owner { number: tenant * 2 + n, mode, key });
            }
            let agreement = format!("00000{tenant}");
            let channel = json!({ "channel": "banco", "agreement_number": agreement, "currency": "PEN" });
            let answer = self
                .client
                .request(Method::PATCH, format!("{}/internal/v1/accounts/{account}", self.internal))
                .bearer_auth(console)
                .header("x-actor", "operador-7")
                .header("x-reason", "prueba")
                .json(&json!({ "collection_channels": [channel] }));
            let answer = answer.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        }
        // Every replica hashes every key once, before the clock runs.
        for ports in &self.ports {
            for owner in &self.owners {
                let url = format!("http://127.0.0.1:{}{INVOICES}", ports.public);
                let answer = self.client.get(url).bearer_auth(&owner.key).send().await.unwrap();
                assert_eq!(answer.status(), 200);
            }
        }
    }

    /// What the programs complained of, for a story that went wrong.
    pub fn complaints(&self) -> String {
        let programs = self.replicas.iter().chain([&self.worker]);
        let said = programs.enumerate().map(|(n, program)| format!("-- {n}\n{}", program.complaints()));
        said.collect::<Vec<_>>().join("\n")
    }

    /// Nobody ended by himself.
    pub fn all_run(&mut self) {
        for program in self.replicas.iter_mut().chain([&mut self.worker]) {
            assert!(program.runs(), "ended by itself: {}", program.complaints());
        }
    }
}

/// What an operator's command made.
fn made(binary: &Path, database: &str, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let (done, said) = operator_of(binary, database, &arguments);
    assert!(done, "{said}");
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.into_iter().find(|line| line.get("id").is_some()).unwrap_or_else(|| panic!("{said}"))
}

/// A free port that no outgoing connection is ever given: one of a program that comes back must still be free.
pub fn low_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap();
    let given = given.get_or_insert_default();
    loop {
        let port = rand::random_range(15_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && given.insert(port) {
            return port;
        }
    }
}
