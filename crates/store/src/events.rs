//! The feed: events that have their number, as they were. What no number has been given to is not there yet for any
//! reader, so that whoever has read up to n has missed nothing.

use domain::account::Owner;
use domain::event::EventKind;
use domain::id::{EndpointId, EventId, InvoiceId, PaymentId};
use domain::invoice::filter::Span;
use domain::invoice::{Invoice, Snapshot};
use domain::ktin::Ktin;
use domain::money::{Amount, Currency};
use domain::payment::{Payment, PaymentStatus};
use domain::time::Moment;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder, Row as _};

use crate::invoices::Row as InvoiceRow;
use crate::{Error, Store, Tx};

/// Whether an event has reached whom it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventStatus {
    /// Not yet, or nobody wants it.
    New,
    /// Every endpoint answered 2xx.
    Notified,
    /// Some endpoint failed for good.
    Failed,
}

impl EventStatus {
    /// Every status there is.
    pub const ALL: [EventStatus; 3] = [EventStatus::New, EventStatus::Notified, EventStatus::Failed];

    /// As the database and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventStatus::New => "new",
            EventStatus::Notified => "notified",
            EventStatus::Failed => "failed",
        }
    }

    /// Reads a status, in any case.
    pub fn parse(text: &str) -> Option<EventStatus> {
        EventStatus::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text))
    }
}

/// An event as it is told.
#[derive(Clone)]
pub struct Told {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub owner: Owner,
    /// When it happened.
    pub created: Moment,
    /// What happened.
    pub kind: EventKind,
    /// Its place in the feed, from 1.
    pub sequence: i64,
    /// Whether it has reached whom it was for.
    pub status: EventStatus,
    /// The account's version when it happened: webhooks are written in it.
    pub api_version: Option<String>,
    /// What it is about.
    pub subject: Subject,
}

/// What an event is about, as it was just after.
#[derive(Clone)]
pub enum Subject {
    /// An invoice, and the money, where there is some.
    Invoice(Box<Invoice>, Option<Box<Payment>>),
    /// A webhook endpoint, as JSON.
    Endpoint {
        /// Its id.
        id: EndpointId,
        /// What it was like.
        facts: serde_json::Value,
    },
}

/// Which events a list shows.
#[derive(Clone, Default)]
pub struct Filter {
    /// One of these kinds.
    pub kinds: Option<Vec<EventKind>>,
    /// One of these statuses, now.
    pub statuses: Option<Vec<EventStatus>>,
    /// Of one invoice.
    pub invoice: Option<InvoiceId>,
    /// When they happened.
    pub created: Span,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Newest first: older than `after`, or newer than `before` and nearest to it.
    ById {
        /// `starting_after`.
        after: Option<EventId>,
        /// `ending_before`.
        before: Option<EventId>,
    },
    /// In the order of the feed: what follows this number.
    Following(i64),
}

/// A page of events.
pub struct Listed {
    /// In the order that was asked for.
    pub events: Vec<Told>,
    /// Whether there are more.
    pub has_more: bool,
}

/// Why a page can not be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPage {
    /// The cursor is no event of this owner.
    Unknown(EventId),
    /// Events up to there are kept no more; this is the oldest that is.
    Expired {
        /// Its number.
        oldest_sequence: i64,
    },
}

/// The newest number of an owner's feed, and the newest that is kept no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose feed.
    pub owner: Owner,
    /// The newest.
    pub sequence: i64,
}

/// Among how many of an owner's newest events those without a number are looked for: whoever asks has just written them.
const MAYBE_UNNUMBERED: i64 = 100;

/// Where the invoice's columns begin in [`COLUMNS`].
const INVOICE_FROM: usize = 10;

