//! How much may be asked: requests at once for the whole process, before anybody is asked for a key, and requests a
//! second for each account and mode. Limits are a replica's own: behind a balancer an account may have a little more.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::account::{Owner, RateLimit};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Accounts whose buckets are remembered; a forgotten one is full again.
const REMEMBERED: usize = 100_000;

/// What an account without a limit is told: a number that nobody reaches, so that clients need no second case.
const UNLIMITED: u32 = 1_000_000_000;

/// Requests at once. Whoever finds no place is told so at once: nothing was done.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A gate with `places`.
    pub fn new(places: usize) -> Gate {
        Gate(Arc::new(Semaphore::new(places.max(1))))
    }

    /// A place, given back when dropped.
    pub(crate) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// The buckets of all accounts.
pub struct Limits {
    default: RateLimit,
    buckets: Cache<Owner, Arc<(RateLimit, Bucket)>>,
}

/// What one request found: for the headers of its answer (draft-ietf-httpapi-ratelimit-headers), and whether it may go
/// on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    limit: RateLimit,
    remaining: u32,
    /// Refused, and for how long.
    pub(crate) refused_for_seconds: Option<u32>,
}

impl Allowance {
    /// `RateLimit-Policy`: what a full bucket holds, and how long an empty one takes to fill, in seconds.
    pub(crate) fn policy(&self) -> String {
        let RateLimit { per_second, burst } = self.limit;
        format!("\"account\";q={burst};w={}", burst.div_ceil(per_second.max(1)).max(1))
    }

    /// `RateLimit`: what is left in it, and how long it takes to be full again, in seconds.
    pub(crate) fn state(&self) -> String {
        let RateLimit { per_second, burst } = self.limit;
        let missing = burst.saturating_sub(self.remaining);
        format!("\"account\";r={};t={}", self.remaining, missing.div_ceil(per_second.max(1)))
    }
}

impl Limits {
    /// No bucket yet; accounts that say nothing else have `default`.
    pub fn new(default: RateLimit) -> Limits {
        Limits { default, buckets: Cache::new(REMEMBERED) }
    }

    /// Takes one request out of the bucket of its owner.
    pub(crate) fn take(&self, owner: Owner, limit: Option<RateLimit>) -> Allowance {
        let limit = limit.unwrap_or(self.default);
        let (Some(rate), Some(burst)) = (NonZeroU32::new(limit.per_second), NonZeroU32::new(limit.burst))
        else {
            let limit = RateLimit { per_second: UNLIMITED, burst: UNLIMITED };
            return Allowance { limit, remaining: UNLIMITED, refused_for_seconds: None };
        };
        let bucket = self.buckets.get(&owner).filter(|bucket| bucket.0 == limit).unwrap_or_else(|| {
            let quota = Quota::per_second(rate).allow_burst(burst);
            let limiter = RateLimiter::direct(quota).with_middleware::<StateInformationMiddleware>();
            let bucket = Arc::new((limit, limiter));
            self.buckets.insert(owner, bucket.clone());
            bucket
        });
        match bucket.1.check() {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Allowance { limit, remaining, refused_for_seconds: None }
            }
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                let seconds = wait.saturating_add(Duration::from_millis(999)).as_secs();
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
                Allowance { limit, remaining: 0, refused_for_seconds: Some(seconds) }
            }
        }
    }
}
