//! A payment: a bank's or an agent's money for an invoice. It is never edited; it may be taken back.

use crate::id::PaymentId;
use crate::money::{Amount, Currency};
use crate::time::Moment;

/// What became of the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentStatus {
    /// It pays its invoice.
    Applied,
    /// The bank took it back (extorno).
    Reversed,
}

impl PaymentStatus {
    /// As the store and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            PaymentStatus::Applied => "applied",
            PaymentStatus::Reversed => "reversed",
        }
    }

    /// Reads what the store wrote.
    pub fn parse(text: &str) -> Option<PaymentStatus> {
        [PaymentStatus::Applied, PaymentStatus::Reversed].into_iter().find(|status| status.as_str() == text)
    }
}

/// Money that a bank took for an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
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
}
