//! Operations on events, webhook endpoints and deliveries.

use serde_json::{Map, Value, json};

use super::operations::{BODY, COMMON, ONCE, ONE, Operation, answer, answers, with};

/// The tags, in the order of the page.
pub(super) const EVENTS: &str = "Eventos";
pub(super) const WEBHOOKS: &str = "Webhooks";

pub(super) const PAGE: &[&str] = &[
    "unknown_parameter",
    "duplicate_field",
    "invalid_character",
    "too_long",
    "invalid_limit",
    "invalid_cursor",
];
const LIST: &[&str] = &[
    "conflicting_fields",
    "required",
    "out_of_range",
    "invalid_date",
    "invalid_status",
    "invalid_event_type",
    "cursor_expired",
];
const ENDPOINT: &[&str] = &["too_long", "invalid_url", "invalid_event_type"];
const SECRET: &[&str] = &["secret_already_shown"];

pub(super) struct Name {
    id: &'static str,
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
}

pub(super) const fn name(
    id: &'static str,
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
) -> Name {
    Name { id, method, path, tag, summary }
}

pub(super) fn operation(
    Name { id, method, path, tag, summary }: Name,
    description: &'static str,
    parameters: Vec<&'static str>,
    body: Option<Value>,
    answers: Map<String, Value>,
    codes: Vec<&'static [&'static str]>,
) -> Operation {
    Operation { id, method, path, tag, summary, description, parameters, body, answers, codes }
}

pub(super) fn takes(shape: &str, example: Value) -> Option<Value> {
    Some(json!({ "schema": { "$ref": format!("#/components/schemas/{shape}") }, "example": example }))
}

fn reads(shape: &str, example: Value) -> Map<String, Value> {
    answers([(200, answer("El objeto.", shape, &[], &[], example))])
}

fn writes(shape: &str, example: Value) -> Map<String, Value> {
    answers([(200, answer("El objeto, como quedó.", shape, &[], &["Idempotent-Replayed"], example))])
}

fn lists(shape: &str, example: Value) -> Map<String, Value> {
    let page = json!({ "object": "list", "has_more": false, "data": [example] });
    answers([(200, answer("Una página.", shape, &[], &["Link"], page))])
}

const EVENT_LIST: [&str; 11] = [
    "limit",
    "event.starting_after",
    "event.start",
    "event.ending_before",
    "event.end",
    "date",
    "event.status",
    "event.type",
    "event.invoice",
    "event.after",
    "event.wait",
];

