//! The console's day: accounts, keys, the keys of services, and the log of who did what.

use std::time::{Duration, Instant};

use domain::account::Mode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, World, order};

const ACCOUNTS: &str = "/internal/v1/accounts";

fn text(answer: &Answer, field: &str) -> String {
    answer.json()[field].as_str().unwrap_or_else(|| panic!("no {field}: {}", answer.text)).to_owned()
}

async fn is_accepted(world: &World, secret: &str) -> bool {
    let authorization = format!("Bearer {secret}");
    let answer =
        world.send(Method::GET, "/v1/payments", &[("authorization", authorization.as_str())], None).await;
    assert!(matches!(answer.status, 200 | 401), "{}", answer.text);
    answer.status == 200
}

async fn within_two_seconds(world: &World, secret: &str, accepted: bool) {
    let began = Instant::now();
    while is_accepted(world, secret).await != accepted {
        assert!(began.elapsed() < Duration::from_secs(2), "still {}", !accepted);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_found_changed_and_closed() {
    let world = World::start().await;
    let console = world.console().await;
    let made = console
        .call(Method::POST, ACCOUNTS, &[], Some(&json!({ "name": "Bodega Rosita", "tax_id": "20512333797" })))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = text(&made, "id");
    assert_eq!(made.header("location"), format!("{ACCOUNTS}/{id}"));
    let shown = made.json();
    assert_eq!(shown["default_expiration_seconds"], 86_400);
    assert_eq!(shown["late_fee"], json!({ "kind": "none" }));
    assert_eq!((&shown["customer_required"], &shown["live_enabled"]), (&json!(false), &json!(false)));

    let one = format!("{ACCOUNTS}/{id}");
    assert_eq!(console.get(&one).await.json(), shown);
    let live_spelling = one.replace("acc_test_", "acc_live_");
    assert_eq!(console.get(&live_spelling).await.json(), shown, "there is one account inside");
    for query in ["?search=rosita", "?name=BODEGA", "?tax_id=20512333797", "?search=20512333797"] {
        assert_eq!(
            console.get(&format!("{ACCOUNTS}{query}")).await.json()["data"],
            json!([shown]),
            "{query}"
        );
    }
    for query in ["?search=carmen", "?name=r_sita", "?name=%25%25x", "?tax_id=20512333798"] {
        assert_eq!(console.get(&format!("{ACCOUNTS}{query}")).await.json()["data"], json!([]), "{query}");
    }

    let settings = json!({
        "id": id, "legal_name": "Bodega Rosita S.A.C.", "version_pin": "1.0.1", "default_expiration_seconds": 3_600,
        "customer_required": true, "late_fee": { "kind": "percent_per_day", "percent": "0.05" },
        "rate_limit": { "per_second": 5, "burst": 9 },
        "collection_channels": [
            { "channel": "bcp", "agreement_number": "7", "currency": "pen", "instructions": { "es": "Pague." } },
        ],
    });
    let changed = console.call(Method::PATCH, &one, &[], Some(&settings)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let after = changed.json();
    for (field, value) in settings.as_object().unwrap() {
        if field != "collection_channels" {
            assert_eq!(&after[field], value, "{field}");
        }
    }
    assert_eq!(after["collection_channels"][0]["currency"], "PEN");
    let removed = json!({ "legal_name": null, "version_pin": null, "rate_limit": null, "tax_id": null });
    let after = console.call(Method::PATCH, &one, &[], Some(&removed)).await.json();
    assert!(removed.as_object().unwrap().keys().all(|field| after.get(field).is_none()), "{after}");

    let closed = console.write(&format!("{one}/disable")).await;
    assert_eq!(closed.status, 200);
    let since = text(&closed, "disabled_at");
    assert_eq!(text(&console.write(&format!("{one}/disable")).await, "disabled_at"), since, "already");
    assert!(console.write(&format!("{one}/enable")).await.json().get("disabled_at").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_are_all_told() {
    let world = World::start().await;
    let console = world.console().await;
    let body = json!({
        "nombre": "x", "tax_id": "20512333798", "version_pin": "9", "default_expiration_seconds": 0,
        "customer_required": "yes", "late_fee": { "kind": "percent_per_day", "percent": "0.00001" },
        "rate_limit": { "per_second": -1 }, "collection_channels": [{ "channel": "BCP", "currency": "EUR" }],
        "live_enabled": 1,
    });
    let refused = console.call(Method::POST, ACCOUNTS, &[], Some(&body)).await;
    assert_eq!(refused.status, 400);
    let faults: Vec<(String, String)> = refused.faults();
    for expected in [
        ("required", "name"),
        ("unknown_field", "nombre"),
        ("invalid_document", "tax_id"),
        ("unknown_version", "version_pin"),
        ("out_of_range", "default_expiration_seconds"),
        ("invalid_type", "customer_required"),
        ("invalid_percent", "late_fee.percent"),
        ("out_of_range", "rate_limit.per_second"),
        ("invalid_channel", "collection_channels.0.channel"),
        ("required", "collection_channels.0.agreement_number"),
        ("invalid_currency", "collection_channels.0.currency"),
        ("invalid_type", "live_enabled"),
    ] {
        assert!(faults.contains(&(expected.0.to_owned(), expected.1.to_owned())), "{expected:?}: {faults:?}");
    }
    assert_eq!(world.count("select count(*) from accounts").await, 0);
    let shop = world.merchant(Mode::Test).await;
    let one = format!("{ACCOUNTS}/{}", shop.account.text(Mode::Test));
    let sent_back = json!({ "created": "2020-01-01T00:00:00", "name": null, "late_fee": null });
    let refused = console.call(Method::PATCH, &one, &[], Some(&sent_back)).await;
    let faults = refused.faults();
    assert!(faults.contains(&("invalid_type".to_owned(), "name".to_owned())), "{faults:?}");
    assert!(faults.contains(&("invalid_type".to_owned(), "late_fee".to_owned())), "{faults:?}");
    let refused =
        console.call(Method::PATCH, &one, &[], Some(&json!({ "created": "2020-01-01T00:00:00" }))).await;
    assert_eq!(refused.faults(), [("field_not_updatable".to_owned(), "created".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_fee_of_the_account_is_that_of_new_invoices_only() {
    let world = World::start().await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let mut due = order("before");
    due["due_datetime"] = json!("2026-01-01T00:00:00");
    let before = text(&shop.create(&due).await, "id");
    let rule = json!({ "late_fee": { "kind": "fixed", "amounts": { "PEN": "5.00" } } });
    let one = format!("{ACCOUNTS}/{}", shop.account.text(Mode::Test));
    assert_eq!(console.call(Method::PATCH, &one, &[], Some(&rule)).await.status, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    due["invoice_id"] = json!("after");
    let created = shop.create(&due).await;
    assert_eq!((text(&created, "late_fee"), text(&created, "amount")), ("5.00".into(), "25.00".into()));
    assert_eq!(text(&shop.get(&before).await, "late_fee"), "0.00", "an existing debt does not change");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_lives_from_its_making_to_its_end() {
    let world = World::start().await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let keys = format!("{ACCOUNTS}/{}/keys", shop.account.text(Mode::Test));
    let wish =
        json!({ "mode": "test", "name": "caja", "scopes": ["invoices:read"], "ip_allow": ["100.0.0.0/8"] });
    let made = console.call(Method::POST, &keys, &[], Some(&wish)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (id, secret) = (text(&made, "id"), text(&made, "secret"));
    assert!(secret.starts_with("sk_test_"));
    let one = format!("/internal/v1/keys/{id}");
    let mut shown = made.json();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(console.get(&one).await.json(), shown, "never the secret again");
    let listed = console.get(&keys).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(&secret[20..]));

    // It has its scopes and its networks.
    let authorization = format!("Bearer {secret}");
    let from = |address: &'static str, method: Method| {
        let headers = [("authorization", authorization.clone()), ("x-forwarded-for", address.to_owned())];
        let world = &world;
        async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            world.send(method, crate::world::INVOICES, &headers, Some("{}")).await
        }
    };
    assert_eq!(from("100.1.2.3", Method::GET).await.status, 200);
    let elsewhere = from("101.1.2.3", Method::GET).await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (403, "ip_not_allowed"));
    assert_eq!(from("100.1.2.3", Method::POST).await.code(), "insufficient_scope");

    let rolled = console
        .call(Method::POST, &format!("{one}/roll"), &[], Some(&json!({ "overlap_seconds": 60 })))
        .await;
    assert_eq!(rolled.status, 201, "{}", rolled.text);
    let (next, next_secret) = (text(&rolled, "id"), text(&rolled, "secret"));
    assert_eq!(rolled.json()["scopes"], json!(["invoices:read"]), "a successor may do what it succeeds");
    assert_eq!(rolled.json()["ip_allow"], json!(["100.0.0.0/8"]));
    let old = console.get(&one).await.json();
    assert_eq!(old["replaced_by"], next);
    assert!(old["expires_at"].is_string());
    let again = console.write(&format!("{one}/roll")).await;
    assert_eq!((again.status, again.code().as_str()), (409, "key_already_rolled"));
    assert_eq!(again.json()["error"][0]["existing_id"], next);

    let revoked = console.write(&format!("{one}/revoke")).await;
    let since = text(&revoked, "revoked_at");
    assert_eq!(text(&console.write(&format!("{one}/revoke")).await, "revoked_at"), since);
    let next_one = format!("/internal/v1/keys/{next}");
    console.write(&format!("{next_one}/revoke")).await;
    let ended = console.write(&format!("{next_one}/roll")).await;
    assert_eq!((ended.status, ended.code().as_str()), (409, "key_ended"));
    assert!(!is_accepted(&world, &next_secret).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_keys_are_enough_and_live_ones_need_a_live_account() {
    let world = World::start().await;
    let console = world.console().await;
    let account = text(&console.call(Method::POST, ACCOUNTS, &[], Some(&json!({ "name": "a" }))).await, "id");
    let keys = format!("{ACCOUNTS}/{account}/keys");
    let make = async |mode: &str| {
        loop {
            let wish = json!({ "mode": mode, "name": "k" });
            let answer = console.call(Method::POST, &keys, &[], Some(&wish)).await;
            // The queue for hashing is short.
            if answer.status != 503 {
                return answer;
            }
        }
    };
    let refused = make("live").await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "live_not_enabled"));
    let made = futures_util::future::join_all((0..24).map(|_| make("test"))).await;
    let count = |status| made.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (20, 4), "also when they come at once");

    let one = format!("{ACCOUNTS}/{account}");
    let enable = json!({ "live_enabled": true });
    let no_reason = console.without_reason().call(Method::PATCH, &one, &[], Some(&enable)).await;
    assert_eq!(no_reason.faults(), [("required".to_owned(), "X-Reason".to_owned())]);
    assert_eq!(console.call(Method::PATCH, &one, &[], Some(&enable)).await.status, 200);
    let live = text(&make("live").await, "secret");
    within_two_seconds(&world, &live, true).await;
    console.call(Method::PATCH, &one, &[], Some(&json!({ "live_enabled": false }))).await;
    within_two_seconds(&world, &live, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_account_is_refused_and_opened_again() {
    let world = World::start().await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let one = format!("{ACCOUNTS}/{}", shop.account.text(Mode::Test));
    assert!(is_accepted(&world, shop.key.expose()).await);
    let unreasoned = console.without_reason().write(&format!("{one}/disable")).await;
    assert_eq!(unreasoned.faults(), [("required".to_owned(), "X-Reason".to_owned())]);
    console.write(&format!("{one}/disable")).await;
    within_two_seconds(&world, shop.key.expose(), false).await;
    console.write(&format!("{one}/enable")).await;
    within_two_seconds(&world, shop.key.expose(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_does_not_show_a_secret_again() {
    let world = World::start().await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let keys = format!("{ACCOUNTS}/{}/keys", shop.account.text(Mode::Test));
    let once = [("idempotency-key", "one")];
    let wish = json!({ "mode": "test", "name": "caja" });
    let made = console.call(Method::POST, &keys, &once, Some(&wish)).await;
    assert_eq!(made.status, 201);
    let repeated = console.call(Method::POST, &keys, &once, Some(&wish)).await;
    assert_eq!((repeated.status, repeated.code().as_str()), (409, "secret_already_shown"));
    assert_eq!(repeated.json()["error"][0]["existing_id"], text(&made, "id"));
    let other = console.call(Method::POST, &keys, &once, Some(&json!({ "mode": "test", "name": "b" }))).await;
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
    assert_eq!(world.count("select count(*) from api_keys").await, 2);
    let account = json!({ "name": "Bodega" });
    let first = console.call(Method::POST, ACCOUNTS, &[("idempotency-key", "two")], Some(&account)).await;
    let again = console.call(Method::POST, ACCOUNTS, &[("idempotency-key", "two")], Some(&account)).await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert!(again.was_replayed());
}

#[tokio::test(flavor = "multi_thread")]
async fn services_have_keys_with_roles() {
    let world = World::start().await;
    let console = world.console().await;
    const SERVICES: &str = "/internal/v1/service-keys";
    let make = async |body: Value| console.call(Method::POST, SERVICES, &[], Some(&body)).await;
    let bank = make(json!({ "name": "BCP", "role": "collector", "channel": "bcp" })).await;
    assert_eq!(bank.status, 201, "{}", bank.text);
    let faulty = [
        (json!({ "name": "x", "role": "collector" }), ("required", "channel")),
        (json!({ "name": "x", "role": "kcms", "channel": "bcp" }), ("invalid_channel", "channel")),
        (json!({ "name": "x", "role": "admin" }), ("invalid_value", "role")),
        (json!({ "role": "kcms" }), ("required", "name")),
    ];
    for (body, (code, param)) in faulty {
        assert_eq!(make(body).await.faults(), [(code.to_owned(), param.to_owned())]);
    }
    let collector = console.with_key(&text(&bank, "secret"));
    let refused = collector.get(ACCOUNTS).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "insufficient_role"));

    let second = console.with_key(&text(&make(json!({ "name": "b", "role": "kcms" })).await, "secret"));
    let id = text(&bank, "id");
    let rolled = second.write(&format!("{SERVICES}/{id}/roll")).await;
    assert_eq!((rolled.status, &rolled.json()["channel"]), (201, &json!("bcp")));
    assert_eq!(text(&second.get(&format!("{SERVICES}/{id}")).await, "replaced_by"), text(&rolled, "id"));
    assert_eq!(second.write(&format!("{SERVICES}/{id}/revoke")).await.status, 200);
    let listed = second.get(SERVICES).await.json();
    assert!(listed["data"].as_array().unwrap().len() >= 4);
    assert!(!listed.to_string().contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_what_and_why_is_told() {
    let world = World::start().await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let account = shop.account.text(Mode::Test);
    let keys = format!("{ACCOUNTS}/{account}/keys");
    let made = console.call(Method::POST, &keys, &[], Some(&json!({ "mode": "test", "name": "caja" }))).await;
    let key = text(&made, "id");
    let revoked = console.write(&format!("/internal/v1/keys/{key}/revoke")).await;
    console.write(&format!("/internal/v1/keys/{key}/revoke")).await;
    let read = async |query: &str| {
        let answer = console.get(&format!("/internal/v1/audit{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["data"].as_array().unwrap().clone()
    };
    let rows = read(&format!("?object={key}")).await;
    let actions: Vec<&str> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["revoke_key", "create_key"], "what changes nothing is no row; newest first");
    assert_eq!(rows[0]["actor"], "operador-7");
    assert_eq!(rows[0]["reason"], "prueba");
    assert_eq!(rows[0]["request_id"], revoked.header("request-id"));
    assert!(rows[0]["service_key"].as_str().unwrap().starts_with("key_live_"));
    assert_eq!((&rows[1]["chain"], &rows[1]["sequence"]), (&json!(account), &json!(1)));
    assert_eq!(rows[1]["details"]["name"], "caja");

    let after = rows[1]["id"].as_str().unwrap();
    let following = read(&format!("?after={after}&object={key}")).await;
    assert_eq!(following, rows[..1]);
    assert_eq!(read("?actor=operador-7&limit=1").await, rows[..1]);
    assert_eq!(read("?actor=nobody").await, Vec::<Value>::new());
    let one = format!("{ACCOUNTS}/{account}");
    console.call(Method::PATCH, &one, &[], Some(&json!({ "name": "Otra" }))).await;
    let rows = read(&format!("?object={}", account.replace("test", "live"))).await;
    assert_eq!(rows[0]["details"], json!({ "name": { "from": "Tienda", "to": "Otra" } }));
    let unknown = console.get("/internal/v1/audit?after=aud_1").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (400, "invalid_cursor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_needs_somebody_who_answers_for_it() {
    let world = World::start().await;
    let console = world.console().await;
    let nobody = console.without_actor();
    assert_eq!(nobody.get(ACCOUNTS).await.status, 200, "reading is free");
    let answer = nobody.call(Method::POST, ACCOUNTS, &[], Some(&json!({ "name": "a" }))).await;
    assert_eq!((answer.status, answer.faults()), (400, vec![("required".to_owned(), "X-Actor".to_owned())]));
    for (actor, code) in [("a\tb", "invalid_character"), (&*"a".repeat(201), "too_long"), (" ", "required")] {
        let answer = nobody.call(Method::POST, ACCOUNTS, &[("x-actor", actor)], Some(&json!({}))).await;
        assert_eq!(answer.faults(), [(code.to_owned(), "X-Actor".to_owned())]);
    }
    assert_eq!(world.count("select count(*) from accounts").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_acts_for_a_merchant_in_either_mode() {
    let world = World::start().await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let neighbour = world.merchant(Mode::Test).await;
    let account = shop.account.text(Mode::Test);
    let base = format!("{ACCOUNTS}/{account}");
    let invoices = format!("{base}/test/invoices");
    let made = console.call(Method::POST, &invoices, &[], Some(&order("by hand"))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = text(&made, "id");
    assert_eq!(made.header("location"), format!("{invoices}/{id}"));
    assert_eq!(shop.get(&id).await.json(), made.json(), "it is the merchant's");
    assert_eq!(neighbour.get(&id).await.status, 404);
    let again = console.call(Method::POST, &invoices, &[], Some(&order("by hand"))).await;
    assert_eq!((again.status, again.was_replayed()), (200, true));
    assert_eq!(console.get(&format!("{invoices}/{id}")).await.json(), made.json());
    assert_eq!(console.get(&format!("{base}/live/invoices/{id}")).await.status, 404);
    assert_eq!(console.get(&format!("{base}/live/invoices")).await.json()["data"], json!([]));
    assert_eq!(console.get(&format!("{base}/both/invoices")).await.status, 404);
    let other = format!("{ACCOUNTS}/{}/test/invoices/{id}", neighbour.account.text(Mode::Test));
    assert_eq!(console.get(&other).await.status, 404);
    let listed = console.get(&format!("{invoices}?limit=1")).await;
    assert_eq!(listed.json()["data"][0]["id"], id);
    let changed = console
        .call(Method::PATCH, &format!("{invoices}/{id}"), &[], Some(&json!({ "amount": "21.00" })))
        .await;
    assert_eq!(text(&changed, "amount"), "21.00");
    let nobody = console.without_actor();
    assert_eq!(nobody.call(Method::DELETE, &format!("{invoices}/{id}"), &[], None).await.status, 400);
    let voided = console.call(Method::DELETE, &format!("{invoices}/{id}"), &[], None).await;
    assert_eq!(text(&voided, "status"), "voided");
    let audit = console.get(&format!("/internal/v1/audit?object={id}")).await.json();
    let actions: Vec<&Value> = audit["data"].as_array().unwrap().iter().map(|row| &row["action"]).collect();
    assert_eq!(actions, ["void_invoice", "update_invoice", "create_invoice"]);
    let unknown = format!("{ACCOUNTS}/acc_test_2222222222222222222222/test/invoices");
    assert_eq!(console.get(&unknown).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_internal_is_on_the_public_listener() {
    let world = World::start().await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let key = format!("Bearer {}", console.secret());
    for path in [
        "/internal",
        "/internal/v1/accounts",
        "//internal/v1/accounts",
        "/internal//v1/accounts",
        "/%69nternal/v1/accounts",
        "/internal%2fv1%2faccounts",
        "/v1/payments/..;/..;/internal/v1/accounts",
        "/v1/payments/..%2f..%2finternal/v1/accounts",
        "/v1/..;/internal/v1/openapi.json",
        "/internal/v1/openapi.json",
        "/INTERNAL/v1/accounts",
        "/internal/v1/accounts/",
        "/internal/v1/accounts;x=1",
    ] {
        for key in [&key, &shop.authorization()] {
            let headers = [("authorization", key.as_str()), ("x-actor", "a")];
            let answer = world.raw(path, &headers).await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        }
    }
    let merchant = console.with_key(shop.key.expose());
    assert_eq!(merchant.get(ACCOUNTS).await.status, 401, "nor is a merchant's key worth anything inside");
    assert_eq!(console.get("/internal/v1/nowhere").await.status, 404);
    assert_eq!(console.get("/internal/v1/openapi.json").await.status, 200);
    let preflight = [("origin", "https://x.pe"), ("access-control-request-method", "GET")];
    let answer = console.call(Method::OPTIONS, ACCOUNTS, &preflight, None).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_noted_off_the_request() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let noted = "select count(*) from api_keys where last_used_at is not null";
    assert_eq!(world.count(noted).await, 0);
    let began = Instant::now();
    assert!(is_accepted(&world, shop.key.expose()).await);
    while world.count(noted).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(5), "not noted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let first = "select extract(epoch from last_used_at)::bigint from api_keys";
    let at = world.count(first).await;
    for _ in 0..30 {
        is_accepted(&world, shop.key.expose()).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(world.count(first).await, at, "at most once a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_its_own_pace() {
    let world = World::with(|settings| settings.limits.per_second = 100).await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let other_mode = world.key_of(shop.account, Mode::Live, None).await;
    let default = shop.call(Method::GET, "/v1/payments", &[], None).await;
    assert_eq!(default.header("ratelimit-policy"), "\"account\";q=200;w=2");
    assert!(default.header("ratelimit").starts_with("\"account\";r=199;t="));
    let one = format!("{ACCOUNTS}/{}", shop.account.text(Mode::Test));
    let slow = json!({ "rate_limit": { "per_second": 1, "burst": 3 } });
    assert_eq!(console.call(Method::PATCH, &one, &[], Some(&slow)).await.status, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(shop.call(Method::GET, "/v1/payments", &[], None).await);
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses[..3], [200; 3]);
    assert_eq!(statuses[4], 429, "{statuses:?}");
    let refused = &answers[4];
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("rate_limited", "1"));
    assert_eq!(refused.header("ratelimit-policy"), "\"account\";q=3;w=3");
    assert!(refused.header("ratelimit").starts_with("\"account\";r=0;"));
    assert_eq!(other_mode.call(Method::GET, "/v1/payments", &[], None).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(shop.call(Method::GET, "/v1/payments", &[], None).await.status, 200);
    let free = json!({ "rate_limit": { "per_second": 0 } });
    console.call(Method::PATCH, &one, &[], Some(&free)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..20 {
        assert_eq!(shop.call(Method::GET, "/v1/payments", &[], None).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_house_refuses_before_it_asks_who_comes() {
    let world = World::with(|settings| settings.limits.requests = 2).await;
    let shop = world.merchant(Mode::Test).await;
    let held = [world.hold_open(&shop).await, world.hold_open(&shop).await];
    let refused = world.send(Method::GET, "/v1/payments", &[], None).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    assert_eq!(refused.header("retry-after"), "1");
    let ready = world.client.get(format!("http://{}/readyz", world.running().management)).send().await;
    assert_eq!(ready.unwrap().status(), 200);
    drop(held);
    let began = Instant::now();
    while shop.call(Method::GET, "/v1/payments", &[], None).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(12), "places were not given back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
