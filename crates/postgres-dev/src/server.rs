//! The postgres process of one cluster: found, started, stopped.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::cluster::Durability;
use crate::error::{Doing, Error, one_line};
use crate::files;
use crate::home::Home;
use crate::search::Binaries;
use crate::tools::{is_alive, signal, wait_until};

/// A crash may have left much to replay.
const START: Duration = Duration::from_secs(60);
/// For a fast shutdown, which writes a checkpoint.
const STOP: Duration = Duration::from_secs(20);
/// A port may be taken between our look and Postgres's, and the backends of a killed server may
/// need a moment to leave.
const ATTEMPTS: u64 = 5;

/// A running postmaster.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    /// `None` if it was started by a process before us.
    child: Option<Child>,
}

impl Server {
    /// The one that runs on this cluster and is ready, whoever started it. It is stopped if it
    /// runs with another durability; one that is on its way out is waited for.
    pub(crate) fn adopt(home: &Home, durability: Durability) -> Result<Option<Server>, Error> {
        let Some(mut server) = Server::running(home)? else {
            return Ok(None);
        };
        let same = command_line(server.pid)
            .is_some_and(|line| line.contains("fsync=off") == (durability == Durability::None));
        let mut seen = PidFile::default();
        let settled = wait_until(START, || {
            seen = PidFile::read(&home.data()).unwrap_or_default();
            seen.status == "ready" || !server.is_running(home)
        });
        server.port = seen.port;
        if settled && same && seen.status == "ready" && seen.pid == server.pid {
            return Ok(Some(server));
        }
        server.stop(home)?;
        Ok(None)
    }

    /// The one that runs on this cluster, in whatever state.
    pub(crate) fn running(home: &Home) -> Result<Option<Server>, Error> {
        let Some(PidFile { pid, port, .. }) = PidFile::read(&home.data()) else {
            return Ok(None);
        };
        let mut server = Server { pid, port, child: None };
        if server.is_running(home) {
            return Ok(Some(server));
        }
        // After a reboot the number may belong to a stranger, for whom Postgres would wait in vain.
        if command_line(pid).is_some_and(|line| !line.is_empty()) {
            files::remove(&home.data().join("postmaster.pid"))?;
        }
        Ok(None)
    }

    /// Starts the server and waits until it takes connections. The port of last time is kept if
    /// it is free.
    pub(crate) fn start(home: &Home, binaries: &Binaries, durability: Durability) -> Result<Server, Error> {
        let mut attempt = 1;
        loop {
            match Server::launch(home, binaries, durability) {
                Err(Error::Tool { .. }) if attempt < ATTEMPTS => {
                    std::thread::sleep(Duration::from_millis(50 * attempt * attempt));
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    fn launch(home: &Home, binaries: &Binaries, durability: Durability) -> Result<Server, Error> {
        let data = home.data();
        let last = fs::read_to_string(home.port()).ok();
        let last = last.and_then(|port| port.trim().parse().ok());
        let port = free_port(last)?;
        files::write_private(&home.port(), &port.to_string())?;
        files::remove(&home.log())?;
        let mut options = OpenOptions::new();
        let log = options.create_new(true).append(true).mode(0o600);
        let log = log.open(home.log()).doing("create", &home.log())?;

        let mut command = home.user.command(&binaries.folder.join("postgres"), &data);
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        for setting in durability.settings() {
            command.args(["-c", setting]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().doing("open", &home.log())?)
            .stderr(log)
            // Away from the terminal: Ctrl-C must not reach it before its user is done with it.
            .process_group(0)
            .spawn()
            .doing("run", &binaries.folder.join("postgres"))?;
        let pid = child.id();
        let mut ready = false;
        let settled = wait_until(START, || {
            ready = PidFile::read(&data).is_some_and(|now| now.pid == pid && now.status == "ready");
            ready || !matches!(child.try_wait(), Ok(None))
        });
        if ready {
            let child = Some(child);
            return Ok(Server { pid, port, child });
        }
        if !settled {
            Server { pid, port, child: Some(child) }.stop(home)?;
            let what = "starting Postgres".to_owned();
            return Err(Error::TimedOut { what, limit: START });
        }
        let said = fs::read_to_string(home.log()).unwrap_or_default();
        Err(Error::Tool { program: "postgres".to_owned(), said: one_line(&said) })
    }

    /// Fast shutdown; if that takes too long, an immediate one.
    pub(crate) fn stop(mut self, home: &Home) -> Result<(), Error> {
        for how in [Signal::INT, Signal::QUIT] {
            self.signal(home, how);
            if wait_until(STOP, || !self.is_running(home)) {
                return Ok(());
            }
        }
        let what = "stopping Postgres".to_owned();
        Err(Error::TimedOut { what, limit: STOP * 2 })
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn crash(self, home: &Home) -> Result<(), Error> {
        self.end(home, Signal::QUIT)
    }

    /// Ends its postmaster, which can do nothing about it, and so says nothing to its children.
    pub(crate) fn kill(self, home: &Home) -> Result<(), Error> {
        self.end(home, Signal::KILL)
    }

    fn end(mut self, home: &Home, how: Signal) -> Result<(), Error> {
        self.signal(home, how);
        if wait_until(STOP, || !self.is_running(home)) {
            return Ok(());
        }
        let what = "stopping Postgres".to_owned();
        Err(Error::TimedOut { what, limit: STOP })
    }

    fn signal(&mut self, home: &Home, how: Signal) {
        if self.is_running(home) {
            signal(self.pid, how);
        }
    }

    /// Whether its process lives and is a postgres on this cluster: the number alone may have
    /// passed to somebody else.
    fn is_running(&mut self, home: &Home) -> bool {
        if let Some(child) = &mut self.child {
            return matches!(child.try_wait(), Ok(None));
        }
        let ours = format!("postgres -D {} -p ", home.data().display());
        is_alive(self.pid) && command_line(self.pid).is_some_and(|line| line.contains(&ours))
    }
}

/// What Postgres writes to `postmaster.pid`, as far as we need it.
#[derive(Debug, Default)]
struct PidFile {
    pid: u32,
    port: u16,
    /// `starting`, `ready`, `stopping`.
    status: String,
}

impl PidFile {
    fn read(data: &Path) -> Option<PidFile> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let line = |number| text.lines().nth(number).unwrap_or_default().trim();
        Some(PidFile {
            pid: line(0).parse().ok()?,
            port: line(3).parse().unwrap_or_default(),
            status: line(7).to_owned(),
        })
    }
}

/// The arguments of a process, parted by spaces; empty for one that has ended and was not
/// awaited.
fn command_line(pid: u32) -> Option<String> {
    let bytes = if Path::new("/proc/self").exists() {
        fs::read(format!("/proc/{pid}/cmdline")).ok()?
    } else {
        let mut ps = Command::new("ps");
        ps.args(["-ww", "-o", "command=", "-p", &pid.to_string()]);
        ps.output().ok()?.stdout
    };
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

/// `wanted` if nobody has it, else one that the system chooses.
fn free_port(wanted: Option<u16>) -> Result<u16, Error> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match wanted.map(bind) {
        Some(Ok(listener)) => listener,
        Some(Err(_)) | None => bind(0).doing("find a free port on", Path::new("127.0.0.1"))?,
    };
    let address = listener.local_addr();
    Ok(address.doing("find a free port on", Path::new("127.0.0.1"))?.port())
}
