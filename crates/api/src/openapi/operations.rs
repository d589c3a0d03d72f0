//! The operations: what each is for, what it takes, what it answers, and which error codes it can give.

use serde_json::{Map, Value, json};

/// The tags, in the order of the page.
pub(super) const INVOICES: &str = "Órdenes de Pago";
pub(super) const ACCOUNT: &str = "Cuenta";
pub(super) const DOCUMENTS: &str = "Documentación";

/// The create requests that the API's documents printed: title, and text to the byte. The tests send the same files.
pub const SAMPLES: [(&str, &str); 3] = [
    ("Recomendada, con cliente y plazos", include_str!("../../../kashio/tests/it/samples/2020-create.json")),
    ("Mínima con cliente", include_str!("../../../kashio/tests/it/samples/2018-create.json")),
    ("Sobre de la edición de 2017", include_str!("../../../kashio/tests/it/samples/seed-create.json")),
];

/// Codes that any request can be answered.
pub(super) const ANY: &[&str] =
    &["key_in_url", "https_required", "uri_too_long", "headers_too_large", "internal_error", "unavailable"];
/// … any that needs a key.
pub(super) const KEYED: &[&str] = &["unauthorized", "ip_not_allowed", "unknown_version", "rate_limited"];
/// … any with a body.
pub(super) const BODY: &[&str] = &[
    "invalid_json",
    "invalid_type",
    "unknown_field",
    "duplicate_field",
    "conflicting_fields",
    "too_deep",
    "too_many_keys",
    "invalid_character",
    "request_timeout",
    "body_too_large",
    "unsupported_media_type",
    "unsupported_encoding",
];
/// … any that happens once.
pub(super) const ONCE: &[&str] =
    &["invalid_idempotency_key", "idempotency_in_progress", "idempotency_key_reused"];
/// … any that names an invoice.
pub(super) const ONE: &[&str] = &["not_found"];
/// … any that sets amounts or terms.
const TERMS: &[&str] = &[
    "invalid_amount",
    "invalid_currency",
    "invalid_datetime",
    "due_after_expiration",
    "expiration_in_past",
    "expiration_too_far",
];
const CHANGE: &[&str] =
    &["field_not_updatable", "invoice_already_paid", "invoice_expired", "invoice_voided", "version_mismatch"];
const CREATE: &[&str] = &[
    "required",
    "too_short",
    "too_long",
    "request_datetime_in_future",
    "invalid_email",
    "invalid_phone",
    "invalid_document_type",
    "invalid_document",
    "invalid_url",
    "invalid_size_qr",
    "invoice_id_conflict",
];
const LIST: &[&str] = &[
    "unknown_parameter",
    "duplicate_field",
    "conflicting_fields",
    "invalid_character",
    "too_short",
    "too_long",
    "invalid_limit",
    "invalid_cursor",
    "invalid_date",
    "invalid_datetime",
    "invalid_status",
    "invalid_ktin",
    "invalid_currency",
];

pub(super) const COMMON: [&str; 3] = ["KashIO-Version", "Accept-Language", "X-Request-Id"];

/// An operation of the API.
pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: Vec<&'static str>,
    /// The media type object of its JSON body.
    pub(super) body: Option<Value>,
    /// Its good answers, by status.
    pub(super) answers: Map<String, Value>,
    /// Its error codes, beside those that every operation has.
    pub(super) codes: Vec<&'static [&'static str]>,
}

/// Every operation, in the order of the page.
pub(super) fn all() -> Vec<Operation> {
    let parts = [own(), super::money::all(), super::telling::all(), super::pages::all()];
    parts.into_iter().flatten().collect()
}

