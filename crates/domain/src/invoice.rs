//! The invoice (*Orden de Pago*) and its verbs: open, amend, void, expire, pay, apply, reverse.
//!
//! A verb takes the invoice as it is, judges, and returns the [`Change`] that makes it so. An invoice past
//! its expiration is expired for every verb and every reader at once; storing that follows when the expiry
//! duty, or the next write, meets it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::{Account, Mode, Owner};
use crate::change::{Change, Opening, Stamp};
use crate::customer::Customer;
use crate::event::{Event, EventKind};
use crate::id::{EventId, InvoiceId, PaymentId, base57, from_base57};
use crate::ktin::Ktin;
use crate::late_fee::LateFee;
use crate::metadata::Verbatim;
use crate::money::{Amount, Currency};
use crate::payment::{Payment, PaymentStatus};
use crate::quote::Quote;
use crate::reference::Reference;
use crate::time::Moment;

pub mod draft;
pub mod filter;
pub mod table;

use draft::NewInvoice;
use table::State;

/// Pixels of a QR image when the merchant names none.
pub const DEFAULT_QR_PIXELS: u16 = 150;

/// The random name by which a payer opens the payment page: 128 bits in base 57. Whoever has it may look.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

/// It opens a page with personal data: never shown.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// A token of sixteen random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Token {
        Token(base57(u128::from_be_bytes(bytes)))
    }

    /// Reads a token as payers bring it. What is none can be nobody's.
    pub fn parse(text: &str) -> Option<Token> {
        from_base57(text).map(|_| Token(text.to_owned()))
    }

    /// A token as the store kept it.
    pub const fn from_stored(text: String) -> Token {
        Token(text)
    }

    /// Its 22 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An invoice.
#[derive(Clone)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// Whose it is.
    pub owner: Owner,
    /// When it was opened.
    pub created: Moment,
    /// What was ordered; never changes.
    pub order: Order,
    /// What is owed and until when; changes while pending.
    pub terms: Terms,
    /// Where it stands, as stored. Readers ask [`Invoice::seen_at`].
    pub status: Status,
    /// 1 at creation, one more with each stored change.
    pub version: u32,
}

/// The part of an invoice that never changes (a trigger in the database sees to it).
#[derive(Clone)]
pub struct Order {
    /// The merchant's reference.
    pub reference: Reference,
    /// The merchant's clock, echoed.
    pub request_datetime: Option<Moment>,
    /// Who pays.
    pub customer: Option<Customer>,
    /// Verbatim JSON.
    pub sub_merchant: Option<Verbatim>,
    /// Where the payment page leads once paid.
    pub url_success: Option<String>,
    /// Where it leads otherwise.
    pub url_error: Option<String>,
    /// Verbatim JSON.
    pub metadata: Option<Verbatim>,
    /// Pixels of the QR image.
    pub size_qr: u16,
    /// The number to pay by hand.
    pub ktin: Ktin,
    /// Opens the payment page.
    pub token: Token,
    /// The account's rule on the day of creation: changing the account changes no existing debt.
    pub late_fee: LateFee,
    /// SHA-256 of the create request: [`NewInvoice::content`].
    pub content: [u8; 32],
}

/// What is owed, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Currency of the debt.
    pub currency: Currency,
    /// The debt without late fee and fees.
    pub sub_total: Amount,
    /// Late fees start after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Moment>,
    /// From this second on it can not be paid.
    pub expires: Moment,
}

/// A state, with its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// Waits for its payment.
    Pending,
    /// Paid.
    Paid {
        /// The bank's time of the payment.
        paid_at: Moment,
        /// The payment.
        payment: PaymentId,
        /// The late fee, frozen by the payment.
        late_fee: Amount,
    },
    /// Its time ran out.
    Expired,
    /// Withdrawn by the merchant; final.
    Voided,
}

impl Status {
    /// The state without its facts.
    pub const fn state(self) -> State {
        match self {
            Status::Pending => State::Pending,
            Status::Paid { .. } => State::Paid,
            Status::Expired => State::Expired,
            Status::Voided => State::Voided,
        }
    }
}

/// The part of an invoice that can change, at one version: what an event remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The version.
    pub version: u32,
    /// The terms then.
    #[serde(flatten)]
    pub terms: Terms,
    /// The status then.
    #[serde(flatten)]
    pub status: Status,
}

