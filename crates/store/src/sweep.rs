//! The sweep: what has been kept long enough goes, in small batches, and what waits for nobody is settled.

use domain::id::DeliveryId;

use crate::{Error, Store, Tx};

/// How long things are kept, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Saved answers.
    pub idempotency_days: i64,
    /// Attempts of deliveries.
    pub attempt_days: i64,
    /// Deliveries.
    pub delivery_days: i64,
    /// Events.
    pub event_days: i64,
}

/// Rows of one batch.
const BATCH: i64 = 500;

/// An id holds the millisecond of its making, so that what is old lies at the beginning of each owner's ids, and no index
/// on a moment is needed. This is the first id that is surely kept; the clocks of replicas differ by far less than the
/// minute that is added. What is older by its id is old if its moment says so.
fn first_id_kept(tx: &Tx, days: i64) -> uuid::Uuid {
    const SLACK_MILLIS: u64 = 60_000;
    let kept = u64::try_from(days).unwrap_or(0).saturating_mul(24 * 3_600 * 1_000);
    let millis = (tx.store().clock().unix_millis() + SLACK_MILLIS).saturating_sub(kept);
    DeliveryId::new(millis, &[0; 10]).uuid()
}

impl Store {
    /// One batch of each kind. `true`: there is more to do.
    ///
    /// # Errors
    /// When the database can not be asked; what was done stays done.
    pub async fn sweep(&self, kept: Retention) -> Result<bool, Error> {
        let mut more = self.settle_deliveries().await? >= BATCH;
        more |= self.sweep_idempotency(kept.idempotency_days).await? >= BATCH;
        more |= self.sweep_attempts(kept.attempt_days).await? >= BATCH;
        more |= self.sweep_deliveries(kept.delivery_days).await? >= BATCH;
        more |= self.sweep_events(kept.event_days).await? >= BATCH;
        Ok(more)
    }

    /// Deliveries that wait for an endpoint that was switched off have failed; those for one that is gone are wanted
    /// no more.
    async fn settle_deliveries(&self) -> Result<i64, Error> {
        self.batch("settle_deliveries", |tx| {
            Box::pin(async move {
                let settled = sqlx::query_scalar!(
                    r#"
                    with idle as (
                        select account_id, livemode, id as endpoint, deleted_at is not null as gone
                        from webhook_endpoints where not enabled
                    ),
                    found as (
                        select waits.account_id, waits.livemode, waits.id, waits.event, waits.round, idle.gone
                        from idle cross join lateral (
                            select deliveries.account_id, deliveries.livemode, deliveries.id, event, round
                            from deliveries
                            where deliveries.account_id = idle.account_id and deliveries.livemode = idle.livemode
                              and deliveries.endpoint = idle.endpoint and status = 'pending'
                              and (idle.gone or event is not null)
                            limit $1
                        ) waits
                        limit $1
                    ),
                    settled as (
                        update deliveries
                        set status = case when gone then 'cancelled' else 'failed' end, finished = now(),
                            claimed_until = null
                        from found
                        where deliveries.account_id = found.account_id and deliveries.livemode = found.livemode
                          and deliveries.id = found.id and deliveries.finished is null
                        returning deliveries.account_id, deliveries.livemode, deliveries.event, deliveries.round, gone
                    ),
                    counted as (
                        select account_id, livemode, event, round,
                               count(*) filter (where gone) as cancelled, count(*) filter (where not gone) as failed
                        from settled group by 1, 2, 3, 4
                    ),
                    events_settled as (
                        update events
                        set endpoints = endpoints - cancelled, undelivered = undelivered - cancelled,
                            exhausted = exhausted + failed,
                            status = case
                                when exhausted + failed > 0 then 'failed'
                                when endpoints - cancelled > 0 and undelivered - cancelled = 0 then 'notified'
                                else 'new' end
                        from counted
                        where events.account_id = counted.account_id and events.livemode = counted.livemode
                          and events.id = counted.event and events.round = counted.round
                        returning events.id
                    )
                    select count(*) as "count!" from settled
                    "#,
                    BATCH,
                )
                .fetch_one(tx.connection())
                .await?;
                Ok(settled)
            })
        })
        .await
    }

