//! `/invoices`: create and read; [`updates`] and [`lists`] have the rest.

use std::sync::Arc;

pub mod lists;
pub mod updates;

use bytes::Bytes;
use domain::account::Account;
use domain::change::Change;
use domain::field::Faults;
use domain::id::InvoiceKind;
use domain::invoice::draft::NewInvoice;
use domain::invoice::{Invoice, Seen};
use futures_util::FutureExt;
use store::{Answer, Claim, Create, Grouped, Once, Tx};
use wire::invoice::{View, render};
use wire::json::Object;
use wire::problem::{Code, Item};

use crate::call::{Call, ReadInvoices, WriteInvoices};
use crate::problem::Problem;
use crate::reply::Reply;

/// `GET /invoices/{id}`.
pub async fn read(call: Call<ReadInvoices>) -> Result<Reply, Problem> {
    let (owner, id) = (call.owner, call.id::<InvoiceKind>()?);
    let known = call.api.store.invoice(owner, id).await?.ok_or(Problem::new(Code::NotFound))?;
    Ok(Reply::fresh(call.answer(200, &known.invoice.seen_at(known.at))))
}

/// `POST /invoices`.
///
/// The common case is one statement that opens the invoice, remembers the answer and tells of it, and carries whoever
/// comes at the same time. Whatever has been seen before, or is against the clock, goes alone through [`decide`].
pub async fn create(mut call: Call<WriteInvoices>) -> Result<Reply, Problem> {
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    if wire::create::id(&object).is_some() {
        // The seed's "Actualizar": a body with an id is an update of that invoice.
        return updates::update_by_body(&call, object, &canonical).await;
    }
    let (new, claim) = understand(&call, object, &canonical)?;
    let store = call.api.store.clone();
    let opening = store.opening().await?;
    let late = new.faults_at(opening.stamp.at, call.owner.mode, &call.account);
    let change = Invoice::open(call.owner, &call.account, new, opening);
    let Some((invoice, _)) = change.invoice.clone() else {
        return Err(Problem::new(Code::InternalError));
    };
    let mut answer = call.answer(201, &invoice.as_changed_at(invoice.created));
    answer.location = Some(call.location(&invoice));

    // What an operator does goes alone, with its row in the audit log.
    if late.is_empty() && !call.is_console() {
        let remember = claim.clone().map(|claim| (claim, answer.clone()));
        match store.create_in_group(Create { change: change.clone(), remember }).await? {
            Grouped::Opened => return Ok(Reply::fresh(answer)),
            Grouped::Seen(answer) => return Reply::of_once(Once::Seen(answer)),
            // Seen before, a race that was lost, or a commit of which nobody knows: alone it will be told.
            Grouped::Alone => {}
        }
    }
    let wish = Arc::new(Wish { change, invoice, answer, late, view: call.view_settings() });
    call.once("create_invoice", claim, move |tx| {
        let wish = wish.clone();
        async move { wish.decide(tx).await }.boxed()
    })
    .await
}

fn understand(
    call: &Call<WriteInvoices>,
    object: Object<'_>,
    canonical: &str,
) -> Result<(NewInvoice, Option<Claim>), Problem> {
    let mut request = wire::create::read(object);
    request.draft.asked = Some((call.api.store.clock().now(), call.owner.mode));
    let mut items = request.faults;
    let mut faults = Faults::default();
    let account: &Account = &call.account;
    let new = request.draft.parse(account, &mut faults);
    items.extend(faults.0.into_iter().map(Item::from));
    let claim = call.claim(canonical).map_err(|item| items.push(item));
    match (new, claim) {
        (Some(new), Ok(claim)) if items.is_empty() => Ok((new, claim)),
        (new, _) => {
            // The values are sound, but something else is not: time's faults are told with it.
            let now = call.api.store.clock().now();
            let late = new.map(|new| new.faults_at(now, call.owner.mode, account)).unwrap_or_default();
            items.extend(late.0.into_iter().map(Item::from));
            Err(Problem::Told(items))
        }
    }
}

/// A create request that goes alone.
struct Wish {
    change: Change,
    invoice: Invoice,
    answer: Answer,
    late: Faults,
    view: ViewSettings,
}

impl Wish {
    /// The table "Exactly once" of the API document, line by line.
    async fn decide(&self, tx: &mut Tx) -> Result<Reply, Problem> {
        let (owner, order) = (self.invoice.owner, &self.invoice.order);
        if tx.invoices(owner).get(self.invoice.id).await?.is_some() {
            // Ours: it was committed, but the answer to COMMIT was lost.
            return Ok(Reply::fresh(self.answer.clone()));
        }
        if let Some(known) = tx.invoices(owner).lock_open(&order.reference).await? {
            let earlier = &known.invoice;
            let seen = earlier.seen_at(known.at);
            if seen.status.state().is_open() {
                if earlier.order.content == order.content {
                    return Ok(Reply::repeat(self.view.answer(200, &seen)));
                }
                let existing_id = earlier.id.text(owner.mode);
                let conflict = Code::InvoiceIdConflict { existing_id };
                return Err(Problem::Told(vec![Item::at("invoice_id", conflict)]));
            }
            let stamp = tx.store().stamp(known.at)?;
            let expired = earlier.expire(stamp)?;
            tx.save(&[expired]).await?;
        }
        // A delayed retry must not revive what is voided or expired.
        if let Some(twin) = tx.invoices(owner).twin_of(order).await? {
            return Ok(Reply::repeat(self.view.answer(200, &twin.invoice.seen_at(twin.at))));
        }
        if !self.late.is_empty() {
            return Err(self.late.clone().into());
        }
        tx.save(std::slice::from_ref(&self.change)).await?;
        Ok(Reply::fresh(self.answer.clone()))
    }
}

/// What an answer is rendered with, once the call is gone.
pub(crate) struct ViewSettings {
    version: wire::version::Version,
    settings: Arc<crate::Settings>,
}

impl ViewSettings {
    pub(crate) fn view(&self) -> View<'_> {
        View { version: self.version, page_url: &self.settings.page_url }
    }

    pub(crate) fn answer(&self, status: u16, seen: &Seen<'_>) -> Answer {
        let body = Bytes::from(render(seen, self.view()));
        Answer { status, etag: Some(format!("\"{}\"", seen.invoice.version)), location: None, body }
    }
}

impl<S> Call<S> {
    pub(crate) fn view_settings(&self) -> ViewSettings {
        ViewSettings { version: self.version, settings: self.api.settings.clone() }
    }

    fn answer(&self, status: u16, seen: &Seen<'_>) -> Answer {
        self.view_settings().answer(status, seen)
    }

    fn location(&self, invoice: &Invoice) -> String {
        let (root, id) = (&self.api.settings.public_url, invoice.id.text(invoice.owner.mode));
        // The collection that was posted to, also on an account's behalf.
        format!("{root}{}/{id}", self.path().trim_end_matches('/'))
    }
}
