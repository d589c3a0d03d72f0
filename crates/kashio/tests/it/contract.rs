//! The API document, held against every answer that the stories of this program get: its status, its error codes,
//! its headers and its body must be among what the document says of that operation.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::Answer;

/// Headers of ours that an answer may have only where the document says so.
const OURS: [&str; 9] = [
    "ratelimit",
    "ratelimit-policy",
    "etag",
    "location",
    "idempotent-replayed",
    "link",
    "x-has-more",
    "retry-after",
    "www-authenticate",
];

static PUBLIC: LazyLock<Value> = LazyLock::new(|| {
    api::openapi::document("https://api.kashio.test", "soporte@kashio.net", wire::problem::Language::Es)
});
static INTERNAL: LazyLock<Value> = LazyLock::new(|| api::openapi::internal_document("soporte@kashio.net"));

/// Which listener was called, and so which document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    Public,
    Internal,
}

impl Listener {
    fn document(self) -> &'static Value {
        match self {
            Listener::Public => &PUBLIC,
            Listener::Internal => &INTERNAL,
        }
    }
}

/// Gives the answer back when the document knows it, and fails when it does not. `path` is without its query.
pub async fn held(listener: Listener, method: Method, path: String, answer: Answer) -> Answer {
    // Long lists take a while: not on a thread that serves the service beside it.
    let checked = tokio::task::spawn_blocking(move || {
        check(listener, &method, &path, &answer);
        answer
    });
    match checked.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(answer) => answer,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(cancelled)) => panic!("the test ended before its answer was checked: {cancelled}"),
    }
}

fn check(listener: Listener, method: &Method, path: &str, answer: &Answer) {
    // The guide is for people, and no operation: `docs.rs` looks at it.
    if *method == Method::OPTIONS || path.starts_with("/docs/guide") {
        return;
    }
    let at = format!("{method} {path} → {}", answer.status);
    let Some(operation) = operation(listener, method, path) else {
        // No operation: nothing but an error, in the form of all errors.
        assert!(answer.status >= 400, "{at}: not documented at all");
        check_body(listener, method, &listener.document()["components"]["schemas"]["Error"], answer, &at);
        return;
    };
    let documented = &operation["responses"][answer.status.to_string()];
    assert!(!documented.is_null(), "{at}: no such status is documented: {}", answer.text);
    check_headers(listener, documented, answer, &at);
    let content_type = answer.header("content-type").split(';').next().unwrap_or_default();
    let content = &documented["content"][content_type];
    assert!(!content.is_null(), "{at}: {content_type} is not documented");
    if content_type == "application/json" {
        check_body(listener, method, &content["schema"], answer, &at);
    }
    if let Some(codes) = documented["x-error-codes"].as_array()
        && content_type == "application/json"
        && *method != Method::HEAD
    {
        for (code, _) in answer.faults() {
            assert!(codes.contains(&json!(code)), "{at}: {code} is not documented");
        }
    }
}

/// What the document says of a method and a path; words of a path beat its parameters.
fn operation(listener: Listener, method: &Method, path: &str) -> Option<&'static Value> {
    let method = if *method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let path = path.trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    let matches = |template: &str| {
        let template: Vec<&str> = template.split('/').collect();
        let same = |(wanted, given): (&&str, &&str)| wanted == given || wanted.starts_with('{');
        template.len() == parts.len() && template.iter().zip(&parts).all(same)
    };
    let paths = listener.document()["paths"].as_object().unwrap();
    let found = paths.iter().filter(|(template, _)| matches(template));
    let (_, methods) = found.min_by_key(|(template, _)| template.matches('{').count())?;
    methods.get(&method)
}

fn check_headers(listener: Listener, documented: &'static Value, answer: &Answer, at: &str) {
    let headers = documented["headers"].as_object().unwrap();
    for (name, header) in headers {
        let header =
            listener.document().pointer(header["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap();
        match answer.headers.get(name).map(|value| value.to_str().unwrap()) {
            Some(value) => {
                let sound = validator_of(listener, &header["schema"]).is_valid(&json!(value));
                assert!(sound, "{at}: {name}: {value}");
            }
            None => assert!(header["required"] != true, "{at}: without {name}"),
        }
    }
    for name in OURS.into_iter().filter(|name| answer.headers.contains_key(*name)) {
        assert!(
            headers.keys().any(|known| known.eq_ignore_ascii_case(name)),
            "{at}: {name} is not documented"
        );
    }
}

fn check_body(listener: Listener, method: &Method, schema: &'static Value, answer: &Answer, at: &str) {
    if *method == Method::HEAD {
        assert_eq!(answer.text, "", "{at}");
        return;
    }
    let (validator, body) = (validator_of(listener, schema), answer.json());
    if !validator.is_valid(&body) {
        let faults = validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path()));
        panic!("{at}: {:?}\n{}", faults.collect::<Vec<_>>(), answer.text);
    }
}

/// The validator of a schema of the document, made once: the suite has thousands of answers.
fn validator_of(listener: Listener, schema: &'static Value) -> &'static Validator {
    static MADE: LazyLock<Mutex<HashMap<usize, &'static Validator>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    made.entry(std::ptr::from_ref(schema).addr())
        .or_insert_with(|| Box::leak(Box::new(validator(listener.document(), schema))))
}

/// A validator of a schema that may refer to the document's components.
fn validator(document: &Value, schema: &Value) -> Validator {
    let whole = json!({ "allOf": [schema], "components": document["components"] });
    jsonschema::draft202012::options().should_validate_formats(true).build(&whole).unwrap()
}

/// The document's own examples are what it says that they are.
#[test]
fn every_example_matches_its_schema() {
    for document in [&*PUBLIC, &*INTERNAL] {
        examples_match(document);
    }
}

fn examples_match(document: &Value) {
    let mut met = 0;
    let mut holds = |schema: &Value, example: &Value, at: &str| {
        let faults: Vec<String> =
            validator(document, schema).iter_errors(example).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{at}: {faults:?}");
        met += 1;
    };
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let body = &operation["requestBody"];
            let answers = operation["responses"].as_object().unwrap().values();
            for content in answers.chain([body]).map(|message| &message["content"]["application/json"]) {
                let named =
                    content["examples"].as_object().into_iter().flatten().map(|(_, named)| &named["value"]);
                for example in named.chain(content.get("example")) {
                    holds(&content["schema"], example, &format!("{method} {path}"));
                }
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for example in schema["examples"].as_array().into_iter().flatten() {
            holds(schema, example, name);
        }
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            for example in schema["examples"].as_array().into_iter().flatten() {
                holds(schema, example, &format!("{name}.{field}"));
            }
        }
    }
    assert!(met > 100, "only {met} examples");
}
