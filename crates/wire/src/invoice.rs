//! An invoice as merchants see it, fields in the order of the API document; absent ones are left out.

use domain::customer::Customer;
use domain::invoice::{Seen, Status};
use domain::metadata::Verbatim;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::schema;
use crate::version::{Money, Version};

/// What rendering needs beside the invoice.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The edition to write.
    pub version: Version,
    /// Address of the payment page's host, without a slash at its end.
    pub page_url: &'a str,
}

/// Una Orden de Pago: lo que un cliente debe pagar, y cómo.
///
/// Los campos ausentes no tienen valor: la API nunca responde `null`.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = Invoice)]
pub(crate) struct Body<'a> {
    /// Identificador de la orden, único en toda la API. El modo está a la vista: `inv_test_…` o `inv_live_…`.
    #[schema(
        pattern = "^inv_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Siempre `invoice`.
    #[schema(pattern = "^invoice$", examples("invoice"))]
    object: &'static str,
    /// `true` con una clave `sk_live_…` (dinero real), `false` con una `sk_test_…`.
    #[schema(examples(false))]
    livemode: bool,
    /// Momento en que se creó la orden, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    created: String,
    /// Estado de la orden en este momento. Los nombres dependen de la versión.
    #[schema(value_type = schema::InvoiceStatus)]
    status: &'static str,
    /// Versión de la orden: 1 al crearla y 1 más con cada cambio guardado. Es el valor de la cabecera `ETag`.
    #[schema(minimum = 1, examples(1))]
    version: u32,
    /// Su referencia de la orden. Entre las órdenes pendientes y pagadas de su cuenta y modo es única.
    #[schema(min_length = 1, max_length = 100, examples("INV-000001-001"))]
    invoice_id: &'a str,
    /// Moneda de todos los montos de la orden (ISO 4217).
    #[schema(value_type = schema::Currency)]
    currency: &'static str,
    /// Total por pagar en este momento: `sub_total` + `late_fee` + `fees`.
    amount: Money,
    /// El monto que usted pidió cobrar.
    sub_total: Money,
    /// Mora acumulada después de `due_datetime`, según la regla de su cuenta; queda fija con el pago.
    late_fee: Money,
    /// Comisiones a cargo del pagador. Por ahora `0.00`.
    fees: Money,
    /// Fecha y hora de su solicitud, según su reloj. Se guarda y se devuelve, nada más.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    request_datetime: Option<String>,
    /// Fecha de vencimiento del plazo: desde entonces corre la mora.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    due_datetime: Option<String>,
    /// Desde este momento la orden ya no se puede pagar: su estado es vencida.
    #[schema(value_type = schema::UtcDateTime)]
    expiration_datetime: String,
    /// Quién paga, como usted lo envió.
    #[schema(value_type = schema::CustomerShown)]
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a Customer>,
    /// El comercio por cuenta de quien usted cobra, como usted lo envió.
    #[schema(value_type = Object, examples(json!({"name": "Librería San Marcos"})))]
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_merchant: Option<&'a RawValue>,
    /// Enlace que la página de pago muestra cuando la orden está pagada.
    #[schema(value_type = String, format = "uri", max_length = 2048, examples("https://tienda.pe/gracias"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    url_success: Option<&'a str>,
    /// Enlace que la página de pago muestra mientras la orden no está pagada.
    #[schema(value_type = String, format = "uri", max_length = 2048, examples("https://tienda.pe/carrito"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    url_error: Option<&'a str>,
    /// Sus propios datos, tal como los envió: con el mismo orden de claves y los mismos números.
    #[schema(value_type = Object, examples(json!({"order_id": "000001-001"})))]
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    /// Lado de la imagen QR, en píxeles.
    #[schema(minimum = 100, maximum = 1000, examples(150))]
    size_qr: u16,
    /// Código para pagar a mano en bancos y agentes: de 12 a 14 dígitos; el último verifica los anteriores.
    #[schema(pattern = "^[0-9]{12,14}$", examples("263264817050"))]
    ktin: String,
    /// Secreto que abre la página de pago de esta orden.
    #[schema(pattern = "^[2-9A-HJ-NP-Za-km-z]{22}$", examples("pR3mXw9TzKc7VbNq5Yd2Hs"))]
    token: &'a str,
    /// Contenido del código QR: igual a `token`.
    #[schema(pattern = "^[2-9A-HJ-NP-Za-km-z]{22}$", examples("pR3mXw9TzKc7VbNq5Yd2Hs"))]
    qr_code: &'a str,
    /// Dirección de la imagen QR.
    #[schema(format = "uri", examples("https://api.kashio.net/pay/pR3mXw9TzKc7VbNq5Yd2Hs/qr.png"))]
    url_qr: String,
    /// Dirección de la página de pago, para enviarla al cliente.
    #[schema(format = "uri", examples("https://api.kashio.net/pay/pR3mXw9TzKc7VbNq5Yd2Hs"))]
    url_payment: String,
    /// Momento del pago. Solo en órdenes pagadas.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<String>,
    /// Identificador del pago que canceló la orden. Solo en órdenes pagadas.
    #[schema(value_type = String, pattern = "^pay_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("pay_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<String>,
}