fn own() -> Vec<Operation> {
    vec![
        Operation {
            id: "createInvoice",
            method: "POST",
            path: "/v1/payments/invoices",
            tag: INVOICES,
            summary: "Crear una Orden de Pago",
            description: "Crea una orden pendiente de pago. El cuerpo es la orden, o la orden dentro del sobre `invoice`.\n\n\
                          La misma solicitud otra vez no crea otra orden: responde 200 con la que ya existe. Un cuerpo con el `id` de \
                          una orden existente la actualiza, igual que `PATCH`.",
            parameters: with(&["Idempotency-Key", "If-Match"], &COMMON),
            body: Some(create_body()),
            answers: answers([
                (201, {
                    let mut created = answer(
                        "La orden creada.",
                        "Invoice",
                        &["ETag", "Location"],
                        &["Idempotent-Replayed"],
                        invoice_example(),
                    );
                    created["links"] = links();
                    created
                }),
                (
                    200,
                    answer(
                        "La orden que ya existía con este `invoice_id` y este contenido, como está ahora; o la orden actualizada, si el \
                     cuerpo llevaba su `id`.",
                        "Invoice",
                        &["ETag"],
                        &["Idempotent-Replayed"],
                        invoice_example(),
                    ),
                ),
            ]),
            codes: vec![BODY, ONCE, TERMS, CREATE, CHANGE, ONE],
        },
        Operation {
            id: "getInvoice",
            method: "GET",
            path: "/v1/payments/invoices/{id}",
            tag: INVOICES,
            summary: "Consultar una Orden de Pago",
            description: "La orden como está en este momento: con la mora de hoy, y vencida si su plazo ya pasó.",
            parameters: with(&["id"], &COMMON),
            body: None,
            answers: answers([(200, answer("La orden.", "Invoice", &["ETag"], &[], invoice_example()))]),
            codes: vec![ONE],
        },
        Operation {
            id: "updateInvoice",
            method: "PATCH",
            path: "/v1/payments/invoices/{id}",
            tag: INVOICES,
            summary: "Actualizar una Orden de Pago",
            description: "Cambia la moneda, el monto, la fecha de vencimiento o el plazo de una orden pendiente. Si nada cambia, la \
                          respuesta es 200 y la versión queda igual.",
            parameters: with(&["id", "Idempotency-Key", "If-Match"], &COMMON),
            body: Some(update_body()),
            answers: answers([(200, updated())]),
            codes: vec![BODY, ONCE, TERMS, CHANGE, ONE],
        },
        Operation {
            id: "updateInvoiceByPost",
            method: "POST",
            path: "/v1/payments/invoices/{id}",
            tag: INVOICES,
            summary: "Actualizar una Orden de Pago (con POST)",
            description: "Lo mismo que `PATCH` en la misma dirección, para clientes que no lo pueden enviar.",
            parameters: with(&["id", "Idempotency-Key", "If-Match"], &COMMON),
            body: Some(update_body()),
            answers: answers([(200, updated())]),
            codes: vec![BODY, ONCE, TERMS, CHANGE, ONE],
        },
        Operation {
            id: "voidInvoice",
            method: "DELETE",
            path: "/v1/payments/invoices/{id}",
            tag: INVOICES,
            summary: "Anular una Orden de Pago",
            description: "Anula una orden pendiente: desde entonces no se puede pagar, y se la puede seguir consultando. Anularla otra \
                          vez responde lo mismo. Una orden pagada o vencida no se anula.",
            parameters: with(&["id", "Idempotency-Key", "If-Match"], &COMMON),
            body: None,
            answers: answers([(
                200,
                answer("La orden anulada.", "Invoice", &["ETag"], &["Idempotent-Replayed"], voided_example()),
            )]),
            codes: vec![ONCE, ONE, &["invoice_already_paid", "invoice_expired", "version_mismatch"]],
        },
        Operation {
            id: "listInvoices",
            method: "GET",
            path: "/v1/payments/invoices",
            tag: INVOICES,
            summary: "Listar Órdenes de Pago",
            description: "Las órdenes, de la más nueva a la más antigua, por páginas. Los filtros se combinan: una orden aparece si \
                          cumple todos.\n\nLa cabecera `Link` da la página siguiente; siguiéndola se ve exactamente una vez cada orden que \
                          existía al empezar, aunque mientras tanto se creen otras.",
            parameters: with(&list_parameters(), &COMMON),
            body: None,
            answers: answers([(
                200,
                answer(
                    "Una página de órdenes.",
                    "InvoiceList",
                    &[],
                    &["Link"],
                    json!({
                        "object": "list", "has_more": false, "data": [invoice_example()],
                    }),
                ),
            )]),
            codes: vec![LIST],
        },
        Operation {
            id: "listInvoicesBare",
            method: "GET",
            path: "/v1/payments/invoices/list",
            tag: INVOICES,
            summary: "Listar Órdenes de Pago (edición de 2017)",
            description: "Lo mismo que `GET /v1/payments/invoices`, pero la respuesta es la lista sola; si hay más, lo dice la cabecera \
                          `X-Has-More`.",
            parameters: with(&list_parameters(), &COMMON),
            body: None,
            answers: answers([(200, bare_list())]),
            codes: vec![LIST],
        },
        Operation {
            id: "listInvoicesOfDay",
            method: "GET",
            path: "/v1/payments/invoices/list/{date}",
            tag: INVOICES,
            summary: "Listar las Órdenes de Pago de un día",
            description: "Las órdenes creadas en un día de Lima, como lista sola. Admite los mismos filtros.",
            parameters: with(&[vec!["day"], list_parameters()].concat(), &COMMON),
            body: None,
            answers: answers([(200, bare_list())]),
            codes: vec![LIST],
        },
        Operation {
            id: "getAccount",
            method: "GET",
            path: "/v1/payments",
            tag: ACCOUNT,
            summary: "Comprobar la clave",
            description: "Dice a quién pertenece la clave, en qué modo está, con qué versión se le responde y qué puede hacer. Sirve \
                          para comprobar que la conexión funciona.",
            parameters: COMMON.to_vec(),
            body: None,
            answers: answers([(
                200,
                answer("La cuenta y la clave.", "Account", &[], &[], account_example()),
            )]),
            codes: vec![],
        },
        Operation {
            id: "getOpenApi",
            method: "GET",
            path: "/openapi.json",
            tag: DOCUMENTS,
            summary: "Este documento",
            description: "La API descrita en OpenAPI 3.1, para generar clientes y comprobar solicitudes.",
            parameters: vec!["X-Request-Id"],
            body: None,
            answers: answers([(
                200,
                plain(
                    "El documento.",
                    "application/json",
                    json!({ "type": "object", "required": ["openapi"] }),
                ),
            )]),
            codes: vec![],
        },
        Operation {
            id: "getDocs",
            method: "GET",
            path: "/docs",
            tag: DOCUMENTS,
            summary: "La documentación",
            description: "Este documento como página para leer.",
            parameters: vec!["X-Request-Id"],
            body: None,
            answers: answers([(200, plain("La página.", "text/html", json!({ "type": "string" })))]),
            codes: vec![],
        },
    ]
}

