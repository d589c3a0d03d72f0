//! The settings. `config/default.toml` is compiled in and says what each one means; a file, then the
//! environment, go over it. A key that nobody knows is refused, so that a typo is not a silent default.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ::config::{Config, File, FileFormat};
use api::listen::Tls;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::delivery::Schedule;
use domain::endpoint::Targets;
use ipnet::IpNet;
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use store::seal::Sealer;
use url::Url;

use crate::Failure;

mod layers;

use layers::Layers;
pub use layers::{Shown, show};

const DEFAULT: &str = include_str!("../../../config/default.toml");

/// Every setting; see `config/default.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `development` or `production`.
    pub environment: EnvironmentName,
    /// Section `[database]`.
    pub database: Database,
    /// Section `[secrets]`.
    pub secrets: Secrets,
    /// Section `[http]`.
    pub http: Http,
    /// Section `[page]`.
    pub page: Page,
    /// Section `[support]`.
    pub support: Support,
    /// Section `[internal]`.
    pub internal: Internal,
    /// Section `[limits]`.
    pub limits: Limits,
    /// Section `[webhooks]`.
    pub webhooks: Webhooks,
    /// Section `[retention]`.
    pub retention: Retention,
    /// Section `[management]`.
    pub management: Listener,
    /// Section `[shutdown]`.
    pub shutdown: Shutdown,
}

/// Where the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentName {
    /// A developer's machine, or a test.
    Development,
    /// Real money.
    Production,
}

/// The database. URLs hold passwords: no `Debug`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// For the program.
    pub url: String,
    /// For migrations.
    pub migrate_url: String,
    /// For requests of one replica.
    pub connections: u32,
    /// Beside them, for commits of creates in groups.
    pub group_connections: u32,
}

/// Keys that seal secrets: no `Debug`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// `id:base64`, separated by commas.
    pub keys: String,
}

/// The files of a listener that ends TLS itself.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// A chain of certificates, PEM.
    pub certificate: String,
    /// The key of the first, PEM.
    pub key: String,
}

impl TlsFiles {
    /// Whether TLS ends in this process.
    pub fn is_set(&self) -> bool {
        !self.certificate.is_empty() && !self.key.is_empty()
    }
}

/// The internal listener.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Internal {
    /// Where it listens.
    pub bind: SocketAddr,
    /// Networks, separated by commas.
    pub trusted_proxies: String,
    /// Its own TLS.
    pub tls: TlsFiles,
}

/// Delivering webhooks.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Seconds before each attempt, separated by commas.
    pub retry_seconds: String,
    /// How long a claim holds, in seconds.
    pub lease_seconds: String,
    /// Ports, separated by commas.
    pub ports: String,
    /// Networks, separated by commas.
    pub denied_networks: String,
    /// Post to this machine too.
    pub loopback: bool,
}

/// How long things are kept, in days.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Saved answers.
    pub idempotency_days: u32,
    /// Attempts.
    pub attempt_days: u32,
    /// Deliveries.
    pub delivery_days: u32,
    /// Events.
    pub event_days: u32,
}

/// How much may be asked.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests at once.
    pub requests: usize,
    /// Requests a second of an account.
    pub per_second: u32,
    /// … and at once.
    pub burst: u32,
}

/// The public listener.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where it listens.
    pub bind: SocketAddr,
    /// What merchants call it.
    pub public_url: String,
    /// Refuse plain HTTP.
    pub require_https: bool,
    /// Networks, separated by commas.
    pub trusted_proxies: String,
    /// Its own TLS.
    pub tls: TlsFiles,
    /// Origins, separated by commas.
    pub cors_origins: String,
}

/// The payment page.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// What payers call it.
    pub public_url: String,
}

/// Help for merchants.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Support {
    /// Where they write.
    pub email: String,
}

/// A listener that only has an address.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Where it listens.
    pub bind: SocketAddr,
}

/// Stopping.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// Seconds of serving after SIGTERM.
    pub lame_duck_seconds: u64,
}

/// Merges the layers.
///
/// # Errors
/// A [`Failure::Usage`] that names the setting.
pub fn load(file: Option<&Path>) -> Result<Settings, Failure> {
    let settings: Settings = Layers::read(file)?.merged()?.try_deserialize().map_err(usage)?;
    settings.check()?;
    Ok(settings)
}

/// The compiled-in settings alone: what a test begins with.
///
/// # Errors
/// None, as long as `config/default.toml` is sound, which a test checks.
pub fn compiled_in() -> Result<Settings, Failure> {
    let layers = Config::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
    layers.build().map_err(usage)?.try_deserialize().map_err(usage)
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("configuration: {}", error.to_string().replace('\n', " ")))
}

