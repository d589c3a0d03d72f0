//! `GET /audit`: who did what.

use futures_util::FutureExt;
use store::audit::Filter;
use wire::internal::page::Query;
use wire::internal::{account, audit};

use super::console::Console;
use crate::problem::Problem;
use crate::reply::PageReply;

/// Parameters of the list, beside `limit`.
pub const PARAMETERS: &[&str] = &["actor", "object", "after", "starting_after"];

/// `GET /audit`: newest first; with `after`, what follows that row, oldest first.
pub async fn list(call: Console) -> Result<PageReply, Problem> {
    let query = Query::read(call.query(), PARAMETERS).map_err(Problem::Told)?;
    // An account may be named in either mode.
    let spelling = |text: &str| account::parse_id(text).map_or_else(|| text.to_owned(), account::id);
    let filter = Filter {
        actor: query.text("actor").map(str::to_owned),
        objects: query.text("object").map(spelling).into_iter().collect(),
        after: query.cursor("after", audit::parse_id).map_err(Problem::Told)?,
        starting_after: query.cursor("starting_after", audit::parse_id).map_err(Problem::Told)?,
        limit: query.limit,
    };
    let cursor = if filter.after.is_some() { "after" } else { "starting_after" };
    let page = call.api.store.read("list_audit", move |tx| {
        let filter = filter.clone();
        async move { tx.audit_rows(&filter).await }.boxed()
    });
    let (rows, has_more) = page.await?;
    let next = rows.last().filter(|_| has_more).map(|sealed| (cursor, audit::id(sealed.row.id)));
    let objects: Vec<Vec<u8>> = rows.iter().map(|sealed| audit::render(&sealed.row, &sealed.hash)).collect();
    Ok(PageReply::list(&call, &objects, has_more, next))
}
