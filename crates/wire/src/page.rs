//! What the payment page's own script asks for: where the order stands, and nothing about anybody.

use domain::invoice::{Seen, Status};
use serde::Serialize;
use utoipa::ToSchema;

use crate::invoice::to_bytes;
use crate::schema;
use crate::version::Version;

/// Cómo está una orden en este momento, sin datos de nadie: lo que la página de pago pregunta mientras está abierta.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentPageStatus)]
pub(crate) struct Body {
    /// Siempre `payment_page`.
    #[schema(pattern = "^payment_page$", examples("payment_page"))]
    object: &'static str,
    /// `false` en modo de prueba.
    livemode: bool,
    /// `pending` (pendiente), `paid` (pagada), `expired` (vencida) o `voided` (anulada), sea cual sea la versión.
    #[schema(pattern = "^(pending|paid|expired|voided)$", examples("pending"))]
    status: &'static str,
    /// Moneda del monto.
    #[schema(value_type = schema::Currency)]
    currency: &'static str,
    /// Total por pagar en este momento, o lo que se pagó.
    #[schema(pattern = "^[0-9]+[.][0-9]{2}$", examples("20.00"))]
    amount: String,
    /// Desde este momento la orden ya no se puede pagar.
    #[schema(value_type = schema::UtcDateTime)]
    expiration_datetime: String,
    /// Momento del pago. Solo en órdenes pagadas.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<String>,
}

/// The status as JSON. Equal bytes mean that a page which shows it is still true.
pub fn render(seen: &Seen<'_>) -> Vec<u8> {
    let (invoice, terms) = (seen.invoice, &seen.invoice.terms);
    let paid_at = match seen.status {
        Status::Paid { paid_at, .. } => Some(paid_at.to_string()),
        Status::Pending | Status::Expired | Status::Voided => None,
    };
    to_bytes(&Body {
        object: "payment_page",
        livemode: invoice.owner.mode.is_live(),
        status: Version::V1_0_0.state(seen.status.state()),
        currency: terms.currency.as_str(),
        amount: seen.total().to_string(),
        expiration_datetime: terms.expires.to_string(),
        paid_at,
    })
}
