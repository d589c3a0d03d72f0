//! Parameters and headers of the OpenAPI document, each described once.

use serde_json::{Map, Value, json};

/// A parameter of a list's query.
pub(super) struct ListParameter {
    /// Its name in the URL.
    pub(super) name: &'static str,
    description: &'static str,
    kind: Kind,
}

enum Kind {
    Limit,
    Id,
    Day,
    States,
    Reference,
    Ktin,
    Currency,
    Document,
    Moment,
}

const fn list(name: &'static str, kind: Kind, description: &'static str) -> ListParameter {
    ListParameter { name, description, kind }
}

/// Those of `wire::list::PARAMETERS`, in their order.
pub(super) const LIST: &[ListParameter] = &[
    list("limit", Kind::Limit, "Cuántas órdenes trae una página: de 1 a 500."),
    list("starting_after", Kind::Id, "Cursor: las órdenes que siguen a esta, hacia las más antiguas."),
    list("start", Kind::Id, "Otro nombre de `starting_after`."),
    list("ending_before", Kind::Id, "Cursor: las órdenes que preceden a esta, hacia las más nuevas."),
    list("end", Kind::Id, "Otro nombre de `ending_before`."),
    list("date", Kind::Day, "Solo las creadas en este día de Lima, `yyyy-MM-dd`."),
    list(
        "status",
        Kind::States,
        "Solo las que ahora tienen uno de estos estados, separados por comas; nombres de cualquier versión, en mayúsculas \
         o minúsculas.",
    ),
    list("invoice_id", Kind::Reference, "Solo las que tienen esta referencia suya."),
    list("ktin", Kind::Ktin, "Solo la que se paga con este código."),
    list("currency", Kind::Currency, "Solo las de esta moneda: `PEN` o `USD`, en mayúsculas o minúsculas."),
    list("customer.document_id", Kind::Document, "Solo las del cliente con este número de documento."),
    list("created[gte]", Kind::Moment, "Creadas en este momento o después."),
    list("created[gt]", Kind::Moment, "Creadas después de este momento."),
    list("created[lte]", Kind::Moment, "Creadas en este momento o antes."),
    list("created[lt]", Kind::Moment, "Creadas antes de este momento."),
    list("paid[gte]", Kind::Moment, "Pagadas en este momento o después."),
    list("paid[gt]", Kind::Moment, "Pagadas después de este momento."),
    list("paid[lte]", Kind::Moment, "Pagadas en este momento o antes."),
    list("paid[lt]", Kind::Moment, "Pagadas antes de este momento."),
];

const DAY: &str =
    "^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
const INVOICE_ID: &str = "^inv_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$";

fn schema(kind: &Kind) -> Value {
    match kind {
        Kind::Limit => json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 20 }),
        Kind::Id => {
            json!({ "type": "string", "pattern": INVOICE_ID, "examples": ["inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd"] })
        }
        Kind::Day => json!({ "type": "string", "pattern": DAY, "examples": ["2017-05-30"] }),
        Kind::States => {
            let states = ["pending", "new", "paid", "expired", "voided"].map(any_case).join("|");
            let pattern = format!("^({states})(,({states}))*$");
            json!({ "type": "string", "pattern": pattern, "maxLength": 200, "examples": ["pending,paid"] })
        }
        Kind::Reference => {
            json!({ "type": "string", "minLength": 1, "maxLength": 100, "examples": ["INV-000001-001"] })
        }
        Kind::Ktin => json!({ "type": "string", "pattern": "^[0-9]{12,14}$" }),
        Kind::Currency => {
            let pattern = format!("^({}|{})$", any_case("pen"), any_case("usd"));
            json!({ "type": "string", "pattern": pattern, "examples": ["PEN"] })
        }
        Kind::Document => json!({ "type": "string", "maxLength": 200, "examples": ["10203040"] }),
        Kind::Moment => json!({ "$ref": "#/components/schemas/DateTime" }),
    }
}