/// What [`told`] reads; the invoice's in the order in which [`InvoiceRow::from_place`] reads them.
const COLUMNS: &str = "events.id as event_id, events.account_id as event_account, events.livemode as event_livemode, \
     events.created as event_created, events.type as event_type, events.sequence as event_sequence, \
     events.status as event_status, events.api_version, events.facts, events.endpoint, \
     invoices.id, invoices.created, invoice_id, request_datetime, customer, sub_merchant::text as sub_merchant, \
     url_success, url_error, metadata::text as metadata, size_qr, invoices.ktin, token, late_fee_rule, content, \
     invoices.currency, \
     sub_total, due, expires, invoices.status, version, invoices.paid_at, payment_id, late_fee, now() as at, \
     payments.id as payment, payments.ktin as payment_ktin, amount, payments.currency as payment_currency, \
     channel, operation_number, payments.paid_at as payment_paid_at, received_at, payment_facts";

/// Where a page finds them; conditions follow.
const TOLD_FROM: &str = " from events left join invoices on (invoices.account_id, invoices.livemode, invoices.id) \
        = (events.account_id, events.livemode, events.invoice) \
     left join payments on (payments.account_id, payments.livemode, payments.id) \
        = (events.account_id, events.livemode, events.payment) where events.sequence is not null";

impl Tx {
    /// The event of an id.
    pub async fn event(&mut self, owner: Owner, id: EventId) -> Result<Option<Told>, Error> {
        Ok(self.events_of(&[(owner, id)]).await?.pop())
    }

    /// Events by their ids and owners, in no order. Each by its key, and what it is about by its own (`offset 0`): a join
    /// would be planned for how many were numbered when Postgres counted them last, and could walk along all of them.
    pub async fn events_of(&mut self, ids: &[(Owner, EventId)]) -> Result<Vec<Told>, Error> {
        let mut sql = QueryBuilder::new("select ");
        sql.push(COLUMNS).push(" from unnest(");
        sql.push_bind(ids.iter().map(|(owner, _)| owner.account.uuid()).collect::<Vec<_>>()).push(", ");
        sql.push_bind(ids.iter().map(|(owner, _)| owner.mode.is_live()).collect::<Vec<_>>()).push(", ");
        sql.push_bind(ids.iter().map(|(_, id)| id.uuid()).collect::<Vec<_>>());
        sql.push(
            ") as asked (account, mode, event)
             cross join lateral (
                 select * from events
                 where events.account_id = account and events.livemode = mode and events.id = event offset 0
             ) events
             left join lateral (
                 select * from invoices
                 where (invoices.account_id, invoices.livemode, invoices.id) = (account, mode, events.invoice) offset 0
             ) invoices on true
             left join lateral (
                 select * from payments
                 where (payments.account_id, payments.livemode, payments.id) = (account, mode, events.payment) offset 0
             ) payments on true
             where events.sequence is not null",
        );
        let rows: Vec<PgRow> = sql.build().fetch_all(self.connection()).await?;
        rows.iter().map(told).collect()
    }

