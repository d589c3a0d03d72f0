//! The management listener: is this process alive, is it ready. Not for merchants, never public.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use serde::Serialize;
use store::Store;

/// How old the newest answer of the database may be.
const ANSWER_AGE: Duration = Duration::from_secs(5);
/// How far the clock may be from the database's.
const CLOCK_ERROR: Duration = Duration::from_millis(250);

/// What is known about this process's readiness; asking never waits.
#[derive(Clone)]
pub struct Readiness {
    store: Store,
    production: bool,
    looked: Arc<Mutex<Looked>>,
}

struct Looked {
    answered: Option<Instant>,
    schema: Option<String>,
    not_durable: Vec<String>,
    stopping: bool,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    reasons: Vec<String>,
}

impl Readiness {
    /// Not ready until the first look. In production, a database without its durability settings is no
    /// reason to start.
    pub fn new(store: Store, production: bool) -> Readiness {
        let looked = Looked { answered: None, schema: None, not_durable: Vec::new(), stopping: false };
        Readiness { store, production, looked: Arc::new(Mutex::new(looked)) }
    }

    /// The store that it looks at.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Looks at the database and samples its clock. The program does so once a second.
    pub async fn look(&self) {
        let clock = self.store.sample_clock().await;
        let health = self.store.health().await;
        if let (Ok(()), Ok(health)) = (clock, health) {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            looked.answered = Some(Instant::now());
            looked.schema = health.schema;
            looked.not_durable = health.not_durable;
        }
    }

    /// From now on not ready: the load balancer should send its requests elsewhere.
    pub fn stop(&self) {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).stopping = true;
    }

    /// Why it is not ready; empty when it is.
    pub fn reasons(&self) -> Vec<String> {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reasons = Vec::new();
        if looked.stopping {
            reasons.push("stopping".to_owned());
        }
        if looked.answered.is_none_or(|answered| answered.elapsed() > ANSWER_AGE) {
            reasons.push("the database did not answer within 5 s".to_owned());
        }
        reasons.extend(looked.schema.clone());
        if self.production {
            reasons.extend(looked.not_durable.iter().map(|setting| format!("{setting} is off")));
        }
        let (error, _) = self.store.clock().accuracy();
        if error > CLOCK_ERROR {
            reasons.push("the clock is not known within 250 ms".to_owned());
        }
        reasons
    }
}

/// What `/metrics` shows: the program's own, in Prometheus' text format.
#[derive(Clone)]
pub struct Metrics(pub Arc<dyn Fn() -> String + Send + Sync>);

async fn metrics(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body((metrics.0)())
}

/// Puts `/livez`, `/readyz` and `/metrics` into an application.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/livez", web::get().to(livez))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics));
}

async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(Report { status: "ok", reasons: Vec::new() })
}

async fn readyz(readiness: web::Data<Readiness>) -> HttpResponse {
    let reasons = readiness.reasons();
    if reasons.is_empty() {
        HttpResponse::Ok().json(Report { status: "ready", reasons })
    } else {
        HttpResponse::ServiceUnavailable().json(Report { status: "not ready", reasons })
    }
}
