//! Every route meets every stranger. The routes come from the API's own list: one that this page does not know
//! how to call makes it fail.

use api::internal::routes::Route;
use std::collections::HashMap;

use domain::account::Mode;
use domain::id::{AccountId, DeliveryId, EventId};
use domain::key::{KeyKind, Role, SecretKey};
use reqwest::Method;
use serde_json::Value;

use crate::keys::wrong_secret;
use crate::world::{Answer, Merchant, World, an_address, order};

/// Paths that need no key. May only shrink, but for documents and pages.
const OPEN: &[&str] = &[
    "/openapi.json",
    "/docs",
    "/docs/guide",
    "/docs/guide/{page:.*}",
    "/pay/{token}",
    "/e/index.html",
    "/pay/{token}/status",
    "/pay/{token}/qr.svg",
    "/pay/{token}/qr.png",
    "/pay/{token}/simulate",
];

/// A body that would be fine, were the caller.
fn body_of(method: &Method, path: &str) -> Option<String> {
    match (method.as_str(), path) {
        ("GET" | "DELETE", _) => None,
        ("PATCH" | "POST", "/v1/payments/invoices/{id}") => Some(r#"{"amount": "20.00"}"#.to_owned()),
        ("POST", "/v1/payments/invoices") => Some(order("stranger").to_string()),
        ("POST", "/v1/payments/webhook_endpoints") => Some(r#"{"url": "https://tienda.pe/w"}"#.to_owned()),
        ("PATCH", "/v1/payments/webhook_endpoints/{id}") => Some(r#"{"enabled": true}"#.to_owned()),
        (
            "POST",
            "/v1/payments/events/{id}/resend"
            | "/v1/payments/webhook_endpoints/{id}/roll_secret"
            | "/v1/payments/webhook_endpoints/{id}/test"
            | "/v1/payments/webhook_endpoints/{id}/redeliver"
            | "/v1/payments/deliveries/{id}/redeliver"
            | "/v1/payments/test/invoices/{id}/pay"
            | "/v1/payments/test/invoices/{id}/reverse"
            | "/v1/payments/test/invoices/{id}/expire",
        ) => None,
        (method, path) => panic!("strangers.rs does not know how to call {method} {path}"),
    }
}

/// The same for the console's own routes; those on behalf of an account are the merchants'.
fn body_inside(method: &Method, route: &Route) -> Option<String> {
    if let Some(path) = route.public {
        return body_of(method, path);
    }
    let body = match (method.as_str(), route.path.trim_start_matches("/internal/v1")) {
        ("GET", _) => return None,
        ("POST", "/accounts") | ("PATCH", "/accounts/{id}") => r#"{"name": "Bodega"}"#,
        ("POST", "/accounts/{id}/disable" | "/accounts/{id}/enable") => "{}",
        ("POST", "/accounts/{id}/keys") => r#"{"name": "caja", "mode": "test"}"#,
        ("POST", "/service-keys") => r#"{"name": "consola", "role": "kcms"}"#,
        ("POST", "/keys/{id}/roll" | "/keys/{id}/revoke") => "{}",
        ("POST", "/service-keys/{id}/roll" | "/service-keys/{id}/revoke") => "{}",
        ("PUT", "/channels/{id}") => r#"{"name": "BCP"}"#,
        ("POST", "/collections/inquire" | "/collections/pay" | "/collections/reverse") => "{}",
        ("POST", "/payments/{id}/apply") => r#"{"invoice": "inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd"}"#,
        ("POST", "/payments/{id}/return") => r#"{"reason": "pagado dos veces"}"#,
        (method, path) => panic!("strangers.rs does not know how to call {method} {path}"),
    };
    Some(body.to_owned())
}

struct Strange {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    status: u16,
}

fn bearer(key: &SecretKey) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {}", key.expose()))]
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
    let world = World::working(|_| {}).await;
    let account = AccountId::new(0, &rand::random());
    let (test, live) =
        (world.key_of(account, Mode::Test, None).await, world.key_of(account, Mode::Live, None).await);
    let neighbour = world.merchant(Mode::Test).await;
    let callers = [&test, &live, &neighbour];
    let mut all = Vec::new();
    for caller in callers {
        all.push(objects(&world, caller).await);
    }
    let mut met = 0;
    let mut routes = api::routes::all();
    routes.retain(|route| route.path.contains("{id}"));
    routes.sort_by_key(|route| route.method.as_str() == "DELETE");
    for route in &routes {
        let kind = kind_of(route.path);
        let ids: Vec<String> = all.iter().map(|objects| objects[kind].clone()).collect();
        let method: Method = route.method.as_str().parse().unwrap();
        for (me, caller) in callers.iter().enumerate() {
            let body = body_of(&method, route.path);
            let ask = async |id: &str| -> Answer {
                caller.call(method.clone(), &route.path.replace("{id}", id), &[], body.as_deref()).await
            };
            // Nobody plays the bank with real money: to a live key those routes lead nowhere.
            let is_found = !(route.path.contains("/test/") && caller.mode == Mode::Live);
            let own = ask(&ids[me]).await.status;
            assert_eq!(own != 404, is_found, "one's own is found: {method} {}", route.path);
            let unknown = ask(&never_used(kind, caller.mode)).await;
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
                    "pay_test_2222222222222222222222",
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

/// What a merchant has of each kind, by the beginning of its id.
async fn objects(world: &World, shop: &Merchant) -> HashMap<&'static str, String> {
    // Nobody listens there: deliveries wait.
    let wish = Some(r#"{"url": "http://127.0.0.1:9/w"}"#);
    let endpoint = shop.call(Method::POST, "/v1/payments/webhook_endpoints", &[], wish).await;
    assert_eq!(endpoint.status, 201, "{}", endpoint.text);
    let invoice = shop.create(&order("same reference for all")).await;
    assert_eq!(invoice.status, 201, "the modes and accounts share nothing");
    let began = std::time::Instant::now();
    let (event, delivery): (uuid::Uuid, uuid::Uuid) = loop {
        let found =
            sqlx::query_as("select event, id from deliveries where account_id = $1 and livemode = $2")
                .bind(shop.account.uuid())
                .bind(shop.mode.is_live())
                .fetch_optional(&world.sql)
                .await
                .unwrap();
        if let Some(found) = found {
            break found;
        }
        assert!(began.elapsed().as_secs() < 10, "no delivery was made");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let text = |answer: &Answer| answer.json()["id"].as_str().unwrap().to_owned();
    HashMap::from([
        ("inv", text(&invoice)),
        ("pay", payment(world, shop, &invoice.json()).await),
        ("whe", text(&endpoint)),
        ("eve", EventId::from_uuid(event).text(shop.mode)),
        ("del", DeliveryId::from_uuid(delivery).text(shop.mode)),
    ])
}

/// Money that a bank brings for an invoice, and takes back: the invoice can be amended and voided again.
async fn payment(world: &World, shop: &Merchant, invoice: &Value) -> String {
    let bank = world.bank("bcp").await;
    if shop.mode == Mode::Live {
        bank.serves(&world.console().await, shop).await;
        let paid = bank.pays(invoice).await;
        assert_eq!(bank.reverses(&paid).await.code(), "ok");
        return paid.payment();
    }
    let at = |verb: &str| format!("/v1/payments/test/invoices/{}/{verb}", invoice["id"].as_str().unwrap());
    let paid = shop.call(Method::POST, &at("pay"), &[], None).await;
    assert_eq!(paid.json()["status"], "paid", "{}", paid.text);
    assert_eq!(shop.call(Method::POST, &at("reverse"), &[], None).await.status, 200);
    paid.json()["payment"].as_str().unwrap().to_owned()
}

/// The beginning of the ids that a path is about.
fn kind_of(path: &str) -> &'static str {
    let before = path.split("/{id}").next().unwrap();
    match before.rsplit('/').next().unwrap() {
        "invoices" => "inv",
        "payments" => "pay",
        "events" | "event" => "eve",
        "webhook_endpoints" => "whe",
        "deliveries" => "del",
        other => panic!("strangers.rs does not know whose ids are below {other}"),
    }
}

/// An id that nobody has.
fn never_used(kind: &str, mode: Mode) -> String {
    format!("{kind}_{}_{}", mode.as_str(), domain::id::base57(u128::from_be_bytes(rand::random())))
}

/// What strangers could have left behind, but for what is told of them.
const TRACES: &str = "select (select count(*) from accounts) + (select count(*) from api_keys)
    + (select count(*) from service_keys) + (select count(*) from invoices) + (select count(*) from idempotency_keys)
    + (select count(*) from audit_log where action not like 'security.%')";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_console_gets_in_inside() {
    let world = World::with(|settings| settings.internal.trusted_proxies = "127.0.0.1".to_owned()).await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let victim = shop.create(&order("mine")).await.json()["id"].as_str().unwrap().to_owned();
    let account = shop.account.text(Mode::Test);
    let first = async |list: &str| {
        console.get(&format!("/internal/v1/{list}")).await.json()["data"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let key = first(&format!("accounts/{account}/keys")).await;
    let service_key = first("service-keys").await;
    let payment = never_used("pay", Mode::Test);

    let service = || SecretKey::mint(KeyKind::Service, rand::random);
    let [known, revoked, expired, collector] = [service(), service(), service(), service()];
    for key in [&known, &revoked, &expired] {
        world.add_service_key(key, Role::Kcms).await;
    }
    world.add_service_key(&collector, Role::parse("collector", Some("bcp")).unwrap()).await;
    for (column, key) in [("revoked_at", &revoked), ("expires_at", &expired)] {
        let end = format!("update service_keys set {column} = now() where public_id = '{}'", key.public_id());
        assert_eq!(world.execute(&end).await, 1);
    }
    let strangers = [
        Strange { name: "no key", headers: vec![], status: 401 },
        Strange { name: "nonsense", headers: vec![("authorization", "Bearer x".to_owned())], status: 401 },
        Strange { name: "unknown", headers: bearer(&service()), status: 401 },
        Strange { name: "wrong secret", headers: bearer(&wrong_secret(&known)), status: 401 },
        Strange { name: "revoked", headers: bearer(&revoked), status: 401 },
        Strange { name: "expired", headers: bearer(&expired), status: 401 },
        Strange { name: "merchant", headers: bearer(&shop.key), status: 401 },
        Strange { name: "collector", headers: bearer(&collector), status: 403 },
        Strange { name: "console", headers: bearer(&known), status: 403 },
        Strange { name: "nobody answers for it", headers: bearer(&known), status: 400 },
    ];
    let before = world.count(TRACES).await;
    let mut met = 0;
    for route in api::internal::routes::all().iter().filter(|route| !route.is_open) {
        let method: Method = route.method.as_str().parse().unwrap();
        let body = body_inside(&method, route);
        let id = match route.path.trim_start_matches("/internal/v1/").split('/').next() {
            _ if route.public.is_some() => &victim,
            Some("accounts") => &account,
            Some("keys") => &key,
            Some("service-keys") => &service_key,
            Some("channels") => "bcp",
            Some("invoices") => &victim,
            Some("payments") => &payment,
            _ => "",
        };
        let path = route.path.replace("{account}", &account).replace("{mode}", "test").replace("{id}", id);
        let path = path.replace("{date}", "2026-01-01");
        for stranger in &strangers {
            // Each role is a stranger at the other's routes; a connector needs no operator.
            let is_at_home = match stranger.name {
                "collector" => route.is_collectors,
                "console" => !route.is_collectors,
                "nobody answers for it" => route.is_collectors || method == Method::GET,
                _ => false,
            };
            if is_at_home {
                continue;
            }
            let from = an_address().to_string();
            let mut headers: Vec<(&str, &str)> = vec![("x-forwarded-for", &from), ("x-reason", "prueba")];
            headers.extend(stranger.headers.iter().map(|(name, value)| (*name, value.as_str())));
            if stranger.status != 400 {
                headers.push(("x-actor", "operador-7"));
            }
            let answer = world.send_inside(method.clone(), &path, &headers, body.as_deref()).await;
            let at = format!("{} at {method} {}: {}", stranger.name, route.path, answer.text);
            let expected = match stranger.status {
                400 => vec![("required".to_owned(), "X-Actor".to_owned())],
                403 => vec![("insufficient_role".to_owned(), String::new())],
                _ => vec![("unauthorized".to_owned(), String::new())],
            };
            assert_eq!((answer.status, answer.faults()), (stranger.status, expected), "{at}");
            assert!(id.is_empty() || !answer.text.contains(id), "{at}");
            met += 1;
        }
    }
    assert!(met >= 200, "only {met} meetings");
    assert_eq!(world.count(TRACES).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_behalf_of_one_account_another_ones_object_is_an_unknown_one() {
    let world = World::working(|_| {}).await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let (live, neighbour) =
        (world.key_of(shop.account, Mode::Live, None).await, world.merchant(Mode::Test).await);
    let seats = [(&shop, Mode::Test), (&live, Mode::Live), (&neighbour, Mode::Test)];
    let base = |(owner, mode): (&Merchant, Mode)| {
        format!("/internal/v1/accounts/{}/{}", owner.account.text(Mode::Test), mode.as_str())
    };
    let mut all = Vec::new();
    for (owner, _) in seats {
        all.push(objects(&world, owner).await);
    }
    let nobody = AccountId::new(0, &rand::random()).text(Mode::Test);
    let mut met = 0;
    let mut routes = api::internal::routes::all();
    routes.retain(|route| route.public.is_some() && route.path.contains("{id}"));
    routes.sort_by_key(|route| route.method.as_str() == "DELETE");
    for route in &routes {
        let kind = kind_of(&route.path);
        let ids: Vec<String> = all.iter().map(|objects| objects[kind].clone()).collect();
        let method: Method = route.method.as_str().parse().unwrap();
        let body = body_inside(&method, route).map(|body| body.parse().unwrap());
        let rest = route.path.split("{mode}").nth(1).unwrap();
        let ask = async |base: &str, id: &str| -> Answer {
            console
                .call(method.clone(), &format!("{base}{}", rest.replace("{id}", id)), &[], body.as_ref())
                .await
        };
        for (me, seat) in seats.into_iter().enumerate() {
            let base = base(seat);
            let is_found = !(route.path.contains("/test/invoices/") && seat.1 == Mode::Live);
            let own = ask(&base, &ids[me]).await.status;
            assert_eq!(own != 404, is_found, "one's own is found: {method} {}", route.path);
            let unknown = ask(&base, &never_used(kind, seat.1)).await;
            assert_eq!(unknown.status, 404);
            let elsewhere = ask(&base.replace(&seat.0.account.text(Mode::Test), &nobody), &ids[me]).await;
            assert_eq!(elsewhere.without_request_id(), unknown.without_request_id());
            for other in ids.iter().enumerate().filter(|(owner, _)| *owner != me).map(|(_, id)| id) {
                let dressed_up = other.replacen("_test_", "_live_", 1);
                let undressed = other.replacen("_live_", "_test_", 1);
                for id in [other, &dressed_up, &undressed, "inv_test_", "%00"] {
                    let answer = ask(&base, id).await;
                    assert_eq!(answer.without_request_id(), unknown.without_request_id(), "{id}");
                    assert!(!answer.text.contains(id));
                    met += 1;
                }
            }
        }
    }
    assert!(met >= 100, "only {met} meetings");
}
