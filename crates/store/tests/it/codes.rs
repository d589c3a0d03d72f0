//! Numbers to pay by hand: never twice, leased in growing blocks, of the day on which they are given.

use std::collections::HashSet;

use domain::change::Opening;
use domain::ktin::Ktin;
use futures_util::future::join_all;
use sqlx::Connection;
use store::Store;

use crate::world::*;

fn is_of_its_day(opening: &Opening) -> bool {
    let (year, day) = opening.stamp.at.lima_day().year_and_ordinal();
    opening.ktin.to_string().starts_with(&format!("{year:02}{day:03}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_numbers_of_three_replicas_are_all_different() {
    let world = World::new().await;
    let replicas = [world.store.clone(), world.replica().await, world.replica().await];
    let draws = (0..30usize).map(|number| {
        let store: Store = replicas[number % 3].clone();
        tokio::spawn(async move {
            let mut drawn = Vec::new();
            // 334 × 30 = 10,020
            for _ in 0..334 {
                let opening = store.opening().await.unwrap();
                assert!(is_of_its_day(&opening), "{}", opening.ktin);
                assert_eq!(Ktin::parse(&opening.ktin.to_string()), Some(opening.ktin));
                drawn.push((opening.ktin, opening.id, opening.token));
            }
            drawn
        })
    });
    let draws: Vec<_> = draws.collect();
    let mut drawn = Vec::new();
    for draw in join_all(draws).await {
        drawn.extend(draw.unwrap());
    }
    // Another process begins where the others stopped leasing.
    let late = world.replica().await.opening().await.unwrap();
    drawn.push((late.ktin, late.id, late.token));
    let ktins: HashSet<_> = drawn.iter().map(|(ktin, ..)| *ktin).collect();
    let ids: HashSet<_> = drawn.iter().map(|(_, id, _)| *id).collect();
    let tokens: HashSet<_> = drawn.iter().map(|(.., token)| token.clone()).collect();
    assert_eq!((ktins.len(), ids.len(), tokens.len()), (10_021, 10_021, 10_021));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_grow_and_the_first_is_small() {
    let world = World::new().await;
    let leased = async || {
        world.count("select coalesce((select next from ktin_days order by day desc limit 1), 0)").await
    };
    assert_eq!(leased().await, 0);
    let mut ends = HashSet::new();
    for drawn in 0..10_000 {
        world.store.opening().await.unwrap();
        if drawn % 25 == 0 {
            ends.insert(leased().await);
        }
    }
    // 64 + 128 + … + 4,096, and 4,096 each from there on.
    let mut expected: HashSet<i64> = (1..=7).map(|blocks| 64 * ((1 << blocks) - 1)).collect();
    expected.extend((1..=3).map(|more| 8_128 + 4_096 * more));
    assert!(ends.is_subset(&expected), "{ends:?}");
    assert!(ends.contains(&64) && ends.contains(&192), "{ends:?}");
    let last = leased().await;
    assert!((10_000..10_000 + 2 * 4_096).contains(&last), "{last}");
}

/// The database's clock is what the store goes by, so the test turns that: `clock_timestamp()` of this
/// database is another function.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_serves_only_its_day() {
    let database = database().await;
    let mut connection = sqlx::PgConnection::connect(database.url()).await.unwrap();
    let turn = format!(
        "create table turned (days integer not null);
         insert into turned values (0);
         create function public.clock_timestamp() returns timestamptz language sql as
             'select pg_catalog.clock_timestamp() + days * interval ''1 day'' from public.turned';
         alter database {} set search_path = public, pg_catalog",
        database.name()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(turn)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let world = World::on(database).await;
    let mut drawn = HashSet::new();
    let mut days = HashSet::new();
    // To tomorrow and back, with most of each block unused.
    for turned in [0, 1, 0, 2, 1] {
        world.execute(format!("update turned set days = {turned}")).await;
        world.store.sample_clock().await.unwrap();
        for _ in 0..10 {
            let opening = world.store.opening().await.unwrap();
            assert!(is_of_its_day(&opening), "{} of another day", opening.ktin);
            assert!(drawn.insert(opening.ktin), "{} came twice", opening.ktin);
            days.insert(opening.stamp.at.lima_day());
        }
    }
    assert!(days.len() >= 3, "{days:?}");
    let rows = world.count("select count(*) from ktin_days").await;
    assert_eq!(rows, i64::try_from(days.len()).unwrap());
    let keys = world.count("select count(distinct permutation_key) from ktin_days").await;
    assert_eq!(keys, rows, "each day is scattered its own way");
}
