//! `GET /invoices`, and the seed's `/invoices/list[/{date}]`, which answers a bare array.

use actix_web::body::BoxBody;
use actix_web::{HttpRequest, HttpResponse, Responder};
use domain::invoice::Invoice;
use domain::invoice::filter::Page;
use futures_util::FutureExt;
use url::form_urlencoded::Serializer;
use wire::invoice::render;
use wire::list::{self, ListInvoices};
use wire::problem::{Code, Item};

use crate::call::{Call, ReadInvoices};
use crate::problem::Problem;

/// A page of a list, and where it goes on.
pub struct PageReply {
    body: Vec<u8>,
    next: Option<String>,
    /// `X-Has-More`, where the body can not say it.
    has_more: Option<bool>,
}

/// `GET /invoices`.
pub async fn list(call: Call<ReadInvoices>) -> Result<PageReply, Problem> {
    let (objects, has_more, next) = page(&call).await?;
    Ok(PageReply { body: list::render(&objects, has_more), next, has_more: None })
}

/// `GET /invoices/list` and `/invoices/list/{yyyy-MM-dd}`.
pub async fn list_bare(call: Call<ReadInvoices>) -> Result<PageReply, Problem> {
    let (objects, has_more, next) = page(&call).await?;
    Ok(PageReply { body: list::render_bare(&objects), next, has_more: Some(has_more) })
}

async fn page(call: &Call<ReadInvoices>) -> Result<(Vec<Vec<u8>>, bool, Option<String>), Problem> {
    let (owner, day) = (call.owner, call.path_part("date"));
    let request = list::read(call.query(), day, owner.mode).map_err(Problem::Told)?;
    let wanted = request.clone();
    let found = call.api.store.transaction("list_invoices", move |tx| {
        let ListInvoices { filter, page } = wanted.clone();
        async move { tx.invoices(owner).list(&filter, page).await }.boxed()
    });
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
    let mut query = Serializer::new(String::new());
    let replaced = if upwards { ["ending_before", "end"] } else { ["starting_after", "start"] };
    query.extend_pairs(call.query().filter(|(name, _)| !replaced.contains(&name.as_ref())));
    query.append_pair(cursor, &edge.id.text(call.owner.mode));
    Some(format!("<{}{}?{}>; rel=\"next\"", call.api.settings.public_url, call.path(), query.finish()))
}

impl Responder for PageReply {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.content_type("application/json");
        if let Some(next) = self.next {
            response.insert_header(("Link", next));
        }
        if let Some(has_more) = self.has_more {
            response.insert_header(("X-Has-More", has_more.to_string()));
        }
        response.body(self.body)
    }
}
