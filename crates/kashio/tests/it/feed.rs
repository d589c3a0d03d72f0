//! The feed: each event once, dense and in order, for whoever reads by its numbers; and those who wait for it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::account::{Mode, Owner};
use domain::id::EventId;
use futures_util::FutureExt;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;

use crate::keys_under_load::either;
use crate::machine;
use crate::webhooks::subscribe;
use crate::world::{Answer, INVOICES, Merchant, World, order};

const EVENTS: &str = "/v1/payments/events";

async fn list(shop: &Merchant, query: &str) -> Answer {
    shop.call(Method::GET, &format!("{EVENTS}{query}"), &[], None).await
}

fn data(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["data"].as_array().unwrap().clone()
}

/// The events of a shop once there are so many.
async fn told(shop: &Merchant, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let events = data(&list(shop, "?after=0&limit=500").await);
        if events.len() >= count {
            return events;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{} of {count}", events.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn id_of(answer: Answer) -> String {
    answer.json()["id"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_an_invoice_is_told_in_order_as_it_was() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    let first = id_of(shop.create(&order("a")).await).await;
    let one = format!("{INVOICES}/{first}");
    shop.call(Method::PATCH, &one, &[], Some(r#"{"amount": "25.00"}"#)).await;
    shop.call(Method::DELETE, &one, &[], None).await;
    let second = id_of(shop.create(&order("b")).await).await;
    let events = told(&shop, 4).await;
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["invoice.created", "invoice.updated", "invoice.voided", "invoice.created"]);
    let sequences: Vec<i64> = events.iter().map(|event| event["sequence"].as_i64().unwrap()).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
    let shown = |place: usize, field: &str| events[place]["data"]["invoice"][field].clone();
    assert_eq!((shown(0, "status"), shown(0, "amount")), (json!("pending"), json!("20.00")));
    assert_eq!((shown(1, "status"), shown(1, "amount")), (json!("pending"), json!("25.00")));
    assert_eq!((shown(2, "status"), shown(2, "version")), (json!("voided"), json!(3)));
    assert_eq!(events[0]["data"]["url"], format!("//invoices/{first}"));
    assert_eq!((&events[0]["status"], &events[0]["livemode"]), (&json!("new"), &json!(false)));

    let one_event = events[1]["id"].as_str().unwrap();
    for path in [format!("{EVENTS}/{one_event}"), format!("/v1/payments/event/{one_event}")] {
        assert_eq!(shop.call(Method::GET, &path, &[], None).await.json(), events[1]);
    }
    let newest_first = data(&list(&shop, "").await);
    assert_eq!(newest_first, events.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(data(&list(&shop, "/list").await), newest_first);
    assert_eq!(data(&list(&shop, "?type=invoice.voided,invoice.updated").await).len(), 2);
    assert_eq!(data(&list(&shop, &format!("?invoice={second}")).await), events[3..]);
    assert_eq!(data(&list(&shop, "?status=new&after=2").await), events[2..]);
    assert_eq!(data(&list(&shop, "?status=failed,notified").await), Vec::<Value>::new());
    let page = list(&shop, "?limit=2").await;
    assert_eq!((data(&page), &page.json()["has_more"]), (newest_first[..2].to_vec(), &json!(true)));
    let next = page.header("link").split(['<', '>']).nth(1).unwrap().replace("https://api.kashio.test", "");
    assert_eq!(data(&shop.call(Method::GET, &next, &[], None).await), newest_first[2..]);
    let versioned = [("kashio-version", "1.0.1")];
    let modern = shop.call(Method::GET, &format!("{EVENTS}/{one_event}"), &versioned, None).await;
    assert_eq!(modern.json()["data"]["invoice"]["status"], "NEW");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_told_of_a_change_finds_its_event() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    for number in 1..=60 {
        let id = id_of(shop.create(&order(&format!("order-{number}"))).await).await;
        if number % 2 == 0 {
            let paid = format!("/v1/payments/test/invoices/{id}/pay");
            assert_eq!(shop.call(Method::POST, &paid, &[], None).await.status, 200);
        }
        let events = data(&list(&shop, &format!("?invoice={id}")).await);
        let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["invoice.paid", "invoice.created"][number % 2..], "order {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_a_list_shows_what_has_its_number() {
    let world = World::with(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create(&order("a")).await.status, 201);
    let began = Instant::now();
    assert_eq!(data(&list(&shop, "").await), Vec::<Value>::new());
    let waited = began.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&waited), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_make_no_sense_are_told() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    for (query, code, param) in [
        ("?wait=31&after=0", "out_of_range", "wait"),
        ("?wait=5", "required", "after"),
        ("?after=-1", "out_of_range", "after"),
        ("?type=invoice.eaten", "invalid_event_type", "type"),
        ("?status=old", "invalid_status", "status"),
        ("?starting_after=eve_test_2222222222222222222222", "invalid_cursor", "starting_after"),
        ("?colour=red", "unknown_parameter", "colour"),
        ("?date=2026-02-30", "invalid_date", "date"),
    ] {
        let answer = list(&shop, query).await;
        assert_eq!((answer.status, answer.faults()), (400, vec![(code.into(), param.into())]), "{query}");
    }
    assert_eq!(list(&shop, "/eve_test_2222222222222222222222").await.status, 404);
}

/// The long form, `KASHIO_LONG=1`, has the figures that were promised.
#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_told_once_dense_and_in_order_whatever_happens_meanwhile() {
    let (writers, laggards, seconds) = either((8, 2, 6), (32, 8, 60));
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let world = World::working(|settings| settings.database.connections = 16).await;
    let mut shops = Vec::new();
    for _ in 0..3 {
        shops.push(world.merchant(Mode::Test).await);
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let writers = join_all((0..writers).map(|writer| {
        let shop = shops[writer % shops.len()].clone();
        async move {
            let (mut made, mut number) = (0, 0);
            while Instant::now() < end {
                number += 1;
                let answer = shop.create(&order(&format!("{writer}-{number}"))).await;
                made += usize::from(answer.status == 201);
                assert!(matches!(answer.status, 201 | 503), "{}", answer.text);
            }
            (writer % 3, made)
        }
    }));
    // Slow transactions of old, which commit long after younger ones; some never do.
    let pool = PgPoolOptions::new().max_connections(laggards).connect(world.database.url()).await.unwrap();
    let late = join_all((0..laggards).map(|laggard| {
        let mut random = StdRng::seed_from_u64(seed ^ u64::from(laggard));
        let (pool, shops) = (&pool, &shops);
        async move {
            while Instant::now() < end {
                let mut transaction = pool.begin().await.unwrap();
                let shop = &shops[random.random_range(0..shops.len())];
                let insert = "insert into events (account_id, livemode, id, created, type, invoice, facts)
                    select account_id, livemode, gen_random_uuid(), now(), 'invoice.updated', invoice, facts
                    from events where account_id = $1 limit 1";
                let wrote =
                    sqlx::query(insert).bind(shop.account.uuid()).execute(&mut *transaction).await.unwrap();
                tokio::time::sleep(Duration::from_millis(random.random_range(0..800))).await;
                if random.random_ratio(1, 3) || wrote.rows_affected() == 0 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                }
            }
        }
    }));
    // Other workers come and go, also in the middle of their numbering; and now and then the connection of whoever
    // leads is cut.
    let rivals = async {
        let (mut random, mut killed) = (StdRng::seed_from_u64(!seed), 0);
        while Instant::now() < end {
            let store = world.running().store.clone();
            let rival = tokio::spawn(async move { store.sequence(50).await });
            tokio::time::sleep(Duration::from_millis(random.random_range(0..40))).await;
            rival.abort();
            if random.random_ratio(1, 8) {
                let kill = "select count(*) filter (where pg_terminate_backend(pid)) from pg_locks
                            where locktype = 'advisory' and objid = 3333
                              and database = (select oid from pg_database where datname = current_database())";
                killed += world.count(kill).await;
            }
        }
        killed
    };
    // A reader of each feed, by its numbers.
    let readers = join_all(shops.iter().map(|shop| async move {
        let mut seen: Vec<(i64, String)> = Vec::new();
        let mut quiet = 0;
        while quiet < 3 {
            let after = seen.last().map_or(0, |(sequence, _)| *sequence);
            let answer = list(shop, &format!("?after={after}&wait=1&limit=100")).await;
            // As a writer does, whoever is told that there is no room now asks again.
            let events = if answer.status == 503 { continue } else { data(&answer) };
            quiet = if events.is_empty() && Instant::now() > end { quiet + 1 } else { 0 };
            seen.extend(events.iter().map(|event| {
                (event["sequence"].as_i64().unwrap(), event["id"].as_str().unwrap().to_owned())
            }));
        }
        seen
    }));
    let (written, _, killed, seen) = tokio::join!(writers, late, rivals, readers);
    let mut made: HashMap<usize, usize> = HashMap::new();
    for (shop, count) in written {
        *made.entry(shop).or_default() += count;
    }
    for (place, (shop, seen)) in shops.iter().zip(&seen).enumerate() {
        let sequences: Vec<i64> = seen.iter().map(|(sequence, _)| *sequence).collect();
        assert_eq!(sequences, (1..=sequences.len() as i64).collect::<Vec<_>>(), "dense and in order");
        let mut ids: Vec<&String> = seen.iter().map(|(_, id)| id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), seen.len(), "each once");
        let all: i64 = sqlx::query_scalar("select count(*) from events where account_id = $1")
            .bind(shop.account.uuid())
            .fetch_one(&world.sql)
            .await
            .unwrap();
        assert_eq!(all as usize, seen.len(), "nothing is missing");
        assert!(seen.len() >= made[&place] && made[&place] > 5, "{} of {}", seen.len(), made[&place]);
    }
    assert_eq!(world.count("select count(*) from events where sequence is null").await, 0);
    let told: usize = seen.iter().map(Vec::len).sum();
    println!("{told} events in {seconds} s, {killed} numberings killed");
    assert!(killed > 0, "nobody was hit");
}

/// Postgres believes what it counted last: that no event has a number.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_is_read_by_its_key_whatever_postgres_believes() {
    const MANY: usize = 4_000;
    let _machine = machine::alone().await;
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create(&order("a")).await.status, 201);
    let burst = "insert into events (account_id, livemode, id, created, type, invoice, facts)
        select account_id, livemode, gen_random_uuid(), now(), type, invoice, facts from events, generate_series(2, 4000)"; // MANY
    world.execute(burst).await;
    world.execute("analyze").await;
    let store = &world.running().store;
    while store.sequence(1_000).await.unwrap().more {}

    let owner = Owner { account: shop.account, mode: Mode::Test };
    let ids: Vec<uuid::Uuid> =
        sqlx::query_scalar("select id from events").fetch_all(&world.sql).await.unwrap();
    let ids: Vec<_> = ids.into_iter().map(|id| (owner, EventId::from_uuid(id))).collect();
    let began = Instant::now();
    let read = store.read::<_, store::Error, _>("find_events", move |tx| {
        let ids = ids.clone();
        async move { tx.events_of(&ids).await }.boxed()
    });
    assert_eq!(read.await.unwrap().len(), MANY);
    let took = began.elapsed();
    assert!(took < Duration::from_millis(600), "{took:?}");
}