/// Every operation, in the order of the page.
pub(super) fn all() -> Vec<Operation> {
    let once = |own: &[&'static str]| with(&[own, &["Idempotency-Key"]].concat(), &COMMON);
    vec![
        operation(
            name("listEvents", "GET", "/v1/payments/events", EVENTS, "Listar eventos"),
            "Lo que pasó, de lo más nuevo a lo más antiguo; con `after`, desde ese `sequence` en adelante y en orden. Quien ya leyó \
             hasta un número nunca verá aparecer otro evento en ese número o antes.\n\nCon `wait`, si no hay nada que mostrar, la \
             respuesta espera hasta que lo haya. Los eventos se guardan 400 días.",
            with(&EVENT_LIST, &COMMON),
            None,
            lists("EventList", event()),
            vec![PAGE, LIST],
        ),
        operation(
            name(
                "listEventsBySeedPath",
                "GET",
                "/v1/payments/events/list",
                EVENTS,
                "Listar eventos (otra ruta)",
            ),
            "Lo mismo que `GET /v1/payments/events`.",
            with(&EVENT_LIST, &COMMON),
            None,
            lists("EventList", event()),
            vec![PAGE, LIST],
        ),
        operation(
            name("getEvent", "GET", "/v1/payments/events/{id}", EVENTS, "Consultar un evento"),
            "El evento, con su objeto como era entonces.",
            with(&["event-id"], &COMMON),
            None,
            reads("Event", event()),
            vec![ONE],
        ),
        operation(
            name(
                "getEventBySeedPath",
                "GET",
                "/v1/payments/event/{id}",
                EVENTS,
                "Consultar un evento (otra ruta)",
            ),
            "Lo mismo que `GET /v1/payments/events/{id}`.",
            with(&["event-id"], &COMMON),
            None,
            reads("Event", event()),
            vec![ONE],
        ),
        operation(
            name("resendEvent", "POST", "/v1/payments/events/{id}/resend", EVENTS, "Reenviar un evento"),
            "Un envío nuevo a cada destino; el estado del evento vuelve a `new`.",
            once(&["event-id"]),
            None,
            writes("Event", event()),
            vec![ONE, ONCE],
        ),
        operation(
            name(
                "createWebhookEndpoint",
                "POST",
                "/v1/payments/webhook_endpoints",
                WEBHOOKS,
                "Crear un destino",
            ),
            "Adónde avisar de los eventos. El secreto con que se firma está en esta respuesta y en ninguna otra. Hasta 16 destinos \
             por cuenta y modo.",
            once(&[]),
            takes(
                "NewWebhookEndpoint",
                json!({ "url": "https://tienda.pe/webhooks", "events": ["invoice.paid"] }),
            ),
            answers([(
                201,
                answer(
                    "El destino, con su secreto.",
                    "WebhookEndpoint",
                    &["Location"],
                    &["Idempotent-Replayed"],
                    endpoint(),
                ),
            )]),
            vec![BODY, ONCE, &["required", "endpoint_limit_reached"], ENDPOINT, SECRET],
        ),
        operation(
            name(
                "listWebhookEndpoints",
                "GET",
                "/v1/payments/webhook_endpoints",
                WEBHOOKS,
                "Listar destinos",
            ),
            "Del más nuevo al más antiguo.",
            with(&["limit", "endpoint.starting_after"], &COMMON),
            None,
            lists("WebhookEndpointList", endpoint()),
            vec![PAGE],
        ),
        operation(
            name(
                "getWebhookEndpoint",
                "GET",
                "/v1/payments/webhook_endpoints/{id}",
                WEBHOOKS,
                "Consultar un destino",
            ),
            "El destino, sin su secreto.",
            with(&["endpoint-id"], &COMMON),
            None,
            reads("WebhookEndpoint", endpoint()),
            vec![ONE],
        ),
        operation(
            name(
                "updateWebhookEndpoint",
                "PATCH",
                "/v1/payments/webhook_endpoints/{id}",
                WEBHOOKS,
                "Cambiar un destino",
            ),
            "Cambia la dirección, los tipos de evento o la descripción, o lo habilita y deshabilita.",
            once(&["endpoint-id"]),
            takes("WebhookEndpointChange", json!({ "enabled": true })),
            writes("WebhookEndpoint", endpoint()),
            vec![BODY, ONCE, ENDPOINT, ONE],
        ),
        operation(
            name(
                "deleteWebhookEndpoint",
                "DELETE",
                "/v1/payments/webhook_endpoints/{id}",
                WEBHOOKS,
                "Eliminar un destino",
            ),
            "Lo que esperaba para él ya no se envía.",
            once(&["endpoint-id"]),
            None,
            writes("WebhookEndpoint", endpoint()),
            vec![ONCE, ONE],
        ),
        operation(
            name(
                "rollWebhookSecret",
                "POST",
                "/v1/payments/webhook_endpoints/{id}/roll_secret",
                WEBHOOKS,
                "Renovar el secreto",
            ),
            "Un secreto nuevo; durante `overlap_seconds` se firma con ambos.",
            once(&["endpoint-id"]),
            takes("RollSecret", json!({ "overlap_seconds": 86_400 })),
            writes("WebhookEndpoint", endpoint()),
            vec![BODY, ONCE, &["out_of_range"], SECRET, ONE],
        ),
        operation(
            name(
                "testWebhookEndpoint",
                "POST",
                "/v1/payments/webhook_endpoints/{id}/test",
                WEBHOOKS,
                "Probar un destino",
            ),
            "Envía un `ping` firmado y responde, en 20 segundos como máximo, qué dijo quien lo recibió.",
            with(&["endpoint-id"], &COMMON),
            None,
            reads("Delivery", delivery()),
            vec![ONE],
        ),
        operation(
            name(
                "redeliverRange",
                "POST",
                "/v1/payments/webhook_endpoints/{id}/redeliver",
                WEBHOOKS,
                "Repetir los envíos de un tramo",
            ),
            "Empieza de nuevo los envíos fallidos (o los entregados) de los eventos entre `after` y `until`, hasta 10 000 por \
             llamada; con `dry_run` solo los cuenta.",
            once(&["endpoint-id"]),
            takes("RedeliverRange", json!({ "after": 0, "dry_run": true })),
            answers([(
                200,
                answer(
                    "Cuántos envíos.",
                    "Redelivered",
                    &[],
                    &["Idempotent-Replayed"],
                    json!({ "object": "redelivery", "count": 3, "dry_run": true }),
                ),
            )]),
            vec![BODY, ONCE, &["out_of_range", "invalid_value", "not_redeliverable"], ONE],
        ),
        operation(
            name(
                "listDeliveries",
                "GET",
                "/v1/payments/webhook_endpoints/{id}/deliveries",
                WEBHOOKS,
                "Listar los envíos de un destino",
            ),
            "Del más nuevo al más antiguo. Se guardan 90 días.",
            with(&["endpoint-id", "limit", "delivery.starting_after"], &COMMON),
            None,
            lists("DeliveryList", delivery()),
            vec![PAGE, ONE],
        ),
        operation(
            name("getDelivery", "GET", "/v1/payments/deliveries/{id}", WEBHOOKS, "Consultar un envío"),
            "El envío con cada uno de sus intentos, que se guardan 30 días.",
            with(&["delivery-id"], &COMMON),
            None,
            reads("Delivery", delivery()),
            vec![ONE],
        ),
        operation(
            name("redeliver", "POST", "/v1/payments/deliveries/{id}/redeliver", WEBHOOKS, "Repetir un envío"),
            "Empieza de nuevo, con todos sus intentos.",
            once(&["delivery-id"]),
            None,
            writes("Delivery", delivery()),
            vec![ONCE, ONE, &["not_redeliverable"]],
        ),
    ]
}

pub(super) fn event() -> Value {
    json!({
        "id": "eve_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "object": "event", "livemode": false,
        "created": "2020-01-01T05:00:01", "type": "invoice.created", "sequence": 1, "status": "new",
        "data": {
            "url": "//invoices/inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd",
            "invoice": super::operations::invoice_example(),
        },
    })
}

fn endpoint() -> Value {
    json!({
        "id": "whe_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "object": "webhook_endpoint", "livemode": false,
        "url": "https://tienda.pe/webhooks", "events": ["invoice.paid"], "enabled": true,
        "created": "2020-01-01T05:00:00",
    })
}

fn delivery() -> Value {
    json!({
        "id": "del_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "object": "delivery", "livemode": false,
        "endpoint": "whe_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "event": "eve_test_2Lx8hVvQ4nRkTz7WmYb3Cd",
        "created": "2020-01-01T05:00:01", "status": "delivered", "attempt_count": 1,
        "attempts": [{ "number": 1, "time": "2020-01-01T05:00:01", "duration_ms": 120, "status": 200, "answer": "ok" }],
    })
}
