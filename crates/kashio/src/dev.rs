//! `kashio dev`: everything on one machine, nothing to set up. A private Postgres, migrations, a demo account
//! with fixed keys, the API. Its keys are no secrets and production refuses them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::account::{Account, CollectionChannel, Instructions, Mode, Owner, RateLimit};
use domain::id::{AccountId, KeyId, ServiceKeyId};
use domain::key::{KeyKind, Role, SecretKey};
use domain::money::Currency;
use postgres_dev::{Cluster, Durability};
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use store::keys::{HASH_VERSION, NewKey};
use store::service_keys::NewServiceKey;
use store::{Error, Store};

use crate::config::Settings;
use crate::telemetry::{self, Format};
use crate::{Failure, catcher, cli, serve};

/// What `kashio dev` can be told.
#[derive(Clone, clap::Args)]
pub struct Options {
    /// Where the database and `dev.json` are kept.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub data_dir: PathBuf,
    /// Start afresh: the data of earlier runs is removed.
    #[arg(long)]
    pub reset: bool,
}

const DATA_DIR: &str = ".kashio";
const DATABASE: &str = "kashio";

impl Default for Options {
    fn default() -> Options {
        Options { data_dir: DATA_DIR.into(), reset: false }
    }
}

/// What `dev.json` tells programs, and the banner people.
#[derive(Serialize)]
struct Addresses {
    public_url: String,
    internal_url: String,
    management_url: String,
    database_url: String,
    account: String,
    test_key: String,
    live_key: String,
    kcms_key: String,
    collector_key: String,
}

/// Runs until a signal.
///
/// # Errors
/// No usable Postgres, a port that is taken, or a `DATABASE_URL` that is somebody else's.
pub async fn run(mut settings: Settings, options: Options) -> Result<(), Failure> {
    telemetry::start(Format::Plain);
    settings.http.require_https = false;
    settings.webhooks.loopback = true;
    let given = (!settings.database.url.is_empty()).then(|| settings.database.url.clone());
    let cluster = match given {
        Some(_) => None,
        None => Some(start_cluster(&options).await?),
    };
    if let Some(cluster) = &cluster {
        settings.database.url = cluster.url(DATABASE);
        let connect = parse(&cluster.url("postgres"))?;
        let created = store::migrate::create_database(&connect, DATABASE).await;
        created.map_err(|error| Failure::failed("the database can not be created", error))?;
    }
    let connect = settings.database()?;
    if !store::migrate::mark_for_dev(&connect)
        .await
        .map_err(|error| Failure::failed("DATABASE_URL", error))?
    {
        let refusal = "DATABASE_URL is neither empty nor made by kashio dev; it is left alone";
        return Err(Failure::Usage(refusal.to_owned()));
    }
    let migrated = store::migrate::up(&connect, |applied| {
        tracing::info!("applied migration {} {}", applied.version, applied.description);
    });
    migrated.await.map_err(|error| Failure::failed("migrate up", error))?;

    let mut running = serve::start(&settings).await?;
    running.add_worker(&settings)?;
    let demo = Demo::new();
    demo.save(&running.store).await.map_err(|error| Failure::failed("the demo account", error))?;
    let addresses = Addresses {
        public_url: format!("http://{}", running.public),
        internal_url: format!("http://{}", running.internal),
        management_url: format!("http://{}", running.management),
        database_url: settings.database.url.clone(),
        account: demo.account.text(Mode::Test),
        test_key: demo.test_key.expose().to_owned(),
        live_key: demo.live_key.expose().to_owned(),
        kcms_key: demo.kcms_key.expose().to_owned(),
        collector_key: demo.collector_key.expose().to_owned(),
    };
    let catcher = catcher::start(running.store.clone(), &addresses.public_url, &addresses.test_key)?;
    let file = write_addresses(&options.data_dir, &addresses)?;
    print_banner(&addresses, &catcher.url, &file);

    cli::stop_signal().await?;
    catcher.stop().await;
    let stopped = cli::stop(running, Duration::ZERO).await;
    if let Some(cluster) = cluster {
        let ended = tokio::task::spawn_blocking(|| cluster.stop()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!("Postgres did not stop in good order: {error}");
        }
    }
    stopped
}

/// The demo account and its keys, the same on every machine.
struct Demo {
    account: AccountId,
    test_key: SecretKey,
    live_key: SecretKey,
    kcms_key: SecretKey,
    collector_key: SecretKey,
}

impl Demo {
    fn new() -> Demo {
        Demo {
            account: AccountId::new(DEMO_BORN_MILLIS, b"kashiodemo"),
            test_key: fixed_key(KeyKind::Merchant(Mode::Test), "DemoAccount1"),
            live_key: fixed_key(KeyKind::Merchant(Mode::Live), "DemoAccount2"),
            kcms_key: fixed_key(KeyKind::Service, "DemoConsole1"),
            collector_key: fixed_key(KeyKind::Service, "DemoCollect1"),
        }
    }

