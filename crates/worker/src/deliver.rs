//! Delivering: claim → commit → sign → post → finish. No transaction is open while a stranger is talked to; whoever
//! dies in between leaves a claim that ends, and the delivery is made again: at least once.
//!
//! One loop claims, as much as there is room for: so many posts at once in all, so many for one endpoint, fewer while it
//! has not shown that it answers, and very few when it did not lately, so that hanging receivers hold up nobody but
//! themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::account::Owner;
use domain::delivery::{Next, Outcome};
use domain::id::{EndpointId, EventId};
use domain::signature::signatures;
use futures_util::FutureExt;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use store::Store;
use store::deliveries::{Attempt, Claimed, Finished, Room};
use store::events::{Subject, Told};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;
use wire::event::{EventView, SubjectView};
use wire::invoice::View;
use wire::version::Version;

use crate::acks::Acks;
use crate::outbound::{Answered, Outbound, Silence};
use crate::{Settings, duty};

/// Posts at once, in all …
const TOTAL: usize = 512;
/// … to one endpoint that answers …
const EACH_ANSWERING: usize = 64;
/// … to one that nothing was on its way to lately …
const EACH: usize = 16;
/// … to one of which nothing is known …
const EACH_UNKNOWN: usize = 4;
/// … and to one whose last attempt failed.
const EACH_FAILING: usize = 2;
/// Results that are being written down, and posts that will be.
const UNWRITTEN: usize = 1_024;
/// How long it is remembered that an endpoint answered.
const ANSWERED_LATELY: Duration = Duration::from_secs(1);
/// How often it looks by itself.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long room is gathered before the next claim.
const GATHER: Duration = Duration::from_millis(10);
/// How much of what was posted is kept at hand.
const RENDERED_BYTES: usize = 4 << 20;
/// Times that a result is written again, when the database did not take it.
const WRITES: u32 = 3;

/// The loop that claims, and what it knows of those it posts to.
pub(crate) struct Deliverer {
    store: Store,
    acks: Acks,
    outbound: Outbound,
    settings: Arc<Settings>,
    due: Arc<Notify>,
    endpoints: HashMap<EndpointId, Known>,
    rendered: Rendered,
    posts: JoinSet<(EndpointId, bool)>,
    writing: Writing,
}

/// Results that are being written down. The next posts need not wait for them, as long as there are not too many.
#[derive(Clone, Default)]
struct Writing {
    tasks: TaskTracker,
    written: Arc<Notify>,
}

/// Bodies that were posted lately: an event goes to each of its owner's endpoints, and its bytes are always the same.
type Rendered = Cache<(Owner, EventId), Bytes, Size>;

#[derive(Clone)]
struct Size;

impl<K> Weighter<K, Bytes> for Size {
    fn weight(&self, _: &K, body: &Bytes) -> u64 {
        body.len() as u64
    }
}

/// What is known of an endpoint while something is on its way there, or was lately, or its last attempt failed.
#[derive(Default)]
struct Known {
    in_flight: usize,
    answered: Option<Instant>,
    failing: bool,
}

impl Known {
    const fn room(&self) -> usize {
        let each = match (self.failing, self.answered) {
            (true, _) => EACH_FAILING,
            (false, Some(_)) => EACH_ANSWERING,
            (false, None) => EACH_UNKNOWN,
        };
        each.saturating_sub(self.in_flight)
    }

    fn is_worth_knowing(&self) -> bool {
        let lately = self.answered.is_some_and(|answered| answered.elapsed() < ANSWERED_LATELY);
        self.in_flight > 0 || self.failing || lately
    }
}

impl Deliverer {
    pub(crate) fn new(store: Store, outbound: Outbound, settings: Settings, due: Arc<Notify>) -> Deliverer {
        let (settings, acks) = (Arc::new(settings), Acks::start(store.clone()));
        Deliverer {
            store,
            acks,
            outbound,
            settings,
            due,
            endpoints: HashMap::new(),
            rendered: Cache::with_weighter(RENDERED_BYTES / 1_024, RENDERED_BYTES as u64, Size),
            posts: JoinSet::new(),
            writing: Writing::default(),
        }
    }

