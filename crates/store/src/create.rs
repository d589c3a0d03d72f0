//! Opening invoices: one statement over a slice, so that one commit can carry many.
//!
//! What has been seen before (a used key, an open invoice of the same reference, a delayed twin of one that is
//! voided or expired) writes nothing and is left out of the answer; its owner goes alone, through
//! [`Store::once`](crate::Store::once), and finds out why.

use std::collections::HashSet;
use std::time::Duration;

use domain::account::Owner;
use domain::change::Change;
use domain::event::Event;
use domain::id::InvoiceId;
use domain::invoice::Invoice;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::error::Error;
use crate::{Answer, Claim, Store, Tx};

/// An invoice to open: the domain's change, and what to remember about the request.
#[derive(Clone)]
pub struct Create {
    /// The change of `Invoice::open`.
    pub change: Change,
    /// The caller's claim and the answer he will get, when he sent a key.
    pub remember: Option<(Claim, Answer)>,
}

/// What only one create of a slice may name: a reference, and a caller's key.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Name(Owner, bool, String);

impl Create {
    /// The id of the invoice to open.
    pub(crate) fn id(&self) -> Option<InvoiceId> {
        self.change.invoice.as_ref().map(|(invoice, _)| invoice.id)
    }

    pub(crate) fn names(&self) -> Vec<Name> {
        let reference = self.change.invoice.as_ref();
        let reference = reference
            .map(|(invoice, _)| Name(invoice.owner, false, invoice.order.reference.as_str().to_owned()));
        let key = self.remember.as_ref().map(|(claim, _)| Name(claim.owner, true, claim.key.clone()));
        reference.into_iter().chain(key).collect()
    }
}

impl Store {
    /// Opens the invoices of a slice. Returns those that were opened; the others have been seen before.
    ///
    /// # Errors
    /// Any failure rolls the whole slice back.
    pub async fn create(&self, creates: Vec<Create>) -> Result<HashSet<InvoiceId>, Error> {
        let creates = std::sync::Arc::new(creates);
        self.transaction("create_invoices", move |tx| {
            let creates = creates.clone();
            Box::pin(async move { tx.open(&creates).await })
        })
        .await
    }
}

impl Tx {
    pub(crate) async fn open(&mut self, creates: &[Create]) -> Result<HashSet<InvoiceId>, Error> {
        let opened = open(self.connection(), creates, None).await?;
        self.has_told |= !opened.is_empty();
        Ok(opened)
    }
}

/// The one statement. With `patience`, for so long it waits for those who are just opening the same reference or using the
/// same key; without, as long as its transaction does.
///
/// Postgres spends longer on planning it than on opening an invoice, so it is written for a plan that is made once and
/// serves slices of any length (the flushers in [`crate::group`] renew it): what was seen before is looked for row by row
/// (`offset 0`), never by reading a table, and the first array stands in a query of its own, because a plan for a known
/// length would seem cheaper each time.
pub(crate) async fn open<'c>(
    connection: &mut PgConnection,
    creates: impl IntoIterator<Item = &'c Create>,
    patience: Option<Duration>,
) -> Result<HashSet<InvoiceId>, Error> {
    let patience = patience.map(|time| format!("{}ms", time.as_millis()));
    let mut columns = Columns::default();
    for create in creates {
        if let (Some((invoice, 0)), Some(event)) = (&create.change.invoice, &create.change.event) {
            columns.push(invoice, event, create.remember.as_ref());
        }
    }
    let opened = sqlx::query_scalar!(
        r#"
        with input as (
            select given.* from (
                select set_config('lock_timeout', coalesce($29, current_setting('lock_timeout')), true)
            ) patience
            cross join unnest(
                (select $1::uuid[]), $2::boolean[], $3::uuid[], $4::timestamptz[], $5::text[], $6::timestamptz[],
                $7::jsonb[], $8::text[], $9::text[], $10::text[], $11::text[], $12::smallint[],
                $13::bigint[], $14::text[], $15::jsonb[], $16::bytea[], $17::text[], $18::bigint[],
                $19::timestamptz[], $20::timestamptz[], $21::uuid[], $22::jsonb[], $23::text[],
                $24::bytea[], $25::smallint[], $26::text[], $27::text[], $28::bytea[]
            ) as given (
                account_id, livemode, id, created, invoice_id, request_datetime,
                customer, sub_merchant, url_success, url_error, metadata, size_qr,
                ktin, token, late_fee_rule, content, currency, sub_total,
                due, expires, event, facts, key,
                request, answer_status, etag, location, body)
        ),
        fresh as (
            select * from input
            where not exists (
                select from idempotency_keys seen
                where seen.account_id = input.account_id and seen.livemode = input.livemode
                  and seen.key = input.key
                offset 0)
            and not exists (
                select from invoices twin
                where twin.account_id = input.account_id and twin.livemode = input.livemode
                  and twin.invoice_id = input.invoice_id
                  and twin.request_datetime = input.request_datetime and twin.content = input.content
                offset 0)
        ),
        opened as (
            insert into invoices (
                account_id, livemode, id, created, invoice_id, request_datetime, customer, sub_merchant,
                url_success, url_error, metadata, size_qr, ktin, token, late_fee_rule, content,
                currency, sub_total, due, expires, status, version)
            select
                account_id, livemode, id, created, invoice_id, request_datetime, customer, sub_merchant::json,
                url_success, url_error, metadata::json, size_qr, ktin, token, late_fee_rule, content,
                currency, sub_total, due, expires, 'pending', 1
            from fresh
            order by account_id, livemode, invoice_id
            on conflict (account_id, livemode, invoice_id) where status in ('pending', 'paid') do nothing
            returning account_id, livemode, id
        ),
        remembered as (
            insert into idempotency_keys (account_id, livemode, key, request, status, etag, location, body)
            select account_id, livemode, key, request, answer_status, etag, location, body
            from fresh join opened using (account_id, livemode, id)
            where key is not null
        ),
        told as (
            insert into events (account_id, livemode, id, created, type, invoice, facts, api_version)
            select account_id, livemode, event, created, 'invoice.created', id, facts,
                   (select version_pin from accounts where accounts.id = account_id)
            from fresh join opened using (account_id, livemode, id)
        )
        select id from opened
        "#,
        &columns.account_id,
        &columns.livemode,
        &columns.id,
        &columns.created,
        &columns.invoice_id,
        &columns.request_datetime as _,
        &columns.customer as _,
        &columns.sub_merchant as _,
        &columns.url_success as _,
        &columns.url_error as _,
        &columns.metadata as _,
        &columns.size_qr,
        &columns.ktin,
        &columns.token,
        &columns.late_fee_rule as _,
        &columns.content,
        &columns.currency,
        &columns.sub_total,
        &columns.due as _,
        &columns.expires,
        &columns.event,
        &columns.facts as _,
        &columns.key as _,
        &columns.request as _,
        &columns.answer_status as _,
        &columns.etag as _,
        &columns.location as _,
        &columns.body as _,
        patience,
    )
    .fetch_all(connection)
    .await?;
    Ok(opened.into_iter().map(InvoiceId::from_uuid).collect())
}

