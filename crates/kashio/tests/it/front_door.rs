//! What happens to every request: HTTPS, keys in URLs, CORS, request ids, methods, bodies that do not come.

use std::time::Duration;

use domain::account::Mode;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::world::{INVOICES, World, order};

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_refused_before_the_key_is_looked_at() {
    let world = World::with(|settings| settings.http.require_https = true).await;
    let shop = world.merchant(Mode::Test).await;
    let refused = shop.call(Method::GET, "/v1/payments", &[], None).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "https_required"));
    let wrong_key = [("authorization", "Bearer nonsense")];
    assert_eq!(world.send(Method::GET, "/v1/payments", &wrong_key, None).await.status, 403);
    let over_tls = shop.call(Method::GET, "/v1/payments", &[("x-forwarded-proto", "https")], None).await;
    assert_eq!(over_tls.status, 200);
    assert!(over_tls.header("strict-transport-security").starts_with("max-age="));
    for (name, value) in
        [("x-forwarded-proto", "http"), ("x-forwarded-proto", "https, http"), ("forwarded", "proto=https")]
    {
        assert_eq!(
            shop.call(Method::GET, "/v1/payments", &[(name, value)], None).await.status,
            403,
            "{name}: {value}"
        );
    }
    let twice = [("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")];
    assert_eq!(shop.call(Method::GET, "/v1/payments", &twice, None).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_peer_can_not_say_that_it_came_over_tls() {
    let world = World::with(|settings| {
        settings.http.require_https = true;
        settings.http.trusted_proxies = "10.0.0.0/8".to_owned();
    })
    .await;
    let shop = world.merchant(Mode::Test).await;
    let answer = shop.call(Method::GET, "/v1/payments", &[("x-forwarded-proto", "https")], None).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "https_required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_url_is_refused_whoever_calls() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let path = format!("/v1/payments?x=1&api_key={}", shop.key.expose());
    let answer = world.send(Method::GET, &path, &[], None).await;
    assert_eq!(answer.faults(), [("key_in_url".to_owned(), "api_key".to_owned())]);
    assert!(!answer.text.contains(shop.key.expose()));
    let as_name = world.send(Method::GET, &format!("/v1/payments?{}", shop.key.expose()), &[], None).await;
    assert_eq!(as_name.faults(), [("key_in_url".to_owned(), String::new())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_its_request_id_and_is_not_to_be_kept() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let theirs = [("x-request-id", "order 7/ß".trim_end_matches('ß'))];
    for (method, path) in [
        (Method::GET, "/v1/payments"),
        (Method::GET, "/nowhere"),
        (Method::PUT, INVOICES),
        (Method::HEAD, "/v1/payments"),
    ] {
        let answer = shop.call(method.clone(), path, &theirs, None).await;
        assert!(answer.header("request-id").starts_with("req_"), "{method} {path}");
        assert_eq!(answer.header("x-request-id"), "order 7/");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        if answer.status >= 400 {
            assert_eq!(answer.json()["request_id"], answer.header("request-id"));
            assert_eq!(answer.json()["status"], answer.status);
        }
    }
    let head = shop.call(Method::HEAD, "/v1/payments/", &[], None).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    let not_allowed = shop.call(Method::DELETE, INVOICES, &[], None).await;
    assert_eq!((not_allowed.status, not_allowed.code().as_str()), (405, "method_not_allowed"));
    assert!(not_allowed.header("allow").contains("POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_may_call_and_see_errors() {
    let world = World::start().await;
    let preflight = [
        ("origin", "https://shop.pe"),
        ("access-control-request-method", "PATCH"),
        (
            "access-control-request-headers",
            "authorization, content-type, idempotency-key, if-match, kashio-version",
        ),
    ];
    for path in ["/v1/payments", INVOICES, "/v1/payments/invoices/inv_test_x", "/nowhere"] {
        let answer = world.send(Method::OPTIONS, path, &preflight, None).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-max-age"), "600");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let plain = world.send(Method::OPTIONS, INVOICES, &[], None).await;
    assert_eq!((plain.status, plain.header("allow")), (204, "POST, GET, HEAD, OPTIONS"));
    let error = world.send(Method::GET, INVOICES, &[("origin", "https://shop.pe")], None).await;
    assert_eq!(error.header("access-control-allow-origin"), "*");
    assert!(error.header("access-control-expose-headers").to_lowercase().contains("request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_speak_spanish_or_english() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let mut body = order("a");
    body["amount"] = serde_json::json!("1.234");
    let message =
        |answer: crate::world::Answer| answer.json()["error"][0]["message"].as_str().unwrap().to_owned();
    assert_eq!(message(shop.create(&body).await), "El monto debe tener como máximo 2 decimales.");
    for (header, english) in [
        ("en", true),
        ("en-US,en;q=0.9,es;q=0.8", true),
        ("es-PE,es;q=0.9,en;q=0.8", false),
        ("fr, en;q=0.1", true),
        ("fr", false),
    ] {
        let answer = message(shop.create_with(&[("accept-language", header)], &body).await);
        assert_eq!(answer == "The amount must have at most 2 decimals.", english, "{header}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_not_waited_for() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create(&order("warm")).await.status, 201);
    let mut socket = TcpStream::connect(world.running().public).await.unwrap();
    let head = format!(
        "POST {INVOICES} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: 500\r\n\r\n{{",
        shop.authorization()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    let (mut reader, mut writer) = socket.into_split();
    let drip = tokio::spawn(async move {
        while writer.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
    });
    let mut answer = vec![0; 512];
    let read = reader.read(&mut answer).await.unwrap();
    drip.abort();
    let text = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    let took = began.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(13)).contains(&took), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_and_ready_are_answered_on_the_management_listener_only() {
    let mut world = World::start().await;
    let management = format!("http://{}", world.running().management);
    let ready = world.client.get(format!("{management}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let live = world.client.get(format!("{management}/livez")).send().await.unwrap();
    assert_eq!(live.status(), 200);
    assert_eq!(world.send(Method::GET, "/readyz", &[], None).await.status, 404);
    world.restart().await;
    world
        .execute("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
        .await;
    sleep(Duration::from_millis(1_500)).await;
    let management = format!("http://{}", world.running().management);
    let unready = world.client.get(format!("{management}/readyz")).send().await.unwrap();
    assert_eq!(unready.status(), 503);
    assert!(unready.text().await.unwrap().contains("is not applied"));
}
