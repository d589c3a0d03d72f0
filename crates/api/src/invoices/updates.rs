//! `PATCH` and `DELETE /invoices/{id}`, and the seed's `POST` that means the same.
//!
//! Order of judgement: saved answer, then "nothing would change" or "already voided", then `If-Match`, then the
//! state.

use std::sync::Arc;

use domain::change::Change;
use domain::id::{InvoiceId, InvoiceKind};
use domain::invoice::{Invoice, Refusal};
use futures_util::FutureExt;
use store::invoices::Known;
use store::{Claim, Store, Tx};
use wire::json::{Kind, Object};
use wire::problem::{Code, Item};
use wire::update::{self, UpdateInvoice};

use crate::call::{Call, WriteInvoices};
use crate::incoming::IfMatch;
use crate::invoices::ViewSettings;
use crate::problem::Problem;
use crate::reply::Reply;

/// `PATCH /invoices/{id}`, and `POST` to the same path.
pub async fn update(mut call: Call<WriteInvoices>) -> Result<Reply, Problem> {
    let id = call.id::<InvoiceKind>();
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let (update, claim) = understand(&call, object, &canonical)?;
    change(&call, id?, claim, Wish::Update(update)).await
}

/// `POST /invoices` with an `id` in its body.
pub(super) async fn update_by_body(
    call: &Call<WriteInvoices>,
    object: Object<'_>,
    canonical: &str,
) -> Result<Reply, Problem> {
    let id = match wire::create::id(&object).map(|value| &value.kind) {
        Some(Kind::Text(text)) => InvoiceId::parse(text, call.owner.mode),
        _ => return Err(Problem::Told(vec![Item::at("id", Code::Wrong(domain::field::Wrong::Type))])),
    };
    let (update, claim) = understand(call, object, canonical)?;
    change(call, id.ok_or(Problem::new(Code::NotFound))?, claim, Wish::Update(update)).await
}

/// `DELETE /invoices/{id}`.
pub async fn void(call: Call<WriteInvoices>) -> Result<Reply, Problem> {
    let id = call.id::<InvoiceKind>()?;
    let claim = call.claim("").map_err(|item| Problem::Told(vec![item]))?;
    change(&call, id, claim, Wish::Void).await
}

fn understand(
    call: &Call<WriteInvoices>,
    object: Object<'_>,
    canonical: &str,
) -> Result<(UpdateInvoice, Option<Claim>), Problem> {
    match (update::read(object), call.claim(canonical)) {
        (Ok(update), Ok(claim)) => Ok((update, claim)),
        (update, claim) => {
            let mut items = update.err().unwrap_or_default();
            items.extend(claim.err());
            Err(Problem::Told(items))
        }
    }
}

enum Wish {
    Update(UpdateInvoice),
    Void,
}

async fn change(
    call: &Call<WriteInvoices>,
    id: InvoiceId,
    claim: Option<Claim>,
    wish: Wish,
) -> Result<Reply, Problem> {
    let (owner, store) = (call.owner, call.api.store.clone());
    let (view, wish) = (Arc::new(call.view_settings()), Arc::new(wish));
    let if_match = call.if_match();
    let once = call.once(wish.name(), claim, move |tx| {
        let (view, wish, if_match) = (view.clone(), wish.clone(), if_match.clone());
        async move {
            let known = tx.invoices(owner).lock(id).await?.ok_or(Problem::new(Code::NotFound))?;
            let change = wish.judge(&known, &view, tx, &if_match)?;
            tx.save(std::slice::from_ref(&change)).await?;
            let after = change.after(&known.invoice);
            Ok(Reply::fresh(view.answer(200, &after.seen_at(known.at))))
        }
        .boxed()
    });
    let outcome = once.await;
    if let Err(Problem::Told(items)) = &outcome
        && items.iter().any(|item| item.code == Code::InvoiceExpired)
    {
        // The write that meets an invoice past its expiration stores that it is; should that fail, the next will.
        if let Err(error) = store_expiry(&store, owner, id).await {
            tracing::warn!(%error, "an expiration was not stored: {error}");
        }
    }
    outcome
}

impl Wish {
    const fn name(&self) -> &'static str {
        match self {
            Wish::Update(_) => "update_invoice",
            Wish::Void => "void_invoice",
        }
    }

    fn judge(
        &self,
        known: &Known,
        view: &ViewSettings,
        tx: &Tx,
        if_match: &IfMatch,
    ) -> Result<Change, Problem> {
        let invoice: &Invoice = &known.invoice;
        let stamp = tx.store().stamp(known.at)?;
        let verdict: Result<Change, Refusal> = match self {
            Wish::Update(update) => {
                let differences = update.differences(&view.answer(200, &invoice.seen_at(known.at)).body);
                if !differences.is_empty() {
                    return Err(Problem::Told(differences));
                }
                invoice.amend(update.amendment, stamp)
            }
            Wish::Void => invoice.void(stamp),
        };
        let changes_nothing = verdict.as_ref().is_ok_and(|change| change.invoice.is_none());
        if !changes_nothing && !if_match.allows(invoice.version) {
            return Err(Problem::new(Code::VersionMismatch));
        }
        Ok(verdict?)
    }
}

async fn store_expiry(
    store: &Store,
    owner: domain::account::Owner,
    id: InvoiceId,
) -> Result<(), store::Error> {
    store
        .transaction("expire_invoice", move |tx| {
            async move {
                let Some(known) = tx.invoices(owner).lock(id).await? else { return Ok(()) };
                let stamp = tx.store().stamp(known.at)?;
                match known.invoice.expire(stamp) {
                    Ok(change) => tx.save(&[change]).await,
                    // Somebody else was first.
                    Err(_) => Ok(()),
                }
            }
            .boxed()
        })
        .await
}
