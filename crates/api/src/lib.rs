//! HTTP in: who calls, what is asked, what is answered.
//!
//! | module | holds |
//! |---|---|
//! | [`routes`] | the list of routes, from which the server is built and the tests are made |
//! | [`door`] | what happens to every request: its id, HTTPS, keys in URLs, headers, the log line |
//! | [`call`] | a request whose caller is known, and what can be asked of it |
//! | [`headers`] | reading the headers that decide something |
//! | [`keys`] | verifying keys: the cache, the hashing, their bounds |
//! | [`problem`] | every way a request can fail, and its answer |
//! | [`reply`] | every other answer |
//! | [`invoices`], [`account`] | the handlers |
//! | [`openapi`], [`docs`] | what the API says of itself, as a document and as a page |
//! | [`listen`], [`health`] | the servers: public, and management |
//!
//! # To add a route
//! 1. A handler of five to ten lines: `async fn (call: Call<Scope>) -> Result<Reply, Problem>`. The type of
//!    the call says which scope a key needs; nothing in the body checks it again.
//! 2. One line in [`routes::all`]. The test that meets every route with every stranger picks it up there, and
//!    fails until it knows how to call it.
//! 3. What it is for, takes and answers, in `openapi::operations`; a test fails until it is there. Then the copy for
//!    clients: `KASHIO_WRITE_SNAPSHOTS=1 cargo test --package api openapi`.
//! 4. Anything that writes goes through `Store::once` with `call.claim(…)`.

pub mod account;
pub mod call;
pub mod docs;
pub mod door;
pub mod headers;
pub mod health;
pub mod invoices;
pub mod keys;
pub mod listen;
pub mod openapi;
pub mod problem;
pub mod reply;
pub mod routes;

use std::sync::Arc;

use ipnet::IpNet;
use store::Store;

use docs::Documentation;
use keys::Keys;

/// What the listeners need to know beside the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address that our own links begin with, without a slash at its end.
    pub public_url: String,
    /// The same for the payment page.
    pub page_url: String,
    /// Where merchants write for help.
    pub support_email: String,
    /// Plain HTTP is refused. `false` (for `kashio dev`) allows it from loopback only.
    pub require_https: bool,
    /// Networks whose `X-Forwarded-Proto` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins that browsers may call from; empty: any.
    pub cors_origins: Vec<String>,
}

/// Everything that a handler can reach. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// The database.
    pub store: Store,
    /// The verified keys.
    pub keys: Arc<Keys>,
    /// The settings.
    pub settings: Arc<Settings>,
    /// What is served to whoever wants to read.
    pub documentation: Arc<Documentation>,
}

impl Api {
    /// Joins the parts.
    pub fn new(store: Store, settings: Settings) -> Api {
        let keys = Arc::new(Keys::new(store.clone()));
        Api { store, keys, settings: Arc::new(settings), documentation: Arc::default() }
    }
}