    /// Those of an owner's newest events that wait for their numbers. By their key: the index of what has none is full of
    /// what had none a moment ago, of everybody's.
    pub async fn unnumbered_events(&mut self, owner: Owner) -> Result<Vec<EventId>, Error> {
        let ids = sqlx::query_scalar!(
            r#"
            select id from (
                select id, sequence from events
                where account_id = $1 and livemode = $2 order by id desc limit $3
            ) newest
            where sequence is null
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            MAYBE_UNNUMBERED,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(ids.into_iter().map(EventId::from_uuid).collect())
    }

    /// Whether all of these events of an owner have their numbers.
    pub async fn are_numbered(&mut self, owner: Owner, ids: &[EventId]) -> Result<bool, Error> {
        let numbered = sqlx::query_scalar!(
            r#"
            select count(*) as "count!" from events
            where account_id = $1 and livemode = $2 and id = any ($3) and sequence is not null
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            &ids.iter().map(|id| id.uuid()).collect::<Vec<_>>(),
        )
        .fetch_one(self.connection())
        .await?;
        Ok(usize::try_from(numbered) == Ok(ids.len()))
    }

    /// A page of an owner's events.
    pub async fn events(
        &mut self,
        owner: Owner,
        filter: &Filter,
        page: Page,
        limit: u16,
    ) -> Result<Result<Listed, NoPage>, Error> {
        if let Some(refusal) = self.refuse_cursor(owner, page).await? {
            return Ok(Err(refusal));
        }
        let mut sql = select(owner);
        push_filter(&mut sql, filter);
        let mut turned = false;
        match page {
            Page::Following(sequence) => {
                sql.push(" and events.sequence > ").push_bind(sequence).push(" order by events.sequence asc");
            }
            Page::ById { after, before } => {
                if let Some(after) = after {
                    sql.push(" and events.id < ").push_bind(after.uuid());
                }
                if let Some(before) = before {
                    sql.push(" and events.id > ").push_bind(before.uuid());
                }
                turned = after.is_none() && before.is_some();
                sql.push(if turned { " order by events.id asc" } else { " order by events.id desc" });
            }
        }
        sql.push(" limit ").push_bind(i64::from(limit) + 1);
        let rows: Vec<PgRow> = sql.build().fetch_all(self.connection()).await?;
        let has_more = rows.len() > usize::from(limit);
        let page = rows.iter().take(limit.into()).map(told);
        let mut events: Vec<Told> = page.collect::<Result<_, _>>()?;
        if turned {
            events.reverse();
        }
        Ok(Ok(Listed { events, has_more }))
    }

    async fn refuse_cursor(&mut self, owner: Owner, page: Page) -> Result<Option<NoPage>, Error> {
        match page {
            Page::Following(sequence) => {
                let swept = sqlx::query_scalar!(
                    "select swept from event_heads where account_id = $1 and livemode = $2",
                    owner.account.uuid(),
                    owner.mode.is_live(),
                )
                .fetch_optional(self.connection())
                .await?
                .unwrap_or(0);
                // From the beginning means from the oldest that is kept, only when all are.
                Ok((sequence < swept).then_some(NoPage::Expired { oldest_sequence: swept + 1 }))
            }
            Page::ById { after, before } => {
                for cursor in [after, before].into_iter().flatten() {
                    if !self.are_numbered(owner, &[cursor]).await? {
                        return Ok(Some(NoPage::Unknown(cursor)));
                    }
                }
                Ok(None)
            }
        }
    }
}

impl Store {
    /// The newest numbers of these owners' feeds; whoever has none is left out. Asked on a connection that requests
    /// do not compete for.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn heads(&self, owners: &[Owner]) -> Result<Vec<Head>, Error> {
        let mut connection = self.inner.aside.acquire().await?;
        let rows = sqlx::query!(
            r#"
            select account_id, livemode, sequence from event_heads
            where (account_id, livemode) in (select * from unnest($1::uuid[], $2::boolean[]))
            "#,
            &owners.iter().map(|owner| owner.account.uuid()).collect::<Vec<_>>(),
            &owners.iter().map(|owner| owner.mode.is_live()).collect::<Vec<_>>(),
        )
        .fetch_all(&mut *connection)
        .await?;
        let head = |account, livemode, sequence| {
            let account = domain::id::AccountId::from_uuid(account);
            Head { owner: Owner { account, mode: domain::account::Mode::from_livemode(livemode) }, sequence }
        };
        Ok(rows.into_iter().map(|row| head(row.account_id, row.livemode, row.sequence)).collect())
    }
}

fn select(owner: Owner) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("select ");
    sql.push(COLUMNS).push(TOLD_FROM);
    sql.push(" and events.account_id = ").push_bind(owner.account.uuid());
    sql.push(" and events.livemode = ").push_bind(owner.mode.is_live());
    sql
}

