//! One private cluster, from start to stop.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Doing, Error};
use crate::files;
use crate::home::Home;
use crate::search::Search;
use crate::server::Server;

/// What survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every commit, as in production: for `kashio dev`. At most 100 connections.
    Full,
    /// Nothing, and the disk is never waited for: for tests. At most 200 connections.
    None,
}

impl Durability {
    pub(crate) fn settings(self) -> &'static [&'static str] {
        match self {
            Durability::Full => {
                &["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=100"]
            }
            Durability::None => &[
                "listen_addresses=127.0.0.1",
                "unix_socket_directories=",
                "max_connections=200",
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                // Tests provoke errors by the thousand.
                "log_min_messages=fatal",
                "log_min_error_statement=panic",
            ],
        }
    }
}

/// A running private cluster, reachable from this machine only.
///
/// Dropping it stops the server, unless another [`Cluster`] of the same folder, here or in
/// another process, still runs.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    home: Home,
    durability: Durability,
    search: Search,
    password: String,
    pid: u32,
    port: u16,
    server: Option<Server>,
    users: Option<File>,
    remove: bool,
}

impl Cluster {
    /// Starts (or adopts) the cluster kept in `dir`: in `<dir>/postgres`, or below /var/tmp where
    /// `dir` is closed to the user that Postgres runs as (root's children may not be root); then
    /// the file `<dir>/postgres.location` says where. A missing `dir` is made, with mode 0711.
    ///
    /// Blocks: about a second the first time, a tenth of that later, up to minutes if a package
    /// has to be fetched first. Any number of processes may do so at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] if this machine has no Postgres; each error says in a line what to do.
    pub fn start(dir: &Path, durability: Durability) -> Result<Cluster, Error> {
        Cluster::start_with(dir, durability, Search::from_environment())
    }

    /// Like [`Cluster::start`], looking for the programs where `search` says.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_with(dir: &Path, durability: Durability, search: Search) -> Result<Cluster, Error> {
        let dir = files::folder(dir)?;
        let _lock = lock(&dir)?;
        let home = Home::locate(&dir)?;
        let server = open(&home, durability, &search)?;
        let password = fs::read_to_string(home.password()).doing("read", &home.password())?;
        let users = files::open_lock(&dir.join("postgres.users"))?;
        users.lock_shared().doing("lock", &dir)?;
        Ok(Cluster {
            dir,
            home,
            durability,
            search,
            password,
            pid: server.pid,
            port: server.port,
            server: Some(server),
            users: Some(users),
            remove: false,
        })
    }

    /// `postgres://user:password@127.0.0.1:port/<database>`, as superuser. `database` is a plain
    /// name; `postgres` always exists. A secret.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let Cluster { password, port, .. } = self;
        format!("postgres://postgres:{password}@127.0.0.1:{port}/{database}")
    }

    /// The process number of the postmaster.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The folder it was started in, absolute.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stops the server (fast shutdown, by SIGINT) and waits, 40 s at most; open connections are
    /// cut. While another [`Cluster`] of the same folder runs, this only lets go.
    ///
    /// # Errors
    /// [`Error::TimedOut`].
    pub fn stop(mut self) -> Result<(), Error> {
        self.shut_down()
    }

    /// Lets go of the server without stopping it; the next start adopts it.
    pub fn leave_running(mut self) {
        self.server = None;
    }

    /// Ends the server at once, as a power cut would, for tests. Only [`Cluster::restart`] brings
    /// it back.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after 20 s.
    pub fn crash(&mut self) -> Result<(), Error> {
        let _lock = lock(&self.dir)?;
        match self.server.take() {
            Some(server) => server.crash(&self.home),
            None => Ok(()),
        }
    }

    /// Kills the postmaster alone (`kill -9`), for tests: its children find out by themselves. Only
    /// [`Cluster::restart`] brings it back.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after 20 s.
    pub fn kill(&mut self) -> Result<(), Error> {
        let _lock = lock(&self.dir)?;
        match self.server.take() {
            Some(server) => server.kill(&self.home),
            None => Ok(()),
        }
    }

    /// Starts the server again after [`Cluster::crash`] or [`Cluster::kill`], on the same port if it is still free.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn restart(&mut self) -> Result<(), Error> {
        let _lock = lock(&self.dir)?;
        let server = open(&self.home, self.durability, &self.search)?;
        self.pid = server.pid;
        self.port = server.port;
        self.server = Some(server);
        Ok(())
    }

    /// Stops the server of `dir`, whoever started it; says whether one ran.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::Io`] for a folder that cannot be opened.
    pub fn stop_in(dir: &Path) -> Result<bool, Error> {
        if !dir.exists() {
            return Ok(false);
        }
        let dir = files::folder(dir)?;
        let _lock = lock(&dir)?;
        stop_running(&Home::locate(&dir)?)
    }

    /// Stops the server of `dir`, whoever started it, and removes the cluster with all its data.
    /// For `kashio dev --reset`.
    ///
    /// # Errors
    /// As [`Cluster::stop_in`].
    pub fn remove(dir: &Path) -> Result<(), Error> {
        if !dir.exists() {
            return Ok(());
        }
        let dir = files::folder(dir)?;
        let _lock = lock(&dir)?;
        let home = Home::locate(&dir)?;
        stop_running(&home)?;
        home.remove()?;
        home.forget(&dir)
    }

    /// Its folder goes when it is dropped.
    pub(crate) fn temporary(mut self) -> Cluster {
        self.remove = true;
        self
    }

    fn shut_down(&mut self) -> Result<(), Error> {
        let server = self.server.take();
        if server.is_some() {
            let _lock = lock(&self.dir)?;
            self.users = None;
            let users = files::open_lock(&self.dir.join("postgres.users"))?;
            if let (Some(server), Ok(())) = (server, users.try_lock()) {
                server.stop(&self.home)?;
            }
        }
        if self.remove {
            Cluster::remove(&self.dir)?;
            files::remove(&self.dir)?;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.server.is_some() || self.remove {
            // Nobody is left to tell; the next start adopts what is still there.
            let _ = self.shut_down();
        }
    }
}

/// Adopts the server of this cluster or starts it, making the cluster if there is none.
fn open(home: &Home, durability: Durability, search: &Search) -> Result<Server, Error> {
    if !home.is_made() {
        let binaries = search.find(home.user, None)?;
        home.make(&binaries)?;
        return Server::start(home, &binaries, durability);
    }
    if let Some(server) = Server::adopt(home, durability)? {
        return Ok(server);
    }
    let made_by = home.major();
    let binaries = search.find(home.user, made_by)?;
    if made_by != Some(binaries.major) {
        if durability == Durability::Full {
            return Err(Error::Version {
                folder: home.data(),
                made_by: made_by.unwrap_or_default(),
                found: binaries.major,
            });
        }
        home.make(&binaries)?;
    }
    Server::start(home, &binaries, durability)
}

fn stop_running(home: &Home) -> Result<bool, Error> {
    match Server::running(home)? {
        Some(server) => server.stop(home).map(|()| true),
        None => Ok(false),
    }
}

fn lock(dir: &Path) -> Result<File, Error> {
    files::lock(&dir.join("postgres.lock"))
}
