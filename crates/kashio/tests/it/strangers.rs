//! Every route meets every stranger. The routes come from the API's own list: one that this page does not know
//! how to call makes it fail.

use domain::account::Mode;
use domain::id::AccountId;
use domain::key::{KeyKind, SecretKey};
use reqwest::Method;

use crate::keys::wrong_secret;
use crate::world::{Answer, Merchant, World, an_address, order};

/// Paths that need no key. May only shrink, but for documents and pages.
const OPEN: &[&str] = &["/openapi.json", "/docs"];

/// A body that would be fine, were the caller.
fn body_of(method: &Method, path: &str) -> Option<String> {
    match (method.as_str(), path) {
        ("GET" | "DELETE", _) => None,
        ("PATCH" | "POST", "/v1/payments/invoices/{id}") => Some(r#"{"amount": "20.00"}"#.to_owned()),
        ("POST", "/v1/payments/invoices") => Some(order("stranger").to_string()),
        (method, path) => panic!("strangers.rs does not know how to call {method} {path}"),
    }
}

struct Strange {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    status: u16,
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_a_sound_key_gets_in_anywhere() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let victim = shop.create(&order("mine")).await.json()["id"].as_str().unwrap().to_owned();
    let revoked = world.merchant(Mode::Test).await;
    world
        .execute(&format!(
            "update api_keys set revoked_at = now() where public_id = '{}'",
            revoked.key.public_id()
        ))
        .await;
    let powerless = world.key_of(shop.account, Mode::Test, Some(&[])).await;
    let bearer = |key: &SecretKey| vec![("authorization", format!("Bearer {}", key.expose()))];
    let unknown = SecretKey::mint(KeyKind::Merchant(Mode::Test), rand::random);
    let strangers = [
        Strange { name: "no key", headers: vec![], status: 401 },
        Strange { name: "nonsense", headers: vec![("authorization", "Bearer x".to_owned())], status: 401 },
        Strange { name: "unknown", headers: bearer(&unknown), status: 401 },
        Strange { name: "wrong secret", headers: bearer(&wrong_secret(&shop.key)), status: 401 },
        Strange { name: "revoked", headers: bearer(&revoked.key), status: 401 },
        Strange {
            name: "service key",
            headers: bearer(&SecretKey::mint(KeyKind::Service, rand::random)),
            status: 401,
        },
        Strange { name: "no scope", headers: bearer(&powerless.key), status: 403 },
    ];
    let mut met = 0;
    for route in api::routes::all() {
        if OPEN.contains(&route.path) {
            continue;
        }
        let method: Method = route.method.as_str().parse().unwrap();
        let (path, body) = (
            route.path.replace("{id}", &victim).replace("{date}", "2026-01-01"),
            body_of(&method, route.path),
        );
        for stranger in &strangers {
            if stranger.status == 403 && route.scopes.is_empty() {
                continue;
            }
            let from = an_address().to_string();
            let mut headers: Vec<(&str, &str)> = vec![("x-forwarded-for", &from)];
            headers.extend(stranger.headers.iter().map(|(name, value)| (*name, value.as_str())));
            let answer = world.send(method.clone(), &path, &headers, body.as_deref()).await;
            assert_eq!(answer.status, stranger.status, "{} at {method} {}", stranger.name, route.path);
            assert!(!answer.text.contains(&victim));
            met += 1;
        }
    }
    assert!(met >= 18, "only {met} meetings");
    assert_eq!(world.count("select count(*) from invoices").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_or_modes_object_is_an_unknown_one() {
    let world = World::start().await;
    let account = AccountId::new(0, &rand::random());
    let (test, live) =
        (world.key_of(account, Mode::Test, None).await, world.key_of(account, Mode::Live, None).await);
    let neighbour = world.merchant(Mode::Test).await;
    let callers = [&test, &live, &neighbour];
    let mut ids = Vec::new();
    for caller in callers {
        let created = caller.create(&order("same reference for all")).await;
        assert_eq!(created.status, 201, "the modes and accounts share nothing");
        ids.push(created.json()["id"].as_str().unwrap().to_owned());
    }
    let mut met = 0;
    for route in api::routes::all().iter().filter(|route| route.path.contains("{id}")) {
        let method: Method = route.method.as_str().parse().unwrap();
        for (me, caller) in callers.iter().enumerate() {
            let body = body_of(&method, route.path);
            let ask = async |id: &str| -> Answer {
                caller.call(method.clone(), &route.path.replace("{id}", id), &[], body.as_deref()).await
            };
            assert_ne!(ask(&ids[me]).await.status, 404, "one's own is found");
            let unknown = ask(&never_used(caller)).await;
            assert_eq!(unknown.status, 404);
            for other in ids.iter().enumerate().filter(|(owner, _)| *owner != me).map(|(_, id)| id) {
                let dressed_up = other.replacen("_test_", "_live_", 1);
                let undressed = other.replacen("_live_", "_test_", 1);
                for id in [
                    other,
                    &dressed_up,
                    &undressed,
                    "inv_test_",
                    "inv_test_zz",
                    "%00",
                    "eve_test_2222222222222222222222",
                ] {
                    let answer = ask(id).await;
                    assert_eq!(answer.without_request_id(), unknown.without_request_id(), "{id}");
                    assert!(!answer.text.contains(id));
                    met += 1;
                }
            }
        }
    }
    assert!(met >= 40, "only {met} meetings");
}

fn never_used(caller: &Merchant) -> String {
    domain::id::InvoiceId::new(1, &rand::random()).text(caller.mode)
}
