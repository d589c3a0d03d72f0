//! `/events`: what happened, in the order in which it is told, for whoever wants to miss nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::id::{EventId, EventKind as EventIdKind};
use futures_util::FutureExt;
use store::Answer;
use store::events::{EventStatus, Filter, NoPage, Page, Subject, Told};
use tokio::time::Instant;
use wire::event::{EventView, SubjectView, render};
use wire::feed::{self, ListEvents};
use wire::list;
use wire::problem::{Code, Item};

use crate::call::{Call, ReadEvents, WriteWebhooks};
use crate::invoices::ViewSettings;
use crate::problem::Problem;
use crate::reply::{PageReply, Reply, next_link};

/// How long a list waits before each look whether what had been written before it was asked for has its number. Numbering
/// takes some 20 ms; when no worker runs, the list shows what has a number after a second.
const LOOK_AFTER_MILLIS: [u64; 6] = [5, 15, 40, 100, 250, 600];

/// `GET /events/{id}`, and the seed's `/event/{id}`.
pub async fn read(call: Call<ReadEvents>) -> Result<Reply, Problem> {
    let (owner, id) = (call.owner, call.id::<EventIdKind>()?);
    let found = call.api.store.read("read_event", move |tx| tx.event(owner, id).boxed()).await?;
    let event = found.ok_or(Problem::new(Code::NotFound))?;
    Ok(Reply::fresh(answer(body(&event, &call.view_settings()))))
}

/// `GET /events`, and `/events/list`.
pub async fn list(mut call: Call<ReadEvents>) -> Result<PageReply, Problem> {
    let statuses = EventStatus::ALL.map(EventStatus::as_str);
    let asked = feed::read(call.query(), call.owner.mode, &statuses).map_err(Problem::Told)?;
    let deadline = Instant::now() + Duration::from_secs(asked.wait);
    let api = call.api.clone();
    // Older pages have no news, and who waits for news waits for numbers too.
    if asked.starting_after.is_none() && asked.wait == 0 {
        catch_up(&mut call).await?;
    }
    let mut waiting = None;
    let mut from = asked.after;
    let (events, has_more) = loop {
        let (events, has_more) = page(&call, &asked, from).await?;
        if !events.is_empty() || asked.wait == 0 {
            break (events, has_more);
        }
        if waiting.is_none() {
            // From here on nothing is held but a place among those who wait.
            call.leave_gate();
            waiting = Some(api.feeds.wait_for(call.owner).ok_or(Problem::new(Code::TooManyWaiting))?);
        }
        let after = from.unwrap_or(0);
        let Some(place) = &waiting else { break (events, has_more) };
        if !place.beyond(after, deadline).await {
            break (events, has_more);
        }
        // What has come may be filtered away: then it is passed by.
        let (owner, unfiltered) = (call.owner, Filter::default());
        let passed = api.store.read("list_events", move |tx| {
            let unfiltered = unfiltered.clone();
            async move { tx.events(owner, &unfiltered, Page::Following(after), 500).await }.boxed()
        });
        let passed = passed.await?.map(|listed| listed.events).unwrap_or_default();
        let (again, has_more) = page(&call, &asked, from).await?;
        if !again.is_empty() {
            break (again, has_more);
        }
        from = passed.last().map(|event| event.sequence).or(from);
    };
    drop(waiting);
    let settings = call.view_settings();
    let objects: Vec<Vec<u8>> = events.iter().map(|event| body(event, &settings)).collect();
    let next = has_more.then(|| next_page(&call, &asked, &events)).flatten();
    Ok(PageReply::new(list::render(&objects, has_more), next, None))
}

