//! The schema grows while operators stumble over each other, a migrator dies half-way, and merchants go on calling.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::checker::{Verdict, percentile};
use crate::client::Calling;
use crate::ground::{Ground, Plan, Postgres, turn};
use crate::program::operator;
use crate::{either, seed, tell};

#[tokio::test(flavor = "multi_thread")]
async fn four_operators_migrate_at_once() {
    let rounds = either(5, 20);
    let _turn = turn().await;
    let postgres = block_in_place(Postgres::start);
    for round in 0..rounds {
        let database = fresh(&postgres, round).await;
        let migrators = [(); 4].map(|()| migrator(&database));
        for migrator in migrators {
            let output = block_in_place(|| migrator.wait_with_output()).unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        is_as_it_should_be(&database);
    }
    tell(&format!("story migrators-at-once: no seed; 4 at once × {rounds}, all done, verify clean"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migrator_dies_half_way_and_another_goes_on() {
    let rounds = either(3, 10);
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let _turn = turn().await;
    let postgres = block_in_place(Postgres::start);
    let began = Instant::now();
    let whole = fresh(&postgres, 0).await;
    operator(&whole, &["migrate", "up"]);
    let files = applied(&mut PgConnection::connect(&whole).await.unwrap()).await;
    let mut half_way = 0;
    for round in 1..=rounds {
        let database = fresh(&postgres, round).await;
        let mut looker = PgConnection::connect(&database).await.unwrap();
        let mut migrator = migrator(&database);
        // Somewhere between the first file and the last but one.
        let enough = random.random_range(1..files - 1);
        while applied(&mut looker).await < enough {
            assert!(began.elapsed() < Duration::from_secs(300), "it does not come so far");
        }
        migrator.kill().unwrap();
        migrator.wait().unwrap();
        half_way += usize::from(applied(&mut looker).await < files);
        let (done, said) = operator(&database, &["migrate", "up"]);
        assert!(done, "{said}");
        is_as_it_should_be(&database);
    }
    tell(&format!(
        "story migrator-killed: seed {seed}; {rounds} × kill -9, {half_way} of them before the end, all finished by \
         another, verify clean"
    ));
    assert!(half_way * 3 >= rounds * 2, "only {half_way} of {rounds} were killed half-way");
}

/// How many files a database has; none, before the first.
async fn applied(looker: &mut PgConnection) -> i64 {
    let files = sqlx::query_scalar("select count(*) from _sqlx_migrations where success");
    files.fetch_one(looker).await.unwrap_or_default()
}

/// What a file outside a transaction does: one statement at a time, without a limit on waiting for old transactions.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_built_and_dropped_while_merchants_call() {
    let (rounds, pace) = either((5, 40), (30, 100));
    let seed = seed();
    let mut ground = Ground::new(Plan::new(seed)).await;
    let calling = Calling::begin(&ground, seed, pace);
    sleep(Duration::from_secs(1)).await;
    let mut operator = PgConnection::connect(&ground.postgres.url("faults")).await.unwrap();
    let mut took = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        for statement in [
            "create index concurrently invoices_by_amount on invoices (account_id, livemode, sub_total)",
            "create index concurrently events_by_type on events (account_id, livemode, type)",
            "drop index concurrently invoices_by_amount",
            "drop index concurrently events_by_type",
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut operator).await.unwrap();
        }
        took.push(began.elapsed());
        sleep(Duration::from_millis(200)).await;
    }
    let caller = calling.end().await;
    ground.all_run();
    {
        let requests = &caller.heard.lock().unwrap().requests;
        assert!(
            requests.iter().all(|request| request.times == 1),
            "a migration is no reason to repeat anything"
        );
    }
    let deadlocks: i64 =
        sqlx::query_scalar("select deadlocks from pg_stat_database where datname = 'faults'")
            .fetch_one(&ground.sql)
            .await
            .unwrap();
    let verdict = Verdict::of("index-under-load", seed, &ground, &caller).await;
    let longest = percentile(took, 1_000);
    let figures = format!(
        "{rounds} × two indexes at {pace} requests/s, {deadlocks} deadlocks, longest {} ms",
        longest.as_millis()
    );
    verdict.with(&figures).must_be_zero(&ground);
    assert_eq!(deadlocks, 0);
}

async fn fresh(postgres: &Postgres, number: usize) -> String {
    let mut admin = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    let name = format!("migrated_{number}");
    sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
    postgres.url(&name)
}

fn migrator(database: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kashio"));
    command.args(["migrate", "up"]).env("DATABASE_URL", database);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn is_as_it_should_be(database: &str) {
    let (clean, said) = operator(database, &["migrate", "verify"]);
    assert!(clean, "{said}");
}
