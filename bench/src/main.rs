//! How fast the service is, as a ratio to what the same Postgres does on the same machine in the same minutes.
//!
//! ```sh
//! cargo run --release -p bench -- all
//! cargo run --release -p bench -- create --clients 64
//! ```
//!
//! It starts a durable Postgres of its own, migrates it, opens one invoice over HTTP and builds the references from that
//! row: **P** (`begin`, the invoice, its event and the saved answer, `commit`), **K** (one invoice by its key) and **L** (the
//! newest 20), run by pgbench with prepared statements. Each round runs a reference and what is compared with it one after
//! the other; what counts is the median over the rounds. A ratio is not told when other programs took 15 points more of the
//! machine in one half than in the other, nor when rows, events and answers are not equally many.
//!
//! # To add a row to the table
//! A variant of [`Row`] with its line in [`Row::of`], and, when it asks for something new, a variant of [`load::Ask`].

#![allow(clippy::float_arithmetic, reason = "rates and ratios; nothing here is money")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod cpu;
mod ground;
mod load;
mod pgbench;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::cpu::Usage;
use crate::ground::Ground;
use crate::load::Ask;
use crate::pgbench::Script;
use crate::report::Measured;

/// Whatever stops a measurement: one line for whoever runs it.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures the service against its own Postgres.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    what: What,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 5, global = true)]
    rounds: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4, global = true)]
    seconds: u64,
    /// `database.group_connections` of the service; 0 commits each create by itself.
    #[arg(long, global = true)]
    group_connections: Option<u32>,
}

#[derive(Subcommand)]
enum What {
    /// Every row of the table.
    All,
    /// `POST /invoices`, against P.
    Create {
        /// Connections.
        #[arg(long, default_value_t = 64)]
        clients: usize,
    },
    /// The same request with the same key again, against K.
    Replay {
        /// Connections.
        #[arg(long, default_value_t = 64)]
        clients: usize,
    },
    /// `GET /invoices/{id}`, against K.
    Get {
        /// Connections.
        #[arg(long, default_value_t = 64)]
        clients: usize,
    },
    /// The newest 20, against L.
    List {
        /// Connections.
        #[arg(long, default_value_t = 64)]
        clients: usize,
    },
}

/// What is compared with what.
struct Row {
    name: String,
    ask: Ask,
    clients: usize,
    script: Script,
    script_clients: usize,
}

impl Row {
    fn of(ask: Ask, clients: usize) -> Row {
        let (name, script) = match ask {
            Ask::Create => ("create", Script::P),
            Ask::Replay => ("replay", Script::K),
            Ask::Get => ("get", Script::K),
            Ask::List => ("list", Script::L),
        };
        // The crowd is compared with what Postgres does best.
        Row { name: format!("{name}_{clients}"), ask, clients, script, script_clients: clients.min(64) }
    }
}

fn main() -> ExitCode {
    // The service is this program by another name, so that one build measures what it has built.
    if std::env::args_os().next().is_some_and(|name| name == "kashio") {
        return kashio::cli::run();
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bench: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(measure(Options::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: Options) -> Outcome<()> {
    let rows = match options.what {
        What::Create { clients } => vec![Row::of(Ask::Create, clients)],
        What::Replay { clients } => vec![Row::of(Ask::Replay, clients)],
        What::Get { clients } => vec![Row::of(Ask::Get, clients)],
        What::List { clients } => vec![Row::of(Ask::List, clients)],
        What::All => {
            let creates = [1, 16, 64, 256].map(|clients| Row::of(Ask::Create, clients));
            let reads = [Ask::Replay, Ask::Get, Ask::List].map(|ask| Row::of(ask, 64));
            creates.into_iter().chain(reads).collect()
        }
    };
    let mut ground = Ground::lay(options.group_connections).await?;
    let time = Duration::from_secs(options.seconds);
    let mut measured: Vec<Measured> = rows.iter().map(|row| Measured::new(&row.name)).collect();
    for round in 1..=options.rounds {
        for (row, measured) in rows.iter().zip(&mut measured) {
            let before = Usage::now(&ground)?;
            let reference = ground.pgbench(row.script, row.script_clients, time).await?;
            let between = Usage::now(&ground)?;
            let ours = load::run(&ground, row.ask, row.clients, time).await?;
            let after = Usage::now(&ground)?;
            if row.ask == Ask::Create {
                ground.must_add_up(ours.answered).await?;
            }
            let line = measured.add(&reference, &ours, &between.since(&before), &after.since(&between));
            println!("round {round} of {}: {line}", options.rounds);
        }
    }
    let group = options.group_connections.map_or("as configured".to_owned(), |many| many.to_string());
    report::write(
        &measured,
        &format!("{} rounds of {} s, group connections {group}", options.rounds, options.seconds),
    )
}
