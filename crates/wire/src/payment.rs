//! A payment as merchants see it: as JSON, and as a row of CSV for the treasury's spreadsheet.

use std::borrow::Cow;

use domain::account::Mode;
use domain::collection::Operation;
use domain::field::Wrong;
use domain::id::{InvoiceId, PaymentId};
use domain::invoice::filter::Span;
use domain::key::is_channel;
use domain::payment::{Payment, PaymentState};
use domain::time::LimaDay;
use serde::Serialize;
use utoipa::ToSchema;

use crate::feed::{Parse, words};
use crate::internal::page::Query;
use crate::invoice::to_bytes;
use crate::problem::{Code, Item};
use crate::schema;
use crate::version::{Money, Version};

/// Every parameter of `GET /payments`, beside `limit`.
pub const PARAMETERS: &[&str] = &[
    "starting_after",
    "start",
    "ending_before",
    "end",
    "date",
    "received[gte]",
    "received[gt]",
    "received[lte]",
    "received[lt]",
    "channel",
    "status",
    "operation_number",
    "invoice",
];

/// A list request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPayments {
    /// By the bank's time.
    pub paid: Span,
    /// By the time when it was told to us.
    pub received: Span,
    /// The bank or agent.
    pub channel: Option<String>,
    /// One of these states.
    pub states: Option<Vec<PaymentState>>,
    /// The bank's number.
    pub operation_number: Option<String>,
    /// The invoice.
    pub invoice: Option<InvoiceId>,
    /// Older than this.
    pub starting_after: Option<PaymentId>,
    /// Newer than this.
    pub ending_before: Option<PaymentId>,
    /// Payments of a page.
    pub limit: u16,
}

/// Reads the parameters of a query, decoded.
///
/// # Errors
/// Every fault at once.
pub fn read_list<'q>(
    query: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
    mode: Mode,
) -> Result<ListPayments, Vec<Item>> {
    let query = Query::read(query, PARAMETERS)?;
    let mut items = Vec::new();
    let mut parse = Parse { query: &query, items: &mut items };
    let cursor = |text: &str| PaymentId::parse(text, mode).ok_or(Code::InvalidCursor);
    let day = parse.one("date", |text| LimaDay::parse(text).map_err(|_| Code::Wrong(Wrong::Date)));
    let list = ListPayments {
        paid: day.map(Span::day).unwrap_or_default(),
        received: parse.span(["received[gte]", "received[gt]", "received[lte]", "received[lt]"]),
        channel: parse.one("channel", |text| {
            if is_channel(text) { Ok(text.to_owned()) } else { Err(Code::InvalidChannel) }
        }),
        states: parse.one("status", |text| {
            words(text, |word| PaymentState::parse(word).ok_or(Code::InvalidPaymentStatus))
        }),
        operation_number: parse.one("operation_number", |text| {
            let max = Operation::MAX_NUMBER;
            let is_sound = (1..=max).contains(&text.chars().count());
            if is_sound { Ok(text.to_owned()) } else { Err(Code::Wrong(Wrong::TooLong { max })) }
        }),
        invoice: parse.one("invoice", |text| InvoiceId::parse(text, mode).ok_or(Code::InvalidCursor)),
        starting_after: parse.either("starting_after", "start", cursor),
        ending_before: parse.either("ending_before", "end", cursor),
        limit: query.limit,
    };
    if items.is_empty() { Ok(list) } else { Err(items) }
}

/// A payment to be rendered.
#[derive(Clone, Copy)]
pub struct PaymentView<'p> {
    /// The payment, as it was then.
    pub payment: &'p Payment,
    /// The merchant's reference of its invoice.
    pub reference: &'p str,
}

