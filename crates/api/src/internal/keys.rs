//! `/accounts/{id}/keys` and `/keys`: merchants' keys. A secret is in the answer that makes it and nowhere else; a
//! repeat of that request is told that it was shown.

use bytes::Bytes;
use domain::account::{Mode, Owner};
use domain::audit::{Act, By, Chain};
use domain::id::{Id, KeyId};
use domain::key::{KeyKind, SecretKey};
use futures_util::FutureExt;
use ipnet::IpNet;
use serde_json::json;
use store::Answer;
use store::keys::{KeyRecord, NewKey, Refused};
use wire::internal::key::{self as wire_key, KeyView, Moments};
use wire::internal::page::Query;
use wire::problem::Code;

use super::accounts::empty;
use super::console::{Console, Done};
use crate::headers::network;
use crate::keys::random_bytes;
use crate::problem::Problem;
use crate::reply::{PageReply, Reply};

/// Parameters of the list, beside `limit`.
pub const PARAMETERS: &[&str] = &["starting_after"];

/// `POST /accounts/{id}/keys`.
pub async fn create(mut call: Console) -> Result<Reply, Problem> {
    let account = call.account();
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let store = &call.api.store;
    let known = |text: &str| network(text).map(|network| network.to_string());
    let wish = wire_key::NewKey::read(object, store.clock().now(), known).map_err(Problem::Told)?;
    let claim = call.claim(&canonical)?;
    let owner = Owner { account: account?, mode: wish.mode };
    let new = new_key(&call, owner, &wish.name).await?;
    let networks = |texts: Vec<String>| texts.iter().filter_map(|text| network(text)).collect::<Vec<IpNet>>();
    let new = NewKey {
        scopes: wish.scopes,
        ip_allow: wish.ip_allow.map(networks),
        expires_at: wish.expires_at,
        ..new
    };
    let by = call.by();
    call.write("create_key", claim, move |tx| {
        let (new, by) = (new.clone(), by.clone());
        async move {
            let key = tx
                .issue_key(&new)
                .await?
                .map_err(|why| refused(why.spelled(|id| id.text(new.owner.mode))))?;
            let details = json!({ "name": new.name, "prefix": key.prefix }).to_string();
            Ok(made(&key, &new.secret, act("create_key", &key, by, Some(details))))
        }
        .boxed()
    })
    .await
}

/// A key to be added, drawn and hashed before any transaction begins.
async fn new_key(call: &Console, owner: Owner, name: &str) -> Result<NewKey, Problem> {
    let (secret, phc) = call.api.keys.make(KeyKind::Merchant(owner.mode)).await?;
    let id = Id::new(call.api.store.clock().unix_millis(), &random_bytes()?);
    Ok(NewKey::unrestricted(id, owner, name, secret, phc))
}

/// Why a key was not made, as its operator is told.
pub(super) fn refused(refused: Refused<String>) -> Problem {
    Problem::new(match refused {
        Refused::Unknown => Code::NotFound,
        Refused::LiveNotEnabled => Code::LiveNotEnabled,
        Refused::TooMany => Code::KeyLimitReached,
        Refused::Ended => Code::KeyEnded,
        Refused::Replaced(existing_id) => Code::KeyReplaced { existing_id },
    })
}

/// `GET /accounts/{id}/keys`.
pub async fn list(call: Console) -> Result<PageReply, Problem> {
    let account = call.account()?;
    let query = Query::read(call.query(), PARAMETERS).map_err(Problem::Told)?;
    let after = query.cursor("starting_after", parse_id).map_err(Problem::Told)?.map(|(id, _)| id);
    let limit = query.limit;
    let page = call.api.store.read("list_keys", move |tx| {
        async move {
            tx.account(account).await?.ok_or(Problem::new(Code::NotFound))?;
            Ok::<_, Problem>(tx.keys(account, after, limit).await?)
        }
        .boxed()
    });
    let (keys, has_more) = page.await?;
    let last = keys.last().filter(|_| has_more);
    let next = last.map(|key| ("starting_after", key.id.text(key.owner.mode)));
    let objects: Vec<Vec<u8>> = keys.iter().map(|key| render(key, None)).collect();
    Ok(PageReply::list(&call, &objects, has_more, next))
}

