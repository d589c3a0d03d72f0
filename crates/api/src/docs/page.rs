//! From the OpenAPI document to the page: what `templates/docs.html` shows, in its order.

use askama::Template;
use pulldown_cmark::{Options, Parser, html};
use serde_json::Value;

use super::words::Words;
use crate::openapi::SAMPLES;

#[derive(Template)]
#[template(path = "docs.html")]
struct Page<'d> {
    words: &'static Words,
    style: &'d str,
    summary: &'d str,
    version: &'d str,
    public_url: &'d str,
    support: &'d str,
    introduction: String,
    chapters: Vec<(String, String)>,
    groups: Vec<Group<'d>>,
    shapes: Vec<Shape<'d>>,
    codes: Vec<(u64, &'d str, String)>,
}

struct Group<'d> {
    name: &'d str,
    description: &'d str,
    operations: Vec<Operation<'d>>,
}

struct Operation<'d> {
    id: &'d str,
    method: String,
    path: &'d str,
    summary: &'d str,
    description: String,
    parameters: Vec<Row<'d>>,
    /// The forms of its body, as links to their shapes.
    body: Vec<&'d str>,
    calls: Vec<(&'d str, String)>,
    answers: Vec<Answer<'d>>,
    example: Option<(&'d str, String)>,
}

/// A parameter, or a field of a shape.
struct Row<'d> {
    name: &'d str,
    /// Where a parameter goes: path, query or header.
    place: &'static str,
    required: bool,
    /// What it is, as a link where that is a shape.
    kind: Vec<Kind<'d>>,
    limits: String,
    description: String,
}

enum Kind<'d> {
    Text(&'static str),
    Shape(&'d str),
}

struct Answer<'d> {
    status: &'d str,
    is_error: bool,
    title: String,
    description: String,
    headers: Vec<&'d str>,
    shape: Option<Vec<Kind<'d>>>,
}

struct Shape<'d> {
    name: &'d str,
    description: String,
    fields: Vec<Row<'d>>,
    values: Vec<&'d str>,
    kind: Vec<Kind<'d>>,
}

/// The page, whole.
pub(super) fn render(
    document: &Value,
    words: &'static Words,
    public_url: &str,
    support: &str,
    style: &str,
) -> askama::Result<Vec<u8>> {
    let introduction = text(&document["info"]["description"]);
    let codes = codes(document);
    let page = Page {
        words,
        style,
        summary: text(&document["info"]["summary"]),
        version: text(&document["info"]["version"]),
        public_url,
        support,
        introduction: with_anchors(&markdown(introduction)),
        chapters: chapters(introduction),
        groups: groups(document, words, public_url),
        shapes: shapes(document, words),
        codes,
    };
    let mut page = page.render()?;
    page.shrink_to_fit();
    Ok(page.into_bytes())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Our own text: nothing of a caller ever comes here.
fn markdown(source: &str) -> String {
    let mut out = String::with_capacity(source.len() * 2);
    html::push_html(&mut out, Parser::new_ext(source, Options::ENABLE_TABLES));
    // What is wider than a phone is scrolled, by the keyboard too.
    out.replace("<pre>", "<pre tabindex=\"0\">")
}

fn chapters(source: &str) -> Vec<(String, String)> {
    let titles = source.lines().filter_map(|line| line.strip_prefix("## "));
    titles.map(|title| (anchor(title), title.to_owned())).collect()
}

fn anchor(title: &str) -> String {
    let plain = title.to_lowercase().replace(['á', 'é', 'í', 'ó', 'ú', ',', '.'], "");
    plain.split_whitespace().collect::<Vec<_>>().join("-")
}

fn with_anchors(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<h2>") {
        let title = after.split("</h2>").next().unwrap_or_default();
        out.push_str(before);
        out.push_str(&format!("<h2 id=\"{}\">", anchor(title)));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn groups<'d>(document: &'d Value, words: &'static Words, public_url: &str) -> Vec<Group<'d>> {
    let tags = document["tags"].as_array().into_iter().flatten();
    tags.map(|tag| Group {
        name: text(&tag["name"]),
        description: text(&tag["description"]),
        operations: each_operation(document)
            .filter(|(_, _, described)| described["tags"][0] == tag["name"])
            .map(|(path, method, described)| operation(document, words, public_url, path, method, described))
            .collect(),
    })
    .collect()
}

fn each_operation(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, described)| (path.as_str(), method.as_str(), described))
    })
}

