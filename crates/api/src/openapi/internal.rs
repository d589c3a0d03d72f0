//! The document of the internal API: its own operations, and merchants' on an account's behalf, which are made from
//! those of the public document.

use serde_json::{Map, Value, json};
use wire::codes::{self, Described};

use super::operations::{self, BODY, ONCE, ONE, Operation, answer, answers, plain, with};
use super::{describe_for, parameters, schemas, tidy};
use crate::internal::routes;

const ACCOUNTS: &str = "Cuentas";
const KEYS: &str = "Claves";
const SERVICES: &str = "Claves de servicio";
const CHANNELS: &str = "Canales";
const COLLECTIONS: &str = "Recaudación";
const SUPPORT: &str = "Soporte";
const AUDIT: &str = "Auditoría";
const ON_BEHALF: &str = "En nombre de una cuenta";

/// Codes of any operation that needs a service key.
const KEYED: [&str; 3] = ["unauthorized", "rate_limited", "insufficient_role"];
/// … of any that lists.
const LIST: &[&str] = &[
    "unknown_parameter",
    "duplicate_field",
    "invalid_character",
    "too_long",
    "invalid_limit",
    "invalid_cursor",
];
/// … of any that an operator answers for.
const ACTOR: &[&str] = &["required", "invalid_character", "too_long", "duplicate_field"];
const SETTINGS: &[&str] = &[
    "too_short",
    "invalid_document",
    "unknown_version",
    "invalid_value",
    "out_of_range",
    "invalid_percent",
    "invalid_channel",
    "invalid_amount",
    "invalid_currency",
    "field_not_updatable",
];
const NEW_KEY: &[&str] = &[
    "too_short",
    "invalid_value",
    "invalid_scope",
    "invalid_network",
    "invalid_datetime",
    "expiration_in_past",
    "secret_already_shown",
    "live_not_enabled",
    "key_limit_reached",
];
const ROLL: &[&str] = &[
    "out_of_range",
    "secret_already_shown",
    "live_not_enabled",
    "key_limit_reached",
    "key_ended",
    "key_already_rolled",
];

const SEARCH: &[&str] =
    &["required", "unknown_parameter", "duplicate_field", "invalid_character", "too_long"];
const DECIDE: &[&str] = &["too_short", "payment_not_unapplied", "second_actor_required"];
const APPLY: &[&str] = &["payment_mismatch", "invoice_already_paid", "invoice_voided", "invoice_id_conflict"];

const COMMON: [&str; 2] = ["Accept-Language", "X-Request-Id"];
const WRITE: [&str; 5] =
    ["internal.X-Actor", "internal.X-Reason", "Idempotency-Key", "Accept-Language", "X-Request-Id"];

/// The document.
pub fn document(support_email: &str) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "KashIO Payments: API interna",
            "version": "1",
            "summary": "Para KCMS, la consola, y los conectores de bancos.",
            "description": "Se atiende en un puerto propio, nunca en el público. Las reglas de JSON, errores, repetición y listas \
                            son las de la API pública.\n\nToda escritura nombra a quien la hace en `X-Actor`; con su motivo en \
                            `X-Reason` donde se pide, queda en el registro de auditoría.",
            "contact": { "name": "Soporte KashIO", "email": support_email },
        },
        "servers": [{ "url": "/", "description": "El puerto interno." }],
        "security": [{ "bearer": [] }],
        "tags": [
            { "name": ACCOUNTS, "description": "Comercios y sus ajustes." },
            { "name": KEYS, "description": "Las claves de los comercios." },
            { "name": SERVICES, "description": "Las claves de la consola y de los conectores." },
            { "name": CHANNELS, "description": "Los bancos y agentes que llaman." },
            {
                "name": COLLECTIONS,
                "description": "Lo que llaman los bancos, por sus conectores: consulta, pago y extorno. Lo que resulta es 200 con un \
                                `result`, también cuando se rechaza.",
            },
            { "name": SUPPORT, "description": "Buscar, saber qué pasó, y decidir sobre el dinero sin aplicar." },
            { "name": AUDIT, "description": "Quién hizo qué." },
            { "name": ON_BEHALF, "description": "Las rutas de los comercios, hechas por un operador." },
        ],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http", "scheme": "bearer",
                    "description": "Una clave de servicio: `Authorization: Bearer ik_…`.",
                },
            },
            "schemas": shapes(),
            "parameters": parameters::all().into_iter().chain(own_parameters()).collect::<Map<_, _>>(),
            "headers": headers(),
        },
    });
    tidy(&mut document);
    document
}

