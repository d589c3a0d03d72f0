//! Collections: what a bank asks or tells, judged behind the lock of the invoice that it is about, and answered once.
//!
//! Everything said about an invoice is said one after another. A message is known by its key (channel, agreement, Lima
//! day, operation number, ktin, verb); what was judged is answered again to the byte. What could not be judged (a
//! message that can not be as it is, an unknown number, a closed channel) holds no key: the bank may come again.
//!
//! The answer is rendered by whoever calls, inside the transaction, and the store never looks into it. Merchants' tests
//! and the sample payer of the payment page come the same way.

use bytes::Bytes;
use domain::account::{Account, Mode};
use domain::change::Stamp;
use domain::collection::{self, Channel, Operation, ResultCode, ReversalKind, Said, Verb};
use domain::id::Id;
use domain::invoice::{Invoice, Status};
use domain::money::Currency;
use domain::payment::{Payment, PaymentStatus, Reason};
use domain::quote::Quote;
use uuid::Uuid;

use crate::error::{Conflict, Error};
use crate::invoices::Known;
use crate::{Store, Tx, random};

mod record;

/// A call of a bank.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it wants.
    pub verb: Verb,
    /// Who calls.
    pub channel: String,
    /// Whose invoices it can see: banks see live ones.
    pub mode: Mode,
    /// Only invoices of accounts that list the agreement. Merchants' tests have no agreement.
    pub needs_agreement: bool,
    /// What it says.
    pub said: Said,
    /// What is wrong with it, when it can not be as it is.
    pub fault: Option<String>,
}

/// What an answer is rendered from.
pub struct Outcome {
    /// What came of the call.
    pub code: ResultCode,
    /// What is wrong with the message, for whoever reads the answer.
    pub fault: Option<String>,
    /// Our number of the operation.
    pub number: Option<i64>,
    /// The invoice as it is after the call, and the account that it belongs to.
    pub about: Option<(Known, Account)>,
    /// What was promised.
    pub quote: Option<Quote>,
    /// The money that came or went.
    pub payment: Option<Payment>,
}

/// Writes an answer.
pub type Render = fn(&Outcome) -> Vec<u8>;

/// An answer, and what else is to be known of it.
#[derive(Clone, Debug)]
pub struct Collected {
    /// What came of the call.
    pub code: ResultCode,
    /// The answer.
    pub body: Bytes,
    /// Something that people should look at.
    pub alert: Option<&'static str>,
}

/// What was decided, before it is written down.
struct Verdict {
    outcome: Outcome,
    /// The same message again is answered the same.
    is_judged: bool,
    alert: Option<&'static str>,
}

impl Verdict {
    fn unjudged(code: ResultCode, fault: Option<&str>) -> Verdict {
        let fault = fault.map(str::to_owned);
        let outcome = Outcome { code, fault, number: None, about: None, quote: None, payment: None };
        Verdict { outcome, is_judged: false, alert: None }
    }

    fn bad_request(fault: &str) -> Verdict {
        Verdict::unjudged(ResultCode::BadRequest, Some(fault))
    }

    fn alerting(self, alert: &'static str) -> Verdict {
        Verdict { alert: Some(alert), ..self }
    }
}

/// Either an answer that was given before, or something to be written down.
enum Judged {
    Before(ResultCode, Vec<u8>),
    Now(Box<Verdict>),
}

impl From<Verdict> for Judged {
    fn from(verdict: Verdict) -> Judged {
        Judged::Now(Box::new(verdict))
    }
}

impl Store {
    /// Answers a call of a bank. It may run again: what was committed is then found and answered.
    ///
    /// # Errors
    /// When the database can not be asked; nothing was done, or it is found by the next try.
    pub async fn collect(&self, call: Call, render: Render) -> Result<Collected, Error> {
        let name = match call.verb {
            Verb::Inquire => "collect_inquire",
            Verb::Pay => "collect_pay",
            Verb::Reverse => "collect_reverse",
        };
        let collected = self.transaction(name, move |tx| {
            let call = call.clone();
            Box::pin(async move { tx.collect(&call, render).await })
        });
        collected.await
    }

