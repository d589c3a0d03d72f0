//! Test mode: a merchant plays the bank and the clock, on the very path that they take.

use super::*;

/// A merchant with a test key.
struct Player(World, Merchant);

impl Player {
    async fn start() -> Player {
        let world = World::start().await;
        let shop = world.merchant(Mode::Test).await;
        Player(world, shop)
    }

    async fn invoice(&self, reference: &str) -> Value {
        self.1.create(&order(reference)).await.json()
    }

    async fn plays(&self, invoice: &Value, verb: &str, said: Value) -> Answer {
        self.plays_with(invoice, verb, &[], said).await
    }

    async fn plays_with(&self, invoice: &Value, verb: &str, headers: &[(&str, &str)], said: Value) -> Answer {
        let path = format!("/v1/payments/test/invoices/{}/{verb}", text(invoice, "id"));
        let body = if said.is_null() { None } else { Some(said.to_string()) };
        self.1.call(Method::POST, &path, headers, body.as_deref()).await
    }
}

fn code(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    text(&answer.json()["result"], "code").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_plays_a_payment_and_takes_it_back() {
    let player = Player::start().await;
    let invoice = player.invoice("a").await;
    let paid = player.plays(&invoice, "pay", Value::Null).await;
    assert_eq!(code(&paid), "ok");
    let shown = paid.json();
    assert_eq!((text(&shown, "status"), text(&shown, "amount")), ("paid", "20.00"));
    assert_eq!(shown["answer"]["payment"], shown["payment"], "what the bank would have had");
    assert_eq!(paid.header("etag"), "\"2\"");
    let path = format!("/v1/payments/payments/{}", text(&shown, "payment"));
    let money = player.1.call(Method::GET, &path, &[], None).await.json();
    assert_eq!((text(&money, "channel"), &money["livemode"]), ("test", &json!(false)));
    let back = player.plays(&invoice, "reverse", Value::Null).await;
    assert_eq!((code(&back).as_str(), text(&back.json(), "status")), ("ok", "pending"));
    let again = player.plays(&invoice, "reverse", Value::Null).await;
    assert_eq!(code(&again), "already_reversed");
    let kinds: Vec<String> = sqlx::query_scalar("select type from events order by position")
        .fetch_all(&player.0.sql)
        .await
        .unwrap();
    assert_eq!(kinds, ["invoice.created", "invoice.paid", "invoice.payment_reversed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_option_is_that_of_a_bank() {
    let player = Player::start().await;
    let invoice = player.invoice("a").await;
    let wrong = player.plays(&invoice, "pay", json!({ "amount": "19.99" })).await;
    assert_eq!((code(&wrong).as_str(), text(&wrong.json(), "status")), ("amount_mismatch", "pending"));
    let kept = player.plays(&invoice, "pay", json!({ "amount": 19.99, "cash_taken": true })).await;
    assert_eq!((code(&kept).as_str(), text(&kept.json(), "status")), ("ok", "pending"));
    let at = in_seconds(-600);
    let said = json!({ "paid_at": at, "channel": "bbva", "operation_number": "000123" });
    let paid = player.plays(&invoice, "pay", said.clone()).await;
    assert_eq!(code(&paid), "ok");
    assert_eq!(format!("{}Z", text(&paid.json(), "paid_at")), at);
    let replay = player.plays(&invoice, "pay", said).await;
    assert_eq!(replay.json()["answer"], paid.json()["answer"], "a replay, as a bank's");
    let path = "/v1/payments/payments?operation_number=000123";
    let money = player.1.call(Method::GET, path, &[], None).await.json()["data"].clone();
    assert_eq!((money.as_array().unwrap().len(), text(&money[0], "channel")), (1, "bbva"));
    let twice = player.plays(&invoice, "pay", Value::Null).await;
    assert_eq!(code(&twice), "already_paid");
    let late = player.plays(&invoice, "pay", json!({ "paid_at": in_seconds(86_400) })).await;
    assert_eq!(code(&late), "bad_request");
    let back =
        player.plays(&invoice, "reverse", json!({ "operation_number": "000123", "kind": "manual" })).await;
    assert!(["ok", "bad_request"].contains(&code(&back).as_str()), "bad where Lima's day began just now");
    for bad in [
        json!({ "monto": 1 }),
        json!({ "amount": "1.001" }),
        json!({ "channel": "B C" }),
        json!({ "cash_taken": 1 }),
    ] {
        assert_eq!(player.plays(&invoice, "pay", bad.clone()).await.status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_makes_an_invoice_expire() {
    let player = Player::start().await;
    let invoice = player.invoice("a").await;
    let over = player.plays(&invoice, "expire", Value::Null).await;
    assert_eq!((over.status, text(&over.json(), "status")), (200, "expired"));
    let again = player.plays(&invoice, "expire", Value::Null).await;
    assert_eq!((again.status, &again.json()["version"]), (200, &json!(2)), "nothing changes");
    assert_eq!(code(&player.plays(&invoice, "pay", Value::Null).await), "expired");
    let in_time = player.plays(&invoice, "pay", json!({ "paid_at": in_seconds(-60) })).await;
    assert_eq!((code(&in_time).as_str(), text(&in_time.json(), "status")), ("ok", "paid"));
    assert_eq!(player.plays(&invoice, "expire", Value::Null).await.code(), "invoice_already_paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_it_happen_once() {
    let player = Player::start().await;
    let invoice = player.invoice("a").await;
    for (verb, said) in [("pay", Value::Null), ("reverse", json!({})), ("expire", Value::Null)] {
        let key = [("idempotency-key", verb)];
        let first = player.plays_with(&invoice, verb, &key, said.clone()).await;
        let again = player.plays_with(&invoice, verb, &key, said).await;
        assert_eq!((first.status, again.status, again.was_replayed()), (200, 200, true), "{}", again.text);
        assert_eq!(again.text, first.text);
    }
    assert_eq!(player.0.count("select count(*) from payments").await, 1);
    assert_eq!(player.1.get(text(&invoice, "id")).await.json()["version"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_live_key_there_is_nothing_to_play_with() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    for verb in ["pay", "reverse", "expire"] {
        let path = format!("/v1/payments/test/invoices/{}/{verb}", text(&invoice, "id"));
        for body in [None, Some("{}"), Some("{\"monto\":1}"), Some("no JSON")] {
            let answer = scene.shop.call(Method::POST, &path, &[], body).await;
            assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{verb} {body:?}");
        }
    }
    assert_eq!(scene.kinds().await, ["invoice.created"]);
}
