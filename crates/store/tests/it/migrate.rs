//! How the schema grows: by whoever comes first, each file once, and never over a file that was edited.

use std::collections::HashSet;
use std::sync::Mutex;

use futures_util::future::join_all;
use postgres_dev::testing::TestDatabase;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::migrate::{self, MigrateError};

use crate::world::*;

fn way_to(database: &TestDatabase) -> PgConnectOptions {
    database.url().parse().unwrap()
}

async fn execute(database: &TestDatabase, statement: &'static str) {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn count(database: &TestDatabase, statement: &'static str) -> i64 {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let count = sqlx::query_scalar(statement).fetch_one(&mut connection).await;
    connection.close().await.unwrap();
    count.unwrap()
}

/// How many files there are.
fn files() -> usize {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let names = std::fs::read_dir(folder).unwrap();
    let is_sql = |path: &std::path::Path| path.extension().is_some_and(|extension| extension == "sql");
    names.filter(|name| is_sql(&name.as_ref().unwrap().path())).count()
}

/// Migrates; the versions that were applied.
async fn up(database: &TestDatabase) -> Result<Vec<i64>, MigrateError> {
    let applied = Mutex::new(Vec::new());
    migrate::up(&way_to(database), |one| applied.lock().unwrap().push(one.version)).await?;
    Ok(applied.into_inner().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_time_there_is_nothing_to_do() {
    let database = empty_database().await;
    let first = up(&database).await.unwrap();
    assert_eq!(first.len(), files());
    assert!(first.is_sorted());
    assert!(up(&database).await.unwrap().is_empty());
    let store = open(&way_to(&database)).await;
    assert_eq!(store.health().await.unwrap().schema, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_at_once_apply_each_file_once() {
    let database = empty_database().await;
    let all = join_all((0..4).map(|_| up(&database))).await;
    let applied: usize = all.into_iter().map(|applied| applied.unwrap().len()).sum();
    assert_eq!(applied, files());
    let rows = count(&database, "select count(*) from _sqlx_migrations where success").await;
    assert_eq!(rows, i64::try_from(files()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_edited_stops_everything() {
    let database = empty_database().await;
    let versions = up(&database).await.unwrap();
    execute(
        &database,
        r"update _sqlx_migrations set checksum = '\x00'
          where version = (select max(version) from _sqlx_migrations)",
    )
    .await;
    let edited = up(&database).await;
    let last = versions[files() - 1];
    assert!(matches!(edited, Err(MigrateError::Edited(version)) if version == last), "{edited:?}");
    let store = open(&way_to(&database)).await;
    let schema = store.health().await.unwrap().schema;
    assert_eq!(schema, Some(format!("migration {last} was edited")));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_it_goes_on_where_it_stopped() {
    let database = empty_database().await;
    execute(&database, "create table payments (in_the_way int)").await;
    match up(&database).await {
        Err(MigrateError::Failed { cause, .. }) => assert!(cause.contains("payments"), "{cause}"),
        other => panic!("{other:?}"),
    }
    let invoices = count(&database, "select count(*) from pg_class where relname = 'invoices'").await;
    assert_eq!(invoices, 0, "a file is applied whole or not at all");
    execute(&database, "drop table payments").await;
    assert_eq!(up(&database).await.unwrap().len(), files() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_taken_is_tried_for_again() {
    let database = empty_database().await;
    let mut holder = PgConnection::connect(database.url()).await.unwrap();
    let mut holding = holder.begin().await.unwrap();
    // Whoever creates a table of the same name waits for the end of this transaction.
    sqlx::query("create table accounts ()").execute(&mut *holding).await.unwrap();

    let migrating = tokio::spawn({
        let database = database.clone();
        async move { up(&database).await }
    });
    let mut watcher = PgConnection::connect(database.url()).await.unwrap();
    let mut tries = HashSet::new();
    let started = std::time::Instant::now();
    while tries.len() < 3 {
        let waiting: Vec<String> = sqlx::query_scalar(
            "select xact_start::text from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_all(&mut watcher)
        .await
        .unwrap();
        tries.extend(waiting);
        assert!(started.elapsed().as_secs() < 10, "it does not try again: {tries:?}");
    }
    holding.rollback().await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap().len(), files());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_what_the_schema_lacks() {
    let database = empty_database().await;
    let store = open(&way_to(&database)).await;
    let health = store.health().await.unwrap();
    assert_eq!(health.schema.as_deref(), Some("no migration was ever applied"));
    // The tests' own server trades durability for speed, and is told so.
    assert!(health.not_durable.iter().any(|setting| setting == "fsync"));

    let versions = up(&database).await.unwrap();
    execute(
        &database,
        "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)",
    )
    .await;
    let schema = store.health().await.unwrap().schema;
    let missing = format!("migration {} is not applied", versions[files() - 1]);
    assert_eq!(schema, Some(missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_of_the_next_release_is_well_with_this_one() {
    let database = empty_database().await;
    up(&database).await.unwrap();
    execute(
        &database,
        r"insert into _sqlx_migrations (version, description, success, checksum, execution_time)
          values (20991231235959, 'of the next release', true, '\x01', 1)",
    )
    .await;
    assert!(up(&database).await.unwrap().is_empty());
    let store = open(&way_to(&database)).await;
    assert_eq!(store.health().await.unwrap().schema, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn development_takes_only_what_is_empty_or_its_own() {
    const MARKED: &str = "select count(*) from pg_class where relname = 'kashio_dev'";
    let own = empty_database().await;
    assert!(migrate::mark_for_dev(&way_to(&own)).await.unwrap());
    assert_eq!(count(&own, MARKED).await, 1);
    up(&own).await.unwrap();
    assert!(migrate::mark_for_dev(&way_to(&own)).await.unwrap(), "marked and used");

    let foreign = empty_database().await;
    execute(&foreign, "create schema books; create table books.ledger ()").await;
    assert!(!migrate::mark_for_dev(&way_to(&foreign)).await.unwrap());
    assert_eq!(count(&foreign, MARKED).await, 0, "nothing was done to it");

    let production = empty_database().await;
    up(&production).await.unwrap();
    assert!(!migrate::mark_for_dev(&way_to(&production)).await.unwrap());
    assert_eq!(count(&production, MARKED).await, 0, "nothing was done to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_made_when_it_is_not_there() {
    let here = empty_database().await;
    // Swept like any other of the tests.
    let name = format!("{}0", here.name());
    for _ in 0..2 {
        migrate::create_database(&way_to(&here), &name).await.unwrap();
    }
    let found = sqlx::query_scalar::<_, i64>("select count(*) from pg_database where datname = $1");
    let mut connection = PgConnection::connect(here.url()).await.unwrap();
    assert_eq!(found.bind(&name).fetch_one(&mut connection).await.unwrap(), 1);
    let drop = AssertSqlSafe(format!("drop database {name}"));
    sqlx::query(drop).execute(&mut connection).await.unwrap();
}

/// The files that build an index beside traffic are as if they had never been run.
const FORGET_CONCURRENT: &str = "delete from _sqlx_migrations
    where version in (20261125100000, 20261125100100, 20261125100200)";

#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_building_was_interrupted_is_built_anew() {
    let database = empty_database().await;
    up(&database).await.unwrap();
    execute(&database, FORGET_CONCURRENT).await;
    let oid = "select 'invoices_email_idx'::regclass::oid::bigint";
    let kept = count(&database, oid).await;
    execute(
        &database,
        "update pg_index set indisvalid = false where indexrelid = 'invoices_phone_idx'::regclass",
    )
    .await;
    let interrupted = count(&database, "select 'invoices_phone_idx'::regclass::oid::bigint").await;
    assert_eq!(up(&database).await.unwrap().len(), 3);
    let valid = "select count(*) from pg_index
        where indexrelid in ('invoices_phone_idx'::regclass, 'invoices_email_idx'::regclass) and indisvalid";
    assert_eq!(count(&database, valid).await, 2);
    assert_eq!(count(&database, oid).await, kept, "what was whole stays");
    assert_ne!(count(&database, "select 'invoices_phone_idx'::regclass::oid::bigint").await, interrupted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_built_beside_traffic_waits_for_it() {
    let database = empty_database().await;
    up(&database).await.unwrap();
    execute(&database, FORGET_CONCURRENT).await;
    execute(&database, "drop index invoices_phone_idx").await;
    let mut writer = PgConnection::connect(database.url()).await.unwrap();
    let mut writing = writer.begin().await.unwrap();
    sqlx::query("lock table invoices in row exclusive mode").execute(&mut *writing).await.unwrap();
    let migrating = tokio::spawn({
        let database = database.clone();
        async move { up(&database).await }
    });
    let began =
        "select coalesce(max((extract(epoch from query_start) * 1000)::bigint), 0) from pg_stat_activity
        where datname = current_database() and query like '%create index concurrently%'
          and query not like '%pg_stat_activity%' and state = 'active'";
    let started = std::time::Instant::now();
    while count(&database, began).await == 0 {
        assert!(started.elapsed().as_secs() < 10, "it does not begin");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let first = count(&database, began).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_000)).await;
    assert_eq!(count(&database, began).await, first, "it waits, and does not begin again and again");
    // Nobody waits behind it.
    execute(&database, "set lock_timeout = '1s'; begin; lock table invoices in row exclusive mode; commit")
        .await;
    writing.rollback().await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap().len(), 3);
}
