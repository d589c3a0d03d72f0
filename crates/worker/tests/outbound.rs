//! Posting to strangers who mean ill: names that lead behind our walls, now or the next time, and answers that lead
//! elsewhere or never end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::endpoint::Targets;
use domain::signature::WebhookSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use worker::outbound::{Lookup, Outbound, Silence};

/// A listener that nobody may connect to, and how often somebody did.
async fn forbidden(address: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let met = Arc::new(AtomicUsize::new(0));
    let (local, counted) = (listener.local_addr().unwrap(), met.clone());
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    (local, met)
}

/// A server that answers every connection with these bytes, and then again and again with `more`.
async fn answering(head: String, more: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let head = head.clone();
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(head.as_bytes()).await;
                while !more.is_empty() && socket.write_all(more).await.is_ok() {}
            });
        }
    });
    address
}

fn at_home() -> Targets {
    Targets { loopback: true, ..Targets::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_behind_the_walls_now_or_the_next_time_is_not_connected_to() {
    let (walls, met) = forbidden("127.0.0.2:0").await;
    let denied: IpAddr = walls.ip();
    let public: IpAddr = "8.8.8.8".parse().unwrap();
    let turns = Arc::new(AtomicUsize::new(0));
    let asked = turns.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let turn = asked.fetch_add(1, Ordering::Relaxed);
        // What a name's owner may try: the wall alone, hidden behind a good one, before it, mapped, or in NAT64.
        let mapped: IpAddr = "::ffff:127.0.0.2".parse().unwrap();
        let translated: IpAddr = "64:ff9b::7f00:2".parse().unwrap();
        let found = match turn % 5 {
            0 => vec![denied],
            1 => vec![public, denied],
            2 => vec![denied, public],
            3 => vec![public, mapped],
            _ => vec![translated],
        };
        Box::pin(async move { Ok(found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect()) })
    });
    let targets = Targets { ports: vec![443, walls.port()], ..Targets::default() };
    let outbound = Outbound::with_lookup(targets, lookup).unwrap();
    for round in 0..600 {
        let url = format!("https://r{round}.tienda.pe:{}/w", walls.port());
        let (answered, _) = outbound.post(&url, &[], Bytes::from_static(b"{}")).await;
        assert_eq!(answered, Err(Silence::NotAllowed), "round {round}");
    }
    assert_eq!((turns.load(Ordering::Relaxed), met.load(Ordering::Relaxed)), (600, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_literal_address_is_not_posted_to_whatever_it_is_written_like() {
    let (walls, met) = forbidden("127.0.0.3:0").await;
    let targets = Targets { ports: vec![443, walls.port()], ..Targets::default() };
    let outbound = Outbound::new(targets).unwrap();
    for host in ["127.0.0.3", "0x7f000003", "2130706435", "017700000003", "[::ffff:127.0.0.3]", "127.3"] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{}/w", walls.port());
            let (answered, _) = outbound.post(&url, &[], Bytes::new()).await;
            assert_eq!(answered, Err(Silence::NotAllowed), "{url}");
        }
    }
    assert_eq!(met.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (elsewhere, met) = forbidden("127.0.0.1:0").await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let receiver = answering(head, b"").await;
        let outbound = Outbound::new(at_home()).unwrap();
        let (answered, _) = outbound.post(&format!("http://{receiver}/w"), &[], Bytes::new()).await;
        assert_eq!(answered.unwrap().status, status);
    }
    assert_eq!(met.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_read_for_a_kibibyte() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    let receiver = answering(head, b"5\r\nagain\r\n").await;
    let outbound = Outbound::new(at_home()).unwrap();
    let (answered, took) = outbound.post(&format!("http://{receiver}/w"), &[], Bytes::new()).await;
    let answered = answered.unwrap();
    assert_eq!((answered.status, answered.body.len()), (200, 1_024));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_is_left_after_fifteen_seconds() {
    let (hanging, met) = forbidden("127.0.0.1:0").await;
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/w", receiver.local_addr().unwrap());
    let held = tokio::spawn(async move {
        let mut sockets = Vec::new();
        while let Ok((socket, _)) = receiver.accept().await {
            sockets.push(socket);
        }
    });
    let outbound = Outbound::new(at_home()).unwrap();
    let (answered, took) = outbound.post(&url, &[], Bytes::new()).await;
    held.abort();
    assert_eq!(answered, Err(Silence::TimeOut));
    assert!((Duration::from_secs(14)..Duration::from_secs(17)).contains(&took), "{took:?}");
    assert_eq!((hanging.port() > 0, met.load(Ordering::Relaxed)), (true, 0));
}

/// Another's implementation of Standard Webhooks accepts what we sign and nothing that differs by a bit.
#[test]
fn the_standards_own_library_accepts_our_signatures_and_no_others() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    let mut accepted = 0;
    for round in 0..1_000 {
        let secret = WebhookSecret::from_random(rand::Rng::random(&mut random));
        let oracle = standardwebhooks::Webhook::new(&secret.expose()).unwrap();
        let length = rand::Rng::random_range(&mut random, 0..600);
        let mut body: Vec<u8> = format!("{{\"ñ\": \"{round}\"}}").into_bytes();
        body.extend((0..length).map(|_| rand::Rng::random_range(&mut random, b' '..=b'~')));
        let id = format!("eve_test_{round:022}");
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
        let signature = secret.sign(&id, now, &body);
        let verify = |id: &str, at: i64, signature: &str, body: &[u8]| {
            let mut headers = http::HeaderMap::new();
            headers.insert("webhook-id", id.parse().unwrap());
            headers.insert("webhook-timestamp", at.to_string().parse().unwrap());
            headers.insert("webhook-signature", signature.parse().unwrap());
            oracle.verify(body, &headers).is_ok()
        };
        accepted += usize::from(verify(&id, now, &signature, &body));
        let mut changed = body.clone();
        let place = rand::Rng::random_range(&mut random, 0..changed.len());
        changed[place] ^= 1 << rand::Rng::random_range(&mut random, 0..7);
        assert!(!verify(&id, now, &signature, &changed), "a bit of the body, round {round}");
        assert!(!verify(&id.replacen('0', "1", 1), now, &signature, &body), "the id, round {round}");
        assert!(!verify(&id, now ^ 1, &signature, &body), "a bit of the time, round {round}");
        let place = rand::Rng::random_range(&mut random, 3..signature.len() - 2);
        let mut forged = signature.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert!(!verify(&id, now, &forged, &body), "a letter of the signature, round {round}");
    }
    assert_eq!(accepted, 1_000);
}
