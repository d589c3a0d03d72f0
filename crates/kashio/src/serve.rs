//! A replica of the API, a worker, or both: listeners and duties, started together and stopped together.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use api::feed::WATCH_EVERY;
use api::health::Readiness;
use api::keys::{Keys, POLL_EVERY};
use api::{Api, listen};
use domain::account::RateLimit;
use store::Store;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use worker::Worker;
use worker::outbound::Outbound;

use crate::Failure;
use crate::config::{EnvironmentName, Settings};
use crate::telemetry;

/// How often the database's health and clock are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the use of keys is written down.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// How often the ends of the audit chains are logged.
const HEADS_EVERY: Duration = Duration::from_secs(60);

/// How long stopping waits for webhooks that are being sent.
const DRAIN: Duration = Duration::from_secs(20);

/// How long one turn of a duty may take.
const DUTY_TIME: Duration = Duration::from_secs(3);

/// A replica that serves. Dropped without [`Running::stop`], it just ends.
pub struct Running {
    /// Where the public API listens.
    pub public: SocketAddr,
    /// Where the internal API listens.
    pub internal: SocketAddr,
    /// Where `/livez` and `/readyz` answer.
    pub management: SocketAddr,
    /// Its door to the database.
    pub store: Store,
    readiness: Readiness,
    servers: [ServerHandle; 3],
    api: Api,
    worker: Option<Worker>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a replica. The schema must be there already: replicas do not migrate.
///
/// # Errors
/// When a port is taken or the database can not be reached.
pub async fn start(settings: &Settings) -> Result<Running, Failure> {
    settings.database()?;
    let public_listener = bind("http.bind", settings.http.bind)?;
    let internal_listener = bind("internal.bind", settings.internal.bind)?;
    let management_listener = bind("management.bind", settings.management.bind)?;
    let (public, internal, management) =
        (local(&public_listener)?, local(&internal_listener)?, local(&management_listener)?);
    let (public_tls, internal_tls) =
        (Settings::tls(&settings.http.tls)?, Settings::tls(&settings.internal.tls)?);

    let store = open(settings, settings.database.group_connections).await?;
    let limit = RateLimit { per_second: settings.limits.per_second, burst: settings.limits.burst };
    let api = Api::new(store.clone(), api_settings(settings, public)?, settings.limits.requests, limit);
    // On loopback nobody listens in; beyond it, the rule of merchants holds.
    let require_https = settings.http.require_https && !settings.internal.bind.ip().is_loopback();
    let inside = api.internal(require_https, settings.internal_proxies()?);
    let readiness = Readiness::new(store.clone(), settings.environment == EnvironmentName::Production);
    readiness.look().await;

    let listen_failed = |error| Failure::failed("the listener failed", error);
    let public_server = listen::public(api.clone(), public_listener, public_tls).map_err(listen_failed)?;
    let internal_server = listen::internal(inside, internal_listener, internal_tls).map_err(listen_failed)?;
    let management_server = listen::management(readiness.clone(), telemetry::metrics(), management_listener)
        .map_err(listen_failed)?;
    let servers = [public_server.handle(), internal_server.handle(), management_server.handle()];
    let tasks = vec![
        tokio::spawn(async move { log_end(public_server.await) }),
        tokio::spawn(async move { log_end(internal_server.await) }),
        tokio::spawn(async move { log_end(management_server.await) }),
        tokio::spawn(every(LOOK_EVERY, readiness.clone(), look)),
        tokio::spawn(every(POLL_EVERY, api.keys.clone(), poll_keys)),
        tokio::spawn(every(NOTE_EVERY, api.clone(), write_notes)),
        tokio::spawn(every(HEADS_EVERY, store.clone(), log_heads)),
        tokio::spawn(every(WATCH_EVERY, api.clone(), watch_feeds)),
    ];
    Ok(Running { public, internal, management, store, readiness, servers, api, worker: None, tasks })
}

async fn open(settings: &Settings, group_connections: u32) -> Result<Store, Failure> {
    let store = store::Settings {
        connect: settings.database()?,
        connections: settings.database.connections,
        group_connections,
        sealer: settings.sealer()?,
    };
    let store = Store::open(store)
        .await
        .map_err(|error| Failure::failed("the database can not be reached", error))?;
    if settings.environment == EnvironmentName::Production {
        let is_dev = store::migrate::is_for_dev(&settings.database()?).await;
        if is_dev.map_err(|error| Failure::failed("the database can not be asked", error))? {
            let refusal = "the database was made by kashio dev: its keys are known to everybody";
            return Err(Failure::Usage(refusal.to_owned()));
        }
    }
    Ok(store)
}

fn bind(name: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address);
    listener.map_err(|error| Failure::failed(&format!("{name} can not listen on {address}"), error))
}

fn local(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::failed("listener", error))
}

fn start_worker(settings: &Settings, store: &Store, page_url: String) -> Result<Worker, Failure> {
    let outbound =
        Outbound::new(settings.targets()?).map_err(|error| Failure::failed("the webhook client", error))?;
    let settings = worker::Settings {
        schedule: settings.schedule()?,
        lease: settings.lease()?,
        page_url,
        retention: settings.retention(),
    };
    Ok(Worker::start(store.clone(), outbound, settings))
}

