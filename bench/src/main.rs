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
//! the other; what counts is the median over the rounds. A round does not count when other programs took 15 points more of the
//! machine in one half than in the other, and nothing is told when rows, events and answers are not equally many.
//!
//! # To add a row to the table
//! A variant of [`Row`] with its line in [`Row::of`], and, when it asks for something new, a variant of [`load::Ask`].

#![allow(clippy::float_arithmetic, reason = "rates and ratios; nothing here is money")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod auth;
mod collections;
mod cpu;
mod ground;
mod guesses;
mod hot;
mod life;
mod load;
mod pgbench;
mod plot;
mod report;
mod sink;
mod sizes;
mod webhooks;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::cpu::{Usage, used_by};
use crate::ground::Ground;
use crate::load::Ask;
use crate::pgbench::Script;
use crate::report::{Figure, Measured};

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
    /// Creates at a given pace: their p99, against P's.
    Latency,
    /// What the check of a known key takes of a read.
    Auth,
    /// A merchant's reads while strangers guess at keys, against the same without.
    WrongKeys,
    /// What banks ask and pay, at half of what the service can take.
    Collections,
    /// Webhooks: how many, how soon, and whom they disturb.
    Webhooks,
    /// Memory, and the time from the start to the first answer.
    Life,
    /// Calls one of the functions that every request goes through, so that its instructions can be counted; without a name
    /// it tells their names.
    Hot {
        /// Which.
        name: Option<String>,
        /// How often.
        #[arg(long, default_value_t = 1_000)]
        times: u32,
    },
    /// Lists and creates among many invoices, against the same among ten thousand. Not a part of `all`.
    Sizes {
        /// So many invoices.
        #[arg(long, default_value_t = 1_000_000)]
        rows: u32,
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
            Ask::List | Ask::After(_) => ("list", Script::L),
        };
        // The crowd is compared with what Postgres does best.
        Row { name: format!("{name}_{clients}"), ask, clients, script, script_clients: clients.min(64) }
    }
}

/// A number as a part of another, for people.
fn ratio(part: usize, whole: f64) -> f64 {
    f64::from(u32::try_from(part).unwrap_or(u32::MAX)) / whole
}

fn main() -> ExitCode {
    // The service is this program by another name, so that one build measures what it has built.
    if std::env::args_os().next().is_some_and(|name| name == "kashio") {
        return kashio::cli::run();
    }
    let options = Options::parse();
    if let What::Hot { name, times } = &options.what {
        return hot(name.as_deref(), *times);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bench: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(measure(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Calls one function so often, or tells the names of all.
fn hot(name: Option<&str>, times: u32) -> ExitCode {
    let all = hot::all().unwrap_or_default();
    let Some(name) = name else {
        all.iter().for_each(|hot| println!("{}", hot.name));
        return ExitCode::SUCCESS;
    };
    let Some(hot) = all.iter().find(|hot| hot.name == name) else {
        eprintln!("bench: {name} is none of the functions; `bench hot` tells their names");
        return ExitCode::FAILURE;
    };
    (0..times).for_each(|_| (hot.call)());
    ExitCode::SUCCESS
}

async fn measure(options: Options) -> Outcome<()> {
    let (rounds, time) = (options.rounds, Duration::from_secs(options.seconds));
    let all = matches!(options.what, What::All);
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
        What::Latency
        | What::Auth
        | What::WrongKeys
        | What::Collections
        | What::Webhooks
        | What::Life
        | What::Hot { .. }
        | What::Sizes { .. } => Vec::new(),
    };
    let measured = if rows.is_empty() { Vec::new() } else { compare(&rows, &options).await? };
    let mut figures: Vec<Figure> = measured.iter().flat_map(Measured::figures).collect();
    if all || matches!(options.what, What::Latency) {
        figures.push(latency(&options).await?);
    }
    if all || matches!(options.what, What::Auth) {
        figures.push(auth::measure(rounds, time).await?);
    }
    if all || matches!(options.what, What::WrongKeys) {
        figures.push(guesses::measure(rounds, time).await?);
    }
    if all || matches!(options.what, What::Collections) {
        figures.extend(collections::measure(rounds, time).await?);
    }
    if all || matches!(options.what, What::Webhooks) {
        figures.push(webhooks::rate(rounds, time).await?);
        figures.extend(webhooks::latency(200).await?);
        figures.push(webhooks::creates(rounds, time, 64).await?);
        figures.push(webhooks::dead_endpoint(rounds).await?);
    }
    if all || matches!(options.what, What::Life) {
        figures.extend(life::measure(rounds).await?);
    }
    if let What::Sizes { rows } = options.what {
        figures.extend(sizes::measure(rows, rounds, time).await?);
    }
    let group = options.group_connections.map_or("as configured".to_owned(), |many| many.to_string());
    report::write(
        &measured,
        figures,
        &format!("{rounds} rounds of {} s, group connections {group}", options.seconds),
    )
}

/// Round by round, a reference and what is compared with it, one after the other.
async fn compare(rows: &[Row], options: &Options) -> Outcome<Vec<Measured>> {
    let mut ground = Ground::lay("serve", options.group_connections).await?;
    let time = Duration::from_secs(options.seconds);
    let mut measured: Vec<Measured> = rows.iter().map(|row| Measured::new(&row.name)).collect();
    for round in 1..=options.rounds {
        for (row, measured) in rows.iter().zip(&mut measured) {
            if row.ask == Ask::Replay && round == 1 {
                // There is something to repeat.
                load::run(&ground, Ask::Replay, row.clients, time).await?;
                ground.recount().await?;
            }
            let before = Usage::now(&ground)?;
            let reference = ground.pgbench(row.script, row.script_clients, time, None).await?;
            let theirs_used = Usage::now(&ground)?.since(&before);
            let (ours, used) = used_by(&ground, load::run(&ground, row.ask, row.clients, time)).await?;
            let created = if row.ask == Ask::Create { ours.answered } else { 0 };
            ground.must_add_up(created).await?;
            let line = measured.add(&reference, &ours, &theirs_used, &used);
            println!("round {round} of {}: {line}", options.rounds);
        }
    }
    Ok(measured)
}

/// Creates that come at half of what P can do, whether the earlier ones are answered or not: their p99 ÷ P's at the same
/// pace.
async fn latency(options: &Options) -> Outcome<Figure> {
    let mut ground = Ground::lay("serve", options.group_connections).await?;
    let time = Duration::from_secs(options.seconds);
    let pace = ground.pgbench(Script::P, 64, time, None).await?.rate() / 2.0;
    let mut figure = Figure::new("create_open_p99", "");
    for round in 1..=options.rounds {
        let before = Usage::now(&ground)?;
        let reference = ground.pgbench(Script::P, 64, time, Some(pace)).await?.percentile(990);
        let theirs = Usage::now(&ground)?.since(&before);
        let (ours, used) = used_by(&ground, load::run_open(&ground, Ask::Create, 64, pace, time)).await?;
        ground.must_add_up(ours.answered).await?;
        let ours = ours.percentile(990);
        let remark = figure.add_unless_spoilt(ours.as_secs_f64() / reference.as_secs_f64(), [&theirs, &used]);
        println!(
            "round {round} of {}: {pace:.0}/s, p99 {:.1} ms, P's {:.1} ms{remark}",
            options.rounds,
            ours.as_secs_f64() * 1e3,
            reference.as_secs_f64() * 1e3
        );
    }
    Ok(figure)
}
