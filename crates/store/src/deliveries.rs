//! Deliveries: claim → commit → post → finish. A claim has an attempt number, the fence of whoever finishes, and an
//! end: until then nobody else claims it, after that anybody may. Nothing here talks to a stranger.
//!
//! An open delivery that is looked for by its id is told by `finished`, not by its status: that would let Postgres look
//! through the index of the open ones, which it believes to be empty whenever it counted at a quiet time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::account::{Mode, Owner};
use domain::delivery::{DeliveryStatus, Next, is_dead};
use domain::endpoint::DisabledReason;
use domain::id::{AccountId, DeliveryId, EndpointId, EventId};
use domain::signature::WebhookSecret;
use domain::time::Moment;
use serde_json::json;

use crate::{Error, Store, Tx};

mod again;

pub use again::{Range, Shown, ShownAttempt};

/// A delivery that somebody has taken upon himself.
#[derive(Clone)]
pub struct Claimed {
    /// Its id.
    pub id: DeliveryId,
    /// Whose it is.
    pub owner: Owner,
    /// To whom.
    pub endpoint: EndpointId,
    /// What; `None`: a ping.
    pub event: Option<EventId>,
    /// The number of this attempt, from 1: the fence.
    pub attempt: i32,
    /// Its number in the schedule that runs now, from 1.
    pub turn: u32,
    /// Where it is posted.
    pub target: Arc<Target>,
    /// When it was claimed.
    pub at: Moment,
    /// When the claim ends, as it is stored: with `attempt` it tells this claim from every other.
    until: chrono::DateTime<chrono::Utc>,
}

/// Where an endpoint's deliveries are posted, as it was when they were claimed.
pub struct Target {
    /// Its address.
    pub url: String,
    /// Those that sign; none, when no key of this process opens them.
    pub secrets: Vec<WebhookSecret>,
}

/// How much may be claimed at once.
#[derive(Clone, Debug)]
pub struct Room {
    /// In all.
    pub total: i64,
    /// For one endpoint.
    pub each: i64,
    /// What is left for endpoints that have less room.
    pub busy: Vec<(EndpointId, i64)>,
    /// How long nobody else may claim it.
    pub lease: Duration,
}

/// What is due and nobody has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries, counted up to 100,000.
    pub count: u64,
    /// How long the oldest has been due, in milliseconds.
    pub oldest_millis: u64,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it was begun.
    pub at: Moment,
    /// How long it took.
    pub took: Duration,
    /// The status of the answer, when there was one.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<&'static str>,
    /// The beginning of the answer.
    pub answer: Vec<u8>,
    /// The receiver wants no more of anything.
    pub gone: bool,
    /// What follows.
    pub next: Next,
}

impl Attempt {
    fn duration_ms(&self) -> i32 {
        i32::try_from(self.took.as_millis()).unwrap_or(i32::MAX)
    }

    fn small_status(&self) -> Option<i16> {
        self.status.and_then(|status| i16::try_from(status).ok())
    }
}

/// What finishing an attempt did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is written.
    Yes,
    /// Somebody else has taken it over meanwhile; nothing was changed.
    TooLate,
}

