//! The expiry duty: pending invoices whose time is over are stored as expired, each with its event. Readers have seen
//! them so all along.

use domain::change::Change;
use domain::id::InvoiceId;

use crate::invoices::owned;
use crate::{Error, Store, Tx};

impl Store {
    /// One batch of at most `limit` invoices. `true`: there may be more. Several workers share them out: what one has
    /// locked the others pass by.
    ///
    /// # Errors
    /// When the database can not be asked; nothing was done then.
    pub async fn expire_due(&self, limit: i64) -> Result<bool, Error> {
        self.batch("expire_invoices", move |tx| {
            Box::pin(async move {
                let due = tx.lock_due(limit).await?;
                let more = i64::try_from(due.len()).unwrap_or(i64::MAX) >= limit;
                let mut changes: Vec<Change> = Vec::with_capacity(due.len());
                for known in due {
                    let stamp = tx.store().stamp(known.at)?;
                    // It was due when it was locked, and so it is.
                    changes.extend(known.invoice.expire(stamp).ok());
                }
                tx.save(&changes).await?;
                Ok(more)
            })
        })
        .await
    }

    /// How long the invoice that has waited longest to be stored as expired has been past its time, in milliseconds.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn expiry_lag_millis(&self) -> Result<u64, Error> {
        let mut connection = self.inner.aside.acquire().await?;
        let lag = sqlx::query_scalar!(
            r#"
            select coalesce(max((extract(epoch from now() - due.expires) * 1000)::bigint), 0) as "millis!"
            from accounts cross join (values (true), (false)) as modes (livemode) cross join lateral (
                select expires from invoices
                where account_id = accounts.id and invoices.livemode = modes.livemode
                  and status = 'pending' and expires <= now()
                order by expires limit 1) due
            "#
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok(u64::try_from(lag).unwrap_or(0))
    }
}

impl Tx {
    /// Invoices that are due, locked. One look into `invoices_overdue_idx` for each account and mode: there are
    /// thousands of accounts, and an index over all of them would cost every create.
    async fn lock_due(&mut self, limit: i64) -> Result<Vec<crate::invoices::Known>, Error> {
        let found = sqlx::query!(
            r#"
            select due.account_id, due.livemode, due.id
            from accounts cross join (values (true), (false)) as modes (livemode) cross join lateral (
                select account_id, livemode, id from invoices
                where account_id = accounts.id and invoices.livemode = modes.livemode
                  and status = 'pending' and expires <= now()
                order by expires limit $1 for update skip locked) due
            limit $1
            "#,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let ids: Vec<(domain::account::Owner, InvoiceId)> =
            found.into_iter().map(|row| owned(row.account_id, row.livemode, row.id)).collect();
        Ok(self.invoices_of(&ids).await?.into_iter().flatten().collect())
    }
}