    pub(crate) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        while !*stopping.borrow() {
            let pause = match self.claim().await {
                // As much as there was room for: there is probably more.
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "deliveries were not claimed: {error}");
                    duty::AFTER_FAILURE
                }
            };
            self.take_finished();
            if pause.is_zero() && self.free() > 0 {
                continue;
            }
            tokio::select! {
                () = self.due.clone().notified_owned() => self.take_finished(),
                () = self.make_room(pause.max(LOOK_EVERY)) => {}
                stop = stopping.changed() => if stop.is_err() { break },
            }
        }
        while let Some(done) = self.posts.join_next().await {
            self.finished(done);
        }
        self.writing.tasks.close();
        self.writing.tasks.wait().await;
    }

    /// How many more may be under way.
    fn free(&self) -> usize {
        let (posts, writing) = (self.posts.len(), self.writing.tasks.len());
        TOTAL.saturating_sub(posts).min(UNWRITTEN.saturating_sub(posts + writing))
    }

    /// Waits until there is room that is worth a claim, which looks at every endpoint that waits: half of what is under
    /// way has ended, or anything and a moment has passed; and at most for `time`.
    async fn make_room(&mut self, time: Duration) {
        let (began, under_way) = (Instant::now(), self.posts.len());
        let mut until = began + time;
        while self.posts.len() * 2 > under_way
            && let Ok(Some(done)) = timeout_at(until, self.posts.join_next()).await
        {
            self.finished(done);
            self.take_finished();
            until = until.min(began + GATHER);
        }
        // Nobody is posted to: only what is being written may be in the way.
        if under_way == 0 {
            tokio::select! {
                // One of a group that is written together: the others follow.
                () = self.writing.written.notified(), if self.free() == 0 => sleep(GATHER).await,
                () = sleep(time) => {}
            }
        }
    }

    fn take_finished(&mut self) {
        while let Some(done) = self.posts.try_join_next() {
            self.finished(done);
        }
    }

    fn finished(&mut self, done: Result<(EndpointId, bool), tokio::task::JoinError>) {
        let Ok((endpoint, failed)) = done else {
            // A post that panicked: its claim will end. Nobody knows whose it was, so all are looked at afresh.
            tracing::error!("a delivery panicked");
            self.endpoints.clear();
            return;
        };
        if let Some(known) = self.endpoints.get_mut(&endpoint) {
            known.in_flight = known.in_flight.saturating_sub(1);
            known.failing = failed;
            if !failed {
                known.answered = Some(Instant::now());
            }
        }
    }

    /// Claims and sends out. `true`: all the room there was is taken.
    async fn claim(&mut self) -> Result<bool, store::Error> {
        let free = self.free();
        if free == 0 {
            return Ok(true);
        }
        self.endpoints.retain(|_, known| known.is_worth_knowing());
        let size = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let busy = self.endpoints.iter().map(|(endpoint, known)| (*endpoint, size(known.room())));
        let room =
            Room { total: size(free), each: size(EACH), busy: busy.collect(), lease: self.settings.lease };
        let claimed = self.store.claim_deliveries(room).await?;
        if claimed.is_empty() {
            return Ok(false);
        }
        let mut bodies = self.bodies(&claimed).await?;
        let count = claimed.len();
        for claimed in claimed {
            self.endpoints.entry(claimed.endpoint).or_default().in_flight += 1;
            let body = match claimed.event {
                Some(event) => bodies.get(&event).cloned(),
                None => bodies.remove(&ping_key(&claimed)),
            };
            let post = Post {
                store: self.store.clone(),
                acks: self.acks.clone(),
                outbound: self.outbound.clone(),
                settings: self.settings.clone(),
                claimed,
                body,
            };
            self.posts.spawn(post.run(self.writing.clone()));
        }
        Ok(count >= free)
    }

    /// The bodies of what was claimed, in the version that was pinned when it happened.
    async fn bodies(&mut self, claimed: &[Claimed]) -> Result<HashMap<EventId, Bytes>, store::Error> {
        let (mut bodies, mut unknown) = (HashMap::new(), Vec::new());
        for claimed in claimed {
            let Some(event) = claimed.event else {
                let body = wire::event::render_ping(claimed.id, claimed.owner.mode, claimed.at);
                bodies.insert(ping_key(claimed), Bytes::from(body));
                continue;
            };
            match self.rendered.get(&(claimed.owner, event)) {
                Some(body) => drop(bodies.insert(event, body.clone())),
                None => unknown.push((claimed.owner, event)),
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() {
            let find = self.store.read::<_, store::Error, _>("find_events", move |tx| {
                let unknown = unknown.clone();
                async move { tx.events_of(&unknown).await }.boxed()
            });
            for event in find.await? {
                let body = self.render(&event);
                self.rendered.insert((event.owner, event.id), body.clone());
                bodies.insert(event.id, body);
            }
        }
        Ok(bodies)
    }

    fn render(&self, event: &Told) -> Bytes {
        let subject = match &event.subject {
            Subject::Invoice(invoice, payment) => {
                SubjectView::Invoice(invoice.as_changed_at(event.created), payment.as_deref())
            }
            Subject::Endpoint { id, facts } => SubjectView::Endpoint { id: *id, facts },
        };
        let version = event.api_version.as_deref().and_then(Version::parse).unwrap_or_default();
        let view = EventView {
            id: event.id,
            mode: event.owner.mode,
            created: event.created,
            kind: event.kind,
            sequence: event.sequence,
            // Always: so that every attempt has the same bytes.
            status: "new",
            subject,
        };
        Bytes::from(wire::event::render(&view, View { version, page_url: &self.settings.page_url }))
    }
}

/// Pings have no event; among the bodies they go by the number of their delivery.
fn ping_key(claimed: &Claimed) -> EventId {
    EventId::from_uuid(claimed.id.uuid())
}

/// One attempt, from the claim to its end.
struct Post {
    store: Store,
    acks: Acks,
    outbound: Outbound,
    settings: Arc<Settings>,
    claimed: Claimed,
    body: Option<Bytes>,
}

impl Post {
    /// The endpoint, and whether it failed, as soon as that is known; it is written down meanwhile.
    async fn run(self, writing: Writing) -> (EndpointId, bool) {
        let (answered, took) = self.post().await;
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
        let once = self.claimed.event.is_none() || self.body.is_none();
        let next = match outcome {
            Outcome::Failed { .. } if once => Next::Failed,
            outcome => self.settings.schedule.after(self.claimed.turn, outcome, chance()),
        };
        let failed = next != Next::Delivered;
        let label = match (status, next) {
            (_, Next::Delivered) => "delivered",
            (Some(_), _) => "refused",
            (None, _) => "silent",
        };
        metrics::counter!("kashio_webhook_attempts_total", "outcome" => label).increment(1);
        let attempt = Attempt {
            took,
            status,
            error,
            answer: answered.map(|answered| answered.body).unwrap_or_default(),
            gone: outcome == Outcome::Gone,
            next,
        };
        let endpoint = self.claimed.endpoint;
        let written = writing.written;
        writing.tasks.spawn(async move {
            self.finish(attempt).await;
            written.notify_one();
        });
        (endpoint, failed)
    }

    async fn post(&self) -> (Result<Answered, &'static str>, Duration) {
        let Some(body) = self.body.clone() else { return (Err("event_not_kept"), Duration::ZERO) };
        if self.claimed.secrets.is_empty() {
            tracing::error!("no key of secrets.keys opens the secret of an endpoint");
            return (Err("not_signed"), Duration::ZERO);
        }
        let mode = self.claimed.owner.mode;
        let id = self.claimed.event.map_or_else(|| self.claimed.id.text(mode), |event| event.text(mode));
        let sent_at = self.store.clock().now().unix();
        let signature = signatures(self.claimed.secrets.iter(), &id, sent_at, &body);
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", sent_at.to_string()),
            ("webhook-signature", signature),
        ];
        let (answered, took) = self.outbound.post(&self.claimed.url, &headers, body).await;
        (answered.map_err(Silence::as_str), took)
    }

    /// Writes what came of it; should that fail, the claim ends and it is done again.
    async fn finish(&self, attempt: Attempt) {
        if let Some(finished) = self.acks.finish(&self.claimed, &attempt).await {
            return self.note(finished);
        }
        for turn in 1..=WRITES {
            match self.store.finish_delivery(&self.claimed, attempt.clone()).await {
                Ok(finished) => return self.note(finished),
                Err(error) => {
                    tracing::warn!(%error, "a delivery was not finished: {error}");
                    sleep(duty::AFTER_FAILURE * turn).await;
                }
            }
        }
    }
}

impl Post {
    fn note(&self, finished: Finished) {
        match finished {
            Finished::Yes => {}
            Finished::TooLate => {
                let id = self.claimed.id.text(self.claimed.owner.mode);
                tracing::warn!(delivery = id, "delivery {id} was taken over before it was finished");
            }
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
