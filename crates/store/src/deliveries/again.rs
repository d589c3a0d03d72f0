//! Deliveries as their owner sees them, and sending again: one, a range of the feed, or an event to everybody.

use domain::account::Owner;
use domain::delivery::DeliveryStatus;
use domain::id::{DeliveryId, EndpointId, EventId};
use domain::time::Moment;

use crate::sequence::Deliveries;
use crate::{Error, Tx};

/// A delivery as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its id.
    pub id: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// What; `None`: a ping.
    pub event: Option<EventId>,
    /// When it was made.
    pub created: Moment,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// When the next attempt is due; while one is being made: should its sender die.
    pub next_at: Option<Moment>,
    /// Attempts that were begun.
    pub attempts: i32,
}

/// An attempt as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownAttempt {
    /// From 1.
    pub number: i32,
    /// When it was begun.
    pub at: Moment,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// The status of the answer.
    pub status: Option<i16>,
    /// Why there was none.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<Vec<u8>>,
}

struct Row {
    id: uuid::Uuid,
    endpoint: uuid::Uuid,
    event: Option<uuid::Uuid>,
    created: chrono::DateTime<chrono::Utc>,
    status: String,
    next_at: chrono::DateTime<chrono::Utc>,
    attempt: i32,
}

macro_rules! select_delivery {
    ($rest:literal, $($bind:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select id, endpoint, event, created, status, greatest(next_at, claimed_until, created) as "next_at!", attempt
            from deliveries where account_id = $1 and livemode = $2
            "# + $rest,
            $($bind),*
        )
    };
}

impl TryFrom<Row> for Shown {
    type Error = Error;

    fn try_from(row: Row) -> Result<Shown, Error> {
        let corrupt = Error::Corrupt { table: "deliveries", id: row.id };
        let status = DeliveryStatus::parse(&row.status).ok_or(corrupt)?;
        Ok(Shown {
            id: DeliveryId::from_uuid(row.id),
            endpoint: EndpointId::from_uuid(row.endpoint),
            event: row.event.map(EventId::from_uuid),
            created: Moment::truncated(row.created),
            status,
            next_at: (status == DeliveryStatus::Pending).then(|| Moment::truncated(row.next_at)),
            attempts: row.attempt,
        })
    }
}

/// Which deliveries are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Of events after this number.
    pub after: i64,
    /// Up to this one.
    pub until: Option<i64>,
    /// That stand so; absent: failed ones.
    pub status: DeliveryStatus,
}

impl Tx {
    /// A page of an endpoint's deliveries, newest first, and whether there are more; or the cursor that is none.
    pub async fn deliveries(
        &mut self,
        owner: Owner,
        endpoint: EndpointId,
        after: Option<DeliveryId>,
        limit: u16,
    ) -> Result<(Vec<Shown>, bool), Error> {
        let rows = select_delivery!(
            "and endpoint = $3 and ($4::uuid is null or id < $4) order by id desc limit $5",
            owner.account.uuid(),
            owner.mode.is_live(),
            endpoint.uuid(),
            after.map(DeliveryId::uuid),
            i64::from(limit) + 1,
        )
        .fetch_all(self.connection())
        .await?;
        let has_more = rows.len() > usize::from(limit);
        let page = rows.into_iter().take(limit.into()).map(Shown::try_from);
        Ok((page.collect::<Result<_, _>>()?, has_more))
    }

    /// The delivery of an id.
    pub async fn delivery(&mut self, owner: Owner, id: DeliveryId) -> Result<Option<Shown>, Error> {
        let row = select_delivery!("and id = $3", owner.account.uuid(), owner.mode.is_live(), id.uuid())
            .fetch_optional(self.connection())
            .await?;
        row.map(Shown::try_from).transpose()
    }

    /// Its attempts, in their order.
    pub async fn attempts(&mut self, owner: Owner, id: DeliveryId) -> Result<Vec<ShownAttempt>, Error> {
        let rows = sqlx::query!(
            r#"
            select number, at, duration_ms, status, error, answer from attempts
            where account_id = $1 and livemode = $2 and delivery = $3 order by number
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            id.uuid(),
        )
        .fetch_all(self.connection())
        .await?;
        let shown = rows.into_iter().map(|row| ShownAttempt {
            number: row.number,
            at: Moment::truncated(row.at),
            duration_ms: row.duration_ms,
            status: row.status,
            error: row.error,
            answer: row.answer,
        });
        Ok(shown.collect())
    }

    /// Makes a ping to an endpoint. It is due before everything that no worker has claimed yet: whoever asks is waiting.
    pub async fn add_ping(&mut self, owner: Owner, endpoint: EndpointId) -> Result<DeliveryId, Error> {
        let id = self.new_delivery()?;
        sqlx::query!(
            r#"
            insert into deliveries (account_id, livemode, id, endpoint, event, round, created, status, next_at)
            select $1, $2, $3, $4, null, 0, date_trunc('second', now()), 'pending',
                   least(now(), (
                       select next_at from deliveries
                       where account_id = $1 and livemode = $2 and endpoint = $4 and status = 'pending'
                       order by account_id, livemode, endpoint, next_at limit 1
                   )) - interval '1 millisecond'
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            id.uuid(),
            endpoint.uuid(),
        )
        .execute(self.connection())
        .await?;
        self.has_told = true;
        Ok(id)
    }