/// An invoice as a reader sees it at a moment: the status in effect and what is due.
#[derive(Clone, Copy)]
pub struct Seen<'i> {
    /// The invoice.
    pub invoice: &'i Invoice,
    /// The status in effect.
    pub status: Status,
    /// The late fee then.
    pub late_fee: Amount,
    /// Fees charged to the payer; none for now.
    pub fees: Amount,
}

impl Seen<'_> {
    /// What the payer owes in all: sub_total + late_fee + fees.
    pub const fn total(&self) -> Amount {
        self.invoice.terms.sub_total.plus(self.late_fee).plus(self.fees)
    }
}

/// What a merchant wants changed. `None` leaves a field as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amendment {
    /// A new currency.
    pub currency: Option<Currency>,
    /// A new sub_total; equal to the sub_total or to the total shown now, it changes nothing.
    pub amount: Option<Amount>,
    /// A new due date, or none any more.
    pub due: Option<Option<Moment>>,
    /// A new expiration.
    pub expires: Option<Moment>,
}

/// Why a verb was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is paid already.
    #[error("the invoice is paid")]
    AlreadyPaid,
    /// Its time is over.
    #[error("the invoice is expired")]
    Expired,
    /// It was withdrawn.
    #[error("the invoice is voided")]
    Voided,
    /// It is not expired yet.
    #[error("the invoice is not past its expiration")]
    NotDue,
    /// It is not paid, so there is nothing to take back.
    #[error("the invoice is not paid")]
    NotPaid,
    /// Amount or currency are not what is owed.
    #[error("the amount is not what is owed")]
    AmountMismatch,
    /// It expired, and its reference was issued again.
    #[error("the reference was issued again")]
    Superseded,
    /// The money is not kept unapplied, so nobody decides about it.
    #[error("the payment is not unapplied")]
    NotUnapplied,
    /// The due date would be later than the expiration.
    #[error("due after expiration")]
    DueAfterExpiration,
    /// The expiration would be past.
    #[error("expiration past")]
    ExpirationPast,
    /// The expiration would be too far ahead.
    #[error("expiration too far ahead")]
    ExpirationTooFar,
}

impl Invoice {
    /// Opens a new invoice. Time's faults were judged before: [`NewInvoice::faults_at`].
    pub fn open(owner: Owner, account: &Account, new: NewInvoice, opening: Opening) -> Change {
        let at = opening.stamp.at;
        let content = new.content();
        let terms = Terms {
            currency: new.currency,
            sub_total: new.amount,
            due: new.due,
            expires: new.expires_at(at, account),
        };
        let order = Order {
            reference: new.reference,
            request_datetime: new.request_datetime,
            customer: new.customer,
            sub_merchant: new.sub_merchant,
            url_success: new.url_success,
            url_error: new.url_error,
            metadata: new.metadata,
            size_qr: new.size_qr.unwrap_or(DEFAULT_QR_PIXELS),
            ktin: opening.ktin,
            token: opening.token,
            late_fee: account.late_fee.clone(),
            content,
        };
        let invoice =
            Invoice { id: opening.id, owner, created: at, order, terms, status: Status::Pending, version: 1 };
        let event = invoice.event(EventKind::InvoiceCreated, opening.stamp, None);
        Change { invoice: Some((invoice, 0)), payment: None, event: Some(event) }
    }

    /// Changes what is owed or until when. Only a pending invoice; what is equal already changes nothing.
    pub fn amend(&self, wish: Amendment, stamp: Stamp) -> Result<Change, Refusal> {
        let seen = self.seen_at(stamp.at);
        let mut terms = self.terms;
        terms.currency = wish.currency.unwrap_or(terms.currency);
        terms.sub_total = match wish.amount {
            Some(amount) if amount != seen.total() => amount,
            Some(_) | None => terms.sub_total,
        };
        terms.due = wish.due.unwrap_or(terms.due);
        terms.expires = wish.expires.unwrap_or(terms.expires);
        if terms == self.terms {
            return Ok(Change::NOTHING);
        }
        self.must_be_pending(stamp.at)?;
        if terms.expires != self.terms.expires {
            if terms.expires <= stamp.at && self.owner.mode == Mode::Live {
                return Err(Refusal::ExpirationPast);
            }
            if terms.expires > stamp.at.plus_seconds(draft::EXPIRATION_DAYS * crate::time::DAY_SECONDS) {
                return Err(Refusal::ExpirationTooFar);
            }
        }
        if terms.due.is_some_and(|due| due > terms.expires) {
            return Err(Refusal::DueAfterExpiration);
        }
        Ok(self.step(self.status, terms, EventKind::InvoiceUpdated, None, stamp))
    }

