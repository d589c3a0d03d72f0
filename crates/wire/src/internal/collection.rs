//! Collections: what a bank's connector sends, and what it is answered. Whatever comes of a call is 200 with a result;
//! only what is no message at all is an error.

use domain::account::Mode;
use domain::collection::{Operation, ResultCode, ReversalKind, Said, Verb};
use domain::field::Wrong;
use domain::id::{Id, PaymentId};
use domain::invoice::Invoice;
use domain::ktin::Ktin;
use domain::money::{Amount, Currency};
use domain::payment::{Payment, PaymentStatus};
use domain::quote::Quote;
use domain::time::Moment;
use serde::Serialize;
use utoipa::ToSchema;

use crate::fields::{Fields, Null, text, text_of, truth};
use crate::invoice::to_bytes;
use crate::json::{Kind, Object, Value};
use crate::problem::{Code, Item, Language};

/// Most characters of an agreement, and of what a bank says beside the operation.
const MAX_AGREEMENT: usize = 40;
const MAX_WORDS: usize = 64;

/// A message, as far as it can be read.
pub struct Message {
    /// The channel that it names.
    pub channel: Option<String>,
    /// What it says.
    pub said: Said,
    /// What is wrong with it: the first fault, for whoever reads the answer.
    pub fault: Option<String>,
}

/// Reads the body of a call.
///
/// # Errors
/// Fields that nobody knows: the connector is of another edition. Any other fault is the message's, and its result.
pub fn read(verb: Verb, body: Object<'_>) -> Result<Message, Vec<Item>> {
    let mut fields = Fields::of(body, Null::Absent);
    let channel = fields.required("channel", text_of(1, MAX_AGREEMENT));
    let mut said = Said {
        agreement: fields.required("agreement", text_of(1, MAX_AGREEMENT)),
        ktin: fields.required("ktin", ktin),
        number: fields.required("operation_number", number),
        trace_id: fields.optional("trace_id", text_of(0, MAX_WORDS)),
        ..Said::default()
    };
    match verb {
        Verb::Inquire => said.at = fields.required("operated_at", moment),
        Verb::Pay => {
            said.at = fields.required("operated_at", moment);
            said.amount = fields.required("amount", amount);
            said.currency =
                fields.required("currency", |value| Currency::parse(&text(value)?).map_err(Code::Wrong));
            said.payment_form = fields.optional("payment_form", text_of(0, MAX_WORDS));
            // A promise that is none of ours is no promise; the amount alone decides then.
            said.quote = fields
                .optional("quote_id", text_of(0, MAX_WORDS))
                .and_then(|id| [Mode::Live, Mode::Test].into_iter().find_map(|mode| Id::parse(&id, mode)));
            said.cash_taken = fields.optional("cash_taken", truth).unwrap_or(false);
        }
        Verb::Reverse => {
            said.at = fields.required("original_operated_at", moment);
            said.original_number = fields.required("original_operation_number", number);
            said.kind = fields.required("kind", |value| {
                ReversalKind::parse(&text(value)?).ok_or(Code::OneOf { values: "automatic, manual" })
            });
        }
    }
    match fields.finish() {
        Ok(()) => Ok(Message { channel, said, fault: None }),
        Err(items) if items.iter().any(|item| matches!(item.code, Code::UnknownField { .. })) => Err(items),
        Err(items) => {
            let told = items.first().map(|item| {
                let param = item.param.as_deref().unwrap_or_default();
                format!("{param}: {}", item.code.message(Language::Es))
            });
            Ok(Message { channel, said, fault: Some(told.unwrap_or_default()) })
        }
    }
}

/// As payers write it: blanks between the digits are theirs. What is no ktin is a number that nobody has.
fn ktin(value: Value<'_>) -> Result<Ktin, Code> {
    let digits: String = text(value)?.chars().filter(|letter| *letter != ' ').collect();
    if digits.is_empty() {
        return Err(Code::Wrong(Wrong::Missing));
    }
    Ok(Ktin::parse(&digits).unwrap_or_else(|| Ktin::mistyped(&digits)))
}

