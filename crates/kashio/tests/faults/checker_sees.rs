//! The checker itself, put to the test: after a sound run each promise is broken by hand, and each counter says so. A
//! checker that finds nothing would make every other story worthless.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::sleep;

use crate::checker::Verdict;
use crate::client::Calling;
use crate::ground::{Ground, Plan};
use crate::seed;

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_promise_is_seen() {
    let seed = seed();
    let ground = Ground::new(Plan { replicas: 2, ..Plan::new(seed) }).await;
    let calling = Calling::begin(&ground, seed, 40);
    sleep(Duration::from_secs(2)).await;
    let caller = calling.end().await;
    let sound = Verdict::of("checker-sees", seed, &ground, &caller).await;
    sound.must_be_zero(&ground);

    let broken = [
        (
            "L: an acknowledged version was never told",
            "update events set facts = facts || '{\"version\": 77}' where id = (select id from events
                 where type = 'invoice.created' order by position limit 1)",
        ),
        (
            "D: a reference twice",
            "insert into invoices select (jsonb_populate_record(null::invoices, to_jsonb(chosen) || jsonb_build_object(
                 'id', gen_random_uuid(), 'token', left(md5(random()::text), 22), 'ktin', ktin + 1,
                 'status', 'voided'))).*
             from (select * from invoices where status in ('pending', 'voided') order by id limit 1) chosen",
        ),
        (
            "E: an event is gone",
            "delete from events where id = (select id from events order by position desc limit 1)",
        ),
        (
            "T: born void",
            "update events set facts = facts || '{\"status\": \"voided\"}' where id = (select id from events
                 where type = 'invoice.created' order by position limit 1)",
        ),
        (
            "X: another's invoice among his own",
            "update invoices set invoice_id = 'owner9-x' where id = (select id from invoices order by id limit 1)",
        ),
    ];
    let mut before = sound.counts();
    for (number, (promise, statement)) in broken.into_iter().enumerate() {
        let mut breaking = PgConnection::connect(&ground.postgres.url("faults")).await.unwrap();
        // Triggers and foreign keys would not have it.
        sqlx::query("set session_replication_role = replica").execute(&mut breaking).await.unwrap();
        let changed = sqlx::query(AssertSqlSafe(statement)).execute(&mut breaking).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "{promise}");
        let verdict = Verdict::of("checker-sees", seed, &ground, &caller).await;
        assert!(verdict.counts()[number] > before[number], "not seen: {promise}: {verdict}");
        before = verdict.counts();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_nobody_announced_is_no_excuse() {
    let seed = seed();
    let mut ground = Ground::new(Plan { replicas: 1, ..Plan::new(seed) }).await;
    let calling = Calling::begin(&ground, seed, 40);
    sleep(Duration::from_secs(1)).await;
    ground.replicas[0].kill();
    sleep(Duration::from_secs(1)).await;
    ground.replicas[0].restart();
    ground.replicas[0].ready(&ground.client).await;
    let caller = calling.end().await;
    let verdict = Verdict::of("no-excuse", seed, &ground, &caller).await;
    let [lost, duplicates, events, transitions, strangers, unexplained] = verdict.counts();
    assert_eq!([lost, duplicates, events, transitions, strangers], [0; 5], "{verdict}");
    assert!(unexplained > 0, "{verdict}");
}
