//! What the page is made from, read in one transaction; and the payment that a test page pretends.

use domain::account::{Account, Mode};
use domain::collection::{Channel, Said, Verb};
use domain::invoice::{Invoice, Seen, Status, Token};
use domain::payment::Payment;
use futures_util::FutureExt;
use store::collections::Call as BankCall;
use store::invoices::Known;
use store::{Error, Store, Tx};
use wire::problem::Code;

use crate::internal::collections::render_money;
use crate::problem::Problem;
use crate::test_mode::CHANNEL;

/// An order, and what is to be said of it.
pub(super) struct Facts {
    known: Known,
    /// Who is paid.
    pub(super) account: Account,
    /// The banks and agents that were set up.
    pub(super) channels: Vec<Channel>,
    /// What paid it.
    pub(super) payment: Option<Payment>,
}

impl Facts {
    /// The order as it is now: past its expiration it is expired, whether that is stored or not.
    pub(super) fn seen(&self) -> Seen<'_> {
        self.known.invoice.seen_at(self.known.at)
    }

    /// The order as stored.
    pub(super) fn invoice(&self) -> &Invoice {
        &self.known.invoice
    }

    /// Whether the page has the form that pretends a payment.
    pub(super) fn offers_simulation(&self) -> bool {
        self.invoice().owner.mode == Mode::Test && self.seen().status == Status::Pending
    }

    /// Whether it may have been late by now: its due date is past.
    pub(super) fn is_late(&self) -> bool {
        self.invoice().terms.due.is_some_and(|due| due < self.known.at)
    }
}

/// The order of a token, if there is one.
pub(super) async fn read(store: &Store, token: Token) -> Result<Option<Facts>, Error> {
    store.read("payment_page", move |tx| read_in(tx, token.clone()).boxed()).await
}

async fn read_in(tx: &mut Tx, token: Token) -> Result<Option<Facts>, Error> {
    let Some((owner, id)) = tx.owner_of_token(&token).await? else {
        return Ok(None);
    };
    let corrupt = Error::Corrupt { table: "invoices", id: id.uuid() };
    let Some(known) = tx.invoices(owner).get(id).await? else {
        return Err(corrupt);
    };
    let account = tx.account(owner.account).await?.ok_or(corrupt)?.account;
    let channels = tx.channels().await?;
    let payment = match known.invoice.status {
        Status::Paid { payment, .. } => tx.payments(owner).get(payment).await?.map(|known| known.payment),
        Status::Pending | Status::Expired | Status::Voided => None,
    };
    Ok(Some(Facts { known, account, channels, payment }))
}

/// Pays a test order what is owed now. Whether it could be paid is what the page shows next; a live order, or none, is
/// not found.
pub(super) async fn simulate_payment(store: &Store, token: Token) -> Result<(), Problem> {
    let number = format!("{:09}", store.next_operation_number().await?);
    store.transaction("simulate_payment", move |tx| pay_in(tx, token.clone(), number.clone()).boxed()).await
}

async fn pay_in(tx: &mut Tx, token: Token, number: String) -> Result<(), Problem> {
    let not_found = || Problem::new(Code::NotFound);
    let found = tx.owner_of_token(&token).await?;
    let (owner, id) = found.filter(|(owner, _)| owner.mode == Mode::Test).ok_or_else(not_found)?;
    let known = tx.invoices(owner).lock(id).await?.ok_or_else(not_found)?;
    let said = Said {
        agreement: Some(CHANNEL.to_owned()),
        ktin: Some(known.invoice.order.ktin),
        number: Some(number),
        at: Some(known.at),
        amount: Some(known.invoice.seen_at(known.at).total()),
        currency: Some(known.invoice.terms.currency),
        ..Said::default()
    };
    let channel = CHANNEL.to_owned();
    let call =
        BankCall { verb: Verb::Pay, channel, mode: Mode::Test, needs_agreement: false, said, fault: None };
    tx.collect(&call, render_money).await?;
    Ok(())
}
