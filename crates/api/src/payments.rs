//! `/payments`: the money that came, as JSON or, for the treasury, as CSV.

use bytes::Bytes;
use domain::id::PaymentKind;
use futures_util::FutureExt;
use store::Answer;
use store::payments::{Filter, Known, Page};
use wire::list;
use wire::payment::{self, ListPayments, PaymentView, render_csv};
use wire::problem::{Code, Item};

use crate::call::{Call, ReadPayments};
use crate::problem::Problem;
use crate::reply::{PageReply, Reply, next_link};

/// `GET /payments/{id}`.
pub async fn read(call: Call<ReadPayments>) -> Result<Reply, Problem> {
    let (owner, id) = (call.owner, call.id::<PaymentKind>()?);
    let found = call.api.store.read("read_payment", move |tx| tx.payments(owner).get(id).boxed()).await?;
    let known = found.ok_or(Problem::new(Code::NotFound))?;
    let body = Bytes::from(payment::render(view(&known), call.version));
    Ok(Reply::fresh(Answer { status: 200, etag: None, location: None, body }))
}

/// `GET /payments`; with `Accept: text/csv` the same rows as CSV.
pub async fn list(call: Call<ReadPayments>) -> Result<PageReply, Problem> {
    let owner = call.owner;
    let asked = payment::read_list(call.query(), owner.mode).map_err(Problem::Told)?;
    let (filter, page) = wanted(&asked);
    let listed = call.api.store.read("list_payments", move |tx| {
        let filter = filter.clone();
        async move { tx.payments(owner).list(&filter, page).await }.boxed()
    });
    let (payments, has_more) = listed.await?.map_err(|unknown| {
        let after = Some(unknown) == asked.starting_after;
        let names = if after { ["starting_after", "start"] } else { ["ending_before", "end"] };
        let sent = |name: &&str| call.query().any(|(sent, _)| sent == *name);
        let param = names.into_iter().find(sent).unwrap_or(names[0]);
        Problem::Told(vec![Item::at(param, Code::InvalidCursor)])
    })?;
    let next = has_more.then(|| next_page(&call, page, &payments)).flatten();
    let views: Vec<PaymentView<'_>> = payments.iter().map(view).collect();
    if call.accepts("text/csv") {
        let rows = render_csv(&views).map_err(|_| Problem::new(Code::InternalError))?;
        return Ok(PageReply::csv(rows, next, has_more));
    }
    let objects: Vec<Vec<u8>> = views.into_iter().map(|view| payment::render(view, call.version)).collect();
    Ok(PageReply::new(list::render(&objects, has_more), next, None))
}

fn wanted(asked: &ListPayments) -> (Filter, Page) {
    let filter = Filter {
        paid: asked.paid,
        received: asked.received,
        channel: asked.channel.clone(),
        states: asked.states.clone(),
        operation_number: asked.operation_number.clone(),
        invoice: asked.invoice,
    };
    (filter, Page { limit: asked.limit, after: asked.starting_after, before: asked.ending_before })
}

/// The address of the page behind this one, in the direction that was asked for.
fn next_page(call: &Call<ReadPayments>, page: Page, payments: &[Known]) -> Option<String> {
    let (cursor, alias, edge) = if page.is_upwards() {
        ("ending_before", "end", payments.first()?)
    } else {
        ("starting_after", "start", payments.last()?)
    };
    let id = edge.payment.id.text(call.owner.mode);
    Some(next_link(call, &call.api.settings.public_url, &[cursor, alias], cursor, &id))
}

fn view(known: &Known) -> PaymentView<'_> {
    PaymentView { payment: &known.payment, reference: known.reference.as_str() }
}