pub(super) fn with(own: &[&'static str], common: &[&'static str]) -> Vec<&'static str> {
    [own, common].concat()
}

fn list_parameters() -> Vec<&'static str> {
    super::parameters::LIST.iter().map(|parameter| parameter.name).collect()
}

pub(super) fn answers<const N: usize>(answers: [(u16, Value); N]) -> Map<String, Value> {
    answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect()
}

/// References to headers: those that are always there, those that may be, and those of every answer.
pub(super) fn header_references(always: &[&str], sometimes: &[&str]) -> Map<String, Value> {
    let required =
        |name: &&str| (name.to_string(), json!({ "$ref": format!("#/components/headers/{name}.required") }));
    let optional =
        |name: &&str| (name.to_string(), json!({ "$ref": format!("#/components/headers/{name}") }));
    let every = [
        required(&"Request-Id"),
        optional(&"X-Request-Id"),
        optional(&"RateLimit-Policy"),
        optional(&"RateLimit"),
    ];
    always.iter().map(required).chain(sometimes.iter().map(optional)).chain(every).collect()
}

pub(super) fn answer(
    description: &str,
    shape: &str,
    always: &[&str],
    sometimes: &[&str],
    example: Value,
) -> Value {
    json!({
        "description": description,
        "headers": header_references(always, sometimes),
        "content": { "application/json": {
            "schema": { "$ref": format!("#/components/schemas/{shape}") },
            "example": example,
        } },
    })
}

pub(super) fn plain(description: &str, content_type: &str, schema: Value) -> Value {
    json!({
        "description": description,
        "headers": header_references(&[], &[]),
        "content": { content_type: { "schema": schema } },
    })
}

fn bare_list() -> Value {
    let mut answer =
        answer("Una página de órdenes.", "Invoice", &["X-Has-More"], &["Link"], json!([invoice_example()]));
    answer["content"]["application/json"]["schema"] =
        json!({ "type": "array", "maxItems": 500, "items": { "$ref": "#/components/schemas/Invoice" } });
    answer
}

