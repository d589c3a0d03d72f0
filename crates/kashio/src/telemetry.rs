//! The log and the metrics. The log: one JSON line per request and per duty that did something; for people at a terminal, plain lines.
//! Never in it: keys, bodies, e-mails, phones, documents.

use std::sync::{Arc, LazyLock};

use api::health::Metrics;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON on stdout, for collectors.
    Json,
    /// Plain on stderr, for people.
    Plain,
    /// Warnings and errors only, where a test's output goes.
    Test,
}

/// Begins logging. `RUST_LOG` chooses what; by default what is worth knowing.
pub fn start(format: Format) {
    let usual = if format == Format::Test { "warn,sqlx=error" } else { "info,sqlx=warn,actix_server=warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // Started twice (tests), the first one stays.
    let _ = match format {
        Format::Json => builder.json().flatten_event(true).try_init(),
        Format::Test => builder.compact().with_test_writer().try_init(),
        Format::Plain => builder.compact().with_writer(std::io::stderr).try_init(),
    };
}

/// Buckets of durations, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What `/metrics` shows. One recorder serves the whole process.
pub fn metrics() -> Metrics {
    static HANDLE: LazyLock<Option<PrometheusHandle>> = LazyLock::new(|| {
        let durations = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(durations, &SECONDS).ok()?;
        builder.install_recorder().ok()
    });
    let handle = HANDLE.clone();
    Metrics(Arc::new(move || {
        let Some(handle) = &handle else { return String::new() };
        handle.run_upkeep();
        handle.render()
    }))
}