    /// Withdraws a pending invoice. Voided already: nothing changes.
    pub fn void(&self, stamp: Stamp) -> Result<Change, Refusal> {
        match self.seen_at(stamp.at).status {
            Status::Pending => {
                Ok(self.step(Status::Voided, self.terms, EventKind::InvoiceVoided, None, stamp))
            }
            Status::Voided => Ok(Change::NOTHING),
            Status::Paid { .. } => Err(Refusal::AlreadyPaid),
            Status::Expired => Err(Refusal::Expired),
        }
    }

    /// Stores that the time of a pending invoice ran out. Expired already: nothing changes.
    pub fn expire(&self, stamp: Stamp) -> Result<Change, Refusal> {
        match self.status {
            Status::Pending if stamp.at >= self.terms.expires => {
                Ok(self.step(Status::Expired, self.terms, EventKind::InvoiceExpired, None, stamp))
            }
            Status::Pending => Err(Refusal::NotDue),
            Status::Expired => Ok(Change::NOTHING),
            Status::Paid { .. } => Err(Refusal::AlreadyPaid),
            Status::Voided => Err(Refusal::Voided),
        }
    }

    /// Stores that its time ran out, now, whatever was agreed: for test mode, where nobody wants to wait. Expired already:
    /// nothing changes.
    pub fn expire_early(&self, stamp: Stamp) -> Result<Change, Refusal> {
        let terms = Terms { expires: self.terms.expires.min(stamp.at), ..self.terms };
        // A due date later than the expiration would be no terms at all.
        let terms = Terms { due: terms.due.map(|due| due.min(terms.expires)), ..terms };
        match self.status {
            Status::Pending => Ok(self.step(Status::Expired, terms, EventKind::InvoiceExpired, None, stamp)),
            Status::Expired | Status::Paid { .. } | Status::Voided => self.expire(stamp),
        }
    }

    /// Applies a payment. The bank's own time decides whether it was in time, also when the invoice has been
    /// stored as expired meanwhile; the amount must be what was owed then.
    pub fn pay(&self, payment: Payment, stamp: Stamp) -> Result<Change, Refusal> {
        self.must_be_payable()?;
        if payment.paid_at >= self.terms.expires {
            return Err(Refusal::Expired);
        }
        let late_fee = self.late_fee_at(payment.paid_at);
        self.take(payment, self.terms, late_fee, stamp)
    }

    /// Applies a payment of what was quoted. A quote that holds is a promise: neither an amendment nor the expiration
    /// since then counts, and the invoice becomes what was quoted, so that its amount is the payment's.
    ///
    /// A quote that does not hold, or is of another amount, is as good as none.
    pub fn pay_quoted(&self, payment: Payment, quote: &Quote, stamp: Stamp) -> Result<Change, Refusal> {
        self.must_be_payable()?;
        let is_its = quote.holds_at(payment.paid_at)
            && quote.invoice == self.id
            && (quote.currency, quote.total()) == (payment.currency, payment.amount);
        if !is_its {
            return self.pay(payment, stamp);
        }
        let asked = (self.terms.currency, self.terms.sub_total);
        let replaced = (asked != (quote.currency, quote.sub_total)).then_some(asked);
        let terms = Terms { currency: quote.currency, sub_total: quote.sub_total, ..self.terms };
        self.take(Payment { replaced, ..payment }, terms, quote.late_fee, stamp)
    }

    /// Applies money that was kept, as two people decided: two changes, the money's and the invoice's. Its amount must
    /// be what was owed at the bank's time or is owed now.
    pub fn apply(&self, payment: Payment, stamp: Stamp, paid: EventId) -> Result<[Change; 2], Refusal> {
        payment.must_be_unapplied()?;
        self.must_be_payable()?;
        let owed = [payment.paid_at, stamp.at].map(|at| self.late_fee_at(at));
        let matches = |fee: &Amount| self.terms.sub_total.plus(*fee) == payment.amount;
        let late_fee = owed.into_iter().find(matches).ok_or(Refusal::AmountMismatch)?;
        let payment = Payment { invoice: self.id, ..payment };
        let change = self.take(payment.clone(), self.terms, late_fee, Stamp { event: paid, ..stamp })?;
        let applied = Payment { status: PaymentStatus::Applied, ..payment };
        let told = applied.told(EventKind::PaymentApplied, change.after(self), stamp);
        // The invoice's change writes the money as well.
        Ok([Change { payment: None, ..told }, change])
    }

