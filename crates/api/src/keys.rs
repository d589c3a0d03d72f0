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

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use domain::account::Mode;
use domain::key::{KeyKind, SecretKey};
use domain::time::Moment;
use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync::Cache;
use sha2::Sha256;
use store::Store;
use store::keys::{KeyRecord, Phc, Used};
use store::service_keys::ServiceKeyRecord;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wire::problem::Code;

use crate::problem::Problem;
use crate::security::{self, Watch};

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
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
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

/// What argon2 works in, used again by the next verification: allocated anew each time, 19 MiB in 64-byte alignment, a
/// flood of guesses made a replica grow by hundreds of megabytes.
type Workspace = Vec<Block>;

/// How long one is kept for the next verification.
const WORKSPACE_KEPT: Duration = Duration::from_secs(5);

/// Whether the hash is the key's, by the parameters that it names. The outputs are compared in constant time.
fn is_hash_of(phc: &Phc, key: &SecretKey, workspace: &mut Workspace) -> Option<bool> {
    let phc = PasswordHash::new(&phc.0).ok()?;
    let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
    let version = Version::try_from(phc.version?).ok()?;
    let params = Params::try_from(&phc).ok()?;
    let (salt, expected) = (phc.salt?, phc.hash?);
    workspace.resize(params.block_count(), Block::new());
    let mut output = vec![0; expected.len()];
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(key.expose().as_bytes(), &salt, &mut output, workspace)
        .ok()?;
    Some(Output::new(&output).ok()? == expected)
}

/// A kind of key that is kept in a table: merchants' and services'.
trait Kept: Clone + Send + Sync + 'static {
    fn public_id(&self) -> &str;
    fn phc(&self) -> &Phc;
    fn used(&self) -> Used;
    /// What speaks against using it at `now`.
    fn refusal(&self, now: Moment) -> Option<Refusal>;
    fn find(store: &Store, public_id: &str) -> impl Future<Output = Result<Option<Self>, store::Error>>;
    fn changed_lately(store: &Store) -> impl Future<Output = Result<Vec<Self>, store::Error>>;
}

/// Why a key that is known is not accepted. Its caller is not told; its owner is.
enum Refusal {
    /// Revoked, or past its end.
    Ended,
    /// A live key, and the account does not accept them.
    NotLive,
    /// The account is disabled.
    Disabled,
}

impl Refusal {
    const fn action(&self) -> Option<&'static str> {
        match self {
            Refusal::Ended => Some(security::ENDED_KEY),
            Refusal::NotLive => Some(security::WRONG_MODE),
            Refusal::Disabled => None,
        }
    }
}

fn is_past(end: Option<Moment>, now: Moment) -> bool {
    end.is_some_and(|end| end <= now)
}

impl Kept for KeyRecord {
    fn public_id(&self) -> &str {
        &self.public_id
    }

    fn phc(&self) -> &Phc {
        &self.phc
    }

    fn used(&self) -> Used {
        Used::Merchant(self.owner, self.id)
    }

    fn refusal(&self, now: Moment) -> Option<Refusal> {
        if self.revoked_at.is_some() || is_past(self.expires_at, now) {
            Some(Refusal::Ended)
        } else if self.account.disabled_at.is_some() {
            Some(Refusal::Disabled)
        } else if self.owner.mode == Mode::Live && !self.account.live_enabled {
            Some(Refusal::NotLive)
        } else {
            None
        }
    }

    async fn find(store: &Store, public_id: &str) -> Result<Option<KeyRecord>, store::Error> {
        store.key(public_id).await
    }

    async fn changed_lately(store: &Store) -> Result<Vec<KeyRecord>, store::Error> {
        store.keys_changed_lately().await
    }
}

impl Kept for ServiceKeyRecord {
    fn public_id(&self) -> &str {
        &self.public_id
    }

    fn phc(&self) -> &Phc {
        &self.phc
    }

    fn used(&self) -> Used {
        Used::Service(self.id)
    }

    fn refusal(&self, now: Moment) -> Option<Refusal> {
        (self.revoked_at.is_some() || is_past(self.expires_at, now)).then_some(Refusal::Ended)
    }

    async fn find(store: &Store, public_id: &str) -> Result<Option<ServiceKeyRecord>, store::Error> {
        store.service_key(public_id).await
    }

    async fn changed_lately(store: &Store) -> Result<Vec<ServiceKeyRecord>, store::Error> {
        store.service_keys_changed_lately().await
    }
}