/// Those of the public document; addresses of this listener are told without its name.
fn headers() -> Map<String, Value> {
    let mut headers = parameters::headers();
    for (name, pattern, example) in [
        ("Location", "^/internal/v1/", "/internal/v1/keys/key_test_2Lx8hVvQ4nRkTz7WmYb3Cd"),
        (
            "Link",
            "^</internal/v1/[^>]+>; rel=\"next\"$",
            "</internal/v1/accounts?starting_after=acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd>; rel=\"next\"",
        ),
    ] {
        for name in [name.to_owned(), format!("{name}.required")] {
            if let Some(header) = headers.get_mut(&name) {
                header["schema"]["pattern"] = json!(pattern);
                header["example"] = json!(example);
            }
        }
    }
    headers
}

fn codes() -> Vec<Described> {
    codes::all().into_iter().chain(codes::internal()).collect()
}

fn shapes() -> Map<String, Value> {
    let mut shapes = schemas(wire::internal::schema::all());
    let names: Vec<&str> = codes().iter().map(|code| code.name).collect();
    if let Some(code) = shapes.get_mut("ErrorCode") {
        code["enum"] = json!(names);
        let meanings = codes().into_iter().map(|code| (code.name.to_owned(), json!(code.meaning)));
        code["x-enum-descriptions"] = Value::Object(meanings.collect());
    }
    shapes
}

fn paths() -> Map<String, Value> {
    let known = codes();
    let mut paths = Map::new();
    let mut add = |path: String, method: &str, described: Value| {
        let path = paths.entry(path).or_insert_with(|| json!({}));
        path[method.to_ascii_lowercase()] = described;
    };
    for operation in all() {
        let is_open = operation.path.ends_with("/openapi.json");
        let described = describe_for(&operation, &known, is_open, |name| KEYED.contains(&name));
        add(operation.path.to_owned(), operation.method, described);
    }
    let public = operations::all();
    for route in routes::all() {
        let merchants = public.iter().find(|operation| {
            Some(operation.path) == route.public && operation.method == route.method.as_str()
        });
        if let Some(operation) = merchants {
            add(route.path.clone(), operation.method, on_behalf(operation, &known));
        }
    }
    let mut paths = Value::Object(paths);
    without_rate_limits(&mut paths);
    match paths {
        Value::Object(paths) => paths,
        _ => Map::new(),
    }
}

/// A merchant's operation, done by an operator.
fn on_behalf(operation: &Operation, known: &[Described]) -> Value {
    let mut described = describe_for(operation, known, false, |name| {
        KEYED.contains(&name) || ACTOR.contains(&name) || name == "unknown_version" || name == "not_found"
    });
    described["tags"] = json!([ON_BEHALF]);
    described["operationId"] = json!(format!("{}OnBehalf", operation.id));
    let mut own = vec!["internal.account", "internal.mode"];
    if operation.method != "GET" {
        own.extend(["internal.X-Actor", "internal.X-Reason"]);
    }
    if let Some(list) = described["parameters"].as_array_mut() {
        list.extend(own.into_iter().map(parameters::reference));
    }
    described
}

