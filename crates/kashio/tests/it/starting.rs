//! Starting: what is wrong is said in one line, with exit code 1 or 2, and never by a panic.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::world::World;

pub fn kashio(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kashio"));
    command.args(arguments).env_remove("DATABASE_URL").env_remove("RUST_LOG");
    let folder = tempfile::tempdir().unwrap();
    command.current_dir(folder.path()).envs(environment.iter().copied()).output().unwrap()
}

pub fn fails(arguments: &[&str], environment: &[(&str, &str)], code: i32, words: &str) {
    let output = kashio(arguments, environment);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert!(stderr.contains(words), "{stderr}");
}

pub const FREE: [(&str, &str); 3] = [
    ("KASHIO__HTTP__BIND", "127.0.0.1:0"),
    ("KASHIO__INTERNAL__BIND", "127.0.0.1:0"),
    ("KASHIO__MANAGEMENT__BIND", "127.0.0.1:0"),
];

pub const SEALING_KEY: &str = "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn a_bad_or_unknown_setting_is_named() {
    fails(&["serve"], &[("KASHIO__HTTP__BIND", "nowhere")], 2, "configuration");
    fails(&["serve"], &[("KASHIO__HTTP__BINDE", "127.0.0.1:1")], 2, "binde");
    fails(&["serve"], &[("KASHIO__COLOUR", "blue")], 2, "colour");
    fails(&["serve"], &[("KASHIO__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,everyone")], 2, "everyone");
    fails(&["serve"], &[], 2, "database.url is not set");
    fails(&["serve"], &[("DATABASE_URL", "mysql//x:hunter2@y")], 2, "database.url");
    fails(&["serve", "--config", "missing.toml"], &[], 2, "missing.toml");
    fails(&["serve"], &[("KASHIO__HTTP__CORS_ORIGINS", "https://tienda.pe,tienda")], 2, "tienda");
    fails(&["serve"], &[("KASHIO__ENVIRONMENT", "production")], 2, "http.public_url");
}

#[tokio::test(flavor = "multi_thread")]
async fn production_refuses_a_database_whose_keys_everybody_knows() {
    let world = World::start().await;
    world.execute("create table public.kashio_dev (since timestamptz)").await;
    let mut environment = FREE.to_vec();
    environment.extend([
        ("DATABASE_URL", world.database.url()),
        ("KASHIO__ENVIRONMENT", "production"),
        ("KASHIO__HTTP__PUBLIC_URL", "https://api.kashio.test"),
        ("KASHIO__PAGE__PUBLIC_URL", "https://pay.kashio.test"),
        ("KASHIO__HTTP__TRUSTED_PROXIES", "10.0.0.0/8"),
        ("KASHIO__SECRETS__KEYS", SEALING_KEY),
    ]);
    fails(&["serve"], &environment, 2, "made by kashio dev");
}

#[test]
fn wrong_usage_exits_with_two() {
    assert_eq!(kashio(&["dance"], &[]).status.code(), Some(2));
    assert_eq!(kashio(&["--help"], &[]).status.code(), Some(0));
}

#[test]
fn no_usable_postgres_is_one_line() {
    let mut environment = FREE.to_vec();
    environment.push(("DATABASE_URL", "postgres://nobody:secret@127.0.0.1:1/none"));
    fails(&["serve"], &environment, 1, "the database can not be reached");
    fails(&["migrate", "up"], &environment, 1, "migrate up");
    let empty = tempfile::tempdir().unwrap();
    fails(&["dev"], &[("KASHIO_PG_BIN", empty.path().to_str().unwrap())], 1, "Postgres");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_one_line() {
    let world = World::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = [("DATABASE_URL", world.database.url()), ("KASHIO__HTTP__BIND", address.as_str())];
    fails(&["serve"], &environment, 1, "can not listen");
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_leaves_a_database_alone_that_is_not_its_own() {
    let world = World::start().await;
    let mut environment = FREE.to_vec();
    environment.push(("DATABASE_URL", world.database.url()));
    fails(&["dev"], &environment, 2, "left alone");
    assert_eq!(world.count("select count(*) from accounts").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_says_that_there_is_nothing_to_do() {
    let world = World::start().await;
    let output = kashio(&["migrate", "up"], &[("DATABASE_URL", world.database.url())]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "the schema is up to date\n");
}
