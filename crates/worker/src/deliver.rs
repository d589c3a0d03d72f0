//! Delivering: claim → commit → sign → post → finish. No transaction is open while a stranger is talked to; whoever
//! dies in between leaves a claim that ends, and the delivery is made again: at least once.
//!
//! One loop claims, as much as there is room for: so much in all, so much for one endpoint, less while it has not shown
//! that it answers, and very little when it did not lately, so that hanging receivers hold up nobody but themselves. More
//! is claimed than is posted at once, so that posts go on during the next claim; what does not come to its turn is given
//! back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::id::EndpointId;
use store::Store;
use store::deliveries::{Claimed, Room};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::bodies::Bodies;
use crate::outbound::Outbound;
use crate::post::{Ended, Fate, Post, Poster};
use crate::{Settings, duty, results};

/// Claimed and not answered yet, in all …
const TOTAL: usize = 1_024;
/// … for one endpoint that answers at once …
const EACH_QUICK: usize = 256;
/// … for one that takes its time …
const EACH_ANSWERING: usize = 64;
/// … for one that nothing was on its way to lately …
const EACH: usize = 16;
/// … for one of which nothing is known …
const EACH_UNKNOWN: usize = 4;
/// … and for one whose last attempt failed.
const EACH_FAILING: usize = 2;
/// Posts at once to one endpoint: few connections do for one that answers at once …
const AT_ONCE_QUICK: usize = 16;
/// … and more for one that takes its time.
const AT_ONCE: usize = EACH_ANSWERING;
/// Failures in a row after which nothing more is begun of what was claimed for an endpoint.
const GIVEN_UP: u32 = 8;
/// An answer within this time was at once.
const QUICK: Duration = Duration::from_millis(50);
/// How long after its claim a delivery may be begun: as long as a quick endpoint needs for all that is claimed for it, and
/// a little.
pub(crate) const BEGIN_WITHIN: Duration = Duration::from_secs(2);
/// Claimed and not written down yet.
const UNWRITTEN: usize = 2_048;
/// How long it is remembered that an endpoint answered.
const ANSWERED_LATELY: Duration = Duration::from_secs(1);
/// How often it looks by itself.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long room is gathered before the next claim.
const GATHER: Duration = Duration::from_millis(10);

/// The loop that claims, and what it knows of those it posts to.
pub(crate) struct Deliverer {
    store: Store,
    lease: Duration,
    due: Arc<Notify>,
    endpoints: HashMap<EndpointId, Known>,
    bodies: Bodies,
    poster: Arc<Poster>,
    posts: JoinSet<Ended>,
    /// Claimed, and to be given back.
    unbegun: Vec<Claimed>,
    /// One for each that may be claimed, held until its result is written.
    places: Arc<Semaphore>,
    written: Arc<Notify>,
    writer: JoinHandle<()>,
}

/// What is known of an endpoint while something is on its way there, or was lately, or its last attempt failed.
struct Known {
    in_flight: usize,
    /// When it answered last, and how long it took.
    answered: Option<(Instant, Duration)>,
    /// Failures since then.
    failures: u32,
    /// Its posts at once.
    gate: Arc<Semaphore>,
    is_wide: bool,
}

impl Default for Known {
    fn default() -> Known {
        let gate = Arc::new(Semaphore::new(AT_ONCE_QUICK));
        Known { in_flight: 0, answered: None, failures: 0, gate, is_wide: false }
    }
}

impl Known {
    fn room(&self) -> usize {
        let each = match (self.failures, self.answered) {
            (1.., _) => EACH_FAILING,
            (0, Some((_, took))) if took <= QUICK => EACH_QUICK,
            (0, Some(_)) => EACH_ANSWERING,
            (0, None) => EACH_UNKNOWN,
        };
        each.saturating_sub(self.in_flight)
    }

    fn is_worth_knowing(&self) -> bool {
        let lately = self.answered.is_some_and(|(answered, _)| answered.elapsed() < ANSWERED_LATELY);
        self.in_flight > 0 || self.failures > 0 || lately
    }
}

impl Deliverer {
    pub(crate) fn new(store: Store, outbound: Outbound, settings: Settings, due: Arc<Notify>) -> Deliverer {
        let written = Arc::new(Notify::new());
        let (results, writer) = results::start(store.clone(), written.clone());
        Deliverer {
            poster: Arc::new(Poster::new(store.clone(), outbound, settings.schedule, results)),
            store,
            lease: settings.lease,
            due,
            endpoints: HashMap::new(),
            bodies: Bodies::new(settings.page_url),
            posts: JoinSet::new(),
            unbegun: Vec::new(),
            places: Arc::new(Semaphore::new(UNWRITTEN)),
            written,
            writer,
        }
    }

