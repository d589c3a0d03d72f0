//! The store against a real Postgres: each test is a story on a database of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can not go on should stop"
)]

mod audit;
mod codes;
mod create;
mod group;
mod idempotency;
mod keys;
mod lists;
mod migrate;
mod races;
mod schema;
mod support;
mod table;
mod tenancy;
mod together;
mod transactions;
mod world;
