//! Deliveries: an event on its way to an endpoint, attempt by attempt (API document, section 5).

use crate::time::Moment;

/// When attempts are made, in seconds after the one before: 0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
pub const RETRY_SECONDS: [u32; 10] = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// A receiver's `Retry-After` counts up to a day.
pub const MAX_RETRY_AFTER_SECONDS: u32 = 86_400;

/// An endpoint that fails is switched off after so many attempts …
pub const FAILING_ATTEMPTS: i32 = 10;
/// … over so long …
pub const FAILING_SECONDS: i64 = 86_400;
/// … of which none succeeded for so long.
pub const SILENT_SECONDS: i64 = 432_000;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// It is due, now or later.
    Pending,
    /// The endpoint answered 2xx.
    Delivered,
    /// Every attempt failed, or the endpoint was switched off.
    Failed,
    /// It is wanted no more: its endpoint is gone, or its event was sent again.
    Cancelled,
}

impl DeliveryStatus {
    /// Every status there is.
    pub const ALL: [DeliveryStatus; 4] = [
        DeliveryStatus::Pending,
        DeliveryStatus::Delivered,
        DeliveryStatus::Failed,
        DeliveryStatus::Cancelled,
    ];

    /// As the store and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeliveryStatus::Pending => "pending",
            DeliveryStatus::Delivered => "delivered",
            DeliveryStatus::Failed => "failed",
            DeliveryStatus::Cancelled => "cancelled",
        }
    }

    /// Reads what the store wrote.
    pub fn parse(text: &str) -> Option<DeliveryStatus> {
        DeliveryStatus::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx.
    Accepted,
    /// 410: nobody lives there any more.
    Gone,
    /// Anything else, or nothing at all; the receiver may have said when to come again.
    Failed {
        /// `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is delivered.
    Delivered,
    /// Again in so many milliseconds.
    Again {
        /// From now.
        millis: u64,
    },
    /// Never again by itself.
    Failed,
}

/// The times between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Milliseconds before each attempt; the first is the first.
    millis: Vec<u64>,
}

impl Schedule {
    /// A schedule of seconds.
    pub fn of_seconds(seconds: &[u32]) -> Schedule {
        Schedule { millis: seconds.iter().map(|seconds| u64::from(*seconds) * 1_000).collect() }
    }

    /// The same, a thousand times faster, for tests that can not wait for days.
    pub fn of_millis(millis: Vec<u64>) -> Schedule {
        Schedule { millis }
    }

    /// Before the first attempt.
    pub fn first_millis(&self) -> u64 {
        self.millis.first().copied().unwrap_or(0)
    }

    /// What follows attempt `number` (from 1) of this schedule. `chance` is anything from 0 to 999 and moves the time
    /// by up to a tenth, so that what failed together does not come again together.
    pub fn after(&self, number: u32, outcome: Outcome, chance: u16) -> Next {
        let retry_after = match outcome {
            Outcome::Accepted => return Next::Delivered,
            Outcome::Gone => return Next::Failed,
            Outcome::Failed { retry_after } => retry_after,
        };
        let Some(wait) = usize::try_from(number).ok().and_then(|number| self.millis.get(number)) else {
            return Next::Failed;
        };
        let moved = wait * (900 + u64::from(chance.min(999)) / 5) / 1_000;
        let asked = retry_after.map(|seconds| u64::from(seconds.min(MAX_RETRY_AFTER_SECONDS)) * 1_000);
        Next::Again { millis: asked.map_or(moved, |asked| asked.max(moved)) }
    }
}

/// Whether an endpoint that has failed `failures` times since `failing_since`, and last succeeded (or was made) at
/// `good_at`, is to be switched off.
pub fn is_dead(failures: i32, failing_since: Moment, good_at: Moment, now: Moment) -> bool {
    failures >= FAILING_ATTEMPTS
        && failing_since.plus_seconds(FAILING_SECONDS) <= now
        && good_at.plus_seconds(SILENT_SECONDS) <= now
}
