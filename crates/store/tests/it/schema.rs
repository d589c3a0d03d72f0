//! What operators ask before they migrate, and after: what would run, whether what is there is what should be, and
//! which programs the schema still serves. And that a landed migration is never edited.

use std::path::{Path, PathBuf};

use sqlx::{Connection, PgConnection};
use store::migrate;

use crate::world::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations")
}

fn writes_snapshots() -> bool {
    std::env::var_os("KASHIO_WRITE_SNAPSHOTS").is_some()
}

/// The checksums of landed files. A new file is added by `KASHIO_WRITE_SNAPSHOTS=1 cargo test --package store schema`,
/// which changes no line that is there.
#[test]
fn no_landed_migration_was_edited() {
    use sha2::Digest;
    let list = folder().join("checksums.txt");
    let mut listed: Vec<String> =
        std::fs::read_to_string(&list).unwrap_or_default().lines().map(str::to_owned).collect();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let hash = sha2::Sha256::digest(std::fs::read(&path).unwrap());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("{hash}  {name}");
        let is_listed = listed.iter().any(|line| line.ends_with(&name));
        if !is_listed && writes_snapshots() {
            listed.push(line.clone());
            std::fs::write(&list, format!("{}\n", listed.join("\n"))).unwrap();
        }
        found.push(line);
    }
    assert_eq!(listed, found, "a landed file was edited or removed, or a new one is not listed yet");
}

/// `KASHIO_WRITE_SNAPSHOTS=1 cargo test --package store schema` writes it anew.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_the_schema_is_what_the_migrations_make() {
    let database = empty_database().await;
    let connect = database.url().parse().unwrap();
    migrate::up(&connect, |_| {}).await.unwrap();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let text = migrate::listing(&mut connection).await.unwrap().join("\n") + "\n";
    connection.close().await.unwrap();
    let path = folder().join("schema.txt");
    if writes_snapshots() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "migrations/schema.txt is not what the migrations make: write it anew, and look at it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_every_step_and_takes_none() {
    let database = empty_database().await;
    let connect = database.url().parse().unwrap();
    let planned = migrate::plan(&connect).await.unwrap();
    assert!(planned.len() >= 10, "{planned:?}");
    assert!(planned.iter().all(|migration| !migration.steps.is_empty()));
    let money = planned.iter().find(|migration| migration.description == "money").unwrap();
    let locks: Vec<&str> = money.steps.iter().filter_map(|step| step.locks.as_deref()).collect();
    assert!(locks.contains(&"ACCESS EXCLUSIVE on payments"), "{locks:?}");
    let verified = migrate::verify(&connect).await.unwrap();
    assert_eq!(verified[0], "no migration was ever applied", "nothing was changed by the plan");

    migrate::up(&connect, |_| {}).await.unwrap();
    assert_eq!(migrate::plan(&connect).await.unwrap(), []);
    assert_eq!(migrate::verify(&connect).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_done_to_a_schema_by_hand_is_found() {
    let world = World::new().await;
    let connect = world.connect.clone();
    for (deed, undo, found) in [
        (
            "drop index invoices_overdue_idx",
            "create index invoices_overdue_idx on invoices (account_id, livemode, expires, id) where status = 'pending'",
            "missing: index invoices_overdue_idx on invoices",
        ),
        (
            "alter table payments disable trigger payments_table_of_states",
            "alter table payments enable trigger payments_table_of_states",
            "not expected: trigger payments_table_of_states on payments, disabled",
        ),
        (
            "alter table invoices alter column token drop not null",
            "alter table invoices alter column token set not null",
            "missing: column invoices.token text not null",
        ),
        (
            "alter table quotes add column note text",
            "alter table quotes drop column note",
            "not expected: column quotes.note text",
        ),
        (
            "alter table payments drop constraint payments_amount_check, add constraint payments_amount_check check (amount > 0) not valid",
            "alter table payments validate constraint payments_amount_check",
            "not expected: constraint payments_amount_check on payments, not valid",
        ),
        (
            "create table backup_of_invoices (id uuid)",
            "drop table backup_of_invoices",
            "not expected: column backup_of_invoices.id uuid",
        ),
    ] {
        world.execute(deed).await;
        let differences = migrate::verify(&connect).await.unwrap();
        assert!(differences.iter().any(|line| line == found), "{deed}: {differences:?}");
        world.execute(undo).await;
        assert_eq!(migrate::verify(&connect).await.unwrap(), Vec::<String>::new(), "{undo}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_too_old_for_the_schema_is_not_ready() {
    let world = World::new().await;
    assert_eq!(world.store.health().await.unwrap().schema, None);
    // Another edition's migration, which this program does not know, is nothing to it by itself.
    world
        .execute(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (29991231235959, 'of the future', true, '\\x00', 0)",
        )
        .await;
    assert_eq!(world.store.health().await.unwrap().schema, None);
    world.execute("update schema_requirements set oldest_binary = 29991231235959").await;
    let lacks = world.store.health().await.unwrap().schema.unwrap();
    assert!(lacks.contains("the schema needs one that knows 29991231235959"), "{lacks}");
}
