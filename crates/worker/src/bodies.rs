//! The bodies of webhooks: an event goes to each of its owner's endpoints, again after each failure, and its bytes are
//! always the same. Those that were posted lately are kept at hand.

use std::collections::HashMap;

use bytes::Bytes;
use domain::account::Owner;
use domain::id::EventId;
use futures_util::FutureExt;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use store::Store;
use store::deliveries::Claimed;
use store::events::{Subject, Told};
use wire::event::{EventView, SubjectView};
use wire::invoice::View;
use wire::version::Version;

/// How much is kept at hand.
const KEPT_BYTES: usize = 4 << 20;

/// See the module.
pub(crate) struct Bodies {
    page_url: String,
    kept: Cache<(Owner, EventId), Bytes, Size>,
}

#[derive(Clone)]
struct Size;

impl<K> Weighter<K, Bytes> for Size {
    fn weight(&self, _: &K, body: &Bytes) -> u64 {
        body.len() as u64
    }
}

impl Bodies {
    /// `page_url`: what links to the payment page begin with.
    pub(crate) fn new(page_url: String) -> Bodies {
        Bodies { page_url, kept: Cache::with_weighter(KEPT_BYTES / 1_024, KEPT_BYTES as u64, Size) }
    }

    /// The body of each of these, in their order and in the version that was pinned when it happened; `None`: its event is
    /// kept no more.
    pub(crate) async fn of(
        &mut self,
        store: &Store,
        claimed: &[Claimed],
    ) -> Result<Vec<Option<Bytes>>, store::Error> {
        let (mut bodies, mut unknown) = (HashMap::new(), Vec::new());
        for key in claimed.iter().filter_map(|claimed| Some((claimed.owner, claimed.event?))) {
            match self.kept.get(&key) {
                Some(body) => drop(bodies.insert(key, body.clone())),
                None => unknown.push(key),
            }
        }
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() {
            let find = store.read::<_, store::Error, _>("find_events", move |tx| {
                let unknown = unknown.clone();
                async move { tx.events_of(&unknown).await }.boxed()
            });
            for event in find.await? {
                let body = self.render(&event);
                self.kept.insert((event.owner, event.id), body.clone());
                bodies.insert((event.owner, event.id), body);
            }
        }
        let body = |claimed: &Claimed| match claimed.event {
            Some(event) => bodies.get(&(claimed.owner, event)).cloned(),
            None => Some(wire::event::render_ping(claimed.id, claimed.owner.mode, claimed.at).into()),
        };
        Ok(claimed.iter().map(body).collect())
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
        Bytes::from(wire::event::render(&view, View { version, page_url: &self.page_url }))
    }
}
