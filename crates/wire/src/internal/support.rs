//! Support: what the search box finds, the timeline of an invoice, and proposals about unapplied money. Amounts are
//! strings, states are those of version 1.0.0.

use std::borrow::Cow;

use domain::account::{Account, Mode, Owner};
use domain::audit::Row;
use domain::event::EventKind;
use domain::field::Wrong;
use domain::id::{DeliveryId, EndpointId, EventId, Id, InvoiceId, KeyId, Kind, PaymentId};
use domain::invoice::Seen;
use domain::ktin::Ktin;
use domain::payment::{Payment, PaymentStatus};
use domain::proposal::{Proposal, Wish};
use domain::quote::Quote;
use domain::time::Moment;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::account;
use super::page::Query;
use crate::fields::{Fields, Null, text, text_of};
use crate::invoice::to_bytes;
use crate::json::Object;
use crate::problem::{Code, Item};
use crate::schema;
use crate::version::Version;

/// Most characters of the reason why money is given back.
const MAX_REASON: usize = 500;
/// Most characters of an id, and then some: a longer text is an unknown one.
const MAX_ID: usize = 100;

/// Reads the query of `GET /search`: what is looked for, without the blanks around it.
///
/// # Errors
/// Every fault at once; nothing to look for is one.
pub fn read_search<'q>(
    query: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
) -> Result<String, Vec<Item>> {
    let query = Query::read(query, &["q"])?;
    if query.text("limit").is_some() {
        return Err(vec![Item::at("limit", Code::UnknownParameter { nearest: None })]);
    }
    let wanted = query.text("q").map(str::trim).filter(|text| !text.is_empty());
    wanted.map(str::to_owned).ok_or_else(|| vec![Item::at("q", Code::Wrong(Wrong::Missing))])
}

/// Reads the body of `POST /payments/{id}/apply`: the invoice as it was written.
///
/// # Errors
/// Every fault at once.
pub fn read_apply(body: Object<'_>) -> Result<String, Vec<Item>> {
    let mut fields = Fields::of(body, Null::Fault);
    let invoice = fields.required("invoice", text_of(1, MAX_ID));
    fields.finish()?;
    Ok(invoice.unwrap_or_default())
}

/// Reads the body of `POST /payments/{id}/return`: why, without the blanks around it.
///
/// # Errors
/// Every fault at once.
pub fn read_return(body: Object<'_>) -> Result<String, Vec<Item>> {
    let mut fields = Fields::of(body, Null::Fault);
    let reason = fields.required("reason", |value| {
        let reason = text(value)?.trim().to_owned();
        match reason.chars().count() {
            0 => Err(Code::Wrong(Wrong::Missing)),
            length if length > MAX_REASON => Err(Code::Wrong(Wrong::TooLong { max: MAX_REASON })),
            _ => Ok(reason),
        }
    });
    fields.finish()?;
    Ok(reason.unwrap_or_default())
}

/// Lo que un operador propone hacer con un pago sin aplicar.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentProposal)]
pub(crate) struct ProposalBody<'p> {
    /// Siempre `proposal`.
    #[schema(pattern = "^proposal$", examples("proposal"))]
    object: &'static str,
    /// El pago.
    #[schema(
        pattern = "^pay_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    payment: String,
    /// `apply` (aplicarlo a una orden) o `return` (devolverlo).
    #[schema(value_type = String, pattern = "^(apply|return)$", examples("apply"))]
    action: &'static str,
    /// Con `apply`: la orden.
    #[schema(value_type = String, pattern = "^inv_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice: Option<String>,
    /// Con `return`: el motivo.
    #[schema(value_type = String, examples("pagado dos veces"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'p str>,
    /// Quién lo propuso: otro operador lo confirma con la misma solicitud.
    #[schema(examples("operador-7"))]
    proposed_by: &'p str,
    /// Desde cuándo vale.
    #[schema(value_type = schema::UtcDateTime)]
    created: String,
    /// Desde cuándo ya no vale.
    #[schema(value_type = schema::UtcDateTime)]
    lapses_at: String,
}