/// A pattern of JSON Schema knows no flag that would say "in any case".
fn any_case(word: &str) -> String {
    word.chars().map(|letter| format!("[{}{letter}]", letter.to_ascii_uppercase())).collect()
}

/// The components: parameters by the name that [`reference`] knows them by.
pub(super) fn all() -> Map<String, Value> {
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema });
    let in_path = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema });
    let mut all = Map::new();
    let mut add = |name: &str, parameter: Value| all.insert(key(name), parameter);
    add(
        "id",
        in_path(
            "id",
            "Identificador de la orden. Si no tiene la forma de uno, o es de otro, la respuesta es 404.",
            json!({ "type": "string", "examples": ["inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd"] }),
        ),
    );
    let day = json!({ "type": "string", "pattern": DAY, "examples": ["2017-05-30"] });
    add("day", in_path("date", "Día de Lima en que se crearon las órdenes, `yyyy-MM-dd`.", day));
    add(
        "Idempotency-Key",
        header(
            "Idempotency-Key",
            "Nombre de esta solicitud, elegido por usted (por ejemplo un UUID): de 1 a 255 caracteres ASCII visibles, solos o \
             entre comillas. Repetida, devuelve la primera respuesta. Vale 30 días.",
            json!({ "type": "string", "pattern": "^[!#-~][!-~]{0,254}$", "examples": ["5f1f6a0e-3a5b-4c0a-9a7e-2f5d1b0c9e11"] }),
        ),
    );
    add(
        "If-Match",
        header(
            "If-Match",
            "El `ETag` de la orden que usted leyó: el cambio se hace solo si sigue siendo esa. `*` y `W/` se aceptan.",
            json!({ "type": "string", "examples": ["\"1\""] }),
        ),
    );
    add(
        "KashIO-Version",
        header(
            "KashIO-Version",
            "Versión de la respuesta. Si falta, la fijada en su cuenta, o la 1.0.0.",
            json!({ "type": "string", "enum": ["1.0.0", "1.0.1", "1.0.0.a", "1.0.1.a"], "examples": ["1.0.0"] }),
        ),
    );
    add(
        "Accept-Language",
        header(
            "Accept-Language",
            "Idioma de los mensajes de error: español, o inglés si va antes.",
            json!({ "type": "string", "examples": ["es-PE", "en"] }),
        ),
    );
    add(
        "X-Request-Id",
        header(
            "X-Request-Id",
            "Su propio identificador de la solicitud, hasta 128 caracteres visibles: se registra y se devuelve. Cualquier otro \
             se ignora.",
            json!({ "type": "string", "examples": ["pedido-7-intento-1"] }),
        ),
    );
    let text = |key: &str, name: &str, place: &str, description: &str, schema: Value| {
        let parameter = json!({
            "name": name, "in": place, "required": place == "path", "description": description, "schema": schema,
        });
        (key.to_owned(), parameter)
    };
    let id =
        |kind: &str| json!({ "type": "string", "examples": [format!("{kind}_test_2Lx8hVvQ4nRkTz7WmYb3Cd")] });
    let token = || json!({ "type": "string", "examples": ["pR3mXw9TzKc7VbNq5Yd2Hs"] });
    let number = |max: Value| json!({ "type": "integer", "minimum": 0, "maximum": max });
    let states = ["new", "notified", "failed"].map(any_case).join("|");
    let states = format!("^({states})(,({states}))*$");
    let kinds: Vec<String> =
        domain::event::EventKind::ALL.iter().map(|kind| kind.as_str().replace('.', "[.]")).collect();
    let kinds = format!("^({0})(,({0}))*$", kinds.join("|"));
    let event = [
        text("event-id", "id", "path", "Identificador del evento.", id("eve")),
        text("endpoint-id", "id", "path", "Identificador del destino.", id("whe")),
        text("delivery-id", "id", "path", "Identificador del envío.", id("del")),
        text(
            "event.starting_after",
            "starting_after",
            "query",
            "Cursor: los eventos que siguen a este, hacia los más antiguos.",
            id("eve"),
        ),
        text("event.start", "start", "query", "Otro nombre de `starting_after`.", id("eve")),
        text(
            "event.ending_before",
            "ending_before",
            "query",
            "Cursor: los que preceden a este, hacia los más nuevos.",
            id("eve"),
        ),
        text("event.end", "end", "query", "Otro nombre de `ending_before`.", id("eve")),
        text(
            "event.status",
            "status",
            "query",
            "Solo los que están así: `new`, `notified`, `failed`; varios, separados por comas.",
            json!({ "type": "string", "maxLength": 200, "pattern": states, "examples": ["failed"] }),
        ),
        text(
            "event.type",
            "type",
            "query",
            "Solo de estos tipos, separados por comas.",
            json!({ "type": "string", "maxLength": 200, "pattern": kinds, "examples": ["invoice.paid"] }),
        ),
        text("event.invoice", "invoice", "query", "Solo los de esta orden.", id("inv")),
        text(
            "event.after",
            "after",
            "query",
            "Los que siguen a este `sequence`, en orden.",
            number(json!(i64::MAX)),
        ),
        text(
            "event.wait",
            "wait",
            "query",
            "Cuántos segundos esperar, de 0 a 30, si no hay nada; con `after`.",
            number(json!(30)),
        ),
        text(
            "page.token",
            "token",
            "path",
            "El `token` de la orden. Si no tiene la forma de uno, la respuesta es la de uno desconocido.",
            token(),
        ),
        text("page.token-query", "token", "query", "El `token` de la orden.", token()),
        text(
            "page.lang",
            "lang",
            "query",
            "Idioma de la página: `es` o `en`. Si falta o es otro, decide `Accept-Language`.",
            json!({ "type": "string", "examples": ["es", "en"] }),
        ),
        text(
            "page.size",
            "size",
            "query",
            "Lado de la imagen en píxeles, de 100 a 1000. Si falta, el `size_qr` de la orden.",
            json!({ "type": "string", "pattern": "^([1-9][0-9]{2}|1000)(px)?$", "examples": ["300"] }),
        ),
        text(
            "endpoint.starting_after",
            "starting_after",
            "query",
            "Cursor: los destinos que siguen a este.",
            id("whe"),
        ),
        text(
            "delivery.starting_after",
            "starting_after",
            "query",
            "Cursor: los envíos que siguen a este.",
            id("del"),
        ),
    ];
    all.extend(event);
    all.extend(payment(text, id));
    let mut add = |name: &str, parameter: Value| all.insert(key(name), parameter);
    for parameter in LIST {
        let described = json!({
            "name": parameter.name, "in": "query", "required": false, "description": parameter.description,
            "schema": schema(&parameter.kind),
        });
        add(parameter.name, described);
    }
    all
}

