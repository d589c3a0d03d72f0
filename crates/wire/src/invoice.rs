//! An invoice as merchants see it, fields in the order of the API document; absent ones are left out.

use domain::invoice::{Seen, Status};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::object::Object;
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
#[derive(ToSchema)]
#[schema(as = Invoice)]
#[expect(dead_code, reason = "only described: `render_into` writes it")]
pub(crate) struct Body {
    /// Identificador de la orden, único en toda la API. El modo está a la vista: `inv_test_…` o `inv_live_…`.
    #[schema(
        pattern = "^inv_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Siempre `invoice`.
    #[schema(pattern = "^invoice$", examples("invoice"))]
    object: String,
    /// `true` con una clave `sk_live_…` (dinero real), `false` con una `sk_test_…`.
    #[schema(examples(false))]
    livemode: bool,
    /// Momento en que se creó la orden, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    created: String,
    /// Estado de la orden en este momento. Los nombres dependen de la versión.
    #[schema(value_type = schema::InvoiceStatus)]
    status: String,
    /// Versión de la orden: 1 al crearla y 1 más con cada cambio guardado. Es el valor de la cabecera `ETag`.
    #[schema(minimum = 1, examples(1))]
    version: u32,
    /// Su referencia de la orden. Entre las órdenes pendientes y pagadas de su cuenta y modo es única.
    #[schema(min_length = 1, max_length = 100, examples("INV-000001-001"))]
    invoice_id: String,
    /// Moneda de todos los montos de la orden (ISO 4217).
    #[schema(value_type = schema::Currency)]
    currency: String,
    /// Total por pagar en este momento: `sub_total` + `late_fee` + `fees`.
    amount: Money,
    /// El monto que usted pidió cobrar.
    sub_total: Money,
    /// Mora acumulada después de `due_datetime`, según la regla de su cuenta; queda fija con el pago.
    late_fee: Money,
    /// Comisiones a cargo del pagador. Por ahora `0.00`.
    fees: Money,
    /// Fecha y hora de su solicitud, según su reloj. Se guarda y se devuelve, nada más.
    #[schema(required = false, value_type = schema::UtcDateTime)]
    request_datetime: Option<String>,
    /// Fecha de vencimiento del plazo: desde entonces corre la mora.
    #[schema(required = false, value_type = schema::UtcDateTime)]
    due_datetime: Option<String>,
    /// Desde este momento la orden ya no se puede pagar: su estado es vencida.
    #[schema(value_type = schema::UtcDateTime)]
    expiration_datetime: String,
    /// Quién paga, como usted lo envió.
    #[schema(required = false, value_type = schema::CustomerShown)]
    customer: Option<Value>,
    /// El comercio por cuenta de quien usted cobra, como usted lo envió.
    #[schema(required = false, value_type = Object, examples(json!({"name": "Librería San Marcos"})))]
    sub_merchant: Option<Value>,
    /// Enlace que la página de pago muestra cuando la orden está pagada.
    #[schema(required = false, value_type = String, format = "uri", max_length = 2048, examples("https://tienda.pe/gracias"))]
    url_success: Option<String>,
    /// Enlace que la página de pago muestra mientras la orden no está pagada.
    #[schema(required = false, value_type = String, format = "uri", max_length = 2048, examples("https://tienda.pe/carrito"))]
    url_error: Option<String>,
    /// Sus propios datos, tal como los envió: con el mismo orden de claves y los mismos números.
    #[schema(required = false, value_type = Object, examples(json!({"order_id": "000001-001"})))]
    metadata: Option<Value>,
    /// Lado de la imagen QR, en píxeles.
    #[schema(minimum = 100, maximum = 1000, examples(150))]
    size_qr: u16,
    /// Código para pagar a mano en bancos y agentes: de 12 a 14 dígitos; el último verifica los anteriores.
    #[schema(pattern = "^[0-9]{12,14}$", examples("263264817050"))]
    ktin: String,
    /// Secreto que abre la página de pago de esta orden.
    #[schema(pattern = "^[2-9A-HJ-NP-Za-km-z]{22}$", examples("pR3mXw9TzKc7VbNq5Yd2Hs"))]
    token: String,
    /// Contenido del código QR: igual a `token`.
    #[schema(pattern = "^[2-9A-HJ-NP-Za-km-z]{22}$", examples("pR3mXw9TzKc7VbNq5Yd2Hs"))]
    qr_code: String,
    /// Dirección de la imagen QR.
    #[schema(format = "uri", examples("https://api.kashio.net/pay/pR3mXw9TzKc7VbNq5Yd2Hs/qr.png"))]
    url_qr: String,
    /// Dirección de la página de pago, para enviarla al cliente.
    #[schema(format = "uri", examples("https://api.kashio.net/pay/pR3mXw9TzKc7VbNq5Yd2Hs"))]
    url_payment: String,
    /// Momento del pago. Solo en órdenes pagadas.
    #[schema(required = false, value_type = schema::UtcDateTime)]
    paid_at: Option<String>,
    /// Identificador del pago que canceló la orden. Solo en órdenes pagadas.
    #[schema(required = false, value_type = String, pattern = "^pay_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("pay_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
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
    let page = [view.page_url, "/pay/", token].concat();
    let mut object = Object::begin(bytes);
    object.text("id", &invoice.id.text(mode));
    object.text("object", "invoice");
    object.bare("livemode", mode.is_live());
    object.shown("created", invoice.created);
    object.text("status", view.version.state(seen.status.state()));
    object.bare("version", invoice.version);
    object.text("invoice_id", order.reference.as_str());
    object.text("currency", terms.currency.as_str());
    let mut money = |name, amount| match view.version {
        Version::V1_0_0 => object.shown(name, amount),
        Version::V1_0_1 => object.bare(name, amount),
    };
    money("amount", seen.total());
    money("sub_total", terms.sub_total);
    money("late_fee", seen.late_fee);
    money("fees", seen.fees);
    if let Some(moment) = order.request_datetime {
        object.shown("request_datetime", moment);
    }
    if let Some(moment) = terms.due {
        object.shown("due_datetime", moment);
    }
    object.shown("expiration_datetime", terms.expires);
    if let Some(customer) = &order.customer {
        object.json("customer", customer);
    }
    if let Some(sub_merchant) = &order.sub_merchant {
        object.bare("sub_merchant", &sub_merchant.text);
    }
    if let Some(url) = &order.url_success {
        object.text("url_success", url);
    }
    if let Some(url) = &order.url_error {
        object.text("url_error", url);
    }
    if let Some(metadata) = &order.metadata {
        object.bare("metadata", &metadata.text);
    }
    object.bare("size_qr", order.size_qr);
    object.shown("ktin", order.ktin);
    object.text("token", token);
    object.text("qr_code", token);
    object.text("url_qr", &[&page, "/qr.png"].concat());
    object.text("url_payment", &page);
    if let Status::Paid { paid_at, payment, .. } = seen.status {
        object.shown("paid_at", paid_at);
        object.text("payment", &payment.text(mode));
    }
    object.end();
}

