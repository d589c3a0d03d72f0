//! Connections for requests. sqlx's pool opens, closes and replaces them, but asks each one that comes back whether it
//! still answers: one more trip to the database for every request. So who is done leaves his connection at hand for
//! the next, the last one first, and only now and then is it given back to the pool and its questions.
//!
//! A place is what a request waits for; there are as many as connections. Who has a place and finds nothing at hand takes
//! whichever connection is there first: one that is opened meanwhile, or one that another request is done with. So a
//! burst is served by what is open while the rest opens, and what was opened for somebody who was served otherwise is
//! there for the next.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::PoolState;
use crate::error::Error;

/// How long a request may wait for a place, and as long again for a connection to open.
pub(crate) const PLACE_TIME: Duration = Duration::from_secs(1);

/// How long it takes to try again when none could be opened.
const OPEN_PAUSE: Duration = Duration::from_millis(100);

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
    /// How many are being opened: one for each who waits, at most.
    opening: usize,
    /// Why the last one could not be opened.
    trouble: Option<String>,
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
        let at_hand = self.take();
        let away = match at_hand {
            Ok(away) => away,
            Err(coming) => match timeout(PLACE_TIME, coming).await {
                Ok(came) => came.map_err(|_| Error::Unavailable("the program is stopping".to_owned()))?,
                Err(_) => return Err(self.none_opened()),
            },
        };
        Ok(Loan { away, _place: place })
    }

    /// One that is at hand, or the first that will be.
    fn take(&self) -> Result<Away, oneshot::Receiver<Away>> {
        let mut shelf = self.shelf();
        if let Some(away) = shelf.at_hand.pop() {
            return Ok(away);
        }
        shelf.forget_gone();
        let (tell, coming) = oneshot::channel();
        shelf.waiting.push_back(tell);
        if shelf.opening < shelf.waiting.len() {
            shelf.opening += 1;
            tokio::spawn(open(self.pool.clone(), self.shelf.clone()));
        }
        Err(coming)
    }

    fn none_opened(&self) -> Error {
        let trouble = self.shelf().trouble.clone().map_or_else(String::new, |why| format!(": {why}"));
        Error::Unavailable(format!("no connection was opened within {PLACE_TIME:?}{trouble}"))
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

/// Opens a connection for whoever has waited longest, and tries again as long as anybody waits.
async fn open(pool: PgPool, shelf: Arc<Mutex<Shelf>>) {
    loop {
        let opened = pool.acquire().await;
        {
            let mut shelf = lock(&shelf);
            shelf.forget_gone();
            match opened {
                Ok(mut connection) => {
                    connection.close_on_drop();
                    shelf.opening -= 1;
                    shelf.trouble = None;
                    return shelf.put(Away { connection, since: Instant::now() });
                }
                Err(error) => shelf.trouble = Some(error.to_string()),
            }
            if shelf.waiting.is_empty() {
                shelf.opening -= 1;
                return;
            }
        }
        sleep(OPEN_PAUSE).await;
    }
}

impl Shelf {
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

    /// Leaves out those who wait no more.
    fn forget_gone(&mut self) {
        self.waiting.retain(|waiting| !waiting.is_closed());
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
