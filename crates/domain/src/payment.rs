//! A payment: a bank's or an agent's money for an invoice. It is never edited; it may be applied, taken back by the bank
//! (*extorno*), or given back by us.
//!
//! ```text
//! applied   → reversed                         the bank took it back
//! unapplied → applied | reversed | returned    support, the bank, support
//! reversed, returned                           final
//! ```
//! A trigger in the database says the same again.

use serde::{Deserialize, Serialize};

use crate::account::Owner;
use crate::change::{Change, Stamp};
use crate::event::EventKind;
use crate::id::{InvoiceId, PaymentId};
use crate::invoice::{Invoice, Refusal};
use crate::ktin::Ktin;
use crate::money::{Amount, Currency};
use crate::time::Moment;

/// What became of the money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PaymentStatus {
    /// It pays its invoice.
    Applied,
    /// It is kept, and pays nothing.
    Unapplied {
        /// Why.
        reason: Reason,
    },
    /// The bank took it back (extorno).
    Reversed,
    /// It was given back to who paid.
    Returned {
        /// Why, in the words of whoever gave it back.
        reason: String,
    },
}

/// A status without its facts, as lists are filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentState {
    /// It pays its invoice.
    Applied,
    /// It is kept, and pays nothing.
    Unapplied,
    /// The bank took it back.
    Reversed,
    /// It was given back.
    Returned,
}

impl PaymentState {
    /// Every state there is.
    pub const ALL: [PaymentState; 4] =
        [PaymentState::Applied, PaymentState::Unapplied, PaymentState::Reversed, PaymentState::Returned];

    /// As the store and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            PaymentState::Applied => "applied",
            PaymentState::Unapplied => "unapplied",
            PaymentState::Reversed => "reversed",
            PaymentState::Returned => "returned",
        }
    }

    /// Reads a state as it is written, in any case.
    pub fn parse(text: &str) -> Option<PaymentState> {
        PaymentState::ALL.into_iter().find(|state| text.eq_ignore_ascii_case(state.as_str()))
    }

    /// Whether money in this state may step to `next`.
    pub const fn may_become(self, next: PaymentState) -> bool {
        match self {
            PaymentState::Applied => matches!(next, PaymentState::Reversed),
            PaymentState::Unapplied => !matches!(next, PaymentState::Unapplied),
            PaymentState::Reversed | PaymentState::Returned => false,
        }
    }
}

/// Why money pays nothing (internal API document, "Not payable").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The invoice was paid already.
    Duplicate,
    /// The bank took it after the invoice expired.
    Late,
    /// The merchant had withdrawn the invoice.
    Voided,
    /// The invoice expired and its reference was issued again.
    Superseded,
    /// It is neither what is owed nor what was quoted.
    WrongAmount,
    /// The bank told of it more than a week later.
    TooOld,
}

impl Reason {
    /// Every reason there is.
    pub const ALL: [Reason; 6] = [
        Reason::Duplicate,
        Reason::Late,
        Reason::Voided,
        Reason::Superseded,
        Reason::WrongAmount,
        Reason::TooOld,
    ];