impl Store {
    /// Claims what is due, the longest due first, a little of each endpoint, so that one that hangs holds up no other.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn claim_deliveries(&self, room: Room) -> Result<Vec<Claimed>, Error> {
        let busy: Vec<uuid::Uuid> = room.busy.iter().map(|(endpoint, _)| endpoint.uuid()).collect();
        let left: Vec<i64> = room.busy.iter().map(|(_, left)| *left).collect();
        let lease_ms = i64::try_from(room.lease.as_millis()).unwrap_or(i64::MAX);
        self.batch("claim_deliveries", move |tx| {
            let (busy, left) = (busy.clone(), left.clone());
            Box::pin(async move {
                let rows = sqlx::query!(
                    r#"
                    with recursive waiting as (
                        (select account_id, livemode, endpoint, next_at as oldest from deliveries
                         where status = 'pending' order by account_id, livemode, endpoint, next_at limit 1)
                        union all
                        select following.*
                        from waiting cross join lateral (
                            select deliveries.account_id, deliveries.livemode, deliveries.endpoint, next_at
                            from deliveries
                            where status = 'pending'
                              and (deliveries.account_id, deliveries.livemode, deliveries.endpoint)
                                > (waiting.account_id, waiting.livemode, waiting.endpoint)
                            order by deliveries.account_id, deliveries.livemode, deliveries.endpoint, next_at
                            limit 1
                        ) following
                    ),
                    due as (
                        select found.place, target.url, target.secret,
                               case when target.previous_until > now() then target.previous_secret end
                                   as previous_secret
                        from waiting
                        join webhook_endpoints target
                            on (target.account_id, target.livemode, target.id)
                             = (waiting.account_id, waiting.livemode, waiting.endpoint)
                        left join unnest($3::uuid[], $4::bigint[]) as busy (endpoint, room)
                            on busy.endpoint = waiting.endpoint
                        cross join lateral (
                            select deliveries.ctid as place, deliveries.next_at, deliveries.event
                            from deliveries
                            -- From the oldest on: what was delivered before it is still in the index.
                            where status = 'pending' and next_at between waiting.oldest and now()
                              and (claimed_until is null or claimed_until <= now())
                              and deliveries.account_id = waiting.account_id
                              and deliveries.livemode = waiting.livemode
                              and deliveries.endpoint = waiting.endpoint
                              and (target.enabled or (event is null and target.deleted_at is null))
                            order by next_at
                            limit coalesce(busy.room, $2)
                            for update skip locked
                        ) found
                        -- Somebody waits for a ping.
                        order by found.event is not null, found.next_at, found.event
                        limit $1
                    )
                    update deliveries
                    set attempt = attempt + 1, claimed_until = now() + $5::bigint * interval '1 millisecond'
                    from due
                    -- Where they lie: locked, they stay there, and no index is looked through a second time.
                    where deliveries.ctid = due.place
                    returning account_id, livemode, id, endpoint, event, attempt, begun, due.url, due.secret,
                              now() as "at!", claimed_until as "until!", due.previous_secret as "previous_secret?"
                    "#,
                    room.total,
                    room.each,
                    &busy,
                    &left,
                    lease_ms,
                )
                .fetch_all(tx.connection())
                .await?;
                // Opened once for all that goes to the same endpoint.
                let mut targets: HashMap<uuid::Uuid, Arc<Target>> = HashMap::new();
                let claimed = rows.into_iter().map(|row| {
                    let target = targets.entry(row.endpoint).or_insert_with(|| {
                        let sealed = [Some(row.secret), row.previous_secret].into_iter().flatten();
                        let open = |sealed: Vec<u8>| {
                            let text = tx.store().sealer().open(row.endpoint, &sealed)?;
                            WebhookSecret::parse(std::str::from_utf8(&text).ok()?)
                        };
                        Arc::new(Target { url: row.url, secrets: sealed.filter_map(open).collect() })
                    });
                    Claimed {
                        id: DeliveryId::from_uuid(row.id),
                        owner: owner(row.account_id, row.livemode),
                        endpoint: EndpointId::from_uuid(row.endpoint),
                        event: row.event.map(EventId::from_uuid),
                        attempt: row.attempt,
                        turn: u32::try_from(row.attempt - row.begun).unwrap_or(1),
                        target: target.clone(),
                        at: Moment::truncated(row.at),
                        until: row.until,
                    }
                });
                Ok(claimed.collect())
            })
        })
        .await
    }

    /// What is due and nobody has claimed.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn webhook_backlog(&self) -> Result<Backlog, Error> {
        let mut connection = self.inner.aside.acquire().await?;
        // Beyond so many it does not matter how many there are.
        let found = sqlx::query!(
            r#"
            select count(*) as "count!",
                   coalesce((extract(epoch from now() - min(next_at)) * 1000)::bigint, 0) as "oldest_millis!"
            from (
                select next_at from deliveries
                where status = 'pending' and next_at <= now() and (claimed_until is null or claimed_until <= now())
                limit 100000) due
            "#
        )
        .fetch_one(&mut *connection)
        .await?;
        let positive = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Backlog { count: positive(found.count), oldest_millis: positive(found.oldest_millis) })
    }

    /// Writes what came of an attempt, unless somebody else has taken the delivery over.
    ///
    /// # Errors
    /// When the database can not be asked; then the delivery is due again when its claim ends.
    pub async fn finish_delivery(&self, claimed: &Claimed, attempt: Attempt) -> Result<Finished, Error> {
        let claimed = claimed.clone();
        self.transaction("finish_delivery", move |tx| {
            let (claimed, attempt) = (claimed.clone(), attempt.clone());
            Box::pin(async move { tx.finish(&claimed, attempt).await })
        })
        .await
    }

    /// Gives back what was claimed and not begun: it is due at once, for anybody, and no attempt was made.
    ///
    /// # Errors
    /// When the database can not be asked; then it is due again when its claim ends, one attempt further.
    pub async fn give_back_deliveries(&self, claimed: Vec<Claimed>) -> Result<(), Error> {
        let claimed: Arc<[Claimed]> = claimed.into();
        self.batch("give_back_deliveries", move |tx| {
            let claimed = claimed.clone();
            Box::pin(async move {
                let each = |claimed: &Claimed| (claimed.owner.account.uuid(), claimed.owner.mode.is_live());
                let (accounts, livemodes): (Vec<_>, Vec<_>) = claimed.iter().map(each).unzip();
                sqlx::query!(
                    r#"
                    with found as materialized (
                        select place
                        from unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::integer[], $5::timestamptz[])
                            as given (account_id, livemode, id, attempt, until)
                        cross join lateral (
                            select ctid as place from deliveries
                            where deliveries.account_id = given.account_id and deliveries.livemode = given.livemode
                              and deliveries.id = given.id and deliveries.attempt = given.attempt
                              -- Given back twice, it may be somebody else's by now, under the same number.
                              and claimed_until = given.until and finished is null
                            for update
                        ) at_hand
                    )
                    update deliveries set attempt = attempt - 1, claimed_until = null
                    where ctid = any (array(select place from found))
                    "#,
                    &accounts,
                    &livemodes,
                    &claimed.iter().map(|claimed| claimed.id.uuid()).collect::<Vec<_>>(),
                    &claimed.iter().map(|claimed| claimed.attempt).collect::<Vec<_>>(),
                    &claimed.iter().map(|claimed| claimed.until).collect::<Vec<_>>(),
                )
                .execute(tx.connection())
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Writes that deliveries were accepted, all in one commit. Returns those that were written; the others somebody else
    /// has taken over meanwhile.
    ///
    /// # Errors
    /// When the database can not be asked; none was written.
    pub async fn finish_delivered(
        &self,
        done: Arc<[(Claimed, Attempt)]>,
    ) -> Result<HashSet<DeliveryId>, Error> {
        self.batch("finish_delivered", move |tx| {
            let done = done.clone();
            Box::pin(async move { tx.finish_delivered(&done).await })
        })
        .await
    }
}

impl Tx {
    /// The same as [`Tx::finish`] for what was accepted, a slice at a time, in the same order of locks.
    async fn finish_delivered(&mut self, done: &[(Claimed, Attempt)]) -> Result<HashSet<DeliveryId>, Error> {
        let each = |claimed: &Claimed| (claimed.owner.account.uuid(), claimed.owner.mode.is_live());
        let (accounts, livemodes): (Vec<_>, Vec<_>) = done.iter().map(|(claimed, _)| each(claimed)).unzip();
        let events: Vec<_> = done.iter().map(|(claimed, _)| claimed.event.map(EventId::uuid)).collect();
        let endpoints: Vec<_> = done.iter().map(|(claimed, _)| claimed.endpoint.uuid()).collect();
        self.lock_events(done).await?;
        let finished = sqlx::query_scalar!(
            r#"
            with given as (
                select * from unnest(
                    $1::uuid[], $2::boolean[], $3::uuid[], $4::integer[], $5::timestamptz[], $6::integer[],
                    $7::smallint[], $8::bytea[])
                    as given (account_id, livemode, id, attempt, at, duration_ms, answered, answer)
            ),
            -- Each by its key: what joins `deliveries` as a whole is planned for what it held an hour ago, and may read all
            -- of it for a handful.
            found as materialized (
                select given.*, place from given cross join lateral (
                    select ctid as place from deliveries
                    where deliveries.account_id = given.account_id and deliveries.livemode = given.livemode
                      and deliveries.id = given.id and deliveries.attempt = given.attempt and finished is null
                    for update
                ) at_hand
            ),
            finished as (
                update deliveries
                set status = 'delivered', next_at = now(), finished = now(), claimed_until = null
                where ctid = any (array(select place from found))
                returning account_id, livemode, id, event, round
            ),
            attempted as (
                insert into attempts (account_id, livemode, delivery, number, at, duration_ms, status, answer)
                select account_id, livemode, id, attempt, at, duration_ms, answered, answer
                from found where id in (select id from finished)
            ),
            counted as (
                update events
                set undelivered = undelivered - accepted.count,
                    status = case
                        when exhausted > 0 then 'failed'
                        when endpoints > 0 and undelivered - accepted.count = 0 then 'notified'
                        else 'new' end
                from (
                    select account_id, livemode, event, round, count(*)::integer from finished group by 1, 2, 3, 4
                ) accepted
                where events.account_id = accepted.account_id and events.livemode = accepted.livemode
                  and events.id = accepted.event and events.round = accepted.round
            )
            select id from finished
            "#,
            &accounts,
            &livemodes,
            &done.iter().map(|(claimed, _)| claimed.id.uuid()).collect::<Vec<_>>(),
            &done.iter().map(|(claimed, _)| claimed.attempt).collect::<Vec<_>>(),
            &done.iter().map(|(_, attempt)| attempt.at.to_utc()).collect::<Vec<_>>(),
            &done.iter().map(|(_, attempt)| attempt.duration_ms()).collect::<Vec<_>>(),
            &done.iter().map(|(_, attempt)| attempt.small_status()).collect::<Vec<_>>() as _,
            &done.iter().map(|(_, attempt)| attempt.answer.clone()).collect::<Vec<_>>(),
        )
        .fetch_all(self.connection())
        .await?;
        // To the minute, and only when there is something to forget: a busy endpoint's row is not written each time.
        sqlx::query!(
            r#"
            update webhook_endpoints set failures = 0, failing_since = null, succeeded_at = now()
            from (
                select distinct account_id, livemode, id
                from unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::uuid[]) as given (account_id, livemode, id, event)
                where event is not null
            ) well
            where webhook_endpoints.account_id = well.account_id and webhook_endpoints.livemode = well.livemode
              and webhook_endpoints.id = well.id
              and (failures > 0 or succeeded_at is null or succeeded_at < now() - interval '1 minute')
            "#,
            &accounts,
            &livemodes,
            &endpoints,
            &events as _,
        )
        .execute(self.connection())
        .await?;
        Ok(finished.into_iter().map(DeliveryId::from_uuid).collect())
    }

    /// Locks the events of deliveries in the order of their keys, each by its key.
    async fn lock_events(&mut self, done: &[(Claimed, Attempt)]) -> Result<(), Error> {
        let key = |claimed: &Claimed| {
            let owner = claimed.owner;
            claimed.event.map(|event| (owner.account.uuid(), owner.mode.is_live(), event.uuid()))
        };
        let keys: BTreeSet<_> = done.iter().filter_map(|(claimed, _)| key(claimed)).collect();
        sqlx::query!(
            r#"
            select locked.id from unnest($1::uuid[], $2::boolean[], $3::uuid[]) as given (account_id, livemode, id)
            cross join lateral (
                select id from events
                where events.account_id = given.account_id and events.livemode = given.livemode
                  and events.id = given.id
                for update
            ) locked
            "#,
            &keys.iter().map(|(account, _, _)| *account).collect::<Vec<_>>(),
            &keys.iter().map(|(_, livemode, _)| *livemode).collect::<Vec<_>>(),
            &keys.iter().map(|(_, _, event)| *event).collect::<Vec<_>>(),
        )
        .fetch_all(self.connection())
        .await?;
        Ok(())
    }

    async fn finish(&mut self, claimed: &Claimed, attempt: Attempt) -> Result<Finished, Error> {
        let (account, livemode) = (claimed.owner.account.uuid(), claimed.owner.mode.is_live());
        let (status, wait_ms) = match attempt.next {
            Next::Delivered => (DeliveryStatus::Delivered, None),
            Next::Failed => (DeliveryStatus::Failed, None),
            Next::Again { millis } => {
                (DeliveryStatus::Pending, Some(i64::try_from(millis).unwrap_or(i64::MAX)))
            }
        };
        // The event before its deliveries, as everywhere: two endpoints that finish at once count each other.
        if let Some(event) = claimed.event {
            sqlx::query!(
                "select id from events where account_id = $1 and livemode = $2 and id = $3 for update",
                account,
                livemode,
                event.uuid(),
            )
            .fetch_optional(self.connection())
            .await?;
        }
        let finished = sqlx::query!(
            r#"
            with finished as (
                update deliveries
                set status = $5, next_at = now() + coalesce($6::bigint, 0) * interval '1 millisecond',
                    finished = case when $5 = 'pending' then null else now() end, claimed_until = null
                where account_id = $1 and livemode = $2 and id = $3 and attempt = $4 and deliveries.finished is null
                returning event, round, attempt
            )
            insert into attempts (account_id, livemode, delivery, number, at, duration_ms, status, error, answer)
            select $1, $2, $3, attempt, $7, $8, $9, $10, $11 from finished
            returning number
            "#,
            account,
            livemode,
            claimed.id.uuid(),
            claimed.attempt,
            status.as_str(),
            wait_ms,
            attempt.at.to_utc(),
            attempt.duration_ms(),
            attempt.small_status(),
            attempt.error,
            attempt.answer,
        )
        .fetch_optional(self.connection())
        .await?;
        if finished.is_none() {
            return Ok(Finished::TooLate);
        }
        if let Some(event) = claimed.event {
            self.count_finished(claimed.owner, event, claimed.id, status).await?;
        }
        if claimed.event.is_some() || attempt.gone {
            self.note_health(claimed, &attempt).await?;
        }
        Ok(Finished::Yes)
    }

    /// The event's counters, while the delivery is of its newest round.
    async fn count_finished(
        &mut self,
        owner: Owner,
        event: EventId,
        delivery: DeliveryId,
        status: DeliveryStatus,
    ) -> Result<(), Error> {
        let (undelivered, exhausted) = match status {
            DeliveryStatus::Pending => return Ok(()),
            DeliveryStatus::Delivered => (-1, 0),
            DeliveryStatus::Failed => (0, 1),
            // Wanted no more, it does not count at all.
            DeliveryStatus::Cancelled => return Ok(()),
        };
        sqlx::query!(
            r#"
            update events
            set undelivered = undelivered + $5, exhausted = exhausted + $6,
                status = case
                    when exhausted + $6 > 0 then 'failed'
                    when endpoints > 0 and undelivered + $5 = 0 then 'notified'
                    else 'new' end
            from deliveries
            where events.account_id = $1 and events.livemode = $2 and events.id = $3
              and deliveries.account_id = $1 and deliveries.livemode = $2 and deliveries.id = $4
              and deliveries.round = events.round
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            event.uuid(),
            delivery.uuid(),
            undelivered,
            exhausted,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Remembers how the endpoint fares, and switches it off when it is gone or has failed for days.
    async fn note_health(&mut self, claimed: &Claimed, attempt: &Attempt) -> Result<(), Error> {
        let (account, livemode) = (claimed.owner.account.uuid(), claimed.owner.mode.is_live());
        let endpoint = claimed.endpoint.uuid();
        if attempt.next == Next::Delivered {
            // To the minute, and only when there is something to forget: a busy endpoint's row is not written each time.
            sqlx::query!(
                r#"
                update webhook_endpoints set failures = 0, failing_since = null, succeeded_at = now()
                where account_id = $1 and livemode = $2 and id = $3
                  and (failures > 0 or succeeded_at is null or succeeded_at < now() - interval '1 minute')
                "#,
                account,
                livemode,
                endpoint,
            )
            .execute(self.connection())
            .await?;
            return Ok(());
        }
        let health = sqlx::query!(
            r#"
            update webhook_endpoints
            set failures = failures + 1, failing_since = coalesce(failing_since, now())
            where account_id = $1 and livemode = $2 and id = $3
            returning failures, failing_since as "failing_since!", coalesce(succeeded_at, created) as "good_at!",
                      enabled, url, now() as "now!"
            "#,
            account,
            livemode,
            endpoint,
        )
        .fetch_optional(self.connection())
        .await?;
        let Some(health) = health.filter(|health| health.enabled) else { return Ok(()) };
        let [failing_since, good_at, now] =
            [health.failing_since, health.good_at, health.now].map(Moment::truncated);
        let reason = if attempt.gone {
            DisabledReason::Gone
        } else if is_dead(health.failures, failing_since, good_at, now) {
            DisabledReason::Failing
        } else {
            return Ok(());
        };
        sqlx::query!(
            r#"
            update webhook_endpoints set enabled = false, disabled_reason = $4
            where account_id = $1 and livemode = $2 and id = $3
            "#,
            account,
            livemode,
            endpoint,
            reason.as_str(),
        )
        .execute(self.connection())
        .await?;
        let facts = json!({ "url": health.url, "reason": reason.as_str() });
        self.tell_endpoint_disabled(claimed.owner, claimed.endpoint, facts).await
    }
}

fn owner(account: uuid::Uuid, livemode: bool) -> Owner {
    Owner { account: AccountId::from_uuid(account), mode: Mode::from_livemode(livemode) }
}
