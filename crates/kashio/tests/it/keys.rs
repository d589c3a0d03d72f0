//! Keys: every way to send one, and every way not to be let in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::account::Mode;
use domain::key::{ALPHABET, KeyKind, SecretKey};
use futures_util::future::join_all;
use reqwest::Method;
use std::time::{Duration, Instant};

use crate::world::{INVOICES, Merchant, World, an_address, order};

const ME: &str = "/v1/payments";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_accepted_in_every_documented_form() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let key = shop.key.expose();
    let basic = |text: String| STANDARD.encode(text);
    let forms = [
        format!("Basic {}", basic(format!("{key}:"))),
        format!("basic {}", basic(format!("{key}:any password: at all"))),
        format!("BASIC {}", basic(key.to_owned())),
        format!("Basic {}", STANDARD.encode([key.as_bytes(), b":a\xf1o"].concat())),
        format!("Basic {}", basic(format!("{key}:")).trim_end_matches('=')),
        format!("basic {key}"),
        format!("basic {key}:"),
        format!("Bearer {key}"),
        format!("bearer  {key}"),
    ];
    for form in &forms {
        let answer = world.send(Method::GET, ME, &[("authorization", form)], None).await;
        assert_eq!(answer.status, 200, "{}", form.replace(key, "KEY"));
        assert_eq!(answer.json()["id"], shop.account.text(Mode::Test));
        assert_eq!(answer.json()["livemode"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_key_is_answered_alike() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let revoked = world.merchant(Mode::Test).await;
    let expired = world.merchant(Mode::Test).await;
    let disabled = world.merchant(Mode::Test).await;
    let live_off = world.merchant(Mode::Live).await;
    world
        .execute(&format!(
            "update api_keys set revoked_at = now() where public_id = '{}'",
            revoked.key.public_id()
        ))
        .await;
    world
        .execute(&format!(
            "update api_keys set expires_at = now() where public_id = '{}'",
            expired.key.public_id()
        ))
        .await;
    world
        .execute(&format!("update accounts set disabled_at = now() where id = '{}'", disabled.account.uuid()))
        .await;
    world
        .execute(&format!(
            "update accounts set live_enabled = false where id = '{}'",
            live_off.account.uuid()
        ))
        .await;
    let unknown = SecretKey::mint(KeyKind::Merchant(Mode::Test), rand::random);
    let service = SecretKey::mint(KeyKind::Service, rand::random);
    let with_wrong_secret = wrong_secret(&shop.key);
    let mut headers: Vec<Option<String>> =
        vec![None, Some("Bearer".into()), Some("Digest x".into()), Some("Basic ====".into())];
    let tokens = [
        unknown.expose(),
        service.expose(),
        with_wrong_secret.expose(),
        revoked.key.expose(),
        expired.key.expose(),
        disabled.key.expose(),
        live_off.key.expose(),
        "sk_test_short",
        &shop.key.expose()[1..],
    ];
    headers.extend(tokens.map(|token| Some(format!("Bearer {token}"))));
    let mut answers = Vec::new();
    for header in &headers {
        let from = an_address().to_string();
        let mut sent = vec![("x-forwarded-for", from.as_str())];
        sent.extend(header.as_deref().map(|value| ("authorization", value)));
        let answer = world.send(Method::GET, ME, &sent, None).await;
        assert_eq!(answer.status, 401, "{header:?}");
        assert_eq!(answer.header("www-authenticate"), r#"Basic realm="KashIO", charset="UTF-8""#);
        answers.push(answer.without_request_id());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "one body for all");
    let twice = format!("Bearer {}", shop.key.expose());
    let both = [("authorization", twice.as_str()), ("authorization", twice.as_str())];
    assert_eq!(world.send(Method::GET, ME, &both, None).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_within_two_seconds() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(me(&world, &shop).await, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world
        .execute(&format!(
            "update api_keys set revoked_at = now(), changed_at = now() where public_id = '{}'",
            shop.key.public_id()
        ))
        .await;
    let revoked = Instant::now();
    while me(&world, &shop).await == 200 {
        assert!(revoked.elapsed() < Duration::from_secs(2), "still accepted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_withholds_hashing_but_never_a_remembered_key() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(me(&world, &shop).await, 200);
    let guesses: Vec<SecretKey> = (0..12).map(|_| wrong_secret(&shop.key)).collect();
    let mut statuses = Vec::new();
    for guess in &guesses {
        let guesser = Merchant { key: guess.clone(), ..shop.clone() };
        let answer = guesser.call(Method::GET, ME, &[], None).await;
        statuses.push((answer.status, answer.header("retry-after").is_empty()));
    }
    assert_eq!(statuses[..5], [(401, true); 5]);
    assert_eq!(statuses[5..], [(429, false); 7]);
    assert_eq!(me(&world, &shop).await, 200, "a remembered key is never refused");
    let other = world.merchant(Mode::Test).await;
    assert_eq!(me(&world, &other).await, 200, "nor another address");
    let stranger = SecretKey::mint(KeyKind::Merchant(Mode::Test), rand::random);
    let stranger = Merchant { key: stranger, address: an_address(), ..shop.clone() };
    let mut statuses = Vec::new();
    for _ in 0..22 {
        statuses.push(me(&world, &stranger).await);
    }
    assert_eq!(statuses[..20], [401; 20], "an unknown key costs no hashing, but not without end");
    assert_eq!(statuses[20..], [429; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_is_hashed_once_at_a_time() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let calls = join_all((0..64).map(|_| me(&world, &shop))).await;
    assert!(calls.iter().all(|&status| status == 200), "{calls:?}");
}

/// Those who wait for one wrong token to be hashed are refused with it, not hashed one after another.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_with_one_wrong_secret_cost_a_handful_of_hashes() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let guesser = Merchant { key: wrong_secret(&shop.key), ..shop.clone() };
    let statuses = join_all((0..200).map(|_| me(&world, &guesser))).await;
    let hashed = statuses.iter().filter(|&&status| status == 401).count();
    assert!((1..=6).contains(&hashed), "{hashed} were hashed");
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_scope_is_told_which_it_lacks() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let reader = world.key_of(shop.account, Mode::Test, Some(&["invoices:read"])).await;
    let id = shop.create(&order("a")).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(reader.get(&id).await.status, 200);
    let refused = reader.call(Method::POST, INVOICES, &[], Some("not even JSON")).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.faults(), [("insufficient_scope".to_owned(), "invoices:write".to_owned())]);
    let shown = reader.call(Method::GET, ME, &[], None).await.json();
    assert_eq!(shown["key"]["scopes"], serde_json::json!(["invoices:read"]));
}

async fn me(world: &World, shop: &Merchant) -> u16 {
    let _ = world;
    shop.call(Method::GET, ME, &[], None).await.status
}

/// A sound key with the public id of another and a secret of its own.
pub fn wrong_secret(key: &SecretKey) -> SecretKey {
    wrong_secret_by(key, rand::random)
}

/// The same, by a chance that can be repeated.
pub fn wrong_secret_by(key: &SecretKey, mut random_byte: impl FnMut() -> u8) -> SecretKey {
    let public =
        key.public_id().bytes().map(|byte| ALPHABET.iter().position(|&letter| letter == byte).unwrap() as u8);
    let mut bytes = public.collect::<Vec<_>>().into_iter();
    SecretKey::mint(key.kind(), move || bytes.next().unwrap_or_else(&mut random_byte))
}
