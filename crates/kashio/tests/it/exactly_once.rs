//! "Exactly once", line by line as the API document's table has it, each also where answers get lost.

use std::collections::HashSet;

use std::time::{Duration, Instant};

use domain::account::Mode;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::world::{INVOICES, Merchant, World, order};

const KEY: &str = "idempotency-key";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_is_created() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let first = shop.create(&order("a")).await;
    assert_eq!(first.status, 201);
    assert!(!first.was_replayed());
    assert_eq!(world.rows().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_answered_with_the_invoice_as_it_is_now() {
    let mut world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let first = shop.create(&order("a")).await;
    world.restart().await;
    let shop = Merchant { base: world.url(""), ..shop };
    let other_words = json!({
        "invoice": {"total": {"value": 20, "currency": "pen"}, "external_id": "a", "size_qr": null},
    });
    for again in [order("a"), other_words] {
        let second = shop.create(&again).await;
        assert_eq!((second.status, second.was_replayed()), (200, true), "{}", second.text);
        assert_eq!(second.text, first.text);
        assert_eq!(second.header("etag"), "\"1\"");
    }
    assert_eq!(world.rows().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_an_open_reference_is_a_conflict() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let first = shop.create(&order("a")).await;
    let mut other = order("a");
    other["amount"] = json!("20.01");
    let conflict = shop.create(&other).await;
    assert_eq!((conflict.status, conflict.code().as_str()), (409, "invoice_id_conflict"));
    assert_eq!(conflict.json()["error"][0]["existing_id"], first.json()["id"]);
    assert_eq!(world.rows().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voided_reference_can_be_issued_again() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let first = shop.create(&order("a")).await.json();
    world.void_all().await;
    let mut later = order("a");
    later["request_datetime"] = json!("2026-01-02T10:00:00");
    let second = shop.create(&later).await;
    assert_eq!(second.status, 201, "{}", second.text);
    assert_ne!(second.json()["id"], first["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_retry_does_not_revive_what_was_voided() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let first = shop.create(&order("a")).await.json();
    world.void_all().await;
    let retry = shop.create(&order("a")).await;
    assert_eq!((retry.status, retry.was_replayed()), (200, true));
    assert_eq!(retry.json()["id"], first["id"]);
    assert_eq!(retry.json()["status"], "voided");
    // Without a request_datetime nobody can tell a retry from a new order.
    let mut anew = order("b");
    anew.as_object_mut().unwrap().remove("request_datetime");
    let enveloped = json!({ "invoice": anew });
    let b = shop.create(&enveloped).await.json();
    world.void_all().await;
    let b_again = shop.create(&enveloped).await;
    assert_eq!(b_again.status, 201);
    assert_ne!(b_again.json()["id"], b["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_found_past_its_expiration_is_expired_in_the_same_transaction() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let mut past = order("a");
    past["expiration_datetime"] = json!("2026-01-05T00:00:00");
    let first = shop.create(&past).await.json();
    assert_eq!(first["status"], "pending");
    let twin = shop.create(&past).await;
    assert_eq!((twin.status, twin.json()["status"].as_str().unwrap()), (200, "expired"));
    let second = shop.create(&order("a")).await;
    assert_eq!(second.status, 201, "{}", second.text);
    assert_eq!(world.count("select count(*) from events where type = 'invoice.expired'").await, 1);
    assert_eq!(world.count("select count(*) from invoices where status = 'expired'").await, 1);
    assert_eq!(shop.get(first["id"].as_str().unwrap()).await.json()["version"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seen_key_gets_the_saved_answer_to_the_byte() {
    let mut world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let first = shop.create_with(&[(KEY, "k-1")], &order("a")).await;
    world.restart().await;
    let shop = Merchant { base: world.url(""), ..shop };
    let mut later = order("a");
    later["request_datetime"] = json!("2026-01-01T10:05:00");
    later["amount"] = json!("20.00");
    // Voided meanwhile, another version asked for: what was answered is answered.
    world.void_all().await;
    for (key, headers) in [("k-1", ("kashio-version", "1.0.1")), ("\"k-1\"", ("accept-language", "en"))] {
        let again = shop.create_with(&[(KEY, key), headers], &later).await;
        assert_eq!((again.status, again.was_replayed()), (201, true));
        assert_eq!(again.text, first.text);
        assert_eq!(again.header("etag"), first.header("etag"));
        assert_eq!(again.header("location"), first.header("location"));
    }
    assert_eq!(world.count("select count(*) from invoices").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_json_is_the_same_request_however_it_is_spelled() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let one = r#"{"invoice_id":"a","currency":"PEN","amount":15,"request_datetime":"2026-01-01T10:00:00","metadata":{"x":1,"y":[2]}}"#;
    let other = r#"{ "metadata": {"y": [2.0], "x": 1e0}, "amount": 15.00, "invoice_id": "\u0061", "currency": "PEN", "request_datetime": "2026-01-03T10:00:00" }"#;
    let first = shop.call(Method::POST, INVOICES, &[(KEY, "k")], Some(one)).await;
    let again = shop.call(Method::POST, INVOICES, &[(KEY, "k")], Some(other)).await;
    assert_eq!((first.status, again.status, again.was_replayed()), (201, 201, true), "{}", again.text);
    assert_eq!(again.text, first.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_another_request_is_refused() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create_with(&[(KEY, "k")], &order("a")).await.status, 201);
    let mut other = order("a");
    other["amount"] = json!("21.00");
    let reused = shop.create_with(&[(KEY, "k")], &other).await;
    assert_eq!((reused.status, reused.code().as_str()), (422, "idempotency_key_reused"));
    // What is invalid in itself is told first.
    other["amount"] = json!("-1");
    assert_eq!(shop.create_with(&[(KEY, "k")], &other).await.status, 400);
    assert_eq!(world.rows().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_still_running_is_waited_for_and_then_told_so() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create_with(&[(KEY, "warm")], &order("w")).await.status, 201);
    let mut winner = world.sql.begin().await.unwrap();
    sqlx::query(
        "insert into idempotency_keys (account_id, livemode, key, request) values ($1, false, 'k', '')",
    )
    .bind(shop.account.uuid())
    .execute(&mut *winner)
    .await
    .unwrap();
    let began = Instant::now();
    let busy = shop.create_with(&[(KEY, "k")], &order("a")).await;
    let waited = began.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
    assert_eq!((busy.status, busy.code().as_str()), (409, "idempotency_in_progress"), "{}", busy.text);
    assert_eq!(busy.header("retry-after"), "1");
    let waiting = {
        let shop = shop.clone();
        tokio::spawn(async move { shop.create_with(&[(KEY, "k")], &order("a")).await })
    };
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    winner.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_success_is_saved() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let first = shop.create(&order("a")).await.json();
    let mut other = order("a");
    other["amount"] = json!("9.99");
    assert_eq!(shop.create_with(&[(KEY, "k")], &other).await.status, 409);
    world.execute("update invoices set status = 'voided', version = version + 1").await;
    let now = shop.create_with(&[(KEY, "k")], &other).await;
    assert_eq!(now.status, 201, "{}", now.text);
    assert_ne!(now.json()["id"], first["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_only_time_brought_never_beat_a_saved_answer() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Live).await;
    let soon: String = sqlx::query_scalar(
        "select to_char((now() + interval '2 s') at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS')",
    )
    .fetch_one(&world.sql)
    .await
    .unwrap();
    let mut body = order("a");
    body["expiration_datetime"] = json!(soon);
    let first = shop.create_with(&[(KEY, "k")], &body).await;
    assert_eq!(first.status, 201, "{}", first.text);
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let again = shop.create_with(&[(KEY, "k")], &body).await;
    assert_eq!((again.status, again.was_replayed(), again.text), (201, true, first.text));
    let without_key = shop.create(&body).await;
    assert_eq!((without_key.status, without_key.json()["status"].as_str().unwrap()), (200, "expired"));
    body["invoice_id"] = json!("never seen");
    let new = shop.create(&body).await;
    assert_eq!((new.status, new.code().as_str()), (400, "expiration_in_past"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_again() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create(&order("warm")).await.status, 201);
    for round in 0..50 {
        let (reference, key) = (format!("r{round}"), format!("k{round}"));
        let body = order(&reference).to_string();
        let request = format!(
            "POST {INVOICES} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
            shop.authorization(),
            body.len()
        );
        let mut socket = TcpStream::connect(world.running().public).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        drop(socket); // Whatever is answered, nobody hears it.
        let retry = shop.create_with(&[(KEY, &key)], &order(&reference)).await;
        assert_eq!(retry.status, 201, "{}", retry.text);
    }
    assert_eq!(world.rows().await, (51, 51));
}

/// Each line once more: its first answer was lost, and the service restarted before the repeat.
#[tokio::test(flavor = "multi_thread")]
async fn every_line_holds_after_a_lost_answer_and_a_restart() {
    let mut world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create(&order("warm")).await.status, 201);
    for (reference, key) in [("plain", ""), ("voided", ""), ("keyed", "idempotency-key: k\r\n")] {
        let body = order(reference).to_string();
        let head =
            format!("POST {INVOICES} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n", shop.authorization());
        let request = format!("{head}{key}content-length: {}\r\n\r\n{body}", body.len());
        let mut socket = TcpStream::connect(world.running().public).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        while world.rows().await.0
            < ["warm", "plain", "voided", "keyed"].iter().position(|one| *one == reference).unwrap() as i64
                + 1
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(socket); // It was done, and nobody heard so.
    }
    world.execute("update invoices set status = 'voided', version = 2 where invoice_id = 'voided'").await;
    world.restart().await;
    let shop = Merchant { base: world.url(""), ..shop };
    let other = |reference: &str| {
        let mut body = order(reference);
        body["amount"] = json!("21.00");
        body
    };
    let same = shop.create(&order("plain")).await;
    assert_eq!((same.status, same.was_replayed()), (200, true));
    assert_eq!(shop.create(&other("plain")).await.code(), "invoice_id_conflict");
    let delayed = shop.create(&order("voided")).await;
    assert_eq!((delayed.status, delayed.json()["status"].as_str().unwrap()), (200, "voided"));
    let seen = shop.create_with(&[(KEY, "k")], &order("keyed")).await;
    assert_eq!((seen.status, seen.was_replayed()), (201, true));
    assert_eq!(shop.create_with(&[(KEY, "k")], &other("keyed")).await.code(), "idempotency_key_reused");
    assert_eq!(world.rows().await, (4, 4), "no repeat made anything");
    assert_eq!(shop.create(&other("voided")).await.status, 201, "a new order under a voided reference");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_keys_times_thirty_two_identical_posts_are_a_hundred_invoices() {
    let world = World::with(|settings| settings.database.connections = 12).await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create(&order("warm")).await.status, 201);
    let mut created = HashSet::new();
    // Two keys at a time, each thirty-two times at once.
    for batch in 0..50 {
        let calls = (0..64).map(|call| {
            let (shop, n) = (shop.clone(), batch * 2 + call % 2);
            async move {
                let body = order(&format!("r{n}"));
                (n, shop.create_with(&[(KEY, &format!("key-{n}"))], &body).await)
            }
        });
        let mut bodies: Vec<(i32, String)> = Vec::new();
        for (n, answer) in join_all(calls).await {
            assert_eq!(answer.status, 201, "{}", answer.text);
            if !answer.was_replayed() {
                assert!(created.insert(n), "{n} was created twice");
            }
            bodies.push((n, answer.text));
        }
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 2, "each key has one answer");
    }
    assert_eq!(created.len(), 100);
    assert_eq!(world.rows().await, (101, 101));
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_idempotency_keys_are_told_with_all_other_faults() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let too_long = "x".repeat(256);
    for bad in ["", "has space", "\"open", &too_long, "\"a\\qb\""] {
        let mut body = order("a");
        body["amount"] = json!("1.234");
        let answer = shop.create_with(&[(KEY, bad)], &body).await;
        let expected = [("invalid_amount", "amount"), ("invalid_idempotency_key", "Idempotency-Key")];
        let expected: Vec<_> = expected.iter().map(|(c, p)| (c.to_string(), p.to_string())).collect();
        assert_eq!(answer.faults(), expected, "{bad:?}");
    }
    assert_eq!(world.rows().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_told_with_whatever_else_is_wrong() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Live).await;
    let mut body = order("a");
    body["request_datetime"] = json!("2099-01-01T00:00:00");
    body["expiration_datetime"] = json!("2020-01-01T00:00:00");
    let of_time = ["request_datetime_in_future", "expiration_in_past"];
    let codes = |faults: Vec<(String, String)>| faults.into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(codes(shop.create(&body).await.faults()), of_time);
    assert_eq!(codes(shop.create_with(&[(KEY, "")], &body).await.faults())[1..], of_time);
    body["foo"] = json!(1);
    assert_eq!(codes(shop.create(&body).await.faults())[1..], of_time);
    body["currency"] = json!("EUR");
    assert_eq!(codes(shop.create(&body).await.faults())[2..], of_time);
}

impl World {
    /// Rows in invoices, and events of creation.
    async fn rows(&self) -> (i64, i64) {
        let invoices = self.count("select count(*) from invoices").await;
        (invoices, self.count("select count(*) from events where type = 'invoice.created'").await)
    }

    async fn void_all(&self) {
        self.execute("update invoices set status = 'voided', version = version + 1 where status = 'pending'")
            .await;
    }
}