    /// Begins the schedule of a delivery anew, whatever came of it. `false`: it waits already, its event is kept no
    /// more, or its endpoint is not told of anything.
    pub async fn redeliver(&mut self, owner: Owner, id: DeliveryId) -> Result<bool, Error> {
        let (account, livemode) = (owner.account.uuid(), owner.mode.is_live());
        let locked = sqlx::query!(
            r#"
            select events.id, deliveries.status from deliveries
            join events on (events.account_id, events.livemode, events.id)
                         = (deliveries.account_id, deliveries.livemode, deliveries.event)
            join webhook_endpoints target on (target.account_id, target.livemode, target.id)
                         = (deliveries.account_id, deliveries.livemode, deliveries.endpoint)
            where deliveries.account_id = $1 and deliveries.livemode = $2 and deliveries.id = $3
              and target.enabled and deliveries.status <> 'pending'
            for update of events
            "#,
            account,
            livemode,
            id.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        if locked.is_none() {
            return Ok(false);
        }
        let again = self.begin_anew(owner, &[id.uuid()]).await?;
        Ok(again > 0)
    }

    /// The deliveries of an endpoint that a range names, oldest first.
    pub async fn deliveries_in(
        &mut self,
        owner: Owner,
        endpoint: EndpointId,
        range: Range,
        limit: i64,
    ) -> Result<Vec<DeliveryId>, Error> {
        let ids = sqlx::query_scalar!(
            r#"
            select deliveries.id from deliveries
            join events on (events.account_id, events.livemode, events.id)
                         = (deliveries.account_id, deliveries.livemode, deliveries.event)
            where deliveries.account_id = $1 and deliveries.livemode = $2 and deliveries.endpoint = $3
              and deliveries.status = $6 and events.sequence > $4
              and ($5::bigint is null or events.sequence <= $5)
            order by deliveries.id limit $7
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            endpoint.uuid(),
            range.after,
            range.until,
            range.status.as_str(),
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(ids.into_iter().map(DeliveryId::from_uuid).collect())
    }

    /// Begins the schedules of deliveries anew; those that wait already stay as they are. Events are locked first.
    pub async fn redeliver_all(&mut self, owner: Owner, ids: &[DeliveryId]) -> Result<u64, Error> {
        let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.uuid()).collect();
        sqlx::query!(
            r#"
            select id from events
            where account_id = $1 and livemode = $2 and id in (
                select event from deliveries where account_id = $1 and livemode = $2 and id = any ($3))
            order by id for update
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            &ids,
        )
        .fetch_all(self.connection())
        .await?;
        self.begin_anew(owner, &ids).await
    }

    async fn begin_anew(&mut self, owner: Owner, ids: &[uuid::Uuid]) -> Result<u64, Error> {
        self.has_told = true;
        let written = sqlx::query!(
            r#"
            with before as (
                select account_id, livemode, id, event, round, status from deliveries
                where account_id = $1 and livemode = $2 and id = any ($3) and status <> 'pending'
                for update
            ),
            again as (
                update deliveries
                set status = 'pending', begun = attempt, next_at = now(), claimed_until = null, finished = null
                from before
                where deliveries.account_id = before.account_id and deliveries.livemode = before.livemode
                  and deliveries.id = before.id
                returning deliveries.id
            ),
            counted as (
                select before.account_id, before.livemode, before.event, before.round,
                       count(*) filter (where before.status = 'delivered') as delivered,
                       count(*) filter (where before.status = 'failed') as failed,
                       count(*) filter (where before.status = 'cancelled') as cancelled
                from before group by 1, 2, 3, 4
            ),
            events_again as (
                update events
                set endpoints = endpoints + cancelled, undelivered = undelivered + delivered + cancelled,
                    exhausted = exhausted - failed,
                    status = case when exhausted - failed > 0 then 'failed' else 'new' end
                from counted
                where events.account_id = counted.account_id and events.livemode = counted.livemode
                  and events.id = counted.event and events.round = counted.round
                returning events.id
            )
            select count(*) as "again!" from again
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            ids,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(u64::try_from(written.again).unwrap_or(0))
    }

    /// A new delivery of an event to every endpoint that wants it; what waits of the round before is wanted no more.
    /// `None`: there is no such event.
    pub async fn resend(&mut self, owner: Owner, event: EventId) -> Result<Option<usize>, Error> {
        let (account, livemode) = (owner.account.uuid(), owner.mode.is_live());
        let locked = sqlx::query!(
            r#"
            select type, round from events
            where account_id = $1 and livemode = $2 and id = $3 and sequence is not null for update
            "#,
            account,
            livemode,
            event.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        let Some(locked) = locked else { return Ok(None) };
        let endpoints = sqlx::query_scalar!(
            r#"
            select id from webhook_endpoints
            where account_id = $1 and livemode = $2 and enabled and deleted_at is null
              and (events is null or $3 = any (events))
            order by id
            "#,
            account,
            livemode,
            locked.r#type,
        )
        .fetch_all(self.connection())
        .await?;
        let count = i32::try_from(endpoints.len()).unwrap_or(i32::MAX);
        sqlx::query!(
            r#"
            with cancelled as (
                update deliveries set status = 'cancelled', finished = now(), claimed_until = null
                where account_id = $1 and livemode = $2 and event = $3 and status = 'pending'
            )
            update events set round = round + 1, endpoints = $4, undelivered = $4, exhausted = 0, status = 'new'
            where account_id = $1 and livemode = $2 and id = $3
            "#,
            account,
            livemode,
            event.uuid(),
            count,
        )
        .execute(self.connection())
        .await?;
        self.has_told = true;
        let mut deliveries = Deliveries::default();
        for endpoint in &endpoints {
            deliveries.push(owner, self.new_delivery()?, *endpoint, event.uuid(), locked.round + 1);
        }
        self.add_deliveries(deliveries).await?;
        Ok(Some(endpoints.len()))
    }
}
