//! The timeline of an invoice: everything that is known to have happened to it, from the tables where it is kept anyway.
//! Nothing is written for it.
//!
//! | what | from |
//! |---|---|
//! | it was created, changed, paid … | its events |
//! | banks asked and told | the messages about its ktin, the quotes that were made |
//! | its merchant was told | the attempts of its events' deliveries |
//! | operators acted | the audit log, about it and its payments |

use std::collections::BTreeSet;

use domain::audit::Row as AuditRow;
use domain::event::EventKind;
use domain::id::{DeliveryId, EndpointId, EventId, Id, PaymentId};
use domain::invoice::{Invoice, Snapshot};
use domain::money::{Amount, Currency};
use domain::payment::PaymentStatus;
use domain::quote::Quote;
use domain::time::Moment;
use sqlx::types::Json;
use uuid::Uuid;

use crate::audit::Filter;
use crate::support::{Message, MessageRow};
use crate::{Error, Tx};

/// Most entries of a timeline; the newest are kept.
pub const MAX_ENTRIES: usize = 1_000;

/// One more than are shown tells that there are more.
const ASKED: i64 = MAX_ENTRIES as i64 + 1;

/// An operator's write ends within so many seconds: its row in the audit log is no further from its event.
const WRITE_SECONDS: i64 = 12;

/// Something that happened.
pub struct Entry {
    /// When.
    pub at: Moment,
    /// What.
    pub what: What,
    /// Its place among all that happened in that second.
    place: i64,
}

/// What can happen.
pub enum What {
    /// The invoice or its money changed.
    Changed(Box<Changed>),
    /// A bank asked or told something.
    Said(Box<Message>),
    /// A bank was promised something.
    Quoted {
        /// What.
        quote: Quote,
        /// The bank.
        channel: String,
        /// The agreement.
        agreement: String,
    },
    /// The merchant was told, or should have been.
    Tried(Box<Tried>),
    /// An operator acted.
    Acted(Box<AuditRow>),
}

/// A change, as its event tells of it.
pub struct Changed {
    /// The event.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// The invoice just after.
    pub invoice: Invoice,
    /// The money, where there is some.
    pub money: Option<Money>,
    /// The operator who did it.
    pub by: Option<String>,
}

/// The money of a change.
pub struct Money {
    /// The payment.
    pub id: PaymentId,
    /// What had become of it just after.
    pub status: PaymentStatus,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// Who took it.
    pub channel: String,
    /// The channel's number of the operation.
    pub operation_number: String,
}

/// An attempt to tell the merchant.
pub struct Tried {
    /// The delivery.
    pub delivery: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Of which event.
    pub event: EventId,
    /// Of which kind.
    pub kind: EventKind,
    /// Its number, from 1.
    pub number: i32,
    /// When it was begun.
    pub at: Moment,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// The status of the answer.
    pub status: Option<i16>,
    /// Why there was none.
    pub error: Option<String>,
    /// When the next one is due.
    pub next_at: Option<Moment>,
}

impl Tx {
    /// What happened to an invoice, oldest first, and whether older entries were left out.
    pub async fn timeline(&mut self, invoice: &Invoice) -> Result<(Vec<Entry>, bool), Error> {
        let mut changes = self.changes_of(invoice).await?;
        let messages = self.messages_about(invoice).await?;
        let acts = self.acts_on(invoice, &changes, &messages).await?;
        for (change, at) in &mut changes {
            change.by = actor(invoice, change, *at, &acts);
        }
        let mut entries: Vec<Entry> = Vec::new();
        // A message has its id before it is judged: it stands before what came of it, also within a millisecond.
        entries.extend(messages.into_iter().map(|message| Entry {
            at: message.received_at,
            place: millis(message.id.uuid()),
            what: What::Said(Box::new(message)),
        }));
        entries.extend(changes.into_iter().map(|(changed, at)| Entry {
            at,
            place: millis(changed.id.uuid()),
            what: What::Changed(Box::new(changed)),
        }));
        entries.extend(self.quotes_of(invoice).await?);
        entries.extend(self.attempts_of(invoice).await?.into_iter().map(|tried| Entry {
            at: tried.at,
            // Of an attempt only the second is known: it stands behind the event that it tells of.
            place: i64::MAX,
            what: What::Tried(Box::new(tried)),
        }));
        entries.extend(acts.into_iter().map(|row| Entry {
            at: row.at,
            place: millis(row.id),
            what: What::Acted(Box::new(row)),
        }));
        entries.sort_by_key(|entry| (entry.at, entry.place));
        let surplus = entries.len().saturating_sub(MAX_ENTRIES);
        entries.drain(..surplus);
        Ok((entries, surplus > 0))
    }