/// The invoice's JSON.
pub fn render(seen: &Seen<'_>, view: View<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_SIZE);
    render_into(&mut bytes, seen, view);
    bytes
}

/// The same, at the end of `bytes`.
pub fn render_into(bytes: &mut Vec<u8>, seen: &Seen<'_>, view: View<'_>) {
    let (invoice, order, terms) = (seen.invoice, &seen.invoice.order, &seen.invoice.terms);
    let mode = invoice.owner.mode;
    let token = order.token.as_str();
    let page = format!("{}/pay/{token}", view.page_url);
    let paid = match seen.status {
        Status::Paid { paid_at, payment, .. } => Some((paid_at.to_string(), payment.text(mode))),
        Status::Pending | Status::Expired | Status::Voided => None,
    };
    let (paid_at, payment) = paid.unzip();
    push(
        bytes,
        &Body {
            id: invoice.id.text(mode),
            object: "invoice",
            livemode: mode.is_live(),
            created: invoice.created.to_string(),
            status: view.version.state(seen.status.state()),
            version: invoice.version,
            invoice_id: order.reference.as_str(),
            currency: terms.currency.as_str(),
            amount: view.version.money(seen.total()),
            sub_total: view.version.money(terms.sub_total),
            late_fee: view.version.money(seen.late_fee),
            fees: view.version.money(seen.fees),
            request_datetime: order.request_datetime.map(|moment| moment.to_string()),
            due_datetime: terms.due.map(|moment| moment.to_string()),
            expiration_datetime: terms.expires.to_string(),
            customer: order.customer.as_ref(),
            sub_merchant: order.sub_merchant.as_ref().and_then(raw),
            url_success: order.url_success.as_deref(),
            url_error: order.url_error.as_deref(),
            metadata: order.metadata.as_ref().and_then(raw),
            size_qr: order.size_qr,
            ktin: order.ktin.to_string(),
            token,
            qr_code: token,
            url_qr: format!("{page}/qr.png"),
            url_payment: page,
            paid_at,
            payment,
        },
    );
}

/// The text as it came in. It was checked then, so this never loses any.
fn raw(json: &Verbatim) -> Option<&RawValue> {
    serde_json::from_str(&json.text).ok()
}

/// Few objects are larger, in bytes.
pub(crate) const USUAL_SIZE: usize = 1_536;

/// JSON of a shape whose keys are texts and whose values are plain: there is nothing in it that can fail.
pub(crate) fn to_bytes(body: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_SIZE);
    push(&mut bytes, body);
    bytes
}

fn push(bytes: &mut Vec<u8>, body: &impl Serialize) {
    let before = bytes.len();
    if serde_json::to_writer(&mut *bytes, body).is_err() {
        bytes.truncate(before);
    }
}