/// Those of the list of payments.
fn payment(
    text: impl Fn(&str, &str, &str, &str, Value) -> (String, Value),
    id: impl Fn(&str) -> Value,
) -> Vec<(String, Value)> {
    let query = |name: &str, description: &str, schema: Value| {
        text(&key(&format!("payment.{name}")), name, "query", description, schema)
    };
    let states = ["applied", "unapplied", "reversed", "returned"].map(any_case).join("|");
    let states = format!("^({states})(,({states}))*$");
    let moment = || schema(&Kind::Moment);
    vec![
        text("payment-id", "id", "path", "Identificador del pago.", id("pay")),
        query("starting_after", "Cursor: los pagos que siguen a este, hacia los más antiguos.", id("pay")),
        query("start", "Otro nombre de `starting_after`.", id("pay")),
        query("ending_before", "Cursor: los que preceden a este, hacia los más nuevos.", id("pay")),
        query("end", "Otro nombre de `ending_before`.", id("pay")),
        query("date", "Solo los pagados este día de Lima, según el banco, `yyyy-MM-dd`.", schema(&Kind::Day)),
        query("received[gte]", "Avisados en este momento o después.", moment()),
        query("received[gt]", "Avisados después de este momento.", moment()),
        query("received[lte]", "Avisados en este momento o antes.", moment()),
        query("received[lt]", "Avisados antes de este momento.", moment()),
        query(
            "channel",
            "Solo los de este banco o agente.",
            json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,40}$", "examples": ["bcp"] }),
        ),
        query(
            "status",
            "Solo los que están así: `applied`, `unapplied`, `reversed`, `returned`; varios, separados por comas.",
            json!({ "type": "string", "maxLength": 200, "pattern": states, "examples": ["unapplied"] }),
        ),
        query(
            "operation_number",
            "Solo los que el banco numeró así.",
            json!({ "type": "string", "minLength": 1, "maxLength": 12, "examples": ["000123"] }),
        ),
        query("invoice", "Solo los de esta orden.", id("inv")),
    ]
}

