//! The sweep: what has been kept long enough goes, a little at a time, and not a day before; and what waits for an
//! endpoint that is told of nothing any more is settled, so that its event does not wait for ever.

use std::time::Duration;

use domain::account::Mode;
use domain::delivery::Next;
use reqwest::Method;
use serde_json::{Value, json};
use store::deliveries::{Attempt, Finished, Room};

use crate::webhooks::{ENDPOINTS, events, miscounted, subscribe};
use crate::world::{Merchant, World, order};

/// Nobody works in it: the story says when something happens.
async fn world() -> World {
    World::with(|settings| settings.webhooks.loopback = true).await
}

/// An id that was made at a moment: its milliseconds, then chance.
fn id_at(moment: &str) -> String {
    format!(
        "encode(substr(int8send((extract(epoch from {moment}) * 1000)::bigint), 3)
            || substr(uuid_send(gen_random_uuid()), 7), 'hex')::uuid"
    )
}

/// Rows that the sweep takes of each kind in one turn.
const BATCH: i64 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_long_enough_goes_a_batch_at_a_time() {
    let world = world().await;
    let shop = world.merchant(Mode::Test).await;
    subscribe(&shop, "https://tienda.pe/w").await;
    assert_eq!(shop.create(&order("a")).await.status, 201);
    // Of each kind 1,200 that are a minute too old, and ten that have an hour to go; of the events the oldest 1,100.
    for (days, hours_left, count) in [("1 minute", 0, 1_200), ("0", 1, 10)] {
        let ago = |kept: i64| {
            format!("now() - interval '{kept} days' - interval '{days}' + interval '{hours_left} hours'")
        };
        let of = "account_id, livemode from webhook_endpoints";
        for statement in [
            format!(
                "insert into idempotency_keys (key, request, created, status, body, account_id, livemode)
                 select gen_random_uuid(), 'x', {}, 200, '{{}}', {of}, generate_series(1, {count})",
                ago(30)
            ),
            format!(
                "insert into attempts (delivery, number, at, duration_ms, account_id, livemode)
                 select {}, 1, {}, 5, {of}, generate_series(1, {count})",
                id_at(&ago(30)),
                ago(30)
            ),
            format!(
                "insert into deliveries (id, endpoint, round, created, status, next_at, finished, account_id, livemode)
                 select {1}, id, 0, {0}, 'delivered', {0}, {0}, {of}, generate_series(1, {count})",
                ago(90),
                id_at(&ago(90))
            ),
        ] {
            world.execute(&statement).await;
        }
    }
    world
        .execute(
            "insert into events (account_id, livemode, id, created, type, invoice, facts)
             select account_id, livemode, gen_random_uuid(), now(), type, invoice, facts
             from events, generate_series(2, 1200)",
        )
        .await;
    while world.running().store.sequence(1_000).await.unwrap().more {}
    world
        .execute("update deliveries set created = now() - interval '91 days' where status = 'pending'")
        .await;
    let minute_too_old = "now() - interval '400 days 1 minute'";
    // One that is old among the young stays: there may be no gap.
    let old =
        format!("update events set created = {minute_too_old} where sequence <= 1100 or sequence = 1150");
    world.execute(&old).await;

    let count = async || {
        [
            world.count("select count(*) from idempotency_keys where key <> 'x'").await,
            world.count("select count(*) from attempts").await,
            world.count("select count(*) from deliveries where status = 'delivered'").await,
            world.count("select count(*) from events").await,
        ]
    };
    let before = count().await;
    let kept = world.settings.retention();
    assert!(world.running().store.sweep(kept).await.unwrap(), "there is more");
    assert_eq!(count().await, before.map(|count| count - BATCH));
    while world.running().store.sweep(kept).await.unwrap() {}
    let [keys, attempts, deliveries, events] = before;
    assert_eq!(count().await, [keys - 1_200, attempts - 1_200, deliveries - 1_200, events - 1_100]);
    assert_eq!((attempts, deliveries, events), (1_210, 1_210, 1_200));
    let waiting = world.count("select count(*) from deliveries where status = 'pending'").await;
    assert_eq!(waiting, 1_200, "what is still to be told stays, however old");
    let next = shop.call(Method::GET, "/v1/payments/events?after=1100&limit=1", &[], None).await.json();
    assert_eq!(next["data"][0]["sequence"], 1_101);
}

