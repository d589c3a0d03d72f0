//! A new edition is rolled out beside the one before: operators migrate under traffic, the replicas of the edition before
//! work on over the new schema, and then both serve side by side. Nobody notices.
//!
//! `KASHIO_PREVIOUS` names the program of the edition before; `bench/faults/run editions` builds it. Without it the present
//! program stands in, so that the story stays one that can be told.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::PgPool;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::balancer::Repeats;
use crate::checker::Verdict;
use crate::client::Calling;
use crate::ground::{Ground, Plan};
use crate::program::{operator, present};
use crate::{either, seed};

#[tokio::test(flavor = "multi_thread")]
async fn the_edition_before_serves_over_the_new_schema() {
    let (pace, time) = either((40, Duration::from_secs(2)), (100, Duration::from_secs(30)));
    let seed = seed();
    let previous = std::env::var_os("KASHIO_PREVIOUS").map(PathBuf::from);
    let who = if previous.is_some() { "the edition before" } else { "the present edition standing in" };
    let binary = previous.unwrap_or_else(present);
    let mut ground = Ground::new(Plan { binary, repeats: Repeats::Never, ..Plan::new(seed) }).await;
    // The edition before may not know what banks do; nor may a list of the schema that it does not have.
    let calling = Calling::begin_without_bank(&ground, seed, pace);
    sleep(time).await;

    let before = files(&ground.sql).await;
    let (applied, said) = block_in_place(|| operator(&ground.postgres.url("faults"), &["migrate", "up"]));
    assert!(applied, "{said}");
    let after = files(&ground.sql).await;
    ground.ready().await;
    sleep(time).await;

    for number in 0..ground.replicas.len() / 2 {
        let replica = &mut ground.replicas[number];
        replica.terminate();
        assert!(replica.ended(Duration::from_secs(25)).await.success(), "{}", replica.complaints());
        replica.binary = present();
        replica.restart();
        ground.ready().await;
    }
    sleep(time).await;

    let caller = calling.end().await;
    ground.all_run();
    {
        let requests = &caller.heard.lock().unwrap().requests;
        let repeated = requests.iter().filter(|request| request.times > 1).count();
        assert_eq!(repeated, 0, "a new edition is no reason to send anything again");
    }
    let deadlocks: i64 =
        sqlx::query_scalar("select deadlocks from pg_stat_database where datname = 'faults'")
            .fetch_one(&ground.sql)
            .await
            .unwrap();
    assert_eq!(deadlocks, 0);
    let verdict = Verdict::of("editions", seed, &ground, &caller).await;
    let figures = format!(
        "{who}, {pace} requests/s, {} files applied under traffic, then 2 of 4 replicas of each edition, none failed, none \
         repeated",
        after - before
    );
    verdict.with(&figures).must_be_zero(&ground);
}

async fn files(sql: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from _sqlx_migrations where success").fetch_one(sql).await.unwrap()
}
