//! What operators are given is about this program: each command exists, each setting is one, each metric is shown, each
//! alert is explained, and each file can be read by what it is for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use kashio::telemetry::METRICS;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML file.
fn yaml(path: &str) -> Vec<Value> {
    use serde::Deserialize;
    let text = read(path);
    let documents = serde_norway::Deserializer::from_str(&text);
    documents.map(|one| Value::deserialize(one).unwrap_or_else(|error| panic!("{path}: {error}"))).collect()
}

const KUBERNETES: [&str; 4] = [
    "deploy/kubernetes/api.yaml",
    "deploy/kubernetes/worker.yaml",
    "deploy/kubernetes/migrate.yaml",
    "deploy/kubernetes/disruption.yaml",
];

/// Everything that tells an operator what to type or to set.
fn pages() -> Vec<(&'static str, String)> {
    let mut paths = vec![
        "README.md",
        "docs/operations.md",
        "docs/logging.md",
        "migrations/README.md",
        "docker-compose.yml",
        "deploy/Dockerfile",
        "deploy/kashio@.service",
        "deploy/haproxy.cfg",
    ];
    paths.extend(KUBERNETES);
    paths.into_iter().map(|path| (path, read(path))).collect()
}

/// `kashio WORDS --help`: whether there is such a command.
fn is_command(words: &[&str]) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_kashio")).args(words).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    // The page of a command names all of its words, and not those of the command above it.
    output.status.success() && help.contains(&format!("Usage: kashio {}", words.join(" ")))
}

#[test]
fn every_command_that_is_named_exists() {
    let mut named: BTreeSet<Vec<String>> = BTreeSet::new();
    for (path, text) in pages() {
        for marker in ["kashio ", "cargo run -- "] {
            for (at, _) in text.match_indices(marker) {
                // Only what stands as code: behind a backtick, at the beginning of a line, or behind `cargo run --`.
                let before = text[..at].chars().next_back();
                let is_code = marker != "kashio " || matches!(before, Some('`' | '/'));
                let words =
                    text[at + marker.len()..].split([' ', '`', '\n', '"', '(', ')', ';', ',', '.', ':']);
                let words: Vec<String> = words
                    .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
                    .map(str::to_owned)
                    .collect();
                let known = [
                    "dev",
                    "serve",
                    "work",
                    "run",
                    "migrate",
                    "account",
                    "key",
                    "service-key",
                    "listen",
                    "config",
                    "doctor",
                ];
                if is_code && words.first().is_some_and(|word| known.contains(&word.as_str())) {
                    let has_two =
                        matches!(words[0].as_str(), "migrate" | "account" | "key" | "service-key" | "config");
                    named.insert(words.into_iter().take(1 + usize::from(has_two)).collect());
                } else if is_code && !words.is_empty() && marker != "kashio " {
                    panic!("{path}: {marker}{words:?}");
                }
            }
        }
    }
    // Those of images and units, where the program's name stands elsewhere.
    for command in ["serve", "work", "migrate up"] {
        named.insert(command.split(' ').map(str::to_owned).collect());
    }
    assert!(named.len() >= 12, "{named:?}");
    for words in named {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert!(is_command(&words), "kashio {words:?}");
    }
}

#[test]
fn every_setting_that_is_named_exists() {
    let known: BTreeSet<String> = kashio::config::show(None)
        .unwrap()
        .into_iter()
        .map(|shown| format!("KASHIO__{}", shown.name.replace('.', "__").to_uppercase()))
        .collect();
    let mut met = BTreeSet::new();
    for (path, text) in pages() {
        for (at, _) in text.match_indices("KASHIO__") {
            let is_name = |c: &char| c.is_ascii_uppercase() || *c == '_';
            let name: String = text[at..].chars().take_while(is_name).collect();
            // How such names are built.
            if name == "KASHIO__SECTION__KEY" {
                continue;
            }
            assert!(known.contains(&name), "{path}: {name}");
            met.insert(name);
        }
    }
    assert!(met.len() >= 10, "{met:?}");
    let example = root().join("config/production.example.toml");
    let settings = kashio::config::load(Some(&example)).unwrap_or_else(|error| panic!("{error}"));
    settings.check_start().unwrap_or_else(|error| panic!("{error}"));
}

/// The names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_name = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_';
    let found = text
        .match_indices("kashio_")
        .map(|(at, _)| text[at..].chars().take_while(is_name).collect::<String>());
    let base = |name: String| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        base.map(str::to_owned).unwrap_or(name)
    };
    // The database's roles and the mark of `kashio dev` begin like metrics.
    found
        .map(base)
        .filter(|name| !matches!(name.as_str(), "kashio_app" | "kashio_owner" | "kashio_dev"))
        .collect()
}