fn number(value: Value<'_>) -> Result<String, Code> {
    let number = text_of(1, Operation::MAX_NUMBER)(value)?;
    let sound = number.bytes().all(|byte| byte.is_ascii_graphic());
    if sound { Ok(number) } else { Err(Code::ForbiddenCharacter) }
}

/// Banks mean Lima, the API means UTC: a time without its zone means nothing.
fn moment(value: Value<'_>) -> Result<Moment, Code> {
    Moment::parse_zoned(&text(value)?).map_err(Code::Wrong)
}

fn amount(value: Value<'_>) -> Result<Amount, Code> {
    match value.kind {
        Kind::Text(text) => Amount::parse(&text).map_err(Code::Wrong),
        Kind::Number => Amount::parse(value.raw).map_err(Code::Wrong),
        _ => Err(Code::Wrong(Wrong::Type)),
    }
}

/// Qué resultó.
// Comments on types and fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = CollectionResult)]
pub(crate) struct ResultBody {
    /// El resultado.
    #[schema(
        value_type = String,
        pattern = "^(ok|unknown_code|expired|already_paid|voided|amount_mismatch|not_found_payment|already_reversed|reversal_recorded|bad_request|channel_closed)$",
        examples("ok")
    )]
    code: &'static str,
    /// El resultado, para una persona.
    #[schema(examples("Operación realizada."))]
    message: String,
}

/// El resultado con su mensaje; `fault` dice qué está mal en la solicitud.
pub(crate) fn result(code: ResultCode, fault: Option<&str>) -> ResultBody {
    let message = match code {
        ResultCode::Ok => "Operación realizada.",
        ResultCode::UnknownCode => "El código no existe para este convenio.",
        ResultCode::Expired => "La orden está vencida.",
        ResultCode::AlreadyPaid => "La orden ya está pagada.",
        ResultCode::Voided => "La orden está anulada.",
        ResultCode::AmountMismatch => "El monto no es el adeudado.",
        ResultCode::NotFoundPayment => "No hay un pago por extornar.",
        ResultCode::AlreadyReversed => "La operación ya fue extornada.",
        ResultCode::ReversalRecorded => "El extorno quedó registrado; el pago no se aceptará.",
        ResultCode::BadRequest => "La solicitud no es válida.",
        ResultCode::ChannelClosed => "El canal está cerrado.",
    };
    let message = match (code, fault) {
        (ResultCode::BadRequest, Some(fault)) => format!("La solicitud no es válida: {fault}"),
        _ => message.to_owned(),
    };
    ResultBody { code: code.as_str(), message }
}

/// Lo que se debe.
#[derive(Serialize, ToSchema)]
#[schema(as = Debt)]
pub(crate) struct Debt {
    /// El código de pago.
    #[schema(pattern = "^[0-9]{12,14}$", examples("263264817050"))]
    ktin: String,
    /// La orden.
    #[schema(
        pattern = "^inv_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    invoice: String,
    /// Qué se paga: el comercio y su referencia.
    #[schema(examples("Bodega Rosita INV-000001-001"))]
    description: String,
    /// Quién paga, si el comercio lo dijo.
    #[schema(value_type = String, examples("JUAN PEREZ"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_name: Option<String>,
    /// Cuándo se emitió.
    #[schema(value_type = ZonedDateTime)]
    issued: String,
    /// Hasta cuándo no hay mora.
    #[schema(value_type = ZonedDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// Sin mora ni comisiones.
    #[schema(examples("20.00"))]
    sub_total: String,
    /// Mora.
    #[schema(examples("0.00"))]
    late_fee: String,
    /// Comisiones a cargo del pagador.
    #[schema(examples("0.00"))]
    fees: String,
    /// Lo que se debe pagar.
    #[schema(examples("20.00"))]
    total: String,
    /// Moneda (ISO 4217).
    #[schema(value_type = crate::schema::Currency)]
    currency: &'static str,
    /// Desde cuándo no se puede pagar.
    #[schema(value_type = ZonedDateTime)]
    expires: String,
}

/// Fecha y hora con su zona.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
    examples("2020-02-01T05:00:00Z")
)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct ZonedDateTime(String);