/// Postgres knows nothing of its tables yet, as after a restore: whatever it believes, a turn may not take the square of
/// its events. (It did, and the feed stood still, each turn ended by the statement's time-out.)
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_into_a_young_feed_is_numbered_at_once_and_in_its_order() {
    let _machine = machine::alone().await;
    let world = World::with(|settings| settings.webhooks.loopback = true).await;
    let (shop, neighbour) = (world.merchant(Mode::Test).await, world.merchant(Mode::Live).await);
    for (shop, name) in [(&shop, "a"), (&shop, "b"), (&neighbour, "c")] {
        subscribe(shop, &format!("https://tienda.pe/{name}")).await;
    }
    world.execute("update webhook_endpoints set events = '{invoice.paid}' where url like '%/b'").await;
    for shop in [&shop, &neighbour] {
        assert_eq!(shop.create(&order("a")).await.status, 201);
    }
    let burst = "insert into events (account_id, livemode, id, created, type, invoice, facts)
        select account_id, livemode, gen_random_uuid(), now(), type, invoice, facts from events, generate_series(2, 500)";
    world.execute(burst).await;

    let began = Instant::now();
    let numbered = world.running().store.sequence(1_000).await.unwrap();
    let took = began.elapsed();
    assert_eq!((numbered.events, numbered.deliveries, numbered.more), (1_000, 1_000, true));
    assert!(took < Duration::from_secs(1), "{took:?}");
    for shop in [&shop, &neighbour] {
        let numbers: Vec<_> = told(shop, 500).await.iter().map(|event| event["sequence"].as_u64()).collect();
        assert_eq!(numbers, (1..=500).map(Some).collect::<Vec<_>>());
    }
    let in_order = "select count(*) from (select sequence, row_number() over (
        partition by account_id, livemode order by position) as place from events) each where place <> sequence";
    assert_eq!(world.count(in_order).await, 0);
    assert_eq!(world.count("select count(*) from events where endpoints <> 1 or undelivered <> 1").await, 0);
    let to_b =
        "select count(*) from deliveries join webhook_endpoints endpoint on endpoint.id = deliveries.endpoint
        where endpoint.events is not null";
    assert_eq!(world.count(to_b).await, 0, "it asked for payments only");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_stays_as_it_was_though_its_invoice_changes() {
    let world = World::working(|_| {}).await;
    let shop = world.merchant(Mode::Test).await;
    let id = id_of(shop.create(&order("a")).await).await;
    let one = format!("{INVOICES}/{id}");
    let mut seen = told(&shop, 1).await;
    for change in [r#"{"amount": "25.00"}"#, r#"{"amount": "26.00"}"#] {
        assert_eq!(shop.call(Method::PATCH, &one, &[], Some(change)).await.status, 200);
        let now = told(&shop, seen.len() + 1).await;
        assert_eq!(now[..seen.len()], seen);
        seen = now;
    }
    assert_eq!(shop.call(Method::DELETE, &one, &[], None).await.status, 200);
    assert_eq!(told(&shop, 4).await[..3], seen);
    let amounts: Vec<&Value> = seen.iter().map(|event| &event["data"]["invoice"]["amount"]).collect();
    assert_eq!(amounts, ["20.00", "25.00", "26.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_answered_when_something_happens_and_in_time_when_not() {
    let world = World::working(|settings| settings.limits.requests = 30).await;
    let (shop, other) = (world.merchant(Mode::Test).await, world.merchant(Mode::Test).await);
    let began = Instant::now();
    assert_eq!(data(&list(&shop, "?after=0&wait=1").await), Vec::<Value>::new());
    assert!((Duration::from_millis(900)..Duration::from_millis(2_500)).contains(&began.elapsed()));

    let waiting = {
        let shop = shop.clone();
        tokio::spawn(async move { (data(&list(&shop, "?after=0&wait=20").await), Instant::now()) })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    other.create(&order("elsewhere")).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "another's event is none of its business");
    shop.create(&order("here")).await;
    let made = Instant::now();
    let (events, answered) = waiting.await.unwrap();
    assert_eq!(events[0]["data"]["invoice"]["invoice_id"], "here");
    assert!(answered.saturating_duration_since(made) < Duration::from_secs(1));

    // What is filtered away does not end a wait.
    let began = Instant::now();
    let filtered = list(&shop, "?after=0&type=invoice.paid&wait=1").await;
    assert_eq!(data(&filtered), Vec::<Value>::new());
    assert!(began.elapsed() >= Duration::from_millis(900));

    // Twenty of a kind may wait, and they hold neither places nor connections.
    let held: Vec<_> = (0..20)
        .map(|_| {
            let shop = shop.clone();
            tokio::spawn(async move { list(&shop, "?after=1&wait=30").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let refused = list(&shop, "?after=1&wait=5").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    let answers = join_all((0..25).map(|_| other.call(Method::GET, "/v1/payments", &[], None))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let busy = "select count(*) from pg_stat_activity where datname = current_database() and state = 'active'
                and pid <> pg_backend_pid()";
    assert!(world.count(busy).await <= 2);
    shop.create(&order("at last")).await;
    for answer in held {
        assert_eq!(data(&answer.await.unwrap()).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_no_more_is_said_to_whoever_asks_for_it() {
    let world = World::working(|settings| settings.retention.event_days = 400).await;
    let shop = world.merchant(Mode::Test).await;
    for number in 0..4 {
        shop.create(&order(&number.to_string())).await;
    }
    told(&shop, 4).await;
    world.execute("update events set created = now() - interval '401 days' where sequence <= 2").await;
    let kept = world.settings.retention();
    while world.running().store.sweep(kept).await.unwrap() {}
    let expired = list(&shop, "?after=1").await;
    assert_eq!((expired.status, expired.code().as_str()), (400, "cursor_expired"));
    assert_eq!(expired.json()["error"][0]["oldest_sequence"], 3);
    let rest: Vec<i64> = data(&list(&shop, "?after=2").await)
        .iter()
        .map(|event| event["sequence"].as_i64().unwrap())
        .collect();
    assert_eq!(rest, [3, 4]);
}
