//! Transactions: one name, one deadline, and a task of their own.
//!
//! A caller may vanish at any instant (actix-web drops a handler when the client resets). Were the work to
//! stop with it, a pooled connection could be handed out in the middle of a stale transaction
//! (launchbadge/sqlx#4393). So all work runs in its own task on the main runtime, and the caller only waits
//! for it. A task is *not* a place to wait for strangers: never talk to the network inside one.
//!
//! The database may fall silent too, with its connections left open (a firewall that forgot them, a machine that
//! died). Every step has an end, and a connection on which one was not done whole is closed, never given back.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::Instrument;

use crate::Store;
use crate::error::{Error, Failure};
use crate::pool::Loan;

/// Limits of the session, set where PgBouncer allows it: inside the transaction.
const BEGIN: &str = "begin; set local statement_timeout = '5s'; set local lock_timeout = '2s'; \
                     set local idle_in_transaction_session_timeout = '5s'";

/// The same for work over many rows of a queue, whose statements are planned each time. A plan that was made while the
/// queue was empty looks through all of it for every row as soon as there are some, until Postgres counts them again: a
/// turn takes the square of what it took, runs into its time-out, and the queue stands still. And without bitmaps: they
/// leave what is dead in a queue's index, to be looked at again by every turn.
const BEGIN_BATCH: &str = "begin; set local statement_timeout = '5s'; set local lock_timeout = '2s'; \
                           set local idle_in_transaction_session_timeout = '5s'; \
                           set local plan_cache_mode = force_custom_plan; set local enable_bitmapscan = off";

/// How long a transaction may take in all; the handler that waits for it has 15 s.
const DEADLINE: Duration = Duration::from_secs(12);

/// The statement that begins a transaction, if there is to be one.
pub(crate) type Begin = Option<&'static str>;

/// How long one run of it may take: a little more than its slowest statement. What took longer is on a connection that
/// answers no more, and is run again on another one.
const RUN_TIME: Duration = Duration::from_secs(6);
/// The same for a beginning, and for an end without success, which write nothing and wait for nobody.
const SHORT_TIME: Duration = Duration::from_secs(1);
/// The same for COMMIT, which waits for disks and standbys.
const COMMIT_TIME: Duration = Duration::from_secs(4);

/// How often a transaction is run again.
const CONTENDED_RETRIES: u32 = 3;
const STALE_RETRIES: u32 = 8;
const LOST_RETRIES: u32 = 2;
/// Beginning again does no harm, nor does reading. After a restart of Postgres every pooled connection is dead
/// once, and a read, which begins nothing, meets the dead one with its first statement: so often, and a little
/// more, is tried, but no longer than the pool may be waited for.
const SPARE_RETRIES: u32 = 2;
const BEGIN_TIME: Duration = Duration::from_secs(1);
const CONNECT_PAUSE: Duration = Duration::from_millis(100);

/// A connection that work may be done with: inside a transaction, or, for reads, a plain one.
pub struct Tx {
    connection: Loan,
    store: Store,
    /// Events were written: whoever numbers them is nudged after the commit.
    pub(crate) has_told: bool,
}

impl Tx {
    /// The store it belongs to.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.connection.connection()
    }
}

impl Loan {
    async fn execute(&mut self, statement: &'static str, time: Duration) -> Result<(), Error> {
        let done = timeout(time, sqlx::raw_sql(statement).execute(self.connection())).await;
        let silent = |_| Error::Lost(format!("no answer within {time:?}"));
        done.map_err(silent)?.map(drop).map_err(Error::from)
    }
}

impl Store {
    /// Runs `work` in one transaction and commits it. The work is pure but for the database: it may run
    /// again, when a race was lost or the connection broke, also in the middle of COMMIT; whatever decides
    /// must therefore be read inside, and a repeat must find what the first run left.
    ///
    /// # Errors
    /// What the work returned (rolled back), or what the store met.
    pub async fn transaction<T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    {
        self.run(name, Some(BEGIN), work).await
    }

    /// [`Store::transaction`] for work over many rows of a queue: its statements are planned for what is there now.
    ///
    /// # Errors
    /// What the work returned (rolled back), or what the store met.
    pub(crate) async fn batch<T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    {
        self.run(name, Some(BEGIN_BATCH), work).await
    }

    /// Runs `work`, which only reads and needs no transaction, on a connection.
    ///
    /// # Errors
    /// What the work returned, or what the store met.
    pub async fn read<T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    {
        self.run(name, None, work).await
    }

