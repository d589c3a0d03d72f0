//! The OpenAPI document: shapes from the types of `wire`, error codes from its catalogue, operations from the table
//! in [`operations`], which a test holds against [`routes::all`](crate::routes::all).
//!
//! It is made once; `sdk/openapi.json` is the copy that clients are generated from, and a test compares the two.

mod english;
mod internal;
mod money;
mod operations;
mod pages;
mod parameters;
mod telling;
mod webhooks;

use serde_json::{Map, Value, json};
use wire::codes::{self, Described};
use wire::problem::Language;

use crate::routes;
use operations::Operation;

pub use internal::document as internal_document;
pub use operations::SAMPLES;

const SPANISH: &str = include_str!("openapi/introduction.md");
const ENGLISH: &str = include_str!("openapi/introduction.en.md");

/// The document of a service that merchants reach at `public_url`.
pub fn document(public_url: &str, support_email: &str, language: Language) -> Value {
    let introduction =
        |text: &str| text.replace("{{public_url}}", public_url).replace("{{support}}", support_email);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "KashIO Payments",
            "version": "1.0.1",
            "summary": "Cobre en el Perú con una Orden de Pago.",
            "description": introduction(SPANISH),
            "contact": { "name": "Soporte KashIO", "email": support_email },
        },
        "servers": [{ "url": public_url, "description": "La clave decide el modo: prueba o real." }],
        "security": [{ "basic": [] }, { "bearer": [] }],
        "tags": [
            { "name": operations::INVOICES, "description": "Lo que un cliente debe pagar: se crea, se consulta, se cambia, se anula." },
            { "name": money::PAYMENTS, "description": "El dinero que llegó: lo que pagó una orden, y lo que se guarda sin aplicar." },
            { "name": money::TEST, "description": "Haga usted de banco: solo con una clave de prueba." },
            { "name": telling::EVENTS, "description": "Lo que pasó, en orden y sin huecos: así se recupera lo que no llegó." },
            { "name": telling::WEBHOOKS, "description": "Avisos firmados a su servidor, con reintentos." },
            { "name": operations::ACCOUNT, "description": "Quién es usted para la API." },
            { "name": pages::PAGES, "description": "Lo que ve quien paga. No necesita clave: basta el `token` de la orden." },
            { "name": operations::DOCUMENTS, "description": "Esta documentación. No necesita clave." },
        ],
        "paths": paths(),
        "webhooks": webhooks::all(),
        "components": {
            "securitySchemes": {
                "basic": {
                    "type": "http", "scheme": "basic",
                    "description": "La clave secreta es el usuario; la contraseña puede quedar vacía.",
                },
                "bearer": {
                    "type": "http", "scheme": "bearer",
                    "description": "La clave secreta tal cual: `Authorization: Bearer sk_test_…`.",
                },
            },
            "schemas": schemas(wire::schema::all()),
            "parameters": parameters::all(),
            "headers": parameters::headers(),
        },
    });
    tidy(&mut document);
    if language == Language::En {
        english::translate(&mut document);
        document["info"]["description"] = json!(introduction(ENGLISH));
    }
    document
}

fn schemas(shapes: Vec<(String, impl serde::Serialize)>) -> Map<String, Value> {
    shapes
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect()
}

fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    let codes = codes::all();
    for operation in operations::all() {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = describe(&operation, &codes);
    }
    paths
}

fn describe(operation: &Operation, known: &[Described]) -> Value {
    let all = routes::all();
    let route =
        all.iter().find(|route| route.path == operation.path && route.method.as_str() == operation.method);
    let scopes: Vec<&str> =
        route.map(|route| route.scopes.iter().map(|scope| scope.as_str()).collect()).unwrap_or_default();
    let is_open = route.is_some_and(|route| route.is_open);
    let mut described = describe_for(operation, known, is_open, |name| {
        operations::KEYED.contains(&name) || (!scopes.is_empty() && name == "insufficient_scope")
    });
    if !is_open {
        let mut description = operation.description.to_owned();
        for scope in &scopes {
            description.push_str(&format!("\n\nPermiso necesario: `{scope}`."));
        }
        described["description"] = json!(description);
        described["x-required-scopes"] = json!(scopes);
    }
    described
}

/// An operation; `keyed` says which codes it can give because it needs a key, unless anybody may call it.
fn describe_for(
    operation: &Operation,
    known: &[Described],
    is_open: bool,
    keyed: impl Fn(&str) -> bool,
) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": operation.parameters.iter().map(|name| parameters::reference(name)).collect::<Vec<_>>(),
    });
    if let Some(body) = &operation.body {
        described["requestBody"] = json!({ "required": true, "content": { "application/json": body } });
    }
    let mut responses = operation.answers.clone();
    let keyed = |name: &str| !is_open && keyed(name);
    for (status, codes) in by_status(operation, keyed, known) {
        let mut refused = refusal(status, &codes);
        // Where people look, a page may say it instead.
        if let Some(page) =
            responses.get(&status.to_string()).and_then(|answer| answer["content"].as_object())
        {
            for (content_type, content) in page {
                refused["content"][content_type] = content.clone();
            }
        }
        responses.insert(status.to_string(), refused);
    }
    described["responses"] = Value::Object(responses);
    if is_open {
        described["security"] = json!([]);
    }
    described
}

