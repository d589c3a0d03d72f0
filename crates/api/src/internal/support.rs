//! Support: the search box, the timeline of an invoice, and what becomes of money that pays nothing, which two operators
//! decide.
//!
//! Locks are taken in the order of all money: invoice, payment, proposal, and the audit log's head last. What is against
//! a decision is told when it is proposed, and judged again when it is confirmed.

use bytes::Bytes;
use domain::account::{Mode, Owner};
use domain::audit::{Act, By, Chain};
use domain::change::Change;
use domain::id::{InvoiceId, InvoiceKind, PaymentId};
use domain::invoice::Status;
use domain::payment::Payment;
use domain::proposal::{Proposal, Step, Wish};
use futures_util::FutureExt;
use serde_json::{Value, json};
use store::support::{Found, Hit, Message, in_either_mode};
use store::timeline::{Changed, Entry, Tried, What};
use store::{Answer, Claim, Conflict, Error, Tx, invoices};
use wire::internal::page::Query;
use wire::internal::support::{self as shown, read_apply, read_return, read_search};
use wire::payment::PaymentView;
use wire::problem::{Code, Item};
use wire::version::Version;

use super::console::{Console, Done};
use crate::problem::Problem;
use crate::reply::{PageReply, Reply};

/// `GET /search`: what has exactly this number, id, reference or payer, in all accounts and both modes.
pub async fn search(call: Console) -> Result<PageReply, Problem> {
    let wanted = read_search(call.query()).map_err(Problem::Told)?;
    let found = call.api.store.read("search", move |tx| {
        let wanted = wanted.clone();
        async move { tx.search(&wanted).await }.boxed()
    });
    let (hits, has_more) = found.await?;
    let objects: Vec<Vec<u8>> = hits.iter().map(render_hit).collect();
    Ok(PageReply::list(&call, &objects, has_more, None))
}

fn render_hit(hit: &Hit) -> Vec<u8> {
    let shown = match &hit.found {
        Found::Invoice(known) => shown::Hit::invoice(&known.invoice.seen_at(known.at)),
        Found::Payment(known) => shown::Hit::payment(&known.payment, known.reference.as_str()),
        Found::Message(message) => {
            shown::Hit::message(message.id, message.account, message.mode, &message_view(message))
        }
        Found::Account(known) => shown::Hit::account(&known.account, known.created),
        Found::Event { id, owner, created, kind, invoice } => {
            shown::Hit::event(*id, *owner, *created, *kind, *invoice)
        }
        Found::Key { id, owner, created, name } => shown::Hit::key(*id, *owner, *created, name),
        Found::Endpoint { id, owner, created, url } => shown::Hit::endpoint(*id, *owner, *created, url),
        Found::Delivery { id, owner, created, status, endpoint, event } => {
            shown::Hit::delivery(*id, *owner, *created, status.as_str(), (*endpoint, *event))
        }
    };
    shown.render(hit.matched.as_str())
}

fn message_view(message: &Message) -> shown::Message<'_> {
    shown::Message {
        verb: &message.verb,
        channel: &message.channel,
        agreement: message.agreement.as_deref(),
        received_at: message.received_at,
        code: &message.code,
        fault: message.fault.as_deref(),
        ktin: message.ktin,
        operation_number: message.operation_number.as_deref(),
        original_number: message.original_number.as_deref(),
        operated_at: message.operated_at,
        amount: message.amount,
        currency: message.currency,
        cash_taken: message.cash_taken,
        number: message.number,
        invoice: message.invoice,
        payment: message.payment,
    }
}

/// `GET /invoices/{id}/timeline`: what happened to an invoice, oldest first.
pub async fn timeline(call: Console) -> Result<PageReply, Problem> {
    Query::read(call.query(), &[]).map_err(Problem::Told)?;
    let id = call.path_part("id").and_then(in_either_mode::<InvoiceKind>);
    let (id, mode) = id.ok_or(Problem::new(Code::NotFound))?;
    let found = call.api.store.read::<_, Error, _>("timeline", move |tx| {
        async move {
            let Some(owner) = tx.owner_of_invoice(id, mode).await? else { return Ok(None) };
            let Some(known) = tx.invoices(owner).get(id).await? else { return Ok(None) };
            tx.timeline(&known.invoice).await.map(Some)
        }
        .boxed()
    });
    let (entries, has_more) = found.await?.ok_or(Problem::new(Code::NotFound))?;
    let objects: Vec<Vec<u8>> = entries.iter().map(|entry| render_entry(entry, mode)).collect();
    Ok(PageReply::list(&call, &objects, has_more, None))
}

