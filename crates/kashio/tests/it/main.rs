//! The whole service, tried from outside: real listeners on free ports, a database of its own per test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can not go on should stop"
)]
#![allow(unreachable_pub, reason = "a test program has no outside")]

mod acks;
mod bad_input;
mod bank;
mod bank_histories;
mod canaries;
mod claims;
mod collections;
mod configuration;
mod contract;
mod corpora;
mod deploy;
mod docs;
mod doctor;
mod exactly_once;
mod feed;
mod front_door;
mod https;
mod inside;
mod invariants;
mod keys;
mod keys_under_load;
mod listening;
mod lists;
mod machine;
mod money_races;
mod money_under_load;
mod operator;
mod own_tls;
mod pay_page;
mod program;
mod receiver;
mod replica;
mod resets;
mod samples;
mod security_events;
mod starting;
mod strangers;
mod support;
mod sweep;
#[cfg(feature = "otel")]
mod traces;
mod updates;
mod webhooks;
mod webhooks_under_load;
mod world;
