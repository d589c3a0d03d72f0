//! Claims: each delivery is sent by one at a time, also among workers of two editions, and what is claimed and not begun
//! costs nobody an attempt.

use std::time::Duration;

use domain::account::Mode;
use domain::delivery::{Next, Schedule};
use domain::endpoint::Targets;
use domain::time::Moment;
use reqwest::Method;
use store::deliveries::{Attempt, Claimed, Finished, Room};
use store::sweep::Retention;
use worker::Worker;
use worker::outbound::Outbound;

use crate::machine;
use crate::receiver::Receiver;
use crate::webhooks::{miscounted, subscribe, until};
use crate::world::{Merchant, World, order};

/// Nobody works in it, and a merchant whose endpoints are to be told of some orders.
async fn told(endpoints: usize, orders: usize) -> (World, Merchant) {
    let world = World::with(|settings| settings.webhooks.loopback = true).await;
    let shop = world.merchant(Mode::Test).await;
    for number in 0..endpoints {
        subscribe(&shop, &format!("https://tienda.pe/{number}")).await;
    }
    for number in 0..orders {
        shop.create(&order(&number.to_string())).await;
    }
    world.running().store.sequence(1_000).await.unwrap();
    (world, shop)
}

async fn claim(world: &World, lease: Duration) -> Vec<Claimed> {
    let room = Room { total: 1_000, each: 100, busy: Vec::new(), lease };
    world.running().store.claim_deliveries(room).await.unwrap()
}

const LEASE: Duration = Duration::from_secs(30);

