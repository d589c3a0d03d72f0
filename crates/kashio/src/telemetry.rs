//! The log and the metrics. The log: one JSON line per request and per duty that did something; for people at a terminal, plain lines.
//! Never in it: keys, bodies, e-mails, phones, documents.

use std::sync::{Arc, LazyLock};

use api::health::Metrics;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

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
    let registry = tracing_subscriber::registry().with(filter).with(what_others_may_say());
    #[cfg(feature = "otel")]
    let registry = registry.with(traces::layer());
    let layer = fmt::layer().with_target(false);
    // Spans are for traces: a line says all of its own. Where nobody traces, none is opened: they were a tenth of a read.
    let json = || {
        let lines = fmt::layer().with_target(false).json().flatten_event(true);
        let lines = lines.with_current_span(false).with_span_list(false);
        lines.with_filter(filter_fn(|said| said.is_event()))
    };
    // Started twice (tests), the first one stays.
    let _ = match format {
        Format::Json => registry.with(json()).try_init(),
        Format::Test => registry.with(layer.compact().with_test_writer()).try_init(),
        Format::Plain => registry.with(layer.compact().with_writer(std::io::stderr)).try_init(),
    };
}

/// Sends what has been gathered of traces, before the program ends.
pub fn finish() {
    #[cfg(feature = "otel")]
    traces::finish();
}

/// Traces by OTLP over HTTP, to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names; without it there are none.
#[cfg(feature = "otel")]
mod traces {
    use std::sync::OnceLock;

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::SpanExporter;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
    use tracing::Subscriber;
    use tracing_opentelemetry::OpenTelemetryLayer;
    use tracing_subscriber::registry::LookupSpan;

    static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

    pub(super) fn layer<S>() -> Option<OpenTelemetryLayer<S, SdkTracer>>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        let exporter = SpanExporter::builder().with_http().build();
        let exporter = exporter.inspect_err(|error| eprintln!("kashio: no traces: {error}")).ok()?;
        let provider = PROVIDER.get_or_init(|| {
            let resource = Resource::builder().with_service_name("kashio").build();
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()
        });
        // The log has the events; where the code stands is nobody's business.
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("kashio"));
        Some(layer.with_location(false).with_threads(false))
    }

    pub(super) fn finish() {
        if let Some(provider) = PROVIDER.get() {
            // Nobody is left to be told.
            let _ = provider.shutdown();
        }
    }
}

/// Libraries print bytes of requests where they debug themselves: below `info` only our own crates are heard, whatever
/// `RUST_LOG` says.
fn what_others_may_say() -> Targets {
    let ours = ["api", "domain", "kashio", "postgres_dev", "store", "wire", "worker"];
    let ours = ours.map(|name| (name, LevelFilter::TRACE));
    Targets::new().with_default(LevelFilter::INFO).with_targets(ours)
}

/// Buckets of durations, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What kind of figure a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations, in buckets.
    Histogram,
}

/// Every metric of the operator's contract: name, kind, labels, and its sentence.
pub const METRICS: [(&str, Kind, &[&str], &str); 17] = [
    (
        "kashio_http_requests_total",
        Kind::Counter,
        &["route", "method", "status"],
        "Requests that were answered, by the route's pattern.",
    ),
    (
        "kashio_http_request_duration_seconds",
        Kind::Histogram,
        &["route"],
        "From a request's head to its answer; waiting for events included.",
    ),
    (
        "kashio_transactions_total",
        Kind::Counter,
        &["name", "outcome"],
        "Database work: done, refused by its own rules, failed, or lost and run again.",
    ),
    (
        "kashio_transaction_duration_seconds",
        Kind::Histogram,
        &["name"],
        "From its begin to its end, all runs together.",
    ),
    ("kashio_db_pool_connections", Kind::Gauge, &[], "Connections for requests that are open."),
    ("kashio_db_pool_idle", Kind::Gauge, &[], "Those of them that nobody uses."),
    ("kashio_db_pool_max", Kind::Gauge, &[], "Connections for requests that there may be."),
    (
        "kashio_key_verifications_total",
        Kind::Counter,
        &["result"],
        "Keys that were looked at: accepted, refused, limited, unavailable.",
    ),
    ("kashio_argon2_inflight", Kind::Gauge, &[], "Keys that are being hashed now."),
    (
        "kashio_event_sequence_lag_seconds",
        Kind::Gauge,
        &[],
        "Age of the oldest event that has no number, and so is told to nobody.",
    ),
    (
        "kashio_webhook_attempts_total",
        Kind::Counter,
        &["outcome"],
        "Webhooks that were posted: delivered, refused, or met with silence.",
    ),
    ("kashio_webhook_backlog", Kind::Gauge, &[], "Deliveries that are due, counted up to 100,000."),
    ("kashio_webhook_oldest_seconds", Kind::Gauge, &[], "How long the oldest of them has been due."),
    (
        "kashio_collection_duration_seconds",
        Kind::Histogram,
        &["channel", "verb"],
        "How long a bank's call took.",
    ),
    (
        "kashio_collection_results_total",
        Kind::Counter,
        &["channel", "verb", "code"],
        "What came of banks' calls.",
    ),
    (
        "kashio_expiry_lag_seconds",
        Kind::Gauge,
        &[],
        "How long the oldest invoice has been past its time without being stored as expired.",
    ),
    (
        "kashio_build_info",
        Kind::Gauge,
        &["version", "schema"],
        "1, with the program's edition and the schema that it knows.",
    ),
];

fn describe() {
    for (name, kind, _, sentence) in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, sentence),
            Kind::Gauge => metrics::describe_gauge!(name, sentence),
            Kind::Histogram => metrics::describe_histogram!(name, metrics::Unit::Seconds, sentence),
        }
    }
    let schema = store::migrate::schema_number().to_string();
    metrics::gauge!("kashio_build_info", "version" => env!("CARGO_PKG_VERSION"), "schema" => schema).set(1);
}

/// What `/metrics` shows. One recorder serves the whole process.
pub fn metrics() -> Metrics {
    static HANDLE: LazyLock<Option<PrometheusHandle>> = LazyLock::new(|| {
        let durations = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(durations, &SECONDS).ok()?;
        let handle = builder.install_recorder().ok();
        describe();
        handle
    });
    let handle = HANDLE.clone();
    Metrics(Arc::new(move || {
        let Some(handle) = &handle else { return String::new() };
        handle.run_upkeep();
        handle.render()
    }))
}

/// The gauges of this process that nobody else sets.
pub fn observe(store: &store::Store) {
    let pool = store.pool();
    metrics::gauge!("kashio_db_pool_connections").set(pool.open);
    metrics::gauge!("kashio_db_pool_idle").set(pool.idle);
    metrics::gauge!("kashio_db_pool_max").set(pool.most);
}