macro_rules! columns {
    ($($name:ident: $type:ty,)*) => {
        /// One vector per parameter of the statement, all of one length.
        #[derive(Default)]
        struct Columns { $($name: Vec<$type>,)* }
    };
}

type Timestamp = chrono::DateTime<chrono::Utc>;

columns! {
    account_id: uuid::Uuid,
    livemode: bool,
    id: uuid::Uuid,
    created: Timestamp,
    invoice_id: String,
    request_datetime: Option<Timestamp>,
    customer: Option<Json<domain::customer::Customer>>,
    sub_merchant: Option<String>,
    url_success: Option<String>,
    url_error: Option<String>,
    metadata: Option<String>,
    size_qr: i16,
    ktin: i64,
    token: String,
    late_fee_rule: Json<domain::late_fee::LateFee>,
    content: Vec<u8>,
    currency: String,
    sub_total: i64,
    due: Option<Timestamp>,
    expires: Timestamp,
    event: uuid::Uuid,
    facts: Json<domain::invoice::Snapshot>,
    key: Option<String>,
    request: Option<Vec<u8>>,
    answer_status: Option<i16>,
    etag: Option<String>,
    location: Option<String>,
    body: Option<Vec<u8>>,
}

impl Columns {
    fn push(&mut self, invoice: &Invoice, event: &Event, remember: Option<&(Claim, Answer)>) {
        let (order, terms) = (&invoice.order, &invoice.terms);
        self.account_id.push(invoice.owner.account.uuid());
        self.livemode.push(invoice.owner.mode.is_live());
        self.id.push(invoice.id.uuid());
        self.created.push(invoice.created.to_utc());
        self.invoice_id.push(order.reference.as_str().to_owned());
        self.request_datetime.push(order.request_datetime.map(|moment| moment.to_utc()));
        self.customer.push(order.customer.clone().map(Json));
        self.sub_merchant.push(order.sub_merchant.as_ref().map(|json| json.text.clone()));
        self.url_success.push(order.url_success.clone());
        self.url_error.push(order.url_error.clone());
        self.metadata.push(order.metadata.as_ref().map(|json| json.text.clone()));
        self.size_qr.push(i16::try_from(order.size_qr).unwrap_or(i16::MAX));
        self.ktin.push(order.ktin.number());
        self.token.push(order.token.as_str().to_owned());
        self.late_fee_rule.push(Json(order.late_fee.clone()));
        self.content.push(order.content.to_vec());
        self.currency.push(terms.currency.as_str().to_owned());
        self.sub_total.push(terms.sub_total.centimos());
        self.due.push(terms.due.map(|moment| moment.to_utc()));
        self.expires.push(terms.expires.to_utc());
        self.event.push(event.id.uuid());
        self.facts.push(Json(event.snapshot));
        let (claim, answer) = remember.map(|(claim, answer)| (claim, answer)).unzip();
        self.key.push(claim.map(|claim| claim.key.clone()));
        self.request.push(claim.map(|claim| claim.request.to_vec()));
        self.answer_status.push(answer.and_then(|answer| i16::try_from(answer.status).ok()));
        self.etag.push(answer.and_then(|answer| answer.etag.clone()));
        self.location.push(answer.and_then(|answer| answer.location.clone()));
        self.body.push(answer.map(|answer| answer.body.to_vec()));
    }
}