fn attempt(next: Next) -> Attempt {
    let (at, took) = (Moment::from_unix(1_790_000_000), Duration::from_millis(5));
    Attempt { at, took, status: Some(200), error: None, answer: Vec::new(), gone: false, next }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_is_nobody_elses_until_the_claim_ends() {
    let (world, shop) = told(1, 2).await;
    let store = &world.running().store;
    let mut first = claim(&world, LEASE).await;
    assert_eq!(first.len(), 2);
    assert!(claim(&world, LEASE).await.is_empty());
    assert_eq!(store.webhook_backlog().await.unwrap().count, 0, "somebody sends it");
    let (late, failed) = (first.remove(0), first.remove(0));
    let again = attempt(Next::Again { millis: 60_000 });
    assert_eq!(store.finish_delivery(&failed, again).await.unwrap(), Finished::Yes);

    world.execute("update deliveries set claimed_until = now() where claimed_until is not null").await;
    assert_eq!(
        store.webhook_backlog().await.unwrap().count,
        1,
        "one claim has ended, one waits for its next attempt"
    );
    let second = claim(&world, LEASE).await;
    assert_eq!(second.len(), 1);
    assert_eq!((second[0].id, second[0].attempt), (late.id, 2));
    let delivered = attempt(Next::Delivered);
    assert_eq!(store.finish_delivery(&late, delivered.clone()).await.unwrap(), Finished::TooLate);
    let path = format!("/v1/payments/deliveries/{}", late.id.text(Mode::Test));
    let shown = shop.call(Method::GET, &path, &[], None).await.json();
    assert_eq!(shown["next_attempt"], second[0].at.plus_seconds(30).to_string(), "when its claim ends");
    assert_eq!(store.finish_delivery(&second[0], delivered).await.unwrap(), Finished::Yes);
    assert_eq!(miscounted(&world).await, 0);
}

/// The claim of a worker of the edition before: it looks at `next_at` alone.
const OLD_CLAIM: &str = "update deliveries set attempt = attempt + 1, next_at = now() + interval '30 s'
    where status = 'pending' and next_at <= now()";

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_two_editions_send_nothing_twice() {
    let (world, _) = told(2, 10).await;
    let store = &world.running().store;
    let claimed = claim(&world, LEASE).await;
    assert_eq!(claimed.len(), 20);
    assert_eq!(world.execute(OLD_CLAIM).await, 0, "a newer one sends them");
    let (given_back, kept) = claimed.split_first().unwrap();
    store.give_back_deliveries(vec![given_back.clone()]).await.unwrap();
    assert_eq!(world.execute(OLD_CLAIM).await, 1);
    assert!(claim(&world, LEASE).await.is_empty(), "an older one sends it");
    // What the older one finishes, and what is begun anew after it, is as free as ever.
    world.execute("update deliveries set next_at = now() where next_at > now()").await;
    assert_eq!(world.execute(OLD_CLAIM).await, 1);

    let done: Vec<_> = kept.iter().map(|one| (one.clone(), attempt(Next::Delivered))).collect();
    assert_eq!(store.finish_delivered(done.into()).await.unwrap().len(), 19);
    world
        .execute("update deliveries set status = 'pending', finished = null, next_at = now() where finished is not null")
        .await;
    assert_eq!(world.execute(OLD_CLAIM).await, 19, "a claim ends with its attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_touches_no_index() {
    let (world, _) = told(4, 50).await;
    assert_eq!(claim(&world, LEASE).await.len(), 200);
    until("the claim is counted", async || {
        // Whoever asks again tells what he has counted.
        assert!(claim(&world, LEASE).await.is_empty());
        world.count("select n_tup_upd from pg_stat_user_tables where relname = 'deliveries'").await == 200
    })
    .await;
    let in_place =
        world.count("select n_tup_hot_upd from pg_stat_user_tables where relname = 'deliveries'").await;
    assert_eq!(in_place, 200, "each page has room for another row of each of its deliveries");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_is_as_if_it_had_never_been_claimed() {
    let (world, shop) = told(1, 3).await;
    let store = &world.running().store;
    let first = claim(&world, LEASE).await;
    assert_eq!(first.len(), 3);
    let untouched = "select count(*) from deliveries where attempt = 0 and claimed_until is null";
    store.give_back_deliveries(first.clone()).await.unwrap();
    store.give_back_deliveries(first.clone()).await.unwrap();
    assert_eq!(world.count(untouched).await, 3, "once is enough");

    let mut second = claim(&world, LEASE).await;
    assert!(second.iter().all(|claimed| (claimed.attempt, claimed.turn) == (1, 1)));
    store.give_back_deliveries(first).await.unwrap();
    assert_eq!(world.count(untouched).await, 0, "under the same number it is somebody else's");
    // Wanted no more, and wanted again, before it is given back.
    let event = second[0].event.unwrap().text(Mode::Test);
    let resent = shop.call(Method::POST, &format!("/v1/payments/events/{event}/resend"), &[], None).await;
    assert_eq!(resent.status, 200, "{}", resent.text);
    let path = format!("/v1/payments/deliveries/{}/redeliver", second[0].id.text(Mode::Test));
    assert_eq!(shop.call(Method::POST, &path, &[], None).await.status, 200);
    store.give_back_deliveries(vec![second.remove(0)]).await.unwrap();
    let third = claim(&world, LEASE).await;
    assert_eq!(third.len(), 2, "the event's new delivery, and the one that is wanted again");
    assert!(third.iter().all(|claimed| claimed.turn == 1));
    let done: Vec<_> =
        second.iter().chain(&third).map(|one| (one.clone(), attempt(Next::Delivered))).collect();
    assert_eq!(store.finish_delivered(done.into()).await.unwrap().len(), 4);
    assert_eq!(miscounted(&world).await, 0);
}

/// A receiver answers at once, so that much is claimed for it, and then no more. Times are measured: it has the machine
/// for itself.
async fn is_given_back(lease: Duration, stops: bool) {
    const TOLD: usize = 20;
    const MORE: i64 = 200;
    let _machine = machine::alone().await;
    let world = World::with(|settings| settings.webhooks.loopback = true).await;
    let receiver = Receiver::start(|number| {
        (200, if number <= TOLD { Duration::ZERO } else { Duration::from_secs(600) })
    })
    .await;
    let shop = world.merchant(Mode::Test).await;
    subscribe(&shop, &receiver.url).await;
    let settings = worker::Settings {
        schedule: Schedule::of_seconds(&[0, 60]),
        lease,
        page_url: String::new(),
        retention: Retention { idempotency_days: 30, attempt_days: 30, delivery_days: 90, event_days: 400 },
    };
    let outbound = Outbound::new(Targets { loopback: true, ..Targets::default() }).unwrap();
    let worker = Worker::start(world.running().store.clone(), outbound, settings);
    for number in 1..=TOLD {
        shop.create(&order(&number.to_string())).await;
        until("it answers", async || receiver.so_far() == number).await;
    }
    for number in 0..MORE {
        shop.create(&order(&format!("more-{number}"))).await;
    }
    let claimed = "select count(*) from deliveries where status = 'pending' and attempt = 1";
    let waits = "select count(*) from deliveries
                 where status = 'pending' and attempt = 0 and claimed_until is null and next_at <= now()";
    let begun = || i64::try_from(receiver.so_far() - TOLD).unwrap();
    // Held to the end: a worker that nobody holds stops.
    let mut worker = Some(worker);
    if stops {
        until("more is claimed than posted", async || world.count(claimed).await > begun()).await;
        let stopping = worker.take().unwrap().stop(Duration::from_secs(20));
        tokio::spawn(stopping);
    }
    until("what had not its turn is anybody's", async || {
        begun() > 0 && world.count(waits).await == MORE - begun()
    })
    .await;
    assert_eq!(world.count(claimed).await, begun(), "what is on its way");
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_receiver_that_hangs_is_given_back() {
    is_given_back(LEASE, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_gives_back_what_it_has_not_begun() {
    is_given_back(LEASE, true).await;
}
