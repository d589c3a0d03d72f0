//! The internal API: what KCMS, the web console, may do. It has a listener of its own, and none of its routes exists
//! on the public one (internal API document).
//!
//! | module | holds |
//! |---|---|
//! | [`console`] | who calls: a service key, its role, the operator behind it |
//! | [`collector`], [`collections`], [`channels`] | what banks' connectors call, and which banks there are |
//! | [`accounts`], [`keys`], [`service_keys`], [`audit`] | the handlers |
//! | [`support`] | the search box, the timeline, and what two people decide about unapplied money |
//! | [`routes`] | the list of routes, merchants' routes on an account's behalf among them |
//!
//! # To add a route
//! As for merchants (`crate`), in [`routes::all`]. A handler that reads takes a [`console::Console`]; one that writes
//! goes through [`console::Console::write`] and says what it did, which is audited with it.

pub mod accounts;
pub mod audit;
pub mod channels;
pub mod collections;
pub mod collector;
pub mod console;
pub mod keys;
pub mod routes;
pub mod service_keys;
pub mod support;
