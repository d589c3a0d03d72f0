//! Connections for requests. sqlx's pool opens, closes and replaces them, but asks each one that comes back whether it
//! still answers: one more trip to the database for every request. So who is done leaves his connection at hand for
//! the next, the last one first, and only now and then is it given back to the pool and its questions.
//!
//! A place is what a request waits for; there are as many as connections.

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::PoolState;
use crate::error::Error;

/// How long a request may wait for a place, and as long again for a connection to open.
pub(crate) const PLACE_TIME: Duration = Duration::from_secs(1);

/// How long a connection may stay away from the pool, which closes those that are too many, too old or dead.
const AWAY_TIME: Duration = Duration::from_secs(30);

/// How long one that went back may take to show that it still answers. Without an end, one that fell silent would hold
/// its place for ever.
const RETURN_TIME: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Pool {
    pool: PgPool,
    most: u32,
    places: Arc<Semaphore>,
    at_hand: Mutex<Vec<Away>>,
}

/// A connection that left the pool, and when. Dropped without a word it is closed.
struct Away {
    connection: PoolConnection<Postgres>,
    since: Instant,
}

/// A connection on loan. Dropped without a word it is closed, which ends its transaction, and its place is free at once:
/// so do panics and time-outs end.
pub(crate) struct Loan {
    away: Away,
    _place: OwnedSemaphorePermit,
}

impl Loan {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.away.connection
    }
}

impl Pool {
    /// In front of `pool`, which has `most` connections.
    pub(crate) fn new(pool: PgPool, most: u32) -> Pool {
        let places = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
        Pool { pool, most, places: Arc::new(Semaphore::new(places)), at_hand: Mutex::default() }
    }

    /// A connection; one of those at hand was sound when it was last used.
    pub(crate) async fn borrow(&self) -> Result<Loan, Error> {
        let place = timeout(PLACE_TIME, self.places.clone().acquire_owned()).await;
        let full = |_| Error::Unavailable(format!("no connection was free within {PLACE_TIME:?}"));
        let closed = |_| Error::Unavailable("the program is stopping".to_owned());
        let place = place.map_err(full)?.map_err(closed)?;
        let at_hand = self.at_hand().pop();
        let away = match at_hand {
            Some(away) => away,
            None => {
                let mut connection = self.pool.acquire().await?;
                connection.close_on_drop();
                Away { connection, since: Instant::now() }
            }
        };
        Ok(Loan { away, _place: place })
    }

    /// It is sound, and in no transaction.
    pub(crate) fn give_back(&self, loan: Loan) {
        if loan.away.since.elapsed() < AWAY_TIME {
            self.at_hand().push(loan.away);
        } else {
            loan.away.retire();
        }
    }

    /// Gives those back that nobody has used for a while: the pool closes what is too many.
    pub(crate) fn tidy(&self) {
        let old: Vec<Away> =
            self.at_hand().extract_if(.., |away| away.since.elapsed() >= AWAY_TIME).collect();
        old.into_iter().for_each(Away::retire);
    }

    /// How many connections there may be.
    pub(crate) const fn most(&self) -> u32 {
        self.most
    }

    pub(crate) fn state(&self) -> PoolState {
        let idle = self.pool.num_idle() + self.at_hand().len();
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        PoolState { open: self.pool.size(), idle, most: self.most }
    }

    /// Nobody uses one any more.
    pub(crate) async fn close(&self) {
        self.places.close();
        take(&mut *self.at_hand()).into_iter().for_each(Away::retire);
        self.pool.close().await;
    }

    fn at_hand(&self) -> MutexGuard<'_, Vec<Away>> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Away {
    fn retire(mut self) {
        tokio::spawn(timeout(RETURN_TIME, self.connection.return_to_pool()));
    }
}