#[test]
fn alerts_and_the_dashboard_use_metrics_that_there_are_and_all_of_them() {
    let known: BTreeSet<String> = METRICS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let rules = yaml("deploy/alerts.yml");
    let rules = rules[0]["groups"][0]["rules"].as_array().unwrap();
    let operations = read("docs/operations.md");
    let mut watched = BTreeSet::new();
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        assert!(operations.contains(&format!("### {name}\n")), "docs/operations.md does not explain {name}");
        assert!(
            rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string(),
            "{name}"
        );
        watched.extend(metrics_in(rule["expr"].as_str().unwrap()));
    }
    let explained = operations.matches("### Kashio").count();
    assert_eq!(explained, rules.len(), "an alert is explained that there is not");
    let board: Value = serde_json::from_str(&read("deploy/grafana/kashio.json")).unwrap();
    let mut shown = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            shown.extend(metrics_in(target["expr"].as_str().unwrap()));
        }
    }
    assert_eq!(watched.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(shown.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
    let unseen: Vec<&String> = known.iter().filter(|name| !shown.contains(*name)).collect();
    assert_eq!(unseen, ["kashio_build_info"], "the dashboard shows everything else");
    assert!(metrics_in(&operations).is_subset(&known));
}

/// In our sources each metric is named where it is set, and none is set that is not in the list.
#[test]
fn every_metric_is_set_somewhere_and_none_is_set_unlisted() {
    let mut set = BTreeSet::new();
    for part in ["api", "store", "worker", "kashio"] {
        sources(&root().join("crates").join(part).join("src"), &mut |text| {
            for macro_name in ["counter!(", "gauge!(", "histogram!("] {
                for (at, _) in text.match_indices(macro_name) {
                    let rest = text[at + macro_name.len()..].trim_start();
                    if let Some(name) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                        set.insert(name.to_owned());
                    }
                }
            }
        });
    }
    let known: BTreeSet<String> = METRICS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(set, known);
}

fn sources(folder: &Path, look: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn kubernetes_asks_the_right_questions_and_waits_long_enough() {
    for path in KUBERNETES {
        for document in yaml(path) {
            assert!(document["apiVersion"].is_string() && document["kind"].is_string(), "{path}");
        }
    }
    let api = &yaml("deploy/kubernetes/api.yaml")[0];
    let pod = &api["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
    assert!(container["lifecycle"]["preStop"].is_object());
    let settings = kashio::config::compiled_in().unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace > 3 + settings.shutdown.lame_duck_seconds + 20, "the hook, the lame duck, the drain");
    assert_eq!(yaml("deploy/kubernetes/migrate.yaml")[0]["kind"], "Job");
    assert!(yaml("deploy/kubernetes/disruption.yaml").iter().all(|one| one["kind"] == "PodDisruptionBudget"));
}

#[test]
fn compose_has_two_replicas_a_worker_a_migration_before_them_and_a_load_balancer() {
    let compose = &yaml("docker-compose.yml")[0];
    let services = compose["services"].as_object().unwrap();
    let names: BTreeSet<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["api-1", "api-2", "haproxy", "migrate", "postgres", "worker"]));
    let haproxy = read("deploy/haproxy.cfg");
    for replica in ["api-1", "api-2"] {
        assert!(haproxy.contains(&format!("server {replica} {replica}:8080")), "{replica}");
    }
    let settings = kashio::config::compiled_in().unwrap();
    let management = format!("check port {}", settings.management.bind.port());
    assert!(haproxy.contains("GET /readyz") && haproxy.contains(&management));
}

/// Debian's haproxy reads the file as it stands, but for the place of the certificate and the replicas' names.
#[test]
fn the_balancer_takes_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = folder.path().join("certs");
    std::fs::create_dir(&certificates).unwrap();
    let own = rcgen::generate_simple_self_signed(["api.kashio.test".to_owned()]).unwrap();
    std::fs::write(certificates.join("api.pem"), own.cert.pem() + &own.signing_key.serialize_pem()).unwrap();
    let place = "/etc/haproxy/certs/";
    let text = read("deploy/haproxy.cfg");
    assert!(text.contains(place));
    let file = folder.path().join("haproxy.cfg");
    let text = text.replace(place, &format!("{}/", certificates.display()));
    let text = text.replace(" api-1:", " 127.0.0.1:").replace(" api-2:", " 127.0.0.2:");
    std::fs::write(&file, text).unwrap();
    let output = Command::new("/usr/sbin/haproxy").args(["-c", "-f"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && !said.contains("[WARNING]"), "{said}");
}
