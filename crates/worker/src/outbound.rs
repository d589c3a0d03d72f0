//! Posting to strangers. A name is resolved here, every address of it must be one of the public internet, and the
//! connection is made to an address that was checked: whoever rules the name can not lead us behind our own walls.
//! No redirects, no proxies, no cookies; bounded in time and in what is read of the answer.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::endpoint::Targets;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use rustls::{ClientConfig, RootCertStore};

/// How long connecting may take, and everything together.
const CONNECT_TIME: Duration = Duration::from_secs(5);
pub(crate) const TOTAL_TIME: Duration = Duration::from_secs(15);
/// What is read of an answer, in bytes.
const ANSWER: usize = 1_024;
/// How long a connection is kept for the next delivery to the same host. However many there are: posts that are claimed
/// together would open again what the ones before have just closed, and there are never more than posts at once.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// How a name becomes addresses.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The client that posts webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    client: Client,
    targets: Arc<Targets>,
}

/// What a receiver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

/// Why a receiver said nothing, in words that tell its owner enough and nobody anything about our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// The URL, or an address that its name leads to, is none that we post to.
    #[error("address_not_allowed")]
    NotAllowed,
    /// No connection came about.
    #[error("connection_failed")]
    Connection,
    /// It took too long.
    #[error("timeout")]
    TimeOut,
}

impl Silence {
    /// The word for the delivery's owner.
    pub const fn as_str(self) -> &'static str {
        match self {
            Silence::NotAllowed => "address_not_allowed",
            Silence::Connection => "connection_failed",
            Silence::TimeOut => "timeout",
        }
    }
}

/// A name leads to an address that is not to be posted to.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that is not allowed")]
struct Denied;

struct Checked {
    targets: Arc<Targets>,
    lookup: Lookup,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (targets, lookup) = (self.targets.clone(), self.lookup.clone());
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?;
            // One bad address condemns the name: it would be tried sooner or later.
            if !found.iter().all(|address| targets.allow(address.ip())) {
                return Err(Denied.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Outbound {
    /// A client that resolves names as this machine does.
    ///
    /// # Errors
    /// When the client can not be built.
    pub fn new(targets: Targets) -> Result<Outbound, reqwest::Error> {
        Outbound::with_lookup(targets, Arc::new(|name| Box::pin(system_lookup(name))))
    }

    /// A client that resolves names by `lookup`.
    ///
    /// # Errors
    /// When the client can not be built.
    pub fn with_lookup(targets: Targets, lookup: Lookup) -> Result<Outbound, reqwest::Error> {
        let targets = Arc::new(targets);
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = Client::builder()
            .user_agent("KashIO-Webhooks/1.0")
            .redirect(Policy::none())
            // An attempt is one post; what could be posted again would be copied for it each time.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .no_proxy()
            .referer(false)
            .http1_only()
            .connect_timeout(CONNECT_TIME)
            .timeout(TOTAL_TIME)
            .pool_idle_timeout(IDLE_TIME)
            .dns_resolver(Arc::new(Checked { targets: targets.clone(), lookup }));
        // The provider knows both versions; without TLS only plain targets (loopback, for development) are reached.
        let builder =
            match ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
                Ok(config) => builder
                    .tls_backend_preconfigured(config.with_root_certificates(roots).with_no_client_auth()),
                Err(_) => builder,
            };
        Ok(Outbound { client: builder.build()?, targets })
    }

    /// Posts a JSON body; tells what came back, and how long it took.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> (Result<Answered, Silence>, Duration) {
        let began = Instant::now();
        let answered = self.try_post(url, headers, body).await;
        (answered, began.elapsed())
    }

    async fn try_post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<Answered, Silence> {
        // The text is judged again: what was allowed when it was registered may not be any more.
        let url = self.targets.parse(url).map_err(|_| Silence::NotAllowed)?;
        let request = self.client.post(url).header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let mut response = request.body(body).send().await.map_err(silence)?;
        if response.remote_addr().is_some_and(|peer| !self.targets.allow(peer.ip())) {
            return Err(Silence::NotAllowed);
        }
        let retry_after = retry_after(&response);
        let status = response.status();
        let mut body = Vec::new();
        while body.len() < ANSWER {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                // The status is what counts; a body that breaks off is what there is of it.
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(ANSWER);
        Ok(Answered { status: status.as_u16(), retry_after, body })
    }
}

/// `Retry-After` in seconds, where it asks for patience (RFC 9110, 10.2.3); a date is not read.
fn retry_after(response: &reqwest::Response) -> Option<u32> {
    let asks = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let text = response.headers().get("retry-after").filter(|_| asks)?.to_str().ok()?;
    text.trim().parse().ok()
}

fn silence(error: reqwest::Error) -> Silence {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<Denied>() {
            return Silence::NotAllowed;
        }
        cause = error.source();
    }
    if error.is_timeout() { Silence::TimeOut } else { Silence::Connection }
}

async fn system_lookup(name: String) -> std::io::Result<Vec<SocketAddr>> {
    // The port is the URL's; the client puts it in.
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}