fn render_entry(entry: &Entry, mode: Mode) -> Vec<u8> {
    let shown = match &entry.what {
        What::Changed(change) => {
            let Changed { id, kind, invoice, money, by } = change.as_ref();
            let money = money.as_ref().map(|money| shown::Money {
                id: money.id,
                status: &money.status,
                amount: money.amount,
                currency: money.currency,
                channel: &money.channel,
                operation_number: &money.operation_number,
            });
            shown::Entry::changed(entry.at, *id, *kind, &invoice.as_changed_at(entry.at), money)
                .by(by.as_deref())
        }
        What::Said(message) => shown::Entry::said(mode, &message_view(message)),
        What::Quoted { quote, channel, agreement } => shown::Entry::quoted(quote, channel, agreement),
        What::Tried(tried) => shown::Entry::tried(entry.at, mode, &tried_view(tried)),
        What::Acted(row) => shown::Entry::acted(row),
    };
    shown.render()
}

fn tried_view(tried: &Tried) -> shown::Tried<'_> {
    shown::Tried {
        delivery: tried.delivery,
        endpoint: tried.endpoint,
        event: tried.event,
        kind: tried.kind,
        number: tried.number,
        status: tried.status,
        duration_ms: tried.duration_ms,
        error: tried.error.as_deref(),
        next_at: tried.next_at,
    }
}

/// `POST /payments/{id}/apply`: money that pays nothing is to pay an invoice.
pub async fn apply(mut call: Console) -> Result<Reply, Problem> {
    let money = payment_id(&call);
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let invoice = read_apply(object).map_err(Problem::Told)?;
    call.reason()?;
    let claim = claim(&call, &canonical)?;
    let money = money?;
    let (invoice, mode) = in_either_mode(&invoice).ok_or_else(no_such_invoice)?;
    decide(&call, claim, money, Asked { wish: Wish::Apply { invoice }, mode }).await
}

/// `POST /payments/{id}/return`: money that pays nothing is to be given back.
pub async fn give_back(mut call: Console) -> Result<Reply, Problem> {
    let money = payment_id(&call);
    let body = call.body().await?;
    let (object, canonical) = body.json()?;
    let reason = read_return(object).map_err(Problem::Told)?;
    call.reason()?;
    let claim = claim(&call, &canonical)?;
    let (id, mode) = money?;
    decide(&call, claim, (id, mode), Asked { wish: Wish::Return { reason }, mode }).await
}

fn payment_id(call: &Console) -> Result<(PaymentId, Mode), Problem> {
    call.path_part("id").and_then(in_either_mode).ok_or(Problem::new(Code::NotFound))
}

/// Of this operator: were another one's call with the same key a repeat, it would be no confirmation.
fn claim(call: &Console, body: &str) -> Result<Option<Claim>, Problem> {
    let actor = call.by().actor.unwrap_or_default();
    call.claim(&format!("{actor}\n{body}"))
}

/// There is a payment, but no invoice to apply it to.
fn no_such_invoice() -> Problem {
    Problem::Told(vec![Item::at("invoice", Code::NotFound)])
}

/// What an operator asks for. `mode` is that of the invoice that he names.
#[derive(Clone)]
struct Asked {
    wish: Wish,
    mode: Mode,
}

impl Asked {
    /// The names of the transaction and of the two acts: the proposal, and the deed.
    const fn names(&self) -> (&'static str, &'static str, &'static str) {
        match self.wish {
            Wish::Apply { .. } => ("apply_payment", "propose_apply", "apply_payment"),
            Wish::Return { .. } => ("return_payment", "propose_return", "return_payment"),
        }
    }
}

async fn decide(
    call: &Console,
    claim: Option<Claim>,
    (id, mode): (PaymentId, Mode),
    asked: Asked,
) -> Result<Reply, Problem> {
    let by = call.by();
    let (name, ..) = asked.names();
    call.write(name, claim, move |tx| {
        let (asked, by) = (asked.clone(), by.clone());
        async move {
            let owner = tx.owner_of_payment(id, mode).await?.ok_or(Problem::new(Code::NotFound))?;
            let case = Case::lock(tx, owner, id, &asked).await?;
            match tx.act_of_request(&id.text(mode), &by).await? {
                // This very request was committed before, and its connection broke.
                Some(action) => case.repeated(&asked, by, &action),
                None => case.decide(tx, &asked, by).await,
            }
        }
        .boxed()
    })
    .await
}

/// The money and the invoice that it is about, both locked.
struct Case {
    payment: Payment,
    known: invoices::Known,
}

impl Case {
    async fn lock(tx: &mut Tx, owner: Owner, id: PaymentId, asked: &Asked) -> Result<Case, Problem> {
        let not_found = || Problem::new(Code::NotFound);
        let invoice = match &asked.wish {
            Wish::Apply { invoice } => own(tx, owner, *invoice, asked.mode).await?,
            Wish::Return { .. } => tx.payments(owner).get(id).await?.ok_or_else(not_found)?.payment.invoice,
        };
        let known = tx.invoices(owner).lock(invoice).await?.ok_or_else(no_such_invoice)?;
        let payment = tx.payments(owner).lock(id).await?.ok_or_else(not_found)?.payment;
        Ok(Case { payment, known })
    }