/// Few objects are larger, in bytes.
pub(crate) const USUAL_SIZE: usize = 1_536;

/// JSON of a shape whose keys are texts and whose values are plain: there is nothing in it that can fail.
pub(crate) fn to_bytes(body: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_SIZE);
    if serde_json::to_writer(&mut bytes, body).is_err() {
        bytes.clear();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::account::{Mode, Owner};
    use domain::customer::Customer;
    use domain::id::{AccountId, InvoiceId, PaymentId};
    use domain::invoice::{Invoice, Order, Terms, Token};
    use domain::ktin::Ktin;
    use domain::late_fee::LateFee;
    use domain::metadata::Verbatim;
    use domain::money::{Amount, Currency};
    use domain::reference::Reference;
    use domain::time::Moment;

    use super::*;

    fn verbatim(text: &str) -> Option<Verbatim> {
        Some(Verbatim { text: text.to_owned(), canonical: String::new() })
    }

    /// Paid, with everything that an invoice can have.
    fn full() -> Invoice {
        let at = Moment::parse("2026-11-25T10:00:00").unwrap();
        Invoice {
            id: InvoiceId::NOBODY,
            owner: Owner { account: AccountId::NOBODY, mode: Mode::Live },
            created: at,
            order: Order {
                reference: Reference::parse("A \"1\"".to_owned()).unwrap(),
                request_datetime: Some(at),
                customer: Some(Customer { name: Some("Rosa".to_owned()), ..Customer::default() }),
                sub_merchant: verbatim("{\"n\": 1.0}"),
                url_success: Some("https://tienda.pe/a".to_owned()),
                url_error: Some("https://tienda.pe/b".to_owned()),
                metadata: verbatim("{\"b\":\"\\u00e1\",\"a\":1e2}"),
                size_qr: 150,
                ktin: Ktin::from_number(263_264_817_050),
                token: Token::from_stored("pR3mXw9TzKc7VbNq5Yd2Hs".to_owned()),
                late_fee: LateFee::None,
                content: [0; 32],
            },
            terms: Terms {
                currency: Currency::Pen,
                sub_total: Amount::from_centimos(12_505).unwrap(),
                due: Some(at),
                expires: at.plus_seconds(60),
            },
            status: Status::Paid {
                paid_at: at,
                payment: PaymentId::NOBODY,
                late_fee: Amount::from_centimos(7).unwrap(),
            },
            version: 2,
        }
    }

    fn rendered(invoice: &Invoice, version: Version) -> String {
        let view = View { version, page_url: "https://pay.example" };
        String::from_utf8(render(&invoice.as_changed_at(invoice.created), view)).unwrap()
    }

    #[test]
    fn an_invoice_is_written_as_the_document_lists_it() {
        let id = "2222222222222222222222";
        let expected = [
            &format!(
                r#"{{"id":"inv_live_{id}","object":"invoice","livemode":true,"created":"2026-11-25T10:00:00","#
            ),
            r#""status":"paid","version":2,"invoice_id":"A \"1\"","currency":"PEN","amount":"125.12","#,
            r#""sub_total":"125.05","late_fee":"0.07","fees":"0.00","request_datetime":"2026-11-25T10:00:00","#,
            r#""due_datetime":"2026-11-25T10:00:00","expiration_datetime":"2026-11-25T10:01:00","#,
            r#""customer":{"name":"Rosa"},"sub_merchant":{"n": 1.0},"url_success":"https://tienda.pe/a","#,
            r#""url_error":"https://tienda.pe/b","metadata":{"b":"\u00e1","a":1e2},"size_qr":150,"#,
            r#""ktin":"263264817050","token":"pR3mXw9TzKc7VbNq5Yd2Hs","qr_code":"pR3mXw9TzKc7VbNq5Yd2Hs","#,
            r#""url_qr":"https://pay.example/pay/pR3mXw9TzKc7VbNq5Yd2Hs/qr.png","#,
            r#""url_payment":"https://pay.example/pay/pR3mXw9TzKc7VbNq5Yd2Hs","#,
            &format!(r#""paid_at":"2026-11-25T10:00:00","payment":"pay_live_{id}"}}"#),
        ];
        assert_eq!(rendered(&full(), Version::V1_0_0), expected.concat());
        let numbers = rendered(&full(), Version::V1_0_1);
        assert!(numbers.contains(r#""status":"PAID","#), "{numbers}");
        assert!(
            numbers.contains(r#""amount":125.12,"sub_total":125.05,"late_fee":0.07,"fees":0.00,"#),
            "{numbers}"
        );
    }

    /// The description and what is written are two lists of fields: they agree.
    #[test]
    fn every_field_is_described_and_each_that_is_always_there_is_required() {
        let names = |invoice: &Invoice| -> BTreeSet<String> {
            let value: Value = serde_json::from_str(&rendered(invoice, Version::V1_0_0)).unwrap();
            value.as_object().unwrap().keys().cloned().collect()
        };
        let (_, described) = schema::all().into_iter().find(|(name, _)| name == "Invoice").unwrap();
        let described = serde_json::to_value(described).unwrap();
        assert_eq!(names(&full()), described["properties"].as_object().unwrap().keys().cloned().collect());

        let mut bare = full();
        bare.status = Status::Pending;
        bare.terms.due = None;
        let order = &mut bare.order;
        (order.request_datetime, order.customer, order.sub_merchant) = (None, None, None);
        (order.url_success, order.url_error, order.metadata) = (None, None, None);
        let required = described["required"].as_array().unwrap();
        assert_eq!(names(&bare), required.iter().map(|name| name.as_str().unwrap().to_owned()).collect());
    }
}
