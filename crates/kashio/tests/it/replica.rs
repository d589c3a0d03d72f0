//! A `kashio serve` in a process of its own, and a wire to its database that can be cut.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use url::Url;

/// A replica that dies with its owner.
pub struct Replica {
    child: Child,
    pub public: SocketAddr,
    pub internal: SocketAddr,
    pub management: SocketAddr,
}

impl Replica {
    pub async fn start(database: &str) -> Replica {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kashio"))
            .arg("serve")
            .env_remove("RUST_LOG")
            .env("DATABASE_URL", database)
            .env("KASHIO__DATABASE__CONNECTIONS", "4")
            .env("KASHIO__HTTP__BIND", "127.0.0.1:0")
            .env("KASHIO__HTTP__REQUIRE_HTTPS", "false")
            .env("KASHIO__HTTP__TRUSTED_PROXIES", "127.0.0.1")
            .env("KASHIO__INTERNAL__BIND", "127.0.0.1:0")
            .env("KASHIO__MANAGEMENT__BIND", "127.0.0.1:0")
            .env("KASHIO__LIMITS__PER_SECOND", "0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let parsed = |line: String| serde_json::from_str::<Value>(&line).ok();
            let serving = lines.by_ref().filter_map(parsed).find(|line| line["public"].is_string());
            let _ = tell.send(serving);
            // Nobody reads on, but a full pipe would hold the replica.
            lines.for_each(drop);
        });
        let nowhere = SocketAddr::from(([0; 4], 0));
        let mut replica = Replica { child, public: nowhere, internal: nowhere, management: nowhere };
        let serving = timeout(Duration::from_secs(30), told).await.expect("it does not start").unwrap();
        let serving = serving.expect("it ended before it served");
        let address = |name: &str| serving[name].as_str().unwrap().parse().unwrap();
        replica.public = address("public");
        replica.internal = address("internal");
        replica.management = address("management");
        replica
    }

    /// Memory that it holds now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What every poll for changed keys says to Postgres. A connection that has said it says afterwards only the name
/// under which Postgres remembers it, so connections are known by it for good.
const POLL: &[u8] = b"changed_at > now()";

/// A way to the database on which polls can be made to vanish: what polls is frozen, and not closed, as when a
/// firewall forgets a connection. Everything else goes through.
pub struct Wire {
    pub url: String,
    is_cut: Arc<AtomicBool>,
}

impl Wire {
    pub async fn to(database: &str) -> Wire {
        let mut url = Url::parse(database).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        url.set_ip_host(here.ip()).unwrap();
        url.set_port(Some(here.port())).unwrap();
        let is_cut = Arc::new(AtomicBool::new(false));
        let wire = Wire { url: url.into(), is_cut: is_cut.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), is_cut.clone()));
            }
        });
        wire
    }

    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    /// New connections may poll again; what is frozen stays so.
    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: String, is_cut: Arc<AtomicBool>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let (mut buffer, mut said) = (vec![0; 16_384], Vec::new());
    let (mut polls, mut frozen) = (false, false);
    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
        said.extend_from_slice(&buffer[..count]);
        polls = polls || said.windows(POLL.len()).any(|words| words == POLL);
        said.drain(..said.len().saturating_sub(POLL.len()));
        frozen = frozen || (polls && is_cut.load(Ordering::SeqCst));
        if !frozen && to_server.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    drop(to_server);
    answers.abort();
}
