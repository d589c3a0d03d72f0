//! The program as its operators run it: a process of its own, with its log on stdout.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::starting::FREE;

/// `kashio serve`; ended when dropped.
pub struct Serving {
    child: Child,
    folder: TempDir,
    pub public: SocketAddr,
    pub internal: SocketAddr,
    pub management: SocketAddr,
}

impl Serving {
    /// Starts it on a database and waits until it listens.
    pub async fn start(database_url: &str, environment: &[(&str, &str)]) -> Serving {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| File::create(folder.path().join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_kashio"))
            .arg("serve")
            .env_remove("RUST_LOG")
            .envs(FREE)
            .env("DATABASE_URL", database_url)
            .envs(environment.iter().copied())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut serving = Serving { child, folder, public: nowhere, internal: nowhere, management: nowhere };
        let line = serving.logged("internal").await;
        let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
        (serving.public, serving.internal, serving.management) =
            (address("public"), address("internal"), address("management"));
        serving
    }

    /// The file that its log goes to.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("stdout")
    }

    /// Everything that it has said so far.
    pub fn said(&self) -> String {
        ["stdout", "stderr"].map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap()).concat()
    }

    /// Waits for a line of the log with this field.
    pub async fn logged(&self, field: &str) -> Value {
        let began = Instant::now();
        loop {
            let said = self.said();
            let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = lines.into_iter().find(|line| line.get(field).is_some()) {
                return line;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "no {field} in the log: {said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