/// The proposal's JSON.
pub fn render_proposal(payment: PaymentId, mode: Mode, proposal: &Proposal) -> Vec<u8> {
    let (invoice, reason) = match &proposal.wish {
        Wish::Apply { invoice } => (Some(invoice.text(mode)), None),
        Wish::Return { reason } => (None, Some(reason.as_str())),
    };
    to_bytes(&ProposalBody {
        object: "proposal",
        payment: payment.text(mode),
        action: proposal.wish.verb(),
        invoice,
        reason,
        proposed_by: &proposal.actor,
        created: proposal.created.to_string(),
        lapses_at: proposal.lapses_at().to_string(),
    })
}

/// Algo encontrado: qué es, de quién, y lo principal de ello.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = SearchHit)]
pub struct Hit<'h> {
    /// Siempre `search_hit`.
    #[schema(value_type = String, pattern = "^search_hit$", examples("search_hit"))]
    object: &'static str,
    /// Qué es.
    #[schema(
        value_type = String,
        pattern = "^(invoice|payment|event|account|key|webhook_endpoint|delivery|collection)$",
        examples("invoice")
    )]
    kind: &'static str,
    /// Su identificador.
    #[schema(
        pattern = "^(inv|pay|eve|acc|key|whe|del|col)_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Su cuenta. Un mensaje sobre un código que nadie tiene no la lleva.
    #[schema(value_type = String, pattern = "^acc_test_[2-9A-HJ-NP-Za-km-z]{22}$", examples("acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// `true` para dinero real. Una cuenta es de ambos modos.
    #[schema(value_type = bool, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    livemode: Option<bool>,
    /// Qué de ello es lo buscado.
    #[schema(
        value_type = String,
        pattern = "^(ktin|invoice_id|id|token|phone|document|email|operation_number)$",
        examples("ktin")
    )]
    matched: &'static str,
    /// Cuándo se creó.
    #[schema(value_type = schema::UtcDateTime, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    /// De una orden o un pago: la referencia del comercio.
    #[schema(value_type = String, examples("INV-000001-001"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_id: Option<&'h str>,
    /// Su estado.
    #[schema(value_type = String, examples("pending"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'h str>,
    /// El monto.
    #[schema(value_type = String, examples("20.00"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    /// Su moneda.
    #[schema(value_type = schema::Currency, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    /// El banco o agente.
    #[schema(value_type = String, examples("bcp"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'h str>,
    /// De un mensaje: `inquire`, `pay` o `reverse`.
    #[schema(value_type = String, pattern = "^(inquire|pay|reverse)$", examples("pay"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<&'h str>,
    /// De un mensaje: el resultado.
    #[schema(value_type = String, examples("ok"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'h str>,
    /// El número de operación del banco o agente.
    #[schema(value_type = String, examples("000123"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_number: Option<&'h str>,
    /// De un extorno: el número de la operación que extorna.
    #[schema(value_type = String, examples("000123"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    original_operation_number: Option<&'h str>,
    /// Cuándo nos llegó.
    #[schema(value_type = schema::UtcDateTime, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<String>,
    /// El código de pago.
    #[schema(value_type = String, examples("263264817050"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    ktin: Option<String>,
    /// La orden a la que concierne.
    #[schema(value_type = String, pattern = "^inv_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice: Option<String>,
    /// De un mensaje: el pago que trajo o se llevó.
    #[schema(value_type = String, pattern = "^pay_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<String>,
    /// De una cuenta o clave: su nombre.
    #[schema(value_type = String, examples("Bodega Rosita"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'h str>,
    /// De un evento: su tipo.
    #[schema(value_type = String, examples("invoice.paid"))]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    event_type: Option<&'static str>,
    /// De un destino: su dirección.
    #[schema(value_type = String, examples("https://tienda.pe/webhooks"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'h str>,
    /// De un envío: su destino.
    #[schema(value_type = String, pattern = "^whe_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("whe_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// De un envío: su evento.
    #[schema(value_type = String, pattern = "^eve_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("eve_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
}

