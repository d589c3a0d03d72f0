//! Nothing bad gets in: a table of malformed and boundary inputs over all routes, and naughty strings in every
//! text field. None is a 5xx, and what is refused writes nothing.

use domain::account::Mode;
use domain::document::DocumentType;
use domain::money::{Amount, Currency};
use domain::time::Moment;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, INVOICES, Merchant, World, order};

/// A body of the order `a`, one field replaced by raw JSON.
fn with(field: &str, raw: &str) -> String {
    let mut fields = vec![
        ("invoice_id".to_owned(), "\"a\"".to_owned()),
        ("currency".to_owned(), "\"PEN\"".to_owned()),
        ("amount".to_owned(), "\"20.00\"".to_owned()),
        ("request_datetime".to_owned(), "\"2026-01-01T10:00:00\"".to_owned()),
    ];
    fields.retain(|(name, _)| name != field);
    fields.push((field.to_owned(), raw.to_owned()));
    let members: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn customer(field: &str, raw: &str) -> String {
    with("customer", &format!("{{\"{field}\":{raw}}}"))
}

fn text(length: usize) -> String {
    format!("\"{}\"", "x".repeat(length))
}

fn nested(depth: usize) -> String {
    format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth))
}

fn keys(count: usize) -> String {
    let members: Vec<String> = (0..count).map(|n| format!("\"k{n}\":{n}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Create requests that are refused: the body, the code, the field.
fn refused_bodies() -> Vec<(String, &'static str, &'static str)> {
    let mut table: Vec<(String, &str, &str)> = Vec::new();
    for raw in [
        "",
        " ",
        "{",
        "}",
        "[",
        "{\"a\"}",
        "{\"a\":}",
        "{'a':1}",
        "{\"a\":1,}",
        "{} {}",
        "{}x",
        "nul",
        "tru",
        "{\"a\":01}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":+1}",
        "{\"a\":0x1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"",
        "// {}",
        "{\"a\":1e}",
        "\u{0}",
        "{\"amount\":20.00\u{0}}",
    ] {
        table.push((raw.to_owned(), "invalid_json", ""));
    }
    table.push(("\u{feff}{}".to_owned(), "invalid_json", ""));
    for raw in ["null", "true", "7", "\"x\"", "[]", "[{}]"] {
        table.push((raw.to_owned(), "invalid_type", ""));
    }
    for raw in ["[]", "7", "\"x\"", "true"] {
        table.push((format!("{{\"invoice\":{raw}}}"), "invalid_type", "invoice"));
        for field in ["customer", "payer", "metadata", "sub_merchant", "total"] {
            table.push((with(field, raw), "invalid_type", field));
        }
    }
    for raw in ["{}", "[]", "7", "true"] {
        for field in [
            "invoice_id",
            "currency",
            "request_datetime",
            "due_datetime",
            "expiration_datetime",
            "url_success",
            "url_error",
            "payer_phone",
        ] {
            table.push((with(field, raw), "invalid_type", field));
        }
        for (field, param) in [
            ("name", "customer.name"),
            ("email", "customer.email"),
            ("phone", "customer.phone"),
            ("document_type", "customer.document_type"),
            ("document_id", "customer.document_id"),
            ("external_id", "customer.external_id"),
        ] {
            table.push((customer(field, raw), "invalid_type", param));
        }
    }
    for raw in ["{}", "[]", "true"] {
        table.push((with("amount", raw), "invalid_type", "amount"));
        table.push((with("size_qr", raw), "invalid_type", "size_qr"));
    }
    for field in ["invoice_id", "currency", "amount", "request_datetime"] {
        table.push((with(field, "null"), "required", field));
    }
    for raw in [
        "0",
        "0.00",
        "\"0\"",
        "-1",
        "\"-20.00\"",
        "-0",
        "1.234",
        "\"1.234\"",
        "20.000",
        "1000000000",
        "\"1000000000.00\"",
        "1e2",
        "2E1",
        "\"1e2\"",
        "\"01\"",
        "\"+1\"",
        "\" 1\"",
        "\"1 \"",
        "\"1,00\"",
        "\"1.\"",
        "\".5\"",
        "\"\"",
        "\"abc\"",
        "\"１\"",
        "\"0x10\"",
        "\"1_000\"",
        "\"1.0.0\"",
        "99999999999999999999999999",
        "0.001",
        "1e400",
        "\"NaN\"",
        "\"∞\"",
    ] {
        table.push((with("amount", raw), "invalid_amount", "amount"));
    }
    for raw in ["\"\"", "\"EUR\"", "\"PE\"", "\"PENN\"", "\" PEN\"", "\"S/\"", "\"ＰＥＮ\""] {
        table.push((with("currency", raw), "invalid_currency", "currency"));
    }
    for raw in [
        "\"\"",
        "\"2026\"",
        "\"2026-01-01\"",
        "\"2026-13-01T00:00:00\"",
        "\"2026-02-30T00:00:00\"",
        "\"2025-02-29T00:00:00\"",
        "\"2026-01-01T24:00:00\"",
        "\"2026-01-01T23:60:00\"",
        "\"2026-01-01T23:59:60\"",
        "\"01/02/2026 10:00\"",
        "\"2026-01-01T10:00:00 \"",
        "\"2026-01-01T10:00:00.\"",
        "\"2026-01-01T10:00:00+25:00\"",
        "\"2026-01-01T10:00:00GMT\"",
        "\"26-01-01T10:00:00\"",
        "\"20260101T100000\"",
        "\"10000-01-01T00:00:00\"",
        "\"-2026-01-01T00:00:00\"",
        "\"0001-01-01T00:00:00+01:00\"",
        "\"hoy\"",
    ] {
        for field in ["request_datetime", "due_datetime", "expiration_datetime"] {
            table.push((with(field, raw), "invalid_datetime", field));
        }
    }
    table.push((with("invoice_id", "\"\""), "too_short", "invoice_id"));
    table.push((with("invoice_id", &text(101)), "too_long", "invoice_id"));
    table.push((customer("name", &text(201)), "too_long", "customer.name"));
    table.push((customer("email", &text(255)), "too_long", "customer.email"));
    table.push((customer("external_id", &text(101)), "too_long", "customer.external_id"));
    table.push((customer("document_id", &text(21)), "too_long", "customer.document_id"));
    for raw in ["\"\"", "\"x\"", "\"a@\"", "\"@b.pe\"", "\"a b@c.pe\"", "\"a@b@c.pe\"", "\"Ana <a@b.pe>\""] {
        table.push((customer("email", raw), "invalid_email", "customer.email"));
    }
    for raw in [
        "\"\"",
        "\"999666123\"",
        "\"+0123456789\"",
        "\"+1234567\"",
        "\"+1234567890123456\"",
        "\"+51 999 666 123\"",
        "\"+51-999666\"",
        "\"0051999666123\"",
        "\"+５１999666123\"",
    ] {
        table.push((customer("phone", raw), "invalid_phone", "customer.phone"));
        table.push((with("payer_phone", raw), "invalid_phone", "payer_phone"));
    }
    for raw in ["\"\"", "\"XXX\"", "\"D.N.I.\"", "\"7\""] {
        table.push((customer("document_type", raw), "invalid_document_type", "customer.document_type"));
    }
    for (kind, id) in [
        ("DNI", "1234567"),
        ("DNI", "123456789"),
        ("DNI", "1234567a"),
        ("dni", ""),
        ("RUC", "20512333798"),
        ("RUC", "2051233379"),
        ("RUC", "30512333797"),
        ("CEX", "1234567"),
        ("CE", "1234567890123"),
        ("CE", "12345-78"),
        ("PAS", "1234"),
        ("PASAPORTE", "ABCDEFGHIJKLM"),
        ("PASS", "A B C D"),
    ] {
        let body = with("customer", &format!("{{\"document_type\":\"{kind}\",\"document_id\":\"{id}\"}}"));
        table.push((body, "invalid_document", "customer.document_id"));
    }
    for raw in [
        "\"\"",
        "\"shop.pe\"",
        "\"/ok\"",
        "\"//shop.pe\"",
        "\"ftp://shop.pe\"",
        "\"javascript:alert(1)\"",
        "\"data:text/html,x\"",
        "\"http://\"",
        "\"https://user@shop.pe\"",
        "\"https://user:pw@shop.pe\"",
        "\"https://shop.pe/a b\"",
        "\" https://shop.pe\"",
        "\"https:\\\\\\\\shop.pe\"",
        "\"file:///etc/passwd\"",
        "\"https:///shop.pe\"",
    ] {
        table.push((with("url_success", raw), "invalid_url", "url_success"));
        table.push((with("url_error", raw), "invalid_url", "url_error"));
    }
    table.push((
        with("url_success", &format!("\"https://shop.pe/{}\"", "x".repeat(2_048))),
        "too_long",
        "url_success",
    ));
    for raw in [
        "99",
        "1001",
        "0",
        "-150",
        "150.5",
        "1.5e2",
        "\"\"",
        "\"px\"",
        "\"150em\"",
        "\"0150\"",
        "\"150pxpx\"",
    ] {
        table.push((with("size_qr", raw), "invalid_size_qr", "size_qr"));
    }
    table.push((with("metadata", &format!("{{\"a\":{}}}", text(8_200))), "too_long", "metadata"));
    table.push((with("sub_merchant", &format!("{{\"a\":{}}}", text(4_100))), "too_long", "sub_merchant"));
    table.push((with("metadata", &keys(51)), "too_many_keys", "metadata"));
    table.push((with("metadata", &format!("{{{}:1}}", text(41))), "too_long", "metadata"));
    table.push((with("metadata", &nested(5)), "too_deep", "metadata"));
    for raw in ["1234567890123456", "1.234567890123456", "1e16", "1e-16", "1e99999999999"] {
        table.push((with("metadata", &format!("{{\"a\":{raw}}}")), "too_long", "metadata"));
    }
    table.push((with("a", &nested(16)), "too_deep", ""));
    table.push((with("a", &keys(253)), "too_many_keys", ""));
    for raw in [
        "\"\\u0000\"",
        "\"\\u0007\"",
        "\"\\u007f\"",
        "\"\\u0085\"",
        "\"\\u202e\"",
        "\"\\u2066\"",
        "\"\\n\"",
        "\"\\t\"",
    ] {
        table.push((with("invoice_id", raw), "invalid_character", "invoice_id"));
        table.push((customer("name", raw), "invalid_character", "customer.name"));
    }
    for raw in ["\"\\ud800\"", "\"\\udc00x\"", "\"\\ud800\\ud800\""] {
        table.push((with("invoice_id", raw), "invalid_character", "invoice_id"));
        table.push((with("metadata", &format!("{{\"a\":{raw}}}")), "invalid_character", "metadata.a"));
    }
    for raw in ["\"\\u0000\"", "\"\\u0001\"", "\"\\u202d\""] {
        table.push((with("metadata", &format!("{{\"a\":{raw}}}")), "invalid_character", "metadata.a"));
        table.push((with("metadata", &format!("{{{raw}:1}}")), "invalid_character", ""));
    }
    table.push((with("metadata", "{\"a\":1,\"\\u0061\":2}"), "duplicate_field", "metadata.a"));
    table.push(("{\"amount\":1,\"amount\":1}".to_owned(), "duplicate_field", "amount"));
    for field in [
        "amuont",
        "Amount",
        "currency ",
        "status",
        "created",
        "version",
        "livemode",
        "description",
        "__proto__",
        "customer.email",
        "ktin",
    ] {
        table.push((with(field, "\"x\""), "unknown_field", field));
    }
    table.push((customer("mail", "\"x\""), "unknown_field", "customer.mail"));
    table.push((with("total", "{\"amount\":1}"), "unknown_field", "total.amount"));
    table.push((format!("{{\"invoice\":{},\"extra\":1}}", with("amount", "1")), "unknown_field", "extra"));
    table.push((with("external_id", "\"b\""), "conflicting_fields", "external_id"));
    table.push((with("total", "{\"value\":\"20.01\"}"), "conflicting_fields", "total.value"));
    table.push((with("total", "{\"currency\":\"USD\"}"), "conflicting_fields", "total.currency"));
    table.push((
        with("customer", "{\"phone\":\"+51999666123\"},\"payer_phone\":\"+51999666124\""),
        "conflicting_fields",
        "payer_phone",
    ));
    table.push((
        with("customer", "{\"name\":\"a\"},\"payer\":{\"name\":\"b\"}"),
        "conflicting_fields",
        "payer",
    ));
    table.push((
        with("request_datetime", "\"2099-01-01T00:00:00\""),
        "request_datetime_in_future",
        "request_datetime",
    ));
    table.push((
        with("expiration_datetime", "\"2099-01-01T00:00:00\""),
        "expiration_too_far",
        "expiration_datetime",
    ));
    table.push((with("due_datetime", "\"2099-01-01T00:00:00\""), "due_after_expiration", "due_datetime"));
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_refused_with_its_code_and_writes_nothing() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let table = refused_bodies();
    println!("{} bodies", table.len());
    assert!(table.len() >= 300);
    for (body, code, param) in &table {
        let answer = shop.call(Method::POST, INVOICES, &[], Some(body)).await;
        let shown: String = body.chars().take(200).collect();
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text);
        let told = answer
            .faults()
            .iter()
            .any(|(its_code, its_param)| its_code == code && (param.is_empty() || its_param == param));
        assert!(told, "{shown}: wants {code} at {param}: {}", answer.text);
    }
    assert_eq!(world.written().await, 0);
}

/// The same bodies at the routes that update: refused, or, where nothing in them would change, answered with the
/// invoice as it is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_changes_nothing_by_an_update_either() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let created = shop.create(&order("standing")).await;
    let path = format!("{INVOICES}/{}", created.json()["id"].as_str().unwrap());
    let before = world.written().await;
    for (body, ..) in refused_bodies() {
        for method in [Method::PATCH, Method::POST] {
            let answer = shop.call(method.clone(), &path, &[], Some(&body)).await;
            let unchanged = answer.status == 200 && answer.text == created.text;
            assert!(answer.status == 400 || unchanged, "{method} {body}: {} {}", answer.status, answer.text);
        }
    }
    assert_eq!(shop.get(created.json()["id"].as_str().unwrap()).await.text, created.text);
    assert_eq!(world.written().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_queries_are_refused_on_every_list() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let queries = [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=1e2",
        "limit=",
        "limit=%F0%9F%A6%99",
        "limit=1&limit=2",
        "starting_after=x",
        "start=",
        "ending_before=inv_live_2222222222222222222222",
        "end=%00",
        "date=2026",
        "date=2026-02-30",
        "date=2026-01-01T00:00:00",
        "date=",
        "date=%EF%BC%92026-01-01",
        "status=",
        "status=open",
        "status=paid,",
        "status=paid;voided",
        "status=PAID%20VOIDED",
        "currency=",
        "currency=EUR",
        "currency=PEN,USD",
        "ktin=",
        "ktin=1",
        "ktin=123456789012",
        "ktin=abcdefghijkl",
        "invoice_id=",
        "invoice_id=%00",
        "invoice_id=%E2%80%AE",
        "customer.document_id=%07",
        "created[gte]=x",
        "created[gt]=2026-13-01T00:00:00",
        "created[lte]=",
        "created[lt]=now",
        "created=2026-01-01",
        "created[eq]=2026-01-01T00:00:00",
        "paid[gte]=x",
        "paid[gt]=",
        "paid[lte]=0",
        "paid[lt]=%C3%A9",
        "paid=x",
        "foo=1",
        "=1",
        "limit[]=1",
        "offset=5",
        "page=2",
        "sort=amount",
        "order=asc",
        "customer[document_id]=1",
    ];
    for query in queries {
        for path in ["", "/list", "/list/2026-01-01"] {
            let answer = shop.call(Method::GET, &format!("{INVOICES}{path}?{query}"), &[], None).await;
            assert_eq!(answer.status, 400, "{path}?{query}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_at_the_boundary_is_accepted() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let accepted = [
        with("amount", "0.01"),
        with("amount", "\"999999999.99\""),
        with("amount", "1"),
        with("amount", "\"1.5\""),
        with("currency", "\"pen\""),
        with("currency", "\"uSd\""),
        with("invoice_id", &format!("\"{}\"", "ñ".repeat(100))),
        customer("name", &text(200)),
        customer("name", "\"\""),
        customer("phone", "\"+12345678\""),
        customer("phone", "\"+123456789012345\""),
        customer("document_id", &text(20)),
        customer("document_type", "\"Pasaporte\""),
        with("size_qr", "100"),
        with("size_qr", "\"1000px\""),
        with("metadata", &keys(50)),
        with("metadata", "{}"),
        with("metadata", &nested(4)),
        with("metadata", "{\"a\":123456789012345,\"b\":-1.5e-15,\"c\":\"\\t\\n\\r\"}"),
        with("metadata", &format!("{{{}:{}}}", text(40), text(8_100))),
        with("sub_merchant", &format!("{{\"a\":{}}}", text(4_000))),
        with("request_datetime", "\"0001-01-01T00:00:00\""),
        with("request_datetime", "\"2026-01-01 10:00\""),
        with("request_datetime", "\"2026-01-01T10:00:00.123456789-0500\""),
        with("expiration_datetime", "\"1999-12-31T23:59:59\""),
        with("url_success", &format!("\"https://shop.pe/{}\"", "x".repeat(2_032))),
        with("url_error", "\"HTTP://[::1]:8080/?a=b#c\""),
        with("customer", "null"),
        with("metadata", "null"),
        with("due_datetime", "null"),
        with("id", "null"),
        with("invoice", "null"),
        with("payer_phone", "\"+51999666123\""),
        with("external_id", "\"a\""),
        with("total", "{\"value\":20,\"currency\":\"pen\"}"),
    ];
    for (n, body) in accepted.iter().enumerate() {
        let body = body.replace("\"a\"", &format!("\"a{n}\""));
        let answer = shop.call(Method::POST, INVOICES, &[], Some(&body)).await;
        assert!(matches!(answer.status, 200 | 201), "{body}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_types_encodings_and_paths_are_judged_as_written() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let post = async |headers: &[(&str, &str)], body: &str| {
        shop.call(Method::POST, INVOICES, headers, Some(body)).await
    };
    let good = order("typed").to_string();
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/vnd.kashio+json",
        "nonsense",
    ] {
        assert!(
            matches!(post(&[("content-type", content_type)], &good).await.status, 200 | 201),
            "{content_type}"
        );
    }
    for (content_type, status) in [
        ("application/json", 400),
        ("application/problem+json", 400),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/xml", 415),
    ] {
        assert_eq!(post(&[("content-type", content_type)], "a=b&c=d").await.status, status, "{content_type}");
    }
    for encoding in ["gzip", "br", "deflate", "identity, gzip"] {
        assert_eq!(post(&[("content-encoding", encoding)], &good).await.code(), "unsupported_encoding");
    }
    assert_eq!(post(&[("content-encoding", "Identity")], &good).await.status, 200);
    let spaces = " ".repeat(64 * 1_024 - good.len());
    assert_eq!(post(&[], &format!("{good}{spaces}")).await.status, 200, "64 KiB are allowed");
    let too_large = post(&[], &format!("{good}{spaces} ")).await;
    assert_eq!((too_large.status, too_large.code().as_str()), (413, "body_too_large"));
    let long_path = format!("{INVOICES}?invoice_id={}", "x".repeat(9_000));
    let too_long = shop.call(Method::GET, &long_path, &[], None).await;
    assert_eq!((too_long.status, too_long.code().as_str()), (414, "uri_too_long"));
    let big = "x".repeat(33_000);
    let headers = shop.call(Method::GET, INVOICES, &[("x-big", &big)], None).await;
    assert_eq!((headers.status, headers.code().as_str()), (431, "headers_too_large"));
    for path in ["/v1/payments/", "/v1/payments/invoices/", "/v1/payments/invoices/list/"] {
        assert_eq!(shop.call(Method::GET, path, &[], None).await.status, 200, "{path}");
    }
    for path in [
        "/",
        "/v1",
        "/v1/payments/invoice",
        "/internal",
        "/internal/v1/accounts",
        "//internal/v1/accounts",
        "/v1/payments/..%2finternal",
        "/%2e%2e/internal",
        "/v1/payments/invoices/a/b",
        "/v1/payments/invoices/%00",
        "/v1/payments/invoices/%ff",
    ] {
        assert_eq!(shop.call(Method::GET, path, &[], None).await.status, 404, "{path}");
    }
    for (method, path) in [
        (Method::PUT, INVOICES),
        (Method::DELETE, INVOICES),
        (Method::PATCH, "/v1/payments"),
        (Method::PUT, "/v1/payments/invoices/x"),
        (Method::TRACE, INVOICES),
        (Method::POST, "/v1/payments/invoices/list/2026-01-01"),
    ] {
        let answer = shop.call(method.clone(), path, &[], None).await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.header("allow").contains("OPTIONS"));
    }
}

/// At least 2,000 naughty strings in every text field: refused, or read back to the byte.
#[tokio::test(flavor = "multi_thread")]
async fn naughty_strings_are_refused_or_read_back_to_the_byte() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let strings = naughty_strings(seed);
    assert!(strings.len() >= 2_000, "{}", strings.len());
    let (mut kept, mut refused) = (0, 0);
    for (n, naughty) in strings.iter().enumerate() {
        let mut body = order(&format!("n{n}"));
        // The reference has at most 100 characters and at least one: the number keeps it unique.
        body["invoice_id"] = json!(format!("{n}{}", naughty.chars().take(90).collect::<String>()));
        body["customer"] = json!({"name": naughty.chars().take(200).collect::<String>(),
            "external_id": naughty.chars().take(100).collect::<String>(),
            "document_id": naughty.chars().take(20).collect::<String>()});
        body["metadata"] = json!({"text": naughty, "list": [naughty]});
        body["sub_merchant"] = json!({"name": naughty});
        let created = shop.create(&body).await;
        match created.status {
            201 => {
                let read = shop.get(created.json()["id"].as_str().unwrap()).await.json();
                for field in ["invoice_id", "customer", "metadata", "sub_merchant"] {
                    assert_eq!(read[field], body[field], "{field} of {naughty:?}");
                }
                kept += 1;
            }
            400 => {
                let only_characters =
                    |answer: &Answer| answer.faults().iter().all(|(code, _)| code == "invalid_character");
                assert!(only_characters(&created), "{naughty:?}: {}", created.text);
                assert!(naughty.chars().any(wire::json::is_forbidden), "{naughty:?} is nothing bad");
                refused += 1;
            }
            other => panic!("{other} for {naughty:?}: {}", created.text),
        }
    }
    for naughty in &strings {
        shaped(&shop, naughty).await;
    }
    println!("{kept} kept, {refused} refused");
    assert!(kept > 1_000 && refused > 50);
    assert_eq!(
        world.count("select count(*) from events").await,
        world.count("select count(*) from invoices").await
    );
}

/// Fields of a shape, all at once: each is complained about, unless chance made it sound.
async fn shaped(shop: &Merchant, naughty: &str) {
    let mut body = order("shaped");
    let tops = [
        "currency",
        "amount",
        "request_datetime",
        "due_datetime",
        "expiration_datetime",
        "url_success",
        "url_error",
        "size_qr",
    ];
    for field in tops {
        body[field] = Value::from(naughty);
    }
    body["customer"] = json!({"email": naughty, "phone": naughty, "document_type": naughty});
    let answer = shop.create(&body).await;
    assert_eq!(answer.status, 400, "{naughty:?}: {}", answer.text);
    let faults = answer.faults();
    for field in tops.into_iter().chain(["customer.email", "customer.phone", "customer.document_type"]) {
        let by_chance = match field {
            "currency" => Currency::parse(naughty).is_ok(),
            "amount" => Amount::parse(naughty).is_ok(),
            "request_datetime" | "due_datetime" | "expiration_datetime" => Moment::parse(naughty).is_ok(),
            "customer.document_type" => DocumentType::parse(naughty).is_ok(),
            "customer.email" => naughty.contains('@'),
            "customer.phone" => naughty.starts_with('+'),
            "size_qr" => naughty.starts_with(|first: char| first.is_ascii_digit()),
            _ => naughty.starts_with("http://") || naughty.starts_with("https://"),
        };
        let told = faults.iter().any(|(_, param)| param == field);
        assert!(told || by_chance, "{field}: {naughty:?}: {}", answer.text);
    }
}

/// What has broken programs before, and then random text from the dangerous parts of Unicode.
fn naughty_strings(seed: u64) -> Vec<String> {
    let known = [
        "undefined",
        "null",
        "NULL",
        "nil",
        "true",
        "NaN",
        "-Infinity",
        "1/0",
        "0x0",
        "1e309",
        "--",
        "'",
        "\"",
        "''",
        "\\",
        "\\\\",
        "%",
        "%s%s%n",
        "%00",
        "$(id)",
        "`id`",
        "${7*7}",
        "{{7*7}}",
        "' or '1'='1",
        "'; drop table invoices; --",
        "1;select pg_sleep(9)",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "]]>",
        "<!--",
        "&amp;&#0;",
        "../../etc/passwd",
        "C:\\CON",
        "LPT1",
        "Ω≈ç√∫˜µ≤≥÷",
        "田中さんにあげて下さい",
        "사회과학원",
        "הָיְתָה",
        "مُنَاقَشَةُ",
        "ﷺ",
        "🦙🇵🇪👩‍👩‍👧‍👦",
        "Z̮̞̠͙͔ͅa̡l͎g̨o̸",
        "𝒦𝒶𝓈𝒽",
        "ÅÅ",
        "ﬁ",
        "ẞß",
        "İı",
        "\u{feff}",
        "\u{200b}",
        "\u{200f}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{e000}",
        "\u{202e}evil",
        "\u{2066}x\u{2069}",
        "a\u{0}b",
        "\u{1}",
        "\u{7f}",
        "\u{80}",
        "\u{85}",
        "\u{9f}",
        "\u{1b}[31m",
        "\r\nX-Injected: 1",
        "\t",
        "line\nline",
        "\u{2028}",
        "\u{2029}",
        "\u{ad}",
        "  padded  ",
        "\u{a0}",
        "",
        "{}",
        "[]",
        "{\"a\":1}",
        "\\u0000",
        "\\ud800",
        "=1+1",
        "@SUM(A1)",
        "+51",
        "http://169.254.169.254/",
        "file:///",
        "x".repeat(190).as_str(),
    ]
    .map(str::to_owned);
    let mut random = StdRng::seed_from_u64(seed);
    let mut strings: Vec<String> = known.into();
    let blocks = [
        0x20..0x7f,
        0x00..0x20,
        0x7f..0xa0,
        0xa0..0x250,
        0x300..0x370,
        0x590..0x700,
        0x2000..0x2070,
        0x3040..0x30ff,
        0xfe00..0xfe10,
        0xfff0..0x1_0000,
        0x1_f300..0x1_f700,
        0xe_0000..0xe_0080,
        0x10_fff0..0x11_0000,
    ];
    while strings.len() < 2_100 {
        let length = random.random_range(1..40);
        // Mostly one block, so that most strings hold nothing forbidden.
        let block = blocks[random.random_range(0..blocks.len())].clone();
        let one = |random: &mut StdRng| char::from_u32(random.random_range(block.clone())).unwrap_or('x');
        strings.push((0..length).map(|_| one(&mut random)).collect());
    }
    strings
}

impl World {
    async fn written(&self) -> i64 {
        self.count("select (select count(*) from invoices) + (select count(*) from events) + (select count(*) from idempotency_keys)").await
    }
}
