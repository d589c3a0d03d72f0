//! Webhooks: a merchant says where he wants to be told, and is told: signed, again when he was not at home, and no
//! longer than he wants it.

use std::time::{Duration, Instant};

use domain::account::Mode;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::world::{Answer, Merchant, World, order};

pub const ENDPOINTS: &str = "/v1/payments/webhook_endpoints";

async fn write(shop: &Merchant, method: Method, path: &str, body: Value) -> Answer {
    let body = if body.is_null() { None } else { Some(body.to_string()) };
    shop.call(method, path, &[], body.as_deref()).await
}

async fn read(shop: &Merchant, path: &str) -> Answer {
    shop.call(Method::GET, path, &[], None).await
}

/// An endpoint and its secret.
pub async fn subscribe(shop: &Merchant, url: &str) -> (String, String) {
    let made = write(shop, Method::POST, ENDPOINTS, json!({ "url": url })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let text = |field: &str| made.json()[field].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn events(shop: &Merchant) -> Vec<Value> {
    read(shop, "/v1/payments/events?after=0&limit=500").await.json()["data"].as_array().unwrap().clone()
}

/// Events whose counters say something else than their deliveries.
pub async fn miscounted(world: &World) -> i64 {
    let miscounted = "select count(*) from events where row(endpoints, undelivered, exhausted)::text <> (
        select row(count(*), count(*) filter (where deliveries.status <> 'delivered'),
                   count(*) filter (where deliveries.status = 'failed'))::text
        from deliveries where deliveries.event = events.id and deliveries.round = events.round
                          and deliveries.status <> 'cancelled')";
    world.count(miscounted).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_made_changed_rolled_and_taken_away() {
    let world = World::working(|_| {}).await;
    let (shop, neighbour) = (world.merchant(Mode::Test).await, world.merchant(Mode::Test).await);
    let receiver = Receiver::content().await;
    let wish = json!({ "url": receiver.url, "events": ["invoice.paid", "invoice.created"], "description": "entregas" });
    let made = write(&shop, Method::POST, ENDPOINTS, wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let mut shown = made.json();
    let secret = shown.as_object_mut().unwrap().remove("secret").unwrap();
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    let one = format!("{ENDPOINTS}/{}", shown["id"].as_str().unwrap());
    assert_eq!(made.header("location"), format!("https://api.kashio.test{one}"));
    assert_eq!(read(&shop, &one).await.json(), shown, "its secret is shown once");
    assert_eq!(read(&shop, ENDPOINTS).await.json()["data"], json!([shown]));
    assert_eq!(read(&neighbour, &one).await.status, 404);
    assert_eq!(read(&neighbour, ENDPOINTS).await.json()["data"], json!([]));

    let changed = write(&shop, Method::PATCH, &one, json!({ "events": "*", "description": null })).await;
    assert_eq!(changed.json()["events"], json!(["*"]));
    assert!(changed.json().get("description").is_none());
    let rolled =
        write(&shop, Method::POST, &format!("{one}/roll_secret"), json!({ "overlap_seconds": 60 })).await;
    assert_ne!(rolled.json()["secret"], secret);
    shop.create(&order("both sign")).await;
    let got = receiver.count(1).await;
    assert!(got[0].is_signed_by(secret.as_str().unwrap()));
    assert!(got[0].is_signed_by(rolled.json()["secret"].as_str().unwrap()));

    let gone = shop.call(Method::DELETE, &one, &[], None).await;
    assert_eq!((gone.status, &gone.json()["enabled"]), (200, &json!(false)));
    assert_eq!(read(&shop, &one).await.status, 404);
    let stored: String =
        sqlx::query_scalar("select string_agg(to_jsonb(webhook_endpoints)::text, '') from webhook_endpoints")
            .fetch_one(&world.sql)
            .await
            .unwrap();
    assert!(!stored.contains(&secret.as_str().unwrap()[6..]), "sealed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_webhook_may_be_posted_to_is_refused_when_it_is_registered() {
    let world = World::with(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    for url in [
        "http://tienda.pe/w",
        "https://127.0.0.1/w",
        "https://[::1]/w",
        "https://localhost/w",
        "https://tienda/w",
        "https://tienda.local/w",
        "https://db.internal/w",
        "https://a:b@tienda.pe/w",
        "https://tienda.pe:22/w",
        "https://169.254.169.254/latest",
        "https://0x7f000001/w",
        "https://2130706433/w",
        "ftp://tienda.pe/w",
        "https://8.8.8.8/w",
        "tienda.pe",
        "",
        "https://tienda.pe/w#fragment",
    ] {
        let answer = write(&shop, Method::POST, ENDPOINTS, json!({ "url": url })).await;
        assert_eq!(
            (answer.status, answer.faults()),
            (400, vec![("invalid_url".into(), "url".into())]),
            "{url}"
        );
    }
    let bad =
        write(&shop, Method::POST, ENDPOINTS, json!({ "url": "https://tienda.pe/w", "events": ["x"] })).await;
    assert_eq!(bad.faults(), [("invalid_event_type".into(), "events".into())]);
    for _ in 0..16 {
        let made = write(&shop, Method::POST, ENDPOINTS, json!({ "url": "https://tienda.pe:8443/w" })).await;
        assert_eq!(made.status, 201);
    }
    // A walk shows each once, the newest first.
    let (mut walk, mut shown) = (format!("{ENDPOINTS}?limit=5"), Vec::new());
    loop {
        let page = read(&shop, &walk).await;
        let listed = page.json()["data"].as_array().unwrap().clone();
        shown.extend(listed.iter().map(|endpoint| endpoint["id"].as_str().unwrap().to_owned()));
        let has_more = page.json()["has_more"] == true;
        assert_eq!((listed.len(), has_more), if shown.len() < 16 { (5, true) } else { (1, false) });
        if !has_more {
            break;
        }
        walk = format!("{ENDPOINTS}?limit=5&starting_after={}", shown.last().unwrap());
        let next = format!("?limit=5&starting_after={}>; rel=\"next\"", shown.last().unwrap());
        assert!(page.header("link").ends_with(&next), "{}", page.header("link"));
    }
    let all = read(&shop, ENDPOINTS).await.json()["data"].as_array().unwrap().clone();
    assert_eq!(shown, all.iter().map(|endpoint| endpoint["id"].as_str().unwrap()).collect::<Vec<_>>());
    assert_eq!(read(&shop, &format!("{ENDPOINTS}?limit=0")).await.status, 400);
    assert_eq!(read(&shop, &format!("{ENDPOINTS}?starting_after=whe_test_x")).await.status, 400);
    let full = write(&shop, Method::POST, ENDPOINTS, json!({ "url": "https://tienda.pe/w" })).await;
    assert_eq!((full.status, full.code().as_str()), (409, "endpoint_limit_reached"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_told_signed_at_once_and_counted() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    let receiver = Receiver::content().await;
    let (endpoint, secret) = subscribe(&shop, &receiver.url).await;
    shop.create(&order("first")).await;
    receiver.count(1).await;
    let mut took = Vec::new();
    for number in 0..20 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let answer = shop.create(&order(&number.to_string())).await;
        assert_eq!(answer.status, 201);
        let committed = Instant::now();
        let got = receiver.count(number + 2).await;
        took.push(got[number + 1].at.saturating_duration_since(committed));
    }
    took.sort();
    println!("commit to received: p50 {:?}, all {took:?}", took[10]);
    assert!(took[10] < Duration::from_millis(200), "{took:?}");
    let got = receiver.all();
    assert!(got.iter().all(|webhook| webhook.is_signed_by(&secret)));
    let told = got[0].json();
    assert_eq!((told["type"].as_str(), told["status"].as_str()), (Some("invoice.created"), Some("new")));
    assert_eq!(told["id"], got[0].id());
    until("every event was notified", async || {
        events(&shop).await.iter().all(|event| event["status"] == "notified")
    })
    .await;
    let deliveries = read(&shop, &format!("{ENDPOINTS}/{endpoint}/deliveries?limit=5")).await.json();
    assert_eq!((deliveries["data"].as_array().unwrap().len(), &deliveries["has_more"]), (5, &json!(true)));
    let one = deliveries["data"][0]["id"].as_str().unwrap();
    let delivery = read(&shop, &format!("/v1/payments/deliveries/{one}")).await.json();
    assert_eq!(delivery["status"], "delivered");
    assert_eq!(delivery["attempts"][0]["status"], 200);
    assert_eq!(delivery["attempts"][0]["answer"], "said the receiver");
    let neighbour = world.merchant(Mode::Test).await;
    assert_eq!(read(&neighbour, &format!("/v1/payments/deliveries/{one}")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_written_in_the_version_that_was_pinned_when_it_happened() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    world.execute("update accounts set version_pin = '1.0.1'").await;
    let receiver = Receiver::content().await;
    subscribe(&shop, &receiver.url).await;
    shop.create(&order("a")).await;
    let got = receiver.count(1).await;
    assert_eq!(got[0].json()["data"]["invoice"]["status"], "NEW");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_fails_is_tried_again_with_the_same_bytes_until_it_is_given_up() {
    let schedule =
        |settings: &mut kashio::config::Settings| settings.webhooks.retry_seconds = "0,0.05,0.1,0.2".into();
    let world = World::working(schedule).await;
    let shop = world.merchant(Mode::Test).await;
    let receiver = Receiver::start(|number| (if number < 3 { 500 } else { 204 }, Duration::ZERO)).await;
    subscribe(&shop, &receiver.url).await;
    shop.create(&order("a")).await;
    let got = receiver.count(3).await;
    assert!(got.iter().all(|webhook| webhook.body == got[0].body && webhook.id() == got[0].id()));
    until("notified", async || events(&shop).await[0]["status"] == "notified").await;

    let stubborn = world.merchant(Mode::Test).await;
    let closed = Receiver::start(|_| (302, Duration::ZERO)).await;
    let (endpoint, _) = subscribe(&stubborn, &closed.url).await;
    stubborn.create(&order("b")).await;
    until("failed", async || {
        events(&stubborn).await.first().is_some_and(|event| event["status"] == "failed")
    })
    .await;
    assert_eq!(closed.all().len(), 4, "a redirect is not followed, and is no success");
    let deliveries = read(&stubborn, &format!("{ENDPOINTS}/{endpoint}/deliveries")).await.json();
    let delivery = deliveries["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&deliveries["data"][0]["status"], &deliveries["data"][0]["attempt_count"]),
        (&json!("failed"), &json!(4))
    );

    let range = format!("{ENDPOINTS}/{endpoint}/redeliver");
    let dry = write(&stubborn, Method::POST, &range, json!({ "after": 0, "dry_run": true })).await;
    assert_eq!((&dry.json()["count"], closed.all().len()), (&json!(1), 4));
    let again = write(&stubborn, Method::POST, &range, json!({ "after": 0 })).await;
    assert_eq!(again.json()["count"], 1);
    closed.count(8).await;
    until("failed again", async || events(&stubborn).await[0]["status"] == "failed").await;
    let one = format!("/v1/payments/deliveries/{delivery}/redeliver");
    assert_eq!(write(&stubborn, Method::POST, &one, Value::Null).await.status, 200);
    closed.count(12).await;
    until("failed once more", async || events(&stubborn).await[0]["status"] == "failed").await;
    let event = events(&stubborn).await[0]["id"].as_str().unwrap().to_owned();
    let resent =
        write(&stubborn, Method::POST, &format!("/v1/payments/events/{event}/resend"), Value::Null).await;
    assert_eq!((resent.status, &resent.json()["status"]), (200, &json!("new")));
    closed.count(13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_gone_is_told_no_more_and_the_feed_says_so() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    let gone = Receiver::start(|_| (410, Duration::ZERO)).await;
    let (endpoint, _) = subscribe(&shop, &gone.url).await;
    shop.create(&order("a")).await;
    until("the event came", async || events(&shop).await.len() == 2).await;
    let events = events(&shop).await;
    assert_eq!(events[0]["status"], "failed");
    assert_eq!(events[1]["type"], "webhook_endpoint.disabled");
    assert_eq!(events[1]["data"]["endpoint"]["reason"], "gone");
    assert_eq!(events[1]["data"]["url"], format!("//webhook_endpoints/{endpoint}"));
    let one = read(&shop, &format!("{ENDPOINTS}/{endpoint}")).await.json();
    assert_eq!((&one["enabled"], &one["disabled_reason"]), (&json!(false), &json!("gone")));
    shop.create(&order("b")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(gone.all().len(), 1);
    let switched_on =
        write(&shop, Method::PATCH, &format!("{ENDPOINTS}/{endpoint}"), json!({ "enabled": true })).await;
    assert!(switched_on.json().get("disabled_reason").is_none());
    shop.create(&order("c")).await;
    gone.count(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_sends_a_signed_ping_and_tells_what_was_said() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    let receiver = Receiver::start(|number| (if number == 1 { 202 } else { 500 }, Duration::ZERO)).await;
    let (endpoint, secret) = subscribe(&shop, &receiver.url).await;
    let path = format!("{ENDPOINTS}/{endpoint}/test");
    let said = write(&shop, Method::POST, &path, Value::Null).await;
    assert_eq!((said.status, &said.json()["status"]), (200, &json!("delivered")));
    assert_eq!(said.json()["attempts"][0]["status"], 202);
    let got = receiver.all();
    assert_eq!((got.len(), got[0].json()["type"].as_str()), (1, Some("ping")));
    assert!(got[0].is_signed_by(&secret));
    let failed = write(&shop, Method::POST, &path, Value::Null).await;
    assert_eq!(
        (&failed.json()["status"], receiver.all().len()),
        (&json!("failed"), 2),
        "a ping is one attempt"
    );
    assert_eq!(events(&shop).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_does_not_wait_behind_what_the_endpoint_has_not_got_yet() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    let slow = Receiver::that_reads(|_, got| {
        (200, if got.json()["type"] == "ping" { Duration::ZERO } else { Duration::from_secs(2) })
    })
    .await;
    let (endpoint, _) = subscribe(&shop, &slow.url).await;
    // Twenty-five seconds' work at sixty-four posts at once.
    join_all((0..8).map(async |writer| {
        for number in 0..100 {
            assert_eq!(shop.create(&order(&format!("{writer}-{number}"))).await.status, 201);
        }
    }))
    .await;
    slow.count(30).await;
    let began = Instant::now();
    let said = write(&shop, Method::POST, &format!("{ENDPOINTS}/{endpoint}/test"), Value::Null).await;
    assert_eq!(said.json()["status"], "delivered", "{}", said.text);
    println!("answered after {:?}, when {} posts had come", began.elapsed(), slow.so_far());
    assert!(slow.so_far() < 600, "{} had come before", slow.so_far());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_holds_up_nobody_else() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    let (hanging, healthy) =
        (Receiver::start(|_| (200, Duration::from_secs(60))).await, Receiver::content().await);
    for _ in 0..4 {
        subscribe(&shop, &hanging.url).await;
    }
    subscribe(&shop, &healthy.url).await;
    let began = Instant::now();
    for number in 0..30 {
        shop.create(&order(&number.to_string())).await;
    }
    healthy.count(30).await;
    println!("30 events in {:?} beside four that hang", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_fails_for_days_is_switched_off_and_the_feed_says_so() {
    let world = World::working(|settings| settings.webhooks.retry_seconds = "0".into()).await;
    let shop = world.merchant(Mode::Test).await;
    let receiver = Receiver::start(|_| (500, Duration::ZERO)).await;
    let (endpoint, _) = subscribe(&shop, &receiver.url).await;
    let one = format!("{ENDPOINTS}/{endpoint}");
    // Each time one more attempt fails; before it, time passes.
    for (failures, failing_for, silent_for, lives_on) in [
        (8, "25 hours", "121 hours", "nine attempts are too few"),
        (9, "23 hours 59 minutes", "121 hours", "so is less than a day"),
        (10, "25 hours", "119 hours 59 minutes", "it succeeded not long ago"),
        (11, "25 hours", "121 hours", ""),
    ] {
        world
            .execute(&format!(
                "update webhook_endpoints set failures = {failures}, failing_since = now() - interval '{failing_for}',
                        succeeded_at = now() - interval '{silent_for}'"
            ))
            .await;
        shop.create(&order(&failures.to_string())).await;
        let failed = "select failures::bigint from webhook_endpoints";
        until("it failed once more", async || world.count(failed).await == failures + 1).await;
        let shown = read(&shop, &one).await.json();
        assert_eq!(shown["enabled"], !lives_on.is_empty(), "{lives_on}");
    }
    let shown = read(&shop, &one).await.json();
    assert_eq!(shown["disabled_reason"], "failing");
    until("the event came", async || events(&shop).await.len() == 5).await;
    let told = events(&shop).await.pop().unwrap();
    assert_eq!(told["type"], "webhook_endpoint.disabled");
    assert_eq!(told["data"]["endpoint"]["reason"], "failing");
    let range = json!({ "after": 0, "dry_run": true });
    let waiting = write(&shop, Method::POST, &format!("{one}/redeliver"), range).await;
    assert_eq!(waiting.json()["count"], 4, "what it missed can be sent again");
}
