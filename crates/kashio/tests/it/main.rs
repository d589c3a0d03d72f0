//! The whole service, tried from outside: real listeners on free ports, a database of its own per test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can not go on should stop"
)]
#![allow(unreachable_pub, reason = "a test program has no outside")]

mod bad_input;
mod contract;
mod corpora;
mod docs;
mod exactly_once;
mod front_door;
mod inside;
mod keys;
mod lists;
mod operator;
mod resets;
mod samples;
mod starting;
mod strangers;
mod updates;
mod world;