/// Operators are not limited: their answers do not have those headers.
fn without_rate_limits(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(without_rate_limits),
        Value::Object(fields) => {
            fields.remove("RateLimit");
            fields.remove("RateLimit-Policy");
            fields.values_mut().for_each(without_rate_limits);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn own_parameters() -> Map<String, Value> {
    let mut all = Map::new();
    let mut add = |key: &str, name: &str, place: &str, required: bool, description: &str, example: &str| {
        let parameter = json!({
            "name": name, "in": place, "required": required, "description": description,
            "schema": { "type": "string", "examples": [example] },
        });
        all.insert(format!("internal.{key}"), parameter);
    };
    let (invoice, payment) = ("inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd", "pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd");
    let (account, key) = ("acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "key_test_2Lx8hVvQ4nRkTz7WmYb3Cd");
    let service = "key_live_2Lx8hVvQ4nRkTz7WmYb3Cd";
    add("X-Actor", "X-Actor", "header", true, "El operador que actúa, hasta 200 caracteres.", "operador-7");
    add("X-Reason", "X-Reason", "header", false, "Por qué, hasta 1000 caracteres.", "solicitud del comercio");
    add("account", "account", "path", true, "La cuenta.", account);
    add("mode", "mode", "path", true, "`test` o `live`.", "test");
    add("account-id", "id", "path", true, "La cuenta.", account);
    add("key-id", "id", "path", true, "La clave.", key);
    add("channel-id", "id", "path", true, "El canal.", "bcp");
    add("invoice-id", "id", "path", true, "La orden, de cualquier cuenta y modo.", invoice);
    add("payment-id", "id", "path", true, "El pago, de cualquier cuenta y modo.", payment);
    add("q", "q", "query", true, "Lo que se busca, entero: de 1 a 200 caracteres.", "263264817050");
    add("service-key-id", "id", "path", true, "La clave de servicio.", service);
    add(
        "search",
        "search",
        "query",
        false,
        "Una parte del nombre o de la razón social, o el RUC entero.",
        "rosita",
    );
    add("name", "name", "query", false, "Una parte del nombre o de la razón social.", "rosita");
    add("tax_id", "tax_id", "query", false, "El RUC.", "20512333797");
    add("starting_after", "starting_after", "query", false, "Cursor: lo que sigue a este objeto.", account);
    add("ending_before", "ending_before", "query", false, "Cursor: lo que precede a este objeto.", account);
    add("actor", "actor", "query", false, "Solo lo que hizo este operador.", "operador-7");
    add("object", "object", "query", false, "Solo lo que concierne a este objeto.", key);
    let after = "Lo que sigue a esta fila, de lo más antiguo a lo más nuevo.";
    add("after", "after", "query", false, after, "aud_2Lx8hVvQ4nRkTz7WmYb3Cd");
    all
}

struct Own {
    id: &'static str,
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
}

fn own(
    Own { id, method, path, tag, summary }: Own,
    description: &'static str,
    parameters: Vec<&'static str>,
    body: Option<Value>,
    answers: Map<String, Value>,
    codes: Vec<&'static [&'static str]>,
) -> Operation {
    Operation { id, method, path, tag, summary, description, parameters, body, answers, codes }
}

fn takes(shape: &str, example: Value) -> Option<Value> {
    Some(json!({ "schema": { "$ref": format!("#/components/schemas/{shape}") }, "example": example }))
}

fn shows(description: &str, shape: &str, example: Value) -> Map<String, Value> {
    answers([(200, answer(description, shape, &[], &["Idempotent-Replayed"], example))])
}

/// What two operators decide: a proposal, and then the deed.
fn decides(deed: &str, action: Value) -> Map<String, Value> {
    let replayed = &["Idempotent-Replayed"];
    let mut proposal = json!({
        "object": "proposal", "payment": "pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd", "proposed_by": "operador-7",
        "created": "2020-01-01T05:00:00", "lapses_at": "2020-01-02T05:00:00",
    });
    if let (Some(proposal), Value::Object(action)) = (proposal.as_object_mut(), action) {
        proposal.extend(action);
    }
    answers([
        (200, answer(deed, "Payment", &[], replayed, payment())),
        (202, answer("La propuesta: otro operador la confirma.", "PaymentProposal", &[], replayed, proposal)),
    ])
}

fn makes(description: &str, shape: &str, example: Value) -> Map<String, Value> {
    answers([(201, answer(description, shape, &["Location"], &["Idempotent-Replayed"], example))])
}

/// Whatever comes of a bank's call.
fn collected(shape: &str, example: Value) -> Map<String, Value> {
    answers([(200, answer("El resultado.", shape, &[], &[], example))])
}

fn lists(shape: &str, example: Value) -> Map<String, Value> {
    answers([(200, answer("Una página.", shape, &[], &["Link"], page(example)))])
}

fn page(example: Value) -> Value {
    json!({ "object": "list", "has_more": false, "data": [example] })
}

fn all() -> Vec<Operation> {
    const ACCOUNT: &str = "internal.account-id";
    const KEY: &str = "internal.key-id";
    const SERVICE: &str = "internal.service-key-id";
    let at = |id, method, path, tag, summary| Own { id, method, path, tag, summary };
    vec![
        own(
            at("createAccount", "POST", "/internal/v1/accounts", ACCOUNTS, "Crear una cuenta"),
            "Una cuenta nueva solo acepta claves de prueba, si no se dice otra cosa.",
            WRITE.to_vec(),
            takes("NewAccount", json!({ "name": "Bodega Rosita", "tax_id": "20512333797" })),
            makes("La cuenta.", "InternalAccount", account()),
            vec![BODY, ONCE, ACTOR, SETTINGS],
        ),
        own(
            at("listAccounts", "GET", "/internal/v1/accounts", ACCOUNTS, "Listar cuentas"),
            "De la más nueva a la más antigua; se buscan por nombre, razón social y RUC.",
            with(
                &[
                    "limit",
                    "internal.search",
                    "internal.name",
                    "internal.tax_id",
                    "internal.starting_after",
                    "internal.ending_before",
                ],
                &COMMON,
            ),
            None,
            lists("InternalAccountList", account()),
            vec![LIST],
        ),
        own(
            at("getAccount", "GET", "/internal/v1/accounts/{id}", ACCOUNTS, "Consultar una cuenta"),
            "La cuenta y sus ajustes.",
            with(&[ACCOUNT], &COMMON),
            None,
            shows("La cuenta.", "InternalAccount", account()),
            vec![ONE],
        ),
        own(
            at(
                "updateAccount",
                "PATCH",
                "/internal/v1/accounts/{id}",
                ACCOUNTS,
                "Cambiar los ajustes de una cuenta",
            ),
            "Rige en todas las réplicas en 2 segundos. La mora de las órdenes que ya existen no cambia. Cambiar `live_enabled` exige \
             `X-Reason`.",
            with(&[ACCOUNT], &WRITE),
            takes("AccountSettings", json!({ "customer_required": true })),
            shows("La cuenta como quedó.", "InternalAccount", account()),
            vec![BODY, ONCE, ACTOR, SETTINGS, ONE],
        ),
        own(
            at(
                "disableAccount",
                "POST",
                "/internal/v1/accounts/{id}/disable",
                ACCOUNTS,
                "Deshabilitar una cuenta",
            ),
            "Sus claves dejan de aceptarse; sus órdenes se pueden seguir pagando. Exige `X-Reason`.",
            with(&[ACCOUNT], &WRITE),
            None,
            shows("La cuenta.", "InternalAccount", account()),
            vec![BODY, ONCE, ACTOR, ONE],
        ),
        own(
            at(
                "enableAccount",
                "POST",
                "/internal/v1/accounts/{id}/enable",
                ACCOUNTS,
                "Habilitar una cuenta",
            ),
            "Sus claves se aceptan de nuevo.",
            with(&[ACCOUNT], &WRITE),
            None,
            shows("La cuenta.", "InternalAccount", account()),
            vec![BODY, ONCE, ACTOR, ONE],
        ),
        own(
            at("createKey", "POST", "/internal/v1/accounts/{id}/keys", KEYS, "Crear una clave"),
            "El secreto está en esta respuesta y en ninguna otra.",
            with(&[ACCOUNT], &WRITE),
            takes("NewKey", json!({ "mode": "test", "name": "tienda en línea" })),
            makes("La clave, con su secreto.", "InternalKey", key()),
            vec![BODY, ONCE, ACTOR, NEW_KEY, ONE],
        ),
        own(
            at("listKeys", "GET", "/internal/v1/accounts/{id}/keys", KEYS, "Listar las claves de una cuenta"),
            "De ambos modos, de la más nueva a la más antigua, sin sus secretos.",
            with(&[ACCOUNT, "limit", "internal.starting_after"], &COMMON),
            None,
            lists("InternalKeyList", key()),
            vec![LIST, ONE],
        ),
        own(
            at("getKey", "GET", "/internal/v1/keys/{id}", KEYS, "Consultar una clave"),
            "La clave, sin su secreto.",
            with(&[KEY], &COMMON),
            None,
            shows("La clave.", "InternalKey", key()),
            vec![ONE],
        ),
        own(
            at("rollKey", "POST", "/internal/v1/keys/{id}/roll", KEYS, "Renovar una clave"),
            "Crea su reemplazo, con los mismos permisos y redes; ambas se aceptan durante `overlap_seconds`.",
            with(&[KEY], &WRITE),
            takes("RollKey", json!({ "overlap_seconds": 86_400 })),
            makes("La clave nueva, con su secreto.", "InternalKey", key()),
            vec![BODY, ONCE, ACTOR, ROLL, ONE],
        ),
        own(
            at("revokeKey", "POST", "/internal/v1/keys/{id}/revoke", KEYS, "Revocar una clave"),
            "Deja de aceptarse en todas partes en 2 segundos. Exige `X-Reason`.",
            with(&[KEY], &WRITE),
            None,
            shows("La clave.", "InternalKey", key()),
            vec![BODY, ONCE, ACTOR, ONE],
        ),
        own(
            at(
                "createServiceKey",
                "POST",
                "/internal/v1/service-keys",
                SERVICES,
                "Crear una clave de servicio",
            ),
            "El secreto está en esta respuesta y en ninguna otra.",
            WRITE.to_vec(),
            takes("NewServiceKey", json!({ "name": "conector BCP", "role": "collector", "channel": "bcp" })),
            makes("La clave, con su secreto.", "ServiceKey", service_key()),
            vec![BODY, ONCE, ACTOR, NEW_KEY, &["invalid_channel"]],
        ),
        own(
            at(
                "listServiceKeys",
                "GET",
                "/internal/v1/service-keys",
                SERVICES,
                "Listar las claves de servicio",
            ),
            "De la más nueva a la más antigua, sin sus secretos.",
            with(&["limit", "internal.starting_after"], &COMMON),
            None,
            lists("ServiceKeyList", service_key()),
            vec![LIST],
        ),
        own(
            at(
                "getServiceKey",
                "GET",
                "/internal/v1/service-keys/{id}",
                SERVICES,
                "Consultar una clave de servicio",
            ),
            "La clave, sin su secreto.",
            with(&[SERVICE], &COMMON),
            None,
            shows("La clave.", "ServiceKey", service_key()),
            vec![ONE],
        ),
        own(
            at(
                "rollServiceKey",
                "POST",
                "/internal/v1/service-keys/{id}/roll",
                SERVICES,
                "Renovar una clave de servicio",
            ),
            "Crea su reemplazo, con el mismo rol; ambas se aceptan durante `overlap_seconds`.",
            with(&[SERVICE], &WRITE),
            takes("RollKey", json!({ "overlap_seconds": 86_400 })),
            makes("La clave nueva, con su secreto.", "ServiceKey", service_key()),
            vec![BODY, ONCE, ACTOR, ROLL, ONE],
        ),
        own(
            at(
                "revokeServiceKey",
                "POST",
                "/internal/v1/service-keys/{id}/revoke",
                SERVICES,
                "Revocar una clave de servicio",
            ),
            "Deja de aceptarse en todas partes en 2 segundos. Exige `X-Reason`.",
            with(&[SERVICE], &WRITE),
            None,
            shows("La clave.", "ServiceKey", service_key()),
            vec![BODY, ONCE, ACTOR, ONE],
        ),
        own(
            at("putChannel", "PUT", "/internal/v1/channels/{id}", CHANNELS, "Definir un canal"),
            "Crea el canal o lo cambia; rige desde la llamada siguiente. Uno que nadie definió está abierto.",
            with(&["internal.channel-id"], &WRITE),
            takes("NewChannel", json!({ "name": "BCP", "open": true, "reversal_days": 0 })),
            shows("El canal.", "Channel", channel()),
            vec![BODY, ONCE, ACTOR, &["too_short", "out_of_range", "invalid_channel", "field_not_updatable"]],
        ),
        own(
            at("getChannel", "GET", "/internal/v1/channels/{id}", CHANNELS, "Consultar un canal"),
            "El canal, si alguien lo definió.",
            with(&["internal.channel-id"], &COMMON),
            None,
            shows("El canal.", "Channel", channel()),
            vec![ONE],
        ),
        own(
            at("listChannels", "GET", "/internal/v1/channels", CHANNELS, "Listar los canales"),
            "Todos los definidos.",
            with(&["limit"], &COMMON),
            None,
            lists("ChannelList", channel()),
            vec![LIST],
        ),
        own(
            at("inquire", "POST", "/internal/v1/collections/inquire", COLLECTIONS, "Consultar una deuda"),
            "Lo que se debe, y una promesa (`quote_id`) que vale 10 minutos.",
            COMMON.to_vec(),
            takes("Inquiry", inquiry()),
            collected("InquiryAnswer", inquired()),
            vec![BODY, &["channel_not_allowed"]],
        ),
        own(
            at("pay", "POST", "/internal/v1/collections/pay", COLLECTIONS, "Avisar un pago"),
            "La misma operación otra vez responde lo mismo, al pie de la letra, mientras el pago esté en pie. Lo que no se puede \
             aplicar se rechaza; con `cash_taken` se guarda sin aplicar y responde `ok`.",
            COMMON.to_vec(),
            takes("CollectionPayment", paying()),
            collected("OperationAnswer", paid()),
            vec![BODY, &["channel_not_allowed"]],
        ),
        own(
            at("reverse", "POST", "/internal/v1/collections/reverse", COLLECTIONS, "Extornar un pago"),
            "Automático: hasta 24 horas después. Manual: el mismo día de Lima, o los días que el canal permita. Sin su pago, uno \
             automático queda registrado, y el pago que llegue después se rechaza.",
            COMMON.to_vec(),
            takes("Reversal", reversing()),
            collected(
                "OperationAnswer",
                json!({
                    "result": { "code": "ok", "message": "Operación realizada." },
                    "payment": "pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd", "operation_number": "100000002",
                }),
            ),
            vec![BODY, &["channel_not_allowed"]],
        ),
        own(
            at("search", "GET", "/internal/v1/search", SUPPORT, "Buscar"),
            "Busca en todas las cuentas y ambos modos lo que tenga exactamente este ktin (también con espacios), `invoice_id`, \
             identificador, token, teléfono, documento, correo (sin distinguir mayúsculas) o número de operación de un banco. Hasta \
             100, de lo más nuevo a lo más antiguo.",
            with(&["internal.q"], &COMMON),
            None,
            answers([(200, answer("Lo encontrado.", "SearchHitList", &[], &[], page(hit())))]),
            vec![SEARCH],
        ),
        own(
            at(
                "getInvoiceTimeline",
                "GET",
                "/internal/v1/invoices/{id}/timeline",
                SUPPORT,
                "Consultar qué pasó con una orden",
            ),
            "Cada cambio de la orden y de su dinero, cada mensaje de un banco sobre su código, cada intento de avisar al comercio y \
             cada acto de un operador, de lo más antiguo a lo más nuevo; las 1000 entradas más nuevas.",
            with(&["internal.invoice-id"], &COMMON),
            None,
            answers([(200, answer("Lo que pasó.", "TimelineEntryList", &[], &[], page(moment())))]),
            vec![
                &["unknown_parameter", "duplicate_field", "invalid_character", "too_long", "invalid_limit"],
                ONE,
            ],
        ),
        own(
            at(
                "applyPayment",
                "POST",
                "/internal/v1/payments/{id}/apply",
                SUPPORT,
                "Aplicar un pago a una orden",
            ),
            "Solo dinero sin aplicar, y solo a una orden pendiente o vencida con el mismo monto, moneda, cuenta y modo. La primera \
             solicitud es una propuesta (202) que vale 24 horas; la misma, de otro operador, la ejecuta (200). Otra orden es otra \
             propuesta, que reemplaza a la anterior. Exige `X-Reason`.",
            with(&["internal.payment-id"], &WRITE),
            takes("ApplyPayment", json!({ "invoice": "inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd" })),
            decides(
                "El pago, aplicado.",
                json!({ "action": "apply", "invoice": "inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd" }),
            ),
            vec![BODY, ONCE, ACTOR, DECIDE, APPLY, ONE],
        ),
        own(
            at("returnPayment", "POST", "/internal/v1/payments/{id}/return", SUPPORT, "Devolver un pago"),
            "Solo dinero sin aplicar. La primera solicitud es una propuesta (202) que vale 24 horas; la misma, con el mismo motivo, \
             de otro operador, la ejecuta (200). Otro motivo es otra propuesta, que reemplaza a la anterior. Exige `X-Reason`.",
            with(&["internal.payment-id"], &WRITE),
            takes("ReturnPayment", json!({ "reason": "pagado dos veces" })),
            decides("El pago, devuelto.", json!({ "action": "return", "reason": "pagado dos veces" })),
            vec![BODY, ONCE, ACTOR, DECIDE, ONE],
        ),
        own(
            at("listAudit", "GET", "/internal/v1/audit", AUDIT, "Consultar el registro de auditoría"),
            "Toda escritura interna y todo hecho de seguridad, de lo más nuevo a lo más antiguo; con `after`, al revés.",
            with(
                &["limit", "internal.actor", "internal.object", "internal.after", "internal.starting_after"],
                &COMMON,
            ),
            None,
            lists("AuditEntryList", entry()),
            vec![LIST],
        ),
        own(
            at("getInternalOpenApi", "GET", "/internal/v1/openapi.json", AUDIT, "Este documento"),
            "La API interna descrita en OpenAPI 3.1.",
            vec!["X-Request-Id"],
            None,
            answers([(
                200,
                plain(
                    "El documento.",
                    "application/json",
                    json!({ "type": "object", "required": ["openapi"] }),
                ),
            )]),
            vec![],
        ),
    ]
}

fn account() -> Value {
    json!({
        "object": "account", "id": "acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "name": "Bodega Rosita",
        "legal_name": "Bodega Rosita S.A.C.", "tax_id": "20512333797", "default_expiration_seconds": 86_400,
        "customer_required": false, "late_fee": { "kind": "percent_per_day", "percent": "0.05" },
        "rate_limit": { "per_second": 100, "burst": 200 },
        "collection_channels": [
            { "channel": "bcp", "agreement_number": "000001", "currency": "PEN", "instructions": { "es": "Elija Pago de servicios." } },
        ],
        "live_enabled": false, "created": "2020-01-01T05:00:00",
    })
}

fn key() -> Value {
    json!({
        "object": "key", "id": "key_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "account": "acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd",
        "name": "tienda en línea", "mode": "test", "prefix": "sk_test_DemoAccount1", "last4": "FHpo",
        "scopes": ["invoices:read", "invoices:write"], "ip_allow": ["200.48.0.0/16"], "created": "2020-01-01T05:00:00",
    })
}

fn service_key() -> Value {
    json!({
        "object": "service_key", "id": "key_live_2Lx8hVvQ4nRkTz7WmYb3Cd", "name": "conector BCP", "role": "collector",
        "channel": "bcp", "prefix": "ik_DemoConsole1", "last4": "FHpo", "created": "2020-01-01T05:00:00",
    })
}

fn channel() -> Value {
    json!({ "object": "channel", "id": "bcp", "name": "BCP", "open": true, "reversal_days": 0 })
}

fn inquiry() -> Value {
    json!({
        "channel": "bcp", "agreement": "000001", "ktin": "263264817050", "operated_at": "2026-11-22T10:00:00-05:00",
        "operation_number": "000122", "trace_id": "c-1",
    })
}

fn inquired() -> Value {
    json!({
        "result": { "code": "ok", "message": "Operación realizada." },
        "debts": [{
            "ktin": "263264817050", "invoice": "inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd",
            "description": "Bodega Rosita INV-000001-001", "customer_name": "JUAN PEREZ",
            "issued": "2026-11-22T14:00:00Z", "sub_total": "20.00", "late_fee": "0.00", "fees": "0.00",
            "total": "20.00", "currency": "PEN", "expires": "2026-11-23T14:00:00Z",
        }],
        "quote_id": "quo_live_2Lx8hVvQ4nRkTz7WmYb3Cd",
    })
}

fn paying() -> Value {
    json!({
        "channel": "bcp", "agreement": "000001", "ktin": "263264817050", "operation_number": "000123",
        "operated_at": "2026-11-22T10:01:00-05:00", "amount": "20.00", "currency": "PEN", "payment_form": "efectivo",
        "quote_id": "quo_live_2Lx8hVvQ4nRkTz7WmYb3Cd", "cash_taken": false, "trace_id": "p-1",
    })
}

fn paid() -> Value {
    json!({
        "result": { "code": "ok", "message": "Operación realizada." },
        "payment": "pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd", "operation_number": "100000001",
        "receipt": "KASHIO\nBodega Rosita\nORDEN INV-000001-001\nCODIGO 263264817050\nMONTO S/ 20.00\n\
                    22/11/2026 10:01 LIMA\nOPERACION 100000001\nPAGO REALIZADO",
    })
}

fn reversing() -> Value {
    json!({
        "channel": "bcp", "agreement": "000001", "ktin": "263264817050", "original_operation_number": "000123",
        "original_operated_at": "2026-11-22T10:01:00-05:00", "operation_number": "000124", "kind": "automatic",
        "trace_id": "r-1",
    })
}

fn payment() -> Value {
    json!({
        "id": "pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd", "object": "payment", "livemode": true,
        "invoice": "inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd", "invoice_id": "INV-000001-001", "ktin": "263264817050",
        "amount": "20.00", "currency": "PEN", "channel": "bcp", "operation_number": "000123",
        "paid_at": "2020-01-01T05:00:00", "received_at": "2020-01-01T05:00:01", "status": "applied",
    })
}

fn hit() -> Value {
    json!({
        "object": "search_hit", "kind": "invoice", "id": "inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd",
        "account": "acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "livemode": true, "matched": "ktin",
        "created": "2020-01-01T05:00:00", "invoice_id": "INV-000001-001", "status": "pending", "amount": "20.00",
        "currency": "PEN", "ktin": "263264817050",
    })
}

fn moment() -> Value {
    json!({
        "at": "2020-01-01T05:00:00", "kind": "pay", "code": "ok", "channel": "bcp", "agreement": "000001",
        "operation_number": "000123", "number": "100000001", "operated_at": "2020-01-01T05:00:00", "amount": "20.00",
        "currency": "PEN", "cash_taken": false, "payment": "pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd",
    })
}

fn entry() -> Value {
    json!({
        "id": "aud_2Lx8hVvQ4nRkTz7WmYb3Cd", "chain": "acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "sequence": 7,
        "at": "2020-01-01T05:00:00", "action": "revoke_key", "object": "key_test_2Lx8hVvQ4nRkTz7WmYb3Cd",
        "actor": "operador-7", "reason": "solicitud del comercio", "service_key": "key_live_2Lx8hVvQ4nRkTz7WmYb3Cd",
        "request_id": "req_2Lx8hVvQ4nRkTz7WmYb3Cd", "hash": "0".repeat(64),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{codes, document, routes};

    #[test]
    fn every_internal_route_is_documented_and_every_documented_one_exists() {
        let routes: BTreeSet<String> = routes::all()
            .iter()
            .map(|route| format!("{} {}", route.method.as_str().to_lowercase(), route.path))
            .collect();
        let document = document("soporte@kashio.net");
        let paths = document["paths"].as_object().unwrap();
        let documented = paths.iter().flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
        });
        assert_eq!(documented.collect::<BTreeSet<_>>(), routes);
        assert!(routes.iter().all(|route| route.contains(routes::BASE)));
    }

    #[test]
    fn every_code_of_an_internal_operation_exists() {
        let known: BTreeSet<&str> = codes().iter().map(|code| code.name).collect();
        for operation in super::all() {
            for code in operation.codes.concat() {
                assert!(known.contains(code), "{code}");
            }
        }
    }
}
