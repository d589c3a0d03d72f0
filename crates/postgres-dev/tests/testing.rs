//! Databases for tests: one template, a clone each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres_dev::{Error, testing};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Random, so that no other run knows it.
fn unique() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clones_share_a_template_that_is_prepared_once() {
    let fingerprint = unique();
    let prepared = Arc::new(AtomicU32::new(0));
    let tasks = (0..8).map(|_| {
        let (fingerprint, prepared) = (fingerprint.clone(), Arc::clone(&prepared));
        tokio::spawn(async move {
            let prepare = |url: String| async move {
                prepared.fetch_add(1, Ordering::Relaxed);
                // Left open on purpose.
                let mut connection = PgConnection::connect(&url).await?;
                sqlx::query("create table notes (id int)").execute(&mut connection).await?;
                tokio::spawn(async move {
                    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
                    drop(connection);
                });
                Ok(())
            };
            testing::database(&fingerprint, prepare).await.unwrap()
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut names = Vec::new();
    for task in tasks {
        let database = task.await.unwrap();
        let mut connection = connect(database.url()).await;
        sqlx::query("insert into notes values (1)").execute(&mut connection).await.unwrap();
        let count = sqlx::query_scalar("select count(*) from notes");
        let count: i64 = count.fetch_one(&mut connection).await.unwrap();
        assert_eq!(count, 1);
        names.push(database.name().to_owned());
    }
    assert_eq!(prepared.load(Ordering::Relaxed), 1);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8);
}

#[tokio::test]
async fn a_template_that_failed_is_made_again() {
    let fingerprint = unique();
    let failed = testing::database(&fingerprint, |_| async { Err("no migrations".into()) }).await;
    assert!(matches!(failed, Err(Error::Prepare(_))));
    testing::database(&fingerprint, |_| async { Ok(()) }).await.unwrap();
}

/// Like a test process: sweeps on its first call, which no other test here can be sure to make.
#[tokio::test]
async fn old_databases_are_swept_by_the_next_process() {
    let url = postgres_dev::shared::url().unwrap();
    let mut admin = connect(&url).await;
    let random = unique();
    let old = format!("kashio_test_1000000000_{random}");
    let foreign = format!("somebody_{random}");
    for name in [&old, &foreign] {
        let create = AssertSqlSafe(format!("create database {name}"));
        sqlx::query(create).execute(&mut admin).await.unwrap();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_template_that_failed_is_made_again"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let left: Vec<String> =
        sqlx::query_scalar("select datname::text from pg_database where datname like '%' || $1")
            .bind(&random)
            .fetch_all(&mut admin)
            .await
            .unwrap();
    assert_eq!(left, [foreign.as_str()]);
    let drop = AssertSqlSafe(format!("drop database {foreign}"));
    sqlx::query(drop).execute(&mut admin).await.unwrap();
}
