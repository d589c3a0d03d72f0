//! Whether a request came over TLS, and from which address: headers that anybody can write decide it only when a proxy
//! of ours wrote them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use api::headers::client_address;
use domain::account::Mode;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::{INVOICES, World};

/// Header lines as they are sent, and what they are worth from a trusted and from an untrusted peer.
#[rustfmt::skip]
const VARIANTS: &[(&str, u16, u16)] = &[
    ("", 403, 403),
    ("X-Forwarded-Proto: https", 200, 403),
    ("x-forwarded-proto: https", 200, 403),
    ("X-FORWARDED-PROTO:https", 200, 403),
    ("X-Forwarded-Proto:   https  ", 200, 403),
    ("X-Forwarded-Proto:\thttps\t", 200, 403),
    ("X-Forwarded-Proto: HTTPS", 403, 403),
    ("X-Forwarded-Proto: Https", 403, 403),
    ("X-Forwarded-Proto: http", 403, 403),
    ("X-Forwarded-Proto:", 403, 403),
    ("X-Forwarded-Proto: https,http", 403, 403),
    ("X-Forwarded-Proto: http,https", 403, 403),
    ("X-Forwarded-Proto: https, https", 403, 403),
    ("X-Forwarded-Proto: https,", 403, 403),
    ("X-Forwarded-Proto: ,https", 403, 403),
    ("X-Forwarded-Proto: https;", 403, 403),
    ("X-Forwarded-Proto: \"https\"", 403, 403),
    ("X-Forwarded-Proto: https://", 403, 403),
    ("X-Forwarded-Proto: wss", 403, 403),
    ("X-Forwarded-Proto: on", 403, 403),
    ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https", 403, 403),
    ("X-Forwarded-Proto: https\r\nx-forwarded-proto: http", 403, 403),
    ("X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https", 403, 403),
    ("X-Forwarded-Proto:\r\nX-Forwarded-Proto: https", 403, 403),
    ("X_Forwarded_Proto: https", 403, 403),
    ("X-Forwarded-Protocol: https", 403, 403),
    ("X-Forwarded-Scheme: https", 403, 403),
    ("X-Forwarded-Ssl: on", 403, 403),
    ("X-Forwarded-Port: 443", 403, 403),
    ("X-Url-Scheme: https", 403, 403),
    ("X-Scheme: https", 403, 403),
    ("Front-End-Https: on", 403, 403),
    ("CloudFront-Forwarded-Proto: https", 403, 403),
    ("Forwarded: proto=https", 403, 403),
    ("Forwarded: for=192.0.2.60;proto=https;by=203.0.113.43", 403, 403),
    ("Forwarded: proto=https\r\nX-Forwarded-Proto: http", 403, 403),
    ("Forwarded: proto=http\r\nX-Forwarded-Proto: https", 200, 403),
    ("Front-End-Https: off\r\nX-Forwarded-Proto: https", 200, 403),
    ("Upgrade-Insecure-Requests: 1", 403, 403),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_claim_tls_is_answered_as_the_table_says() {
    for (proxies, trusted) in [("10.0.0.0/8,127.0.0.1", true), ("10.0.0.0/8", false)] {
        let world = World::with(|settings| {
            settings.http.require_https = true;
            settings.http.trusted_proxies = proxies.to_owned();
        })
        .await;
        let shop = world.merchant(Mode::Test).await;
        for &(lines, from_trusted, from_untrusted) in VARIANTS {
            let expected = if trusted { from_trusted } else { from_untrusted };
            let sound = format!("authorization: {}\r\n{lines}", shop.authorization());
            let answer = ask(&world, "GET /v1/payments", &sound).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{trusted} {lines:?}: {answer}");
            let tells_browsers = answer.contains("strict-transport-security: max-age=31536000");
            assert_eq!(tells_browsers, expected == 200, "{lines:?}: {answer}");
            if expected == 403 {
                // Were its key checked, this would be a 401; were its body read, it would wait for it.
                let unsound = format!("authorization: Bearer x\r\ncontent-length: 500\r\n{lines}");
                let refused = ask(&world, &format!("POST {INVOICES}"), &unsound).await;
                assert!(refused.starts_with("HTTP/1.1 403 "), "{lines:?}: {refused}");
                assert!(refused.contains("https_required") && !refused.contains("location:"), "{refused}");
            }
        }
        assert_eq!(world.count("select count(*) from audit_log where action like 'security%'").await, 0);
    }
}

/// What is answered to a request whose body, if it names one, never comes.
async fn ask(world: &World, line: &str, headers: &str) -> String {
    let mut socket = TcpStream::connect(world.running().public).await.unwrap();
    let end = if headers.ends_with("\r\n") { "\r\n" } else { "\r\n\r\n" };
    let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}{end}");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let mut bytes = [0; 2_048];
    // Every body of these answers ends with the first brace at a line's end.
    while !answer.ends_with('}') {
        let read = timeout(Duration::from_secs(5), socket.read(&mut bytes)).await;
        match read.unwrap_or_else(|_| panic!("no answer to {headers:?}")).unwrap() {
            0 => break,
            read => answer.push_str(&String::from_utf8_lossy(&bytes[..read])),
        }
    }
    answer
}

/// One element of an `X-Forwarded-For`: how it is written, and which address that is. Whoever makes it knows; nothing
/// is parsed here.
type Hop = (String, Option<IpAddr>);

