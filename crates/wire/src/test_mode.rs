//! `/test/invoices/{id}/…`: what a merchant says when he plays the bank, and what he is answered: the order as it is
//! now, and what the bank would have been told.

use domain::collection::{Operation, ResultCode, ReversalKind};
use domain::key::is_channel;
use domain::money::Amount;
use domain::time::Moment;
use utoipa::ToSchema;

use crate::fields::{Fields, Null, text, text_of, truth};
use crate::internal::collection::{OperationBody, ResultBody, result};
use crate::json::{Kind, Object, Value};
use crate::problem::{Code, Item};

/// The body of `…/pay`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pay {
    /// Absent: what is owed.
    pub amount: Option<Amount>,
    /// Absent: now.
    pub paid_at: Option<Moment>,
    /// Absent: the channel `test`.
    pub channel: Option<String>,
    /// Absent: a new one.
    pub operation_number: Option<String>,
    /// Whether the bank has the money already.
    pub cash_taken: bool,
}

/// The body of `…/reverse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reverse {
    /// Absent: what was paid last.
    pub operation_number: Option<String>,
    /// Absent: automatic.
    pub kind: Option<ReversalKind>,
}

/// Reads the body of `…/pay`.
///
/// # Errors
/// Every fault at once.
pub fn read_pay(body: Object<'_>) -> Result<Pay, Vec<Item>> {
    let mut fields = Fields::of(body, Null::Absent);
    let pay = Pay {
        amount: fields.optional("amount", |value: Value<'_>| {
            let text = match value.kind {
                Kind::Text(text) => text.into_owned(),
                Kind::Number => value.raw.to_owned(),
                _ => return Err(Code::Wrong(domain::field::Wrong::Type)),
            };
            Amount::parse(&text).map_err(Code::Wrong)
        }),
        paid_at: fields.optional("paid_at", |value| Moment::parse(&text(value)?).map_err(Code::Wrong)),
        channel: fields.optional("channel", |value| {
            let channel = text(value)?;
            if is_channel(&channel) { Ok(channel) } else { Err(Code::InvalidChannel) }
        }),
        operation_number: fields.optional("operation_number", number),
        cash_taken: fields.optional("cash_taken", truth).unwrap_or(false),
    };
    fields.finish().map(|()| pay)
}

/// Reads the body of `…/reverse`.
///
/// # Errors
/// Every fault at once.
pub fn read_reverse(body: Object<'_>) -> Result<Reverse, Vec<Item>> {
    let mut fields = Fields::of(body, Null::Absent);
    let reverse = Reverse {
        operation_number: fields.optional("operation_number", number),
        kind: fields.optional("kind", |value| {
            ReversalKind::parse(&text(value)?).ok_or(Code::OneOf { values: "automatic, manual" })
        }),
    };
    fields.finish().map(|()| reverse)
}

/// Reads the body of `…/expire`: there is nothing to be said.
///
/// # Errors
/// Unknown fields.
pub fn read_nothing(body: Object<'_>) -> Result<(), Vec<Item>> {
    Fields::of(body, Null::Absent).finish()
}

fn number(value: Value<'_>) -> Result<String, Code> {
    let number = text_of(1, Operation::MAX_NUMBER)(value)?;
    if number.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(number)
    } else {
        Err(Code::ForbiddenCharacter)
    }
}

/// The order's JSON with two members more: `result`, and the whole `answer` that a bank would have had.
pub fn render(invoice: &[u8], code: ResultCode, answer: &[u8]) -> Vec<u8> {
    let mut body = invoice.strip_suffix(b"}").unwrap_or(invoice).to_vec();
    body.extend_from_slice(b",\"result\":");
    body.extend(crate::invoice::to_bytes(&result(code, None)));
    body.extend_from_slice(b",\"answer\":");
    body.extend_from_slice(answer);
    body.push(b'}');
    body
}

/// Lo que resultó de una simulación, junto a la orden.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(ToSchema)]
#[schema(as = SimulationResult)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct Simulation {
    /// Lo que resultó.
    result: ResultBody,
    /// La respuesta que habría recibido el banco.
    answer: OperationBody,
}

/// Un pago simulado; lo que falta lo pone la API.
#[derive(ToSchema)]
#[schema(as = SimulatedPayment)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct SimulatedPayment {
    /// El monto; si falta, lo que se debe.
    #[schema(value_type = Option<crate::schema::MoneySent>)]
    amount: Option<String>,
    /// Cuándo se pagó, según el banco; si falta, ahora.
    #[schema(value_type = Option<crate::schema::DateTime>)]
    paid_at: Option<String>,
    /// El banco o agente; si falta, `test`.
    #[schema(pattern = "^[a-z0-9_-]{1,40}$", examples("bcp"))]
    channel: Option<String>,
    /// Su número de operación; si falta, uno nuevo.
    #[schema(min_length = 1, max_length = 12, pattern = "^[!-~]+$", examples("000123"))]
    operation_number: Option<String>,
    /// Si el banco ya tiene el dinero: entonces no se rechaza, se guarda.
    cash_taken: Option<bool>,
}

/// Un extorno simulado.
#[derive(ToSchema)]
#[schema(as = SimulatedReversal)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct SimulatedReversal {
    /// El número de operación del pago; si falta, el último.
    #[schema(min_length = 1, max_length = 12, pattern = "^[!-~]+$", examples("000123"))]
    operation_number: Option<String>,
    /// `automatic` (hasta 24 horas después del pago) o `manual` (el mismo día).
    #[schema(pattern = "^(automatic|manual)$", examples("automatic"))]
    kind: Option<String>,
}