    async fn decide(self, tx: &mut Tx, asked: &Asked, by: By) -> Result<Done, Problem> {
        let changes = self.judge(tx, &asked.wish).await?;
        let (owner, id, at) = (self.payment.owner, self.payment.id, self.known.at);
        let standing = tx.proposal(owner, id, &asked.wish).await?;
        let actor = by.actor.clone().unwrap_or_default();
        match Proposal::step(standing.as_ref(), &asked.wish, &actor, at) {
            Step::Repeat => Err(Problem::new(Code::SecondActorRequired)),
            Step::Propose => {
                let proposal = Proposal { wish: asked.wish.clone(), actor, created: at };
                tx.put_proposal(owner, id, &proposal).await?;
                let (_, action, _) = asked.names();
                Ok(Done::act(self.proposed(&proposal), self.act(action, by, self.facts(asked))))
            }
            Step::Confirm => {
                save(tx, &changes).await?;
                tx.delete_proposals(owner, id).await?;
                let (_, _, action) = asked.names();
                let mut facts = self.facts(asked);
                facts["proposed_by"] = json!(standing.map(|proposal| proposal.actor));
                let after = changes.iter().find_map(|change| change.payment.clone());
                let case = Case { payment: after.unwrap_or(self.payment), ..self };
                Ok(Done::act(case.decided(), case.act(action, by, facts)))
            }
        }
    }

    /// What the decision would change, or what is against it.
    async fn judge(&self, tx: &mut Tx, wish: &Wish) -> Result<Vec<Change>, Problem> {
        let stamp = tx.store().stamp(self.known.at)?;
        let invoice = &self.known.invoice;
        match wish {
            Wish::Return { reason } => {
                Ok(vec![self.payment.clone().give_back(reason.clone(), invoice, stamp)?])
            }
            Wish::Apply { .. } => {
                let paid = tx.store().stamp(self.known.at)?.event;
                let changes = invoice.apply(self.payment.clone(), stamp, paid)?;
                if invoice.status == Status::Expired {
                    self.is_the_only_open_one(tx).await?;
                }
                Ok(changes.into())
            }
        }
    }

    /// An expired invoice that is paid is open again, and its reference may have been issued again.
    async fn is_the_only_open_one(&self, tx: &mut Tx) -> Result<(), Problem> {
        let invoice = &self.known.invoice;
        match tx.invoices(invoice.owner).open_id(&invoice.order.reference).await? {
            None => Ok(()),
            Some(open) => {
                let existing_id = open.text(invoice.owner.mode);
                Err(Problem::Told(vec![Item::at("invoice", Code::InvoiceIdConflict { existing_id })]))
            }
        }
    }

    /// The answer to a request whose first run was committed: nothing is written again.
    fn repeated(self, asked: &Asked, by: By, action: &str) -> Result<Done, Problem> {
        let (_, proposes, _) = asked.names();
        if action != proposes {
            return Ok(Done::nothing(self.decided()));
        }
        let actor = by.actor.unwrap_or_default();
        let proposal = Proposal { wish: asked.wish.clone(), actor, created: self.known.at };
        Ok(Done::nothing(self.proposed(&proposal)))
    }

    fn proposed(&self, proposal: &Proposal) -> Reply {
        answer(202, shown::render_proposal(self.payment.id, self.payment.owner.mode, proposal))
    }

    fn decided(&self) -> Reply {
        let reference = self.known.invoice.order.reference.as_str();
        let view = PaymentView { payment: &self.payment, reference };
        answer(200, wire::payment::render(view, Version::default()))
    }

    /// What of it may be in the audit log. Why money is given back is told in words, and may name people.
    fn facts(&self, asked: &Asked) -> Value {
        let mode = self.payment.owner.mode;
        let target = match asked.wish {
            Wish::Apply { invoice } => Some(invoice.text(mode)),
            Wish::Return { .. } => None,
        };
        let mut facts = json!({
            "amount": self.payment.amount.to_string(), "currency": self.payment.currency.as_str(),
        });
        if let Some(target) = target {
            facts["invoice"] = json!(target);
        }
        facts
    }

    fn act(&self, action: &'static str, by: By, facts: Value) -> Act {
        let Owner { account, mode } = self.payment.owner;
        let object = Some(self.payment.id.text(mode));
        Act { chain: Chain::Account(account), action, object, by, details: Some(facts.to_string()) }
    }
}

/// An invoice that the money may be applied to belongs to the money's owner.
async fn own(tx: &mut Tx, owner: Owner, invoice: InvoiceId, mode: Mode) -> Result<InvoiceId, Problem> {
    let whose = tx.owner_of_invoice(invoice, mode).await?.ok_or_else(no_such_invoice)?;
    if whose == owner {
        return Ok(invoice);
    }
    Err(Problem::Told(vec![Item::at("invoice", Code::PaymentMismatch)]))
}

/// Somebody who issued the reference again just now is met by the next run.
async fn save(tx: &mut Tx, changes: &[Change]) -> Result<(), Error> {
    match tx.save(changes).await {
        Err(Error::Conflict(Conflict::InvoiceId)) => Err(Error::Stale),
        saved => saved,
    }
}

fn answer(status: u16, body: Vec<u8>) -> Reply {
    Reply::fresh(Answer { status, etag: None, location: None, body: Bytes::from(body) })
}
