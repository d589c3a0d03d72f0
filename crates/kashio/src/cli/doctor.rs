//! `kashio doctor`: is everything as it should be? Each check is a line; a failed one says what was found.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use domain::audit::{Chain, Hash};
use serde::Deserialize;

use super::open;
use crate::Failure;
use crate::config::Settings;

/// The oldest server that the migrations and the tests know.
const OLDEST_POSTGRES: i32 = 150_000;

#[derive(clap::Args)]
pub(super) struct Options {
    /// Logs of the program: the audit heads in them must still be in their chains. Again for each file.
    #[arg(long = "audit-log", value_name = "FILE")]
    audit_logs: Vec<PathBuf>,
}

struct Report {
    failed: usize,
}

impl Report {
    #[expect(clippy::print_stdout, reason = "what the operator asked for")]
    fn line(&mut self, name: &str, found: Result<String, String>) {
        match found {
            Ok(found) => println!("ok      {name}: {found}"),
            Err(found) => {
                self.failed += 1;
                println!("FAILED  {name}: {found}");
            }
        }
    }
}

/// Runs the checks, all of them, and fails when one did.
pub(super) async fn run(settings: &Settings, options: Options) -> Result<(), Failure> {
    let logged =
        options.audit_logs.iter().map(|file| heads_in(file)).collect::<Result<Vec<_>, _>>()?.concat();
    let store = open(settings).await?;
    let failed = |error: store::Error| Failure::failed("the database can not be asked", error);
    let mut report = Report { failed: 0 };

    let checkup = store.checkup().await.map_err(failed)?;
    let version = format!("PostgreSQL {}", checkup.version);
    report.line("server", if checkup.version_number >= OLDEST_POSTGRES { Ok(version) } else { Err(version) });
    let off = checkup.health.not_durable;
    report.line(
        "durability",
        if off.is_empty() {
            Ok("fsync, full_page_writes, synchronous_commit are on".to_owned())
        } else {
            Err(format!("{} off", off.join(", ")))
        },
    );
    report.line("schema", checkup.health.schema.map_or_else(|| Ok("up to date".to_owned()), Err));
    let (error, _) = store.clock().accuracy();
    let clock = format!("known within {} ms", error.as_millis());
    report.line("clock", if error.as_millis() <= 250 { Ok(clock) } else { Err(clock) });
    report.line(
        "audit log grants",
        match checkup.may_rewrite_audit.as_slice() {
            [] => Ok("the program can only add to it".to_owned()),
            roles => Err(format!("role {} may change or remove rows", roles.join(", "))),
        },
    );
    report.line(
        "audit log trigger",
        if checkup.audit_is_guarded {
            Ok("in place".to_owned())
        } else {
            Err("missing or disabled".to_owned())
        },
    );

    for finding in store.look_for_counter_examples().await.map_err(failed)? {
        report.line(finding.promise, finding.counter_example.map_or_else(|| Ok("holds".to_owned()), Err));
    }
    let backlog = store.webhook_backlog().await.map_err(failed)?;
    let oldest = backlog.oldest_millis / 1_000;
    // Reported, and no fault of the database: a receiver may be away.
    report
        .line("webhook backlog", Ok(format!("{} deliveries, the oldest due for {oldest} s", backlog.count)));
    let lag = store.sequence_lag_millis().await.map_err(failed)?;
    report.line("events without a number", Ok(format!("the oldest is {lag} ms old")));

    let (rows, broken) = store.verify_audit(&logged).await.map_err(failed)?;
    if broken.is_empty() {
        let chains = format!("{rows} rows, {} logged heads, unbroken", logged.len());
        report.line("audit chains", Ok(chains));
    }
    for (chain, fault) in broken {
        report.line(&format!("audit chain {}", chain.uuid()), Err(fault.to_string()));
    }
    store.close().await;
    match report.failed {
        0 => Ok(()),
        failed => Err(Failure::Failed(format!("{failed} checks failed"))),
    }
}

/// A line of the log that tells where a chain ends.
#[derive(Deserialize)]
struct HeadLine {
    audit_chain: uuid::Uuid,
    audit_count: i64,
    audit_hash: String,
}

/// The heads in a log; other lines are passed over.
fn heads_in(file: &Path) -> Result<Vec<(Chain, i64, Hash)>, Failure> {
    let unreadable = |error| Failure::failed(&format!("{} can not be read", file.display()), error);
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let mut heads = HashMap::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<HeadLine>(line).ok()) {
        let hash: Option<Hash> = parse_hex(&line.audit_hash);
        let Some(hash) = hash else { continue };
        // The same head is logged each minute until the chain grows.
        heads.insert((line.audit_chain, line.audit_count, hash), Chain::from_uuid(line.audit_chain));
    }
    Ok(heads.into_iter().map(|((_, count, hash), chain)| (chain, count, hash)).collect())
}

fn parse_hex(text: &str) -> Option<Hash> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect();
    let bytes: Vec<u8> =
        digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    bytes.try_into().ok()
}
