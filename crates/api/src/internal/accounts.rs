//! `/accounts`: merchants and their settings. Replicas hear of a change within two seconds, as of keys.

use bytes::Bytes;
use domain::account::Account;
use domain::audit::{Act, Chain};
use domain::id::Id;
use domain::time::Moment;
use futures_util::FutureExt;
use store::Answer;
use store::accounts::{Known, Search};
use wire::internal::account::{self, Settings};
use wire::internal::page::Query;
use wire::problem::{Code, Item};

use super::console::{Console, Done};
use crate::keys::random_bytes;
use crate::problem::Problem;
use crate::reply::{PageReply, Reply};

/// Parameters of the list, beside `limit`.
pub const PARAMETERS: &[&str] = &["search", "name", "tax_id", "starting_after", "ending_before"];

/// `POST /accounts`.
pub async fn create(mut call: Console) -> Result<Reply, Problem> {
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let settings = Settings::of_new(object).map_err(Problem::Told)?;
    let claim = call.claim(&canonical)?;
    let id = Id::new(call.api.store.clock().unix_millis(), &random_bytes()?);
    let by = call.by();
    call.write("create_account", claim, move |tx| {
        let (settings, by) = (settings.clone(), by.clone());
        async move {
            let blank = Account::new(id, String::new());
            let new = settings.over(&blank, Moment::from_unix(0)).map_err(Problem::Told)?;
            let created = tx.put_account(&new).await?;
            let details = account::difference(&blank, &new);
            let mut answer = answer(201, &Known { account: new, created });
            answer.location = Some(format!("/internal/v1/accounts/{}", account::id(id)));
            Ok(Done::act(Reply::fresh(answer), act("create_account", id, by, Some(details))))
        }
        .boxed()
    })
    .await
}

/// `GET /accounts`.
pub async fn list(call: Console) -> Result<PageReply, Problem> {
    let query = Query::read(call.query(), PARAMETERS).map_err(Problem::Told)?;
    let text = |name: &str| query.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let search = Search {
        text: text("search"),
        name: text("name"),
        tax_id: text("tax_id"),
        after: query.cursor("starting_after", account::parse_id).map_err(Problem::Told)?,
        before: query.cursor("ending_before", account::parse_id).map_err(Problem::Told)?,
        limit: query.limit,
    };
    let (cursor, upwards) =
        (if search.before.is_some() { "ending_before" } else { "starting_after" }, search.before.is_some());
    let page = call.api.store.read("list_accounts", move |tx| {
        let search = search.clone();
        async move { tx.accounts(&search).await }.boxed()
    });
    let (accounts, has_more) = page.await?;
    let edge = if upwards { accounts.first() } else { accounts.last() };
    let next = edge.filter(|_| has_more).map(|known| (cursor, account::id(known.account.id)));
    let objects: Vec<Vec<u8>> =
        accounts.iter().map(|known| account::render(&known.account, known.created)).collect();
    Ok(PageReply::list(&call, &objects, has_more, next))
}

/// `GET /accounts/{id}`.
pub async fn read(call: Console) -> Result<Reply, Problem> {
    let id = call.account()?;
    let found = call.api.store.read("find_account", move |tx| tx.account(id).boxed()).await?;
    Ok(Reply::fresh(answer(200, &found.ok_or(Problem::new(Code::NotFound))?)))
}

/// `PATCH /accounts/{id}`.
pub async fn update(mut call: Console) -> Result<Reply, Problem> {
    let id = call.account();
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let settings = Settings::of_change(object).map_err(Problem::Told)?;
    if settings.decides_live() {
        call.reason()?;
    }
    let claim = call.claim(&canonical)?;
    let wish = move |known: &Known| settings.over(&known.account, known.created);
    change(&call, "update_account", id?, claim, wish).await
}

/// `POST /accounts/{id}/disable`: its keys are refused; what it issued can still be paid.
pub async fn disable(mut call: Console) -> Result<Reply, Problem> {
    let (id, claim) = (call.account()?, empty(&mut call).await?);
    call.reason()?;
    let now = call.api.store.clock().now();
    let wish = move |known: &Known| {
        let disabled_at = known.account.disabled_at.or(Some(now));
        Ok(Account { disabled_at, ..known.account.clone() })
    };
    change(&call, "disable_account", id, claim, wish).await
}

/// `POST /accounts/{id}/enable`.
pub async fn enable(mut call: Console) -> Result<Reply, Problem> {
    let (id, claim) = (call.account()?, empty(&mut call).await?);
    let wish = |known: &Known| Ok(Account { disabled_at: None, ..known.account.clone() });
    change(&call, "enable_account", id, claim, wish).await
}

/// The claim of a write that takes nothing: its body is empty, or `{}`.
pub(super) async fn empty(call: &mut Console) -> Result<Option<store::Claim>, Problem> {
    let body = call.body().await?;
    let (object, canonical) = body.json_if_any()?;
    let unknown = |(name, _)| Item::at(String::from(name), Code::UnknownField { nearest: None });
    let items: Vec<Item> = object.into_iter().map(unknown).collect();
    if items.is_empty() { call.claim(&canonical) } else { Err(Problem::Told(items)) }
}

async fn change(
    call: &Console,
    name: &'static str,
    id: domain::id::AccountId,
    claim: Option<store::Claim>,
    wish: impl Fn(&Known) -> Result<Account, Vec<Item>> + Clone + Send + Sync + 'static,
) -> Result<Reply, Problem> {
    let by = call.by();
    call.write(name, claim, move |tx| {
        let (wish, by) = (wish.clone(), by.clone());
        async move {
            let before = tx.lock_account(id).await?.ok_or(Problem::new(Code::NotFound))?;
            let account = wish(&before).map_err(Problem::Told)?;
            if account == before.account {
                return Ok(Done::nothing(Reply::fresh(answer(200, &before))));
            }
            let created = tx.put_account(&account).await?;
            let details = account::difference(&before.account, &account);
            let reply = Reply::fresh(answer(200, &Known { account, created }));
            Ok(Done::act(reply, act(name, id, by, Some(details))))
        }
        .boxed()
    })
    .await
}

fn answer(status: u16, known: &Known) -> Answer {
    let body = Bytes::from(account::render(&known.account, known.created));
    Answer { status, etag: None, location: None, body }
}

fn act(
    action: &'static str,
    id: domain::id::AccountId,
    by: domain::audit::By,
    details: Option<String>,
) -> Act {
    Act { chain: Chain::Account(id), action, object: Some(account::id(id)), by, details }
}
