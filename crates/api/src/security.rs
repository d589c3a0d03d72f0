//! What requests do with keys that their owners should know of: a key sent in the clear, one that was revoked, one
//! that is used from elsewhere or for the other mode. Seen on the request path, written down off it, at most once a
//! minute for a key, an address and a kind. Not a counter: a flood of them is one row a minute, or none.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use store::Store;
use store::audit::Sighting;

/// The key came over plain HTTP: whoever listened has it.
pub const PLAIN_HTTP: &str = "security.key_over_plain_http";
/// The key of one mode for an object of the other, or a live key of an account that does not accept them.
pub const WRONG_MODE: &str = "security.wrong_mode";
/// The key from an address that is not among those it may be used from.
pub const WRONG_ADDRESS: &str = "security.wrong_address";
/// A key that was revoked, or whose end is past.
pub const ENDED_KEY: &str = "security.revoked_key_used";

/// The same thing is not looked at again for so long.
const SILENCE: Duration = Duration::from_secs(60);
const REMEMBERED: usize = 10_000;
/// Sightings that wait to be written; more are forgotten.
const WAITING: usize = 256;
/// Written in one turn of the duty.
const TURN: usize = 20;

type Sight = (&'static str, Box<str>, IpAddr);

/// Sees, remembers for a minute, and hands over what is to be written.
pub struct Watch {
    seen: Cache<Sight, Instant>,
    waiting: Mutex<VecDeque<Sighting>>,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { seen: Cache::new(REMEMBERED), waiting: Mutex::default() }
    }
}

impl Watch {
    /// Notes something about a key, unless the same was noted within a minute.
    pub fn note(&self, action: &'static str, public_id: &str, from: IpAddr, request_id: String) {
        let sight = (action, Box::from(public_id), from);
        if self.seen.get(&sight).is_some_and(|since| since.elapsed() < SILENCE) {
            return;
        }
        self.seen.insert(sight, Instant::now());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            let (public_id, address) = (public_id.to_owned(), from.to_string());
            waiting.push_back(Sighting { action, public_id, address, request_id });
        }
    }

    /// Writes down what was noted. The program does so twice a second.
    ///
    /// # Errors
    /// When the database can not be asked; what was taken is lost.
    pub async fn write(&self, store: &Store) -> Result<(), store::Error> {
        let taken: Vec<Sighting> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let count = waiting.len().min(TURN);
            waiting.drain(..count).collect()
        };
        store.sight(taken).await
    }
}