impl Settings {
    fn check(&self) -> Result<(), Failure> {
        self.trusted_proxies()?;
        self.internal_proxies()?;
        self.sealing_keys()?;
        self.targets()?;
        self.schedule()?;
        self.lease()?;
        for (name, tls) in [("http.tls", &self.http.tls), ("internal.tls", &self.internal.tls)] {
            if tls.certificate.is_empty() != tls.key.is_empty() {
                return Err(usage(format!("{name} needs both certificate and key")));
            }
        }
        for (name, url) in
            [("http.public_url", &self.http.public_url), ("page.public_url", &self.page.public_url)]
        {
            let sound = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if !url.is_empty() && !sound {
                return Err(usage(format!("{name} is not an http(s) URL")));
            }
        }
        for origin in self.cors_origins() {
            // As browsers send it: scheme, host and port, nothing behind (RFC 6454).
            let sound = Url::parse(&origin).is_ok_and(|url| url.origin().ascii_serialization() == origin);
            if !sound {
                return Err(usage(format!(
                    "http.cors_origins: {origin} is not an origin such as https://tienda.pe"
                )));
            }
        }
        if self.environment == EnvironmentName::Production {
            self.check_production()?;
        }
        Ok(())
    }

    /// Whether the program would start: what [`load`] does not need.
    ///
    /// # Errors
    /// When the database is not named, or a certificate can not be used.
    pub fn check_start(&self) -> Result<(), Failure> {
        self.database()?;
        self.migrate_database()?;
        Settings::tls(&self.http.tls)?;
        Settings::tls(&self.internal.tls)?;
        Ok(())
    }

    fn check_production(&self) -> Result<(), Failure> {
        for (name, url) in
            [("http.public_url", &self.http.public_url), ("page.public_url", &self.page.public_url)]
        {
            if !url.starts_with("https://") {
                return Err(usage(format!("in production {name} must be set, and https")));
            }
        }
        if self.webhooks.loopback {
            return Err(usage("in production webhooks.loopback can not be true"));
        }
        if self.lease()? <= worker::LONGEST_TURN {
            return Err(usage(format!(
                "in production webhooks.lease_seconds must be more than a delivery can take, which is {}",
                worker::LONGEST_TURN.as_secs()
            )));
        }
        if !self.http.require_https {
            return Err(usage("in production http.require_https can not be false"));
        }
        if self.secrets.keys.is_empty() {
            return Err(usage("in production secrets.keys must be set"));
        }
        let proxies = self.trusted_proxies()?;
        if proxies.is_empty() && !self.http.tls.is_set() {
            return Err(usage(
                "in production http.trusted_proxies must name the load balancer's network, or http.tls.certificate \
                 and http.tls.key be set",
            ));
        }
        let inside = self.internal_proxies()?;
        let is_open = !self.internal.bind.ip().is_loopback();
        if is_open && inside.is_empty() && !self.internal.tls.is_set() {
            return Err(usage(
                "in production internal.bind beyond loopback needs internal.trusted_proxies or internal.tls",
            ));
        }
        let networks = [("http.trusted_proxies", proxies), ("internal.trusted_proxies", inside)];
        for (name, networks) in networks {
            if networks.iter().any(|network| network.prefix_len() == 0) {
                return Err(usage(format!("{name} can not be the whole internet")));
            }
        }
        // A password sent in the clear to another machine is everybody's.
        let databases =
            [("database.url", self.database()?), ("database.migrate_url", self.migrate_database()?)];
        for (name, database) in databases {
            let is_local = matches!(database.get_host(), "localhost" | "127.0.0.1" | "::1")
                || database.get_socket().is_some();
            let mode = database.get_ssl_mode();
            if !is_local && matches!(mode, PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer) {
                return Err(usage(format!(
                    "in production {name} needs sslmode=require, verify-ca or verify-full"
                )));
            }
        }
        Ok(())
    }

    /// The networks of `http.trusted_proxies`.
    ///
    /// # Errors
    /// When one of them is no network.
    pub fn trusted_proxies(&self) -> Result<Vec<IpNet>, Failure> {
        networks("http.trusted_proxies", &self.http.trusted_proxies)
    }

    /// The networks of `internal.trusted_proxies`.
    ///
    /// # Errors
    /// When one of them is no network.
    pub fn internal_proxies(&self) -> Result<Vec<IpNet>, Failure> {
        networks("internal.trusted_proxies", &self.internal.trusted_proxies)
    }