/// A message of a bank, as support sees it.
#[derive(Clone, Copy)]
pub struct Message<'m> {
    /// `inquire`, `pay` or `reverse`.
    pub verb: &'m str,
    /// Who spoke.
    pub channel: &'m str,
    /// The agreement.
    pub agreement: Option<&'m str>,
    /// When it was answered.
    pub received_at: Moment,
    /// The result.
    pub code: &'m str,
    /// What was wrong with it.
    pub fault: Option<&'m str>,
    /// The number that it named.
    pub ktin: Option<Ktin>,
    /// The bank's number of the operation.
    pub operation_number: Option<&'m str>,
    /// Of a reversal: the payment's.
    pub original_number: Option<&'m str>,
    /// The bank's time.
    pub operated_at: Option<Moment>,
    /// How much.
    pub amount: Option<domain::money::Amount>,
    /// In which currency.
    pub currency: Option<domain::money::Currency>,
    /// Whether the bank had the money.
    pub cash_taken: Option<bool>,
    /// Our number of the operation.
    pub number: Option<i64>,
    /// The invoice that it was about.
    pub invoice: Option<InvoiceId>,
    /// The money that it brought or took back.
    pub payment: Option<PaymentId>,
}

impl<'h> Hit<'h> {
    fn of<K: Kind>(kind: &'static str, id: Id<K>, owner: Owner, created: Moment) -> Hit<'h> {
        Hit {
            object: "search_hit",
            kind,
            id: id.text(owner.mode),
            account: Some(account::id(owner.account)),
            livemode: Some(owner.mode.is_live()),
            created: Some(created.to_string()),
            ..Hit::default()
        }
    }

    /// An invoice, as it is seen now.
    pub fn invoice(seen: &Seen<'h>) -> Hit<'h> {
        let invoice = seen.invoice;
        Hit {
            invoice_id: Some(invoice.order.reference.as_str()),
            status: Some(Version::default().state(seen.status.state())),
            amount: Some(seen.total().to_string()),
            currency: Some(invoice.terms.currency.as_str()),
            ktin: Some(invoice.order.ktin.to_string()),
            ..Hit::of("invoice", invoice.id, invoice.owner, invoice.created)
        }
    }

    /// A payment, and the reference of its invoice.
    pub fn payment(payment: &'h Payment, reference: &'h str) -> Hit<'h> {
        Hit {
            created: None,
            invoice_id: Some(reference),
            status: Some(payment.status.state().as_str()),
            amount: Some(payment.amount.to_string()),
            currency: Some(payment.currency.as_str()),
            channel: Some(&payment.channel),
            operation_number: Some(&payment.operation_number),
            received_at: Some(payment.received_at.to_string()),
            ktin: Some(payment.ktin.to_string()),
            invoice: Some(payment.invoice.text(payment.owner.mode)),
            ..Hit::of("payment", payment.id, payment.owner, payment.received_at)
        }
    }

    /// A message of a bank; `account` is that of its invoice.
    pub fn message<K: Kind>(
        id: Id<K>,
        account: Option<domain::id::AccountId>,
        mode: Mode,
        message: &Message<'h>,
    ) -> Hit<'h> {
        Hit {
            object: "search_hit",
            kind: "collection",
            id: id.text(mode),
            account: account.map(account::id),
            livemode: Some(mode.is_live()),
            verb: Some(message.verb),
            channel: Some(message.channel),
            code: Some(message.code),
            amount: message.amount.map(|amount| amount.to_string()),
            currency: message.currency.map(|currency| currency.as_str()),
            received_at: Some(message.received_at.to_string()),
            ktin: message.ktin.map(|ktin| ktin.to_string()),
            operation_number: message.operation_number,
            original_operation_number: message.original_number,
            invoice: message.invoice.map(|invoice| invoice.text(mode)),
            payment: message.payment.map(|payment| payment.text(mode)),
            ..Hit::default()
        }
    }