/// El dinero que un banco o agente recibió por una orden.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = Payment)]
pub(crate) struct Body<'p> {
    /// Identificador del pago.
    #[schema(
        pattern = "^pay_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("pay_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Siempre `payment`.
    #[schema(pattern = "^payment$", examples("payment"))]
    object: &'static str,
    /// `true` para dinero real, `false` para pruebas.
    #[schema(examples(false))]
    livemode: bool,
    /// La orden que paga, o a la que estaba destinado.
    #[schema(
        pattern = "^inv_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    invoice: String,
    /// Su referencia de esa orden.
    #[schema(min_length = 1, max_length = 100, examples("INV-000001-001"))]
    invoice_id: &'p str,
    /// El código que se pagó.
    #[schema(pattern = "^[0-9]{12,14}$", examples("263264817050"))]
    ktin: String,
    /// El monto recibido.
    amount: Money,
    /// Su moneda (ISO 4217).
    #[schema(value_type = schema::Currency)]
    currency: &'static str,
    /// El banco o agente que lo recibió.
    #[schema(examples("bcp"))]
    channel: &'p str,
    /// El número de operación del banco o agente.
    #[schema(max_length = 12, examples("000123"))]
    operation_number: &'p str,
    /// Cuándo se pagó, según el banco, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    paid_at: String,
    /// Cuándo nos avisó el banco, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    received_at: String,
    /// Qué fue de él.
    #[schema(value_type = PaymentStatus)]
    status: &'static str,
    /// Por qué no paga nada (`duplicate`, `late`, `voided`, `superseded`, `wrong_amount`, `too_old`), o por qué se
    /// devolvió.
    #[schema(value_type = String, examples("duplicate"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'p str>,
}

/// Qué fue de un pago: `applied` (paga su orden), `unapplied` (se guarda y no paga nada), `reversed` (el banco lo
/// extornó), `returned` (se devolvió).
#[derive(ToSchema)]
#[schema(as = PaymentStatus, examples("applied"))]
#[expect(dead_code, reason = "only described")]
pub(crate) enum PaymentStatus {
    #[schema(rename = "applied")]
    Applied,
    #[schema(rename = "unapplied")]
    Unapplied,
    #[schema(rename = "reversed")]
    Reversed,
    #[schema(rename = "returned")]
    Returned,
}

fn body(view: PaymentView<'_>, version: Version) -> Body<'_> {
    let PaymentView { payment, reference } = view;
    let mode = payment.owner.mode;
    Body {
        id: payment.id.text(mode),
        object: "payment",
        livemode: mode.is_live(),
        invoice: payment.invoice.text(mode),
        invoice_id: reference,
        ktin: payment.ktin.to_string(),
        amount: version.money(payment.amount),
        currency: payment.currency.as_str(),
        channel: &payment.channel,
        operation_number: &payment.operation_number,
        paid_at: payment.paid_at.to_string(),
        received_at: payment.received_at.to_string(),
        status: payment.status.state().as_str(),
        reason: payment.status.reason(),
    }
}

/// The payment's JSON.
pub fn render(view: PaymentView<'_>, version: Version) -> Vec<u8> {
    to_bytes(&body(view, version))
}

/// The first line of the CSV: the fields of the JSON.
const COLUMNS: [&str; 13] = [
    "id",
    "livemode",
    "invoice",
    "invoice_id",
    "ktin",
    "amount",
    "currency",
    "channel",
    "operation_number",
    "paid_at",
    "received_at",
    "status",
    "reason",
];

/// Payments as CSV (RFC 4180) for a spreadsheet: with a byte order mark, so that accents are read as such, and every
/// field as a quoted text, so that references keep their zeros. What a spreadsheet would take for a formula begins with
/// an apostrophe.
pub fn render_csv(payments: &[PaymentView<'_>]) -> Result<Vec<u8>, csv::Error> {
    let mut rows = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .terminator(csv::Terminator::CRLF)
        .from_writer("\u{feff}".as_bytes().to_vec());
    rows.write_record(COLUMNS)?;
    for PaymentView { payment, reference } in payments {
        let mode = payment.owner.mode;
        rows.write_record([
            payment.id.text(mode),
            mode.is_live().to_string(),
            payment.invoice.text(mode),
            literal(reference),
            payment.ktin.to_string(),
            payment.amount.to_string(),
            payment.currency.as_str().to_owned(),
            payment.channel.clone(),
            literal(&payment.operation_number),
            payment.paid_at.to_string(),
            payment.received_at.to_string(),
            payment.status.state().as_str().to_owned(),
            literal(payment.status.reason().unwrap_or_default()),
        ])?;
    }
    rows.into_inner().map_err(|error| error.into_error().into())
}

fn literal(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}