/// Takes everything that is due, and says that one endpoint took it.
async fn delivered_to(world: &World, url: &str) {
    let room = Room { total: 100, each: 100, busy: Vec::new(), lease: Duration::from_secs(30) };
    for claimed in world.running().store.claim_deliveries(room).await.unwrap() {
        if claimed.target.url == url {
            let (took, answer) = (Duration::from_millis(5), Vec::new());
            let attempt = Attempt {
                at: claimed.at,
                took,
                status: Some(200),
                error: None,
                answer,
                gone: false,
                next: Next::Delivered,
            };
            let finished = world.running().store.finish_delivery(&claimed, attempt).await.unwrap();
            assert_eq!(finished, Finished::Yes);
        }
    }
}

async fn statuses(shop: &Merchant, endpoint: &str) -> Vec<Value> {
    let listed = shop.call(Method::GET, &format!("{ENDPOINTS}/{endpoint}/deliveries"), &[], None).await;
    let listed = listed.json()["data"].as_array().unwrap().clone();
    listed.iter().map(|delivery| delivery["status"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_endpoint_that_is_off_has_failed_and_for_one_that_is_gone_is_wanted_no_more() {
    let world = world().await;
    let store = &world.running().store;
    let (shop, neighbour) = (world.merchant(Mode::Test).await, world.merchant(Mode::Test).await);
    let mut ids = Vec::new();
    for (shop, name) in
        [(&shop, "on"), (&shop, "off"), (&shop, "gone"), (&neighbour, "on"), (&neighbour, "gone")]
    {
        ids.push(subscribe(shop, &format!("https://tienda.pe/{name}")).await.0);
    }
    shop.create(&order("a")).await;
    neighbour.create(&order("b")).await;
    store.sequence(100).await.unwrap();
    let off = format!("{ENDPOINTS}/{}", ids[1]);
    let switch = async |on: bool| {
        let wish = json!({ "enabled": on }).to_string();
        assert_eq!(shop.call(Method::PATCH, &off, &[], Some(&wish)).await.status, 200);
    };
    switch(false).await;
    for (shop, id) in [(&shop, &ids[2]), (&neighbour, &ids[4])] {
        let gone = shop.call(Method::DELETE, &format!("{ENDPOINTS}/{id}"), &[], None).await;
        assert_eq!(gone.status, 200);
    }
    let told = async |shop: &Merchant| events(shop).await[0]["status"].clone();
    let sweep = async || while store.sweep(world.settings.retention()).await.unwrap() {};
    sweep().await;
    assert_eq!((told(&shop).await, told(&neighbour).await), (json!("failed"), json!("new")));
    assert_eq!(statuses(&shop, &ids[0]).await, ["pending"]);
    assert_eq!(statuses(&shop, &ids[1]).await, ["failed"]);
    let cancelled = "select count(*) from deliveries where status = 'cancelled'";
    assert_eq!((world.count(cancelled).await, miscounted(&world).await), (2, 0));

    // Those that are left decide.
    delivered_to(&world, "https://tienda.pe/on").await;
    assert_eq!((told(&shop).await, told(&neighbour).await), (json!("failed"), json!("notified")));
    switch(true).await;
    let again = shop.call(Method::POST, &format!("{off}/redeliver"), &[], Some(r#"{"after": 0}"#)).await;
    assert_eq!((again.json()["count"].clone(), told(&shop).await), (json!(1), json!("new")));
    delivered_to(&world, "https://tienda.pe/off").await;
    sweep().await;
    assert_eq!((told(&shop).await, miscounted(&world).await), (json!("notified"), 0));
}

/// The last that an event waits for may be the one that goes.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_told_when_the_only_one_that_had_not_heard_is_gone() {
    let world = world().await;
    let shop = world.merchant(Mode::Test).await;
    subscribe(&shop, "https://tienda.pe/on").await;
    let (gone, _) = subscribe(&shop, "https://tienda.pe/gone").await;
    shop.create(&order("a")).await;
    world.running().store.sequence(100).await.unwrap();
    delivered_to(&world, "https://tienda.pe/on").await;
    assert_eq!(events(&shop).await[0]["status"], "new");
    shop.call(Method::DELETE, &format!("{ENDPOINTS}/{gone}"), &[], None).await;
    world.running().store.sweep(world.settings.retention()).await.unwrap();
    assert_eq!((events(&shop).await[0]["status"].clone(), miscounted(&world).await), (json!("notified"), 0));
}