    pub(crate) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let due = self.due.clone();
        while !*stopping.borrow() {
            let pause = match self.claim().await {
                Ok(()) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "deliveries were not claimed: {error}");
                    duty::AFTER_FAILURE
                }
            };
            tokio::select! {
                () = due.notified() => {}
                () = self.make_room(pause) => {}
                stop = stopping.changed() => if stop.is_err() { break },
            }
            self.take_ended();
            self.give_back().await;
        }
        // What waits for its turn is given back at once.
        self.endpoints.values().for_each(|known| known.gate.close());
        self.poster.close();
        while let Some(done) = self.posts.join_next().await {
            self.ended(done);
            self.take_ended();
            self.give_back().await;
        }
        // The last way to the writer: it ends when all is written.
        drop(self.poster);
        if self.writer.await.is_err() {
            tracing::error!("writing down what was delivered panicked");
        }
    }

    /// How much more may be claimed.
    fn free(&self) -> usize {
        TOTAL.saturating_sub(self.posts.len()).min(self.places.available_permits())
    }

    /// Waits until there is room that is worth a claim, which looks at every endpoint that waits: half of what is under
    /// way has ended, or anything and a moment has passed; and at most for `time`.
    async fn make_room(&mut self, time: Duration) {
        self.take_ended();
        let (began, free, under_way) = (Instant::now(), self.free(), self.posts.len());
        let mut until = began + time;
        loop {
            tokio::select! {
                Some(done) = self.posts.join_next() => {
                    self.ended(done);
                    self.take_ended();
                }
                // When places are what is missing, a result that is written makes room.
                () = self.written.notified() => {}
                () = sleep_until(until) => return,
            }
            if self.free() > free {
                until = until.min(began + GATHER);
            }
            if under_way > 0 && self.free() >= free + (under_way / 2).max(1) {
                return;
            }
        }
    }

    fn take_ended(&mut self) {
        while let Some(done) = self.posts.try_join_next() {
            self.ended(done);
        }
    }

    fn ended(&mut self, done: Result<Ended, tokio::task::JoinError>) {
        let Ok(Ended { endpoint, fate }) = done else {
            // A post that panicked: its claim will end. Nobody knows whose it was, so all are looked at afresh.
            tracing::error!("a delivery panicked");
            self.endpoints.clear();
            return;
        };
        let known = self.endpoints.entry(endpoint).or_default();
        known.in_flight = known.in_flight.saturating_sub(1);
        match fate {
            Fate::Delivered(took) => {
                (known.failures, known.answered) = (0, Some((Instant::now(), took)));
                if took > QUICK && !known.is_wide {
                    known.is_wide = true;
                    known.gate.add_permits(AT_ONCE - AT_ONCE_QUICK);
                }
            }
            Fate::Failed => {
                known.failures = known.failures.saturating_add(1);
                if known.failures == GIVEN_UP {
                    known.gate.close();
                    let (in_flight, failures) = (known.in_flight, known.failures);
                    *known = Known { in_flight, failures, ..Known::default() };
                }
            }
            Fate::NotBegun(claimed) => {
                // It is to show afresh that it answers.
                known.answered = None;
                self.unbegun.push(claimed);
            }
        }
    }

    /// Should it fail, their claims end.
    async fn give_back(&mut self) {
        if self.unbegun.is_empty() {
            return;
        }
        let count = self.unbegun.len();
        if let Err(error) = self.store.give_back_deliveries(std::mem::take(&mut self.unbegun)).await {
            tracing::warn!(%error, count, "{count} deliveries were not given back: {error}");
        }
    }

    /// Claims as much as there is room for, and sends it out.
    async fn claim(&mut self) -> Result<(), store::Error> {
        let free = self.free();
        if free == 0 {
            return Ok(());
        }
        self.endpoints.retain(|_, known| known.is_worth_knowing());
        let size = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        // A fair share each: what is looked at and not taken was locked in vain.
        let fair = self.endpoints.values().filter(|known| known.failures == 0).count();
        let share = (free / fair.max(1)).max(EACH);
        let busy = self.endpoints.iter().map(|(endpoint, known)| (*endpoint, size(known.room().min(share))));
        let room = Room { total: size(free), each: size(EACH), busy: busy.collect(), lease: self.lease };
        // The rest of the claim is for the post.
        let begin_until = Instant::now() + BEGIN_WITHIN.min(self.lease / 2);
        let claimed = self.store.claim_deliveries(room).await?;
        let bodies = match self.bodies.of(&self.store, &claimed).await {
            Ok(bodies) => bodies,
            Err(error) => {
                self.unbegun = claimed;
                return Err(error);
            }
        };
        for (claimed, body) in claimed.into_iter().zip(bodies) {
            // There is one: no more was claimed than are free, and nobody else takes any.
            let Ok(place) = self.places.clone().try_acquire_owned() else { break };
            let known = self.endpoints.entry(claimed.endpoint).or_default();
            known.in_flight += 1;
            let post = Post { claimed, body, gate: known.gate.clone(), begin_until, place };
            self.posts.spawn(self.poster.clone().make(post));
        }
        Ok(())
    }
}
