//! The commands of the operator's contract, and what they exit with: 0 done, 1 failed, 2 wrong usage or
//! configuration, with one clear line on stderr.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

mod config;
mod doctor;
mod keys;
mod listen;

use clap::{Parser, Subcommand};
use store::Store;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Settings, load};
use crate::telemetry::{self, Format};
use crate::{Failure, dev, serve};

/// KashIO Payments: collects money in Peru.
#[derive(Parser)]
#[command(name = "kashio", version, about = "KashIO Payments: collects money in Peru.")]
struct Cli {
    /// A TOML file that goes over the compiled-in settings.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Everything on one machine, nothing to set up (the default).
    Dev(dev::Options),
    /// The API.
    Serve,
    /// The worker: numbers events, delivers webhooks, sweeps.
    Work,
    /// Both.
    Run,
    /// Forward events to a URL on this machine, signed.
    Listen(listen::Options),
    /// The schema.
    #[command(subcommand)]
    Migrate(Migrate),
    /// Merchants' accounts.
    #[command(subcommand)]
    Account(keys::AccountCommand),
    /// Merchants' API keys.
    #[command(subcommand)]
    Key(keys::KeyCommand),
    /// Keys of services inside: the console and the banks' connectors.
    #[command(subcommand)]
    ServiceKey(keys::ServiceKeyCommand),
    /// The configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Is everything as it should be?
    Doctor(doctor::Options),
}

#[derive(Subcommand)]
enum Migrate {
    /// Apply what is missing, a line each.
    Up,
    /// Show what would run and what it locks; nothing is changed.
    Plan,
    /// Check the schema against this program.
    Verify,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    crate::use_ring();
    let cli = Cli::parse();
    let outcome = Runtime::new()
        .map_err(|error| Failure::failed("no runtime", error))
        .and_then(|runtime| runtime.block_on(execute(cli)));
    telemetry::finish();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("kashio: {failure}");
            ExitCode::from(match failure {
                Failure::Failed(_) => 1,
                Failure::Usage(_) => 2,
            })
        }
    }
}

/// The store for a command of the operator: two connections, no groups, and nothing is unsealed.
async fn open(settings: &Settings) -> Result<Store, Failure> {
    let connect = settings.database()?;
    let settings =
        store::Settings { connect, connections: 2, group_connections: 0, sealer: Default::default() };
    let opened = Store::open(settings).await;
    opened.map_err(|error| Failure::failed("the database can not be reached", error))
}

async fn execute(cli: Cli) -> Result<(), Failure> {
    let file = cli.config.as_deref();
    let command = match cli.command.unwrap_or_else(|| Command::Dev(dev::Options::default())) {
        // What is wrong is shown too.
        Command::Config(command) => return config::run(file, command),
        // A client of the API: it needs no settings of the service.
        Command::Listen(options) => return listen::run(options).await,
        command => command,
    };
    let settings = load(file)?;
    match command {
        Command::Dev(options) => dev::run(settings, options).await,
        Command::Serve => serve(settings, false).await,
        Command::Run => serve(settings, true).await,
        Command::Work => work(settings).await,
        Command::Migrate(Migrate::Up) => migrate_up(&settings).await,
        Command::Migrate(Migrate::Plan) => migrate_plan(&settings).await,
        Command::Migrate(Migrate::Verify) => migrate_verify(&settings).await,
        Command::Account(command) => keys::account(&settings, command).await,
        Command::Key(command) => keys::key(&settings, command).await,
        Command::ServiceKey(command) => keys::service_key(&settings, command).await,
        Command::Doctor(options) => doctor::run(&settings, options).await,
        Command::Config(command) => config::run(file, command),
        Command::Listen(options) => listen::run(options).await,
    }
}

async fn work(settings: Settings) -> Result<(), Failure> {
    telemetry::start(Format::Json);
    let working = serve::work(&settings).await?;
    tracing::info!(management = %working.management, "working");
    stop_signal().await?;
    tokio::select! {
        () = working.stop() => Ok(()),
        again = stop_signal() => again.and(Err(stopped_at_once())),
    }
}

async fn serve(settings: Settings, works: bool) -> Result<(), Failure> {
    telemetry::start(Format::Json);
    let mut running = serve::start(&settings).await?;
    if works {
        running.add_worker(&settings)?;
    }
    tracing::info!(public = %running.public, internal = %running.internal, management = %running.management, "serving on {}", running.public);
    stop_signal().await?;
    stop(running, Duration::from_secs(settings.shutdown.lame_duck_seconds)).await
}

/// Stops in good order; a second signal means now.
pub(crate) async fn stop(running: serve::Running, lame_duck: Duration) -> Result<(), Failure> {
    tokio::select! {
        () = running.stop(lame_duck) => Ok(()),
        again = stop_signal() => again.and(Err(stopped_at_once())),
    }
}

fn stopped_at_once() -> Failure {
    Failure::Failed("stopped at once by a second signal".to_owned())
}

#[expect(clippy::print_stdout, reason = "what the operator asked to see")]
async fn migrate_up(settings: &Settings) -> Result<(), Failure> {
    let connect = settings.migrate_database()?;
    store::migrate::up(&connect, |applied| {
        println!("applied {} {} in {} ms", applied.version, applied.description, applied.took.as_millis());
    })
    .await
    .map_err(|error| Failure::failed("migrate up", error))?;
    println!("the schema is up to date");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what the operator asked to see")]
async fn migrate_plan(settings: &Settings) -> Result<(), Failure> {
    let planned = store::migrate::plan(&settings.migrate_database()?).await;
    let planned = planned.map_err(|error| Failure::failed("migrate plan", error))?;
    for migration in &planned {
        let how =
            if migration.in_transaction { "in one transaction" } else { "by itself, outside a transaction" };
        println!("{} {}, {how}", migration.version, migration.description);
        for step in &migration.steps {
            println!("    {}", step.statement);
            println!("        locks {}", step.locks.as_deref().unwrap_or("nothing that is in use"));
        }
    }
    match planned.len() {
        0 => println!("the schema is up to date: nothing would run"),
        1 => println!("1 migration would run"),
        several => println!("{several} migrations would run"),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what the operator asked to see")]
async fn migrate_verify(settings: &Settings) -> Result<(), Failure> {
    let found = store::migrate::verify(&settings.migrate_database()?).await;
    let found = found.map_err(|error| Failure::failed("migrate verify", error))?;
    if found.is_empty() {
        println!(
            "the schema is the one that this program was built for ({})",
            store::migrate::schema_number()
        );
        return Ok(());
    }
    for line in &found {
        println!("{line}");
    }
    Err(Failure::Failed(format!("migrate verify: {} differences", found.len())))
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn stop_signal() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::failed("signals", error));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
