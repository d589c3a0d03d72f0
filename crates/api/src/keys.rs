//! Verifying keys. A verification by argon2id costs 17 to 50 ms, so verified keys are remembered, and every
//! way to make us hash is bounded (internal API document, "Check order").
//!
//! ```text
//! shape → checksum → verified before? → row by public id → argon2 → may it be used now?
//! ```
//!
//! Two memories, both lost with the process: which tokens were verified (by an HMAC under a key that only this
//! process knows, so that a memory dump holds no token), and what the rows of their keys say. Rows are kept
//! true by asking, twice a second, which keys and accounts changed lately. The memory of rows is *not* trusted
//! while that question goes unanswered: then each request reads the row.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params};
use domain::account::Mode;
use domain::key::{KeyKind, SecretKey};
use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync::Cache;
use sha2::Sha256;
use store::Store;
use store::keys::{KeyRecord, Phc};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wire::problem::Code;

use crate::problem::Problem;

/// The number of the hash parameters below, kept with each key.
pub const HASH_VERSION: i16 = 1;

const REMEMBERED_KEYS: usize = 100_000;
/// A row counts while the newest successful poll began at most so long ago …
const POLL_TRUST: Duration = Duration::from_millis(1_500);
/// … and it was itself read at most so long ago.
const ROW_TRUST: Duration = Duration::from_secs(30);
/// How often the changes are asked for.
pub const POLL_EVERY: Duration = Duration::from_millis(500);

const HASH_QUEUE: usize = 64;
const HASH_WAIT: Duration = Duration::from_millis(500);

const FAILURE_WINDOW: Duration = Duration::from_secs(60);
const WRONG_SECRETS: u32 = 5;
const ADDRESS_FAILURES: u32 = 20;

/// argon2id with the parameters of the document: 19 MiB, 2 passes, 1 lane.
fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).unwrap_or(Params::DEFAULT);
    Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params)
}

/// Makes a new key.
///
/// # Errors
/// When the machine gives no random bytes.
pub fn mint(kind: KeyKind) -> Result<SecretKey, store::Error> {
    // Far more than 44 characters can use up, whatever bytes are passed over.
    let mut bytes = random_bytes::<512>()?.into_iter();
    Ok(SecretKey::mint(kind, || bytes.next().unwrap_or_default()))
}

/// Random bytes of the operating system.
///
/// # Errors
/// When there are none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], store::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| store::Error::Unavailable(error.to_string()))?;
    Ok(bytes)
}

/// Hashes a new key for keeping.
///
/// # Errors
/// When the machine gives no random salt.
pub fn hash(key: &SecretKey) -> Result<Phc, store::Error> {
    argon2()
        .hash_password(key.expose().as_bytes())
        .map(|hash| Phc(hash.to_string()))
        .map_err(|error| store::Error::Unavailable(error.to_string()))
}

/// The keys that callers use. See the module.
pub struct Keys {
    store: Store,
    start: Instant,
    process_key: [u8; 32],
    /// HMAC of a token → the key it is, and the hash that it was verified against.
    verified: Cache<[u8; 32], (Arc<str>, Phc)>,
    rows: Cache<Arc<str>, (Arc<KeyRecord>, Instant)>,
    /// When the newest successful poll began, in milliseconds since `start`; 0: none yet.
    polled_millis: AtomicU64,
    hashing: Arc<Semaphore>,
    waiting: AtomicUsize,
    failures: Failures,
}

impl Keys {
    /// An empty memory.
    pub fn new(store: Store) -> Keys {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut process_key = [0; 32];
        // Should the machine give no random bytes, the memory is merely not secret against its own dump.
        let _ = getrandom::fill(&mut process_key);
        Keys {
            store,
            start: Instant::now(),
            process_key,
            verified: Cache::new(REMEMBERED_KEYS),
            rows: Cache::new(REMEMBERED_KEYS),
            polled_millis: AtomicU64::new(0),
            hashing: Arc::new(Semaphore::new((cores / 2).max(1))),
            waiting: AtomicUsize::new(0),
            failures: Failures::new(),
        }
    }

