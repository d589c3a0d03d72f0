//! The worker: HTTP out. Everything that happens without anybody asking for it: events get their numbers, webhooks
//! are delivered, invoices past their time are stored as expired, what was kept long enough goes.
//!
//! | module | holds |
//! |---|---|
//! | [`duty`] | something that is done again and again, until the program stops |
//! | [`deliver`] | claim → commit → sign → post → finish; of these `bodies` renders what is posted, `post` makes one attempt, `results` writes down what came of them |
//! | [`outbound`] | posting to strangers: addresses that are checked, limits on time and size |
//!
//! Any number of workers may run: a lock lets one number events, claims share out deliveries. The worker and the API
//! never name each other; what both need is a method of the store.
//!
//! # To add a duty
//! A method of [`Store`] that looks at the tables and does one bounded turn of work, `true` when there is more, and a
//! line in [`Worker::start`]. A duty takes no input: recovery is the same code as any other day.

mod bodies;
pub mod deliver;
pub mod duty;
pub mod outbound;
mod post;
mod results;

use std::sync::Arc;
use std::time::Duration;

use domain::delivery::Schedule;
use store::Store;
use store::sweep::Retention;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use deliver::Deliverer;
use outbound::Outbound;

/// Events that are numbered in one transaction.
const SEQUENCE_BATCH: i64 = 1_000;
/// How often the numbering looks by itself, when there was something to do and when there was not.
const BUSY: Duration = Duration::from_millis(20);
const IDLE: Duration = Duration::from_millis(40);
/// Invoices that are stored as expired in one transaction, and how often the duty looks: a second behind is the most.
const EXPIRY_BATCH: i64 = 500;
const EXPIRE_EVERY: Duration = Duration::from_millis(400);
/// How often the sweep and the gauges look.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
const GAUGE_EVERY: Duration = Duration::from_secs(5);

/// What a delivery takes at most, from its claim until its answer is written down: the last is given five seconds.
pub const LONGEST_TURN: Duration =
    deliver::BEGIN_WITHIN.saturating_add(outbound::TOTAL_TIME).saturating_add(Duration::from_secs(5));

/// What a worker needs to know beside the store.
#[derive(Clone)]
pub struct Settings {
    /// When attempts are made.
    pub schedule: Schedule,
    /// How long a claim holds: more than [`LONGEST_TURN`], or what is being posted is claimed, and posted, once more.
    pub lease: Duration,
    /// Address that links to the payment page begin with.
    pub page_url: String,
    /// How long things are kept.
    pub retention: Retention,
}

/// A worker that works.
pub struct Worker {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Worker {
    /// Starts every duty on the current runtime.
    pub fn start(store: Store, outbound: Outbound, settings: Settings) -> Worker {
        let (stop, stopping) = watch::channel(false);
        let due = Arc::new(Notify::new());
        let retention = settings.retention;
        let deliverer = Deliverer::new(store.clone(), outbound, settings, due.clone());
        let tasks = vec![
            tokio::spawn(sequence(store.clone(), due, stopping.clone())),
            tokio::spawn(deliverer.run(stopping.clone())),
            tokio::spawn(duty::every("expire", EXPIRE_EVERY, stopping.clone(), {
                let store = store.clone();
                move || {
                    let store = store.clone();
                    async move { expire(&store).await }
                }
            })),
            tokio::spawn(duty::every("sweep", SWEEP_EVERY, stopping.clone(), {
                let store = store.clone();
                move || {
                    let store = store.clone();
                    async move { store.sweep(retention).await }
                }
            })),
            tokio::spawn(duty::every("gauges", GAUGE_EVERY, stopping, move || {
                let store = store.clone();
                async move { gauges(&store).await.map(|()| false) }
            })),
        ];
        Worker { stop, tasks }
    }

    /// Claims nothing more, and waits for what is being sent, at most `time`.
    pub async fn stop(self, time: Duration) {
        // Nobody listens any more: then there is nobody to stop.
        let _ = self.stop.send(true);
        for mut task in self.tasks {
            if tokio::time::timeout(time, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// Numbers events as they are committed; a nudge from this process only makes it look sooner.
async fn sequence(store: Store, due: Arc<Notify>, mut stopping: watch::Receiver<bool>) {
    let mut pause = IDLE;
    while !*stopping.borrow() {
        tokio::select! {
            () = store.nudged() => {}
            () = tokio::time::sleep(pause) => {}
            _ = stopping.changed() => return,
        }
        pause = match store.sequence(SEQUENCE_BATCH).await {
            Ok(done) => {
                // A ping is due without an event.
                due.notify_one();
                if done.more {
                    store.nudge();
                }
                if done.events > 0 { BUSY } else { IDLE }
            }
            Err(error) => {
                tracing::warn!(%error, "events were not numbered: {error}");
                duty::AFTER_FAILURE
            }
        };
    }
}

/// A full batch says that a great many are due: then several are stored at once, as each passes by what another has
/// locked. Alone, one batch after another would get but a small part of a busy machine.
async fn expire(store: &Store) -> Result<bool, store::Error> {
    if !store.expire_due(EXPIRY_BATCH).await? {
        return Ok(false);
    }
    let batch = || store.expire_due(EXPIRY_BATCH);
    let (one, two, three, four) = tokio::join!(batch(), batch(), batch(), batch());
    Ok(one? | two? | three? | four?)
}

async fn gauges(store: &Store) -> Result<(), store::Error> {
    let seconds = |millis: u64| Duration::from_millis(millis).as_secs_f64();
    let backlog = store.webhook_backlog().await?;
    let count = u32::try_from(backlog.count).unwrap_or(u32::MAX);
    metrics::gauge!("kashio_webhook_backlog").set(count);
    metrics::gauge!("kashio_webhook_oldest_seconds").set(seconds(backlog.oldest_millis));
    metrics::gauge!("kashio_expiry_lag_seconds").set(seconds(store.expiry_lag_millis().await?));
    metrics::gauge!("kashio_event_sequence_lag_seconds").set(seconds(store.sequence_lag_millis().await?));
    Ok(())
}