    async fn changes_of(&mut self, invoice: &Invoice) -> Result<Vec<(Changed, Moment)>, Error> {
        let rows = sqlx::query_as!(
            ChangeRow,
            r#"
            select events.id, events.created, type as "kind", facts as "facts: Json<Snapshot>",
                   events.payment, payment_facts as "payment_facts: Json<PaymentStatus>",
                   amount as "amount?", payments.currency as "currency?", channel as "channel?",
                   operation_number as "operation_number?"
            from events left join payments on (payments.account_id, payments.livemode, payments.id)
                = (events.account_id, events.livemode, events.payment)
            where events.account_id = $1 and events.livemode = $2 and events.invoice = $3
            order by position desc limit $4
            "#,
            invoice.owner.account.uuid(),
            invoice.owner.mode.is_live(),
            invoice.id.uuid(),
            ASKED,
        )
        .fetch_all(self.connection())
        .await?;
        // Oldest first, so that what happened in one millisecond stays in its order.
        rows.into_iter().rev().map(|row| row.changed(invoice)).collect()
    }

    async fn messages_about(&mut self, invoice: &Invoice) -> Result<Vec<Message>, Error> {
        let rows = sqlx::query_as!(
            MessageRow,
            r#"
            select id, livemode, verb, channel, agreement, received_at, code, fault, ktin, operation_number,
                   original_number, operated_at, amount, currency, cash_taken, number, account_id, invoice, payment
            from collections where ktin = $1 order by id desc limit $2
            "#,
            invoice.order.ktin.number(),
            ASKED,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().rev().map(Message::try_from).collect()
    }

    async fn quotes_of(&mut self, invoice: &Invoice) -> Result<Vec<Entry>, Error> {
        let rows = sqlx::query_as!(
            QuoteRow,
            r#"
            select id, channel, agreement, currency, sub_total, late_fee, fees, created, expires from quotes
            where account_id = $1 and livemode = $2 and invoice = $3 order by id desc limit $4
            "#,
            invoice.owner.account.uuid(),
            invoice.owner.mode.is_live(),
            invoice.id.uuid(),
            ASKED,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().map(|row| row.entry(invoice)).collect()
    }

    async fn attempts_of(&mut self, invoice: &Invoice) -> Result<Vec<Tried>, Error> {
        let rows = sqlx::query_as!(
            TriedRow,
            r#"
            select deliveries.id as delivery, deliveries.endpoint, events.id as event, events.type as kind,
                   attempts.number, attempts.at, duration_ms, attempts.status, error,
                   case when deliveries.status = 'pending' and deliveries.attempt = attempts.number
                        then next_at end as next_at
            from events
            join deliveries on (deliveries.account_id, deliveries.livemode, deliveries.event)
                = (events.account_id, events.livemode, events.id)
            join attempts on (attempts.account_id, attempts.livemode, attempts.delivery)
                = (deliveries.account_id, deliveries.livemode, deliveries.id)
            where events.account_id = $1 and events.livemode = $2 and events.invoice = $3
            order by attempts.at desc, events.position desc, deliveries.id desc, attempts.number desc
            limit $4
            "#,
            invoice.owner.account.uuid(),
            invoice.owner.mode.is_live(),
            invoice.id.uuid(),
            ASKED,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter().rev().map(Tried::try_from).collect()
    }

    /// What operators did to the invoice and to money that was ever its own.
    async fn acts_on(
        &mut self,
        invoice: &Invoice,
        changes: &[(Changed, Moment)],
        messages: &[Message],
    ) -> Result<Vec<AuditRow>, Error> {
        let mode = invoice.owner.mode;
        let told = changes.iter().filter_map(|(change, _)| change.money.as_ref().map(|money| money.id));
        let said = messages.iter().filter_map(|message| message.payment);
        let payments: BTreeSet<PaymentId> = told.chain(said).collect();
        let mut objects = vec![invoice.id.text(mode)];
        objects.extend(payments.into_iter().map(|payment| payment.text(mode)));
        let filter = Filter { objects, limit: MAX_ENTRIES as u16, ..Filter::default() };
        let (rows, _) = self.audit_rows(&filter).await?;
        Ok(rows.into_iter().rev().map(|sealed| sealed.row).collect())
    }
}

/// The operator who made a change: he applied or returned its money, or changed the invoice for its merchant.
fn actor(invoice: &Invoice, change: &Changed, at: Moment, acts: &[AuditRow]) -> Option<String> {
    let mode = invoice.owner.mode;
    let decided = match change.kind {
        EventKind::PaymentApplied | EventKind::InvoicePaid => Some("apply_payment"),
        EventKind::PaymentReturned => Some("return_payment"),
        _ => None,
    };
    let money = change.money.as_ref().map(|money| money.id.text(mode));
    let decides = |row: &&AuditRow| row.object == money && decided == Some(row.action.as_str());
    let own = invoice.id.text(mode);
    let changes = |row: &&AuditRow| {
        let waited = row.at.unix() - at.unix();
        row.object.as_ref() == Some(&own)
            && (0..=WRITE_SECONDS).contains(&waited)
            && version_of(row) == Some(change.invoice.version)
    };
    let decision = acts.iter().find(decides);
    decision.or_else(|| acts.iter().find(changes)).and_then(|row| row.by.actor.clone())
}

/// The version that an operator's write for a merchant left.
fn version_of(row: &AuditRow) -> Option<u32> {
    let details: serde_json::Value = serde_json::from_str(row.details.as_deref()?).ok()?;
    details["version"].as_u64().and_then(|version| u32::try_from(version).ok())
}

/// The millisecond that a UUIDv7 begins with (RFC 9562, 5.7).
fn millis(id: Uuid) -> i64 {
    i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX)
}

type Timestamp = chrono::DateTime<chrono::Utc>;

struct ChangeRow {
    id: Uuid,
    created: Timestamp,
    kind: String,
    facts: Json<Snapshot>,
    payment: Option<Uuid>,
    payment_facts: Option<Json<PaymentStatus>>,
    amount: Option<i64>,
    currency: Option<String>,
    channel: Option<String>,
    operation_number: Option<String>,
}

impl ChangeRow {
    fn changed(self, invoice: &Invoice) -> Result<(Changed, Moment), Error> {
        let corrupt = Error::Corrupt { table: "events", id: self.id };
        self.read(invoice).ok_or(corrupt)
    }

    fn read(self, invoice: &Invoice) -> Option<(Changed, Moment)> {
        let mut invoice = invoice.clone();
        let Json(facts) = self.facts;
        (invoice.version, invoice.terms, invoice.status) = (facts.version, facts.terms, facts.status);
        let money = match self.payment {
            None => None,
            Some(payment) => Some(Money {
                id: Id::from_uuid(payment),
                // Before money had states of its own, whatever was told of it had been applied.
                status: self.payment_facts.map_or(PaymentStatus::Applied, |Json(status)| status),
                amount: Amount::from_centimos(self.amount?)?,
                currency: Currency::parse(&self.currency?).ok()?,
                channel: self.channel?,
                operation_number: self.operation_number?,
            }),
        };
        let (id, kind) = (EventId::from_uuid(self.id), EventKind::parse(&self.kind)?);
        Some((Changed { id, kind, invoice, money, by: None }, Moment::truncated(self.created)))
    }
}

struct QuoteRow {
    id: Uuid,
    channel: String,
    agreement: String,
    currency: String,
    sub_total: i64,
    late_fee: i64,
    fees: i64,
    created: Timestamp,
    expires: Timestamp,
}

impl QuoteRow {
    fn entry(self, invoice: &Invoice) -> Result<Entry, Error> {
        let corrupt = Error::Corrupt { table: "quotes", id: self.id };
        self.read(invoice).ok_or(corrupt)
    }

    fn read(self, invoice: &Invoice) -> Option<Entry> {
        let quote = Quote {
            id: Id::from_uuid(self.id),
            owner: invoice.owner,
            invoice: invoice.id,
            sub_total: Amount::from_centimos(self.sub_total)?,
            late_fee: Amount::from_centimos(self.late_fee)?,
            fees: Amount::from_centimos(self.fees)?,
            currency: Currency::parse(&self.currency).ok()?,
            created: Moment::truncated(self.created),
            expires: Moment::truncated(self.expires),
        };
        let what = What::Quoted { quote, channel: self.channel, agreement: self.agreement };
        Some(Entry { at: quote.created, place: millis(self.id), what })
    }
}

struct TriedRow {
    delivery: Uuid,
    endpoint: Uuid,
    event: Uuid,
    kind: String,
    number: i32,
    at: Timestamp,
    duration_ms: i32,
    status: Option<i16>,
    error: Option<String>,
    next_at: Option<Timestamp>,
}

impl TryFrom<TriedRow> for Tried {
    type Error = Error;

    fn try_from(row: TriedRow) -> Result<Tried, Error> {
        let corrupt = Error::Corrupt { table: "events", id: row.event };
        Ok(Tried {
            delivery: Id::from_uuid(row.delivery),
            endpoint: Id::from_uuid(row.endpoint),
            event: Id::from_uuid(row.event),
            kind: EventKind::parse(&row.kind).ok_or(corrupt)?,
            number: row.number,
            at: Moment::truncated(row.at),
            duration_ms: row.duration_ms,
            status: row.status,
            error: row.error,
            next_at: row.next_at.map(Moment::truncated),
        })
    }
}
