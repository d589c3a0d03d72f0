//! What a key's owner should know of: one row in the audit log a minute, whoever repeats it, written off the request.

use std::time::{Duration, Instant};

use domain::account::Mode;
use domain::id::InvoiceId;
use domain::key::{KeyKind, Role, SecretKey};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::keys::wrong_secret;
use crate::world::{Answer, Console, INVOICES, Merchant, World, an_address};

const REPEATS: usize = 50;

/// The rows about an action, once there are as many as expected, oldest first.
async fn rows(console: &Console, action: &str, expected: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let all = console.get("/internal/v1/audit?limit=100").await.json();
        let mut rows: Vec<Value> = all["data"].as_array().unwrap().clone();
        rows.retain(|row| row["action"] == action);
        rows.reverse();
        if rows.len() >= expected || began.elapsed() > Duration::from_secs(8) {
            assert_eq!(rows.len(), expected, "{action}: {rows:?}");
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The id of a merchant's only key.
async fn key_of(console: &Console, shop: &Merchant) -> String {
    let keys = format!("/internal/v1/accounts/{}/keys", shop.account.text(Mode::Test));
    console.get(&keys).await.json()["data"][0]["id"].as_str().unwrap().to_owned()
}

/// One row tells of all these answers: the key, whence, and the request of one of them.
async fn told_once(world: &World, shop: &Merchant, action: &str, answers: &[Answer]) {
    let console = world.console().await;
    let row = &rows(&console, action, 1).await[0];
    assert_eq!(row["object"], key_of(&console, shop).await);
    assert_eq!(row["address"], shop.address.to_string());
    assert_eq!(row["chain"], shop.account.text(Mode::Test));
    assert!(answers.iter().any(|answer| row["request_id"] == answer.header("request-id")), "{row}");
    assert!(row.get("actor").is_none(), "{row}");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    rows(&console, action, 1).await;
}

/// The first alone, so that the key is known; then all the others at once.
async fn repeated(shop: &Merchant, path: &str, headers: &[(&str, &str)], status: u16) -> Vec<Answer> {
    let mut answers = vec![shop.call(Method::GET, path, headers, None).await];
    answers.extend(join_all((1..REPEATS).map(|_| shop.call(Method::GET, path, headers, None))).await);
    for answer in &answers {
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_over_plain_http_is_told_where_it_can_be_named() {
    let world = World::with(|settings| settings.http.require_https = true).await;
    let shop = world.merchant(Mode::Test).await;
    let stranger =
        Merchant { key: SecretKey::mint(KeyKind::Merchant(Mode::Test), rand::random), ..shop.clone() };
    repeated(&stranger, "/v1/payments", &[], 403).await;
    let answers = repeated(&shop, "/v1/payments", &[], 403).await;
    told_once(&world, &shop, "security.key_over_plain_http", &answers).await;

    // From elsewhere it is another row.
    let moved = Merchant { address: an_address(), ..shop.clone() };
    moved.call(Method::GET, "/v1/payments", &[], None).await;
    let console = world.console().await;
    let told = rows(&console, "security.key_over_plain_http", 2).await;
    assert_eq!(told[1]["address"], moved.address.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_other_mode_is_told() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let live = InvoiceId::new(1, &rand::random()).text(Mode::Live);
    let answers = repeated(&shop, &format!("{INVOICES}/{live}"), &[], 404).await;
    told_once(&world, &shop, "security.wrong_mode", &answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_key_of_an_account_that_takes_none_is_told() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Live).await;
    world.execute("update accounts set live_enabled = false").await;
    let answers = repeated(&shop, "/v1/payments", &[], 401).await;
    told_once(&world, &shop, "security.wrong_mode", &answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_from_elsewhere_is_told() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    world.execute("update api_keys set ip_allow = '{192.0.2.0/24}'").await;
    let answers = repeated(&shop, "/v1/payments", &[], 403).await;
    told_once(&world, &shop, "security.wrong_address", &answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_told_and_one_that_is_guessed_is_not() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    world.execute("update api_keys set revoked_at = now()").await;
    let guesser = Merchant { key: wrong_secret(&shop.key), ..shop.clone() };
    for _ in 0..3 {
        assert_eq!(guesser.call(Method::GET, "/v1/payments", &[], None).await.status, 401);
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(world.count("select count(*) from audit_log").await, 0, "whoever guesses holds no key");
    let answers = repeated(&shop, "/v1/payments", &[], 401).await;
    told_once(&world, &shop, "security.revoked_key_used", &answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_of_a_service_is_told_on_the_chain_of_the_system() {
    let world = World::start().await;
    let (console, old) = (world.console().await, SecretKey::mint(KeyKind::Service, rand::random));
    world.add_service_key(&old, Role::Kcms).await;
    let end = format!("update service_keys set revoked_at = now() where public_id = '{}'", old.public_id());
    world.execute(&end).await;
    assert_eq!(console.with_key(old.expose()).get("/internal/v1/accounts").await.status, 401);
    let told = rows(&console, "security.revoked_key_used", 1).await;
    assert_eq!((&told[0]["chain"], &told[0]["address"]), (&json!("system"), &json!("127.0.0.1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_that_see_it_at_once_write_one_row() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    world.execute("update api_keys set ip_allow = '{192.0.2.0/24}'").await;
    let other = kashio::serve::start(&world.settings).await.unwrap();
    let beside = Merchant { base: format!("http://{}", other.public), ..shop.clone() };
    let calls = [&shop, &beside].map(|shop| shop.call(Method::GET, "/v1/payments", &[], None));
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 403), "{answers:?}");
    told_once(&world, &shop, "security.wrong_address", &answers).await;
    other.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_what_is_written_down() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    world.execute("update api_keys set ip_allow = '{192.0.2.0/24}'").await;
    let mut holder = world.sql.begin().await.unwrap();
    sqlx::query("lock table audit_log, audit_heads in access exclusive mode")
        .execute(&mut *holder)
        .await
        .unwrap();
    let began = Instant::now();
    repeated(&shop, "/v1/payments", &[], 403).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    holder.rollback().await.unwrap();
}
