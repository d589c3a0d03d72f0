//! Debian's haproxy before the replicas, as in production: it asks each whether it is ready, and sends requests to
//! those that are.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::sleep;

const HAPROXY: &str = "/usr/sbin/haproxy";

/// The ports of one replica.
#[derive(Clone, Copy)]
pub struct Ports {
    pub public: u16,
    pub internal: u16,
    pub management: u16,
}

/// What the balancer does with a request that it could not hand to a replica.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// Hand it to another: it never reached the first.
    Unsent,
    /// Nothing: whatever goes wrong is seen.
    Never,
}

/// A running haproxy; it ends with its owner.
pub struct Balancer {
    child: Child,
}

impl Balancer {
    pub async fn start(
        folder: &Path,
        public: u16,
        internal: u16,
        replicas: &[Ports],
        repeats: Repeats,
    ) -> Balancer {
        assert!(Path::new(HAPROXY).exists(), "{HAPROXY} is missing: apt-get install haproxy");
        let file = folder.join("haproxy.cfg");
        fs::write(&file, configuration(public, internal, replicas, repeats)).unwrap();
        let log = File::create(folder.join("haproxy.log")).unwrap();
        let mut command = Command::new(HAPROXY);
        command.arg("-db").arg("-f").arg(&file);
        let child =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let balancer = Balancer { child };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", public)).await.is_err() {
            let said = || fs::read_to_string(folder.join("haproxy.log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(10), "haproxy does not start: {}", said());
            sleep(Duration::from_millis(20)).await;
        }
        balancer
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(public: u16, internal: u16, replicas: &[Ports], repeats: Repeats) -> String {
    let repeats = match repeats {
        Repeats::Unsent => "retries 3\n    option redispatch 1\n    retry-on conn-failure",
        Repeats::Never => "retries 0",
    };
    let mut text = format!(
        "global\n    maxconn 4000\n\
         defaults\n    mode http\n    timeout connect 1s\n    timeout client 60s\n    timeout server 40s\n    \
         timeout http-keep-alive 60s\n    option httpchk GET /readyz\n    http-check expect status 200\n    \
         default-server inter 100ms fastinter 50ms downinter 50ms fall 1 rise 1\n    {repeats}\n"
    );
    let mut side = |name: &str, port: u16, of: fn(&Ports) -> u16| {
        writeln!(text, "listen {name}\n    bind 127.0.0.1:{port}\n    balance roundrobin").unwrap();
        for (number, ports) in replicas.iter().enumerate() {
            let (port, management) = (of(ports), ports.management);
            writeln!(text, "    server {name}{number} 127.0.0.1:{port} check port {management}").unwrap();
        }
    };
    side("public", public, |ports| ports.public);
    side("internal", internal, |ports| ports.internal);
    text
}