fn push_filter(sql: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(kinds) = &filter.kinds {
        // Written, not bound: the planner should see which partial index will do.
        let names: Vec<String> = kinds.iter().map(|kind| format!("'{}'", kind.as_str())).collect();
        sql.push(" and events.type in (").push(names.join(", ")).push(")");
        if !kinds.contains(&EventKind::InvoiceCreated) {
            sql.push(" and events.type <> 'invoice.created'");
        }
    }
    if let Some(statuses) = &filter.statuses {
        let names: Vec<String> = statuses.iter().map(|status| format!("'{}'", status.as_str())).collect();
        sql.push(" and events.status in (").push(names.join(", ")).push(")");
    }
    if let Some(invoice) = filter.invoice {
        sql.push(" and events.invoice = ").push_bind(invoice.uuid());
    }
    if let Some(from) = filter.created.from {
        sql.push(" and events.created >= ").push_bind(from.to_utc());
    }
    if let Some(until) = filter.created.until {
        sql.push(" and events.created < ").push_bind(until.to_utc());
    }
    crate::invoices::push_id_span(sql, "events.id", filter.created);
}

fn told(row: &PgRow) -> Result<Told, Error> {
    let id: uuid::Uuid = row.try_get("event_id")?;
    let corrupt = || Error::Corrupt { table: "events", id };
    let account: uuid::Uuid = row.try_get("event_account")?;
    let owner = Owner {
        account: domain::id::AccountId::from_uuid(account),
        mode: domain::account::Mode::from_livemode(row.try_get("event_livemode")?),
    };
    let (kind, status): (String, String) = (row.try_get("event_type")?, row.try_get("event_status")?);
    let created: chrono::DateTime<chrono::Utc> = row.try_get("event_created")?;
    let endpoint: Option<uuid::Uuid> = row.try_get("endpoint")?;
    let subject = match endpoint {
        Some(endpoint) => {
            let Json(facts) = row.try_get::<Json<serde_json::Value>, _>("facts")?;
            Subject::Endpoint { id: EndpointId::from_uuid(endpoint), facts }
        }
        None => {
            let Json(facts) = row.try_get::<Json<Snapshot>, _>("facts")?;
            let mut invoice =
                InvoiceRow::from_place(row, INVOICE_FROM)?.invoice(owner).ok_or_else(corrupt)?;
            (invoice.version, invoice.terms, invoice.status) = (facts.version, facts.terms, facts.status);
            let payment = payment(row, &invoice)?.map(Box::new);
            Subject::Invoice(Box::new(invoice), payment)
        }
    };
    Ok(Told {
        id: EventId::from_uuid(id),
        owner,
        created: Moment::truncated(created),
        kind: EventKind::parse(&kind).ok_or_else(corrupt)?,
        sequence: row.try_get("event_sequence")?,
        status: EventStatus::parse(&status).ok_or_else(corrupt)?,
        api_version: row.try_get("api_version")?,
        subject,
    })
}

/// The money of an event, as it was just after; `None` when there was none.
fn payment(row: &PgRow, invoice: &Invoice) -> Result<Option<Payment>, Error> {
    let Some(id) = row.try_get::<Option<uuid::Uuid>, _>("payment")? else { return Ok(None) };
    // Before money had states of its own, whatever was told of it had been applied.
    let facts: Option<Json<PaymentStatus>> = row.try_get("payment_facts")?;
    let (currency, amount): (String, i64) = (row.try_get("payment_currency")?, row.try_get("amount")?);
    let moment = |name| row.try_get::<chrono::DateTime<chrono::Utc>, _>(name).map(Moment::truncated);
    let corrupt = || Error::Corrupt { table: "payments", id };
    Ok(Some(Payment {
        id: PaymentId::from_uuid(id),
        owner: invoice.owner,
        invoice: invoice.id,
        ktin: row.try_get::<Option<i64>, _>("payment_ktin")?.map_or(invoice.order.ktin, Ktin::from_number),
        amount: Amount::from_centimos(amount).ok_or_else(corrupt)?,
        currency: Currency::parse(&currency).map_err(|_| corrupt())?,
        channel: row.try_get("channel")?,
        operation_number: row.try_get("operation_number")?,
        paid_at: moment("payment_paid_at")?,
        received_at: moment("received_at")?,
        status: facts.map_or(PaymentStatus::Applied, |Json(status)| status),
        replaced: None,
    }))
}