/// Waits until what the owner has written has its numbers: whoever was told that an invoice is paid finds that it was.
async fn catch_up(call: &mut Call<ReadEvents>) -> Result<(), Problem> {
    let (owner, api) = (call.owner, call.api.clone());
    let unnumbered =
        api.store.read("find_unnumbered_events", move |tx| tx.unnumbered_events(owner).boxed()).await?;
    if unnumbered.is_empty() {
        return Ok(());
    }
    // When so many wait already, numbering has fallen behind, and to wait helps nobody.
    let Some(_place) = api.feeds.catch_up() else { return Ok(()) };
    // Nothing else is held meanwhile.
    call.leave_gate();
    let unnumbered: Arc<[EventId]> = unnumbered.into();
    for millis in LOOK_AFTER_MILLIS {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let looked_for = unnumbered.clone();
        let are_numbered = api.store.read("are_events_numbered", move |tx| {
            let looked_for = looked_for.clone();
            async move { tx.are_numbered(owner, &looked_for).await }.boxed()
        });
        if are_numbered.await? {
            break;
        }
    }
    Ok(())
}

async fn page(
    call: &Call<ReadEvents>,
    asked: &ListEvents,
    from: Option<i64>,
) -> Result<(Vec<Told>, bool), Problem> {
    let statuses = asked.statuses.as_ref();
    let filter = Filter {
        kinds: asked.kinds.clone(),
        statuses: statuses.map(|words| words.iter().filter_map(|word| EventStatus::parse(word)).collect()),
        invoice: asked.invoice,
        created: asked.created,
    };
    let page = match from {
        Some(sequence) => Page::Following(sequence),
        None => Page::ById { after: asked.starting_after, before: asked.ending_before },
    };
    let (owner, limit) = (call.owner, asked.limit);
    let listed = call.api.store.read("list_events", move |tx| {
        let filter = filter.clone();
        async move { tx.events(owner, &filter, page, limit).await }.boxed()
    });
    let listed = listed.await?.map_err(|refusal| {
        Problem::Told(vec![match refusal {
            NoPage::Unknown(id) if Some(id) == asked.starting_after => {
                Item::at("starting_after", Code::InvalidCursor)
            }
            NoPage::Unknown(_) => Item::at("ending_before", Code::InvalidCursor),
            NoPage::Expired { oldest_sequence } => Item::at("after", Code::CursorExpired { oldest_sequence }),
        }])
    })?;
    Ok((listed.events, listed.has_more))
}

fn next_page(call: &Call<ReadEvents>, asked: &ListEvents, events: &[Told]) -> Option<String> {
    let root = &call.api.settings.public_url;
    if asked.after.is_some() {
        let last = events.last()?.sequence.to_string();
        return Some(next_link(call, root, &["after"], "after", &last));
    }
    let upwards = asked.ending_before.is_some() && asked.starting_after.is_none();
    let (cursor, alias, edge) = if upwards {
        ("ending_before", "end", events.first()?)
    } else {
        ("starting_after", "start", events.last()?)
    };
    Some(next_link(call, root, &[cursor, alias], cursor, &edge.id.text(call.owner.mode)))
}

/// `POST /events/{id}/resend`: to every endpoint that wants it, once more.
pub async fn resend(call: Call<WriteWebhooks>) -> Result<Reply, Problem> {
    let id = call.id::<EventIdKind>()?;
    let claim = call.claim("").map_err(|item| Problem::Told(vec![item]))?;
    let (owner, settings) = (call.owner, Arc::new(call.view_settings()));
    call.once("resend_event", claim, move |tx| {
        let settings = settings.clone();
        async move {
            let not_found = || Problem::new(Code::NotFound);
            tx.resend(owner, id).await?.ok_or_else(not_found)?;
            let event = tx.event(owner, id).await?.ok_or_else(not_found)?;
            Ok(Reply::fresh(answer(body(&event, &settings))))
        }
        .boxed()
    })
    .await
}

fn body(event: &Told, settings: &ViewSettings) -> Vec<u8> {
    let subject = match &event.subject {
        Subject::Invoice(invoice, payment) => {
            SubjectView::Invoice(invoice.as_changed_at(event.created), payment.as_deref())
        }
        Subject::Endpoint { id, facts } => SubjectView::Endpoint { id: *id, facts },
    };
    let view = EventView {
        id: event.id,
        mode: event.owner.mode,
        created: event.created,
        kind: event.kind,
        sequence: event.sequence,
        status: event.status.as_str(),
        subject,
    };
    render(&view, settings.view())
}

fn answer(body: Vec<u8>) -> Answer {
    Answer { status: 200, etag: None, location: None, body: Bytes::from(body) }
}
