//! The one cluster that all tests of this user share, in a stable folder: left running by each
//! test process and adopted by the next, so that only the first pays for the start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use crate::cluster::{Cluster, Durability};
use crate::error::Error;
use crate::files;
use crate::tools::is_alive;

/// Starts the shared cluster if need be, leaves it running, and gives a superuser URL of database
/// `postgres`.
///
/// # Errors
/// As [`Cluster::start`].
pub fn url() -> Result<String, Error> {
    let cluster = Cluster::start(&folder()?, Durability::None)?;
    let url = cluster.url("postgres");
    cluster.leave_running();
    Ok(url)
}

/// Stops the shared cluster, and what ended processes left of [`own_cluster`]; says whether the
/// shared one ran.
///
/// # Errors
/// As [`Cluster::stop_in`].
pub fn stop() -> Result<bool, Error> {
    let folder = folder()?;
    sweep(&folder.join("own"));
    Cluster::stop_in(&folder)
}

/// A fresh cluster for one test, which may kill it; removed when dropped.
///
/// # Errors
/// As [`Cluster::start`].
pub fn own_cluster() -> Result<Cluster, Error> {
    let own = files::folder(&folder()?.join("own"))?;
    sweep(&own);
    let name = format!("{}-{}", process::id(), files::random_hex::<4>()?);
    Cluster::start(&own.join(name), Durability::None).map(Cluster::temporary)
}

/// Removes the clusters of processes that ended without doing so.
fn sweep(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.split('-').next().and_then(|pid| pid.parse().ok());
        if owner.is_some_and(|pid| !is_alive(pid)) && Cluster::remove(&entry.path()).is_ok() {
            // Another sweeper may have been faster.
            let _ = files::remove(&entry.path());
        }
    }
}

/// /var/tmp rather than /tmp: on disk, and open to the user that Postgres runs as.
fn folder() -> Result<PathBuf, Error> {
    let parent = if cfg!(target_os = "linux") { PathBuf::from("/var/tmp") } else { std::env::temp_dir() };
    files::private_folder(&parent.join(format!("kashio-test-{}", files::my_uid())))
}
