//! `/test/invoices/{id}/…`: what a bank would do, done by a merchant to a test order, on the very path of a bank's call
//! and of the expiry duty. With a live key none of these routes exists.

use domain::collection::{ReversalKind, Said, Verb};
use domain::id::{InvoiceId, InvoiceKind};
use futures_util::FutureExt;
use store::collections::Call as BankCall;
use store::{Answer, Tx};
use wire::problem::Code;
use wire::test_mode;

use crate::call::{Call, WriteTest};
use crate::internal::collections::render_money;
use crate::invoices::ViewSettings;
use crate::problem::Problem;
use crate::reply::Reply;

/// The bank that is none, and its agreement.
pub const CHANNEL: &str = "test";

/// `POST /test/invoices/{id}/pay`.
pub async fn pay(mut call: Call<WriteTest>) -> Result<Reply, Problem> {
    let id = test_order(&call)?;
    let body = call.body().await?;
    let (object, canonical) = body.json_if_any()?;
    let wish = test_mode::read_pay(object).map_err(Problem::Told)?;
    let claim = call.claim(&canonical).map_err(|item| Problem::Told(vec![item]))?;
    let (owner, view) = (call.owner, call.view_settings());
    let number = wish.operation_number.unwrap_or(new_number(&call).await?);
    let view = std::sync::Arc::new(view);
    call.once("simulate_payment", claim, move |tx| {
        let (number, view, channel) = (number.clone(), view.clone(), wish.channel.clone());
        async move {
            let known = tx.invoices(owner).lock(id).await?.ok_or(Problem::new(Code::NotFound))?;
            let at = wish.paid_at.unwrap_or(known.at);
            let said = Said {
                number: Some(number),
                at: Some(at),
                amount: Some(wish.amount.unwrap_or(known.invoice.as_changed_at(at).total())),
                currency: Some(known.invoice.terms.currency),
                cash_taken: wish.cash_taken,
                ..Said::default()
            };
            let channel = channel.unwrap_or(CHANNEL.to_owned());
            collect(tx, owner, id, (Verb::Pay, channel, said), &view).await
        }
        .boxed()
    })
    .await
}

/// `POST /test/invoices/{id}/reverse`: what was paid last is taken back.
pub async fn reverse(mut call: Call<WriteTest>) -> Result<Reply, Problem> {
    let id = test_order(&call)?;
    let body = call.body().await?;
    let (object, canonical) = body.json_if_any()?;
    let wish = test_mode::read_reverse(object).map_err(Problem::Told)?;
    let claim = call.claim(&canonical).map_err(|item| Problem::Told(vec![item]))?;
    let (owner, number) = (call.owner, new_number(&call).await?);
    let view = std::sync::Arc::new(call.view_settings());
    call.once("simulate_reversal", claim, move |tx| {
        let (number, wish, view) = (number.clone(), wish.clone(), view.clone());
        async move {
            let known = tx.invoices(owner).lock(id).await?.ok_or(Problem::new(Code::NotFound))?;
            let mut money = tx.payments(owner).of_invoice(id).await?;
            if let Some(number) = &wish.operation_number {
                money.retain(|known| known.payment.operation_number == *number);
            }
            // What stands comes first; what was taken back already is told so.
            let money = money.into_iter().next().map(|known| known.payment);
            let said = Said {
                number: Some(number),
                at: Some(money.as_ref().map_or(known.at, |payment| payment.paid_at)),
                kind: Some(wish.kind.unwrap_or(ReversalKind::Automatic)),
                original_number: money
                    .as_ref()
                    .map(|payment| payment.operation_number.clone())
                    .or(wish.operation_number)
                    .or(Some("0".to_owned())),
                ..Said::default()
            };
            let channel = money.map_or(CHANNEL.to_owned(), |payment| payment.channel);
            collect(tx, owner, id, (Verb::Reverse, channel, said), &view).await
        }
        .boxed()
    })
    .await
}

/// `POST /test/invoices/{id}/expire`: its time is over, now.
pub async fn expire(mut call: Call<WriteTest>) -> Result<Reply, Problem> {
    let id = test_order(&call)?;
    let body = call.body().await?;
    let (object, canonical) = body.json_if_any()?;
    test_mode::read_nothing(object).map_err(Problem::Told)?;
    let claim = call.claim(&canonical).map_err(|item| Problem::Told(vec![item]))?;
    let owner = call.owner;
    let view = std::sync::Arc::new(call.view_settings());
    call.once("simulate_expiry", claim, move |tx| {
        let view = view.clone();
        async move {
            let known = tx.invoices(owner).lock(id).await?.ok_or(Problem::new(Code::NotFound))?;
            let change = known.invoice.expire_early(tx.store().stamp(known.at)?)?;
            tx.save(std::slice::from_ref(&change)).await?;
            Ok(Reply::fresh(view.answer(200, &change.after(&known.invoice).seen_at(known.at))))
        }
        .boxed()
    })
    .await
}

/// With a live key there is no such route, whatever is sent there.
fn test_order(call: &Call<WriteTest>) -> Result<InvoiceId, Problem> {
    if call.owner.mode.is_live() {
        return Err(Problem::new(Code::NotFound));
    }
    call.id::<InvoiceKind>()
}

async fn new_number(call: &Call<WriteTest>) -> Result<String, Problem> {
    Ok(format!("{:09}", call.api.store.next_operation_number().await?))
}

/// A bank's call about a test order, and the order as it is after it.
async fn collect(
    tx: &mut Tx,
    owner: domain::account::Owner,
    id: InvoiceId,
    (verb, channel, said): (Verb, String, Said),
    view: &ViewSettings,
) -> Result<Reply, Problem> {
    let not_found = || Problem::new(Code::NotFound);
    let known = tx.invoices(owner).get(id).await?.ok_or_else(not_found)?;
    let said = Said { agreement: Some(CHANNEL.to_owned()), ktin: Some(known.invoice.order.ktin), ..said };
    let call = BankCall { verb, channel, mode: owner.mode, needs_agreement: false, said, fault: None };
    let collected = tx.collect(&call, render_money).await?;
    let known = tx.invoices(owner).get(id).await?.ok_or_else(not_found)?;
    let seen = known.invoice.seen_at(known.at);
    let answer = view.answer(200, &seen);
    let body = test_mode::render(&answer.body, collected.code, &collected.body);
    Ok(Reply::fresh(Answer { body: body.into(), ..answer }))
}
