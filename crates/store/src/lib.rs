//! The store: what Postgres keeps, and the only crate that speaks SQL.
//!
//! | module | holds |
//! |---|---|
//! | [`transaction`](Store::transaction), [`Tx`] | one name, one deadline, run in a task that outlives its caller |
//! | `pool` | connections for requests, kept at hand |
//! | [`change`] | [`Tx::save`]: the one way to write an invoice, its payment and its event |
//! | [`create`] | the one statement that opens invoices, over a slice |
//! | [`group`] | creates of many requests, committed together |
//! | `together` | reads of many requests, in one statement |
//! | [`idempotency`] | [`Claim`], [`Answer`], [`Store::once`] |
//! | [`invoices`], [`accounts`], [`keys`], [`service_keys`] | finders; the owner comes first |
//! | [`payments`], [`channels`] | money, and who brings it |
//! | [`support`], [`timeline`], [`proposals`] | what support looks for, what happened, what two people decide |
//! | [`collections`] | what banks ask and tell, judged and answered once |
//! | [`audit`] | who did what, in chains |
//! | [`sequence`], [`events`] | the numbers of the feed, and the feed |
//! | [`endpoints`], [`deliveries`], [`seal`] | who is told, what is on its way, the secrets that prove it |
//! | [`sweep`] | what is kept no more |
//! | [`codes`] | leases of ktin numbers |
//! | [`clock`], [`health`], [`migrate`] | the database's time, whether it is well, how its schema grows |
//! | [`invariants`] | what is always true of the data, asked as SQL |
//!
//! # To add a table
//! 1. A file in `migrations/` (its README says how), keys led by `(account_id, livemode)`.
//! 2. A module named like the table: a private row struct, one `TryFrom` into the domain's type (what the
//!    domain refuses is [`Error::Corrupt`]), one method per statement.
//! 3. Constraints that callers can run into get a variant of [`Conflict`], compared by their whole name.
//! 4. `.ci/queries write`, and a test in `tests/it/`.

pub mod accounts;
pub mod audit;
pub mod change;
pub mod channels;
pub mod clock;
pub mod codes;
pub mod collections;
pub mod create;
pub mod deliveries;
pub mod endpoints;
mod error;
pub mod events;
mod expire;
pub mod group;
pub mod health;
pub mod idempotency;
pub mod invariants;
pub mod invoices;
pub mod keys;
pub mod migrate;
pub mod payments;
mod pool;
pub mod proposals;
mod quotes;
mod random;
pub mod seal;
pub mod sequence;
pub mod service_keys;
pub mod support;
pub mod sweep;
pub mod timeline;
mod together;
mod tx;

use std::sync::Arc;
use std::time::Duration;

use domain::change::{Opening, Stamp};
use domain::id::{EventId, InvoiceId};
use domain::invoice::Token;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

pub use create::Create;
pub use error::{Conflict, Error, Failure};
pub use group::Grouped;
pub use idempotency::{Answer, Claim, Once};
pub use tx::Tx;

use clock::Clock;
use codes::Codes;
use group::Groups;
use pool::{PLACE_TIME, Pool};
use seal::Sealer;
use together::Line;

/// How long a connection that was given back may take to show that it still answers.
const RELEASE_TIME: Duration = Duration::from_secs(1);

/// How long a starting program tries to reach the database, and how long it rests between: a replica that comes back
/// while the database is busy, or comes back too, need not be started twice.
const START_TIME: Duration = Duration::from_secs(5);
const START_PAUSE: Duration = Duration::from_millis(100);

/// How long connections may take to say good-bye when the program stops.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// How to reach the database and how much of it to use.
#[derive(Clone)]
pub struct Settings {
    /// Where and as whom.
    pub connect: PgConnectOptions,
    /// Connections for requests.
    pub connections: u32,
    /// Connections that commit creates in groups; none: each create is committed by itself.
    pub group_connections: u32,
    /// Opens and seals what must be read back.
    pub sealer: Sealer,
}

/// How connections are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Connections that are open.
    pub open: u32,
    /// … of which nobody uses these.
    pub idle: u32,
    /// Connections that there may be.
    pub most: u32,
}