    /// As the store and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Duplicate => "duplicate",
            Reason::Late => "late",
            Reason::Voided => "voided",
            Reason::Superseded => "superseded",
            Reason::WrongAmount => "wrong_amount",
            Reason::TooOld => "too_old",
        }
    }

    /// Reads what the store wrote.
    pub fn parse(text: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

impl PaymentStatus {
    /// The status without its facts.
    pub const fn state(&self) -> PaymentState {
        match self {
            PaymentStatus::Applied => PaymentState::Applied,
            PaymentStatus::Unapplied { .. } => PaymentState::Unapplied,
            PaymentStatus::Reversed => PaymentState::Reversed,
            PaymentStatus::Returned { .. } => PaymentState::Returned,
        }
    }

    /// Why it pays nothing, or why it was given back.
    pub fn reason(&self) -> Option<&str> {
        match self {
            PaymentStatus::Unapplied { reason } => Some(reason.as_str()),
            PaymentStatus::Returned { reason } => Some(reason),
            PaymentStatus::Applied | PaymentStatus::Reversed => None,
        }
    }

    /// Reads what the store wrote.
    pub fn from_stored(state: &str, reason: Option<String>) -> Option<PaymentStatus> {
        match (PaymentState::parse(state)?, reason) {
            (PaymentState::Applied, None) => Some(PaymentStatus::Applied),
            (PaymentState::Reversed, None) => Some(PaymentStatus::Reversed),
            (PaymentState::Unapplied, Some(reason)) => {
                Some(PaymentStatus::Unapplied { reason: Reason::parse(&reason)? })
            }
            (PaymentState::Returned, Some(reason)) => Some(PaymentStatus::Returned { reason }),
            (PaymentState::Applied | PaymentState::Reversed, Some(_))
            | (PaymentState::Unapplied | PaymentState::Returned, None) => None,
        }
    }
}

/// Money that a bank took for an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// Whose money it is to become.
    pub owner: Owner,
    /// The invoice it pays, or was meant for.
    pub invoice: InvoiceId,
    /// The number that was paid, as the payer named it.
    pub ktin: Ktin,
    /// What the bank took.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The bank or agent that took it.
    pub channel: String,
    /// The channel's own number of the operation.
    pub operation_number: String,
    /// The bank's time of the operation: it decides whether the payment was in time.
    pub paid_at: Moment,
    /// When it was told to us.
    pub received_at: Moment,
    /// What became of it.
    pub status: PaymentStatus,
    /// What the invoice asked for before a quote was honoured: it does again when the payment is taken back.
    pub replaced: Option<(Currency, Amount)>,
}

impl Payment {
    /// Keeps money that pays nothing. `invoice` is the one that it was meant for.
    pub fn keep(self, reason: Reason, invoice: &Invoice, stamp: Stamp) -> Change {
        let payment = Payment { status: PaymentStatus::Unapplied { reason }, ..self };
        payment.told(EventKind::PaymentUnapplied, invoice, stamp)
    }

    /// The bank takes back money that paid nothing. What pays an invoice goes by [`Invoice::reverse`].
    ///
    /// # Errors
    /// [`Refusal::NotUnapplied`].
    pub fn reverse(self, invoice: &Invoice, stamp: Stamp) -> Result<Change, Refusal> {
        self.must_be_unapplied()?;
        let payment = Payment { status: PaymentStatus::Reversed, ..self };
        Ok(payment.told(EventKind::PaymentReversed, invoice, stamp))
    }

    /// Gives back money that paid nothing.
    ///
    /// # Errors
    /// [`Refusal::NotUnapplied`].
    pub fn give_back(self, reason: String, invoice: &Invoice, stamp: Stamp) -> Result<Change, Refusal> {
        self.must_be_unapplied()?;
        let payment = Payment { status: PaymentStatus::Returned { reason }, ..self };
        Ok(payment.told(EventKind::PaymentReturned, invoice, stamp))
    }

    /// The money still pays something or waits for somebody.
    pub const fn stands(&self) -> bool {
        matches!(self.status, PaymentStatus::Applied | PaymentStatus::Unapplied { .. })
    }

    pub(crate) fn must_be_unapplied(&self) -> Result<(), Refusal> {
        match self.status {
            PaymentStatus::Unapplied { .. } => Ok(()),
            PaymentStatus::Applied | PaymentStatus::Reversed | PaymentStatus::Returned { .. } => {
                Err(Refusal::NotUnapplied)
            }
        }
    }

    /// A change of the money alone: the invoice stays as it is, and is told as every reader sees it, also when nobody has
    /// stored yet that its time is over.
    pub(crate) fn told(self, kind: EventKind, invoice: &Invoice, stamp: Stamp) -> Change {
        let mut event = invoice.event(kind, stamp, Some(&self));
        event.snapshot.status = invoice.seen_at(stamp.at).status;
        Change { invoice: None, payment: Some(self), event: Some(event) }
    }
}