    /// An account.
    pub fn account(account: &'h Account, created: Moment) -> Hit<'h> {
        let id = account::id(account.id);
        Hit {
            object: "search_hit",
            kind: "account",
            account: Some(id.clone()),
            id,
            created: Some(created.to_string()),
            name: Some(&account.name),
            ..Hit::default()
        }
    }

    /// A merchant's key.
    pub fn key(id: KeyId, owner: Owner, created: Moment, name: &'h str) -> Hit<'h> {
        Hit { name: Some(name), ..Hit::of("key", id, owner, created) }
    }

    /// An event.
    pub fn event(
        id: EventId,
        owner: Owner,
        created: Moment,
        kind: EventKind,
        invoice: Option<InvoiceId>,
    ) -> Hit<'h> {
        Hit {
            event_type: Some(kind.as_str()),
            invoice: invoice.map(|invoice| invoice.text(owner.mode)),
            ..Hit::of("event", id, owner, created)
        }
    }

    /// A webhook endpoint.
    pub fn endpoint(id: EndpointId, owner: Owner, created: Moment, url: &'h str) -> Hit<'h> {
        Hit { url: Some(url), ..Hit::of("webhook_endpoint", id, owner, created) }
    }

    /// A delivery.
    pub fn delivery(
        id: DeliveryId,
        owner: Owner,
        created: Moment,
        status: &'h str,
        (endpoint, event): (EndpointId, Option<EventId>),
    ) -> Hit<'h> {
        Hit {
            status: Some(status),
            endpoint: Some(endpoint.text(owner.mode)),
            event: event.map(|event| event.text(owner.mode)),
            ..Hit::of("delivery", id, owner, created)
        }
    }

    /// Its JSON; `matched` is what about it was looked for.
    pub fn render(self, matched: &'static str) -> Vec<u8> {
        to_bytes(&Hit { matched, ..self })
    }
}

/// Algo que pasó con una orden.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub struct Entry<'e> {
    /// Cuándo, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    at: String,
    /// Qué: un cambio de la orden (`created`, `updated`, `expired`, `voided`, `paid`, `payment_reversed`) o de su dinero
    /// (`payment.unapplied`, `payment.applied`, `payment.reversed`, `payment.returned`); un mensaje de un banco
    /// (`inquired`, `pay`, `reverse`); lo que se le prometió (`quoted`); un intento de avisar al comercio
    /// (`delivery_attempt`); un acto de un operador (`act`).
    #[schema(
        value_type = String,
        pattern = "^(created|updated|expired|voided|paid|payment_reversed|payment\\.(unapplied|applied|reversed|returned)|inquired|quoted|pay|reverse|delivery_attempt|act)$",
        examples("paid")
    )]
    kind: Cow<'e, str>,
    /// El operador que lo hizo.
    #[schema(value_type = String, examples("operador-7"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'e str>,
    /// Por qué: de un acto, lo que dijo el operador; de un pago, por qué no paga nada o se devolvió.
    #[schema(value_type = String, examples("pagado dos veces"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'e str>,
    /// El evento.
    #[schema(value_type = String, pattern = "^eve_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("eve_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// De un intento: el tipo de su evento.
    #[schema(value_type = String, examples("invoice.paid"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<&'static str>,
    /// De un cambio: la versión que dejó.
    #[schema(value_type = i64, required = false, minimum = 1, examples(1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    /// El estado que dejó: de un cambio de la orden, el de la orden; de un cambio de su dinero, el del pago.
    #[schema(value_type = String, examples("paid"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Sin mora ni comisiones.
    #[schema(value_type = String, examples("20.00"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_total: Option<String>,
    /// Mora.
    #[schema(value_type = String, examples("0.00"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    late_fee: Option<String>,
    /// El monto: de la orden, de la promesa, o el que el banco dijo.
    #[schema(value_type = String, examples("20.00"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    /// Su moneda.
    #[schema(value_type = schema::Currency, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    /// Desde cuándo no se puede pagar; de una promesa, desde cuándo no vale.
    #[schema(value_type = schema::UtcDateTime, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// El pago.
    #[schema(value_type = String, pattern = "^pay_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<String>,
    /// El banco o agente.
    #[schema(value_type = String, examples("bcp"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'e str>,
    /// El convenio.
    #[schema(value_type = String, examples("000001"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<&'e str>,
    /// El resultado de un mensaje.
    #[schema(value_type = String, examples("ok"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'e str>,
    /// Qué tenía de malo el mensaje, o por qué conviene mirarlo.
    #[schema(value_type = String)]
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'e str>,
    /// El número de operación del banco o agente.
    #[schema(value_type = String, examples("000123"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_number: Option<&'e str>,
    /// De un extorno: el número de la operación que extorna.
    #[schema(value_type = String, examples("000123"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    original_operation_number: Option<&'e str>,
    /// Nuestro número de la operación.
    #[schema(value_type = String, pattern = "^[0-9]{9}$", examples("100000001"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    /// La hora del banco; de un extorno, la del pago.
    #[schema(value_type = schema::UtcDateTime, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    operated_at: Option<String>,
    /// Si el banco ya tenía el dinero.
    #[schema(value_type = bool, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cash_taken: Option<bool>,
    /// Lo prometido.
    #[schema(value_type = String, pattern = "^quo_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("quo_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    quote_id: Option<String>,
    /// El envío.
    #[schema(value_type = String, pattern = "^del_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("del_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
    /// El destino.
    #[schema(value_type = String, pattern = "^whe_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("whe_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// El número del intento.
    #[schema(value_type = i64, required = false, minimum = 1, examples(1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<i32>,
    /// El estado HTTP que respondió el comercio.
    #[schema(value_type = i64, required = false, examples(200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<i16>,
    /// Cuánto tardó, en milisegundos.
    #[schema(value_type = i64, required = false, minimum = 0, examples(120))]
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i32>,
    /// Por qué no hubo respuesta.
    #[schema(value_type = String)]
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'e str>,
    /// Cuándo será el próximo intento.
    #[schema(value_type = schema::UtcDateTime, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<String>,
    /// De un acto: qué se hizo.
    #[schema(value_type = String, examples("apply_payment"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'e str>,
    /// De un acto: a qué.
    #[schema(value_type = String, examples("pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'e str>,
    /// De un acto: la solicitud.
    #[schema(value_type = String, examples("req_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'e str>,
    /// De un acto: qué cambió.
    #[schema(value_type = serde_json::Value)]
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Box<RawValue>>,
}

