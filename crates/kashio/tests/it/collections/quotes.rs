//! What a bank was told is a promise for ten minutes, whatever becomes of the invoice: the payer stands at the counter.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_honoured_after_an_amendment_and_a_reversal_brings_the_amended_terms_back() {
    let scene = Scene::open().await;
    for named in [true, false] {
        let invoice = scene.invoice(if named { "named" } else { "not named" }).await;
        let asked = scene.inquires(&invoice).await;
        scene.amend(&invoice, json!({ "amount": "35.00", "currency": "USD" })).await;
        let mut said = scene.bank.payment(text(&invoice, "ktin"), "20.00", &now());
        if named {
            said["quote_id"] = json!(asked.quote());
        }
        let paid = scene.bank.call("pay", said).await;
        assert_eq!(paid.code(), "ok");
        let shown = scene.again(&invoice).await;
        let terms = |shown: &Value| {
            ["status", "sub_total", "late_fee", "fees", "amount", "currency"]
                .map(|field| text(shown, field).to_owned())
        };
        assert_eq!(terms(&shown), ["paid", "20.00", "0.00", "0.00", "20.00", "PEN"]);
        assert_eq!(text(&scene.money(&paid.payment()).await, "status"), "applied");
        assert_eq!(scene.bank.reverses(&paid).await.code(), "ok");
        let shown = scene.again(&invoice).await;
        assert_eq!(terms(&shown), ["pending", "35.00", "0.00", "0.00", "35.00", "USD"], "what is owed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quoted_late_fee_is_the_one_that_is_paid() {
    let scene = Scene::open().await;
    scene
        .set_account(json!({ "late_fee": { "kind": "fixed", "amounts": { "PEN": "3.50", "USD": "1.00" } } }))
        .await;
    let invoice = scene.invoice("a").await;
    scene.rewrite_invoices("due = date_trunc('second', now()) - interval '1 hour'").await;
    let asked = scene.inquires(&invoice).await;
    assert_eq!(text(&asked.answer.json()["debts"][0], "total"), "23.50");
    let due = json!({ "amount": "40.00", "due_datetime": null });
    assert_eq!(scene.amend(&invoice, due).await["amount"], "40.00", "the fee is gone");
    assert_eq!(scene.pays(&invoice, "23.50").await.code(), "ok");
    let shown = scene.again(&invoice).await;
    let terms = ["sub_total", "late_fee", "amount"].map(|field| text(&shown, field).to_owned());
    assert_eq!(terms, ["20.00", "3.50", "23.50"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_honoured_after_the_expiration_stored_or_not() {
    let scene = Scene::open().await;
    for swept in [false, true] {
        let invoice = scene.invoice(if swept { "swept" } else { "noticed by nobody" }).await;
        scene.inquires(&invoice).await;
        if swept {
            scene.expire(30).await
        } else {
            scene.run_out(30).await
        };
        let paid = scene.pays(&invoice, "20.00").await;
        assert_eq!(paid.code(), "ok");
        assert_eq!(scene.again(&invoice).await["status"], "paid");
        assert_eq!(scene.bank.reverses(&paid).await.code(), "ok");
        assert_eq!(scene.again(&invoice).await["status"], "expired", "its time is over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_holds_for_ten_minutes_of_the_banks_time_for_its_channel_and_amount_only() {
    let scene = Scene::open().await;
    let other = scene.other_bank().await;
    let invoice = scene.invoice("a").await;
    let asked = scene.inquires(&invoice).await;
    scene.amend(&invoice, json!({ "amount": "35.00" })).await;
    let ktin = text(&invoice, "ktin");
    let said = with(other.payment(ktin, "20.00", &now()), "quote_id", asked.quote());
    assert_eq!(
        other.call("pay", said).await.code(),
        "amount_mismatch",
        "the promise was made to another bank"
    );
    let said = with(scene.bank.payment(ktin, "35.01", &now()), "quote_id", "quo_live_of_nobody");
    assert_eq!(scene.bank.call("pay", said).await.code(), "amount_mismatch", "and this one nobody made");
    let said = with(scene.bank.payment(ktin, "20.01", &now()), "quote_id", asked.quote());
    assert_eq!(scene.bank.call("pay", said).await.code(), "amount_mismatch", "of another amount");
    scene.age_quotes(590).await;
    let late = with(scene.bank.payment(ktin, "20.00", &in_seconds(60)), "quote_id", asked.quote());
    assert_eq!(
        scene.bank.call("pay", late.clone()).await.code(),
        "amount_mismatch",
        "the bank took it too late"
    );
    scene.age_quotes(3_600).await;
    let in_time = with(late, "operated_at", in_seconds(-3_600));
    let in_time = with(in_time, "operation_number", Bank::number());
    assert_eq!(scene.bank.call("pay", in_time).await.code(), "ok", "however late it tells");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_name_the_newest_live_quote_of_the_same_amount_is_meant() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let first = scene.inquires(&invoice).await.quote();
    scene.amend(&invoice, json!({ "amount": "35.00" })).await;
    scene.inquires(&invoice).await;
    scene.amend(&invoice, json!({ "amount": "20.00" })).await;
    let newest = scene.inquires(&invoice).await.quote();
    scene.amend(&invoice, json!({ "amount": "50.00" })).await;
    let paid = scene.pays(&invoice, "20.00").await;
    assert_eq!(paid.code(), "ok");
    let used = async || -> uuid::Uuid {
        sqlx::query_scalar("select quote from collections where verb = 'pay' order by id desc limit 1")
            .fetch_one(&scene.world.sql)
            .await
            .unwrap()
    };
    let quote = |id: &str| domain::id::QuoteId::parse(id, Mode::Live).unwrap().uuid();
    assert_eq!(used().await, quote(&newest));
    assert_eq!(scene.bank.reverses(&paid).await.code(), "ok");
    let said = with(scene.bank.payment(text(&invoice, "ktin"), "20.00", &now()), "quote_id", first.clone());
    assert_eq!(scene.bank.call("pay", said).await.code(), "ok");
    assert_eq!(used().await, quote(&first), "the one that is named");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_quote_saves_what_was_voided_or_issued_again() {
    let scene = Scene::open().await;
    let voided = scene.invoice("voided").await;
    let asked = scene.inquires(&voided).await;
    scene.void(&voided).await;
    let said = with(scene.bank.payment(text(&voided, "ktin"), "20.00", &now()), "quote_id", asked.quote());
    assert_eq!(scene.bank.call("pay", said.clone()).await.code(), "voided");
    assert_eq!(scene.bank.call("pay", with_cash(said)).await.code(), "ok");
    assert_eq!(scene.all_money().await, one("unapplied", "voided"));

    let superseded = scene.invoice("superseded").await;
    scene.inquires(&superseded).await;
    scene.run_out(30).await;
    let newer = scene.create(with(order("superseded"), "request_datetime", "2026-01-02T10:00:00")).await;
    assert_eq!(scene.pays(&superseded, "20.00").await.code(), "expired");
    assert_eq!(scene.pays_cash(&superseded, "20.00").await.code(), "ok");
    assert_eq!(scene.all_money().await[1], ("unapplied".into(), "superseded".into()));
    assert_eq!(scene.again(&newer).await["status"], "pending");
}
