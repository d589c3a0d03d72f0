//! The service among faults: real processes behind a real balancer, a Postgres that loses nothing it has confirmed,
//! and whatever can break between them broken on purpose. Each story has one kind of fault, a client that remembers
//! everything it was told ([`client`]), and a checker that compares this with the API and with SQL ([`checker`]).
//!
//! ```text
//! client ──► haproxy ──► 4 × kashio serve ──► wire ──► postgres
//!                            kashio work  ────┘ (latency, black holes, resets, swallowed answers)
//! ```
//!
//! Each story has a short form, for every day, and a long one: `KASHIO_LONG=1`, which `bench/faults/run` runs on a
//! release build. One story at a time: they kill what others would need.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can not go on should stop"
)]
#![allow(unreachable_pub, reason = "a test program has no outside")]

mod api_killed;
mod balancer;
mod checker;
mod checker_sees;
mod client;
mod commits_lost;
mod editions;
mod ground;
mod migrations;
mod overload;
mod postgres_killed;
mod program;
#[path = "../it/receiver.rs"]
#[allow(dead_code, reason = "shared with other stories; these need a part of it")]
mod receiver;
mod rolling;
mod wire;
mod wire_broken;
mod worker_killed;

use std::io::Write as _;

/// Says what a story measured, also when it went well and its other words are not shown.
pub fn tell(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// What is so in the short form, and in the long one.
pub fn either<T>(short: T, long: T) -> T {
    if std::env::var_os("KASHIO_LONG").is_some_and(|value| value == "1") { long } else { short }
}

/// A seed, which is printed; `KASHIO_SEED` gives one back.
pub fn seed() -> u64 {
    let given = std::env::var("KASHIO_SEED").ok().map(|seed| seed.parse().expect("KASHIO_SEED is a number"));
    given.unwrap_or_else(|| u64::from(rand::random::<u32>()))
}
