//! The documents' own samples, byte for byte, and what goes out for them.

use domain::account::Mode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{INVOICES, World, order};

const SEED: &str = include_str!("samples/seed-create.json");
const OF_2018: &str = include_str!("samples/2018-create.json");
const OF_2020: &str = include_str!("samples/2020-create.json");

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_samples_work_as_printed() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    for (sample, amount) in [(SEED, "20.00"), (OF_2018, "20.00"), (OF_2020, "15.00")] {
        let created = shop.call(Method::POST, INVOICES, &[], Some(sample)).await;
        assert_eq!(created.status, 201, "{}", created.text);
        assert_eq!(created.json()["status"], "pending");
        assert_eq!(created.json()["amount"], amount);
        assert_eq!(created.header("etag"), "\"1\"");
        let id = created.json()["id"].as_str().unwrap().to_owned();
        assert!(created.header("location").ends_with(&format!("{INVOICES}/{id}")));

        let read = shop.get(&id).await;
        assert_eq!(read.status, 200);
        if sample == OF_2020 {
            // Its expiration is of 2020: pending in the answer that created it, expired ever after.
            let mut expected = created.json();
            expected["status"] = json!("expired");
            assert_eq!(read.json(), expected);
        } else {
            assert_eq!(read.text, created.text);
        }
    }
    assert_eq!(world.count("select count(*) from events where type = 'invoice.created'").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_differ_in_amounts_and_states_only() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let created = shop.create(&order("v")).await.json();
    let path = format!("{INVOICES}/{}", created["id"].as_str().unwrap());
    let newer = shop.call(Method::GET, &path, &[("kashio-version", "1.0.1")], None).await;
    assert!(
        newer.text.contains(r#""amount":20.00,"sub_total":20.00,"late_fee":0.00,"fees":0.00"#),
        "{}",
        newer.text
    );
    let mut expected = created.clone();
    expected["status"] = json!("NEW");
    for name in ["amount", "sub_total", "late_fee", "fees"] {
        let text = created[name].as_str().unwrap();
        expected[name] = serde_json::from_str::<Value>(text).unwrap();
    }
    assert_eq!(newer.json(), expected);
    for same in ["1.0.0", "1.0.0.a"] {
        let older = shop.call(Method::GET, &path, &[("kashio-version", same)], None).await;
        assert_eq!(older.json(), created);
    }
    let unknown = shop.call(Method::GET, &path, &[("kashio-version", "2.0")], None).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (400, "unknown_version"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_comes_back_as_it_went_in() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let metadata = r#"{ "z": 1.50e1,  "a": ["ñandú 🦙", null, true], "nested": {"k": "\u00e1 \"x\"" } }"#;
    let body = format!(
        r#"{{"external_id": "Ref-1 ÁÉ", "total": {{"currency": "usd", "value": 1234567.8}},
            "request_datetime": "2026-11-01 10:20:30.999-05:00", "due_datetime": "2030-01-01T00:00",
            "expiration_datetime": "{}", "payer": {{"name": "María", "document_type": "ruc",
            "document_id": "20512333797", "phone": "+1738076035"}}, "payer_phone": "+1738076035",
            "sub_merchant": {{"name": "Tía", "logo":null}}, "url_success": "https://shop.pe/ok?x=1",
            "url_error": "http://shop.pe/no", "size_qr": "200px", "metadata": {metadata}}}"#,
        "2030-01-01T00:00:00Z"
    );
    let in_range = body.replace("2030-01-01", &world.a_month_ahead().await);
    let created = shop.call(Method::POST, INVOICES, &[], Some(&in_range)).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let out = created.json();
    assert_eq!(out["invoice_id"], "Ref-1 ÁÉ");
    assert_eq!((&out["currency"], &out["amount"]), (&json!("USD"), &json!("1234567.80")));
    assert_eq!(out["request_datetime"], "2026-11-01T15:20:30");
    assert_eq!(out["customer"]["document_type"], "ruc");
    assert_eq!(out["customer"]["phone"], "+1738076035");
    assert_eq!(out["size_qr"], 200);
    assert_eq!(out["qr_code"], out["token"]);
    assert!(created.text.contains(&format!("\"metadata\":{metadata}")), "{}", created.text);
    assert!(created.text.contains(r#""sub_merchant":{"name": "Tía", "logo":null}"#));
    assert_eq!(shop.get(out["id"].as_str().unwrap()).await.text, created.text);
}

impl World {
    async fn a_month_ahead(&self) -> String {
        sqlx::query_scalar("select to_char(now() + interval '30 days', 'YYYY-MM-DD')")
            .fetch_one(&self.sql)
            .await
            .unwrap()
    }
}
