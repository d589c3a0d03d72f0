//! `/webhook_endpoints` and `/deliveries`: where a merchant wants to be told, and what came of it. A secret is in the
//! answer that makes it and nowhere else.

use std::time::Duration;

use bytes::Bytes;
use domain::delivery::DeliveryStatus;
use domain::endpoint::Endpoint;
use domain::field::Wrong;
use domain::id::{DeliveryId, DeliveryKind, EndpointId, EndpointKind, Id};
use domain::signature::WebhookSecret;
use futures_util::FutureExt;
use store::deliveries::{Range, Shown, ShownAttempt};
use store::{Answer, Claim};
use tokio::time::{Instant, sleep};
use wire::internal::page::Query;
use wire::json::Object;
use wire::problem::{Code, Item};
use wire::webhook::{self, AttemptView, DeliveryView, RedeliverRange, Wish};

use crate::call::{Call, ReadWebhooks, WriteWebhooks};
use crate::keys::random_bytes;
use crate::problem::Problem;
use crate::reply::{PageReply, Reply, next_link};

/// How long a test waits for what the receiver says, and how often it looks.
const TEST_TIME: Duration = Duration::from_secs(20);
const TEST_LOOK: Duration = Duration::from_millis(50);

/// Deliveries that one call sends again, at most; more are reached by calling again with a later `after`.
const MAX_REDELIVERED: i64 = 10_000;

/// `POST /webhook_endpoints`.
pub async fn create(mut call: Call<WriteWebhooks>) -> Result<Reply, Problem> {
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let (wish, claim) = understand(&call, object, &canonical, |object, judge| Wish::of_new(object, judge))?;
    let id: EndpointId = Id::new(call.api.store.clock().unix_millis(), &random_bytes()?);
    let blank = Endpoint {
        id,
        owner: call.owner,
        url: String::new(),
        kinds: None,
        description: None,
        enabled: true,
        disabled_reason: None,
        created: call.api.store.clock().now(),
        previous_secret_until: None,
    };
    let endpoint = wish.over(&blank);
    let secret = WebhookSecret::from_random(random_bytes()?);
    let location = format!(
        "{}{}/{}",
        call.api.settings.public_url,
        call.path().trim_end_matches('/'),
        id.text(call.owner.mode)
    );
    call.once("create_webhook_endpoint", claim, move |tx| {
        let (endpoint, secret, location) = (endpoint.clone(), secret.clone(), location.clone());
        async move {
            let made = tx.add_endpoint(&endpoint, &secret).await?;
            let made = made.ok_or(Problem::new(Code::EndpointLimitReached))?;
            let mut answer = answer(201, &made, Some(&secret));
            answer.location = Some(location);
            Ok(Reply::secret(answer, made.id.text(made.owner.mode)))
        }
        .boxed()
    })
    .await
}

