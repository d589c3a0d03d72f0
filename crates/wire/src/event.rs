//! Events as merchants read them, in the feed and in a webhook: the same shape, of the moment when they happened.

use domain::account::Mode;
use domain::event::EventKind;
use domain::id::{DeliveryId, EndpointId, EventId};
use domain::invoice::Seen;
use domain::payment::Payment;
use domain::time::Moment;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::invoice::{View, render as render_invoice, to_bytes};
use crate::payment::{PaymentView, render as render_payment};
use crate::schema;

/// An event to be rendered.
pub struct EventView<'a> {
    /// Its id.
    pub id: EventId,
    /// Whose mode.
    pub mode: Mode,
    /// When it happened.
    pub created: Moment,
    /// What happened.
    pub kind: EventKind,
    /// Its place in the feed.
    pub sequence: i64,
    /// Whether it has reached whom it was for.
    pub status: &'a str,
    /// What it is about.
    pub subject: SubjectView<'a>,
}

/// What an event is about.
pub enum SubjectView<'a> {
    /// An invoice, and the money, where there is some, as they were.
    Invoice(Seen<'a>, Option<&'a Payment>),
    /// A webhook endpoint, as it was.
    Endpoint {
        /// Its id.
        id: EndpointId,
        /// What it was like.
        facts: &'a serde_json::Value,
    },
}

/// Algo que pasó. Los objetos que lleva son los de ese momento, y no cambian.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct Body {
    /// Identificador del evento; también el `webhook-id` de sus envíos.
    #[schema(
        pattern = "^eve_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("eve_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Siempre `event`.
    #[schema(pattern = "^event$", examples("event"))]
    object: &'static str,
    /// `true` para dinero real, `false` para pruebas.
    #[schema(examples(false))]
    livemode: bool,
    /// Cuándo pasó, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    created: String,
    /// Qué pasó.
    #[schema(value_type = EventType)]
    r#type: &'static str,
    /// Su lugar en la lista de eventos de su cuenta y modo: 1, 2, 3 …, sin huecos.
    #[schema(minimum = 1, examples(1))]
    sequence: i64,
    /// Si llegó a sus destinos: `new` (aún no, o no hay destino), `notified` (a todos), `failed` (alguno agotó sus
    /// intentos). En un webhook es siempre `new`.
    #[schema(value_type = EventStatus)]
    status: String,
    /// El objeto de que se trata, como quedó.
    data: Data,
}

/// El objeto de un evento.
#[derive(Serialize, ToSchema)]
#[schema(as = EventData)]
struct Data {
    /// Ruta del objeto.
    #[schema(examples("//invoices/inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    url: String,
    /// La orden, como quedó.
    #[schema(value_type = crate::invoice::Body, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice: Option<Box<RawValue>>,
    /// El pago, cuando se trata de dinero.
    #[schema(value_type = crate::payment::Body, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<Box<RawValue>>,
    /// El destino de webhooks.
    #[schema(value_type = Object, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<serde_json::Value>,
}

/// Qué pasó.
#[derive(ToSchema)]
#[schema(as = EventType, examples("invoice.created"))]
#[expect(dead_code, reason = "only described")]
enum EventType {
    #[schema(rename = "invoice.created")]
    InvoiceCreated,
    #[schema(rename = "invoice.updated")]
    InvoiceUpdated,
    #[schema(rename = "invoice.paid")]
    InvoicePaid,
    #[schema(rename = "invoice.expired")]
    InvoiceExpired,
    #[schema(rename = "invoice.voided")]
    InvoiceVoided,
    #[schema(rename = "invoice.payment_reversed")]
    InvoicePaymentReversed,
    #[schema(rename = "payment.unapplied")]
    PaymentUnapplied,
    #[schema(rename = "payment.applied")]
    PaymentApplied,
    #[schema(rename = "payment.reversed")]
    PaymentReversed,
    #[schema(rename = "payment.returned")]
    PaymentReturned,
    #[schema(rename = "webhook_endpoint.disabled")]
    WebhookEndpointDisabled,
}

/// Un tipo de evento, o `*`: todos.
#[derive(ToSchema)]
#[schema(as = EventFilter, examples("invoice.created"))]
#[expect(dead_code, reason = "only described")]
pub(crate) enum EventFilter {
    #[schema(rename = "*")]
    All,
    #[schema(rename = "invoice.created")]
    InvoiceCreated,
    #[schema(rename = "invoice.updated")]
    InvoiceUpdated,
    #[schema(rename = "invoice.paid")]
    InvoicePaid,
    #[schema(rename = "invoice.expired")]
    InvoiceExpired,
    #[schema(rename = "invoice.voided")]
    InvoiceVoided,
    #[schema(rename = "invoice.payment_reversed")]
    InvoicePaymentReversed,
    #[schema(rename = "payment.unapplied")]
    PaymentUnapplied,
    #[schema(rename = "payment.applied")]
    PaymentApplied,
    #[schema(rename = "payment.reversed")]
    PaymentReversed,
    #[schema(rename = "payment.returned")]
    PaymentReturned,
    #[schema(rename = "webhook_endpoint.disabled")]
    WebhookEndpointDisabled,
}

/// Si un evento llegó a sus destinos.
#[derive(ToSchema)]
#[schema(as = EventStatus, examples("new"))]
#[expect(dead_code, reason = "only described")]
enum EventStatus {
    #[schema(rename = "new")]
    New,
    #[schema(rename = "notified")]
    Notified,
    #[schema(rename = "failed")]
    Failed,
}

/// The event's JSON.
pub fn render(event: &EventView<'_>, view: View<'_>) -> Vec<u8> {
    let data = match &event.subject {
        SubjectView::Invoice(seen, payment) => {
            let reference = seen.invoice.order.reference.as_str();
            let money = |payment| render_payment(PaymentView { payment, reference }, view.version);
            Data {
                url: format!("//invoices/{}", seen.invoice.id.text(event.mode)),
                invoice: raw(render_invoice(seen, view)),
                payment: payment.map(money).and_then(raw),
                endpoint: None,
            }
        }
        SubjectView::Endpoint { id, facts } => {
            let id = id.text(event.mode);
            let mut endpoint = serde_json::Value::clone(facts);
            if let Some(fields) = endpoint.as_object_mut() {
                fields.insert("id".to_owned(), id.clone().into());
                fields.insert("object".to_owned(), "webhook_endpoint".into());
            }
            Data {
                url: format!("//webhook_endpoints/{id}"),
                invoice: None,
                payment: None,
                endpoint: Some(endpoint),
            }
        }
    };
    to_bytes(&Body {
        id: event.id.text(event.mode),
        object: "event",
        livemode: event.mode.is_live(),
        created: event.created.to_string(),
        r#type: event.kind.as_str(),
        sequence: event.sequence,
        status: event.status.to_owned(),
        data,
    })
}

fn raw(json: Vec<u8>) -> Option<Box<RawValue>> {
    String::from_utf8(json).ok().and_then(|text| RawValue::from_string(text).ok())
}

/// The body of a ping, which is no event of the feed: its id is that of its delivery.
pub fn render_ping(id: DeliveryId, mode: Mode, created: Moment) -> Vec<u8> {
    #[derive(Serialize)]
    struct Ping {
        id: String,
        object: &'static str,
        livemode: bool,
        created: String,
        r#type: &'static str,
    }
    to_bytes(&Ping {
        id: id.text(mode),
        object: "event",
        livemode: mode.is_live(),
        created: created.to_string(),
        r#type: "ping",
    })
}
