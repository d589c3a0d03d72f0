//! What came of attempts is written down. What was delivered goes in groups, as creates do: one writer takes whatever
//! waits, without a timer, and the next group gathers while it commits. A failure has an endpoint's health to judge and
//! goes alone; so does every member of a group that could not be written.

use std::sync::Arc;

use domain::delivery::Next;
use store::Store;
use store::deliveries::{Attempt, Claimed, Finished};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::duty;

/// The most that one commit carries.
const GROUP: usize = 512;
/// Times that a result is written again, when the database did not take it.
const WRITES: u32 = 3;

/// A finished attempt, and the place that it takes among what is not written down yet.
pub(crate) struct Done {
    pub(crate) claimed: Claimed,
    pub(crate) attempt: Attempt,
    pub(crate) place: OwnedSemaphorePermit,
}

/// The way to the writer, which ends when the last one of these is gone and everything is written. The places bound what
/// waits here.
pub(crate) type Results = mpsc::UnboundedSender<Done>;

/// Starts the writer, which notifies `written` whenever places have become free.
pub(crate) fn start(store: Store, written: Arc<Notify>) -> (Results, JoinHandle<()>) {
    let (results, waiting) = mpsc::unbounded_channel();
    let writer = Writer { store, written, alone: TaskTracker::new() };
    (results, tokio::spawn(writer.run(waiting)))
}

struct Writer {
    store: Store,
    written: Arc<Notify>,
    alone: TaskTracker,
}

impl Writer {
    async fn run(self, mut waiting: mpsc::UnboundedReceiver<Done>) {
        let mut group = Vec::with_capacity(GROUP);
        while waiting.recv_many(&mut group, GROUP).await > 0 {
            let (mut delivered, mut places) =
                (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
            for Done { claimed, attempt, place } in group.drain(..) {
                if attempt.next == Next::Delivered {
                    delivered.push((claimed, attempt));
                    places.push(place);
                } else {
                    self.write_alone(claimed, attempt, place);
                }
            }
            if !delivered.is_empty() {
                self.write_together(delivered.into(), places).await;
            }
        }
        self.alone.close();
        self.alone.wait().await;
    }

    async fn write_together(&self, delivered: Arc<[(Claimed, Attempt)]>, places: Vec<OwnedSemaphorePermit>) {
        match self.store.finish_delivered(delivered.clone()).await {
            Ok(finished) => {
                let late = delivered.iter().filter(|(claimed, _)| !finished.contains(&claimed.id));
                late.for_each(|(claimed, _)| note_too_late(claimed));
                drop(places);
                self.written.notify_one();
            }
            Err(error) => {
                tracing::warn!(%error, "deliveries are finished alone: {error}");
                for ((claimed, attempt), place) in delivered.iter().zip(places) {
                    self.write_alone(claimed.clone(), attempt.clone(), place);
                }
            }
        }
    }

    /// Should it fail again and again, the claim ends and the delivery is made once more.
    fn write_alone(&self, claimed: Claimed, attempt: Attempt, place: OwnedSemaphorePermit) {
        let (store, written) = (self.store.clone(), self.written.clone());
        self.alone.spawn(async move {
            for tried in 1..=WRITES {
                match store.finish_delivery(&claimed, attempt.clone()).await {
                    Ok(Finished::Yes) => break,
                    Ok(Finished::TooLate) => {
                        note_too_late(&claimed);
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a delivery was not finished: {error}");
                        sleep(duty::AFTER_FAILURE * tried).await;
                    }
                }
            }
            drop(place);
            written.notify_one();
        });
    }
}

fn note_too_late(claimed: &Claimed) {
    let id = claimed.id.text(claimed.owner.mode);
    tracing::warn!(delivery = id, "delivery {id} was taken over before it was finished");
}