    /// A number that no operation has had for a long time: 9 digits.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn next_operation_number(&self) -> Result<i64, Error> {
        self.read("next_operation_number", |tx| Box::pin(async move { tx.next_number().await })).await
    }
}

impl Tx {
    /// Answers a call of a bank inside a transaction that does more: see [`Store::collect`].
    ///
    /// # Errors
    /// As there.
    pub async fn collect(&mut self, call: &Call, render: Render) -> Result<Collected, Error> {
        // Before it is judged: a timeline shows it before what came of it.
        let id: Uuid = self.new_id::<()>()?.uuid();
        let judged = match self.judge(call).await {
            // Somebody issued the reference again just now, or answers the very same message.
            Err(Error::Conflict(Conflict::InvoiceId | Conflict::Collection)) => return Err(Error::Stale),
            judged => judged?,
        };
        match judged {
            Judged::Before(code, body) => Ok(Collected { code, body: body.into(), alert: None }),
            Judged::Now(verdict) => {
                let body = render(&verdict.outcome);
                match self.record(id, call, &verdict, &body).await {
                    Err(Error::Conflict(Conflict::Collection)) => return Err(Error::Stale),
                    recorded => recorded?,
                }
                Ok(Collected { code: verdict.outcome.code, body: body.into(), alert: verdict.alert })
            }
        }
    }

    async fn judge(&mut self, call: &Call) -> Result<Judged, Error> {
        let operation = call.said.operation(&call.channel);
        let Some(operation) = operation.filter(|_| call.fault.is_none()) else {
            return Ok(Verdict::bad_request(call.fault.as_deref().unwrap_or_default()).into());
        };
        let found = self.owner_of_ktin(operation.ktin).await?;
        let Some((owner, id)) = found.filter(|(owner, _)| owner.mode == call.mode) else {
            return Ok(Verdict::unjudged(ResultCode::UnknownCode, None).into());
        };
        let known = self.invoices(owner).lock(id).await?;
        let known = known.ok_or(Error::Corrupt { table: "invoices", id: id.uuid() })?;
        let account = self.account(owner.account).await?;
        let account = account.ok_or(Error::Corrupt { table: "accounts", id: owner.account.uuid() })?.account;
        let case = Case { call, operation, known, account };
        match call.verb {
            Verb::Inquire => self.judge_inquiry(case).await,
            Verb::Pay => self.judge_payment(case).await,
            Verb::Reverse => self.judge_reversal(case).await,
        }
    }

    async fn judge_inquiry(&mut self, case: Case<'_>) -> Result<Judged, Error> {
        let Case { operation, known, .. } = &case;
        let seen = known.invoice.seen_at(known.at);
        for earlier in self.earlier(operation, &operation.number).await? {
            if !earlier.is(Verb::Inquire, &operation.number, operation) {
                continue;
            }
            // While the promise can be kept, it is said again; else it is a new question.
            let promised = match earlier.quote {
                Some(quote) => self.quote(known.invoice.owner, Id::from_uuid(quote)).await?,
                None => None,
            };
            let lives = promised.is_some_and(|quote| known.at < quote.expires);
            if lives && self.can_keep_promises(&known.invoice).await? {
                return Ok(Judged::Before(ResultCode::Ok, earlier.body));
            }
            self.forget(earlier.id).await?;
        }
        let Some(currency) = case.agreed_currency() else {
            return Ok(Verdict::unjudged(ResultCode::UnknownCode, None).into());
        };
        if currency != known.invoice.terms.currency {
            return Ok(Verdict::unjudged(ResultCode::UnknownCode, None).into());
        }
        if let Some(fault) = case.fault_of_time() {
            return Ok(Verdict::bad_request(fault).into());
        }
        if !self.channel_of(case.call).await?.open {
            return Ok(Verdict::unjudged(ResultCode::ChannelClosed, None).into());
        }
        if let Some(code) = collection::refusal_of(seen.status) {
            return Ok(case.concerning(Verdict::unjudged(code, None)).into());
        }
        let quote = Quote::of(&seen, self.new_id()?, known.at);
        self.save_quote(&quote, operation).await?;
        let outcome = Outcome {
            code: ResultCode::Ok,
            fault: None,
            number: None,
            about: None,
            quote: Some(quote),
            payment: None,
        };
        Ok(case.concerning(Verdict { outcome, is_judged: true, alert: None }).into())
    }

