//! `kashio config check` and `show`: every value with where it came from, no secret shown, and what production refuses.

use std::collections::HashMap;

use serde_json::Value;

use crate::starting::{SEALING_KEY, fails, kashio};

/// Every setting: its value and where it is from.
fn shown(arguments: &[&str], environment: &[(&str, &str)]) -> HashMap<String, (String, String)> {
    let output = kashio(&[&["config", "show", "--json"], arguments].concat(), environment);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let field = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    lines.map(|line| (field(&line, "name"), (field(&line, "value"), field(&line, "from")))).collect()
}

#[test]
fn every_setting_is_shown_with_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kashio.toml");
    let of_file =
        "[http]\ncors_origins = \"https://tienda.pe\"\nrequire_https = false\n[limits]\nburst = 7\n";
    std::fs::write(&file, of_file).unwrap();
    let file = file.to_str().unwrap();
    let environment = [
        ("DATABASE_URL", "postgres://kashio:hunter2@db.kashio.test:5432/kashio"),
        ("KASHIO__DATABASE__MIGRATE_URL", "postgres://owner:hunter3@db.kashio.test/kashio"),
        ("KASHIO__LIMITS__BURST", "9"),
        ("KASHIO__SECRETS__KEYS", SEALING_KEY),
    ];
    let shown = shown(&["--config", file], &environment);
    for (name, value, from) in [
        ("environment", "development", "compiled in"),
        ("http.bind", "127.0.0.1:8080", "compiled in"),
        ("http.cors_origins", "https://tienda.pe", file),
        ("http.require_https", "false", file),
        ("limits.burst", "9", "KASHIO__LIMITS__BURST"),
        ("limits.per_second", "100", "compiled in"),
        ("database.url", "postgres://kashio:***@db.kashio.test:5432/kashio", "DATABASE_URL"),
        (
            "database.migrate_url",
            "postgres://owner:***@db.kashio.test/kashio",
            "KASHIO__DATABASE__MIGRATE_URL",
        ),
        ("secrets.keys", "a:***", "KASHIO__SECRETS__KEYS"),
    ] {
        assert_eq!(shown[name], (value.to_owned(), from.to_owned()), "{name}");
    }
    let compiled_in: toml::Settings = toml::of(include_str!("../../../../config/default.toml"));
    let mut names: Vec<&String> = shown.keys().collect();
    names.sort();
    assert_eq!(names, compiled_in.iter().collect::<Vec<_>>(), "every setting, and nothing else");
}

/// The names in `config/default.toml`, read without the program.
mod toml {
    pub(super) type Settings = std::collections::BTreeSet<String>;

    pub(super) fn of(text: &str) -> Settings {
        let (mut section, mut names) = (String::new(), Settings::new());
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = format!("{}.", name.trim_end_matches(']'));
            } else if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                names.insert(format!("{section}{name}"));
            }
        }
        names
    }
}

#[test]
fn no_password_is_shown_however_it_is_written() {
    for url in [
        "postgres://kashio:hunter2@db/kashio",
        "postgres://kashio@db/kashio?password=hunter2",
        "postgres://kashio@db/kashio?sslmode=require&password=hunter2&x=1",
        "//kashio:hunter2@db",
        "hunter2",
    ] {
        let output =
            kashio(&["config", "show"], &[("DATABASE_URL", url), ("KASHIO__SECRETS__KEYS", "hunter2")]);
        let told = format!("{output:?}");
        assert!(!told.contains("hunter2"), "{url}: {told}");
        let output =
            kashio(&["config", "check"], &[("DATABASE_URL", url), ("KASHIO__SECRETS__KEYS", "hunter2")]);
        assert!(!format!("{output:?}").contains("hunter2"), "{url}: {output:?}");
    }
}

/// What a sound production has.
const PRODUCTION: &[(&str, &str)] = &[
    ("KASHIO__ENVIRONMENT", "production"),
    ("DATABASE_URL", "postgres://kashio:x@db.kashio.test/kashio?sslmode=verify-full"),
    ("KASHIO__HTTP__PUBLIC_URL", "https://api.kashio.test"),
    ("KASHIO__PAGE__PUBLIC_URL", "https://pay.kashio.test"),
    ("KASHIO__HTTP__TRUSTED_PROXIES", "10.0.0.0/8"),
    ("KASHIO__SECRETS__KEYS", SEALING_KEY),
];

#[test]
fn production_refuses_each_danger_by_its_name() {
    assert_eq!(kashio(&["config", "check"], PRODUCTION).status.code(), Some(0), "{PRODUCTION:?} is sound");
    for (name, value, words) in [
        ("KASHIO__HTTP__PUBLIC_URL", "", "http.public_url"),
        ("KASHIO__HTTP__PUBLIC_URL", "http://api.kashio.test", "http.public_url"),
        ("KASHIO__PAGE__PUBLIC_URL", "", "page.public_url"),
        ("KASHIO__HTTP__REQUIRE_HTTPS", "false", "http.require_https"),
        ("KASHIO__WEBHOOKS__LEASE_SECONDS", "22", "webhooks.lease_seconds"),
        ("KASHIO__SECRETS__KEYS", "", "secrets.keys"),
        ("KASHIO__SECRETS__KEYS", "a:AAAA", "secrets.keys"),
        ("KASHIO__HTTP__TRUSTED_PROXIES", "", "http.trusted_proxies"),
        ("KASHIO__HTTP__TRUSTED_PROXIES", "10.0.0.0/8,0.0.0.0/0", "whole internet"),
        ("KASHIO__HTTP__TRUSTED_PROXIES", "::/0", "whole internet"),
        ("KASHIO__INTERNAL__TRUSTED_PROXIES", "0.0.0.0/0", "whole internet"),
        ("KASHIO__INTERNAL__BIND", "0.0.0.0:8081", "internal.bind"),
        ("DATABASE_URL", "", "database.url"),
        ("DATABASE_URL", "postgres://kashio:x@db.kashio.test/kashio", "sslmode"),
        ("DATABASE_URL", "postgres://kashio:x@db.kashio.test/kashio?sslmode=disable", "sslmode"),
        ("DATABASE_URL", "postgres://kashio:x@db.kashio.test/kashio?sslmode=prefer", "sslmode"),
        ("KASHIO__DATABASE__MIGRATE_URL", "postgres://owner:x@db.kashio.test/kashio", "database.migrate_url"),
        ("KASHIO__HTTP__COLOUR", "blue", "colour"),
    ] {
        let mut environment = PRODUCTION.to_vec();
        environment.retain(|(known, _)| *known != name);
        environment.push((name, value));
        fails(&["config", "check"], &environment, 2, words);
    }
    let mut inside = PRODUCTION.to_vec();
    inside.extend([
        ("KASHIO__INTERNAL__BIND", "0.0.0.0:8081"),
        ("KASHIO__INTERNAL__TRUSTED_PROXIES", "10.1.0.0/16"),
    ]);
    assert_eq!(kashio(&["config", "check"], &inside).status.code(), Some(0));
}
