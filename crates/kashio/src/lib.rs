//! The program `kashio`: configuration, telemetry and signals; it joins the crates and holds no rule of its own.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the commands, and what they exit with |
//! | [`config`] | the settings: compiled in ← file ← environment |
//! | [`serve`] | a replica of the API, a worker, or both: started and stopped |
//! | [`dev`] | `kashio dev`: everything on one machine, nothing to set up |
//! | `catcher` | what `kashio dev` shows of webhooks |
//! | [`telemetry`] | the log, the metrics |
//!
//! # To add a command
//! A variant of `cli::Command` with its sentence, and an arm in `cli::execute`. It returns a [`Failure`], which
//! becomes one line on stderr and exit code 1 or 2.

mod catcher;
pub mod cli;
pub mod config;
pub mod dev;
pub mod serve;
pub mod telemetry;

/// Requests allocate much, and give it back within a millisecond.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a command ended without having done what it should: one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Wrong usage or configuration: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It failed: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// A failure with its cause, on one line.
    pub fn failed(what: &str, cause: impl std::fmt::Display) -> Failure {
        Failure::Failed(format!("{what}: {}", cause.to_string().replace('\n', " ")))
    }
}

/// Makes ring the one provider of cryptography of this process: for every client and listener, before the first.
pub fn use_ring() {
    // Made twice (tests), it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
