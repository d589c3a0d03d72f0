//! Secrets stay where they belong: a process that logs all it can is told canaries, and then looked through. Keys are
//! in no log line, metric, error body or column; people's data and bodies are in no log line, metric or error body.

use domain::account::Mode;
use domain::key::{KeyKind, SecretKey};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::keys::wrong_secret;
use crate::program::Serving;
use crate::world::{Answer, INVOICES, Merchant, World, an_address};

const EMAIL: &str = "canario.correo@tienda-canario.pe";
const PHONE: &str = "+51987612345";
const DOCUMENT: &str = "47261893";
const NAME: &str = "Canaria Nombre";
const METADATA: &str = "canary-in-metadata";
const SUB_MERCHANT: &str = "canary-in-sub-merchant";
const IDEMPOTENCY: &str = "canary-in-idempotency-key";
const QUERY: &str = "canary-in-query";
const BODY: &str = "canary-in-a-broken-body";

fn told(invoice_id: &str) -> Value {
    json!({
        "invoice_id": invoice_id, "currency": "PEN", "amount": "20.00",
        "request_datetime": "2026-01-01T10:00:00",
        "customer": {
            "name": NAME, "email": EMAIL, "phone": PHONE, "document_type": "DNI", "document_id": DOCUMENT,
        },
        "metadata": { "note": METADATA }, "sub_merchant": { "name": SUB_MERCHANT },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn canaries_are_seen_nowhere_that_they_should_not_be() {
    let world = World::start().await;
    let environment = [
        ("RUST_LOG", "trace,actix_http::h1=trace,sqlx::query=trace"),
        ("KASHIO__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
        ("KASHIO__HTTP__PUBLIC_URL", "https://api.kashio.test"),
    ];
    let serving = Serving::start(world.database.url(), &environment).await;
    let base = format!("http://{}", serving.public);
    let shop = Merchant { base: base.clone(), ..world.merchant(Mode::Test).await };
    let console = world.console().await.at(serving.internal);
    let tls = [("x-forwarded-proto", "https")];
    let (mut answers, mut secrets): (Vec<Answer>, Vec<String>) = (vec![], vec![]);
    secrets.extend([shop.key.expose().to_owned(), console.secret().to_owned()]);

    // What merchants do.
    let once = [tls[0], ("idempotency-key", IDEMPOTENCY), ("x-request-id", "theirs")];
    let made = shop.create_with(&once, &told("one")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let invoice = made.json()["id"].as_str().unwrap().to_owned();
    assert!(shop.create_with(&once, &told("one")).await.was_replayed());
    answers.push(shop.create_with(&once, &told("two")).await);
    let mut faulty = told("three");
    faulty["amount"] = json!("1.234");
    faulty["customer"]["email"] = json!(format!("{EMAIL}@"));
    faulty["customer"]["phone"] = json!(format!("{PHONE}{PHONE}"));
    faulty["customer"]["document_id"] = json!(format!("{DOCUMENT}{DOCUMENT}"));
    answers.push(shop.create_with(&tls, &faulty).await);
    let mut conflict = told("one");
    conflict["amount"] = json!("21.00");
    answers.push(shop.create_with(&tls, &conflict).await);
    let broken = format!("{{\"customer\": \"{BODY}");
    answers.push(shop.call(Method::POST, INVOICES, &tls, Some(&broken)).await);
    for route in api::routes::all() {
        let method: Method = route.method.as_str().parse().unwrap();
        let path = route.path.replace("{id}", &invoice).replace("{date}", "2026-01-01");
        let body = (method != Method::GET).then(|| told("four").to_string());
        let query =
            if method == Method::GET { format!("?limit=1&q={QUERY}&name={EMAIL}") } else { String::new() };
        answers.push(shop.call(method, &format!("{path}{query}"), &tls, body.as_deref()).await);
    }

    // Keys where they should not be.
    let unknown = SecretKey::mint(KeyKind::Merchant(Mode::Test), rand::random);
    for wrong in [wrong_secret(&shop.key), unknown] {
        secrets.push(wrong.expose().to_owned());
        let guesser = Merchant { key: wrong, address: an_address(), ..shop.clone() };
        answers.push(guesser.call(Method::GET, "/v1/payments", &tls, None).await);
    }
    answers.push(shop.call(Method::GET, "/v1/payments", &[], None).await);
    let in_url = format!("/v1/payments?key={}&{}=1", shop.key.expose(), shop.key.expose());
    answers.push(shop.call(Method::GET, &in_url, &tls, None).await);
    answers.push(shop.call(Method::GET, &format!("/v1/{}", shop.key.expose()), &tls, None).await);
    let as_idempotency = [tls[0], ("idempotency-key", " \u{1f426}")];
    answers.push(shop.create_with(&as_idempotency, &told("five")).await);

    // What the framework refuses by itself, it tells whoever debugs it, header and all.
    for header in ["content-length", "transfer-encoding"] {
        let mut socket = TcpStream::connect(serving.public).await.unwrap();
        let request = format!("POST {INVOICES} HTTP/1.1\r\nhost: x\r\n{header}: {}\r\n\r\n", secrets[0]);
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains(&secrets[0]), "{answer}");
    }

    // What the console does.
    let account = format!("/internal/v1/accounts/{}", shop.account.text(Mode::Test));
    let wish = json!({ "mode": "test", "name": "caja" });
    let key = console
        .call(Method::POST, &format!("{account}/keys"), &[("idempotency-key", "k")], Some(&wish))
        .await;
    assert_eq!(key.status, 201, "{}", key.text);
    answers.push(
        console
            .call(Method::POST, &format!("{account}/keys"), &[("idempotency-key", "k")], Some(&wish))
            .await,
    );
    let service = json!({ "name": "BCP", "role": "collector", "channel": "bcp" });
    let service = console.call(Method::POST, "/internal/v1/service-keys", &[], Some(&service)).await;
    let mut made = vec![key, service];
    for kind in 0..2 {
        let list = ["keys", "service-keys"][kind];
        let id = made[kind].json()["id"].as_str().unwrap().to_owned();
        made.push(console.write(&format!("/internal/v1/{list}/{id}/roll")).await);
        assert_eq!(made[made.len() - 1].status, 201);
    }
    secrets.extend(made.iter().map(|answer| answer.json()["secret"].as_str().unwrap().to_owned()));
    for route in api::internal::routes::all() {
        let method: Method = route.method.as_str().parse().unwrap();
        let path = route.path.replace("{account}", &shop.account.text(Mode::Test)).replace("{mode}", "test");
        let path = path.replace("{id}", &invoice).replace("{date}", "2026-01-01");
        let query = if method == Method::GET { format!("?limit=1&q={QUERY}") } else { String::new() };
        let body = (method != Method::GET).then(|| told("six"));
        answers.push(console.call(method, &format!("{path}{query}"), &[], body.as_ref()).await);
    }

    // Time for what is written off the requests.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let metrics = world.client.get(format!("http://{}/metrics", serving.management)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("kashio_http_requests_total"), "{metrics}");
    let log = serving.said();
    assert!(log.lines().count() > answers.len(), "{log}");
    let errors: Vec<&Answer> = answers.iter().filter(|answer| answer.status >= 400).collect();
    assert!(errors.len() > 20, "only {} errors", errors.len());

    // Of a secret even its last part, which no checksum and no public id is.
    let secrets: Vec<&str> = secrets.iter().map(|secret| &secret[secret.len() - 38..]).collect();
    let people = [EMAIL, PHONE, DOCUMENT, NAME, METADATA, SUB_MERCHANT, IDEMPOTENCY, QUERY, BODY];
    for canary in secrets.iter().chain(&people) {
        let line = log.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "{canary} is in the log");
        assert!(!metrics.contains(canary), "{canary} is in the metrics");
        let error = errors.iter().find(|answer| answer.text.contains(canary));
        assert!(error.is_none(), "{canary}: {error:?}");
    }
    let tables: Vec<String> =
        sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'public'")
            .fetch_all(&world.sql)
            .await
            .unwrap();
    assert!(tables.len() >= 8, "{tables:?}");
    let mut everything = String::new();
    for table in tables {
        let rows = format!("select coalesce(string_agg(to_jsonb(t)::text, E'\\n'), '') from {table} t");
        let rows: String = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&world.sql).await.unwrap();
        everything += &rows;
        // Bodies of saved answers are bytes.
        let bytes = format!("select coalesce(string_agg(t::text, E'\\n'), '') from {table} t");
        let bytes: String = sqlx::query_scalar(AssertSqlSafe(bytes)).fetch_one(&world.sql).await.unwrap();
        everything += &bytes;
    }
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(everything.contains(EMAIL) && everything.contains(&hex(EMAIL)), "the search finds what is there");
    for secret in secrets {
        assert!(
            !everything.contains(secret) && !everything.contains(&hex(secret)),
            "{secret} is in the database"
        );
    }
}
