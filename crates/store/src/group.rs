//! Group commit: creates that arrive while a commit is on its way share the next one.
//!
//! A commit costs a write to disk, whether it carries one invoice or a hundred. So creates queue here, and two flushers
//! take whatever waits: no timer, so that one who is alone never waits for company, and no more than [`GROUP`], so that
//! nobody waits for a crowd. A group is one statement, which is its own transaction, on a connection that its flusher
//! keeps. Each create is answered after the commit that carries it.
//!
//! Who shares a commit must not share a fate. A repeat with the same key gets its answer here, by one more statement for
//! all of a group. Any other create that was seen before, and every member of a group that failed, whatever the reason,
//! is told to go [`Alone`](Grouped::Alone): through the claim, where the contract's table is decided line by line. So is
//! one whose commit may or may not have happened: alone it will find its own invoice.
//!
//! Not for changes of invoices, which have a row to lock, nor for anything that must be decided inside.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::account::Owner;
use domain::id::InvoiceId;
use futures_util::FutureExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::create::{self, Create};
use crate::error::Error;
use crate::idempotency::{self, Kept};
use crate::{Answer, Claim, Store, tx};

/// The most creates that one commit carries.
const GROUP: usize = 128;

/// How many may wait. What comes then is refused: with two groups under way it would be late anyway.
const QUEUE: usize = 1024;

/// How long one may wait before its turn comes; after that it is refused, and nothing of it was done.
const WAIT_TIME: Duration = Duration::from_secs(2);

/// How long a group waits for whoever is just opening the same reference. It has neighbours who wait with it.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a plan may serve. One that was made while a table was small is a bad one when it has grown.
const PLAN_TIME: Duration = Duration::from_millis(500);
/// Postgres makes a new plan each time so often, before it makes one to keep (manual, PREPARE).
const PLANS: u32 = 5;

/// How long a connection may take to open, and a group to be committed.
const CONNECT_TIME: Duration = Duration::from_secs(1);
const GROUP_TIME: Duration = Duration::from_secs(4);

/// What became of a create that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouped {
    /// It is committed.
    Opened,
    /// It was answered before, and this was the answer.
    Seen(Answer),
    /// It has to go through the claim, which finds out what became of it.
    Alone,
}

/// Where creates queue.
pub(crate) struct Groups {
    queue: mpsc::Sender<Member>,
    stopping: CancellationToken,
}

struct Member {
    create: Create,
    since: Instant,
    told: oneshot::Sender<Result<Grouped, Error>>,
}

impl Member {
    fn claim(&self) -> Option<&Claim> {
        self.create.remember.as_ref().map(|(claim, _)| claim)
    }
}

impl Groups {
    /// Starts so many flushers on the current runtime; with none, every create goes by itself.
    pub(crate) fn start(
        flushers: u32,
        connect: &PgConnectOptions,
        committed: &Arc<Notify>,
        tasks: &TaskTracker,
    ) -> Option<Groups> {
        if flushers == 0 {
            return None;
        }
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (waiting, stopping) = (Arc::new(Mutex::new(waiting)), CancellationToken::new());
        for _ in 0..flushers {
            let flusher = Flusher {
                connect: connect.clone(),
                connection: None,
                planned: Planned::now(),
                waiting: waiting.clone(),
                stopping: stopping.clone(),
                committed: committed.clone(),
            };
            tasks.spawn(flusher.run());
        }
        Some(Groups { queue, stopping })
    }

    /// Takes no more; what waits is still committed.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }
}

impl Store {
    /// Opens an invoice, together with whoever comes at the same time.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: nothing was done, and nothing will be.
    pub async fn create_in_group(&self, create: Create) -> Result<Grouped, Error> {
        let Some(groups) = &self.inner.groups else {
            return self.create_by_itself(create).await;
        };
        let (told, fate) = oneshot::channel();
        let refused = |why: &str| Err(Error::Unavailable(why.to_owned()));
        match groups.queue.try_send(Member { create, since: Instant::now(), told }) {
            // A flusher that ended in between left it in doubt, which is what going alone is for.
            Ok(()) => {
                // To the request's trace its group is one transaction, from the queue to the commit.
                let span = tracing::info_span!("transaction", name = "create_invoices");
                fate.instrument(span).await.unwrap_or(Ok(Grouped::Alone))
            }
            Err(TrySendError::Full(_)) => refused("too many invoices are waiting to be opened"),
            Err(TrySendError::Closed(_)) => refused("the program is stopping"),
        }
    }

    async fn create_by_itself(&self, create: Create) -> Result<Grouped, Error> {
        let has_claim = create.remember.is_some();
        match self.create(vec![create]).await {
            Ok(opened) if opened.is_empty() => Ok(Grouped::Alone),
            Ok(_) => Ok(Grouped::Opened),
            Err(Error::LockTimeout) if has_claim => Err(Error::InProgress),
            Err(Error::Conflict(_) | Error::Lost(_) | Error::Contended(_) | Error::Stale) => {
                Ok(Grouped::Alone)
            }
            Err(error) => Err(error),
        }
    }
}

/// When the statement's plan was asked for, and how often it was used since.
struct Planned {
    at: Instant,
    uses: u32,
}

impl Planned {
    fn now() -> Planned {
        Planned { at: Instant::now(), uses: 0 }
    }

    fn is_old(&self) -> bool {
        self.uses > PLANS && self.at.elapsed() > PLAN_TIME
    }
}

struct Flusher {
    connect: PgConnectOptions,
    /// Closed as soon as it is in doubt.
    connection: Option<PgConnection>,
    planned: Planned,
    waiting: Arc<Mutex<mpsc::Receiver<Member>>>,
    stopping: CancellationToken,
    committed: Arc<Notify>,
}

