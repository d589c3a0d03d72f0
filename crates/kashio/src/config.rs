//! The settings. `config/default.toml` is compiled in and says what each one means; a file, then the
//! environment, go over it. A key that nobody knows is refused, so that a typo is not a silent default.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use ::config::{Config, Environment, File, FileFormat};
use ipnet::IpNet;
use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::Failure;

const DEFAULT: &str = include_str!("../../../config/default.toml");

/// Every setting; see `config/default.toml`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `development` or `production`.
    pub environment: EnvironmentName,
    /// Section `[database]`.
    pub database: Database,
    /// Section `[http]`.
    pub http: Http,
    /// Section `[page]`.
    pub page: Page,
    /// Section `[support]`.
    pub support: Support,
    /// Section `[internal]`.
    pub internal: Listener,
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
    let mut layers = Config::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
    if let Some(file) = file {
        layers = layers.add_source(File::from(file).format(FileFormat::Toml).required(true));
    }
    if let Ok(url) = std::env::var("DATABASE_URL") {
        layers = layers.set_override("database.url", url).map_err(usage)?;
    }
    let environment = Environment::with_prefix("KASHIO").prefix_separator("__").separator("__");
    let merged = layers.add_source(environment.try_parsing(true)).build().map_err(usage)?;
    let settings: Settings = merged.try_deserialize().map_err(usage)?;
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

    fn check_production(&self) -> Result<(), Failure> {
        for (name, url) in
            [("http.public_url", &self.http.public_url), ("page.public_url", &self.page.public_url)]
        {
            if !url.starts_with("https://") {
                return Err(usage(format!("in production {name} must be set, and https")));
            }
        }
        if !self.http.require_https {
            return Err(usage("in production http.require_https can not be false"));
        }
        let proxies = self.trusted_proxies()?;
        if proxies.is_empty() {
            return Err(usage("in production http.trusted_proxies must name the load balancer's network"));
        }
        if proxies.iter().any(|network| network.prefix_len() == 0) {
            return Err(usage("http.trusted_proxies can not be the whole internet"));
        }
        Ok(())
    }

    /// The networks of `http.trusted_proxies`.
    ///
    /// # Errors
    /// When one of them is no network.
    pub fn trusted_proxies(&self) -> Result<Vec<IpNet>, Failure> {
        let parse = |text: &str| {
            let network = text.parse::<IpNet>().or_else(|_| text.parse().map(|host: IpAddr| host.into()));
            network.map_err(|_| {
                usage(format!("http.trusted_proxies: {text} is not a network such as 10.0.0.0/8"))
            })
        };
        list(&self.http.trusted_proxies).map(parse).collect()
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
