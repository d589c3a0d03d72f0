//! A merchant's server that is content with everything: it counts what comes, and notes when the last one came.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::Outcome;

/// See the module. `/dead` is a path that never answers.
#[derive(Clone)]
pub struct Sink {
    pub url: String,
    got: Arc<AtomicUsize>,
    last: Arc<Mutex<Instant>>,
    sample: Arc<OnceLock<Webhook>>,
}

/// One that came: what signs it, and its body.
#[derive(Clone)]
pub struct Webhook {
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// The headers that a webhook is signed by (Standard Webhooks 1.0.0).
const SIGNING: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];

impl Sink {
    pub async fn open() -> Outcome<Sink> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let last = Arc::new(Mutex::new(Instant::now()));
        let sink = Sink { url, got: Arc::default(), last, sample: Arc::default() };
        let at_home = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sink = at_home.clone();
                let service = service_fn(move |request| sink.clone().take(request));
                // Without Nagle's algorithm, as servers do.
                let _ = stream.set_nodelay(true);
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(sink)
    }

    async fn take(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.uri().path() == "/dead" {
            sleep(Duration::from_secs(600)).await;
        }
        let is_sample = self.sample.get().is_none();
        let header = |name| Some((name, request.headers().get(name)?.to_str().ok()?.to_owned()));
        let headers: Option<Vec<_>> =
            if is_sample { SIGNING.into_iter().map(header).collect() } else { None };
        // Whoever breaks off in the middle is not counted.
        if let Ok(body) = request.into_body().collect().await {
            if let Some(headers) = headers {
                // Another may have come at the same time.
                let _ = self.sample.set(Webhook { headers, body: body.to_bytes() });
            }
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            self.got.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Response::new(Full::default()))
    }

    /// The first signed one that came.
    pub fn sample(&self) -> Outcome<Webhook> {
        self.sample.get().cloned().ok_or_else(|| "no signed webhook has come".into())
    }

    /// How many have come.
    pub fn got(&self) -> usize {
        self.got.load(Ordering::Relaxed)
    }

    /// Waits until so many have come, and tells when the last one did.
    pub async fn wait(&self, many: usize) -> Outcome<Instant> {
        let all = async {
            while self.got() < many {
                sleep(Duration::from_micros(500)).await;
            }
        };
        let late = |_| format!("only {} of {many} webhooks came", self.got());
        timeout(Duration::from_secs(120), all).await.map_err(late)?;
        Ok(*self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