/// What a body wishes, and the caller's claim; all faults of both.
fn understand(
    call: &Call<WriteWebhooks>,
    object: Object<'_>,
    canonical: &str,
    read: impl FnOnce(Object<'_>, &dyn Fn(&str) -> Result<String, Wrong>) -> Result<Wish, Vec<Item>>,
) -> Result<(Wish, Option<Claim>), Problem> {
    let targets = &call.api.settings.targets;
    let judge = |text: &str| targets.parse(text).map(String::from);
    match (read(object, &judge), call.claim(canonical)) {
        (Ok(wish), Ok(claim)) => Ok((wish, claim)),
        (wish, claim) => {
            let mut items = wish.err().unwrap_or_default();
            items.extend(claim.err());
            Err(Problem::Told(items))
        }
    }
}

/// `GET /webhook_endpoints`: newest first.
pub async fn list(call: Call<ReadWebhooks>) -> Result<PageReply, Problem> {
    let owner = call.owner;
    let query = Query::read(call.query(), &["starting_after"]).map_err(Problem::Told)?;
    let cursor = |text: &str| EndpointId::parse(text, owner.mode);
    let after = query.cursor("starting_after", cursor).map_err(Problem::Told)?;
    let endpoints = call.api.store.read("list_webhook_endpoints", move |tx| tx.endpoints(owner).boxed());
    // There are sixteen at most: the page is cut here.
    let mut shown = endpoints.await?;
    shown.retain(|endpoint| after.is_none_or(|after| endpoint.id < after));
    let has_more = shown.len() > usize::from(query.limit);
    shown.truncate(usize::from(query.limit));
    let last = shown.last().filter(|_| has_more).map(|last| last.id.text(owner.mode));
    let root = &call.api.settings.public_url;
    let next = last.map(|id| next_link(&call, root, &["starting_after"], "starting_after", &id));
    let objects: Vec<Vec<u8>> = shown.iter().map(|endpoint| webhook::render(endpoint, None)).collect();
    Ok(PageReply::new(wire::list::render(&objects, has_more), next, None))
}

/// `GET /webhook_endpoints/{id}`.
pub async fn read(call: Call<ReadWebhooks>) -> Result<Reply, Problem> {
    let (owner, id) = (call.owner, call.id::<EndpointKind>()?);
    let found = call.api.store.read("find_webhook_endpoint", move |tx| tx.endpoint(owner, id).boxed());
    Ok(Reply::fresh(answer(200, &found.await?.ok_or(Problem::new(Code::NotFound))?, None)))
}

/// `PATCH /webhook_endpoints/{id}`.
pub async fn update(mut call: Call<WriteWebhooks>) -> Result<Reply, Problem> {
    let id = call.id::<EndpointKind>();
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let (wish, claim) =
        understand(&call, object, &canonical, |object, judge| Wish::of_change(object, judge))?;
    let (owner, id) = (call.owner, id?);
    call.once("update_webhook_endpoint", claim, move |tx| {
        let wish = wish.clone();
        async move {
            let before = tx.lock_endpoint(owner, id).await?.ok_or(Problem::new(Code::NotFound))?;
            let after = wish.over(&before);
            if after != before {
                tx.save_endpoint(&after).await?;
            }
            Ok(Reply::fresh(answer(200, &after, None)))
        }
        .boxed()
    })
    .await
}

/// `DELETE /webhook_endpoints/{id}`: what waited for it is not sent any more.
pub async fn delete(call: Call<WriteWebhooks>) -> Result<Reply, Problem> {
    let (owner, id) = (call.owner, call.id::<EndpointKind>()?);
    let claim = call.claim("").map_err(|item| Problem::Told(vec![item]))?;
    call.once("delete_webhook_endpoint", claim, move |tx| {
        async move {
            let before = tx.lock_endpoint(owner, id).await?.ok_or(Problem::new(Code::NotFound))?;
            tx.delete_endpoint(owner, id).await?;
            Ok(Reply::fresh(answer(200, &Endpoint { enabled: false, ..before }, None)))
        }
        .boxed()
    })
    .await
}

/// `POST /webhook_endpoints/{id}/roll_secret`.
pub async fn roll_secret(mut call: Call<WriteWebhooks>) -> Result<Reply, Problem> {
    let id = call.id::<EndpointKind>();
    let body = call.body().await?;
    let (object, canonical) = body.json_if_any()?;
    let overlap_seconds = webhook::overlap(object).map_err(Problem::Told)?;
    let claim = call.claim(&canonical).map_err(|item| Problem::Told(vec![item]))?;
    let (owner, id, secret) = (call.owner, id?, WebhookSecret::from_random(random_bytes()?));
    call.once("roll_webhook_secret", claim, move |tx| {
        let secret = secret.clone();
        async move {
            let not_found = || Problem::new(Code::NotFound);
            tx.lock_endpoint(owner, id).await?.ok_or_else(not_found)?;
            tx.roll_endpoint(owner, id, &secret, overlap_seconds).await?;
            let after = tx.endpoint(owner, id).await?.ok_or_else(not_found)?;
            Ok(Reply::secret(answer(200, &after, Some(&secret)), id.text(owner.mode)))
        }
        .boxed()
    })
    .await
}

/// `POST /webhook_endpoints/{id}/test`: a signed ping, and what the receiver said.
pub async fn test(mut call: Call<WriteWebhooks>) -> Result<Reply, Problem> {
    let (owner, id) = (call.owner, call.id::<EndpointKind>()?);
    call.leave_gate();
    let ping = call.api.store.transaction("ping_webhook_endpoint", move |tx| {
        async move {
            tx.endpoint(owner, id).await?.ok_or(Problem::new(Code::NotFound))?;
            Ok::<_, Problem>(tx.add_ping(owner, id).await?)
        }
        .boxed()
    });
    let ping = ping.await?;
    let deadline = Instant::now() + TEST_TIME;
    loop {
        let shown = look(&call, ping).await?;
        let settled = shown.as_ref().is_some_and(|(shown, _)| shown.status != DeliveryStatus::Pending);
        if settled || Instant::now() >= deadline {
            let (shown, attempts) = shown.ok_or(Problem::new(Code::NotFound))?;
            return Ok(Reply::fresh(delivery_answer(&call, &shown, Some(attempts))));
        }
        sleep(TEST_LOOK).await;
    }
}

async fn look<S>(call: &Call<S>, id: DeliveryId) -> Result<Option<(Shown, Vec<ShownAttempt>)>, Problem> {
    let owner = call.owner;
    let found = call.api.store.read("find_delivery", move |tx| {
        async move {
            let Some(shown) = tx.delivery(owner, id).await? else { return Ok::<_, Problem>(None) };
            Ok(Some((shown, tx.attempts(owner, id).await?)))
        }
        .boxed()
    });
    found.await
}

/// `GET /webhook_endpoints/{id}/deliveries`.
pub async fn deliveries(call: Call<ReadWebhooks>) -> Result<PageReply, Problem> {
    let (owner, id) = (call.owner, call.id::<EndpointKind>()?);
    let query = Query::read(call.query(), &["starting_after"]).map_err(Problem::Told)?;
    let cursor = |text: &str| DeliveryId::parse(text, owner.mode);
    let after = query.cursor("starting_after", cursor).map_err(Problem::Told)?;
    let limit = query.limit;
    let page = call.api.store.read("list_deliveries", move |tx| {
        async move {
            tx.endpoint(owner, id).await?.ok_or(Problem::new(Code::NotFound))?;
            Ok::<_, Problem>(tx.deliveries(owner, id, after, limit).await?)
        }
        .boxed()
    });
    let (shown, has_more) = page.await?;
    let root = &call.api.settings.public_url;
    let last = shown.last().filter(|_| has_more).map(|last| last.id.text(owner.mode));
    let next = last.map(|id| next_link(&call, root, &["starting_after"], "starting_after", &id));
    let objects: Vec<Vec<u8>> =
        shown.iter().map(|shown| webhook::render_delivery(&view(&call, shown, None))).collect();
    Ok(PageReply::new(wire::list::render(&objects, has_more), next, None))
}

/// `GET /deliveries/{id}`: with every attempt.
pub async fn delivery(call: Call<ReadWebhooks>) -> Result<Reply, Problem> {
    let found = look(&call, call.id::<DeliveryKind>()?).await?;
    let (shown, attempts) = found.ok_or(Problem::new(Code::NotFound))?;
    Ok(Reply::fresh(delivery_answer(&call, &shown, Some(attempts))))
}

/// `POST /deliveries/{id}/redeliver`.
pub async fn redeliver(call: Call<WriteWebhooks>) -> Result<Reply, Problem> {
    let (owner, id) = (call.owner, call.id::<DeliveryKind>()?);
    let claim = call.claim("").map_err(|item| Problem::Told(vec![item]))?;
    call.once("redeliver", claim, move |tx| {
        async move {
            let not_found = || Problem::new(Code::NotFound);
            tx.delivery(owner, id).await?.ok_or_else(not_found)?;
            if !tx.redeliver(owner, id).await? {
                return Err(Problem::new(Code::NotRedeliverable));
            }
            let shown = tx.delivery(owner, id).await?.ok_or_else(not_found)?;
            let body = webhook::render_delivery(&view_of(owner.mode, &shown, None));
            Ok(Reply::fresh(Answer { status: 200, etag: None, location: None, body: Bytes::from(body) }))
        }
        .boxed()
    })
    .await
}

/// `POST /webhook_endpoints/{id}/redeliver`: a range of the feed, or only how many that would be.
pub async fn redeliver_range(mut call: Call<WriteWebhooks>) -> Result<Reply, Problem> {
    let id = call.id::<EndpointKind>();
    let body = call.body().await?;
    let (object, canonical) = body.json_if_any()?;
    let asked = RedeliverRange::read(object).map_err(Problem::Told)?;
    let claim = call.claim(&canonical).map_err(|item| Problem::Told(vec![item]))?;
    let (owner, id) = (call.owner, id?);
    call.once("redeliver_range", claim, move |tx| {
        async move {
            let endpoint = tx.endpoint(owner, id).await?.ok_or(Problem::new(Code::NotFound))?;
            let range = Range { after: asked.after, until: asked.until, status: asked.status };
            let found = tx.deliveries_in(owner, id, range, MAX_REDELIVERED).await?;
            let count = if asked.dry_run {
                found.len() as u64
            } else if endpoint.enabled {
                tx.redeliver_all(owner, &found).await?
            } else {
                return Err(Problem::new(Code::NotRedeliverable));
            };
            let body = Bytes::from(webhook::render_redelivered(count, asked.dry_run));
            Ok(Reply::fresh(Answer { status: 200, etag: None, location: None, body }))
        }
        .boxed()
    })
    .await
}

fn answer(status: u16, endpoint: &Endpoint, secret: Option<&WebhookSecret>) -> Answer {
    let shown = secret.map(WebhookSecret::expose);
    let body = Bytes::from(webhook::render(endpoint, shown.as_ref().map(|text| text.as_str())));
    Answer { status, etag: None, location: None, body }
}

fn delivery_answer<S>(call: &Call<S>, shown: &Shown, attempts: Option<Vec<ShownAttempt>>) -> Answer {
    let body = Bytes::from(webhook::render_delivery(&view(call, shown, attempts)));
    Answer { status: 200, etag: None, location: None, body }
}

fn view<S>(call: &Call<S>, shown: &Shown, attempts: Option<Vec<ShownAttempt>>) -> DeliveryView {
    view_of(call.owner.mode, shown, attempts)
}

fn view_of(mode: domain::account::Mode, shown: &Shown, attempts: Option<Vec<ShownAttempt>>) -> DeliveryView {
    let attempt = |attempt: ShownAttempt| AttemptView {
        number: attempt.number,
        at: attempt.at,
        duration_ms: attempt.duration_ms,
        status: attempt.status,
        error: attempt.error,
        answer: attempt.answer,
    };
    DeliveryView {
        id: shown.id,
        mode,
        endpoint: shown.endpoint,
        event: shown.event,
        created: shown.created,
        status: shown.status,
        next_at: shown.next_at,
        attempt_count: shown.attempts,
        attempts: attempts.map(|attempts| attempts.into_iter().map(attempt).collect()),
    }
}