    /// `begin` begins the transaction; there is none where it is `None`.
    async fn run<T, E, F>(&self, name: &'static str, begin: Begin, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    {
        let store = self.clone();
        // A part of the request's trace, though it outlives the request.
        let span = tracing::info_span!("transaction", name);
        let task = async move { store.attempts(name, begin, work).await }.instrument(span);
        let outcome = self.inner.tasks.spawn_on(task, &self.inner.runtime).await;
        outcome.unwrap_or_else(|ended| {
            let stopping = || Error::Unavailable("the program is stopping".to_owned());
            Err(E::from(if ended.is_cancelled() { stopping() } else { Error::Panicked(name) }))
        })
    }

    /// [`Store::run`] without a task of its own: the caller is one.
    pub(crate) async fn attempts<T, E, F>(&self, name: &'static str, begin: Begin, work: F) -> Result<T, E>
    where
        E: Failure,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
    {
        let began = Instant::now();
        let deadline = began + DEADLINE;
        let (mut contended, mut stale, mut lost) = (0, 0, 0);
        let pooled = self.inner.pool.most() + SPARE_RETRIES;
        let (lost_retries, lost_pause) = if begin.is_some() { (LOST_RETRIES, 50) } else { (pooled, 1) };
        loop {
            let failure = match self.attempt(begin, deadline, &work).await {
                Ok(done) => {
                    ended(name, "done", began);
                    return Ok(done);
                }
                Err(failure) => failure,
            };
            let again = match failure.as_store() {
                Some(Error::Contended(_)) => count(&mut contended) <= CONTENDED_RETRIES,
                Some(Error::Stale) => count(&mut stale) <= STALE_RETRIES,
                Some(Error::Lost(_)) => count(&mut lost) <= lost_retries,
                _ => false,
            };
            if !again || Instant::now() >= deadline {
                ended(name, if failure.as_store().is_some() { "failed" } else { "refused" }, began);
                return Err(failure);
            }
            metrics::counter!("kashio_transactions_total", "name" => name, "outcome" => "again").increment(1);
            if let Some(error) = failure.as_store() {
                tracing::warn!(transaction = name, %error, "transaction {name} runs again: {error}");
            }
            sleep(Duration::from_millis(u64::from(contended * 7 + lost * lost_pause))).await;
        }
    }

    async fn attempt<T, E, F>(&self, begin: Begin, deadline: Instant, work: &F) -> Result<T, E>
    where
        E: Failure,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
    {
        let connection = self.begin(begin).await?;
        let mut tx = Tx { connection, store: self.clone(), has_told: false };
        let until = deadline.min(Instant::now() + RUN_TIME);
        let silent = || Error::Lost(format!("the work was not done within {RUN_TIME:?}"));
        let done = timeout_at(until, work(&mut tx)).await.map_err(|_| silent())?;
        let mut connection = tx.connection;
        match done {
            Ok(done) => {
                if begin.is_some() {
                    connection.execute("COMMIT", COMMIT_TIME).await?;
                }
                if tx.has_told {
                    self.nudge();
                }
                self.inner.pool.give_back(connection);
                Ok(done)
            }
            Err(failure) => {
                // The failure is what matters; a connection that can not roll back is closed.
                let is_lost = matches!(failure.as_store(), Some(Error::Lost(_)));
                if !is_lost && (begin.is_none() || connection.execute("ROLLBACK", SHORT_TIME).await.is_ok()) {
                    self.inner.pool.give_back(connection);
                }
                Err(failure)
            }
        }
    }

    async fn begin(&self, begin: Begin) -> Result<Loan, Error> {
        let (began, mut tries) = (Instant::now(), 0);
        loop {
            let (lost, pause) = match self.inner.pool.borrow().await {
                Ok(mut connection) => {
                    let Some(begin) = begin else { return Ok(connection) };
                    match connection.execute(begin, SHORT_TIME).await {
                        Ok(()) => return Ok(connection),
                        // One that died in the pool: the next may be well.
                        Err(Error::Lost(why)) => (why, Duration::ZERO),
                        Err(error) => return Err(error),
                    }
                }
                // No new one is to be had; asking at once would only be in the way of the database's start.
                Err(Error::Lost(why)) => (why, CONNECT_PAUSE),
                Err(error) => return Err(error),
            };
            let again = count(&mut tries) <= self.inner.pool.most() + SPARE_RETRIES;
            if !again || began.elapsed() + pause >= BEGIN_TIME {
                return Err(Error::Unavailable(lost));
            }
            sleep(pause).await;
        }
    }
}

/// Counts a transaction by what came of it: `done`; `refused` by its own work; `failed`; each run that was lost and made
/// again is counted as `again`.
pub(crate) fn ended(name: &'static str, outcome: &'static str, began: Instant) {
    metrics::counter!("kashio_transactions_total", "name" => name, "outcome" => outcome).increment(1);
    metrics::histogram!("kashio_transaction_duration_seconds", "name" => name).record(began.elapsed());
}

fn count(tries: &mut u32) -> u32 {
    *tries += 1;
    *tries
}