/// `GET /keys/{id}`.
pub async fn read(call: Console) -> Result<Reply, Problem> {
    let (id, mode) = id(&call)?;
    let found = call.api.store.read("find_key", move |tx| tx.key(id, mode).boxed()).await?;
    Ok(Reply::fresh(answer(200, &found.ok_or(Problem::new(Code::NotFound))?, None)))
}

/// `POST /keys/{id}/roll`.
pub async fn roll(mut call: Console) -> Result<Reply, Problem> {
    let id = id(&call);
    let body = call.body().await?;
    let (object, canonical) = body.json_if_any()?;
    let overlap_seconds = wire_key::overlap(object).map_err(Problem::Told)?;
    let claim = call.claim(&canonical)?;
    let (id, mode) = id?;
    let found = call.api.store.read("find_key", move |tx| tx.key(id, mode).boxed()).await?;
    let old = found.ok_or(Problem::new(Code::NotFound))?;
    let new = new_key(&call, old.owner, &old.name).await?;
    let by = call.by();
    call.write("roll_key", claim, move |tx| {
        let (new, by) = (new.clone(), by.clone());
        async move {
            let rolled = tx.roll_key(id, &new, overlap_seconds).await?;
            let (old, key) = rolled.map_err(|why| refused(why.spelled(|id| id.text(mode))))?;
            let successor_id = key.id.text(mode);
            let details = json!({ "replaced_by": successor_id, "overlap_seconds": overlap_seconds });
            Ok(made(&key, &new.secret, act("roll_key", &old, by, Some(details.to_string()))))
        }
        .boxed()
    })
    .await
}

/// `POST /keys/{id}/revoke`: refused everywhere within two seconds of the answer.
pub async fn revoke(mut call: Console) -> Result<Reply, Problem> {
    let (id, claim) = (id(&call), empty(&mut call).await?);
    call.reason()?;
    let ((id, mode), by) = (id?, call.by());
    call.write("revoke_key", claim, move |tx| {
        let by = by.clone();
        async move {
            let not_found = || Problem::new(Code::NotFound);
            let key = tx.lock_key(id, mode).await?.ok_or_else(not_found)?;
            if key.revoked_at.is_some() {
                return Ok(Done::nothing(Reply::fresh(answer(200, &key, None))));
            }
            tx.revoke_key(&key).await?;
            let key = tx.key(id, mode).await?.ok_or_else(not_found)?;
            Ok(Done::act(Reply::fresh(answer(200, &key, None)), act("revoke_key", &key, by, None)))
        }
        .boxed()
    })
    .await
}

fn id(call: &Console) -> Result<(KeyId, Mode), Problem> {
    call.path_part("id").and_then(parse_id).ok_or(Problem::new(Code::NotFound))
}

fn parse_id(text: &str) -> Option<(KeyId, Mode)> {
    [Mode::Test, Mode::Live].into_iter().find_map(|mode| Id::parse(text, mode).map(|id| (id, mode)))
}

fn made(key: &KeyRecord, secret: &SecretKey, act: Act) -> Done {
    let mut answer = answer(201, key, Some(secret));
    let id = key.id.text(key.owner.mode);
    answer.location = Some(format!("/internal/v1/keys/{id}"));
    Done::act(Reply::secret(answer, id), act)
}

fn answer(status: u16, key: &KeyRecord, secret: Option<&SecretKey>) -> Answer {
    Answer { status, etag: None, location: None, body: Bytes::from(render(key, secret)) }
}

fn render(key: &KeyRecord, secret: Option<&SecretKey>) -> Vec<u8> {
    let networks: Option<Vec<String>> =
        key.ip_allow.as_ref().map(|networks| networks.iter().map(IpNet::to_string).collect());
    let view = KeyView {
        id: key.id,
        account: key.owner.account,
        mode: key.owner.mode,
        name: &key.name,
        prefix: &key.prefix,
        last4: &key.last4,
        scopes: key.scopes.as_deref(),
        ip_allow: networks.as_deref(),
        moments: Moments {
            created: key.created,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        },
        replaced_by: key.replaced_by,
    };
    wire_key::render(&view, secret.map(SecretKey::expose))
}

fn act(action: &'static str, key: &KeyRecord, by: By, details: Option<String>) -> Act {
    let object = Some(key.id.text(key.owner.mode));
    Act { chain: Chain::Account(key.owner.account), action, object, by, details }
}