    /// A quote is honoured though the invoice was amended or expired, and not once it is paid, voided or superseded.
    async fn can_keep_promises(&mut self, invoice: &Invoice) -> Result<bool, Error> {
        match invoice.status {
            Status::Pending => Ok(true),
            Status::Expired => Ok(!self.invoices(invoice.owner).was_issued_again(invoice).await?),
            Status::Paid { .. } | Status::Voided => Ok(false),
        }
    }

    async fn judge_payment(&mut self, mut case: Case<'_>) -> Result<Judged, Error> {
        let said = &case.call.said;
        let (Some(amount), Some(currency)) = (said.amount, said.currency) else {
            return Ok(Verdict::bad_request("amount").into());
        };
        let owner = case.known.invoice.owner;
        let earlier = self.earlier(&case.operation, &case.operation.number).await?;
        let meets_reversal = earlier.iter().any(|before| before.is_tombstone_of(&case.operation));
        for before in &earlier {
            let is_same_key = before.is_of_the_same_day(&case.operation);
            if !before.is(Verb::Pay, &case.operation.number, &case.operation)
                || !(is_same_key || before.says_the_same_money(said))
            {
                continue;
            }
            if !before.says_the_same_money(said) {
                let verdict = Verdict::unjudged(ResultCode::AmountMismatch, Some("amount"));
                return Ok(case
                    .concerning(verdict.alerting("the same operation with another amount"))
                    .into());
            }
            if let Some(payment) = before.payment {
                let payment = self.payments(owner).lock(Id::from_uuid(payment)).await?;
                let is_reversed =
                    payment.is_some_and(|known| known.payment.status == PaymentStatus::Reversed);
                if is_reversed {
                    return Ok(case.concerning(Verdict::unjudged(ResultCode::AlreadyReversed, None)).into());
                }
            } else if meets_reversal {
                break;
            } else if said.cash_taken && before.cash_taken != Some(true) {
                // It was refused before the bank had the money; now it has.
                self.forget(before.id).await?;
                continue;
            }
            return Ok(Judged::Before(before.result()?, before.body.clone()));
        }
        if meets_reversal {
            return Ok(case.concerning(Verdict::unjudged(ResultCode::AlreadyReversed, None)).into());
        }

        let Some(agreed) = case.agreed_currency() else {
            return Ok(Verdict::unjudged(ResultCode::UnknownCode, None).into());
        };
        if currency != agreed {
            return Ok(case.concerning(Verdict::bad_request("currency")).into());
        }
        let quote = self
            .quote_for((owner, case.known.invoice.id), &case.operation, (amount, currency), said.quote)
            .await?;
        if quote.is_none() && case.known.invoice.terms.currency != agreed {
            return Ok(Verdict::unjudged(ResultCode::UnknownCode, None).into());
        }
        let is_too_old = case.operation.is_too_old(case.known.at);
        if let Some(fault) = case.fault_of_time().filter(|_| !(is_too_old && said.cash_taken)) {
            return Ok(case.concerning(Verdict::bad_request(fault)).into());
        }
        if !said.cash_taken && !self.channel_of(case.call).await?.open {
            return Ok(Verdict::unjudged(ResultCode::ChannelClosed, None).into());
        }
        let invoice = &case.known.invoice;
        let is_expired = invoice.status == Status::Expired;
        let superseded = is_expired && self.invoices(owner).was_issued_again(invoice).await?;
        let payment = Payment {
            id: self.new_id()?,
            owner,
            invoice: invoice.id,
            ktin: case.operation.ktin,
            amount,
            currency,
            channel: case.operation.channel.clone(),
            operation_number: case.operation.number.clone(),
            paid_at: case.operation.at,
            received_at: case.known.at,
            status: PaymentStatus::Applied,
            replaced: None,
        };
        let stamp = self.store().stamp(case.known.at)?;
        let (code, change) = if is_too_old {
            (ResultCode::Ok, payment.keep(Reason::TooOld, invoice, stamp))
        } else {
            collection::pay(invoice, payment, quote.as_ref(), superseded, said.cash_taken, stamp)
        };
        self.save(std::slice::from_ref(&change)).await?;
        let payment = change.payment.clone();
        let number = if payment.is_some() { Some(self.next_number().await?) } else { None };
        case.known.invoice = change.after(invoice).clone();
        let outcome = Outcome { code, fault: None, number, about: None, quote, payment };
        Ok(case.concerning(Verdict { outcome, is_judged: true, alert: None }).into())
    }

