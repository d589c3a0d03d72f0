//! What is always true of the data holds after a day of business, and whatever is done to the data by hand is found by
//! the promise that it breaks, with a case to look at.

use std::time::{Duration, Instant};

use domain::account::Mode;
use reqwest::Method;
use serde_json::json;
use sqlx::AssertSqlSafe;
use store::invariants::Finding;
use tokio::time::sleep;

use crate::bank::now;
use crate::receiver::Receiver;
use crate::world::{World, order};

/// Everything that can become of invoices and money, with a receiver that is told of it all.
async fn a_day_of_business() -> World {
    let world = World::working(|_| {}).await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Live).await);
    let bank = world.bank("bcp").await;
    bank.serves(&console, &shop).await;
    let receiver = Receiver::start(|_| (200, Duration::ZERO)).await;
    let endpoint = json!({ "url": receiver.url }).to_string();
    let made = shop.call(Method::POST, "/v1/payments/webhook_endpoints", &[], Some(&endpoint)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let make = async |reference: &str| shop.create(&order(reference)).await.json();
    let at =
        |invoice: &serde_json::Value| format!("/v1/payments/invoices/{}", invoice["id"].as_str().unwrap());
    let paid = make("paid").await;
    bank.pays(&paid).await;
    let mut twice = bank.payment(paid["ktin"].as_str().unwrap(), "20.00", &now());
    twice["cash_taken"] = json!(true);
    assert_eq!(bank.call("pay", twice).await.code(), "ok");
    let reversed = make("reversed").await;
    let told = bank.pays(&reversed).await;
    assert_eq!(bank.reverses(&told).await.code(), "ok");
    let amended = make("amended").await;
    let wish = json!({ "amount": "21.00" }).to_string();
    assert_eq!(shop.call(Method::PATCH, &at(&amended), &[], Some(&wish)).await.status, 200);
    assert_eq!(shop.call(Method::DELETE, &at(&make("voided").await), &[], None).await.status, 200);
    let mut soon = order("expired");
    // A live order can not be made with a past expiration: a second ahead it must be.
    let ahead = world.running().store.clock().now().plus_seconds(1).to_string();
    soon["expiration_datetime"] = json!(ahead);
    assert_eq!(shop.create(&soon).await.status, 201);
    let began = Instant::now();
    let settled = "select count(*) from events where type = 'invoice.expired' or status <> 'new'";
    while world.count(settled).await < world.count("select count(*) from events").await
        || world.count("select count(*) from invoices where status = 'expired'").await == 0
    {
        assert!(began.elapsed() < Duration::from_secs(20), "it is not told");
        sleep(Duration::from_millis(50)).await;
    }
    world
}

/// The promises that a case was found against.
async fn broken(world: &World) -> Vec<Finding> {
    let findings = world.running().store.look_for_counter_examples().await.unwrap();
    assert!(findings.len() >= 13);
    findings.into_iter().filter(|finding| finding.counter_example.is_some()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_holds_after_a_day_of_business_and_no_tampering_goes_unseen() {
    let world = a_day_of_business().await;
    assert_eq!(broken(&world).await, []);
    let one_paid = "(select id from invoices where status = 'paid')";
    for (promise, deed, undo) in [
        (
            "the sum of applied payments",
            "update payments set amount = amount + 1 where status = 'applied'",
            "update payments set amount = amount - 1 where status = 'applied'",
        ),
        (
            "a paid invoice is paid by its own",
            "update invoices set payment_id = (select id from payments where status = 'reversed') where status = 'paid'",
            "update invoices set payment_id = (select id from payments where status = 'applied') where status = 'paid'",
        ),
        (
            "an applied payment pays the invoice",
            "update payments set status = 'applied' where status = 'reversed'",
            "update payments set status = 'reversed' where status = 'applied' and id not in (select payment_id from invoices where payment_id is not null)",
        ),
        (
            "each change of an invoice is told once",
            &format!("update invoices set version = version + 1 where id = {one_paid}"),
            &format!("update invoices set version = version - 1 where id = {one_paid}"),
        ),
        (
            "the steps of an invoice",
            "update events set facts = jsonb_set(facts, '{status}', '\"voided\"') where type = 'invoice.created'",
            "update events set facts = jsonb_set(facts, '{status}', '\"pending\"') where type = 'invoice.created'",
        ),
        (
            "the newest event of an invoice",
            "update invoices set status = 'expired' where status = 'voided'",
            "update invoices set status = 'voided' where invoice_id = 'voided'",
        ),
        (
            "the feed has no gap",
            "update event_heads set sequence = sequence + 1",
            "update event_heads set sequence = sequence - 1",
        ),
        (
            "no feed is without its head",
            "update event_heads set account_id = gen_random_uuid()",
            "update event_heads set account_id = (select account_id from events limit 1)",
        ),
        (
            "an event's status is what its deliveries say",
            "update events set undelivered = undelivered + 1, status = 'new' where type = 'invoice.paid'",
            "update events set undelivered = undelivered - 1, status = 'notified' where type = 'invoice.paid'",
        ),
        (
            "every delivery has its event",
            "update deliveries set endpoint = gen_random_uuid()",
            "update deliveries set endpoint = (select id from webhook_endpoints)",
        ),
        (
            "a bank that was told ok",
            "update collections set payment = gen_random_uuid() where verb = 'pay'",
            "update collections set payment = (
                 select id from payments where payments.operation_number = collections.operation_number)
             where verb = 'pay'",
        ),
        (
            "no money is shown that no bank told of",
            "update collections set ktin = ktin + 1 where verb = 'pay'",
            "update collections set ktin = ktin - 1 where verb = 'pay'",
        ),
        (
            "invoices past their time",
            "update invoices set expires = now() - interval '2 minutes' where invoice_id = 'amended'; alter table invoices disable trigger user",
            "alter table invoices enable trigger user",
        ),
    ] {
        tamper(&world, deed).await;
        let found = broken(&world).await;
        assert!(found.iter().any(|finding| finding.promise.starts_with(promise)), "{deed}: {found:?}");
        let case = found.iter().find(|finding| finding.promise.starts_with(promise)).unwrap();
        assert!(case.counter_example.as_ref().unwrap().len() > 20, "a case can be looked at: {case:?}");
        tamper(&world, undo).await;
        if !promise.starts_with("invoices past") {
            assert_eq!(broken(&world).await, [], "{undo}");
        }
    }
}

/// As somebody who rules the database would: no trigger stops him.
async fn tamper(world: &World, deed: &str) {
    let deed = format!("begin; set local session_replication_role = replica; {deed}; commit");
    sqlx::raw_sql(AssertSqlSafe(deed)).execute(&world.sql).await.unwrap();
}
