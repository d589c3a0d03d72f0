//! The sequencer: gives committed events their dense numbers, account by account, and makes the deliveries that tell of
//! them, in one transaction (architecture, "Numbers"). It runs in every worker; one leads at a time, by a lock that
//! is taken in a statement of its own: a snapshot that is older than the lock would number rows twice.

use domain::account::{Mode, Owner};
use domain::id::{AccountId, DeliveryId};

use crate::{Error, Store, random};

/// "feed" in the keypad's letters: the advisory lock of the sequencer.
const LOCK: i64 = 3_333;

/// What one turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbered {
    /// Events that got their number.
    pub events: usize,
    /// Deliveries that were made.
    pub deliveries: usize,
    /// Whether there may be more to do at once.
    pub more: bool,
}

impl Store {
    /// One turn over at most `limit` events. Nothing, when another worker leads.
    ///
    /// # Errors
    /// When the database can not be asked; nothing was done then.
    pub async fn sequence(&self, limit: i64) -> Result<Numbered, Error> {
        self.batch("sequence_events", move |tx| {
            Box::pin(async move {
                let leads = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "leads!""#, LOCK)
                    .fetch_one(tx.connection())
                    .await?;
                if !leads {
                    return Ok(Numbered::default());
                }
                let numbered = sqlx::query!(
                    r#"
                    with batch as materialized (
                        select account_id, livemode, id, position, type
                        from events where sequence is null order by position limit $1
                    ),
                    heads as (
                        insert into event_heads (account_id, livemode, sequence)
                        select account_id, livemode, count(*) from batch group by account_id, livemode
                        on conflict (account_id, livemode)
                            do update set sequence = event_heads.sequence + excluded.sequence
                        returning account_id, livemode, sequence
                    ),
                    placed as (
                        select batch.account_id, batch.livemode, batch.id,
                               heads.sequence - count(*) over (partition by batch.account_id, batch.livemode)
                                   + row_number() over (
                                       partition by batch.account_id, batch.livemode order by position) as sequence,
                               -- By their key, event by event: a join is planned by what the tables held an hour ago,
                               -- and a burst into a young feed would look at every endpoint for every pair of events.
                               (
                                   select array_agg(endpoint.id) from webhook_endpoints endpoint
                                   where endpoint.account_id = batch.account_id
                                     and endpoint.livemode = batch.livemode
                                     and endpoint.enabled and endpoint.deleted_at is null
                                     and (endpoint.events is null or batch.type = any (endpoint.events))
                               ) as endpoints
                        from batch join heads using (account_id, livemode)
                    )
                    update events
                    set sequence = placed.sequence,
                        endpoints = coalesce(cardinality(placed.endpoints), 0),
                        undelivered = coalesce(cardinality(placed.endpoints), 0)
                    from placed
                    where events.account_id = placed.account_id and events.livemode = placed.livemode
                      and events.id = placed.id
                    returning events.account_id, events.livemode, events.id, events.sequence as "sequence!",
                              placed.endpoints as "endpoints?"
                    "#,
                    limit,
                )
                .fetch_all(tx.connection())
                .await?;
                let mut deliveries = Deliveries::default();
                let mut numbered_in_order: Vec<_> = numbered.iter().collect();
                numbered_in_order.sort_unstable_by_key(|row| (row.account_id, row.livemode, row.sequence));
                for row in numbered_in_order {
                    let owner = Owner {
                        account: AccountId::from_uuid(row.account_id),
                        mode: Mode::from_livemode(row.livemode),
                    };
                    for endpoint in row.endpoints.iter().flatten() {
                        deliveries.push(owner, tx.new_delivery()?, *endpoint, row.id, 0);
                    }
                }
                let made = deliveries.id.len();
                tx.add_deliveries(deliveries).await?;
                let more = i64::try_from(numbered.len()).unwrap_or(i64::MAX) >= limit;
                Ok(Numbered { events: numbered.len(), deliveries: made, more })
            })
        })
        .await
    }

    /// How old the oldest event without a number is, in milliseconds; 0 when all have theirs.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn sequence_lag_millis(&self) -> Result<u64, Error> {
        let mut connection = self.inner.aside.acquire().await?;
        let lag = sqlx::query_scalar!(
            r#"
            select coalesce(
                (select (extract(epoch from now() - created) * 1000)::bigint
                 from events where sequence is null order by position limit 1), 0) as "millis!"
            "#
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok(u64::try_from(lag).unwrap_or(0))
    }
}

/// Deliveries to be made, a vector per column.
#[derive(Default)]
pub(crate) struct Deliveries {
    account_id: Vec<uuid::Uuid>,
    livemode: Vec<bool>,
    pub(crate) id: Vec<uuid::Uuid>,
    endpoint: Vec<uuid::Uuid>,
    event: Vec<uuid::Uuid>,
    round: Vec<i32>,
}

impl Deliveries {
    pub(crate) fn push(
        &mut self,
        owner: Owner,
        id: DeliveryId,
        endpoint: uuid::Uuid,
        event: uuid::Uuid,
        round: i32,
    ) {
        self.account_id.push(owner.account.uuid());
        self.livemode.push(owner.mode.is_live());
        self.id.push(id.uuid());
        self.endpoint.push(endpoint);
        self.event.push(event);
        self.round.push(round);
    }
}

impl crate::Tx {
    pub(crate) fn new_delivery(&self) -> Result<DeliveryId, Error> {
        Ok(DeliveryId::new(self.store().clock().unix_millis(), &random::bytes()?))
    }

    /// Adds deliveries that are due after the schedule's first wait.
    pub(crate) async fn add_deliveries(&mut self, deliveries: Deliveries) -> Result<(), Error> {
        if deliveries.id.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            r#"
            insert into deliveries (account_id, livemode, id, endpoint, event, round, created, status, next_at)
            select account_id, livemode, id, endpoint, event, round, date_trunc('second', now()), 'pending', now()
            from unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::uuid[], $5::uuid[], $6::integer[])
                as new (account_id, livemode, id, endpoint, event, round)
            "#,
            &deliveries.account_id,
            &deliveries.livemode,
            &deliveries.id,
            &deliveries.endpoint,
            &deliveries.event,
            &deliveries.round,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