    async fn judge_reversal(&mut self, mut case: Case<'_>) -> Result<Judged, Error> {
        let said = &case.call.said;
        let (Some(kind), Some(original)) = (said.kind, said.original_number.clone()) else {
            return Ok(Verdict::bad_request("kind").into());
        };
        let reversed = Operation { number: original.clone(), ..case.operation.clone() };
        for before in self.earlier(&case.operation, &case.operation.number).await? {
            if !before.is(Verb::Reverse, &case.operation.number, &case.operation)
                || !before.is_of_the_same_day(&case.operation)
            {
                continue;
            }
            if before.original_number.as_deref() != Some(&original) {
                return Ok(case.concerning(Verdict::bad_request("operation_number")).into());
            }
            return Ok(Judged::Before(before.result()?, before.body));
        }
        let earlier = self.earlier(&reversed, &original).await?;
        // Its own day's operation of that number, also one that was refused, comes before a retry across midnight.
        let payments = || earlier.iter().filter(|before| before.is(Verb::Pay, &original, &reversed));
        let own = payments().find(|before| before.is_of_the_same_day(&reversed));
        let money = own.map_or_else(|| payments().find_map(|before| before.payment), |before| before.payment);
        let channel = self.channel_of(case.call).await?;
        let Some(money) = money else {
            return self.judge_reversal_of_nothing(case, kind, &channel).await;
        };
        let owner = case.known.invoice.owner;
        let corrupt = Error::Corrupt { table: "payments", id: money };
        let payment = self.payments(owner).lock(Id::from_uuid(money)).await?.ok_or(corrupt)?.payment;
        match &payment.status {
            PaymentStatus::Applied | PaymentStatus::Unapplied { .. } => {}
            PaymentStatus::Reversed => {
                return Ok(case.concerning(Verdict::unjudged(ResultCode::AlreadyReversed, None)).into());
            }
            // Its payer has it back from us: were it reversed, he would have it twice.
            PaymentStatus::Returned { .. } => {
                let verdict = Verdict::unjudged(ResultCode::NotFoundPayment, Some("returned"));
                return Ok(case.concerning(verdict.alerting("a reversal of returned money")).into());
            }
        }
        if !channel.may_reverse(kind, payment.paid_at, case.known.at) {
            let verdict = Verdict::bad_request("original_operated_at");
            return Ok(case.concerning(verdict.alerting("a reversal that came too late")).into());
        }
        if payment.invoice != case.known.invoice.id {
            // Support applied it to another invoice of the same account.
            let id = payment.invoice;
            let other = self.invoices(owner).lock(id).await?;
            case.known = other.ok_or(Error::Corrupt { table: "invoices", id: id.uuid() })?;
        }
        let stamp = self.store().stamp(case.known.at)?;
        let change = self.taken_back(payment, &case.known.invoice, stamp)?;
        self.save(std::slice::from_ref(&change)).await?;
        case.known.invoice = change.after(&case.known.invoice).clone();
        let number = Some(self.next_number().await?);
        let code = ResultCode::Ok;
        let outcome =
            Outcome { code, fault: None, number, about: None, quote: None, payment: change.payment };
        Ok(case.concerning(Verdict { outcome, is_judged: true, alert: None }).into())
    }

