//! What webhooks rest on: signatures that a receiver can check, addresses that nothing is posted to, and when it is
//! tried again.

use std::net::IpAddr;

use domain::address::is_special;
use domain::delivery::{Next, Outcome, RETRY_SECONDS, Schedule, is_dead};
use domain::endpoint::Targets;
use domain::signature::{WebhookSecret, signatures};
use domain::time::Moment;

/// The vector of Standard Webhooks 1.0.0.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

#[test]
fn the_documents_vector_is_signed_as_it_says() {
    let secret = WebhookSecret::parse(SECRET).unwrap();
    assert_eq!(secret.sign(ID, 1_614_265_330, BODY), SIGNATURE);
    assert_eq!(secret.expose().as_str(), SECRET);
    let other = WebhookSecret::from_random([7; 32]);
    let both = signatures([&secret, &other].into_iter(), ID, 1_614_265_330, BODY);
    assert_eq!(both, format!("{SIGNATURE} {}", other.sign(ID, 1_614_265_330, BODY)));
    for malformed in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!"] {
        assert!(WebhookSecret::parse(malformed).is_none(), "{malformed}");
    }
}

#[test]
fn the_ends_of_every_special_network_are_special_and_what_lies_outside_is_not() {
    // First and last of each network, then the nearest outside that are public.
    let special = [
        "0.0.0.0 0.255.255.255",
        "10.0.0.0 10.255.255.255",
        "100.64.0.0 100.127.255.255",
        "127.0.0.0 127.255.255.255",
        "169.254.0.0 169.254.255.255",
        "172.16.0.0 172.31.255.255",
        "192.0.0.0 192.0.0.255",
        "192.0.2.0 192.0.2.255",
        "192.88.99.0 192.88.99.255",
        "192.168.0.0 192.168.255.255",
        "198.18.0.0 198.19.255.255",
        "198.51.100.0 198.51.100.255",
        "203.0.113.0 203.0.113.255",
        "224.0.0.0 239.255.255.255",
        "240.0.0.0 255.255.255.255",
        ":: ::1",
        "::ffff:10.0.0.1 ::ffff:127.0.0.1",
        "::a00:1 ::7f00:1",
        "64:ff9b:: 64:ff9b::ffff:ffff",
        "64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "100:: 100::ffff:ffff:ffff:ffff",
        "2001:: 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002:: 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "5f00:: 5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fc00:: fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fe80:: febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fec0:: feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "ff00:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ];
    for address in special.iter().flat_map(|ends| ends.split(' ')) {
        let parsed: IpAddr = address.parse().unwrap();
        assert!(is_special(parsed), "{address}");
        assert!(!Targets::default().allow(parsed), "{address}");
    }
    for address in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "8.8.8.8",
        "::ffff:8.8.8.8",
        "2001:200::",
        "2001:db9::",
        "2003::",
        "2606:4700::1111",
        "4000::",
        "5eff::",
        "5f01::",
    ] {
        assert!(!is_special(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn hundreds_of_urls_that_lead_nowhere_good_are_refused() {
    let hosts = [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "tienda",
        "tienda.local",
        "db.internal",
        "x.lan",
        "router.home.arpa",
        "a.corp",
        "a.intranet",
        "a.localdomain",
        "127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "017700000001",
        "2130706433",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fe80::1]",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "8.8.8.8",
        "[2606:4700::1111]",
        "１２７.０.０.１",
        "127。0。0。1",
        "①②⑦.⓪.⓪.①",
        "%31%32%37.0.0.1",
        "127.0.0.1.",
        "1.1.1.1",
        "255.255.255.255",
    ];
    let mut met = 0;
    let targets = Targets::default();
    let mut refuse = |url: &str| {
        assert!(targets.parse(url).is_err(), "{url}");
        met += 1;
    };
    for host in hosts {
        for form in [
            "https://{}/",
            "http://{}/",
            "https://{}:443/w",
            "https://{}:8443/",
            "https://{}?q",
            "HTTPS://{}/w",
        ] {
            refuse(&form.replace("{}", host));
        }
    }
    for url in [
        "http://tienda.pe/",
        "ftp://tienda.pe/",
        "file:///etc/passwd",
        "gopher://tienda.pe/",
        "ws://tienda.pe/",
        "javascript:alert(1)",
        "data:text/plain,x",
        "//tienda.pe/w",
        "tienda.pe/w",
        "",
        " ",
        "https://",
        "https:///w",
        "https://a@tienda.pe/",
        "https://a:b@tienda.pe/",
        "https://tienda.pe@127.0.0.1/",
        "https://127.0.0.1\\@tienda.pe/",
        "https://tienda.pe/w#f",
        "https://tienda.pe:0/",
        "https://tienda.pe:22/",
        "https://tienda.pe:80/",
        "https://tienda.pe:65536/",
        "https://tienda.pe:8080/",
        "https://tie nda.pe/",
        "https://[tienda.pe]/",
        "https://tienda.pe:443:443/",
        "https://tienda..pe:x/",
    ] {
        refuse(url);
    }
    for port in
        [1, 21, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 587, 636, 993, 1433, 2375, 3306, 3389]
    {
        refuse(&format!("https://tienda.pe:{port}/"));
    }
    for port in
        [5432, 5672, 5984, 6379, 6443, 7001, 8000, 8080, 8081, 8500, 9000, 9042, 9090, 9200, 10250, 11211]
    {
        refuse(&format!("https://tienda.pe:{port}/"));
    }
    refuse(&format!("https://tienda.pe/{}", "a".repeat(2_048)));
    assert!(met >= 300, "only {met}");
    for url in
        ["https://tienda.pe/w", "https://tienda.pe:8443/w?a=b", "https://a.b.tienda.pe", "https://ñandú.pe/w"]
    {
        assert!(targets.parse(url).is_ok(), "{url}");
    }
    let at_home = Targets { loopback: true, ..Targets::default() };
    for url in ["http://127.0.0.1:3000/w", "http://localhost:3000/", "http://[::1]:3000/"] {
        assert!(at_home.parse(url).is_ok(), "{url}");
    }
    for url in ["http://tienda.pe/", "http://10.0.0.1/", "https://10.0.0.1/"] {
        assert!(at_home.parse(url).is_err(), "{url}");
    }
}

#[test]
fn attempts_follow_the_schedule_within_a_tenth() {
    let schedule = Schedule::of_seconds(&RETRY_SECONDS);
    let failed = Outcome::Failed { retry_after: None };
    let total: u64 = RETRY_SECONDS.iter().map(|seconds| u64::from(*seconds)).sum();
    assert_eq!(total, 75 * 3_600 + 35 * 60 + 5, "75 h 35 min, and the first five seconds");
    for (number, seconds) in RETRY_SECONDS.iter().enumerate().skip(1) {
        let wait = u64::from(*seconds) * 1_000;
        for chance in [0, 499, 999, u16::MAX] {
            let Next::Again { millis } = schedule.after(number as u32, failed, chance) else {
                panic!("{number}")
            };
            assert!((wait * 9 / 10..=wait * 11 / 10).contains(&millis), "{number}: {millis}");
        }
    }
    assert_eq!(schedule.after(10, failed, 0), Next::Failed);
    assert_eq!(schedule.after(1, Outcome::Accepted, 0), Next::Delivered);
    assert_eq!(schedule.after(1, Outcome::Gone, 0), Next::Failed);
    let patient = |seconds| schedule.after(1, Outcome::Failed { retry_after: Some(seconds) }, 0);
    assert_eq!(patient(60), Next::Again { millis: 60_000 });
    assert_eq!(patient(u32::MAX), Next::Again { millis: 86_400_000 }, "no more than a day");
    assert_eq!(patient(1), Next::Again { millis: 4_500 }, "no sooner than planned");
}

#[test]
fn an_endpoint_is_dead_when_all_three_are_so() {
    let now = Moment::from_unix(10_000_000);
    let ago = |hours: i64| now.plus_seconds(-hours * 3_600);
    assert!(is_dead(10, ago(24), ago(120), now));
    assert!(!is_dead(9, ago(24), ago(120), now));
    assert!(!is_dead(10, ago(23), ago(120), now));
    assert!(!is_dead(10, ago(24), ago(119), now));
}
