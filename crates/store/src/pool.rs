//! Connections for requests. sqlx's pool opens, closes and replaces them, but asks each one that comes back whether it
//! still answers: one more trip to the database for every request. So who is done leaves his connection at hand for
//! the next, the last one first, and only now and then is it given back to the pool and its questions.
//!
//! A place is what a request waits for; there are as many as connections. Who has a place and finds nothing at hand lets
//! a connection be opened and takes whichever is there first, that one or one that is given back: a burst is served by
//! what is open while the rest opens, and nothing that was opened is thrown away.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
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
    shelf: Arc<Mutex<Shelf>>,
}

/// Connections that nobody uses at the moment, or those who wait for one.
#[derive(Default)]
struct Shelf {
    at_hand: Vec<Away>,
    waiting: VecDeque<oneshot::Sender<Away>>,
    is_closed: bool,
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
        Pool { pool, most, places: Arc::new(Semaphore::new(places)), shelf: Arc::default() }
    }

    /// A connection; one of those at hand was sound when it was last used.
    pub(crate) async fn borrow(&self) -> Result<Loan, Error> {
        let place = timeout(PLACE_TIME, self.places.clone().acquire_owned()).await;
        let full = |_| Error::Unavailable(format!("no connection was free within {PLACE_TIME:?}"));
        let closed = |_| Error::Unavailable("the program is stopping".to_owned());
        let place = place.map_err(full)?.map_err(closed)?;
        let at_hand = self.shelf().take();
        let away = match at_hand {
            Ok(away) => away,
            Err(coming) => self.opened_or(coming).await?,
        };
        Ok(Loan { away, _place: place })
    }

    /// The connection that comes first: one that is opened now, or one that another request is done with.
    async fn opened_or(&self, mut coming: oneshot::Receiver<Away>) -> Result<Away, Error> {
        let stopping = |_| Error::Unavailable("the program is stopping".to_owned());
        let (pool, shelf) = (self.pool.clone(), self.shelf.clone());
        let opening = tokio::spawn(async move {
            let mut connection = pool.acquire().await?;
            connection.close_on_drop();
            lock(&shelf).put(Away { connection, since: Instant::now() });
            Ok::<_, Error>(())
        });
        select! {
            biased;
            away = &mut coming => return away.map_err(stopping),
            opened = opening => opened.map_err(|error| Error::Unavailable(error.to_string()))??,
        }
        // It went to whoever had waited longer, and his is on its way.
        let late = |_| Error::Unavailable(format!("no connection was opened within {PLACE_TIME:?}"));
        timeout(PLACE_TIME, coming).await.map_err(late)?.map_err(stopping)
    }

    /// It is sound, and in no transaction.
    pub(crate) fn give_back(&self, loan: Loan) {
        if loan.away.since.elapsed() < AWAY_TIME {
            self.shelf().put(loan.away);
        } else {
            loan.away.retire();
        }
    }

    /// Gives those back that nobody has used for a while: the pool closes what is too many.
    pub(crate) fn tidy(&self) {
        let is_old = |away: &mut Away| away.since.elapsed() >= AWAY_TIME;
        let old: Vec<Away> = self.shelf().at_hand.extract_if(.., is_old).collect();
        old.into_iter().for_each(Away::retire);
    }

    /// How many connections there may be.
    pub(crate) const fn most(&self) -> u32 {
        self.most
    }

    pub(crate) fn state(&self) -> PoolState {
        let idle = self.pool.num_idle() + self.shelf().at_hand.len();
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        PoolState { open: self.pool.size(), idle, most: self.most }
    }

    /// Nobody uses one any more.
    pub(crate) async fn close(&self) {
        self.places.close();
        let at_hand = {
            let mut shelf = self.shelf();
            shelf.is_closed = true;
            shelf.waiting.clear();
            take(&mut shelf.at_hand)
        };
        at_hand.into_iter().for_each(Away::retire);
        self.pool.close().await;
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.shelf)
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    /// One that is at hand, or the first that will be.
    fn take(&mut self) -> Result<Away, oneshot::Receiver<Away>> {
        self.at_hand.pop().ok_or_else(|| {
            let (tell, coming) = oneshot::channel();
            self.waiting.push_back(tell);
            coming
        })
    }

    fn put(&mut self, mut away: Away) {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(away) {
                Ok(()) => return,
                Err(unwanted) => away = unwanted,
            }
        }
        if self.is_closed {
            away.retire();
        } else {
            self.at_hand.push(away);
        }
    }
}

impl Away {
    fn retire(mut self) {
        tokio::spawn(timeout(RETURN_TIME, self.connection.return_to_pool()));
    }
}

#[cfg(test)]
mod tests {
    use postgres_dev::testing::database;
    use sqlx::postgres::PgPoolOptions;
    use tokio::task::yield_now;
    use tokio::time::sleep;

    use super::*;

    /// Of two connections the second takes `opening` to open.
    async fn slow(url: &str, opening: Duration) -> Pool {
        let second = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let options = PgPoolOptions::new().max_connections(2).acquire_timeout(PLACE_TIME);
        let options = options.after_connect(move |_, _| {
            let is_second = second.swap(true, std::sync::atomic::Ordering::Relaxed);
            Box::pin(async move {
                sleep(if is_second { opening } else { Duration::ZERO }).await;
                Ok(())
            })
        });
        Pool::new(options.connect_lazy(url).unwrap(), 2)
    }

    #[tokio::test]
    async fn who_waits_for_one_to_open_is_served_by_one_that_comes_back() {
        let database = database("none", async |_| Ok(())).await.unwrap();
        let opening = Duration::from_millis(400);
        let pool = Arc::new(slow(database.url(), opening).await);
        let first = pool.borrow().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.borrow().await }
        });
        yield_now().await;
        let began = Instant::now();
        pool.give_back(first);
        let served = waiting.await.unwrap().unwrap();
        assert!(began.elapsed() < opening / 2, "{:?}", began.elapsed());

        // What was opened for him is there for the next, and is no connection too many.
        let second = pool.borrow().await.unwrap();
        assert_eq!(pool.state().open, 2);
        pool.give_back(served);
        pool.give_back(second);
        assert_eq!((pool.state().open, pool.state().idle), (2, 2));
        pool.close().await;
        assert!(matches!(pool.borrow().await, Err(Error::Unavailable(_))));
    }

    #[tokio::test]
    async fn one_that_opens_after_the_end_is_closed() {
        let database = database("none", async |_| Ok(())).await.unwrap();
        let pool = Arc::new(slow(database.url(), Duration::from_millis(200)).await);
        let first = pool.borrow().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.borrow().await.map(drop) }
        });
        yield_now().await;
        pool.give_back(first);
        waiting.await.unwrap().unwrap();
        timeout(Duration::from_secs(5), pool.close()).await.unwrap();
        assert_eq!(pool.state().open, 0);
    }
}
