//! Numbers to pay by hand. A process leases blocks of a day's counter, each in a transaction of its own, so
//! that creating invoices never queues for a number; what it does not use is lost, and that is fine.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use domain::ktin::Ktin;
use domain::time::LimaDay;

use crate::{Error, Store, Tx, random};

const FIRST_BLOCK: u64 = 64;
const LAST_BLOCK: u64 = 4_096;

/// The leases of this process.
pub(crate) struct Codes {
    lease: Mutex<Option<Lease>>,
    /// One lease at a time; those who wait find it done.
    leasing: tokio::sync::Mutex<()>,
}

/// Counters of one Lima day. A lease serves only stamps of its day.
struct Lease {
    day: LimaDay,
    key: [u8; 16],
    current: Range<u64>,
    /// Fetched when half of the current block is used.
    next: Option<Range<u64>>,
    block: u64,
}

enum Taken {
    /// A number, and whether the next block should be fetched.
    Number(Option<Ktin>, bool),
    Empty,
}

impl Default for Codes {
    fn default() -> Codes {
        Codes { lease: Mutex::new(None), leasing: tokio::sync::Mutex::new(()) }
    }
}

impl Codes {
    fn take(&self, day: LimaDay) -> Taken {
        let mut guard = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lease) = guard.as_mut().filter(|lease| lease.day == day) else {
            return Taken::Empty;
        };
        if lease.current.is_empty()
            && let Some(next) = lease.next.take()
        {
            lease.current = next;
        }
        match lease.current.next() {
            None => Taken::Empty,
            Some(counter) => {
                let left = lease.current.end - lease.current.start;
                let low = lease.next.is_none() && left == lease.block / 2;
                Taken::Number(Ktin::compose(day, counter, &lease.key), low)
            }
        }
    }

    /// How many counters to lease next, or none when a colleague has just done it.
    fn wanted(&self, day: LimaDay) -> Option<u64> {
        let guard = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        match guard.as_ref().filter(|lease| lease.day == day) {
            None => Some(FIRST_BLOCK),
            Some(lease) if lease.next.is_none() => Some((lease.block * 2).min(LAST_BLOCK)),
            Some(_) => None,
        }
    }

    fn put(&self, day: LimaDay, key: [u8; 16], block: Range<u64>) {
        let mut guard = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        let size = block.end - block.start;
        match guard.as_mut().filter(|lease| lease.day == day) {
            Some(lease) => {
                lease.next = Some(block);
                lease.block = size;
            }
            None => *guard = Some(Lease { day, key, current: block, next: None, block: size }),
        }
    }
}

impl Store {
    /// A number that nobody had and nobody will have.
    pub(crate) async fn next_ktin(&self, day: LimaDay) -> Result<Ktin, Error> {
        loop {
            match self.inner.codes.take(day) {
                Taken::Number(Some(ktin), low) => {
                    if low {
                        let store = self.clone();
                        self.inner.tasks.spawn_on(
                            async move {
                                // Whoever finds the lease empty leases again and reports.
                                let _ = store.lease(day).await;
                            },
                            &self.inner.runtime,
                        );
                    }
                    return Ok(ktin);
                }
                Taken::Number(None, _) => {
                    return Err(Error::Unavailable("the day has no numbers left".to_owned()));
                }
                Taken::Empty => self.lease(day).await?,
            }
        }
    }

    async fn lease(&self, day: LimaDay) -> Result<(), Error> {
        let _one_at_a_time = self.inner.codes.leasing.lock().await;
        let Some(size) = self.inner.codes.wanted(day) else {
            return Ok(());
        };
        let (key, block) = self.transaction("lease_ktins", move |tx| Box::pin(tx.lease(day, size))).await?;
        self.inner.codes.put(day, key, block);
        Ok(())
    }
}

impl Tx {
    async fn lease(&mut self, day: LimaDay, size: u64) -> Result<([u8; 16], Range<u64>), Error> {
        let size_signed = i64::try_from(size).unwrap_or(i64::MAX);
        let fresh_key: [u8; 16] = random::bytes()?;
        let row = sqlx::query!(
            r#"
            insert into ktin_days (day, next, permutation_key)
            values ($1, $2, $3)
            on conflict (day) do update set next = ktin_days.next + $2
            returning next - $2 as "start!", permutation_key
            "#,
            day.date(),
            size_signed,
            &fresh_key,
        )
        .fetch_one(self.connection())
        .await?;
        let corrupt = || Error::Corrupt { table: "ktin_days", id: uuid::Uuid::nil() };
        let start = u64::try_from(row.start).map_err(|_| corrupt())?;
        let key = row.permutation_key.try_into().map_err(|_| corrupt())?;
        Ok((key, start..start + size))
    }
}
