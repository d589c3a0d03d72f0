//! One attempt, from the claim to its result: it waits for its turn, is signed, posted, and handed to whoever writes down
//! what came of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::delivery::{Next, Outcome, Schedule};
use domain::id::EndpointId;
use domain::signature::signatures;
use domain::time::Moment;
use store::Store;
use store::deliveries::{Attempt, Claimed};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::outbound::{Answered, Outbound, Silence};
use crate::results::{Done, Results};

/// Posts at once, in all.
const AT_ONCE: usize = 512;

/// What all attempts have in common.
pub(crate) struct Poster {
    store: Store,
    outbound: Outbound,
    schedule: Schedule,
    results: Results,
    at_once: Semaphore,
}

/// See the module.
pub(crate) struct Post {
    pub(crate) claimed: Claimed,
    /// `None`: its event is kept no more.
    pub(crate) body: Option<Bytes>,
    /// Bounds the posts at once to its endpoint.
    pub(crate) gate: Arc<Semaphore>,
    /// It is begun before that, or not at all: the rest of its claim is for the post.
    pub(crate) begin_until: Instant,
    /// Held until its result is written down.
    pub(crate) place: OwnedSemaphorePermit,
}

/// How an attempt ended.
pub(crate) struct Ended {
    /// To whom it was.
    pub(crate) endpoint: EndpointId,
    pub(crate) fate: Fate,
}

pub(crate) enum Fate {
    /// It was accepted, after this time.
    Delivered(Duration),
    /// Anything else came of it.
    Failed,
    /// It did not come to its turn.
    NotBegun(Claimed),
}

impl Poster {
    pub(crate) fn new(store: Store, outbound: Outbound, schedule: Schedule, results: Results) -> Poster {
        Poster { store, outbound, schedule, results, at_once: Semaphore::new(AT_ONCE) }
    }

    /// Lets nothing begin any more: what waits for its turn is given back.
    pub(crate) fn close(&self) {
        self.at_once.close();
    }

    /// Returns as soon as the endpoint has answered; that is written down meanwhile.
    pub(crate) async fn make(self: Arc<Poster>, post: Post) -> Ended {
        let endpoint = post.claimed.endpoint;
        // The endpoint's gate first: who waits there takes nobody's turn.
        let wait =
            async { Ok::<_, AcquireError>((post.gate.acquire().await?, self.at_once.acquire().await?)) };
        let let_in = timeout_at(post.begin_until, wait).await.ok().and_then(Result::ok);
        // A process that stood still may find the gates open, and its claim at an end.
        let Some(permits) = let_in.filter(|_| Instant::now() < post.begin_until) else {
            return Ended { endpoint, fate: Fate::NotBegun(post.claimed) };
        };
        let at = self.store.clock().now();
        let (answered, took) = self.post(&post, at).await;
        drop(permits);
        let attempt = self.judge(&post, at, answered, took);
        let fate = if attempt.next == Next::Delivered { Fate::Delivered(took) } else { Fate::Failed };
        // Without a writer the program is ending; then the claim ends too.
        let _ = self.results.send(Done { claimed: post.claimed, attempt, place: post.place });
        Ended { endpoint, fate }
    }

    async fn post(&self, post: &Post, at: Moment) -> (Result<Answered, &'static str>, Duration) {
        let Post { claimed, body, .. } = post;
        let Some(body) = body.clone() else { return (Err("event_not_kept"), Duration::ZERO) };
        if claimed.target.secrets.is_empty() {
            tracing::error!("no key of secrets.keys opens the secret of an endpoint");
            return (Err("not_signed"), Duration::ZERO);
        }
        let mode = claimed.owner.mode;
        let id = claimed.event.map_or_else(|| claimed.id.text(mode), |event| event.text(mode));
        let signature = signatures(claimed.target.secrets.iter(), &id, at.unix(), &body);
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", at.unix().to_string()),
            ("webhook-signature", signature),
        ];
        let (answered, took) = self.outbound.post(&claimed.target.url, &headers, body).await;
        (answered.map_err(Silence::as_str), took)
    }

    fn judge(
        &self,
        post: &Post,
        at: Moment,
        answered: Result<Answered, &'static str>,
        took: Duration,
    ) -> Attempt {
        let (status, outcome, error) = match &answered {
            Ok(answered) => {
                let outcome = match answered.status {
                    200..=299 => Outcome::Accepted,
                    410 => Outcome::Gone,
                    _ => Outcome::Failed { retry_after: answered.retry_after },
                };
                (Some(answered.status), outcome, None)
            }
            Err(error) => (None, Outcome::Failed { retry_after: None }, Some(*error)),
        };
        // A ping is one attempt; an event that is kept no more can not be told again.
        let once = post.claimed.event.is_none() || post.body.is_none();
        let next = match outcome {
            Outcome::Accepted => Next::Delivered,
            Outcome::Failed { .. } if once => Next::Failed,
            outcome => self.schedule.after(post.claimed.turn, outcome, chance()),
        };
        let label = match (status, next) {
            (_, Next::Delivered) => "delivered",
            (Some(_), _) => "refused",
            (None, _) => "silent",
        };
        metrics::counter!("kashio_webhook_attempts_total", "outcome" => label).increment(1);
        Attempt {
            at,
            took,
            status,
            error,
            answer: answered.map(|answered| answered.body).unwrap_or_default(),
            gone: outcome == Outcome::Gone,
            next,
        }
    }
}

/// Anything from 0 to 999: deliveries that failed together shall not come again together.
fn chance() -> u16 {
    let mut bytes = [0; 2];
    // Without random bytes there is merely no jitter.
    let _ = getrandom::fill(&mut bytes);
    u16::from_be_bytes(bytes) % 1_000
}