    /// The key behind a merchant's token.
    ///
    /// # Errors
    /// 401 for whatever is wrong with it, 429 after too many failures, 503 when it can not be checked now.
    pub async fn verify(&self, token: &str, from: IpAddr) -> Result<Arc<KeyRecord>, Problem> {
        let unauthorized = || Problem::new(Code::Unauthorized);
        let key = SecretKey::parse(token).ok_or_else(unauthorized)?;
        if !matches!(key.kind(), KeyKind::Merchant(_)) {
            return Err(unauthorized());
        }
        let seal = self.seal(token);
        let remembered = self.verified.get(&seal);
        if remembered.is_none() && self.failures.too_many(key.public_id(), from) {
            return Err(Problem::new(Code::TooManyFailures));
        }
        let Some(record) = self.record(key.public_id()).await? else {
            self.failures.note_unknown(from);
            return Err(unauthorized());
        };
        if remembered.is_none_or(|(_, phc)| phc != record.phc) {
            self.verify_secret(&key, seal, &record, from).await?;
        }
        if is_usable(&record, self.store.clock().now()) { Ok(record) } else { Err(unauthorized()) }
    }

    /// Asks which keys changed lately. The program does so every [`POLL_EVERY`].
    ///
    /// # Errors
    /// When the database does not answer; then rows stop being trusted by themselves.
    pub async fn poll(&self) -> Result<(), store::Error> {
        let began = self.start.elapsed();
        let asked = Instant::now();
        for record in self.store.keys_changed_lately().await? {
            let public_id: Arc<str> = record.public_id.as_str().into();
            if self.rows.peek(&public_id).is_some() {
                self.rows.insert(public_id, (Arc::new(record), asked));
            }
        }
        let millis = u64::try_from(began.as_millis()).unwrap_or(u64::MAX).max(1);
        self.polled_millis.fetch_max(millis, Ordering::Release);
        Ok(())
    }

    /// What the key's row says, from memory while memory can be trusted.
    async fn record(&self, public_id: &str) -> Result<Option<Arc<KeyRecord>>, store::Error> {
        if self.polls_are_fresh()
            && let Some((record, read_at)) = self.rows.get(public_id)
            && read_at.elapsed() <= ROW_TRUST
        {
            return Ok(Some(record));
        }
        let asked = Instant::now();
        let Some(record) = self.store.key(public_id).await? else {
            return Ok(None);
        };
        let record = Arc::new(record);
        self.rows.insert(public_id.into(), (record.clone(), asked));
        Ok(Some(record))
    }

    fn polls_are_fresh(&self) -> bool {
        match self.polled_millis.load(Ordering::Acquire) {
            0 => false,
            began => self.start.elapsed().saturating_sub(Duration::from_millis(began)) <= POLL_TRUST,
        }
    }

    /// Checks the secret by argon2, one computation per token at a time.
    async fn verify_secret(
        &self,
        key: &SecretKey,
        seal: [u8; 32],
        record: &Arc<KeyRecord>,
        from: IpAddr,
    ) -> Result<(), Problem> {
        let known = self.verified.get_or_insert_async(&seal, async {
            // Those who waited for the same token may have failed meanwhile.
            if self.failures.too_many(key.public_id(), from) {
                return Err(Problem::new(Code::TooManyFailures));
            }
            if self.argon2_accepts(key, &record.phc).await? {
                Ok((Arc::from(record.public_id.as_str()), record.phc.clone()))
            } else {
                self.failures.note_wrong_secret(key.public_id(), from);
                Err(Problem::new(Code::Unauthorized))
            }
        });
        let (_, phc) = known.await?;
        if phc == record.phc {
            return Ok(());
        }
        // The key was hashed anew since: what was remembered proves nothing any more.
        self.verified.remove(&seal);
        if self.argon2_accepts(key, &record.phc).await? {
            self.verified.insert(seal, (record.public_id.as_str().into(), record.phc.clone()));
            Ok(())
        } else {
            self.failures.note_wrong_secret(key.public_id(), from);
            Err(Problem::new(Code::Unauthorized))
        }
    }