    async fn sweep_idempotency(&self, days: i64) -> Result<i64, Error> {
        self.batch("sweep_idempotency_keys", move |tx| {
            Box::pin(async move {
                let swept = sqlx::query!(
                    r#"
                    delete from idempotency_keys where (account_id, livemode, key) in (
                        select account_id, livemode, key from idempotency_keys
                        where created < now() - $1::bigint * interval '1 day'
                        order by created limit $2 for update skip locked)
                    "#,
                    days,
                    BATCH,
                )
                .execute(tx.connection())
                .await?;
                Ok(i64::try_from(swept.rows_affected()).unwrap_or(BATCH))
            })
        })
        .await
    }

    async fn sweep_attempts(&self, days: i64) -> Result<i64, Error> {
        self.batch("sweep_attempts", move |tx| {
            Box::pin(async move {
                let swept = sqlx::query!(
                    r#"
                    delete from attempts
                    using (
                        select found.place
                        from (select distinct account_id, livemode from webhook_endpoints) owner
                        cross join lateral (
                            select attempts.ctid as place from attempts
                            where attempts.account_id = owner.account_id and attempts.livemode = owner.livemode
                              and delivery < $3 and at < now() - $1::bigint * interval '1 day'
                            order by delivery, number limit $2 for update skip locked
                        ) found
                        limit $2
                    ) old
                    where attempts.ctid = old.place
                    "#,
                    days,
                    BATCH,
                    first_id_kept(tx, days),
                )
                .execute(tx.connection())
                .await?;
                Ok(i64::try_from(swept.rows_affected()).unwrap_or(BATCH))
            })
        })
        .await
    }

    async fn sweep_deliveries(&self, days: i64) -> Result<i64, Error> {
        self.batch("sweep_deliveries", move |tx| {
            Box::pin(async move {
                let swept = sqlx::query!(
                    r#"
                    delete from deliveries
                    using (
                        select found.place
                        from (select distinct account_id, livemode from webhook_endpoints) owner
                        cross join lateral (
                            select deliveries.ctid as place from deliveries
                            where deliveries.account_id = owner.account_id and deliveries.livemode = owner.livemode
                              and id < $3 and created < now() - $1::bigint * interval '1 day' and finished is not null
                            order by id limit $2 for update skip locked
                        ) found
                        limit $2
                    ) old
                    where deliveries.ctid = old.place
                    "#,
                    days,
                    BATCH,
                    first_id_kept(tx, days),
                )
                .execute(tx.connection())
                .await?;
                Ok(i64::try_from(swept.rows_affected()).unwrap_or(BATCH))
            })
        })
        .await
    }

    /// Events go from the oldest of each feed up to its first young one, so that what is left of it has no gap: what
    /// was committed late is older than what has the number before it.
    async fn sweep_events(&self, days: i64) -> Result<i64, Error> {
        self.batch("sweep_events", move |tx| {
            Box::pin(async move {
                let swept = sqlx::query_scalar!(
                    r#"
                    with old as (
                        select oldest.account_id, oldest.livemode, oldest.id, oldest.sequence
                        from event_heads head cross join lateral (
                            select events.account_id, events.livemode, events.id, events.sequence
                            from events
                            where events.account_id = head.account_id and events.livemode = head.livemode
                              and events.sequence > head.swept
                              and events.sequence < coalesce(
                                  (select young.sequence from events young
                                   where young.account_id = head.account_id and young.livemode = head.livemode
                                     and young.sequence > head.swept and young.sequence <= head.swept + $2
                                     and young.created >= now() - $1::bigint * interval '1 day'
                                   order by young.sequence limit 1),
                                  head.swept + $2 + 1)
                            order by events.sequence
                        ) oldest
                        limit $2
                    ),
                    ends as (
                        select account_id, livemode, max(sequence) as swept from old group by account_id, livemode
                    ),
                    marked as (
                        update event_heads head set swept = ends.swept from ends
                        where head.account_id = ends.account_id and head.livemode = ends.livemode
                        returning head.account_id
                    ),
                    gone as (
                        delete from events using old
                        where events.account_id = old.account_id and events.livemode = old.livemode
                          and events.id = old.id
                        returning events.id
                    )
                    select count(*) as "count!" from gone
                    "#,
                    days,
                    BATCH,
                )
                .fetch_one(tx.connection())
                .await?;
                Ok(swept)
            })
        })
        .await
    }
}
