//! The database's clock, carried between samples by this process's monotonic clock and never by its wall
//! clock: a machine whose time is wrong writes right times. For what is *written*; what *decides* (late,
//! expired) compares with `now()` in SQL.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::time::Moment;
use sqlx::PgPool;

use crate::{Error, Store};

/// See the module.
pub struct Clock {
    start: Instant,
    /// Database time at `start`, in microseconds since 1970.
    epoch_micros: AtomicI64,
    /// Half the round trip of the newest sample: the clock is right within it.
    error_micros: AtomicU64,
    sampled_at_micros: AtomicU64,
}

impl Clock {
    pub(crate) async fn start(pool: &PgPool) -> Result<Clock, Error> {
        let clock = Clock {
            start: Instant::now(),
            epoch_micros: AtomicI64::new(0),
            error_micros: AtomicU64::new(0),
            sampled_at_micros: AtomicU64::new(0),
        };
        clock.sample(pool).await?;
        Ok(clock)
    }

    async fn sample(&self, pool: &PgPool) -> Result<(), Error> {
        let mut connection = pool.acquire().await?;
        let asked = self.elapsed_micros();
        let row = sqlx::query!(
            r#"select (extract(epoch from clock_timestamp()) * 1000000)::bigint as "unix_micros!""#
        )
        .fetch_one(&mut *connection)
        .await?;
        let answered = self.elapsed_micros();
        let half = answered.saturating_sub(asked) / 2;
        let middle = i64::try_from(asked + half).unwrap_or(i64::MAX);
        self.epoch_micros.store(row.unix_micros.saturating_sub(middle), Ordering::Relaxed);
        self.error_micros.store(half, Ordering::Relaxed);
        self.sampled_at_micros.store(answered, Ordering::Relaxed);
        Ok(())
    }

    /// Now, in milliseconds since 1970.
    pub fn unix_millis(&self) -> u64 {
        u64::try_from(self.unix_micros() / 1_000).unwrap_or(0)
    }

    /// Now, in whole seconds.
    pub fn now(&self) -> Moment {
        Moment::from_unix(self.unix_micros().div_euclid(1_000_000))
    }

    /// How far the clock may be from the database's, and how old its newest sample is.
    pub fn accuracy(&self) -> (Duration, Duration) {
        let age = self.elapsed_micros().saturating_sub(self.sampled_at_micros.load(Ordering::Relaxed));
        (Duration::from_micros(self.error_micros.load(Ordering::Relaxed)), Duration::from_micros(age))
    }

    fn unix_micros(&self) -> i64 {
        let elapsed = i64::try_from(self.elapsed_micros()).unwrap_or(i64::MAX);
        self.epoch_micros.load(Ordering::Relaxed).saturating_add(elapsed)
    }

    fn elapsed_micros(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Store {
    /// Takes one sample, and tidies the connections. The program does so once a second.
    ///
    /// # Errors
    /// When the database does not answer; the clock goes on by the last sample.
    pub async fn sample_clock(&self) -> Result<(), Error> {
        self.inner.pool.tidy();
        self.inner.clock.sample(&self.inner.aside).await
    }
}
