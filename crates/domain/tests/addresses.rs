//! Addresses and URLs that no webhook is posted to: every network of the list at both of its ends and just outside, in
//! every disguise, and every spelling of a URL that leads inside.

#![expect(clippy::unwrap_used, reason = "what stands in a story is well made")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::address::is_special;
use domain::endpoint::{Endpoint, Targets};
use domain::field::Wrong;
use ipnet::IpNet;

/// As the design has it, in its order; `::/96` holds `::`, `::1` and the IPv4-compatible ones.
const DENIED: &str = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 \
    192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 \
    ::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fc00::/7 \
    fe80::/10 fec0::/10 ff00::/8";

fn denied() -> Vec<IpNet> {
    DENIED.split(' ').map(|network| network.parse().unwrap()).collect()
}

/// The address before or after, if there is one.
fn step(address: IpAddr, by: i8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits().checked_add_signed(by.into())?;
            Some(Ipv4Addr::from_bits(bits).into())
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits().checked_add_signed(by.into())?;
            Some(Ipv6Addr::from_bits(bits).into())
        }
    }
}

#[test]
fn every_network_is_denied_from_its_first_address_to_its_last_and_not_further() {
    let networks = denied();
    let mut outside = 0;
    for network in &networks {
        let (first, last) = (network.network(), network.broadcast());
        for address in [first, step(first, 1).unwrap(), step(last, -1).unwrap(), last] {
            assert!(is_special(address), "{address} of {network}");
        }
        for neighbour in [step(first, -1), step(last, 1)].into_iter().flatten() {
            let elsewhere = networks.iter().any(|other| other.contains(&neighbour));
            assert_eq!(is_special(neighbour), elsewhere, "{neighbour} beside {network}");
            outside += usize::from(!elsewhere);
        }
    }
    // Two neighbours each, but for those at an end of all addresses and those that touch another network.
    assert!(outside >= 40, "{outside}");
}

#[test]
fn an_address_inside_another_is_denied_too() {
    for network in denied() {
        let (IpAddr::V4(first), IpAddr::V4(last)) = (network.network(), network.broadcast()) else {
            continue;
        };
        for inside in [first, last] {
            let [a, b, c, d] = inside.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for disguise in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),    // mapped
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),    // translated (SIIT)
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),         // compatible
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low), // NAT64
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low), // NAT64 of one's own
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),    // 6to4
                Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low), // Teredo
            ] {
                assert!(is_special(disguise.into()), "{disguise} for {inside}");
            }
        }
    }
}

#[test]
fn the_public_internet_is_allowed_also_when_it_is_mapped() {
    let targets = Targets::default();
    for text in
        ["1.1.1.1", "8.8.8.8", "200.48.225.130", "223.255.255.255", "2606:4700::1111", "::ffff:8.8.8.8"]
    {
        assert!(targets.allow(text.parse().unwrap()), "{text}");
    }
}

#[test]
fn networks_of_the_configuration_are_denied_too_and_loopback_opens_nothing_else() {
    let denied = vec!["8.8.8.0/24".parse().unwrap(), "2606:4700::/32".parse().unwrap()];
    let targets = Targets { denied, ..Targets::default() };
    for (text, allowed) in [
        ("8.8.7.255", true),
        ("8.8.8.0", false),
        ("8.8.8.255", false),
        ("::ffff:8.8.8.8", false),
        ("8.8.9.0", true),
        ("2606:4700:ffff::", false),
        ("2606:4701::", true),
    ] {
        assert_eq!(targets.allow(text.parse().unwrap()), allowed, "{text}");
    }
    let dev = Targets { loopback: true, ..Targets::default() };
    for (text, allowed) in
        [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("0.0.0.0", false), ("10.0.0.1", false)]
    {
        assert_eq!(dev.allow(text.parse().unwrap()), allowed, "{text}");
    }
}