/// Where reads wait for each other.
#[derive(Default)]
struct Lines {
    invoices: Line<invoices::One>,
    pages: Line<invoices::Walk>,
}

/// The door to Postgres. Cheap to clone; every clone is the same door.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    /// Health and duties never wait behind requests.
    aside: PgPool,
    runtime: Handle,
    tasks: TaskTracker,
    clock: Clock,
    codes: Codes,
    sealer: Sealer,
    told: Arc<Notify>,
    groups: Option<Groups>,
    lines: Lines,
}

impl Store {
    /// Opens the store on the current runtime, which must be the program's main, multi-threaded one: all
    /// database work runs there, because a pooled socket belongs to the runtime that opened it.
    ///
    /// # Errors
    /// When the database can not be reached or does not tell its time.
    pub async fn open(settings: Settings) -> Result<Store, Error> {
        let pool = |connections: u32| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PLACE_TIME)
                // What is lost is opened again in the background, by somebody who has more patience than a request.
                .min_connections(connections.div_ceil(2))
                // A ping per request costs more than running a transaction again when its connection was dead.
                .test_before_acquire(false)
        };
        // What a duty gives up may be a connection that answers no more. The pool would ask it once more, without
        // end, and its place would never be free again.
        let aside = pool(3).after_release(|connection, _| {
            Box::pin(async {
                let pinged = timeout(RELEASE_TIME, connection.ping()).await;
                pinged.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
            })
        });
        let aside = aside.connect_lazy_with(settings.connect.clone());
        let began = Instant::now();
        let clock = loop {
            match Clock::start(&aside).await {
                Err(Error::Unavailable(_) | Error::Lost(_)) if began.elapsed() < START_TIME => {
                    sleep(START_PAUSE).await;
                }
                started => break started?,
            }
        };
        let connections = settings.connections.max(1);
        let (told, tasks) = (Arc::new(Notify::new()), TaskTracker::new());
        let inner = Inner {
            groups: Groups::start(settings.group_connections, &settings.connect, &told, &tasks),
            pool: Pool::new(pool(connections).connect_lazy_with(settings.connect), connections),
            aside,
            runtime: Handle::current(),
            tasks,
            clock,
            codes: Codes::default(),
            sealer: settings.sealer,
            told,
            lines: Lines::default(),
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// The database's clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// How the connections for requests are used: open, idle among them, and how many there may be.
    pub fn pool(&self) -> PoolState {
        self.inner.pool.state()
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.inner.sealer
    }

    /// Wakes whoever numbers events in this process: something was committed. Only a nudge: polling is the truth.
    pub fn nudge(&self) {
        self.inner.told.notify_one();
    }

    /// Waits for a nudge.
    pub async fn nudged(&self) {
        self.inner.told.notified().await;
    }

    /// A stamp for a change at `at`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the machine gives no random bytes.
    pub fn stamp(&self, at: domain::time::Moment) -> Result<Stamp, Error> {
        Ok(Stamp { at, event: EventId::new(self.clock().unix_millis(), &random::bytes()?) })
    }

    /// A stamp, an id, a ktin and a token for a new invoice.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no ktin could be leased.
    pub async fn opening(&self) -> Result<Opening, Error> {
        let stamp = self.stamp(self.clock().now())?;
        let id = InvoiceId::new(self.clock().unix_millis(), &random::bytes()?);
        let token = Token::from_random(random::bytes()?);
        let ktin = self.next_ktin(stamp.at.lima_day()).await?;
        Ok(Opening { stamp, id, ktin, token })
    }

    /// Waits for every running transaction, then closes the connections. Nothing may be begun after.
    pub async fn close(&self) {
        self.inner.tasks.close();
        if let Some(groups) = &self.inner.groups {
            groups.stop();
        }
        self.inner.tasks.wait().await;
        // Nothing is under way any more. A connection that fell silent would be waited for without end, and the process is
        // about to close it anyway.
        let _ =
            timeout(CLOSE_TIME, async { tokio::join!(self.inner.pool.close(), self.inner.aside.close()) })
                .await;
    }
}