    async fn argon2_accepts(&self, key: &SecretKey, phc: &Phc) -> Result<bool, Problem> {
        let busy = || Problem::new(Code::Unavailable);
        let _place = Place::take(&self.waiting).ok_or_else(busy)?;
        let permit = match timeout(HASH_WAIT, self.hashing.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) | Err(_) => return Err(busy()),
        };
        let (key, phc) = (key.clone(), phc.0.clone());
        let work = move || {
            // Held to the end of the computation, also when the caller is long gone.
            let _permit = permit;
            PasswordHash::new(&phc)
                .is_ok_and(|hash| argon2().verify_password(key.expose().as_bytes(), &hash).is_ok())
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::new(Code::InternalError))
    }

    fn seal(&self, token: &str) -> [u8; 32] {
        match Hmac::<Sha256>::new_from_slice(&self.process_key) {
            Ok(mac) => mac.chain_update(token).finalize().into_bytes().into(),
            // HMAC takes keys of any length (RFC 2104).
            Err(_) => [0; 32],
        }
    }
}

fn is_usable(record: &KeyRecord, now: domain::time::Moment) -> bool {
    let refused = |since: Option<domain::time::Moment>| since.is_some_and(|since| since <= now);
    record.revoked_at.is_none()
        && !refused(record.expires_at)
        && record.account.disabled_at.is_none()
        && (record.owner.mode == Mode::Test || record.account.live_enabled)
}

/// A place in the queue for argon2, given back when dropped.
struct Place<'q>(&'q AtomicUsize);

impl<'q> Place<'q> {
    fn take(queue: &'q AtomicUsize) -> Option<Place<'q>> {
        let place = Place(queue);
        (queue.fetch_add(1, Ordering::Relaxed) < HASH_QUEUE).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Failed attempts of the last minute. They withhold the look-up and argon2 from tokens that are not remembered; a
/// remembered key never meets them.
struct Failures {
    by_key: Cache<(Box<str>, IpAddr), (u32, Instant)>,
    by_address: Cache<IpAddr, (u32, Instant)>,
}

impl Failures {
    fn new() -> Failures {
        Failures { by_key: Cache::new(REMEMBERED_KEYS), by_address: Cache::new(REMEMBERED_KEYS) }
    }

    fn too_many(&self, public_id: &str, from: IpAddr) -> bool {
        let within =
            |(count, since): (u32, Instant), limit| count >= limit && since.elapsed() < FAILURE_WINDOW;
        self.by_address.get(&from).is_some_and(|seen| within(seen, ADDRESS_FAILURES))
            || self.by_key.get(&(public_id.into(), from)).is_some_and(|seen| within(seen, WRONG_SECRETS))
    }

    /// A public id that nobody has: a failure of the address.
    fn note_unknown(&self, from: IpAddr) {
        self.by_address.insert(from, one_more(self.by_address.get(&from)));
    }

    /// A wrong secret: a failure of the address, and of the key there.
    fn note_wrong_secret(&self, public_id: &str, from: IpAddr) {
        self.note_unknown(from);
        let key = (Box::from(public_id), from);
        let seen = self.by_key.get(&key);
        self.by_key.insert(key, one_more(seen));
    }
}

fn one_more(seen: Option<(u32, Instant)>) -> (u32, Instant) {
    match seen {
        Some((count, since)) if since.elapsed() < FAILURE_WINDOW => (count.saturating_add(1), since),
        Some(_) | None => (1, Instant::now()),
    }
}