impl Flusher {
    async fn run(mut self) {
        loop {
            let members = self.next().await;
            if members.is_empty() {
                return;
            }
            // Should one group bring the code down, the next must still find somebody here. Its members are told by
            // their ends of the channel.
            if AssertUnwindSafe(self.flush(members)).catch_unwind().await.is_err() {
                tracing::error!("a group of creates panicked");
                self.connection = None;
            }
        }
    }

    /// Whatever waits; nothing, when the program stops and nobody waits any more.
    async fn next(&self) -> Vec<Member> {
        let (mut members, mut waiting) = (Vec::new(), self.waiting.lock().await);
        let stopped = tokio::select! {
            _ = waiting.recv_many(&mut members, GROUP) => false,
            () = self.stopping.cancelled(), if !waiting.is_closed() => true,
        };
        if stopped {
            waiting.close();
            waiting.recv_many(&mut members, GROUP).await;
        }
        members
    }

    async fn flush(&mut self, members: Vec<Member>) {
        let began = Instant::now();
        let (group, mut left_out) = choose(members);
        if !group.is_empty() {
            let committed = self.commit(&group).await;
            let outcome = if committed.is_ok() { "done" } else { "failed" };
            tx::ended("create_invoices", outcome, began);
            left_out.extend(tell(group, committed));
        }
        // What their twins did is committed by now: nobody waits for a lock.
        if !left_out.is_empty() {
            self.answer(left_out).await;
        }
    }

    /// Those who were left out: who repeats himself gets the answer that he had.
    async fn answer(&mut self, left_out: Vec<Member>) {
        let kept = self.kept(left_out.iter().filter_map(Member::claim)).await;
        for member in left_out {
            let kept =
                member.claim().and_then(|claim| Some((claim, kept.get(&(claim.owner, claim.key.clone()))?)));
            let fate = match kept {
                Some((claim, kept)) if kept.request == claim.request => Grouped::Seen(kept.answer.clone()),
                Some(_) | None => Grouped::Alone,
            };
            // Who is gone needs no answer.
            let _ = member.told.send(Ok(fate));
        }
    }

    /// What is kept of some claims' keys; nothing, when it was not to be had. Alone it will be looked for again.
    async fn kept(&mut self, claims: impl Iterator<Item = &Claim>) -> HashMap<(Owner, String), Kept> {
        let mut claims = claims.peekable();
        let (Some(connection), Some(_)) = (&mut self.connection, claims.peek()) else {
            return HashMap::new();
        };
        let seen = timeout(GROUP_TIME, idempotency::seen(connection, claims)).await;
        let Ok(Ok(seen)) = seen else {
            self.connection = None;
            return HashMap::new();
        };
        seen.into_iter().map(|kept| ((kept.owner, kept.key.clone()), kept)).collect()
    }

    async fn commit(&mut self, group: &[Member]) -> Result<HashSet<InvoiceId>, Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.connect).await?),
        };
        let planned = &mut self.planned;
        let work = async {
            if planned.is_old() {
                connection.clear_cached_statements().await?;
                *planned = Planned::now();
            }
            planned.uses += 1;
            create::open(connection, group.iter().map(|member| &member.create), Some(PATIENCE)).await
        };
        let opened = timeout(GROUP_TIME, work).await;
        let silent = || Error::Lost(format!("no answer within {GROUP_TIME:?}"));
        let opened = opened.unwrap_or_else(|_| Err(silent()));
        match &opened {
            Ok(opened) if !opened.is_empty() => self.committed.notify_one(),
            Ok(_) => {}
            Err(error) => {
                // What the database refused has harmed nothing else.
                if matches!(error, Error::Lost(_) | Error::Unavailable(_)) {
                    self.connection = None;
                }
                tracing::warn!(%error, creates = group.len(), "creates go alone: {error}");
            }
        }
        opened
    }
}

async fn connect(connect: &PgConnectOptions) -> Result<PgConnection, Error> {
    let opened = timeout(CONNECT_TIME, connect.connect()).await;
    let away = |why: String| Error::Unavailable(why);
    opened
        .map_err(|_| away(format!("no connection within {CONNECT_TIME:?}")))?
        .map_err(|error| away(error.to_string()))
}

/// Those who go together, and those of whom one goes already. Nobody works for a caller who is gone, or for one who has
/// waited for too long.
fn choose(members: Vec<Member>) -> (Vec<Member>, Vec<Member>) {
    let mut seen = HashSet::new();
    let (mut group, mut twins) = (Vec::with_capacity(members.len()), Vec::new());
    for member in members {
        if member.since.elapsed() > WAIT_TIME {
            let late = Error::Unavailable(format!("its turn did not come within {WAIT_TIME:?}"));
            // Who is gone needs no answer.
            let _ = member.told.send(Err(late));
        } else if !member.told.is_closed() {
            let of = member.create.names();
            let is_first = of.iter().all(|name| !seen.contains(name));
            seen.extend(of);
            if is_first { group.push(member) } else { twins.push(member) }
        }
    }
    (group, twins)
}

/// Tells the members of a group what became of them, and returns those who were left out.
fn tell(group: Vec<Member>, committed: Result<HashSet<InvoiceId>, Error>) -> Vec<Member> {
    let mut left_out = Vec::new();
    for member in group {
        let fate = match &committed {
            Ok(opened) if member.create.id().is_some_and(|id| opened.contains(&id)) => Ok(Grouped::Opened),
            Ok(_) => {
                left_out.push(member);
                continue;
            }
            Err(Error::Unavailable(why)) => Err(Error::Unavailable(why.clone())),
            Err(_) => Ok(Grouped::Alone),
        };
        // Who is gone needs no answer.
        let _ = member.told.send(fate);
    }
    left_out
}
