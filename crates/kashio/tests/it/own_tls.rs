//! TLS that ends in this process, on the public and the internal listener, and certificates that can not be used.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::account::Mode;
use kashio::config::TlsFiles;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::starting::{FREE, fails};
use crate::world::World;

/// A certificate for localhost that nobody but its holder trusts, and its key, as files.
struct Certificate {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Certificate {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("certificate.pem"), cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
        Certificate { folder, der: cert.der().clone() }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn text(&self, file: &str) -> String {
        self.path(file).to_str().unwrap().to_owned()
    }

    fn files(&self) -> TlsFiles {
        TlsFiles { certificate: self.text("certificate.pem"), key: self.text("key.pem") }
    }

    /// What is answered over TLS to somebody who trusts this certificate alone.
    async fn get(&self, address: SocketAddr, path: &str, headers: &str) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        let socket = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut socket = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Whether the server says goodbye before it hangs up is of no concern here.
        let _ = socket.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }
}

/// What comes back on a port that speaks TLS.
async fn plain(address: SocketAddr, path: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-proto: https\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(5), socket.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_listener_ends_tls_itself() {
    let certificate = Certificate::new();
    let world = World::with(|settings| {
        settings.http.require_https = true;
        settings.http.trusted_proxies = String::new();
        settings.http.tls = certificate.files();
    })
    .await;
    let shop = world.merchant(Mode::Live).await;
    let authorization = format!("authorization: {}\r\n", shop.authorization());
    for claim in ["", "x-forwarded-proto: http\r\n"] {
        let headers = format!("{authorization}{claim}");
        let answer = certificate.get(world.running().public, "/v1/payments", &headers).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(
            answer.contains("strict-transport-security: max-age=31536000; includeSubDomains"),
            "{answer}"
        );
        assert!(answer.contains(r#""livemode":true"#), "{answer}");
    }
    let answer = plain(world.running().public, "/v1/payments").await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_internal_listener_has_its_own_certificate() {
    let certificate = Certificate::new();
    let world = World::with(|settings| {
        settings.internal.bind = "0.0.0.0:0".parse().unwrap();
        settings.http.require_https = true;
        settings.internal.tls = certificate.files();
    })
    .await;
    let console = world.console().await;
    let address = SocketAddr::from(([127, 0, 0, 1], world.running().internal.port()));
    let authorization = format!("authorization: Bearer {}\r\n", console.secret());
    let answer = certificate.get(address, "/internal/v1/accounts", &authorization).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("strict-transport-security"), "{answer}");
    let answer = plain(address, "/internal/v1/accounts").await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_certificate_that_can_not_be_used_is_one_line() {
    let (one, other) = (Certificate::new(), Certificate::new());
    fs::write(one.path("empty.pem"), "").unwrap();
    fs::write(one.path("nonsense.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let (certificate, key) = (one.text("certificate.pem"), one.text("key.pem"));
    let cases = [
        (certificate.clone(), String::new(), "both"),
        (String::new(), key.clone(), "both"),
        (one.text("missing.pem"), key.clone(), "missing.pem"),
        (certificate.clone(), one.text("missing.pem"), "missing.pem"),
        (one.text("empty.pem"), key.clone(), "empty.pem"),
        (certificate.clone(), one.text("empty.pem"), "empty.pem"),
        (one.text("nonsense.pem"), key.clone(), "can not be used"),
        (certificate.clone(), certificate.clone(), "certificate.pem"),
        (certificate, other.text("key.pem"), "can not be used"),
    ];
    for section in ["HTTP", "INTERNAL"] {
        let (of_certificate, of_key) =
            (format!("KASHIO__{section}__TLS__CERTIFICATE"), format!("KASHIO__{section}__TLS__KEY"));
        for (certificate, key, words) in &cases {
            let mut environment = FREE.to_vec();
            environment.push(("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"));
            environment.extend([(of_certificate.as_str(), certificate.as_str()), (of_key.as_str(), key)]);
            fails(&["serve"], &environment, 2, words);
            fails(&["config", "check"], &environment, 2, words);
        }
    }
}