    async fn save(&self, store: &Store) -> Result<(), Error> {
        let account = Account {
            live_enabled: true,
            rate_limit: Some(RateLimit::NONE),
            collection_channels: vec![CollectionChannel {
                channel: DEMO_CHANNEL.to_owned(),
                agreement_number: "000001".to_owned(),
                currency: Currency::Pen,
                instructions: Instructions::default(),
            }],
            ..Account::new(self.account, "Tienda Demo".to_owned())
        };
        let mut keys = Vec::new();
        for (mode, random, secret) in
            [(Mode::Test, b"kashiodemo", &self.test_key), (Mode::Live, b"kashiolive", &self.live_key)]
        {
            let (id, owner) = (KeyId::new(DEMO_BORN_MILLIS, random), Owner { account: self.account, mode });
            let phc = api::keys::hash(secret)?;
            keys.push(NewKey::unrestricted(id, owner, "demo", secret.clone(), phc));
        }
        let collector = Role::Collector { channel: DEMO_CHANNEL.to_owned() };
        let mut service_keys = Vec::new();
        for (random, role, secret) in
            [(b"kashiokcms", Role::Kcms, &self.kcms_key), (b"kashiobank", collector, &self.collector_key)]
        {
            service_keys.push(NewServiceKey {
                id: ServiceKeyId::new(DEMO_BORN_MILLIS, random),
                name: "demo".to_owned(),
                role,
                expires_at: None,
                secret: secret.clone(),
                phc: api::keys::hash(secret)?,
                hash_version: HASH_VERSION,
            });
        }
        store
            .transaction("save_demo_account", move |tx| {
                let (account, keys, service_keys) = (account.clone(), keys.clone(), service_keys.clone());
                Box::pin(async move {
                    tx.put_account(&account).await?;
                    for key in &keys {
                        tx.add_key(key).await?;
                    }
                    for key in &service_keys {
                        tx.add_service_key(key).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// The bank that is none.
const DEMO_CHANNEL: &str = "demo";

/// 2017-05-30T00:00:00Z: the day of the seed's samples.
const DEMO_BORN_MILLIS: u64 = 1_496_102_400_000;

/// A key that says itself that it is no secret.
fn fixed_key(kind: KeyKind, public_id: &str) -> SecretKey {
    let text = format!("{public_id}NotASecretOnlyForKashioDevAtHome");
    let mut letters = text.bytes().map(|byte| match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'Z' => byte - b'A' + 10,
        _ => byte.saturating_sub(b'a') + 36,
    });
    SecretKey::mint(kind, || letters.next().unwrap_or_default())
}

async fn start_cluster(options: &Options) -> Result<Cluster, Failure> {
    let options = options.clone();
    let start = move || {
        if options.reset {
            Cluster::remove(&options.data_dir)?;
        }
        Cluster::start(&options.data_dir, Durability::Full)
    };
    let started = tokio::task::spawn_blocking(start).await;
    started
        .map_err(|error| Failure::failed("Postgres", error))?
        .map_err(|error| Failure::failed("Postgres", error))
}

fn parse(url: &str) -> Result<PgConnectOptions, Failure> {
    url.parse().map_err(|error| Failure::failed("the private Postgres has no usable address", error))
}

/// `dev.json`, for its owner only: it names keys and a password.
fn write_addresses(data_dir: &Path, addresses: &Addresses) -> Result<PathBuf, Failure> {
    let file = data_dir.join("dev.json");
    let failed =
        |error: std::io::Error| Failure::failed(&format!("{} can not be written", file.display()), error);
    fs::DirBuilder::new().recursive(true).mode(0o711).create(data_dir).map_err(failed)?;
    let text = serde_json::to_string_pretty(addresses).map_err(|error| failed(error.into()))?;
    // Written beside and renamed: a reader sees the old file or the new one, and both are whole.
    let beside = data_dir.join("dev.json.new");
    let mut open = fs::OpenOptions::new();
    let mut written =
        open.write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(failed)?;
    written.write_all(text.as_bytes()).map_err(failed)?;
    fs::rename(&beside, &file).map_err(failed)?;
    Ok(file)
}

#[expect(clippy::print_stdout, reason = "what the developer came for")]
fn print_banner(addresses: &Addresses, catcher: &str, file: &Path) {
    let Addresses { public_url, internal_url, management_url, account, test_key, live_key, kcms_key, .. } =
        addresses;
    println!(
        r#"
KashIO Payments is ready.

  API          {public_url}/v1/payments
  docs         {public_url}/docs
  guide        {public_url}/docs/guide/
  internal     {internal_url}/internal/v1
  webhooks     {catcher}
  management   {management_url}/readyz
  account      {account} (Tienda Demo)
  test key     {test_key}
  live key     {live_key}
  console key  {kcms_key}
  all of it    {file}

Create a first Orden de Pago:

  curl {public_url}/v1/payments/invoices \
    --user {test_key}: \
    --header 'content-type: application/json' \
    --data '{{"invoice": {{"payer_phone": "+519996666", "currency": "PEN", "amount": "20.00", "invoice_id": "inv_1234567890"}}}}'

Ctrl-C stops everything; the data stays until --reset.
"#,
        file = file.display()
    );
}
