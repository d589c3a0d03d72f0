//! What is always true of the data, each promise as one statement that looks for a counter-example. `kashio doctor` asks
//! them all, of one snapshot. Not for the request path: they read whole tables.

use sqlx::{Connection, PgConnection};

use crate::{Error, Store};

/// A promise, and a case against it if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is promised.
    pub promise: &'static str,
    /// The first counter-example that was found.
    pub counter_example: Option<String>,
}

macro_rules! promises {
    ($($promise:literal: $sql:literal;)*) => {
        /// Every promise, asked of one connection.
        async fn ask_all(connection: &mut PgConnection) -> Result<Vec<Finding>, Error> {
            Ok(vec![$(
                Finding {
                    promise: $promise,
                    counter_example: sqlx::query_scalar!($sql).fetch_optional(&mut *connection).await?,
                },
            )*])
        }
    };
}

promises! {
    "the sum of applied payments is the sum of the amounts of paid invoices": r#"
        select format('account %s, livemode %s, %s: applied %s, paid %s (céntimos)',
                      account_id, livemode, currency, sum(applied), sum(paid)) as "found!"
        from (
            select account_id, livemode, currency, amount as applied, 0 as paid from payments where status = 'applied'
            union all
            select account_id, livemode, currency, 0, sub_total + late_fee from invoices where status = 'paid'
        ) money
        group by account_id, livemode, currency having sum(applied) <> sum(paid) limit 1"#;

    "a paid invoice is paid by its own applied payment, to the céntimo": r#"
        select format('invoice %s of account %s, payment %s', invoices.id, invoices.account_id, payment_id) as "found!"
        from invoices left join payments on (payments.account_id, payments.livemode, payments.id)
            = (invoices.account_id, invoices.livemode, invoices.payment_id)
        where invoices.status = 'paid' and (payments.id is null or payments.status <> 'applied'
            or payments.invoice <> invoices.id or payments.currency <> invoices.currency
            or payments.amount <> invoices.sub_total + invoices.late_fee)
        limit 1"#;

    "an applied payment pays the invoice that names it": r#"
        select format('payment %s of account %s', payments.id, payments.account_id) as "found!"
        from payments left join invoices on (invoices.account_id, invoices.livemode, invoices.id)
            = (payments.account_id, payments.livemode, payments.invoice)
        where payments.status = 'applied' and invoices.payment_id is distinct from payments.id limit 1"#;

    "each change of an invoice is told once: as many events as versions": r#"
        select format('invoice %s of account %s: version %s, told %s times', invoices.id, invoices.account_id, version,
                      count(events.id)) as "found!"
        from invoices left join events on (events.account_id, events.livemode, events.invoice)
                = (invoices.account_id, invoices.livemode, invoices.id) and events.type like 'invoice.%'
        where not exists (
            select from event_heads head
            where head.account_id = invoices.account_id and head.livemode = invoices.livemode and head.swept > 0)
        group by invoices.account_id, invoices.livemode, invoices.id having count(events.id) <> version limit 1"#;

    "the steps of an invoice are those of the table of states": r#"
        select format('invoice %s of account %s: %s after %s', invoice, account_id, status, before) as "found!"
        from (
            select account_id, invoice, facts->>'status' as status,
                   lag(facts->>'status') over (partition by account_id, livemode, invoice order by position) as before
            from events where type like 'invoice.%'
        ) steps
        where before is not null and not (
            (before = 'pending')
            or (before = 'expired' and status = 'paid')
            or (before = 'paid' and status in ('pending', 'expired')))
        limit 1"#;

    "the newest event of an invoice shows it as it is": r#"
        select format('invoice %s of account %s: %s, told as %s', invoices.id, invoices.account_id, invoices.status,
                      newest.status) as "found!"
        from invoices cross join lateral (
            select facts->>'status' as status, (facts->>'version')::integer as version from events
            where events.account_id = invoices.account_id and events.livemode = invoices.livemode
              and events.invoice = invoices.id and events.type like 'invoice.%'
            order by position desc limit 1) newest
        where newest.status <> invoices.status or newest.version <> invoices.version limit 1"#;

    "the feed has no gap: 1, 2, 3 … per account and mode": r#"
        select format('account %s, livemode %s: %s events from %s to %s, head %s', head.account_id, head.livemode,
                      count(events.sequence), min(events.sequence), max(events.sequence), head.sequence) as "found!"
        from event_heads head left join events on events.account_id = head.account_id
            and events.livemode = head.livemode and events.sequence is not null
        group by head.account_id, head.livemode, head.sequence, head.swept
        having count(events.sequence) <> head.sequence - head.swept
            or coalesce(max(events.sequence), head.swept) <> head.sequence
        limit 1"#;

    "no feed is without its head": r#"
        select format('event %s of account %s', id, account_id) as "found!"
        from events where sequence is not null and not exists (
            select from event_heads head
            where head.account_id = events.account_id and head.livemode = events.livemode
              and head.sequence >= events.sequence) limit 1"#;

    "an event's status is what its deliveries say": r#"
        select format('event %s of account %s: %s, %s, %s counted; %s, %s, %s found', events.id, events.account_id,
                      endpoints, undelivered, exhausted, count(deliveries.id),
                      count(deliveries.id) filter (where deliveries.status <> 'delivered'),
                      count(deliveries.id) filter (where deliveries.status = 'failed')) as "found!"
        from events left join deliveries on (deliveries.account_id, deliveries.livemode, deliveries.event)
                = (events.account_id, events.livemode, events.id)
            and deliveries.round = events.round and deliveries.status <> 'cancelled'
        where events.sequence is not null and events.created > now() - interval '80 days'
        group by events.account_id, events.livemode, events.id
        having endpoints <> count(deliveries.id)
            or undelivered <> count(deliveries.id) filter (where deliveries.status <> 'delivered')
            or exhausted <> count(deliveries.id) filter (where deliveries.status = 'failed')
        limit 1"#;

    "every delivery has its event and its endpoint": r#"
        select format('delivery %s of account %s', deliveries.id, deliveries.account_id) as "found!"
        from deliveries
        where (event is not null and not exists (
                select from events where events.account_id = deliveries.account_id
                  and events.livemode = deliveries.livemode and events.id = deliveries.event))
           or not exists (
                select from webhook_endpoints whe where whe.account_id = deliveries.account_id
                  and whe.livemode = deliveries.livemode and whe.id = deliveries.endpoint)
        limit 1"#;

    "a bank that was told ok has its money shown": r#"
        select format('message %s of channel %s, operation %s', id, channel, operation_number) as "found!"
        from collections where verb = 'pay' and code = 'ok' and not exists (
            select from payments where payments.account_id = collections.account_id
              and payments.livemode = collections.livemode and payments.id = collections.payment) limit 1"#;

    "no money is shown that no bank told of": r#"
        select format('payment %s of account %s', id, account_id) as "found!"
        from payments where not exists (
            select from collections where collections.ktin = payments.ktin and collections.verb = 'pay'
              and collections.payment = payments.id) limit 1"#;

    "invoices past their time are stored as expired within a minute": r#"
        select format('invoice %s of account %s, over since %s', id, account_id, expires) as "found!"
        from invoices where status = 'pending' and expires < now() - interval '1 minute' limit 1"#;
}

impl Store {
    /// Looks for a case against each promise, all in one snapshot, however long it takes.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn look_for_counter_examples(&self) -> Result<Vec<Finding>, Error> {
        let mut connection = self.inner.aside.acquire().await?;
        let mut reading = Connection::begin(&mut *connection).await?;
        sqlx::query("set transaction isolation level repeatable read, read only")
            .execute(&mut *reading)
            .await?;
        sqlx::query("set local statement_timeout = 0").execute(&mut *reading).await?;
        ask_all(&mut reading).await
    }
}
