//! The build with feature `otel`: what a collector is sent, and that it is no more than the log may hold.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::account::Mode;
use serde_json::json;

use crate::program::Serving;
use crate::world::{Merchant, World};

/// A collector: takes what is posted by OTLP, and says yes.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<u8>>>);

impl Collector {
    fn start() -> (Collector, SocketAddr) {
        let (collector, listener) = (Collector::default(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (address, kept) = (listener.local_addr().unwrap(), collector.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = kept.clone();
                std::thread::spawn(move || kept.serve(stream.unwrap()));
            }
        });
        (collector, address)
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut line, mut length) = (String::new(), 0);
            if reader.read_line(&mut line).unwrap() == 0 {
                return;
            }
            assert!(line.starts_with("POST /v1/traces "), "{line}");
            while line.trim() != "" {
                line.clear();
                reader.read_line(&mut line).unwrap();
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            self.0.lock().unwrap().extend(body);
            reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
    }

    /// Names stand as they are in OTLP's protobuf.
    fn holds(&self, text: &str) -> bool {
        self.0.lock().unwrap().windows(text.len()).any(|window| window == text.as_bytes())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_its_transaction_are_traced_without_what_they_carry() {
    let world = World::start().await;
    let (collector, address) = Collector::start();
    let endpoint = format!("http://{address}");
    let environment = [
        ("KASHIO__HTTP__REQUIRE_HTTPS", "false"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let serving = Serving::start(world.database.url(), &environment).await;
    let base = format!("http://{}", serving.public);
    let shop = Merchant { base, ..world.merchant(Mode::Test).await };
    let customer = json!({ "name": "Rosa Canaria", "email": "canaria@example.pe", "phone": "+51987654321" });
    let wish = json!({ "invoice_id": "traza-1", "currency": "PEN", "amount": "12.00",
                       "request_datetime": "2026-01-01T10:00:00", "customer": customer });
    let made = shop.create_with(&[("idempotency-key", "clave-canaria")], &wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.header("request-id").to_owned();

    let began = Instant::now();
    for word in ["kashio", "request", "transaction", "create_invoice", id.as_str()] {
        while !collector.holds(word) {
            assert!(began.elapsed() < Duration::from_secs(20), "no {word} in the traces: {}", serving.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    for secret in [shop.key.expose(), "Rosa Canaria", "canaria@example.pe", "987654321", "clave-canaria"] {
        assert!(!collector.holds(secret), "{secret} is in the traces");
    }
}
