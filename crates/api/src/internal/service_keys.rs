//! `/service-keys`: the keys of KCMS itself and of the banks' connectors. As merchants' keys, on the chain `system`.

use bytes::Bytes;
use domain::account::Mode;
use domain::audit::{Act, By, Chain};
use domain::id::{Id, ServiceKeyId};
use domain::key::{KeyKind, Role, SecretKey};
use domain::time::Moment;
use futures_util::FutureExt;
use serde_json::json;
use store::Answer;
use store::keys::HASH_VERSION;
use store::service_keys::{NewServiceKey, ServiceKeyRecord};
use wire::internal::key::{self as wire_key, Moments, ServiceKeyView, service_key_id};
use wire::internal::page::Query;
use wire::problem::Code;

use super::accounts::empty;
use super::console::{Console, Done};
use super::keys::refused;
use crate::keys::random_bytes;
use crate::problem::Problem;
use crate::reply::{PageReply, Reply};

/// Parameters of the list, beside `limit`.
pub const PARAMETERS: &[&str] = &["starting_after"];

/// `POST /service-keys`.
pub async fn create(mut call: Console) -> Result<Reply, Problem> {
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let now = call.api.store.clock().now();
    let wish = wire_key::NewServiceKey::read(object, now).map_err(Problem::Told)?;
    let claim = call.claim(&canonical)?;
    let new = new_key(&call, wish.name, wish.role, wish.expires_at).await?;
    let by = call.by();
    call.write("create_service_key", claim, move |tx| {
        let (new, by) = (new.clone(), by.clone());
        async move {
            tx.add_service_key(&new).await?;
            let key = tx.lock_service_key(new.id).await?.ok_or(Problem::new(Code::NotFound))?;
            let details =
                json!({ "name": key.name, "role": key.role.as_str(), "channel": key.role.channel() });
            Ok(made(&key, &new.secret, act("create_service_key", &key, by, Some(details.to_string()))))
        }
        .boxed()
    })
    .await
}

async fn new_key(
    call: &Console,
    name: String,
    role: Role,
    expires_at: Option<Moment>,
) -> Result<NewServiceKey, Problem> {
    let (secret, phc) = call.api.keys.make(KeyKind::Service).await?;
    let id: ServiceKeyId = Id::new(call.api.store.clock().unix_millis(), &random_bytes()?);
    Ok(NewServiceKey { id, name, role, expires_at, secret, phc, hash_version: HASH_VERSION })
}

/// `GET /service-keys`.
pub async fn list(call: Console) -> Result<PageReply, Problem> {
    let query = Query::read(call.query(), PARAMETERS).map_err(Problem::Told)?;
    let after = query.cursor("starting_after", parse_id).map_err(Problem::Told)?;
    let limit = query.limit;
    let page = call.api.store.read("list_service_keys", move |tx| tx.service_keys(after, limit).boxed());
    let (keys, has_more) = page.await?;
    let next = keys.last().filter(|_| has_more).map(|key| ("starting_after", service_key_id(key.id)));
    let objects: Vec<Vec<u8>> = keys.iter().map(|key| render(key, None)).collect();
    Ok(PageReply::list(&call, &objects, has_more, next))
}

/// `GET /service-keys/{id}`.
pub async fn read(call: Console) -> Result<Reply, Problem> {
    let id = id(&call)?;
    let found = call.api.store.read("find_service_key", move |tx| tx.service_key(id).boxed());
    let key = found.await?.ok_or(Problem::new(Code::NotFound))?;
    Ok(Reply::fresh(answer(200, &key, None)))
}

/// `POST /service-keys/{id}/roll`.
pub async fn roll(mut call: Console) -> Result<Reply, Problem> {
    let id = id(&call);
    let body = call.body().await?;
    let (object, canonical) = body.json_if_any()?;
    let overlap_seconds = wire_key::overlap(object).map_err(Problem::Told)?;
    let claim = call.claim(&canonical)?;
    let id = id?;
    let found = call.api.store.read("find_service_key", move |tx| tx.service_key(id).boxed());
    let old = found.await?.ok_or(Problem::new(Code::NotFound))?;
    let new = new_key(&call, old.name, old.role, old.expires_at).await?;
    let by = call.by();
    call.write("roll_service_key", claim, move |tx| {
        let (new, by) = (new.clone(), by.clone());
        async move {
            let rolled = tx.roll_service_key(id, &new, overlap_seconds).await?;
            let (old, key) = rolled.map_err(|why| refused(why.spelled(service_key_id)))?;
            let details =
                json!({ "replaced_by": service_key_id(key.id), "overlap_seconds": overlap_seconds });
            Ok(made(&key, &new.secret, act("roll_service_key", &old, by, Some(details.to_string()))))
        }
        .boxed()
    })
    .await
}

/// `POST /service-keys/{id}/revoke`.
pub async fn revoke(mut call: Console) -> Result<Reply, Problem> {
    let (id, claim) = (id(&call), empty(&mut call).await?);
    call.reason()?;
    let (id, by) = (id?, call.by());
    call.write("revoke_service_key", claim, move |tx| {
        let by = by.clone();
        async move {
            let not_found = || Problem::new(Code::NotFound);
            let key = tx.lock_service_key(id).await?.ok_or_else(not_found)?;
            if key.revoked_at.is_some() {
                return Ok(Done::nothing(Reply::fresh(answer(200, &key, None))));
            }
            tx.revoke_service_key(id).await?;
            let key = tx.lock_service_key(id).await?.ok_or_else(not_found)?;
            Ok(Done::act(Reply::fresh(answer(200, &key, None)), act("revoke_service_key", &key, by, None)))
        }
        .boxed()
    })
    .await
}

fn id(call: &Console) -> Result<ServiceKeyId, Problem> {
    call.path_part("id").and_then(parse_id).ok_or(Problem::new(Code::NotFound))
}

fn parse_id(text: &str) -> Option<ServiceKeyId> {
    Id::parse(text, Mode::Live)
}

fn made(key: &ServiceKeyRecord, secret: &SecretKey, act: Act) -> Done {
    let mut answer = answer(201, key, Some(secret));
    let id = service_key_id(key.id);
    answer.location = Some(format!("/internal/v1/service-keys/{id}"));
    Done::act(Reply::secret(answer, id), act)
}

fn answer(status: u16, key: &ServiceKeyRecord, secret: Option<&SecretKey>) -> Answer {
    Answer { status, etag: None, location: None, body: Bytes::from(render(key, secret)) }
}

fn render(key: &ServiceKeyRecord, secret: Option<&SecretKey>) -> Vec<u8> {
    let view = ServiceKeyView {
        id: key.id,
        name: &key.name,
        role: &key.role,
        prefix: &key.prefix,
        last4: &key.last4,
        moments: Moments {
            created: key.created,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        },
        replaced_by: key.replaced_by,
    };
    wire_key::render_service(&view, secret.map(SecretKey::expose))
}

fn act(action: &'static str, key: &ServiceKeyRecord, by: By, details: Option<String>) -> Act {
    Act { chain: Chain::System, action, object: Some(service_key_id(key.id)), by, details }
}