/// How an IPv4 address can be written so that some reader takes it for one.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let ([a, b, c, d], all) = (address.octets(), address.to_bits());
    let plain = address.to_string();
    let wide = |text: &str| -> String {
        text.chars().map(|c| if c == '.' { c } else { char::from_u32(c as u32 + 0xfee0).unwrap() }).collect()
    };
    vec![
        plain.clone(),
        format!("{plain}."),
        format!("{all}"),
        format!("{all:#x}"),
        format!("{all:#X}"),
        format!("0{all:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0000{a:o}.{b}.{c:#x}.{d}"),
        format!("{a}.{}", all & 0xff_ffff),
        format!("{a}.{b}.{}", all & 0xffff),
        format!("{a:#x}.{:#x}", all & 0xff_ffff),
        wide(&plain),
        plain.replace('.', "。"),
        plain.replace('.', "%2e"),
        plain.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        format!("[::ffff:{plain}]"),
        format!("[::{plain}]"),
        format!("[64:ff9b::{plain}]"),
        format!("[2002:{:x}:{:x}::]", all >> 16, all & 0xffff),
        format!("[0:0:0:0:0:ffff:{:x}:{:x}]", all >> 16, all & 0xffff),
    ]
}

/// URLs that must not be registered, each another way in.
fn hostile() -> BTreeSet<String> {
    let mut hosts = Vec::new();
    // 8.8.8.8: a literal address says nothing that a certificate could vouch for, so none is taken.
    for address in
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.100.100.200", "0.0.0.0", "8.8.8.8"]
    {
        hosts.extend(spellings(address.parse().unwrap()));
    }
    let v6 = "[::] [::1] [0:0:0:0:0:0:0:1] [fd00:ec2::254] [fe80::1] [fec0::1] [ff02::1] [2606:4700::1111] \
        [::1%25lo] [fe80::1%eth0] [::1 ::1] [127.0.0.1] 127.0.0.1:443:443 [v1.a] []";
    hosts.extend(v6.split(' ').map(str::to_owned));
    for inside in ["localhost", "local", "internal", "localdomain", "home.arpa", "lan", "intranet", "corp"] {
        let upper = inside.to_uppercase();
        let wide: String = inside.replace('.', "\u{ff0e}");
        hosts.extend([
            inside.to_owned(),
            format!("{inside}."),
            format!("db.{inside}"),
            format!("a.b.{inside}."),
            format!("a.b.{inside}.."),
            format!("db.{upper}"),
            format!("db\u{3002}{wide}"),
            format!("db.{}\u{ad}{}", &inside[..2], &inside[2..]),
            format!("db.%{:02x}{}", inside.as_bytes()[0], &inside[1..]),
            format!(
                "db.{}",
                inside.replacen('l', "\u{24db}", 1).replacen('c', "\u{24d2}", 1).replacen('i', "\u{24d8}", 1)
            ),
        ]);
    }
    let labels = "tienda tienda. TIENDA kubernetes metadata db-1 postgres xn--caf-dma ñandú com pe 。 . .. %00 a%00b.pe \
        a%2fb.pe a%20b.pe tienda.pe%3a80 a<b.pe a|b.pe a^b.pe xn--a.pe xn--zzzzzz999.pe 1.2.3.256 0x.0x.0x.0x 1.2.3.4.5 \
        999.999.999.999 4294967296 08.09.1.1 256 0 0x 1.0xffffffffff tienda.127 tienda.0x7f";
    hosts.extend(labels.split_ascii_whitespace().map(str::to_owned));

    let mut urls: BTreeSet<_> = hosts.iter().map(|host| format!("https://{host}/w")).collect();
    for host in ["tienda.pe", "127.0.0.1"] {
        for user in ["a@", "a:b@", ":b@", "8.8.8.8@", "a%40b@", "tienda.pe:443@", "a@b@", "%20@"] {
            urls.insert(format!("https://{user}{host}/w"));
        }
        for port in [
            "0", "1", "22", "25", "80", "444", "5432", "6379", "8080", "9092", "65535", "65536", "-443",
            "0x1bb", "443a",
        ] {
            urls.insert(format!("https://{host}:{port}/w"));
        }
        for scheme in [
            "http",
            "HTTP",
            "ftp",
            "file",
            "gopher",
            "ws",
            "wss",
            "ldap",
            "dict",
            "data",
            "javascript",
            "unix",
            "jar:https",
            "view-source:https",
            "blob:https",
            "https+unix",
            "h\u{ad}ttps",
            "httpſ",
            "https\0",
        ] {
            urls.insert(format!("{scheme}://{host}/w"));
        }
        for form in [
            "https://HOST/w#a",
            "https://HOST#",
            "https://HOST/#@tienda.pe",
            "//HOST/w",
            "/HOST/w",
            "HOST",
            "HOST:443",
            "HOST/w",
            "https",
            "https:",
            "https://",
            "https:///",
            "https://:443/w",
            "https://@/w",
            "https://?HOST",
            "https://#HOST",
            "://HOST",
            "\u{feff}https://HOST",
            "https ://HOST",
            "https://HO ST/w",
            "https:// HOST/w",
            "https://HOST /w",
            "<https://HOST>",
            "\"https://HOST\"",
            "https://HOST:443:443/w",
            "https://[HOST]/w",
            "https://HOST]/w",
            "https://[HOST/w",
            "https://a@tienda.pe\\@HOST/w",
            "https://127.0.0.1\\@HOST/w",
            "https://127.0.0.1\\.HOST/w",
            "https://127.1/HOST",
            "https://127.0.0.1?@HOST",
            "https:127.0.0.1/HOST",
            "https:\\\\127.0.0.1\\HOST",
            "https:////127.0.0.1/HOST",
            "\thttps://127.0.0.1/HOST",
            "https://127.0\n.0.1/HOST",
            "HTTPS://DB.LOCAL/HOST",
        ] {
            urls.insert(form.replace("HOST", host));
        }
    }
    urls
}