    fn taken_back(
        &self,
        payment: Payment,
        invoice: &Invoice,
        stamp: Stamp,
    ) -> Result<domain::change::Change, Error> {
        let id = payment.id.uuid();
        let taken = match payment.status {
            PaymentStatus::Applied => invoice.reverse(payment, stamp),
            PaymentStatus::Unapplied { .. } | PaymentStatus::Reversed | PaymentStatus::Returned { .. } => {
                payment.reverse(invoice, stamp)
            }
        };
        // An applied payment is its invoice's; a trigger sees to it.
        taken.map_err(|_| Error::Corrupt { table: "payments", id })
    }

    async fn judge_reversal_of_nothing(
        &mut self,
        case: Case<'_>,
        kind: ReversalKind,
        channel: &Channel,
    ) -> Result<Judged, Error> {
        if case.agreed_currency().is_none() {
            return Ok(Verdict::unjudged(ResultCode::UnknownCode, None).into());
        }
        if case.operation.is_of_the_future(case.known.at) {
            return Ok(case.concerning(Verdict::bad_request("original_operated_at")).into());
        }
        if !channel.may_reverse(kind, case.operation.at, case.known.at) {
            let verdict = Verdict::bad_request("original_operated_at");
            return Ok(case.concerning(verdict.alerting("a reversal that came too late")).into());
        }
        Ok(match kind {
            ReversalKind::Manual => {
                case.concerning(Verdict::unjudged(ResultCode::NotFoundPayment, None)).into()
            }
            ReversalKind::Automatic => {
                let number = Some(self.next_number().await?);
                let code = ResultCode::ReversalRecorded;
                let outcome = Outcome { code, fault: None, number, about: None, quote: None, payment: None };
                case.concerning(Verdict { outcome, is_judged: true, alert: None }).into()
            }
        })
    }

    async fn channel_of(&mut self, call: &Call) -> Result<Channel, Error> {
        Ok(self.channel(&call.channel).await?.unwrap_or_else(|| Channel::unknown(&call.channel)))
    }

    /// A new id of this moment.
    pub(crate) fn new_id<K>(&self) -> Result<Id<K>, Error> {
        Ok(Id::new(self.store().clock().unix_millis(), &random::bytes()?))
    }
}

/// A call about an invoice that there is, which is locked.
struct Case<'c> {
    call: &'c Call,
    operation: Operation,
    known: Known,
    account: Account,
}

impl Case<'_> {
    /// The currency of the agreement, when the account lists it.
    fn agreed_currency(&self) -> Option<Currency> {
        if !self.call.needs_agreement {
            return Some(self.call.said.currency.unwrap_or(self.known.invoice.terms.currency));
        }
        let Operation { channel, agreement, .. } = &self.operation;
        let listed = &self.account.collection_channels;
        let listed = listed.iter().find(|at| at.channel == *channel && at.agreement_number == *agreement);
        listed.map(|at| at.currency)
    }

    fn fault_of_time(&self) -> Option<&'static str> {
        let (operation, now) = (&self.operation, self.known.at);
        (operation.is_of_the_future(now) || operation.is_too_old(now)).then_some("operated_at")
    }

    /// A verdict about its invoice.
    fn concerning(self, verdict: Verdict) -> Verdict {
        let outcome = Outcome { about: Some((self.known, self.account)), ..verdict.outcome };
        Verdict { outcome, ..verdict }
    }
}
