//! Update and void: what may change, what is only sent back, and the order in which a request is judged.

use domain::account::Mode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, INVOICES, Merchant, World, order};

struct Bill {
    shop: Merchant,
    id: String,
    created: Value,
}

impl Bill {
    async fn new(world: &World) -> Bill {
        let shop = world.merchant(Mode::Test).await;
        let created = shop.create(&order("bill")).await.json();
        Bill { shop, id: created["id"].as_str().unwrap().to_owned(), created }
    }

    fn path(&self) -> String {
        format!("{INVOICES}/{}", self.id)
    }

    async fn patch(&self, body: &Value) -> Answer {
        self.patch_with(&[], body).await
    }

    async fn patch_with(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.shop.call(Method::PATCH, &self.path(), headers, Some(&body.to_string())).await
    }

    async fn void(&self, headers: &[(&str, &str)]) -> Answer {
        self.shop.call(Method::DELETE, &self.path(), headers, None).await
    }

    async fn get(&self) -> Answer {
        self.shop.get(&self.id).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_update_works() {
    let world = World::start().await;
    let bill = Bill::new(&world).await;
    let updated = bill.patch(&json!({"amount": "25.00"})).await;
    assert_eq!((updated.status, updated.header("etag")), (200, "\"2\""), "{}", updated.text);
    let mut expected = bill.created.clone();
    for (name, value) in [("version", json!(2)), ("amount", json!("25.00")), ("sub_total", json!("25.00"))] {
        expected[name] = value;
    }
    assert_eq!(updated.json(), expected);
    assert_eq!(bill.get().await.text, updated.text);
    assert_eq!(world.count("select count(*) from events where type = 'invoice.updated'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_updatable_field_changes_and_others_stay() {
    let world = World::start().await;
    let bill = Bill::new(&world).await;
    let due: String = world.moment("1 hour").await;
    let expires: String = world.moment("2 days").await;
    let steps = [
        json!({"currency": "usd"}),
        json!({"due_datetime": due}),
        json!({"expiration_datetime": format!("{expires}Z")}),
        json!({"total": {"value": 30, "currency": "PEN"}}),
        json!({"due_datetime": null}),
    ];
    for (step, body) in steps.iter().enumerate() {
        let answer = bill.patch(body).await;
        assert_eq!(answer.json()["version"], step + 2, "{body} {}", answer.text);
    }
    let now = bill.get().await.json();
    assert_eq!(now["amount"], "30.00");
    assert_eq!(now["currency"], "PEN");
    assert_eq!(now["expiration_datetime"], expires);
    assert_eq!(now.get("due_datetime"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_can_be_sent_back() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let sample = include_str!("samples/2020-create.json").replace("2020-02-01", "2099-02-01");
    let sample = sample.replace("2099-02-01T05:00:00", &world.moment("3 days").await);
    let created = shop.call(Method::POST, INVOICES, &[], Some(&sample)).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let path = format!("{INVOICES}/{}", created.json()["id"].as_str().unwrap());
    for version in ["1.0.0", "1.0.1"] {
        let read = shop.call(Method::GET, &path, &[("kashio-version", version)], None).await;
        let back = shop.call(Method::PATCH, &path, &[("kashio-version", version)], Some(&read.text)).await;
        assert_eq!((back.status, back.text), (200, read.text));
    }
    let by_create = shop.call(Method::POST, INVOICES, &[], Some(&created.text)).await;
    assert_eq!((by_create.status, by_create.text), (200, created.text));
    assert_eq!(world.count("select count(*) from events").await, 1, "nothing changed, nothing was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_lines_can_be_sent_back_too() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let mut body = order("lines");
    body["metadata"] = json!({"note": "one\ntwo\tthree", "n": 1.50});
    body["sub_merchant"] = json!({"name": "Puesto\r\n7"});
    let created = shop.create(&body).await;
    let path = format!("{INVOICES}/{}", created.json()["id"].as_str().unwrap());
    for back in [created.text.clone(), r#"{"metadata": {"n": 15e-1, "note": "one\ntwo\tthree"}}"#.to_owned()]
    {
        let answer = shop.call(Method::PATCH, &path, &[], Some(&back)).await;
        assert_eq!((answer.status, answer.text), (200, created.text.clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_can_not_change_is_refused_unless_equal() {
    let world = World::start().await;
    let bill = Bill::new(&world).await;
    let other = [
        ("id", json!("inv_test_2222222222222222222222")),
        ("invoice_id", json!("another")),
        ("external_id", json!("another")),
        ("status", json!("paid")),
        ("version", json!(7)),
        ("late_fee", json!("1.00")),
        ("created", json!("2020-01-01T00:00:00")),
        ("metadata", json!({"a": 1})),
        ("customer", json!({"name": "X"})),
        ("payer_phone", json!("+51999666123")),
        ("size_qr", json!(300)),
        ("ktin", json!("000000000000")),
        ("url_success", json!("https://x.pe")),
    ];
    for (name, value) in other {
        let answer = bill.patch(&json!({name: value, "amount": "21.00"})).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "field_not_updatable"), "{name}");
    }
    let equal = json!({"invoice_id": "bill", "external_id": "bill", "status": "NEW", "version": 1.0, "late_fee": 0,
        "fees": "0.00", "size_qr": "150px", "livemode": false, "object": "invoice", "metadata": null});
    assert_eq!(bill.patch(&equal).await.text, bill.get().await.text);
    assert_eq!(bill.get().await.json(), bill.created);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_an_update_are_told_at_once() {
    let world = World::start().await;
    let bill = Bill::new(&world).await;
    let answer = bill
        .patch(&json!({"amount": "0", "currency": null, "expiration_datetime": "soon", "amout": 1}))
        .await;
    let mut codes: Vec<_> = answer.faults();
    codes.sort();
    let expected = [
        ("invalid_amount", "amount"),
        ("invalid_datetime", "expiration_datetime"),
        ("invalid_type", "currency"),
        ("unknown_field", "amout"),
    ];
    assert_eq!(codes, expected.map(|(code, param)| (code.to_owned(), param.to_owned())));
    for (body, code) in [
        (json!({"expiration_datetime": world.moment("400 days").await}), "expiration_too_far"),
        (json!({"due_datetime": world.moment("30 days").await}), "due_after_expiration"),
    ] {
        let answer = bill.patch(&body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code));
    }
    assert_eq!(bill.get().await.json(), bill.created);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_pending_invoice_can_be_changed() {
    let world = World::start().await;
    for (status, code) in
        [("voided", "invoice_voided"), ("expired", "invoice_expired"), ("paid", "invoice_already_paid")]
    {
        let bill = Bill::new(&world).await;
        let facts = if status == "paid" {
            ", paid_at = now(), payment_id = gen_random_uuid(), late_fee = 0"
        } else {
            ""
        };
        world
            .execute(&format!(
                "update invoices set status = '{status}', version = 2 {facts} where status = 'pending'"
            ))
            .await;
        let answer = bill.patch(&json!({"amount": "99.00"})).await;
        assert_eq!((answer.status, answer.code().as_str()), (409, code));
        let same = bill.patch(&json!({"amount": "20.00"})).await;
        assert_eq!(same.status, 200, "nothing would change: {}", same.text);
        let void = bill.void(&[]).await;
        if status == "voided" {
            assert_eq!((void.status, void.json()["status"].as_str().unwrap()), (200, "voided"));
        } else {
            assert_eq!((void.status, void.code().as_str()), (409, code));
        }
    }
    assert_eq!(world.count("select count(*) from events where type <> 'invoice.created'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_write_that_meets_an_invoice_past_its_expiration_stores_it() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let mut past = order("bill");
    past["expiration_datetime"] = json!("2026-01-02T00:00:00");
    let id = shop.create(&past).await.json()["id"].as_str().unwrap().to_owned();
    let refused = shop.call(Method::DELETE, &format!("{INVOICES}/{id}"), &[], None).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "invoice_expired"));
    assert_eq!(shop.get(&id).await.json()["version"], 2);
    assert_eq!(world.count("select count(*) from events where type = 'invoice.expired'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn voiding_is_final_and_repeatable() {
    let world = World::start().await;
    let bill = Bill::new(&world).await;
    let voided = bill.void(&[]).await;
    assert_eq!((voided.status, voided.json()["status"].as_str().unwrap()), (200, "voided"));
    assert_eq!(bill.void(&[]).await.text, voided.text);
    assert_eq!(bill.void(&[("if-match", "\"1\"")]).await.status, 200, "already voided comes before If-Match");
    assert_eq!(world.count("select count(*) from events where type = 'invoice.voided'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_guards_a_change() {
    let world = World::start().await;
    let bill = Bill::new(&world).await;
    for (tag, status) in [("\"2\"", 412), ("1", 412), ("\"3\", \"4\"", 412), ("\"7\", W/\"1\"", 200)] {
        let answer = bill.patch_with(&[("if-match", tag)], &json!({"amount": "21.00"})).await;
        assert_eq!(answer.status, status, "{tag}");
        if status == 412 {
            assert_eq!(answer.code(), "version_mismatch");
        }
    }
    let unchanged = bill.patch_with(&[("if-match", "\"1\"")], &json!({"amount": 21})).await;
    assert_eq!(
        (unchanged.status, unchanged.header("etag")),
        (200, "\"2\""),
        "nothing would change comes first"
    );
    assert_eq!(bill.void(&[("if-match", "\"1\"")]).await.status, 412);
    assert_eq!(bill.patch_with(&[("if-match", "*")], &json!({"amount": "22.00"})).await.status, 200);
    assert_eq!(bill.void(&[("if-match", "\"3\"")]).await.status, 200);
    let after_state = bill.patch_with(&[("if-match", "\"1\"")], &json!({"amount": "1.00"})).await;
    assert_eq!(after_state.status, 412, "If-Match comes before the state");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_answer_beats_everything() {
    let world = World::start().await;
    let bill = Bill::new(&world).await;
    let key = ("idempotency-key", "once");
    let first = bill.patch_with(&[key, ("if-match", "\"1\"")], &json!({"amount": "21.00"})).await;
    assert_eq!(first.status, 200);
    assert_eq!(bill.void(&[]).await.status, 200);
    let again = bill.patch_with(&[key, ("if-match", "\"1\"")], &json!({"amount": 21})).await;
    assert_eq!(again.status, 422, "as JSON, \"21.00\" and 21 are two requests");
    let again = bill.patch_with(&[key, ("if-match", "\"1\"")], &json!({"amount": "21.00"})).await;
    assert_eq!((again.status, again.was_replayed(), again.text), (200, true, first.text));
    let as_post = bill.shop.call(Method::POST, &bill.path(), &[key], Some("{\"amount\":\"21.00\"}")).await;
    assert_eq!(as_post.status, 422, "another method is another request");
    let key = ("idempotency-key", "void");
    let (first, again) = (bill.void(&[key]).await, bill.void(&[key]).await);
    assert_eq!((first.text, again.was_replayed()), (again.text, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_ways_to_update_do_the_same() {
    let world = World::start().await;
    let bill = Bill::new(&world).await;
    let by_post = bill.shop.call(Method::POST, &bill.path(), &[], Some(r#"{"amount":"21.00"}"#)).await;
    assert_eq!((by_post.status, by_post.json()["version"].as_u64()), (200, Some(2)), "{}", by_post.text);
    let by_create = bill.shop.create(&json!({"invoice": {"id": bill.id, "amount": "22.00"}})).await;
    assert_eq!(
        (by_create.status, by_create.json()["version"].as_u64()),
        (200, Some(3)),
        "{}",
        by_create.text
    );
    let unknown =
        bill.shop.create(&json!({"id": "inv_test_2222222222222222222222", "amount": "22.00"})).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "not_found"));
    assert_eq!(bill.shop.create(&json!({"id": 7, "amount": "22.00"})).await.status, 400);
}

impl World {
    /// So far ahead, as the API writes it.
    pub async fn moment(&self, ahead: &str) -> String {
        let text =
            "select to_char((now() + $1::text::interval) at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS')";
        sqlx::query_scalar(text).bind(ahead).fetch_one(&self.sql).await.unwrap()
    }
}
