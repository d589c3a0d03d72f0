//! Running other programs: as which user, for how long at most, and what they said.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::error::{Error, one_line};

/// The user that the Postgres programs run as: `None` is ourselves. They refuse to run as root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(pub(crate) Option<(u32, u32)>);

impl User {
    /// For root user postgres, else nobody; for anybody else themselves.
    pub(crate) fn choose() -> Result<User, Error> {
        if crate::files::my_uid() != 0 {
            return Ok(User(None));
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some((id("-u", name)?, id("-g", name)?)))
            .map(|ids| User(Some(ids)))
            .ok_or_else(|| Error::Tool {
                program: "id".to_owned(),
                said: "Postgres refuses to run as root, and there is neither a user postgres nor nobody"
                    .to_owned(),
            })
    }

    /// `program` as this user, with folder `at` as its own: ours may be closed to them.
    pub(crate) fn command(self, program: &Path, at: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(at).env("LC_ALL", "C");
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn id(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, name]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// Runs `command` to its end, at most `limit`, and gives what it wrote to standard output.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let refused = |source| Error::Io { doing: format!("run {program}"), source };
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(refused)?;
    let pid = child.id();
    let (done, answer) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = answer.recv_timeout(limit) else {
        signal(pid, Signal::KILL);
        let what = program;
        return Err(Error::TimedOut { what, limit });
    };
    let output = output.map_err(refused)?;
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if output.status.success() {
        return Ok(stdout);
    }
    let said = one_line(if stderr.trim().is_empty() { &stdout } else { &stderr });
    Err(Error::Tool { program, said })
}

/// Sends a signal; to a process that has ended it does nothing.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether a process has this number, whoever it is.
pub(crate) fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    test_kill_process(pid) != Err(Errno::SRCH)
}

/// Asks `done` every few milliseconds, for `limit` at most, and says whether it came true.
pub(crate) fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(4));
    }
    true
}
