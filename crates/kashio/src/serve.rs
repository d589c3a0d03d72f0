//! A replica of the API: its listeners and its duties, started together and stopped together.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use api::health::Readiness;
use api::keys::POLL_EVERY;
use api::{Api, listen};
use store::Store;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::Failure;
use crate::config::{EnvironmentName, Settings};

/// How often the database's health and clock are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long one turn of a duty may take.
const DUTY_TIME: Duration = Duration::from_secs(3);

/// A replica that serves. Dropped without [`Running::stop`], it just ends.
pub struct Running {
    /// Where the public API listens.
    pub public: SocketAddr,
    /// Where `/livez` and `/readyz` answer.
    pub management: SocketAddr,
    /// Its door to the database.
    pub store: Store,
    readiness: Readiness,
    servers: [ServerHandle; 2],
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a replica. The schema must be there already: replicas do not migrate.
///
/// # Errors
/// When a port is taken or the database can not be reached.
pub async fn start(settings: &Settings) -> Result<Running, Failure> {
    let connect = settings.database()?;
    let bind = |name: &str, address: SocketAddr| {
        let listener = TcpListener::bind(address);
        listener.map_err(|error| Failure::failed(&format!("{name} can not listen on {address}"), error))
    };
    let public_listener = bind("http.bind", settings.http.bind)?;
    let management_listener = bind("management.bind", settings.management.bind)?;
    let local =
        |listener: &TcpListener| listener.local_addr().map_err(|error| Failure::failed("listener", error));
    let (public, management) = (local(&public_listener)?, local(&management_listener)?);

    let connections = settings.database.connections;
    let store = Store::open(store::Settings { connect, connections })
        .await
        .map_err(|error| Failure::failed("the database can not be reached", error))?;
    if settings.environment == EnvironmentName::Production {
        let is_dev = store::migrate::is_for_dev(&settings.database()?).await;
        if is_dev.map_err(|error| Failure::failed("the database can not be asked", error))? {
            let refusal = "the database was made by kashio dev: its keys are known to everybody";
            return Err(Failure::Usage(refusal.to_owned()));
        }
    }
    let api = Api::new(store.clone(), api_settings(settings, public)?);
    let readiness = Readiness::new(store.clone(), settings.environment == EnvironmentName::Production);
    readiness.look().await;

    let listen_failed = |error| Failure::failed("the listener failed", error);
    let public_server = listen::public(api.clone(), public_listener).map_err(listen_failed)?;
    let management_server =
        listen::management(readiness.clone(), management_listener).map_err(listen_failed)?;
    let servers = [public_server.handle(), management_server.handle()];
    let looking = readiness.clone();
    let tasks = vec![
        tokio::spawn(async move { log_end(public_server.await) }),
        tokio::spawn(async move { log_end(management_server.await) }),
        tokio::spawn(every(LOOK_EVERY, move || {
            let readiness = looking.clone();
            async move { readiness.look().await }
        })),
        tokio::spawn(every(POLL_EVERY, move || {
            let keys = api.keys.clone();
            // Unanswered, the memory of keys stops being trusted by itself.
            async move { keys.poll().await.unwrap_or_default() }
        })),
    ];
    Ok(Running { public, management, store, readiness, servers, tasks })
}

impl Running {
    /// Stops: not ready at once, serving on for the lame-duck time, then no new connections, running requests
    /// to their end, every transaction finished, connections closed.
    pub async fn stop(self, lame_duck: Duration) {
        self.readiness.stop();
        sleep(lame_duck).await;
        let [public, management] = &self.servers;
        public.stop(true).await;
        self.store.close().await;
        management.stop(false).await;
        for task in self.tasks {
            task.abort();
        }
    }
}

fn api_settings(settings: &Settings, public: SocketAddr) -> Result<api::Settings, Failure> {
    let without_slash = |url: &str| url.trim_end_matches('/').to_owned();
    let public_url = match settings.http.public_url.as_str() {
        "" => format!("http://{public}"),
        url => without_slash(url),
    };
    let page_url = match settings.page.public_url.as_str() {
        "" => public_url.clone(),
        url => without_slash(url),
    };
    Ok(api::Settings {
        public_url,
        page_url,
        support_email: settings.support.email.clone(),
        require_https: settings.http.require_https,
        trusted_proxies: settings.trusted_proxies()?,
        cors_origins: settings.cors_origins(),
    })
}

/// Calls a duty for ever. A duty takes no input, so a missed turn is simply the next one.
async fn every<F, Fut>(period: Duration, duty: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let mut turns = interval(period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        // A connection that answers no more must not hold the duty for ever; the next turn takes another.
        let _late = timeout(DUTY_TIME, duty()).await;
    }
}

fn log_end(ended: std::io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a listener ended: {error}");
    }
}