    /// The keys of `secrets.keys`, each with its id; the first seals.
    ///
    /// # Errors
    /// When one of them is no key. It is not repeated.
    pub fn sealing_keys(&self) -> Result<Vec<(String, [u8; 32])>, Failure> {
        let malformed = || usage("secrets.keys is not a list of id:base64, each of 32 bytes");
        let parse = |text: &str| {
            let (id, key) = text.split_once(':').ok_or_else(malformed)?;
            let key = STANDARD.decode(key.trim()).map_err(|_| malformed())?;
            let sound = !id.is_empty() && id.len() <= 40;
            let key = key.try_into().map_err(|_| malformed())?;
            if sound { Ok((id.to_owned(), key)) } else { Err(malformed()) }
        };
        let keys: Vec<(String, [u8; 32])> = list(&self.secrets.keys).map(parse).collect::<Result<_, _>>()?;
        let mut ids: Vec<&str> = keys.iter().map(|(id, _)| id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() == keys.len() { Ok(keys) } else { Err(usage("secrets.keys names an id twice")) }
    }

    /// Opens and seals secrets. Without keys, which production refuses, by one that everybody knows.
    ///
    /// # Errors
    /// When `secrets.keys` is no list of keys.
    pub fn sealer(&self) -> Result<Sealer, Failure> {
        let keys = self.sealing_keys()?;
        let known = || vec![("development".to_owned(), *b"kashio-development-is-not-secret")];
        Ok(Sealer::new(if keys.is_empty() { known() } else { keys }))
    }

    /// Where webhooks may be posted to.
    ///
    /// # Errors
    /// When a port is none, or a network.
    pub fn targets(&self) -> Result<Targets, Failure> {
        let port =
            |text: &str| text.parse().map_err(|_| usage(format!("webhooks.ports: {text} is not a port")));
        Ok(Targets {
            ports: list(&self.webhooks.ports).map(port).collect::<Result<_, _>>()?,
            loopback: self.webhooks.loopback,
            denied: networks("webhooks.denied_networks", &self.webhooks.denied_networks)?,
        })
    }

    /// When attempts are made.
    ///
    /// # Errors
    /// When a time is no number of seconds.
    pub fn schedule(&self) -> Result<Schedule, Failure> {
        let millis = |text| millis("webhooks.retry_seconds", text);
        let schedule: Vec<u64> = list(&self.webhooks.retry_seconds).map(millis).collect::<Result<_, _>>()?;
        if schedule.is_empty() {
            return Err(usage("webhooks.retry_seconds names no attempt"));
        }
        Ok(Schedule::of_millis(schedule))
    }

    /// How long a worker has a delivery to itself.
    ///
    /// # Errors
    /// When it is no number of seconds.
    pub fn lease(&self) -> Result<Duration, Failure> {
        millis("webhooks.lease_seconds", &self.webhooks.lease_seconds).map(Duration::from_millis)
    }

    /// How long things are kept.
    pub fn retention(&self) -> store::sweep::Retention {
        store::sweep::Retention {
            idempotency_days: self.retention.idempotency_days.into(),
            attempt_days: self.retention.attempt_days.into(),
            delivery_days: self.retention.delivery_days.into(),
            event_days: self.retention.event_days.into(),
        }
    }

    /// The certificate and key of a listener, when it has them.
    ///
    /// # Errors
    /// When they can not be used.
    pub fn tls(files: &TlsFiles) -> Result<Option<Tls>, Failure> {
        let load = || Tls::load(Path::new(&files.certificate), Path::new(&files.key)).map_err(usage);
        files.is_set().then(load).transpose()
    }

    /// The origins of `http.cors_origins`.
    pub fn cors_origins(&self) -> Vec<String> {
        list(&self.http.cors_origins).filter(|origin| *origin != "*").map(str::to_owned).collect()
    }

    /// Where the program works.
    ///
    /// # Errors
    /// When no usable URL is set.
    pub fn database(&self) -> Result<PgConnectOptions, Failure> {
        connect_options("database.url", &self.database.url)
    }

    /// Where migrations work.
    ///
    /// # Errors
    /// When no usable URL is set.
    pub fn migrate_database(&self) -> Result<PgConnectOptions, Failure> {
        match self.database.migrate_url.as_str() {
            "" => self.database(),
            url => connect_options("database.migrate_url", url),
        }
    }
}

/// Seconds, with up to three decimals, in milliseconds.
fn millis(name: &str, text: &str) -> Result<u64, Failure> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let sound = !whole.is_empty() && decimals.len() <= 3 && digits(whole) && digits(decimals);
    let millis = format!("{whole}{decimals:0<3}").parse().ok().filter(|_| sound);
    millis.ok_or_else(|| usage(format!("{name}: {text} is not a number of seconds such as 300 or 0.5")))
}

fn networks(name: &str, text: &str) -> Result<Vec<IpNet>, Failure> {
    let parse = |text| {
        api::headers::network(text)
            .ok_or_else(|| usage(format!("{name}: {text} is not a network such as 10.0.0.0/8")))
    };
    list(text).map(parse).collect()
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// The URL is never repeated: it may hold a password.
fn connect_options(name: &str, url: &str) -> Result<PgConnectOptions, Failure> {
    if url.is_empty() {
        return Err(usage(format!("{name} is not set (or DATABASE_URL)")));
    }
    url.parse()
        .map_err(|_| usage(format!("{name} is not a URL such as postgres://user:password@host:5432/kashio")))
}