/// The keys that callers use. See the module.
pub struct Keys {
    store: Store,
    start: Instant,
    process_key: [u8; 32],
    /// HMAC of a token → the key it is, and the hash that it was verified against.
    verified: Cache<[u8; 32], (Arc<str>, Phc)>,
    merchants: Rows<KeyRecord>,
    services: Rows<ServiceKeyRecord>,
    hashing: Arc<Semaphore>,
    /// Those that nobody works in, and since when: at most one for each permit of `hashing`.
    workspaces: Arc<Mutex<Vec<(Workspace, Instant)>>>,
    waiting: AtomicUsize,
    failures: Failures,
    used: Mutex<HashSet<Used>>,
    watch: Watch,
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
            merchants: Rows::new(),
            services: Rows::new(),
            hashing: Arc::new(Semaphore::new((cores / 2).max(1))),
            workspaces: Arc::default(),
            waiting: AtomicUsize::new(0),
            failures: Failures::new(),
            used: Mutex::default(),
            watch: Watch::default(),
        }
    }

    /// The key behind a merchant's token.
    ///
    /// # Errors
    /// 401 for whatever is wrong with it, 429 after too many failures, 503 when it can not be checked now.
    pub async fn merchant(
        &self,
        token: &str,
        from: IpAddr,
        request_id: String,
    ) -> Result<Arc<KeyRecord>, Problem> {
        let is_ours = |kind| matches!(kind, KeyKind::Merchant(_));
        counted(self.verify(&self.merchants, is_ours, token, from, request_id).await)
    }

    /// The key behind a service's token.
    ///
    /// # Errors
    /// As [`Keys::merchant`].
    pub async fn service(
        &self,
        token: &str,
        from: IpAddr,
        request_id: String,
    ) -> Result<Arc<ServiceKeyRecord>, Problem> {
        let is_ours = |kind| matches!(kind, KeyKind::Service);
        counted(self.verify(&self.services, is_ours, token, from, request_id).await)
    }

    /// What requests did with keys that their owners should know of.
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    async fn verify<K: Kept>(
        &self,
        rows: &Rows<K>,
        is_ours: impl Fn(KeyKind) -> bool,
        token: &str,
        from: IpAddr,
        request_id: String,
    ) -> Result<Arc<K>, Problem> {
        let unauthorized = || Problem::new(Code::Unauthorized);
        let key = SecretKey::parse(token).filter(|key| is_ours(key.kind())).ok_or_else(unauthorized)?;
        let seal = self.seal(token);
        let remembered = self.verified.get(&seal);
        if remembered.is_none() && self.failures.too_many(key.public_id(), from) {
            return Err(Problem::new(Code::TooManyFailures));
        }
        let Some(record) = rows.record(&self.store, self.start, key.public_id()).await? else {
            self.failures.note_unknown(from);
            return Err(unauthorized());
        };
        if remembered.is_none_or(|(_, phc)| phc != *record.phc()) {
            self.verify_secret(&key, seal, &*record, from).await?;
        }
        if let Some(refusal) = record.refusal(self.store.clock().now()) {
            if let Some(action) = refusal.action() {
                self.watch.note(action, record.public_id(), from, request_id);
            }
            return Err(unauthorized());
        }
        if rows.is_first_of_minute(record.public_id(), self.start) {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(record.used());
        }
        Ok(record)
    }

    /// Asks which keys changed lately, and gives back what argon2 needed for keys that nobody knew. The program does so
    /// every [`POLL_EVERY`].
    ///
    /// # Errors
    /// When the database does not answer; then rows stop being trusted by themselves.
    pub async fn poll(&self) -> Result<(), store::Error> {
        self.give_back_workspaces();
        self.merchants.poll(&self.store, self.start).await?;
        self.services.poll(&self.store, self.start).await
    }

    fn give_back_workspaces(&self) {
        let mut idle = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < WORKSPACE_KEPT);
    }

    /// Writes down which keys were used, off the request path. The program does so once a second.
    ///
    /// # Errors
    /// When the database can not be asked; the next use will be noted.
    pub async fn write_used(&self) -> Result<(), store::Error> {
        let used: Vec<Used> = self.used.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        if used.is_empty() { Ok(()) } else { self.store.note_used(&used).await }
    }

    /// Checks the secret by argon2, one computation per token at a time.
    async fn verify_secret<K: Kept>(
        &self,
        key: &SecretKey,
        seal: [u8; 32],
        record: &K,
        from: IpAddr,
    ) -> Result<(), Problem> {
        let known = self.verified.get_or_insert_async(&seal, async {
            // Those who waited for the same token may have failed meanwhile.
            if self.failures.too_many(key.public_id(), from) {
                return Err(Problem::new(Code::TooManyFailures));
            }
            if self.argon2_accepts(key, record.phc()).await? {
                Ok((Arc::from(record.public_id()), record.phc().clone()))
            } else {
                self.failures.note_wrong_secret(key.public_id(), from);
                Err(Problem::new(Code::Unauthorized))
            }
        });
        let (_, phc) = known.await?;
        if phc == *record.phc() {
            return Ok(());
        }
        // The key was hashed anew since: what was remembered proves nothing any more.
        self.verified.remove(&seal);
        if self.argon2_accepts(key, record.phc()).await? {
            self.verified.insert(seal, (record.public_id().into(), record.phc().clone()));
            Ok(())
        } else {
            self.failures.note_wrong_secret(key.public_id(), from);
            Err(Problem::new(Code::Unauthorized))
        }
    }

    async fn argon2_accepts(&self, key: &SecretKey, phc: &Phc) -> Result<bool, Problem> {
        let (key, phc, workspaces) = (key.clone(), phc.clone(), self.workspaces.clone());
        self.hashing(move || {
            let idle = || workspaces.lock().unwrap_or_else(PoisonError::into_inner);
            let mut workspace = idle().pop().map(|(workspace, _)| workspace).unwrap_or_default();
            let accepts = is_hash_of(&phc, &key, &mut workspace).unwrap_or(false);
            idle().push((workspace, Instant::now()));
            accepts
        })
        .await
    }

    /// Makes a key and its hash, in the same queue as the verifications.
    ///
    /// # Errors
    /// 503 when too many wait.
    pub async fn make(&self, kind: KeyKind) -> Result<(SecretKey, Phc), Problem> {
        let secret = mint(kind)?;
        let hashed = secret.clone();
        let phc = self.hashing(move || hash(&hashed)).await??;
        Ok((secret, phc))
    }

    /// Runs a computation of argon2 on a blocking thread: so many at once, so many waiting, no longer than that.
    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::new(Code::Unavailable);
        let _place = Place::take(&self.waiting).ok_or_else(busy)?;
        let permit = match timeout(HASH_WAIT, self.hashing.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) | Err(_) => return Err(busy()),
        };
        let work = move || {
            // Held to the end of the computation, also when the caller is long gone.
            let _permit = permit;
            let inflight = metrics::gauge!("kashio_argon2_inflight");
            inflight.increment(1);
            let done = work();
            inflight.decrement(1);
            done
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

/// What the rows of one table say, kept true by polls.
struct Rows<K> {
    known: Cache<Arc<str>, Row<K>>,
    /// When the newest successful poll began, in milliseconds since the start; 0: none yet.
    polled_millis: AtomicU64,
}

#[derive(Clone)]
struct Row<K> {
    record: Arc<K>,
    read_at: Instant,
    /// The minute since the start in which the key's last use was noted; kept when the row is read again.
    noted_minute: Arc<AtomicU64>,
}

impl<K: Kept> Rows<K> {
    fn new() -> Rows<K> {
        Rows { known: Cache::new(REMEMBERED_KEYS), polled_millis: AtomicU64::new(0) }
    }

    async fn poll(&self, store: &Store, start: Instant) -> Result<(), store::Error> {
        let began = start.elapsed();
        let asked = Instant::now();
        for record in K::changed_lately(store).await? {
            if let Some(row) = self.known.peek(record.public_id()) {
                self.put(record, asked, row.noted_minute);
            }
        }
        let millis = u64::try_from(began.as_millis()).unwrap_or(u64::MAX).max(1);
        self.polled_millis.fetch_max(millis, Ordering::Release);
        Ok(())
    }

    /// What the key's row says, from memory while memory can be trusted.
    async fn record(
        &self,
        store: &Store,
        start: Instant,
        public_id: &str,
    ) -> Result<Option<Arc<K>>, store::Error> {
        let known = self.known.get(public_id);
        if self.polls_are_fresh(start)
            && let Some(row) = &known
            && row.read_at.elapsed() <= ROW_TRUST
        {
            return Ok(Some(row.record.clone()));
        }
        let asked = Instant::now();
        let Some(record) = K::find(store, public_id).await? else {
            return Ok(None);
        };
        let noted = known.map(|row| row.noted_minute).unwrap_or_default();
        Ok(Some(self.put(record, asked, noted)))
    }

    /// Remembers a row, unless a younger reading of it is there.
    fn put(&self, record: K, read_at: Instant, noted_minute: Arc<AtomicU64>) -> Arc<K> {
        let (public_id, record): (Arc<str>, _) = (record.public_id().into(), Arc::new(record));
        if self.known.peek(&public_id).is_none_or(|row| row.read_at <= read_at) {
            self.known.insert(public_id, Row { record: record.clone(), read_at, noted_minute });
        }
        record
    }

    fn polls_are_fresh(&self, start: Instant) -> bool {
        match self.polled_millis.load(Ordering::Acquire) {
            0 => false,
            began => start.elapsed().saturating_sub(Duration::from_millis(began)) <= POLL_TRUST,
        }
    }

    fn is_first_of_minute(&self, public_id: &str, start: Instant) -> bool {
        let minute = start.elapsed().as_secs() / 60 + 1;
        self.known
            .peek(public_id)
            .is_some_and(|row| row.noted_minute.swap(minute, Ordering::Relaxed) != minute)
    }
}

fn counted<T>(outcome: Result<T, Problem>) -> Result<T, Problem> {
    let result = match &outcome {
        Ok(_) => "accepted",
        Err(Problem::Told(items)) if items.iter().any(|item| item.code == Code::TooManyFailures) => "limited",
        Err(Problem::Told(items)) if items.iter().any(|item| item.code == Code::Unauthorized) => "refused",
        Err(_) => "unavailable",
    };
    metrics::counter!("kashio_key_verifications_total", "result" => result).increment(1);
    outcome
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
