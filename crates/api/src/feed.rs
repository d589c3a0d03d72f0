//! Waiting for events. One watcher for the whole process asks for the newest numbers of all feeds that somebody waits
//! for, in one question, and wakes those whose feed has grown. Whoever waits holds no connection and no place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::account::Owner;
use store::Store;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// How often the numbers are asked for.
pub const WATCH_EVERY: Duration = Duration::from_millis(50);
/// Who may wait at once, of one account and mode.
const MAX_WAITING: usize = 20;
/// Who may wait at once, in this process, for the numbers of what they have written.
const MAX_CATCHING_UP: usize = 64;

/// A feed that somebody waits for.
#[derive(Default)]
struct Watched {
    waiting: AtomicUsize,
    head: AtomicI64,
    grown: Notify,
}

/// The watcher.
pub struct Feeds {
    watched: Mutex<HashMap<Owner, Arc<Watched>>>,
    catching_up: Semaphore,
    stopping: AtomicBool,
}

impl Default for Feeds {
    fn default() -> Feeds {
        let catching_up = Semaphore::new(MAX_CATCHING_UP);
        Feeds { watched: Mutex::default(), catching_up, stopping: AtomicBool::new(false) }
    }
}

/// A place among those who wait for a feed, given back when dropped.
pub(crate) struct Waiting<'f> {
    feeds: &'f Feeds,
    owner: Owner,
    watched: Arc<Watched>,
}

impl Feeds {
    /// A place; `None`: as many wait as may.
    pub(crate) fn wait_for(&self, owner: Owner) -> Option<Waiting<'_>> {
        let mut all = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = all.entry(owner).or_default().clone();
        // Counted before the place exists: its drop takes this lock.
        if watched.waiting.load(Ordering::Acquire) >= MAX_WAITING {
            return None;
        }
        watched.waiting.fetch_add(1, Ordering::AcqRel);
        Some(Waiting { feeds: self, owner, watched })
    }

    /// A place among those who wait for numbers, which takes a moment; `None`: as many wait as may.
    pub(crate) fn catch_up(&self) -> Option<SemaphorePermit<'_>> {
        self.catching_up.try_acquire().ok()
    }

    /// One question for all feeds; nobody waits, no question. The program asks every [`WATCH_EVERY`].
    ///
    /// # Errors
    /// When the database can not be asked; those who wait go on waiting.
    pub async fn watch(&self, store: &Store) -> Result<(), store::Error> {
        let owners: Vec<Owner> =
            self.watched.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        if owners.is_empty() {
            return Ok(());
        }
        for head in store.heads(&owners).await? {
            let all = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(watched) = all.get(&head.owner)
                && watched.head.fetch_max(head.sequence, Ordering::AcqRel) < head.sequence
            {
                watched.grown.notify_waiters();
            }
        }
        Ok(())
    }

    /// Whether the program stops.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Everybody answers with what he has.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for watched in self.watched.lock().unwrap_or_else(PoisonError::into_inner).values() {
            watched.grown.notify_waiters();
        }
    }
}

impl Waiting<'_> {
    /// Waits until the feed is known to have grown beyond a number. `false`: time is up, or the program stops.
    pub(crate) async fn beyond(&self, sequence: i64, deadline: Instant) -> bool {
        loop {
            let mut grown = std::pin::pin!(self.watched.grown.notified());
            // Registered before the look, so that no growth falls between the two.
            grown.as_mut().enable();
            if self.feeds.stopping.load(Ordering::Acquire) {
                return false;
            }
            if self.watched.head.load(Ordering::Acquire) > sequence {
                return true;
            }
            if timeout_at(deadline, grown).await.is_err() {
                return false;
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut all = self.feeds.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if self.watched.waiting.fetch_sub(1, Ordering::AcqRel) == 1 {
            all.remove(&self.owner);
        }
    }
}
