//! What was delivered is written down in groups, as creates are: one writer takes whatever waits, without a timer, and
//! the next group gathers while it commits. Only what went well comes here: a failure has an endpoint's health to judge,
//! and goes alone. So does every member of a group that could not be written.

use domain::delivery::Next;
use store::Store;
use store::deliveries::{Attempt, Claimed, Finished};
use tokio::sync::{mpsc, oneshot};

/// The most that one commit carries: as many as may be posted at once.
const GROUP: usize = 512;

/// The way to the writer. Cheap to clone; the writer ends with the last clone.
#[derive(Clone)]
pub(crate) struct Acks {
    queue: mpsc::Sender<Ack>,
}

struct Ack {
    claimed: Claimed,
    attempt: Attempt,
    written: oneshot::Sender<Finished>,
}

impl Acks {
    /// Starts the writer.
    pub(crate) fn start(store: Store) -> Acks {
        let (queue, waiting) = mpsc::channel(GROUP);
        tokio::spawn(write(store, waiting));
        Acks { queue }
    }

    /// Writes that a delivery was accepted, together with whatever else was. `None`: it has to go alone.
    pub(crate) async fn finish(&self, claimed: &Claimed, attempt: &Attempt) -> Option<Finished> {
        if attempt.next != Next::Delivered {
            return None;
        }
        let (written, fate) = oneshot::channel();
        let ack = Ack { claimed: claimed.clone(), attempt: attempt.clone(), written };
        self.queue.send(ack).await.ok()?;
        fate.await.ok()
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<Ack>) {
    let mut acks = Vec::new();
    while waiting.recv_many(&mut acks, GROUP).await > 0 {
        let (done, fates): (Vec<_>, Vec<_>) =
            acks.drain(..).map(|ack| ((ack.claimed, ack.attempt), ack.written)).unzip();
        let ids: Vec<_> = done.iter().map(|(claimed, _)| claimed.id).collect();
        match store.finish_delivered(done).await {
            Ok(finished) => {
                for (id, written) in ids.into_iter().zip(fates) {
                    let fate = if finished.contains(&id) { Finished::Yes } else { Finished::TooLate };
                    // Who is gone needs no answer.
                    let _ = written.send(fate);
                }
            }
            // Dropped, their ends of the channel send each of them alone.
            Err(error) => tracing::warn!(%error, "deliveries are finished alone: {error}"),
        }
    }
}
