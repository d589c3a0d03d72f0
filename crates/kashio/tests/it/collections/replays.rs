//! The same message again: a bank that had no answer says everything once more, and hears what it was told.

use futures_util::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_answered_to_the_byte_whatever_became_of_the_channel_the_agreement_and_the_service() {
    let mut scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let paid = scene.bank.pays(&invoice).await;
    let replayed = async |scene: &Scene| {
        let again = scene.bank.call("pay", paid.said.clone()).await;
        assert_eq!(again.answer.text, paid.answer.text);
        let cash = scene.bank.call("pay", with_cash(paid.said.clone())).await;
        assert_eq!(cash.answer.text, paid.answer.text);
        // What is not in the key may differ: the retry is another message of the same operation.
        let later = with(with(paid.said.clone(), "trace_id", "another"), "operated_at", in_seconds(1));
        assert_eq!(scene.bank.call("pay", later).await.answer.text, paid.answer.text);
    };
    replayed(&scene).await;
    scene.set_channel("bcp", json!({ "open": false })).await;
    replayed(&scene).await;
    scene.set_account(json!({ "collection_channels": [] })).await;
    replayed(&scene).await;
    scene.world.restart().await;
    scene.bank = scene.bank.at(scene.world.running().internal);
    scene.shop.base = scene.world.url("");
    replayed(&scene).await;
    assert_eq!(scene.all_money().await, one("applied", ""));
    assert_eq!(scene.kinds().await, ["invoice.created", "invoice.paid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_payment_thirty_two_times_at_once_is_one_payment_with_one_answer() {
    let scene = Scene::open().await;
    for cash in [false, true] {
        let invoice = scene.invoice(if cash { "with cash" } else { "without" }).await;
        let said = with(scene.bank.payment(text(&invoice, "ktin"), "20.00", &now()), "cash_taken", cash);
        let told = join_all((0..32).map(|_| scene.bank.insists("pay", said.clone()))).await;
        let mut answers: Vec<String> = told.into_iter().map(|told| told.answer.text).collect();
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
    assert_eq!(scene.all_money().await, [one("applied", ""), one("applied", "")].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_inquiry_thirty_two_times_at_once_is_one_quote() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let said = scene.bank.inquiry(text(&invoice, "ktin"), &now());
    let told = join_all((0..32).map(|_| scene.bank.insists("inquire", said.clone()))).await;
    assert!(told.iter().all(|one| one.answer.text == told[0].answer.text));
    assert_eq!(scene.world.count("select count(*) from quotes").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inquiry_is_repeated_while_its_promise_can_be_kept_and_then_asked_anew() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let asked = scene.inquires(&invoice).await;
    let again = async || scene.bank.call("inquire", asked.said.clone()).await;
    assert_eq!(again().await.answer.text, asked.answer.text);
    scene.amend(&invoice, json!({ "amount": "30.00" })).await;
    assert_eq!(again().await.answer.text, asked.answer.text, "the promise holds, whatever was amended");
    scene.expire(1).await;
    assert_eq!(again().await.answer.text, asked.answer.text, "or expired");
    scene.rewrite_invoices("status = 'pending', expires = now() + interval '1 day'").await;
    scene.age_quotes(600).await;
    let anew = again().await;
    assert_eq!(text(&anew.answer.json()["debts"][0], "total"), "30.00");
    assert_ne!(anew.quote(), asked.quote());
    scene.void(&invoice).await;
    assert_eq!(again().await.code(), "voided", "nobody is told to pay what can not be paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_across_midnight_is_the_same_operation() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let (before, after) = (written(midnight().plus_seconds(-10)), written(midnight().plus_seconds(10)));
    let paid = scene.bank.call("pay", scene.bank.payment(text(&invoice, "ktin"), "20.00", &before)).await;
    assert_eq!(paid.code(), "ok");
    let retry = scene.bank.call("pay", with(paid.said.clone(), "operated_at", after.clone())).await;
    assert_eq!(retry.answer.text, paid.answer.text);
    let just = written(midnight().plus_seconds(-10 + 3_599));
    let retry = scene.bank.call("pay", with_cash(with(paid.said.clone(), "operated_at", just))).await;
    assert_eq!(retry.answer.text, paid.answer.text);
    assert_eq!(scene.all_money().await, one("applied", ""));
    let other = scene.invoice("b").await;
    let said = scene.bank.payment(text(&other, "ktin"), "20.00", &before);
    let at_once = [said.clone(), with(said, "operated_at", after.clone())];
    let told = join_all(at_once.map(|said| scene.bank.call("pay", said))).await;
    assert_eq!(told[0].answer.text, told[1].answer.text, "also at once");
    assert_eq!(scene.all_money().await, [one("applied", ""), one("applied", "")].concat());

    // With another amount it is the new day's own operation.
    let other = with_cash(with(with(paid.said.clone(), "operated_at", after), "amount", "21.00"));
    assert_eq!(scene.bank.call("pay", other).await.code(), "ok");
    assert_eq!(scene.all_money().await[2..], one("unapplied", "duplicate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_number_on_another_day_is_another_operation() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let (before, after) = (written(midnight().plus_seconds(-10)), written(midnight().plus_seconds(3_590)));
    let paid = scene.bank.call("pay", scene.bank.payment(text(&invoice, "ktin"), "20.00", &before)).await;
    let other = with_cash(with(paid.said.clone(), "operated_at", after));
    let kept = scene.bank.call("pay", other).await;
    assert_eq!(kept.code(), "ok");
    assert_ne!(kept.payment(), paid.payment());
    assert_eq!(scene.all_money().await, [one("applied", ""), one("unapplied", "duplicate")].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_number_of_another_bank_or_for_another_ktin_is_another_operation() {
    let scene = Scene::open().await;
    let other = scene.other_bank().await;
    let (a, b) = (scene.invoice("a").await, scene.invoice("b").await);
    let paid = scene.bank.pays(&a).await;
    let elsewhere = scene.bank.call("pay", with(paid.said.clone(), "ktin", text(&b, "ktin"))).await;
    assert_eq!(elsewhere.code(), "ok");
    assert_ne!(elsewhere.payment(), paid.payment());
    let said = with_cash(with(paid.said, "channel", "bbva"));
    assert_eq!(other.call("pay", said).await.code(), "ok");
    assert_eq!(scene.all_money().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_operation_with_another_amount_is_a_mismatch_and_an_alert() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let paid = scene.bank.pays(&invoice).await;
    for said in
        [with(paid.said.clone(), "amount", "20.01"), with_cash(with(paid.said.clone(), "amount", "1.00"))]
    {
        let told = scene.bank.call("pay", said).await;
        assert_eq!(told.code(), "amount_mismatch");
        assert!(told.answer.json().get("payment").is_none());
    }
    let alerts =
        "select count(*) from collections where code = 'amount_mismatch' and fault like '%another amount%'";
    assert_eq!(scene.world.count(alerts).await, 2);
    assert_eq!(scene.all_money().await, one("applied", ""));
    assert_eq!(scene.bank.call("pay", paid.said).await.answer.text, paid.answer.text, "what was said stands");
}