#[test]
fn no_spelling_of_a_url_leads_inside() {
    let urls = hostile();
    println!("{} hostile URLs", urls.len());
    assert!(urls.len() >= 300, "{}", urls.len());
    let targets = Targets::default();
    let let_in = Vec::from_iter(urls.iter().filter(|url| targets.parse(url) != Err(Wrong::WebhookUrl)));
    assert!(let_in.is_empty(), "{let_in:#?}");
}

#[test]
fn on_a_developers_machine_only_his_own_is_open_beside() {
    let dev = Targets { loopback: true, ..Targets::default() };
    for open in
        ["http://localhost:3000/w", "http://127.0.0.1:80/w", "http://[::1]:9/w", "https://localhost:9/w"]
    {
        assert!(dev.parse(open).is_ok(), "{open}");
    }
    for shut in [
        "http://tienda.pe/w",
        "https://tienda.pe:3000/w",
        "http://10.0.0.1/w",
        "http://0.0.0.0/w",
        "http://[::ffff:10.0.0.1]/w",
        "http://localhost.tienda.pe/w",
        "http://app.localhost/w",
        "http://a:b@localhost/w",
        "https://169.254.169.254/w",
        "ftp://localhost/w",
    ] {
        assert_eq!(dev.parse(shut), Err(Wrong::WebhookUrl), "{shut}");
    }
}

/// What the URL standard forgives (WHATWG, URL) comes out as what it means: that is kept and posted to.
#[test]
fn what_is_forgiven_comes_out_plain() {
    let targets = Targets::default();
    for text in [
        "https://tienda.pe/w",
        "https://tienda.pe:443/w",
        "HTTPS://TIENDA.PE/w",
        " https://tienda.pe/w\n",
        "https://tien\tda.pe/w",
        "https:\\\\tienda.pe\\w",
        "https:tienda.pe/w",
        "https://tienda.pe/../w",
        "https://ｔｉｅｎｄａ．ｐｅ/w",
        "https://%74ienda.pe/w",
        "https://@tienda.pe/w",
    ] {
        assert_eq!(targets.parse(text).map(String::from).as_deref(), Ok("https://tienda.pe/w"), "{text:?}");
    }
    assert_eq!(
        targets.parse("https://ñandú.pe:8443/a b?c=ñ").map(String::from).as_deref(),
        Ok("https://xn--and-6ma2c.pe:8443/a%20b?c=%C3%B1")
    );
}

#[test]
fn a_url_has_its_length() {
    let of = |length: usize| format!("https://tienda.pe/{}", "w".repeat(length - "https://tienda.pe/".len()));
    let targets = Targets::default();
    assert!(targets.parse(&of(Endpoint::MAX_URL)).is_ok());
    for length in [Endpoint::MAX_URL + 1, 1 << 20] {
        assert_eq!(targets.parse(&of(length)), Err(Wrong::TooLong { max: Endpoint::MAX_URL }));
    }
    // As it is kept, each of these letters takes six characters.
    let grown = format!("https://tienda.pe/{}", "ñ".repeat(1_000));
    assert_eq!(targets.parse(&grown), Err(Wrong::TooLong { max: Endpoint::MAX_URL }));
}
