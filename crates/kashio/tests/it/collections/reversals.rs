//! "Take that back" (*extorno*): by the bank's machine, which had no answer, or by a person at the counter.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_opens_the_invoice_again_and_it_can_be_paid_under_another_number() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let paid = scene.bank.pays(&invoice).await;
    let reversed = scene.bank.reverses(&paid).await;
    assert_eq!(reversed.code(), "ok");
    assert_eq!(reversed.payment(), paid.payment());
    assert_eq!(text(&reversed.answer.json(), "operation_number").len(), 9);
    let shown = scene.again(&invoice).await;
    assert_eq!((text(&shown, "status"), shown.get("paid_at")), ("pending", None));
    assert_eq!(text(&scene.money(&paid.payment()).await, "status"), "reversed");
    let again = scene.bank.call("reverse", reversed.said.clone()).await;
    assert_eq!(again.answer.text, reversed.answer.text, "a replay, to the byte");
    assert_eq!(scene.bank.reverses(&paid).await.code(), "already_reversed", "under another number");
    let late = scene.bank.call("pay", paid.said.clone()).await;
    assert_eq!(late.code(), "already_reversed");
    assert_eq!(scene.bank.call("pay", with_cash(paid.said)).await.code(), "already_reversed");
    let second = scene.bank.pays(&invoice).await;
    assert_eq!(text(&scene.again(&invoice).await, "payment"), second.payment());
    assert_eq!(scene.bank.call("reverse", reversed.said).await.answer.text, reversed.answer.text);
    assert_eq!(scene.again(&invoice).await["status"], "paid", "the replay took nothing back");
    let kinds = ["invoice.created", "invoice.paid", "invoice.payment_reversed", "invoice.paid"];
    assert_eq!(scene.kinds().await, kinds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_finds_the_time_over() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let paid = scene.bank.pays(&invoice).await;
    scene.run_out(0).await;
    assert_eq!(scene.bank.reverses(&paid).await.code(), "ok");
    let shown = scene.again(&invoice).await;
    assert_eq!((text(&shown, "status"), &shown["version"]), ("expired", &json!(3)), "stored at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_paid_nothing_is_taken_back_and_the_invoice_stays() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let first = scene.bank.pays(&invoice).await;
    let second = scene.pays_cash(&invoice, "20.00").await;
    assert_eq!(scene.bank.reverses(&second).await.code(), "ok");
    assert_eq!(scene.all_money().await, [one("applied", ""), one("reversed", "")].concat());
    assert_eq!(text(&scene.again(&invoice).await, "payment"), first.payment());
    assert_eq!(scene.kinds().await[2..], ["payment.unapplied", "payment.reversed"]);
    assert_eq!(scene.bank.call("pay", second.said).await.code(), "already_reversed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_reverses_within_a_day() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let ktin = text(&invoice, "ktin");
    let old = scene.bank.call("pay", scene.bank.payment(ktin, "20.00", &in_seconds(-86_400 - 5))).await;
    assert_eq!(old.code(), "ok");
    let late = scene.bank.reverses(&old).await;
    assert_eq!(late.code(), "bad_request");
    let alert = "select count(*) from collections where verb = 'reverse' and fault like '%too late%'";
    assert_eq!(scene.world.count(alert).await, 1, "recorded");
    assert_eq!(scene.all_money().await, one("applied", ""));
    let other = scene.invoice("b").await;
    let said = scene.bank.payment(text(&other, "ktin"), "20.00", &in_seconds(-86_400 + 30));
    let young = scene.bank.call("pay", said).await;
    assert_eq!(scene.bank.reverses(&young).await.code(), "ok");
    // What never came and is too old to come is no tombstone.
    let nothing = scene.bank.payment(ktin, "20.00", &in_seconds(-86_400 - 5));
    let told = scene.bank.call("reverse", scene.bank.reversal(&nothing, "automatic")).await;
    assert_eq!(told.code(), "bad_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reverses_on_the_same_day_of_lima_or_as_the_channel_allows() {
    let scene = Scene::open().await;
    let (today, yesterday) = (scene.invoice("today").await, scene.invoice("yesterday").await);
    let by_hand = async |paid: &Told| {
        scene.bank.call("reverse", scene.bank.reversal(&paid.said, "manual")).await.code()
    };
    let paid = scene.bank.pays(&today).await;
    assert_eq!(by_hand(&paid).await, "ok");
    // One second before the day before yesterday ended: two days ago.
    let at = written(midnight().plus_seconds(-1));
    let said = scene.bank.payment(text(&yesterday, "ktin"), "20.00", &at);
    let paid = scene.bank.call("pay", said).await;
    assert_eq!(paid.code(), "ok");
    assert_eq!(by_hand(&paid).await, "bad_request");
    scene.set_channel("bcp", json!({ "reversal_days": 1 })).await;
    assert_eq!(by_hand(&paid).await, "bad_request");
    scene.set_channel("bcp", json!({ "reversal_days": 2 })).await;
    assert_eq!(by_hand(&paid).await, "ok");
    assert_eq!(scene.all_money().await, [one("reversed", ""), one("reversed", "")].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_before_its_payment_is_recorded_and_met() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let said = scene.bank.payment(text(&invoice, "ktin"), "20.00", &now());
    let tombstone = scene.bank.call("reverse", scene.bank.reversal(&said, "automatic")).await;
    assert_eq!(tombstone.code(), "reversal_recorded");
    assert_eq!(text(&tombstone.answer.json(), "operation_number").len(), 9);
    assert_eq!(scene.bank.call("pay", said.clone()).await.code(), "already_reversed");
    assert_eq!(scene.bank.call("pay", with_cash(said.clone())).await.code(), "already_reversed");
    let again = scene.bank.call("reverse", tombstone.said.clone()).await;
    assert_eq!(again.answer.text, tombstone.answer.text, "a replay");
    assert_eq!(scene.all_money().await, []);
    assert_eq!(scene.kinds().await, ["invoice.created"]);
    scene.bank.pays(&invoice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_payment_that_is_then_reversed_meets_the_reversal() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let refused = scene.pays(&invoice, "19.00").await;
    assert_eq!(refused.code(), "amount_mismatch");
    assert_eq!(scene.bank.reverses(&refused).await.code(), "reversal_recorded");
    assert_eq!(scene.bank.call("pay", refused.said.clone()).await.code(), "already_reversed");
    assert_eq!(scene.bank.call("pay", with_cash(refused.said)).await.code(), "already_reversed");
    assert_eq!(scene.all_money().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_not_reverse_what_has_not_come_and_can_once_it_has() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let said = scene.bank.payment(text(&invoice, "ktin"), "20.00", &now());
    let reversal = scene.bank.reversal(&said, "manual");
    assert_eq!(scene.bank.call("reverse", reversal.clone()).await.code(), "not_found_payment");
    assert_eq!(scene.bank.call("reverse", reversal.clone()).await.code(), "not_found_payment");
    assert_eq!(scene.bank.call("pay", said).await.code(), "ok");
    assert_eq!(scene.bank.call("reverse", reversal.clone()).await.code(), "ok");
    let first = scene.bank.call("reverse", reversal.clone()).await;
    assert_eq!(scene.bank.call("reverse", reversal).await.answer.text, first.answer.text);
    assert_eq!(scene.all_money().await, one("reversed", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_goes_through_whatever_became_of_channel_and_agreement() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let paid = scene.bank.pays(&invoice).await;
    scene.set_channel("bcp", json!({ "open": false })).await;
    scene.set_account(json!({ "collection_channels": [] })).await;
    assert_eq!(scene.bank.reverses(&paid).await.code(), "ok");
    assert_eq!(scene.bank.call("pay", paid.said).await.code(), "already_reversed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_across_midnight_finds_its_own_payment_and_no_other() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    scene.set_channel("bcp", json!({ "reversal_days": 5 })).await;
    let (before, after) = (written(midnight().plus_seconds(-10)), written(midnight().plus_seconds(10)));
    let ktin = text(&invoice, "ktin");
    let paid = scene.bank.call("pay", scene.bank.payment(ktin, "20.00", &before)).await;
    // The new day's operation of the same number was refused: its reversal must not take yesterday's money.
    let refused = with(with(paid.said.clone(), "operated_at", after.clone()), "amount", "1.00");
    let refused = scene.bank.call("pay", refused).await;
    assert_eq!(refused.code(), "already_paid");
    let told = scene.bank.call("reverse", scene.bank.reversal(&refused.said, "manual")).await;
    assert_eq!(told.code(), "not_found_payment");
    assert_eq!(scene.again(&invoice).await["status"], "paid");
    // A reversal of a retry across midnight is one of the payment.
    let other = scene.invoice("b").await;
    let paid = scene.bank.call("pay", scene.bank.payment(text(&other, "ktin"), "20.00", &before)).await;
    let retry = scene.bank.call("pay", with(paid.said.clone(), "operated_at", after)).await;
    assert_eq!(retry.answer.text, paid.answer.text);
    let told = scene.bank.call("reverse", scene.bank.reversal(&retry.said, "manual")).await;
    assert_eq!(told.code(), "ok");
    assert_eq!(scene.again(&other).await["status"], "pending");
}