fn operation<'d>(
    document: &'d Value,
    words: &'static Words,
    public_url: &str,
    path: &'d str,
    method: &str,
    described: &'d Value,
) -> Operation<'d> {
    let parameters = described["parameters"].as_array().into_iter().flatten();
    let parameters = parameters.map(|parameter| {
        let parameter = resolve(document, parameter);
        let [path, query, header] = words.places;
        let place = match text(&parameter["in"]) {
            "path" => path,
            "query" => query,
            _ => header,
        };
        let required = parameter["required"].as_bool().unwrap_or_default();
        let (name, description) = (text(&parameter["name"]), text(&parameter["description"]));
        row(words, name, place, required, &parameter["schema"], description)
    });
    let body = &described["requestBody"]["content"]["application/json"];
    let forms = match body["schema"]["anyOf"].as_array() {
        Some(forms) => forms.iter().filter_map(reference).collect(),
        None => reference(&body["schema"]).into_iter().collect(),
    };
    let answers: Vec<Answer<'_>> = described["responses"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(status, answer)| shown(words, status, answer))
        .collect();
    let good = described["responses"].as_object().into_iter().flatten().next();
    let example = good.and_then(|(status, answer)| {
        let example = &answer["content"]["application/json"]["example"];
        let pretty = serde_json::to_string_pretty(example).ok()?;
        (!example.is_null()).then_some((status.as_str(), pretty))
    });
    Operation {
        id: text(&described["operationId"]),
        method: method.to_uppercase(),
        path,
        summary: text(&described["summary"]),
        description: markdown(text(&described["description"])),
        parameters: parameters.collect(),
        body: forms,
        calls: calls(public_url, path, method, described),
        answers,
        example,
    }
}

fn shown<'d>(words: &'static Words, status: &'d str, answer: &'d Value) -> Answer<'d> {
    let description = text(&answer["description"]);
    let (title, rest) = description.split_once(words.codes_follow).unwrap_or((description, ""));
    let headers = answer["headers"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let schema = &answer["content"]["application/json"]["schema"];
    let is_error = status.starts_with(['4', '5']);
    Answer {
        status,
        is_error,
        title: markdown(title),
        description: markdown(rest),
        headers: headers.filter(|name| !matches!(*name, "Request-Id" | "X-Request-Id")).collect(),
        shape: (!schema.is_null() && !is_error).then(|| kinds(words, schema)),
    }
}

/// The operation as a command line; one for each sample that it has.
fn calls<'d>(public_url: &str, path: &str, method: &str, described: &'d Value) -> Vec<(&'d str, String)> {
    let path = path.replace("{id}", "inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd").replace("{date}", "2017-05-30");
    let path = path
        .replace("{token}", "pR3mXw9TzKc7VbNq5Yd2Hs")
        .replace("index.html", "index.html?token=pR3mXw9TzKc7VbNq5Yd2Hs");
    let mut command = format!("curl {public_url}{path}");
    // With a body curl posts by itself.
    let is_plain = method == "get" || (method == "post" && !described["requestBody"].is_null());
    if !is_plain {
        command = format!("curl --request {} {public_url}{path}", method.to_uppercase());
    }
    if described["security"].is_null() {
        command.push_str(" \\\n  --user sk_test_…:");
    }
    let body = &described["requestBody"]["content"]["application/json"];
    if body.is_null() {
        return vec![("", command)];
    }
    command.push_str(" \\\n  --header 'Content-Type: application/json'");
    let with = |data: &str| format!("{command} \\\n  --data '{data}'");
    if let Some(examples) = body["examples"].as_object() {
        let titles = examples.values().map(|example| text(&example["summary"]));
        return titles.zip(SAMPLES).map(|(title, (_, sample))| (title, with(&indented(sample)))).collect();
    }
    vec![("", with(&indented(&body["example"].to_string())))]
}

