//! `kashio listen`: for developers whose machine no webhook can reach. It reads the feed by its cursor and posts each
//! event to a local URL, signed as a webhook is. A connection that drops loses nothing: the cursor says where to go on.

use std::time::Duration;

use domain::signature::{WebhookSecret, signatures};
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use crate::Failure;

/// How long one question waits for events, in seconds.
const WAIT_SECONDS: u32 = 25;
/// How long it rests before it asks or posts again after a failure, at first and at most.
const REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(super) struct Options {
    /// A key, sk_test_….
    #[arg(long, env = "KASHIO_KEY", hide_env_values = true)]
    key: String,
    /// Events after this number of the feed; without it, those that are yet to come.
    #[arg(long, value_name = "SEQ")]
    from: Option<i64>,
    /// Where to post them.
    #[arg(long, value_name = "URL")]
    forward_to: Url,
    /// Where the API is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    api: Url,
    /// The secret to sign with, whsec_…; without it one is made and printed.
    #[arg(long, env = "KASHIO_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
}

#[derive(Deserialize)]
struct Page<'p> {
    #[serde(borrow)]
    data: Vec<&'p RawValue>,
}

#[derive(Deserialize)]
struct Head<'e> {
    id: &'e str,
    r#type: &'e str,
    sequence: i64,
}

/// Runs until it is interrupted.
pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let secret = match &options.secret {
        Some(text) => WebhookSecret::parse(text)
            .ok_or_else(|| Failure::Usage("--secret is not whsec_ and base64".to_owned()))?,
        None => {
            let bytes = api::keys::random_bytes().map_err(|error| Failure::failed("no secret", error))?;
            WebhookSecret::from_random(bytes)
        }
    };
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .no_proxy()
        .build()
        .map_err(|error| Failure::failed("no client", error))?;
    let listener = Listener { client, options, secret };
    let mut after = listener.beginning().await?;
    listener.announce(after);
    loop {
        tokio::select! {
            next = listener.forward(after) => after = next?,
            stopped = super::stop_signal() => return stopped,
        }
    }
}

struct Listener {
    client: reqwest::Client,
    options: Options,
    secret: WebhookSecret,
}

impl Listener {
    #[expect(clippy::print_stdout, reason = "what the developer came for")]
    fn announce(&self, after: i64) {
        println!("events after {after} go to {}", self.options.forward_to);
        println!("signed with {}", self.secret.expose().as_str());
    }

    /// The number that is given, or the newest there is.
    async fn beginning(&self) -> Result<i64, Failure> {
        if let Some(from) = self.options.from {
            return Ok(from);
        }
        let text = self.ask("limit=1").await?.ok_or_else(unreachable)?;
        let page: Page<'_> = serde_json::from_str(&text).map_err(unexpected)?;
        let Some(newest) = page.data.first() else { return Ok(0) };
        let head: Head<'_> = serde_json::from_str(newest.get()).map_err(unexpected)?;
        Ok(head.sequence)
    }

    /// Asks for a page; `None`: nobody answered, or could for now.
    async fn ask(&self, query: &str) -> Result<Option<String>, Failure> {
        let url = format!("{}/v1/payments/events?{query}", self.options.api.as_str().trim_end_matches('/'));
        let asked = self.client.get(url).bearer_auth(&self.options.key).send().await;
        let Ok(answer) = asked else { return Ok(None) };
        match answer.status().as_u16() {
            200 => Ok(answer.text().await.ok()),
            429 | 500..=599 => Ok(None),
            status => {
                let text = answer.text().await.unwrap_or_default();
                Err(Failure::Failed(format!("the API answered {status}: {text}")))
            }
        }
    }

    /// One page: posts its events, in order, and tells where to go on.
    async fn forward(&self, after: i64) -> Result<i64, Failure> {
        let mut rest = REST;
        let text = loop {
            if let Some(text) = self.ask(&format!("after={after}&wait={WAIT_SECONDS}&limit=100")).await? {
                break text;
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(LONGEST_REST);
        };
        let page: Page<'_> = serde_json::from_str(&text).map_err(unexpected)?;
        let mut last = after;
        for event in page.data {
            let head: Head<'_> = serde_json::from_str(event.get()).map_err(unexpected)?;
            self.post(&head, event.get()).await;
            last = head.sequence;
        }
        Ok(last)
    }

    /// Posts until somebody answers, whatever he says: an event that nobody heard is not passed by.
    #[expect(clippy::print_stdout, reason = "what the developer came for")]
    async fn post(&self, head: &Head<'_>, body: &str) {
        let mut rest = REST;
        loop {
            #[expect(
                clippy::disallowed_methods,
                reason = "a client has no other clock, and a receiver compares with its own"
            )]
            let sent_at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let sent_at = sent_at.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0);
            let signature = signatures([&self.secret].into_iter(), head.id, sent_at, body.as_bytes());
            let request = self
                .client
                .post(self.options.forward_to.clone())
                .header("content-type", "application/json")
                .header("webhook-id", head.id)
                .header("webhook-timestamp", sent_at.to_string())
                .header("webhook-signature", signature)
                .body(body.to_owned());
            match request.send().await {
                Ok(answer) => {
                    println!("{} {} {} -> {}", head.sequence, head.r#type, head.id, answer.status().as_u16());
                    return;
                }
                Err(error) => {
                    let why = if error.is_timeout() { "no answer in time" } else { "not reachable" };
                    println!("{} {} {} -> {why}, again", head.sequence, head.r#type, head.id);
                }
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(LONGEST_REST);
        }
    }
}

fn unreachable() -> Failure {
    Failure::Failed("the API does not answer".to_owned())
}

fn unexpected(error: serde_json::Error) -> Failure {
    Failure::failed("the API answered something unexpected", error)
}