fn updated() -> Value {
    let mut invoice = invoice_example();
    for (field, value) in [("version", json!(2)), ("amount", json!("25.00")), ("sub_total", json!("25.00"))] {
        invoice[field] = value;
    }
    answer("La orden como quedó.", "Invoice", &["ETag"], &["Idempotent-Replayed"], invoice)
}

/// The forms of a create request, and the documents' samples.
fn create_body() -> Value {
    let forms = ["CreateInvoice", "CreateInvoiceEnvelope", "CreateInvoiceAliases", "UpdateInvoiceById"];
    let forms = forms.map(|form| json!({ "$ref": format!("#/components/schemas/{form}") }));
    let mut examples = Map::new();
    for ((title, text), name) in SAMPLES.iter().zip(["edicion-2020", "edicion-2018", "edicion-2017"]) {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        examples.insert(name.to_owned(), json!({ "summary": title, "value": value }));
    }
    json!({ "schema": { "anyOf": forms }, "examples": examples })
}

fn update_body() -> Value {
    json!({
        "schema": { "$ref": "#/components/schemas/UpdateInvoice" },
        "example": { "amount": "25.00" },
    })
}

/// Where the id of a new invoice leads.
fn links() -> Value {
    let to = |operation: &str, description: &str| json!({ "operationId": operation, "parameters": { "id": "$response.body#/id" }, "description": description });
    json!({
        "consultar": to("getInvoice", "El `id` de la orden creada la consulta."),
        "actualizar": to("updateInvoice", "El `id` de la orden creada la actualiza."),
        "anular": to("voidInvoice", "El `id` de la orden creada la anula."),
    })
}

pub(super) fn invoice_example() -> Value {
    json!({
        "id": "inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd",
        "object": "invoice",
        "livemode": false,
        "created": "2020-01-01T05:00:01",
        "status": "pending",
        "version": 1,
        "invoice_id": "INV-000001-001",
        "currency": "PEN",
        "amount": "15.00",
        "sub_total": "15.00",
        "late_fee": "0.00",
        "fees": "0.00",
        "request_datetime": "2020-01-01T05:00:00",
        "due_datetime": "2020-01-02T04:59:59",
        "expiration_datetime": "2020-02-01T05:00:00",
        "customer": {
            "name": "JUAN PEREZ",
            "email": "juan.perez.xxx@gmail.com",
            "phone": "+13055606666",
            "document_type": "DNI",
            "document_id": "10203040",
            "external_id": "CUS-10203040-001",
        },
        "metadata": {
            "order_id": "000001-001", "order_name": "Deuda Enero 2019", "order_description": "Deuda Enero 2019",
        },
        "size_qr": 150,
        "ktin": "200014817056",
        "token": "pR3mXw9TzKc7VbNq5Yd2Hs",
        "qr_code": "pR3mXw9TzKc7VbNq5Yd2Hs",
        "url_qr": "https://api.kashio.net/pay/pR3mXw9TzKc7VbNq5Yd2Hs/qr.png",
        "url_payment": "https://api.kashio.net/pay/pR3mXw9TzKc7VbNq5Yd2Hs",
    })
}

pub(super) fn voided_example() -> Value {
    let mut invoice = invoice_example();
    invoice["status"] = json!("voided");
    invoice["version"] = json!(2);
    invoice
}

fn account_example() -> Value {
    json!({
        "object": "account",
        "id": "acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd",
        "name": "Tienda Demo",
        "livemode": false,
        "version": "1.0.0",
        "key": {
            "id": "key_test_2Lx8hVvQ4nRkTz7WmYb3Cd",
            "name": "tienda en línea",
            "scopes": ["invoices:read", "invoices:write"],
            "last_used_at": "2020-01-01T04:59:00",
        },
        "links": {
            "invoices": "https://api.kashio.net/v1/payments/invoices",
            "payments": "https://api.kashio.net/v1/payments/payments",
            "events": "https://api.kashio.net/v1/payments/events",
            "webhook_endpoints": "https://api.kashio.net/v1/payments/webhook_endpoints",
            "docs": "https://api.kashio.net/docs",
            "openapi": "https://api.kashio.net/openapi.json",
        },
    })
}