/// What a header of an answer says.
pub(super) fn headers() -> Map<String, Value> {
    let text = |description: &str, pattern: &str, example: &str| {
        json!({
            "description": description, "schema": { "type": "string", "pattern": pattern }, "example": example,
        })
    };
    let all = [
        (
            "Request-Id",
            text(
                "Identificador de esta respuesta: cítelo cuando escriba a soporte.",
                "^req_[2-9A-HJ-NP-Za-km-z]{22}$",
                "req_2Lx8hVvQ4nRkTz7WmYb3Cd",
            ),
        ),
        (
            "X-Request-Id",
            text("Su propio identificador, si lo envió.", "^[ -~]{1,128}$", "pedido-7-intento-1"),
        ),
        ("ETag", text("Versión de la orden, para `If-Match`.", "^\"[1-9][0-9]*\"$", "\"1\"")),
        (
            "Location",
            text(
                "Dirección de la orden, o de su página de pago.",
                "^https?://",
                "https://api.kashio.net/v1/payments/invoices/inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd",
            ),
        ),
        (
            "Idempotent-Replayed",
            text("`true` si la respuesta repite una anterior: esta vez no se hizo nada.", "^true$", "true"),
        ),
        (
            "Link",
            text(
                "La página siguiente, si la hay.",
                "^<https?://[^>]+>; rel=\"next\"$",
                "<https://api.kashio.net/v1/payments/invoices?starting_after=inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd>; rel=\"next\"",
            ),
        ),
        ("X-Has-More", text("Si hay más órdenes después de esta página.", "^(true|false)$", "false")),
        (
            "RateLimit-Policy",
            text(
                "Cuántas solicitudes caben de una vez (`q`) y en cuántos segundos se recuperan todas (`w`).",
                "^\"account\";q=[0-9]+;w=[0-9]+$",
                "\"account\";q=200;w=2",
            ),
        ),
        (
            "RateLimit",
            text(
                "Cuántas quedan (`r`) y en cuántos segundos estarán todas (`t`).",
                "^\"account\";r=[0-9]+;t=[0-9]+$",
                "\"account\";r=199;t=1",
            ),
        ),
        ("Retry-After", text("Cuántos segundos esperar antes de repetir.", "^[0-9]+$", "1")),
        (
            "WWW-Authenticate",
            text("Cómo autenticarse (RFC 7617).", "^Basic ", "Basic realm=\"KashIO\", charset=\"UTF-8\""),
        ),
    ];
    let mut by_name = Map::new();
    for (name, header) in all {
        let mut required = header.clone();
        required["required"] = json!(true);
        by_name.insert(name.to_owned(), header);
        by_name.insert(format!("{name}.required"), required);
    }
    by_name
}

/// A reference to a parameter.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{}", key(name)) })
}

/// Component names know no brackets.
fn key(name: &str) -> String {
    name.replace('[', ".").replace(']', "")
}