/// A worker alone, with its management listener.
pub struct Working {
    /// Where `/livez` and `/readyz` answer.
    pub management: SocketAddr,
    store: Store,
    readiness: Readiness,
    server: ServerHandle,
    worker: Worker,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a worker without the API.
///
/// # Errors
/// When a port is taken or the database can not be reached.
pub async fn work(settings: &Settings) -> Result<Working, Failure> {
    settings.database()?;
    let listener = bind("management.bind", settings.management.bind)?;
    let management = local(&listener)?;
    // A worker opens no invoices.
    let store = open(settings, 0).await?;
    let readiness = Readiness::new(store.clone(), settings.environment == EnvironmentName::Production);
    readiness.look().await;
    let server = listen::management(readiness.clone(), telemetry::metrics(), listener)
        .map_err(|error| Failure::failed("the listener failed", error))?;
    let page_url = page_url(settings, &settings.http.public_url);
    let worker = start_worker(settings, &store, page_url)?;
    let handle = server.handle();
    let tasks = vec![
        tokio::spawn(async move { log_end(server.await) }),
        tokio::spawn(every(LOOK_EVERY, readiness.clone(), look)),
    ];
    Ok(Working { management, store, readiness, server: handle, worker, tasks })
}

impl Working {
    /// Claims nothing more, finishes what is being sent, and closes the connections.
    pub async fn stop(self) {
        self.readiness.stop();
        self.worker.stop(DRAIN).await;
        self.store.close().await;
        self.server.stop(false).await;
        for task in self.tasks {
            task.abort();
        }
    }
}

impl Running {
    /// Works too: what happens without anybody asking for it happens in this process.
    ///
    /// # Errors
    /// When the settings of webhooks can not be used.
    pub fn add_worker(&mut self, settings: &Settings) -> Result<(), Failure> {
        let page_url = self.api.settings.page_url.clone();
        self.worker = Some(start_worker(settings, &self.store, page_url)?);
        Ok(())
    }

    /// Stops: not ready at once, serving on for the lame-duck time, then no new connections, running requests
    /// to their end, every transaction finished, connections closed.
    pub async fn stop(self, lame_duck: Duration) {
        self.readiness.stop();
        // Whoever waits for events goes elsewhere with what he has.
        self.api.feeds.stop();
        sleep(lame_duck).await;
        let [public, internal, management] = &self.servers;
        tokio::join!(public.stop(true), internal.stop(true));
        if let Some(worker) = self.worker {
            worker.stop(DRAIN).await;
        }
        // What was noted and not yet written; should it fail, the next use is noted by another replica.
        let _ = self.api.keys.write_used().await;
        let _ = self.api.keys.watch().write(&self.store).await;
        self.store.close().await;
        management.stop(false).await;
        for task in self.tasks {
            task.abort();
        }
    }
}

fn api_settings(settings: &Settings, public: SocketAddr) -> Result<api::Settings, Failure> {
    let public_url = match settings.http.public_url.as_str() {
        "" => format!("http://{public}"),
        url => url.trim_end_matches('/').to_owned(),
    };
    let page_url = page_url(settings, &public_url);
    Ok(api::Settings {
        public_url,
        page_url,
        support_email: settings.support.email.clone(),
        require_https: settings.http.require_https,
        trusted_proxies: settings.trusted_proxies()?,
        cors_origins: settings.cors_origins(),
        targets: settings.targets()?,
    })
}

fn page_url(settings: &Settings, public_url: &str) -> String {
    let url = match settings.page.public_url.as_str() {
        "" => public_url,
        url => url,
    };
    url.trim_end_matches('/').to_owned()
}

async fn look(readiness: Readiness) {
    readiness.look().await;
    telemetry::observe(readiness.store());
}

/// Unanswered, the memory of keys stops being trusted by itself.
async fn poll_keys(keys: Arc<Keys>) {
    if let Err(error) = keys.poll().await {
        tracing::warn!(%error, "keys were not polled: {error}");
    }
}

/// Wakes those who wait for events.
async fn watch_feeds(api: Api) {
    if let Err(error) = api.feeds.watch(&api.store).await {
        tracing::warn!(%error, "the feeds were not watched: {error}");
    }
}

/// Which keys were used, and what their owners should know of.
async fn write_notes(api: Api) {
    let used = api.keys.write_used().await;
    let seen = api.keys.watch().write(&api.store).await;
    if let Err(error) = used.and(seen) {
        tracing::warn!(%error, "the use of keys was not written: {error}");
    }
}

/// The outside anchor of the audit log: where its chains end, each minute.
async fn log_heads(store: Store) {
    match store.audit_heads().await {
        Ok(heads) => {
            for head in heads {
                let hash: String = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
                let (chain, count) = (head.chain.uuid(), head.count);
                tracing::info!(audit_chain = %chain, audit_count = count, audit_hash = hash, "audit head of {chain}");
            }
        }
        Err(error) => tracing::warn!(%error, "the audit heads were not read: {error}"),
    }
}

/// Calls a duty for ever. A duty takes no input but what it works with, so a missed turn is simply the next one.
async fn every<T, F, Fut>(period: Duration, with: T, duty: F)
where
    T: Clone,
    F: Fn(T) -> Fut,
    Fut: Future<Output = ()>,
{
    let mut turns = interval(period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        // A connection that answers no more must not hold the duty for ever; the next turn takes another.
        let _late = timeout(DUTY_TIME, duty(with.clone())).await;
    }
}

fn log_end(ended: std::io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a listener ended: {error}");
    }
}