fn hop(random: &mut StdRng) -> Hop {
    let v4 = any_v4(random);
    let v6 = any_v6(random);
    match random.random_range(0..14) {
        0..=4 => (v4.to_string(), Some(v4.into())),
        5 => (format!("::ffff:{v4}"), Some(v4.into())),
        6 => {
            let [a, b, c, d] = v4.octets();
            (format!("::FFFF:{a:02x}{b:02X}:{c:02x}{d:02x}"), Some(v4.into()))
        }
        7..=8 => (v6.to_string(), Some(v6.into())),
        9 => {
            let groups: Vec<String> = v6.segments().iter().map(|group| format!("{group:04X}")).collect();
            (groups.join(":"), Some(v6.into()))
        }
        10 => (format!("{v4}:{}", random.random::<u16>()), None),
        11 => (format!("[{v6}]:443"), None),
        12 => (format!("{v6}%eth0"), None),
        _ => {
            const JUNK: &[&str] = &[
                "",
                "unknown",
                "_hidden",
                "for=10.0.0.1",
                "10.0.0",
                "10.0.0.1.1",
                "010.0.0.1",
                "10.0.0.256",
                "0x0a000001",
                "167772161",
                "10.0.0.0/8",
                "\"10.0.0.1\"",
                "localhost",
                "-",
                "1.1.1.1 10.0.0.1",
            ];
            ((*JUNK.choose(random).unwrap()).to_owned(), None)
        }
    }
}

/// Often one of ours, or next to one.
fn any_v4(random: &mut StdRng) -> Ipv4Addr {
    match random.random_range(0..6) {
        0 | 1 => Ipv4Addr::from_bits(0x0a00_0000 | random.random_range(0..0x0100_0000)),
        2 => Ipv4Addr::new(192, 168, 7, 9),
        3 => *[[9, 255, 255, 255], [11, 0, 0, 0], [192, 168, 7, 8], [192, 168, 7, 10], [127, 0, 0, 1]]
            .map(Ipv4Addr::from)
            .choose(random)
            .unwrap(),
        _ => Ipv4Addr::from_bits(random.random()),
    }
}

fn any_v6(random: &mut StdRng) -> Ipv6Addr {
    let low: u128 = random.random::<u128>() >> 48;
    match random.random_range(0..4) {
        0 | 1 => Ipv6Addr::from_bits(OUR_V6 << 80 | low),
        2 => Ipv6Addr::from_bits((OUR_V6 + 1) << 80 | low),
        _ => Ipv6Addr::from_bits(random.random::<u128>() | 1 << 125),
    }
}

const PROXIES: &str = "10.0.0.0/8 192.168.7.9 2001:db8:5::/48";
/// The first 48 bits of 2001:db8:5::/48.
const OUR_V6: u128 = 0x2001_0db8_0005;

/// Whether an address is in [`PROXIES`], by its number.
fn is_ours(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.to_bits() >> 24 == 10 || address.octets() == [192, 168, 7, 9],
        IpAddr::V6(address) => address.to_bits() >> 80 == OUR_V6,
    }
}

/// The way back from the peer, as far as it can be read; the caller is the first on it who is not ours, else its end.
fn oracle(peer: IpAddr, lines: &[(Vec<Hop>, bool)]) -> IpAddr {
    let mut way = vec![peer];
    'reading: for (hops, readable) in lines.iter().rev() {
        for (_, address) in hops.iter().rev() {
            match address.filter(|_| *readable) {
                Some(address) => way.push(address),
                None => break 'reading,
            }
        }
    }
    let stranger = way.iter().find(|address| !is_ours(**address));
    *stranger.or(way.last()).unwrap()
}

#[test]
fn of_ten_thousand_forged_ways_the_callers_address_is_the_oracles() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let settings = api::Settings {
        public_url: String::new(),
        page_url: String::new(),
        support_email: String::new(),
        require_https: true,
        trusted_proxies: PROXIES.split(' ').map(|text| api::headers::network(text).unwrap()).collect(),
        cors_origins: Vec::new(),
        targets: domain::endpoint::Targets::default(),
    };
    let (mut believed, mut refused) = (0, 0);
    for turn in 0..10_000 {
        let (peer, written) = loop {
            let (text, address) = hop(&mut random);
            if let (Some(address), Ok(written)) = (address, text.parse::<IpAddr>()) {
                break (address, written);
            }
        };
        let lines: Vec<(Vec<Hop>, bool)> = (0..random.random_range(0..4))
            .map(|_| {
                let hops = (0..random.random_range(1..6)).map(|_| hop(&mut random)).collect();
                (hops, random.random_bool(0.95))
            })
            .collect();
        let mut request = TestRequest::default().peer_addr(SocketAddr::new(written, 40_000));
        for (hops, readable) in &lines {
            let texts: Vec<&str> = hops.iter().map(|(text, _)| text.as_str()).collect();
            let comma = *[",", ", ", " ,\t", "  ,  "].choose(&mut random).unwrap();
            let mut line = texts.join(comma).into_bytes();
            line.extend_from_slice(if *readable { b"" } else { b"\xf1" });
            let value = HeaderValue::from_bytes(&line).unwrap();
            request = request.append_header((HeaderName::from_static("x-forwarded-for"), value));
        }
        let expected = oracle(peer, &lines);
        let found = client_address(&request.to_http_request(), &settings);
        assert_eq!(found, Some(expected), "turn {turn}: {peer} {lines:?}");
        if expected == peer { refused += 1 } else { believed += 1 }
    }
    assert!(believed > 2_000 && refused > 2_000, "{believed} were believed, {refused} were not");
}
