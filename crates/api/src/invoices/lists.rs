//! `GET /invoices`, and the seed's `/invoices/list[/{date}]`, which answers a bare array.

use domain::invoice::Invoice;
use domain::invoice::filter::Page;
use wire::invoice::render;
use wire::list;
use wire::problem::{Code, Item};

use crate::call::{Call, ReadInvoices};
use crate::problem::Problem;
use crate::reply::{PageReply, next_link};

/// `GET /invoices`.
pub async fn list(call: Call<ReadInvoices>) -> Result<PageReply, Problem> {
    let (objects, has_more, next) = page(&call).await?;
    Ok(PageReply::new(list::render(&objects, has_more), next, None))
}

/// `GET /invoices/list` and `/invoices/list/{yyyy-MM-dd}`.
pub async fn list_bare(call: Call<ReadInvoices>) -> Result<PageReply, Problem> {
    let (objects, has_more, next) = page(&call).await?;
    Ok(PageReply::new(list::render_bare(&objects), next, Some(has_more)))
}

async fn page(call: &Call<ReadInvoices>) -> Result<(Vec<Vec<u8>>, bool, Option<String>), Problem> {
    let (owner, day) = (call.owner, call.path_part("date"));
    let request = list::read(call.query(), day, owner.mode).map_err(Problem::Told)?;
    let found = call.api.store.list_invoices(owner, request.filter, request.page);
    let listed = found.await?.map_err(|unknown| {
        let names = if Some(unknown) == request.page.after {
            ["starting_after", "start"]
        } else {
            ["ending_before", "end"]
        };
        let sent = |name: &&str| call.query().any(|(sent, _)| sent == *name);
        let param = names.into_iter().find(sent).unwrap_or(names[0]);
        Problem::Told(vec![Item::at(param, Code::InvalidCursor)])
    })?;
    let settings = call.view_settings();
    let view = settings.view();
    let objects = listed.invoices.iter().map(|invoice| render(&invoice.seen_at(listed.at), view)).collect();
    let next = listed.has_more.then(|| next_page(call, request.page, &listed.invoices)).flatten();
    Ok((objects, listed.has_more, next))
}

/// The address of the page behind this one, in the direction that was asked for.
fn next_page(call: &Call<ReadInvoices>, page: Page, invoices: &[Invoice]) -> Option<String> {
    let upwards = page.before.is_some() && page.after.is_none();
    let (cursor, edge) =
        if upwards { ("ending_before", invoices.first()?) } else { ("starting_after", invoices.last()?) };
    let replaced = if upwards { ["ending_before", "end"] } else { ["starting_after", "start"] };
    let id = edge.id.text(call.owner.mode);
    Some(next_link(call, &call.api.settings.public_url, &replaced, cursor, &id))
}
