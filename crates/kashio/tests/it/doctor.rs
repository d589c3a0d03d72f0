//! `kashio doctor`, on a sound database and on one that somebody has tampered with; and the program in the role that
//! it is meant to work in, which can not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use domain::account::Mode;
use postgres_dev::{Cluster, Durability};
use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::program::Serving;
use crate::world::{INVOICES, World, order};

/// Exit code and lines.
fn doctor(url: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kashio"));
    let output = command.arg("doctor").args(arguments).env("DATABASE_URL", url).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn kashio(url: &str, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_kashio")).args(arguments).env("DATABASE_URL", url).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_a_log_that_was_tampered_with() {
    // Every commit waits for its disk, as in production: anything else is no healthy database.
    let folder = tempfile::tempdir().unwrap();
    // Open to the user that Postgres runs as: the data is to go with the folder.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("data");
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(&path, Durability::Full));
    let cluster = cluster.await.unwrap().unwrap();
    let url = cluster.url("postgres");
    kashio(&url, &["migrate", "up"]);
    for name in ["Bodega", "Botica", "Bazar"] {
        kashio(&url, &["service-key", "create", "--name", name, "--role", "kcms"]);
        kashio(&url, &["account", "create", "--name", name]);
    }
    let (code, lines) = doctor(&url, &[]);
    assert_eq!(code, 0, "{lines}");
    let serving = Serving::start(&url, &[]).await;
    serving.logged("audit_hash").await;
    let log = serving.log();
    let anchored = ["--audit-log", log.to_str().unwrap()];
    let (code, lines) = doctor(&url, &anchored);
    assert_eq!(code, 0, "{lines}");
    assert!(lines.contains("4 logged heads, unbroken"), "{lines}");

    let mut session = PgConnection::connect(&url).await.unwrap();
    let mut tamper = async |deed: &str| {
        let deed = format!("begin; set local session_replication_role = replica; {deed}; commit");
        sqlx::raw_sql(AssertSqlSafe(deed)).execute(&mut session).await.unwrap();
    };
    let system = "00000000-0000-0000-0000-000000000000";
    tamper(&format!(
        "delete from audit_log where chain = '{system}' and sequence = 3;
         update audit_heads set count = 2, hash = (select hash from audit_log where chain = '{system}' and sequence = 2)
         where chain = '{system}'"
    ))
    .await;
    assert_eq!(doctor(&url, &[]).0, 0, "a cut that fits shows only against what was logged");
    let (code, lines) = doctor(&url, &anchored);
    let told = format!("FAILED  audit chain {system}: row 3 is not the one that was logged as the head");
    assert_eq!((code, lines.contains(&told)), (1, true), "{lines}");

    tamper(&format!("update audit_log set actor = 'nobody' where chain = '{system}' and sequence = 1")).await;
    let (code, lines) = doctor(&url, &[]);
    let told = format!("FAILED  audit chain {system}: row 1 is not the one that was sealed");
    assert_eq!((code, lines.contains(&told)), (1, true), "{lines}");
    tamper("alter table audit_log disable trigger all; grant delete on audit_log to kashio_app").await;
    let (_, lines) = doctor(&url, &[]);
    assert!(lines.contains("FAILED  audit log trigger: missing or disabled"), "{lines}");
    assert!(lines.contains("FAILED  audit log grants: role kashio_app may change"), "{lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_needs_no_more_than_its_role() {
    let world = World::with(|settings| settings.database.url += "?options[role]=kashio_app").await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let made = shop.create(&order("one")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let one = format!("{INVOICES}/{}", made.json()["id"].as_str().unwrap());
    let once = [("idempotency-key", "one")];
    assert_eq!(shop.create_with(&once, &order("two")).await.status, 201);
    let change = shop.call(Method::PATCH, &one, &once, Some(r#"{"amount": "21.00"}"#)).await;
    assert_eq!(change.status, 422, "the claim is there");
    assert_eq!(shop.call(Method::PATCH, &one, &[], Some(r#"{"amount": "21.00"}"#)).await.status, 200);
    assert_eq!(shop.call(Method::DELETE, &one, &[], None).await.status, 200);
    assert_eq!(shop.call(Method::GET, INVOICES, &[], None).await.json()["data"].as_array().unwrap().len(), 2);

    let account = format!("/internal/v1/accounts/{}", shop.account.text(Mode::Test));
    assert_eq!(
        console.call(Method::PATCH, &account, &[], Some(&json!({ "name": "Otra" }))).await.status,
        200
    );
    let wish = json!({ "mode": "test", "name": "caja" });
    let key = console.call(Method::POST, &format!("{account}/keys"), &[], Some(&wish)).await;
    assert_eq!(key.status, 201, "{}", key.text);
    let key = format!("/internal/v1/keys/{}", key.json()["id"].as_str().unwrap());
    for verb in ["roll", "revoke"] {
        let done = console.write(&format!("{key}/{verb}")).await;
        assert!(matches!(done.status, 200 | 201), "{}", done.text);
    }
    let wish = json!({ "name": "BCP", "role": "collector", "channel": "bcp" });
    assert_eq!(console.call(Method::POST, "/internal/v1/service-keys", &[], Some(&wish)).await.status, 201);
    assert_eq!(
        console.call(Method::POST, &format!("{account}/test/invoices"), &[], Some(&order("x"))).await.status,
        201
    );
    let rows = console.get("/internal/v1/audit").await.json()["data"].as_array().unwrap().len();
    assert_eq!(rows, 6);
    let ready = world.client.get(format!("http://{}/readyz", world.running().management)).send().await;
    assert_eq!(ready.unwrap().status(), 200);

    // It was this role, and none other: what is taken from it is missed.
    world.execute("revoke insert on invoices from kashio_app").await;
    assert!(shop.create(&order("three")).await.status >= 500);
    world.execute("create table later (x integer)").await;
    let later = "select count(*) from pg_class where relname = 'later'
        and has_table_privilege('kashio_app', oid, 'select, insert')";
    assert_eq!(world.count(later).await, 1, "tables of later migrations are granted");
}
