//! HTTP in: who calls, what is asked, what is answered.
//!
//! | module | holds |
//! |---|---|
//! | [`routes`] | the list of routes, from which the server is built and the tests are made |
//! | [`door`] | what happens to every request: its id, HTTPS, keys in URLs, headers, the log line |
//! | [`call`], [`incoming`] | a request whose caller is known, and what can be asked of it |
//! | [`headers`] | reading the headers that decide something |
//! | [`keys`], [`security`] | verifying keys: the cache, the hashing, their bounds; what is told of their misuse |
//! | [`limits`] | requests at once, requests a second |
//! | [`problem`] | every way a request can fail, and its answer |
//! | [`reply`] | every other answer |
//! | [`invoices`], [`payments`], [`events`], [`webhooks`], [`account`] | the handlers |
//! | [`feed`] | waiting for events |
//! | [`test_mode`] | merchants play the bank |
//! | [`internal`] | the API of the console, on a listener of its own |
//! | [`pay`] | the payment page |
//! | [`openapi`], [`docs`] | what the API says of itself, as a document and as a page |
//! | [`listen`], [`health`] | the servers: public, internal, management |
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
pub mod events;
pub mod feed;
pub mod headers;
pub mod health;
pub mod incoming;
pub mod internal;
pub mod invoices;
pub mod keys;
pub mod limits;
pub mod listen;
pub mod openapi;
pub mod pay;
pub mod payments;
pub mod problem;
pub mod reply;
pub mod routes;
pub mod security;
pub mod test_mode;
pub mod webhooks;

use std::sync::Arc;

use domain::account::RateLimit;
use domain::endpoint::Targets;
use ipnet::IpNet;
use store::Store;

use docs::Documentation;
use feed::Feeds;
use keys::Keys;
use limits::{Gate, Limits};

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
    /// Where webhooks may be posted to.
    pub targets: Targets,
}

/// Which listener a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Merchants', on the internet.
    Public,
    /// The console's and the connectors'.
    Internal,
}

/// Everything that a handler can reach. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// Which listener this is for.
    pub surface: Surface,
    /// The database.
    pub store: Store,
    /// The verified keys.
    pub keys: Arc<Keys>,
    /// The settings.
    pub settings: Arc<Settings>,
    /// Requests at once.
    pub gate: Gate,
    /// Requests a second.
    pub limits: Arc<Limits>,
    /// Who waits for events.
    pub feeds: Arc<Feeds>,
    /// What is served to whoever wants to read.
    pub documentation: Arc<Documentation>,
}

impl Api {
    /// Joins the parts of the public API. `requests` is how many may be served at once.
    pub fn new(store: Store, settings: Settings, requests: usize, limit: RateLimit) -> Api {
        Api {
            surface: Surface::Public,
            keys: Arc::new(Keys::new(store.clone())),
            store,
            settings: Arc::new(settings),
            gate: Gate::new(requests),
            limits: Arc::new(Limits::new(limit)),
            feeds: Arc::default(),
            documentation: Arc::default(),
        }
    }

    /// The same for the internal listener: with its own rule about HTTPS and its own places, so that merchants can
    /// not crowd it out; its links are relative.
    pub fn internal(&self, require_https: bool, trusted_proxies: Vec<IpNet>) -> Api {
        let settings = Settings {
            public_url: String::new(),
            require_https,
            trusted_proxies,
            ..Settings::clone(&self.settings)
        };
        let gate = Gate::new(INTERNAL_REQUESTS);
        Api { surface: Surface::Internal, settings: Arc::new(settings), gate, ..self.clone() }
    }
}

/// Internal requests at once.
const INTERNAL_REQUESTS: usize = 256;
