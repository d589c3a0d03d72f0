//! `GET /invoices`, and the seed's `/invoices/list[/{date}]`, which answers a bare array.

use domain::invoice::Invoice;
use domain::invoice::filter::Page;
use store::invoices::Listed;
use wire::invoice::render_into;
use wire::list;
use wire::problem::{Code, Item};

use crate::call::{Call, ReadInvoices};
use crate::problem::Problem;
use crate::reply::{PageReply, next_link};

/// `GET /invoices`.
pub async fn list(call: Call<ReadInvoices>) -> Result<PageReply, Problem> {
    let (listed, next) = page(&call).await?;
    let settings = call.view_settings();
    let body = list::render_each(&listed.invoices, listed.has_more, |page, invoice| {
        render_into(page, &invoice.seen_at(listed.at), settings.view());
    });
    Ok(PageReply::new(body, next, None))
}

/// `GET /invoices/list` and `/invoices/list/{yyyy-MM-dd}`.
pub async fn list_bare(call: Call<ReadInvoices>) -> Result<PageReply, Problem> {
    let (listed, next) = page(&call).await?;
    let settings = call.view_settings();
    let body = list::render_bare(&listed.invoices, |page, invoice| {
        render_into(page, &invoice.seen_at(listed.at), settings.view());
    });
    Ok(PageReply::new(body, next, Some(listed.has_more)))
}

/// The page, and the address of the one behind it.
async fn page(call: &Call<ReadInvoices>) -> Result<(Listed, Option<String>), Problem> {
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
    let next = listed.has_more.then(|| next_page(call, request.page, &listed.invoices)).flatten();
    Ok((listed, next))
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