    fn take(
        &self,
        payment: Payment,
        terms: Terms,
        late_fee: Amount,
        stamp: Stamp,
    ) -> Result<Change, Refusal> {
        if payment.currency != terms.currency || payment.amount != terms.sub_total.plus(late_fee) {
            return Err(Refusal::AmountMismatch);
        }
        let payment = Payment { status: PaymentStatus::Applied, ..payment };
        let status = Status::Paid { paid_at: payment.paid_at, payment: payment.id, late_fee };
        Ok(self.step(status, terms, EventKind::InvoicePaid, Some(payment), stamp))
    }

    /// Takes a payment back (extorno): pending again, or expired when its time is over; what a quote replaced is asked
    /// for again.
    pub fn reverse(&self, payment: Payment, stamp: Stamp) -> Result<Change, Refusal> {
        match self.status {
            Status::Paid { payment: paid_by, .. } if paid_by == payment.id => {}
            Status::Paid { .. } | Status::Pending | Status::Expired | Status::Voided => {
                return Err(Refusal::NotPaid);
            }
        }
        let status = if stamp.at >= self.terms.expires { Status::Expired } else { Status::Pending };
        let (currency, sub_total) = payment.replaced.unwrap_or((self.terms.currency, self.terms.sub_total));
        let terms = Terms { currency, sub_total, ..self.terms };
        let payment = Payment { status: PaymentStatus::Reversed, ..payment };
        Ok(self.step(status, terms, EventKind::InvoicePaymentReversed, Some(payment), stamp))
    }

    /// The invoice as every reader sees it at `at`, by the database's clock.
    pub fn seen_at(&self, at: Moment) -> Seen<'_> {
        let status = match self.status {
            Status::Pending if at >= self.terms.expires => Status::Expired,
            Status::Pending | Status::Paid { .. } | Status::Expired | Status::Voided => self.status,
        };
        self.seen(status, at)
    }

    /// The invoice as the change at `at` left it: the answer to that change, and its event for ever after.
    /// An invoice that was opened with a past expiration was pending then.
    pub fn as_changed_at(&self, at: Moment) -> Seen<'_> {
        self.seen(self.status, at)
    }

    /// The part that can change.
    pub const fn snapshot(&self) -> Snapshot {
        Snapshot { version: self.version, terms: self.terms, status: self.status }
    }

    fn seen(&self, status: Status, at: Moment) -> Seen<'_> {
        let late_fee = match status {
            Status::Paid { late_fee, .. } => late_fee,
            Status::Pending | Status::Expired | Status::Voided => self.late_fee_at(at),
        };
        Seen { invoice: self, status, late_fee, fees: Amount::ZERO }
    }

    fn late_fee_at(&self, at: Moment) -> Amount {
        self.order.late_fee.at(at, self.terms.due, self.terms.sub_total, self.terms.currency)
    }

    /// A voided invoice is never paid, a paid one not twice; whether an expired one can be, its payment's time decides.
    fn must_be_payable(&self) -> Result<(), Refusal> {
        match self.status {
            Status::Pending | Status::Expired => Ok(()),
            Status::Paid { .. } => Err(Refusal::AlreadyPaid),
            Status::Voided => Err(Refusal::Voided),
        }
    }

    fn must_be_pending(&self, at: Moment) -> Result<(), Refusal> {
        match self.seen_at(at).status {
            Status::Pending => Ok(()),
            Status::Paid { .. } => Err(Refusal::AlreadyPaid),
            Status::Expired => Err(Refusal::Expired),
            Status::Voided => Err(Refusal::Voided),
        }
    }

    fn step(
        &self,
        status: Status,
        terms: Terms,
        kind: EventKind,
        payment: Option<Payment>,
        stamp: Stamp,
    ) -> Change {
        let after = Invoice { status, terms, version: self.version + 1, ..self.clone() };
        let event = after.event(kind, stamp, payment.as_ref());
        Change { invoice: Some((after, self.version)), payment, event: Some(event) }
    }

    pub(crate) fn event(&self, kind: EventKind, stamp: Stamp, payment: Option<&Payment>) -> Event {
        Event {
            id: stamp.event,
            owner: self.owner,
            created: stamp.at,
            kind,
            invoice: self.id,
            snapshot: self.snapshot(),
            payment: payment.map(|payment| (payment.id, payment.status.clone())),
        }
    }
}
