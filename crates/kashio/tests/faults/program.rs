//! A `kashio` as its operators run it: a process, always on the same ports, that can be killed and started again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::sleep;

pub type Environment = BTreeMap<String, String>;

/// A process that dies with its owner.
pub struct Program {
    /// Which edition.
    pub binary: PathBuf,
    command: &'static str,
    environment: Environment,
    log: PathBuf,
    child: Child,
    /// Where `/readyz` answers.
    pub management: u16,
}

impl Program {
    pub fn start(
        binary: PathBuf,
        command: &'static str,
        environment: Environment,
        log: PathBuf,
        management: u16,
    ) -> Program {
        let child = spawn(&binary, command, &environment, &log);
        Program { binary, command, environment, log, child, management }
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, as it was.
    pub fn restart(&mut self) {
        assert!(!self.runs(), "it still runs");
        self.child = spawn(&self.binary, self.command, &self.environment, &self.log);
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < within, "still running after {within:?}: {}", self.complaints());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// What `/readyz` says, or nothing.
    pub async fn readiness(&self, client: &reqwest::Client) -> Option<u16> {
        let url = format!("http://127.0.0.1:{}/readyz", self.management);
        let answer = client.get(url).timeout(Duration::from_secs(2)).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// Waits until it is ready.
    pub async fn ready(&self, client: &reqwest::Client) {
        let began = Instant::now();
        while self.readiness(client).await != Some(200) {
            assert!(began.elapsed() < Duration::from_secs(30), "never ready: {}", self.complaints());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The newest of its log that is worse than news.
    pub fn complaints(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let bad =
            |line: &&str| serde_json::from_str::<Value>(line).map_or(true, |line| line["level"] != "INFO");
        let lines: Vec<&str> = said.lines().filter(bad).collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(binary: &Path, command: &str, environment: &Environment, log: &Path) -> Child {
    let log: File = OpenOptions::new().create(true).append(true).open(log).unwrap();
    Command::new(binary)
        .arg(command)
        .env_remove("RUST_LOG")
        .envs(environment)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The program as it is now.
pub fn present() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_kashio"))
}

/// A command of the operator, to its end: its status, and what it said.
pub fn operator(database: &str, arguments: &[&str]) -> (bool, String) {
    operator_of(&present(), database, arguments)
}

/// The same of another edition.
pub fn operator_of(binary: &Path, database: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(binary);
    let output = command.args(arguments).env("DATABASE_URL", database).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}