/// La respuesta a una consulta.
#[derive(Serialize, ToSchema)]
#[schema(as = InquiryAnswer)]
pub(crate) struct InquiryBody {
    /// Qué resultó.
    result: ResultBody,
    /// Lo que se debe; vacío si no se puede pagar.
    debts: Vec<Debt>,
    /// Lo prometido vale 10 minutos, aunque la orden cambie o venza.
    #[schema(value_type = String, pattern = "^quo_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("quo_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    quote_id: Option<String>,
}

/// La respuesta a un pago o un extorno.
#[derive(Serialize, ToSchema)]
#[schema(as = OperationAnswer)]
pub(crate) struct OperationBody {
    /// Qué resultó.
    result: ResultBody,
    /// El pago, cuando el dinero quedó registrado o se extornó.
    #[schema(value_type = String, pattern = "^pay_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<String>,
    /// Nuestro número de la operación: 9 dígitos.
    #[schema(value_type = String, pattern = "^[0-9]{9}$", examples("100000001"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_number: Option<String>,
    /// El texto del comprobante, en líneas.
    #[schema(value_type = String)]
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

/// What an answer is made of.
pub struct Answer<'a> {
    /// What came of the call.
    pub code: ResultCode,
    /// What is wrong with the message.
    pub fault: Option<&'a str>,
    /// Our number of the operation.
    pub number: Option<i64>,
    /// The money that came or went.
    pub payment: Option<&'a Payment>,
    /// The invoice, and the name of its merchant.
    pub about: Option<(&'a Invoice, &'a str)>,
    /// What was promised.
    pub quote: Option<&'a Quote>,
}

/// The answer to an inquiry.
pub fn render_inquiry(answer: &Answer<'_>) -> Vec<u8> {
    let debt = answer.quote.zip(answer.about).map(|(quote, (invoice, merchant))| Debt {
        ktin: invoice.order.ktin.to_string(),
        invoice: invoice.id.text(invoice.owner.mode),
        description: format!("{merchant} {}", invoice.order.reference.as_str()),
        customer_name: invoice.order.customer.as_ref().and_then(|customer| customer.name.clone()),
        issued: zoned(invoice.created),
        due: invoice.terms.due.map(zoned),
        sub_total: quote.sub_total.to_string(),
        late_fee: quote.late_fee.to_string(),
        fees: quote.fees.to_string(),
        total: quote.total().to_string(),
        currency: quote.currency.as_str(),
        expires: zoned(invoice.terms.expires),
    });
    to_bytes(&InquiryBody {
        result: result(answer.code, answer.fault),
        debts: debt.into_iter().collect(),
        quote_id: answer.quote.map(|quote| quote.id.text(quote.owner.mode)),
    })
}

/// The answer to a payment or a reversal.
pub fn render_operation(answer: &Answer<'_>) -> Vec<u8> {
    let number = answer.number.map(|number| format!("{number:09}"));
    let printed = answer.payment.zip(answer.about).zip(number.as_deref());
    let receipt =
        printed.map(|((payment, (invoice, merchant)), number)| receipt(payment, invoice, merchant, number));
    let id = |payment: &Payment| PaymentId::text(payment.id, payment.owner.mode);
    to_bytes(&OperationBody {
        result: result(answer.code, answer.fault),
        payment: answer.payment.map(id),
        operation_number: number,
        receipt,
    })
}

/// What the payer takes home, in short lines.
fn receipt(payment: &Payment, invoice: &Invoice, merchant: &str, number: &str) -> String {
    let sign = match payment.currency {
        Currency::Pen => "S/",
        Currency::Usd => "US$",
    };
    let last = match payment.status {
        PaymentStatus::Applied => "PAGO REALIZADO",
        PaymentStatus::Unapplied { .. } => "PAGO RECIBIDO, POR REVISAR",
        PaymentStatus::Reversed => "PAGO EXTORNADO",
        PaymentStatus::Returned { .. } => "PAGO DEVUELTO",
    };
    let (reference, ktin) = (invoice.order.reference.as_str(), payment.ktin);
    format!(
        "KASHIO\n{merchant}\nORDEN {reference}\nCODIGO {ktin}\nMONTO {sign} {}\n{} LIMA\nOPERACION {number}\n{last}",
        payment.amount,
        payment.paid_at.in_lima(),
    )
}

fn zoned(moment: Moment) -> String {
    format!("{moment}Z")
}