/// JSON with our indentation and every other character as it was: a number keeps its own text.
fn indented(json: &str) -> String {
    let (mut out, mut depth, mut in_text, mut escaped) = (String::new(), 0, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    for character in json.chars() {
        if in_text {
            out.push(character);
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '[' => {
                out.push(character);
                depth += 1;
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => {
                in_text = other == '"';
                out.push(other);
            }
        }
    }
    out
}

fn shapes<'d>(document: &'d Value, words: &'static Words) -> Vec<Shape<'d>> {
    let shapes = document["components"]["schemas"].as_object().into_iter().flatten();
    let shapes = shapes.filter(|(name, _)| *name != "ErrorCode");
    shapes
        .map(|(name, schema)| {
            let required: Vec<&str> =
                schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields = fields.map(|(field, schema)| {
                let is_required = required.contains(&field.as_str());
                row(words, field, "", is_required, schema, text(&schema["description"]))
            });
            let values = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
            Shape {
                name,
                description: markdown(text(&schema["description"])),
                fields: fields.collect(),
                values: values.collect(),
                kind: kinds(words, schema),
            }
        })
        .collect()
}

fn codes(document: &Value) -> Vec<(u64, &str, String)> {
    let described = wire::codes::all();
    let known = &document["components"]["schemas"]["ErrorCode"];
    let meanings = known["x-enum-descriptions"].as_object().into_iter().flatten();
    let mut codes: Vec<_> = meanings
        .filter_map(|(name, meaning)| {
            let status = described.iter().find(|code| code.name == name)?.status;
            Some((u64::from(status), name.as_str(), markdown(text(meaning))))
        })
        .collect();
    codes.sort_by_key(|(status, ..)| *status);
    codes
}

fn row<'d>(
    words: &'static Words,
    name: &'d str,
    place: &'static str,
    required: bool,
    schema: &'d Value,
    description: &str,
) -> Row<'d> {
    Row {
        name,
        place,
        required,
        kind: kinds(words, schema),
        limits: limits(words, schema),
        description: markdown(description),
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let pointer = value["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn kinds<'d>(words: &'static Words, schema: &'d Value) -> Vec<Kind<'d>> {
    if let Some(shape) = reference(schema) {
        return vec![Kind::Shape(shape)];
    }
    if let Some(forms) = schema["oneOf"].as_array() {
        let mut kinds = Vec::new();
        for form in forms.iter().filter(|form| form["type"] != "null") {
            if !kinds.is_empty() {
                kinds.extend([Kind::Text(" "), Kind::Text(words.or), Kind::Text(" ")]);
            }
            kinds.extend(self::kinds(words, form));
        }
        return kinds;
    }
    let name = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    let [string, integer, number, boolean, object, list] = words.kinds.map(Kind::Text);
    match name {
        Some("string") => vec![string],
        Some("integer") => vec![integer],
        Some("number") => vec![number],
        Some("boolean") => vec![boolean],
        Some("object") => vec![object],
        Some("array") => {
            let mut kinds = vec![list];
            kinds.extend(self::kinds(words, &schema["items"]));
            kinds
        }
        _ => Vec::new(),
    }
}

fn limits(words: &Words, schema: &Value) -> String {
    let number = |name: &str| schema[name].as_i64();
    let ([to, up_to], characters) = (words.lengths, words.characters);
    let [from, until, at_least] = words.ranges;
    let mut limits = Vec::new();
    match (number("minLength"), number("maxLength")) {
        (Some(min), Some(max)) => limits.push(format!("{min} {to} {max} {characters}")),
        (None, Some(max)) => limits.push(format!("{up_to} {max} {characters}")),
        _ => {}
    }
    match (number("minimum"), number("maximum")) {
        (Some(min), Some(max)) => limits.push(format!("{from} {min} {until} {max}")),
        (Some(min), None) => limits.push(format!("{at_least} {min}")),
        _ => {}
    }
    if !schema["default"].is_null() {
        limits.push(format!("{} {}", words.missing, schema["default"]));
    }
    limits.join(" · ")
}

#[cfg(test)]
mod tests {
    use wire::problem::Language;

    use super::{Words, indented, render};

    #[test]
    fn samples_are_indented_and_otherwise_left_alone() {
        let sample = "{ \"a\": 15.00,\n\t\"b\" : \"x: {y}, \\\"z\\\"\" }";
        assert_eq!(indented(sample), "{\n  \"a\": 15.00,\n  \"b\": \"x: {y}, \\\"z\\\"\"\n}");
    }

    fn page(language: Language) -> String {
        let (public_url, support) = ("https://api.kashio.net", "soporte@kashio.net");
        let document = crate::openapi::document(public_url, support, language);
        let page = render(&document, Words::of(language), public_url, support, super::super::STYLE);
        String::from_utf8(page.unwrap()).unwrap()
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        for (language, tag) in [(Language::Es, "lang=\"es\""), (Language::En, "lang=\"en\"")] {
            let page = page(language);
            for forbidden in ["<script", "src=\"http", "href=\"http", "@import", "url(http", "style=\""] {
                assert!(!page.contains(forbidden), "{forbidden}");
            }
            assert!(page.contains(tag) && page.contains("mailto:soporte@kashio.net"));
            for route in crate::routes::all().iter().filter(|route| route.is_operation) {
                assert!(page.contains(route.path), "{}", route.path);
            }
            for code in wire::codes::all() {
                assert!(page.contains(code.name), "{}", code.name);
            }
            // The style is allowed by its hash: it must stand in the page as it is.
            assert!(page.contains(&format!("<style>{}</style>", super::super::STYLE)));
            assert!(page.len() < 400_000, "{}", page.len());
        }
    }

    #[test]
    fn both_languages_have_the_same_page_in_their_own_words() {
        let (spanish, english) = (page(Language::Es), page(Language::En));
        for mark in ["<article", "<dl", "<dt", "<details", "<h4", "<figure", "<tr", "class=\"kind\""] {
            assert_eq!(spanish.matches(mark).count(), english.matches(mark).count(), "{mark}");
        }
        for (in_spanish, in_english) in [
            (">obligatorio</b>", ">required</b>"),
            ("caracteres", " characters"),
            ("Mínima con cliente", "Minimal, with customer"),
            ("lista de ", "list of "),
            ("Crear una Orden de Pago", "Create an invoice"),
            ("¿Algo no queda claro?", "Is something not clear?"),
        ] {
            assert!(spanish.contains(in_spanish) && !english.contains(in_spanish), "{in_spanish}");
            assert!(english.contains(in_english) && !spanish.contains(in_english), "{in_english}");
        }
    }
}
