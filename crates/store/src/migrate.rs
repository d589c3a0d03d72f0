//! How the schema grows: by files that an operator runs (`kashio migrate up`), never by a starting replica.
//!
//! Safe to run by several operators at once: our own try-lock is polled, because sqlx's blocking lock
//! deadlocks with `create index concurrently`. Not for undoing anything: migrations only go forward.

use std::time::Duration;

use sqlx::migrate::{AppliedMigration, Migrate, Migration, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::sleep;

use crate::Error;

mod plan;
mod verify;

pub use plan::{Planned, Step, plan};
pub use verify::{listing, verify};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// "kashio" in the keypad's letters: the advisory lock of whoever migrates.
const LOCK: i64 = 527_446;

/// How often a migration is tried again when it did not get its lock.
const LOCK_TRIES: u32 = 50;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database could not be reached, or refused.
    #[error("{0}")]
    Store(#[from] Error),
    /// A migration failed; those before it are applied.
    #[error("migration {version} ({description}) failed: {cause}")]
    Failed {
        /// Its number.
        version: i64,
        /// Its name.
        description: String,
        /// What Postgres said.
        cause: String,
    },
    /// A landed file was edited, or the database belongs to another program.
    #[error("migration {0} is not the one that was applied to this database")]
    Edited(i64),
}

/// One migration that was applied just now.
#[derive(Debug)]
pub struct Applied {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub description: String,
    /// How long it took.
    pub took: Duration,
}

/// Applies what is missing; `progress` is told of each one. Nothing missing is fine.
///
/// # Errors
/// See [`MigrateError`]. Running again goes on where it stopped.
pub async fn up(connect: &PgConnectOptions, progress: impl Fn(&Applied)) -> Result<(), MigrateError> {
    let mut connection = connect.clone().disable_statement_logging().connect().await.map_err(Error::from)?;
    lock(&mut connection).await?;
    let done = apply_missing(&mut connection, progress).await;
    // The lock belongs to the session and ends with it, whatever happened.
    let _ = connection.close().await;
    done
}

/// Creates a database when it is not there; `connect` leads to another one of the same server.
///
/// # Errors
/// When the server can not be reached or refuses.
pub async fn create_database(connect: &PgConnectOptions, name: &str) -> Result<(), Error> {
    let mut connection = connect.clone().disable_statement_logging().connect().await?;
    let found =
        sqlx::query_scalar!(r#"select count(*) as "count!" from pg_database where datname = $1"#, name)
            .fetch_one(&mut connection)
            .await?;
    if found == 0 {
        let quoted = name.replace('"', "\"\"");
        let create = format!(r#"create database "{quoted}""#);
        // A name can not be bound; it is quoted, and never comes from outside this program.
        sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut connection).await?;
    }
    connection.close().await.map_err(Error::from)
}

/// Whether `kashio dev` made this database.
///
/// # Errors
/// When the database can not be reached.
pub async fn is_for_dev(connect: &PgConnectOptions) -> Result<bool, Error> {
    let mut connection = connect.clone().disable_statement_logging().connect().await?;
    let marked = sqlx::query_scalar!(r#"select to_regclass('public.kashio_dev') is not null as "marked!""#)
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(marked)
}

/// Marks an empty database as one that `kashio dev` may use. `false`: it is neither empty nor marked, and
/// nothing was done to it.
///
/// # Errors
/// When the database can not be reached or refuses.
pub async fn mark_for_dev(connect: &PgConnectOptions) -> Result<bool, Error> {
    let mut connection = connect.clone().disable_statement_logging().connect().await?;
    let found = sqlx::query!(
        r#"
        select to_regclass('public.kashio_dev') is not null as "marked!",
               not exists (
                   select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
                   where nspname not in ('pg_catalog', 'information_schema', 'pg_toast')) as "empty!"
        "#
    )
    .fetch_one(&mut connection)
    .await?;
    if !found.marked && found.empty {
        sqlx::query("create table public.kashio_dev (since timestamptz not null default now())")
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    Ok(found.marked || found.empty)
}

/// A name for the whole schema that this program knows: for tests, which keep a template database by it.
pub fn fingerprint() -> String {
    let parts = MIGRATOR.iter().map(|migration| {
        let checksum: String = migration.checksum.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{}{checksum}", migration.version)
    });
    let all: Vec<String> = parts.collect();
    format!("{:08x}", crc32fast::hash(all.join(",").as_bytes()))
}

/// What is missing or different in a database, or `None` when it is as this program needs it.
pub(crate) async fn difference(connection: &mut PgConnection) -> Result<Option<String>, Error> {
    let applied = applied(connection).await?;
    if applied.is_empty() {
        return Ok(Some("no migration was ever applied".to_owned()));
    }
    let missing = MIGRATOR.iter().find_map(|migration| {
        match applied.iter().find(|applied| applied.version == migration.version) {
            None => Some(format!("migration {} is not applied", migration.version)),
            Some(applied) if applied.checksum != migration.checksum => {
                Some(format!("migration {} was edited", migration.version))
            }
            Some(_) => None,
        }
    });
    if missing.is_some() {
        return Ok(missing);
    }
    // Every file that this program knows is there, so this table is.
    let oldest = sqlx::query_scalar!("select oldest_binary from schema_requirements")
        .fetch_one(&mut *connection)
        .await?;
    Ok((schema_number() < oldest).then(|| {
        format!(
            "this program knows migration {} and the schema needs one that knows {oldest}",
            schema_number()
        )
    }))
}

/// The newest migration that this program knows: what `oldest_binary` is compared with.
pub fn schema_number() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// What was applied to a database; nothing, when it never saw a migration.
async fn applied(connection: &mut PgConnection) -> Result<Vec<AppliedMigration>, Error> {
    let table = sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations')::text as "name""#)
        .fetch_one(&mut *connection)
        .await?;
    if table.is_none() {
        return Ok(Vec::new());
    }
    connection.list_applied_migrations(&MIGRATOR.table_name).await.map_err(sql)
}

async fn lock(connection: &mut PgConnection) -> Result<(), Error> {
    loop {
        let got = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "got!""#, LOCK)
            .fetch_one(&mut *connection)
            .await?;
        if got {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn apply_missing(
    connection: &mut PgConnection,
    progress: impl Fn(&Applied),
) -> Result<(), MigrateError> {
    let table = &MIGRATOR.table_name;
    connection.ensure_migrations_table(table).await.map_err(sql)?;
    let applied = connection.list_applied_migrations(table).await.map_err(sql)?;
    for migration in MIGRATOR.iter() {
        match applied.iter().find(|applied| applied.version == migration.version) {
            Some(applied) if applied.checksum == migration.checksum => {}
            Some(_) => return Err(MigrateError::Edited(migration.version)),
            None => {
                let took = apply(connection, migration).await?;
                let description = migration.description.to_string();
                progress(&Applied { version: migration.version, description, took });
            }
        }
    }
    Ok(())
}

/// Tries until the locks are to be had at once, so that no traffic queues behind a waiting migration.
async fn apply(connection: &mut PgConnection, migration: &Migration) -> Result<Duration, MigrateError> {
    // What runs outside a transaction builds or drops an index beside traffic: it waits as long as it takes, and nobody behind it.
    let patience = if migration.no_tx { "set lock_timeout = 0" } else { "set lock_timeout = '200ms'" };
    sqlx::query(patience).execute(&mut *connection).await.map_err(Error::from)?;
    let mut tries = 0;
    loop {
        if migration.no_tx {
            drop_invalid(connection, migration.sql.as_str()).await?;
        }
        match connection.apply(&MIGRATOR.table_name, migration).await {
            Ok(took) => return Ok(took),
            Err(error) => {
                tries += 1;
                let waits = matches!(sql_state(&error).as_deref(), Some("55P03" | "40P01"));
                if !waits || tries >= LOCK_TRIES {
                    let (version, description) = (migration.version, migration.description.to_string());
                    return Err(MigrateError::Failed { version, description, cause: error.to_string() });
                }
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// An index whose building was interrupted stays behind, useless, and `if not exists` would be content with it.
async fn drop_invalid(connection: &mut PgConnection, sql: &str) -> Result<(), Error> {
    let Some(index) = index_of(sql) else { return Ok(()) };
    let is_invalid = sqlx::query_scalar!(
        r#"
        select exists (
            select from pg_index where indexrelid = to_regclass($1) and not indisvalid) as "is_invalid!"
        "#,
        index,
    )
    .fetch_one(&mut *connection)
    .await?;
    if is_invalid {
        let drop = format!("drop index concurrently {index}");
        // A name can not be bound; this one was read from a file of ours.
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The index that a file of one statement makes: `create index concurrently if not exists …`.
fn index_of(sql: &str) -> Option<&str> {
    let lines = sql.lines().filter(|line| !line.trim_start().starts_with("--"));
    let mut words = lines.flat_map(str::split_whitespace);
    if words.next() != Some("create") {
        return None;
    }
    let mut words = words.skip_while(|word| *word != "concurrently").skip(1);
    words.find(|word| !matches!(*word, "if" | "not" | "exists"))
}

fn sql_state(error: &sqlx::migrate::MigrateError) -> Option<String> {
    match error {
        sqlx::migrate::MigrateError::Execute(sqlx::Error::Database(answer))
        | sqlx::migrate::MigrateError::ExecuteMigration(sqlx::Error::Database(answer), _) => {
            answer.code().map(|code| code.into_owned())
        }
        _ => None,
    }
}

fn sql(error: sqlx::migrate::MigrateError) -> Error {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => Error::from(error),
        other => Error::Unavailable(other.to_string()),
    }
}