/// The money of a change.
#[derive(Clone, Copy)]
pub struct Money<'m> {
    /// The payment.
    pub id: PaymentId,
    /// What had become of it just after.
    pub status: &'m PaymentStatus,
    /// How much.
    pub amount: domain::money::Amount,
    /// In which currency.
    pub currency: domain::money::Currency,
    /// Who took it.
    pub channel: &'m str,
    /// The channel's number of the operation.
    pub operation_number: &'m str,
}

/// An attempt to tell the merchant.
#[derive(Clone, Copy)]
pub struct Tried<'t> {
    /// The delivery.
    pub delivery: DeliveryId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Of which event.
    pub event: EventId,
    /// Of which kind.
    pub kind: EventKind,
    /// From 1.
    pub number: i32,
    /// The status of the answer.
    pub status: Option<i16>,
    /// In milliseconds.
    pub duration_ms: i32,
    /// Why there was no answer.
    pub error: Option<&'t str>,
    /// When the next one is due.
    pub next_at: Option<Moment>,
}

impl<'e> Entry<'e> {
    /// A change: the invoice as it left it, and its money, where there is some.
    pub fn changed(
        at: Moment,
        event: EventId,
        kind: EventKind,
        seen: &Seen<'_>,
        money: Option<Money<'e>>,
    ) -> Entry<'e> {
        let (invoice, mode) = (seen.invoice, seen.invoice.owner.mode);
        let name = kind.as_str();
        let of_money = name.starts_with("payment.");
        let (amount, currency) = match &money {
            Some(money) if of_money => (money.amount, money.currency),
            _ => (seen.total(), invoice.terms.currency),
        };
        let status = match &money {
            Some(money) if of_money => money.status.state().as_str(),
            _ => Version::default().state(seen.status.state()),
        };
        Entry {
            at: at.to_string(),
            kind: Cow::Borrowed(name.strip_prefix("invoice.").unwrap_or(name)),
            event: Some(event.text(mode)),
            version: Some(invoice.version),
            status: Some(status),
            amount: Some(amount.to_string()),
            currency: Some(currency.as_str()),
            sub_total: (!of_money).then(|| invoice.terms.sub_total.to_string()),
            late_fee: (!of_money).then(|| seen.late_fee.to_string()),
            expires: (!of_money).then(|| invoice.terms.expires.to_string()),
            payment: money.map(|money| money.id.text(mode)),
            channel: money.map(|money| money.channel),
            operation_number: money.map(|money| money.operation_number),
            reason: money.and_then(|money| money.status.reason()),
            ..Entry::default()
        }
    }

    /// A message of a bank.
    pub fn said(mode: Mode, message: &Message<'e>) -> Entry<'e> {
        Entry {
            at: message.received_at.to_string(),
            kind: Cow::Borrowed(if message.verb == "inquire" { "inquired" } else { message.verb }),
            code: Some(message.code),
            fault: message.fault,
            channel: Some(message.channel),
            agreement: message.agreement,
            operation_number: message.operation_number,
            original_operation_number: message.original_number,
            number: message.number.map(|number| format!("{number:09}")),
            operated_at: message.operated_at.map(|at| at.to_string()),
            amount: message.amount.map(|amount| amount.to_string()),
            currency: message.currency.map(|currency| currency.as_str()),
            cash_taken: message.cash_taken,
            payment: message.payment.map(|payment| payment.text(mode)),
            ..Entry::default()
        }
    }

    /// A promise to a bank.
    pub fn quoted(quote: &Quote, channel: &'e str, agreement: &'e str) -> Entry<'e> {
        Entry {
            at: quote.created.to_string(),
            kind: Cow::Borrowed("quoted"),
            quote_id: Some(quote.id.text(quote.owner.mode)),
            channel: Some(channel),
            agreement: Some(agreement),
            sub_total: Some(quote.sub_total.to_string()),
            late_fee: Some(quote.late_fee.to_string()),
            amount: Some(quote.total().to_string()),
            currency: Some(quote.currency.as_str()),
            expires: Some(quote.expires.to_string()),
            ..Entry::default()
        }
    }

    /// An attempt to tell the merchant.
    pub fn tried(at: Moment, mode: Mode, tried: &Tried<'e>) -> Entry<'e> {
        Entry {
            at: at.to_string(),
            kind: Cow::Borrowed("delivery_attempt"),
            delivery: Some(tried.delivery.text(mode)),
            endpoint: Some(tried.endpoint.text(mode)),
            event: Some(tried.event.text(mode)),
            event_type: Some(tried.kind.as_str()),
            attempt: Some(tried.number),
            response_status: tried.status,
            duration_ms: Some(tried.duration_ms),
            error: tried.error,
            next_at: tried.next_at.map(|at| at.to_string()),
            ..Entry::default()
        }
    }

    /// What an operator did.
    pub fn acted(row: &'e Row) -> Entry<'e> {
        Entry {
            at: row.at.to_string(),
            kind: Cow::Borrowed("act"),
            action: Some(&row.action),
            object: row.object.as_deref(),
            by: row.by.actor.as_deref(),
            reason: row.by.reason.as_deref(),
            request_id: row.by.request_id.as_deref(),
            details: row.details.clone().and_then(|details| RawValue::from_string(details).ok()),
            ..Entry::default()
        }
    }

    /// The same, with the operator who did it.
    pub fn by(self, actor: Option<&'e str>) -> Entry<'e> {
        Entry { by: actor, ..self }
    }

    /// Its JSON.
    pub fn render(&self) -> Vec<u8> {
        to_bytes(self)
    }
}
