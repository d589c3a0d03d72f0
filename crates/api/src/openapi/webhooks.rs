//! The `webhooks` of the document: what a merchant's own server is posted, and how it may answer.
//!
//! To add a kind of event: its line in [`about`], which does not compile without, and its English in `english.json`.

use domain::event::EventKind;
use serde_json::{Map, Value, json};

use super::telling;

/// Path items by the `type` of the event, and the `ping` of a test.
pub(super) fn all() -> Map<String, Value> {
    let mut webhooks: Map<String, Value> = EventKind::ALL
        .iter()
        .map(|kind| {
            let mut example = telling::event();
            example["type"] = json!(kind.as_str());
            let body = json!({ "schema": { "$ref": "#/components/schemas/Event" }, "example": example });
            (kind.as_str().to_owned(), webhook(kind.as_str(), about(*kind), body))
        })
        .collect();
    webhooks.insert("ping".to_owned(), webhook("ping", "Usted pidió probar un destino.", ping()));
    webhooks
}

const fn about(kind: EventKind) -> &'static str {
    match kind {
        EventKind::InvoiceCreated => "Se creó una orden.",
        EventKind::InvoiceUpdated => "Cambió el monto, la moneda o un plazo de una orden pendiente.",
        EventKind::InvoicePaid => "Una orden está pagada: entregue.",
        EventKind::InvoiceExpired => "Una orden expiró sin pago.",
        EventKind::InvoiceVoided => "Usted anuló una orden.",
        EventKind::InvoicePaymentReversed => {
            "El banco retiró el pago de una orden (extorno): vuelve a estar sin pagar."
        }
        EventKind::PaymentUnapplied => "Llegó dinero que no paga ninguna orden.",
        EventKind::PaymentApplied => "Un pago sin aplicar se aplicó a una orden.",
        EventKind::PaymentReversed => "El banco retiró un pago sin aplicar (extorno).",
        EventKind::PaymentReturned => "Un pago sin aplicar se devolvió a quien pagó.",
        EventKind::WebhookEndpointDisabled => "Se deshabilitó un destino que ya no responde.",
    }
}

fn webhook(name: &str, summary: &str, body: Value) -> Value {
    let header = |name: &str, description: &str, pattern: &str, example: &str| {
        json!({
            "name": name, "in": "header", "required": true, "description": description,
            "schema": { "type": "string", "pattern": pattern }, "example": example,
        })
    };
    let answer = |description: &str| json!({ "description": description });
    json!({ "post": {
        "operationId": format!("on_{}", name.replace('.', "_")),
        "tags": [telling::WEBHOOKS],
        "summary": summary,
        "description":
            "Llega al menos una vez y sin orden prometido: reconozca una repetición por `webhook-id` y el orden por `sequence`. \
             Verifique la firma sobre los bytes recibidos antes de leerlos.",
        "security": [],
        "parameters": [
            header(
                "webhook-id",
                "De qué se avisa: el mismo en cada intento.",
                "^(eve|del)_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
                "eve_test_2Lx8hVvQ4nRkTz7WmYb3Cd",
            ),
            header(
                "webhook-timestamp",
                "Cuándo se envió este intento, en segundos desde 1970; rechace lo que difiera más de cinco minutos de su reloj.",
                "^[0-9]+$",
                "1577854801",
            ),
            header(
                "webhook-signature",
                "`v1,` y la firma en base64: HMAC-SHA256 de `id.timestamp.cuerpo` con el secreto del destino (Standard Webhooks). \
                 Mientras se renueva el secreto son dos, separadas por un espacio: basta que una sea válida.",
                "^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)*$",
                "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
            ),
        ],
        "requestBody": { "required": true, "content": { "application/json": body } },
        "responses": {
            "2XX": answer("Recibido. No se espera ningún cuerpo."),
            "410": answer("No quiere más: el destino se deshabilita."),
            "default": answer(
                "No recibido: se intenta otra vez, hasta diez veces en unas 75 horas. Se respeta `Retry-After` hasta 24 horas. \
                 Una redirección no se sigue; sin respuesta en 15 segundos cuenta como no recibido.",
            ),
        },
    } })
}

/// What a test of an endpoint posts: no event of the feed, so it has neither `sequence` nor `data`.
fn ping() -> Value {
    let text = |description: &str, pattern: &str| json!({ "type": "string", "description": description, "pattern": pattern });
    json!({
        "schema": {
            "type": "object",
            "description": "Lo que envía la prueba de un destino.",
            "required": ["id", "object", "livemode", "created", "type"],
            "properties": {
                "id": text("Identificador del envío.", "^del_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$"),
                "object": text("Siempre `event`.", "^event$"),
                "livemode": { "type": "boolean", "description": "`true` para dinero real, `false` para pruebas." },
                "created": { "$ref": "#/components/schemas/UtcDateTime", "description": "Cuándo se pidió, en UTC." },
                "type": text("Siempre `ping`.", "^ping$"),
            },
        },
        "example": {
            "id": "del_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "object": "event", "livemode": false,
            "created": "2020-01-01T05:00:01", "type": "ping",
        },
    })
}
