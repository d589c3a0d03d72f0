//! A private Postgres for `kashio dev` and for the tests, on a machine where nothing is set up.
//!
//! [`Cluster::start`] finds the Postgres programs ([`Search`] has the order), makes a cluster in a
//! folder once, and runs it on a free port of 127.0.0.1. What a killed process left running is
//! adopted by the next start. With feature `testing`, [`testing::database`] gives each test its own
//! database on one shared cluster. None of this is for production.
//!
//! In the folder handed to [`Cluster::start`]:
//! `postgres/` the cluster (0700), `postgres.password` (0600), `postgres.port`, `postgres.log`,
//! `postgres.lock` (held while starting and stopping), `postgres.users` (held, shared, by every
//! running [`Cluster`]), and `postgres.location` when the first four live elsewhere.

mod cluster;
mod error;
mod fetch;
mod files;
mod home;
mod search;
mod server;
pub mod shared;
#[cfg(feature = "testing")]
pub mod testing;
mod tools;

pub use cluster::{Cluster, Durability};
pub use error::Error;
pub use search::Search;