/// The error codes that an operation can answer, by their status.
fn by_status<'k>(
    operation: &Operation,
    keyed: impl Fn(&str) -> bool,
    known: &'k [Described],
) -> Vec<(u16, Vec<&'k Described>)> {
    let given = |name: &str| {
        operations::ANY.contains(&name)
            || keyed(name)
            || operation.codes.iter().any(|codes| codes.contains(&name))
    };
    let mut by_status: Vec<(u16, Vec<&Described>)> = Vec::new();
    for code in known.iter().filter(|code| given(code.name)) {
        match by_status.iter_mut().find(|(status, _)| *status == code.status) {
            Some((_, codes)) => codes.push(code),
            None => by_status.push((code.status, vec![code])),
        }
    }
    by_status.sort_by_key(|(status, _)| *status);
    by_status
}

fn refusal(status: u16, codes: &[&Described]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.name).collect();
    let mut description = format!("{} Códigos:\n\n", reason(status));
    for code in codes {
        description.push_str(&format!("- `{}`: {}\n", code.name, code.meaning));
    }
    let (always, sometimes): (&[&str], &[&str]) = match status {
        401 => (&["WWW-Authenticate"], &[]),
        // Of the conflicts only the one that passes by itself says when.
        409 if names.contains(&"idempotency_in_progress") => (&[], &["Retry-After"]),
        429 | 503 => (&["Retry-After"], &[]),
        _ => (&[], &[]),
    };
    let example = json!({
        "status": status,
        "error": [{
            "code": names.first(),
            "message": codes.first().map(|code| code.meaning.replace('`', "")),
        }],
        "request_id": "req_2Lx8hVvQ4nRkTz7WmYb3Cd",
    });
    json!({
        "description": description.trim_end(),
        "headers": operations::header_references(always, sometimes),
        "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Error" },
            "example": example,
        } },
        "x-error-codes": names,
    })
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "La solicitud no es válida.",
        401 => "La clave no da acceso.",
        403 => "La solicitud no está permitida.",
        404 => "No existe.",
        408 => "La solicitud no llegó a tiempo.",
        409 => "El estado de la orden, u otra solicitud en curso, no lo permite.",
        412 => "La orden ya no es la que usted leyó.",
        413 => "El cuerpo es demasiado grande.",
        414 => "La URL es demasiado larga.",
        415 => "El cuerpo no tiene un formato admitido.",
        422 => "La clave de repetición pertenece a otra solicitud.",
        429 => "Demasiadas solicitudes.",
        431 => "Las cabeceras son demasiado grandes.",
        503 => "El servicio no puede responder ahora; no se hizo nada.",
        _ => "Falta nuestra.",
    }
}

/// Line ends inside a paragraph are the source's, not the reader's; and an optional reference keeps its
/// description where readers and tools look for it.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(tidy),
        Value::Object(fields) => {
            let inner = fields.get_mut("oneOf").and_then(|forms| forms.get_mut(0)?.as_object_mut());
            let inner = inner.filter(|form| form.contains_key("$ref"));
            if let Some(description) = inner.and_then(|form| form.remove("description")) {
                fields.insert("description".to_owned(), description);
            }
            if let Some(Value::String(text)) = fields.get_mut("description")
                && !text.contains("\n-")
                && !text.contains("\n|")
                && !text.contains("```")
            {
                let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
                *text = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use wire::problem::Language;

    use super::{document, operations, parameters};
    use crate::routes;

    fn made() -> Value {
        document("https://api.kashio.net", "soporte@kashio.net", Language::Es)
    }

    #[test]
    fn every_kind_of_event_is_a_webhook() {
        let made = made();
        let described: BTreeSet<&str> =
            made["webhooks"].as_object().unwrap().keys().map(String::as_str).collect();
        let told = domain::event::EventKind::ALL.iter().map(|kind| kind.as_str()).chain(["ping"]);
        assert_eq!(described, told.collect());
    }

    #[test]
    fn every_route_is_documented_and_every_documented_route_exists() {
        let routes: BTreeSet<String> = routes::all()
            .iter()
            .filter(|route| route.is_operation)
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        let documented: BTreeSet<String> = operations::all()
            .iter()
            .map(|operation| format!("{} {}", operation.method, operation.path))
            .collect();
        assert_eq!(documented, routes);
    }

    #[test]
    fn every_parameter_of_a_list_is_documented() {
        let documented: BTreeSet<&str> = parameters::LIST.iter().map(|parameter| parameter.name).collect();
        let read: BTreeSet<&str> = wire::list::PARAMETERS.iter().copied().collect();
        assert_eq!(documented, read);
    }

    #[test]
    fn every_code_that_an_operation_names_exists() {
        let known: BTreeSet<&str> = wire::codes::all().iter().map(|code| code.name).collect();
        let mut used: BTreeSet<&str> = operations::ANY.iter().chain(operations::KEYED).copied().collect();
        used.extend(operations::all().iter().flat_map(|operation| operation.codes.concat()));
        assert_eq!(used.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
        // What no operation can answer, because there is none.
        let elsewhere = BTreeSet::from(["method_not_allowed", "insufficient_scope"]);
        assert_eq!(known.difference(&used).copied().collect::<BTreeSet<_>>(), elsewhere);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let made = made();
        let mut references = Vec::new();
        collect(&made, &mut references);
        assert!(references.len() > 100);
        for reference in references {
            assert!(made.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    fn collect<'v>(value: &'v Value, references: &mut Vec<&'v str>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| collect(value, references));
            }
            _ => {}
        }
    }

    /// `KASHIO_WRITE_SNAPSHOTS=1 cargo test --package api openapi` writes it anew.
    #[test]
    fn the_copy_for_clients_is_what_the_program_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/openapi.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&made()).unwrap());
        if std::env::var_os("KASHIO_WRITE_SNAPSHOTS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let copy = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            copy == text,
            "sdk/openapi.json is not what the program makes. If the change is meant: \
             KASHIO_WRITE_SNAPSHOTS=1 cargo test --package api openapi"
        );
    }
}
