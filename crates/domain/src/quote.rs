//! A quote: what a bank was told that an invoice costs. For ten minutes it is a promise, whatever becomes of the invoice
//! meanwhile: the payer stands at the counter.

use crate::account::Owner;
use crate::id::{InvoiceId, QuoteId};
use crate::invoice::Seen;
use crate::money::{Amount, Currency};
use crate::time::Moment;

/// What was told, and until when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its id.
    pub id: QuoteId,
    /// Whose invoice.
    pub owner: Owner,
    /// Which invoice.
    pub invoice: InvoiceId,
    /// The debt without late fee and fees.
    pub sub_total: Amount,
    /// The late fee of that moment.
    pub late_fee: Amount,
    /// Fees charged to the payer.
    pub fees: Amount,
    /// The currency of that moment.
    pub currency: Currency,
    /// When it was told.
    pub created: Moment,
    /// From this second on it does not hold.
    pub expires: Moment,
}

impl Quote {
    /// How long a quote holds, in seconds (internal API document, "Collections").
    pub const LIFE_SECONDS: i64 = 600;
    /// How far a bank's clock may be behind ours, in seconds: a payment may seem older than its quote.
    const SKEW_SECONDS: i64 = 300;

    /// The quote of what a reader sees at `at`.
    pub fn of(seen: &Seen<'_>, id: QuoteId, at: Moment) -> Quote {
        Quote {
            id,
            owner: seen.invoice.owner,
            invoice: seen.invoice.id,
            sub_total: seen.invoice.terms.sub_total,
            late_fee: seen.late_fee,
            fees: seen.fees,
            currency: seen.invoice.terms.currency,
            created: at,
            expires: at.plus_seconds(Quote::LIFE_SECONDS),
        }
    }

    /// What the payer was told to pay.
    pub const fn total(&self) -> Amount {
        self.sub_total.plus(self.late_fee).plus(self.fees)
    }

    /// Whether it holds for money that the bank took at `paid_at`, by the bank's clock.
    pub fn holds_at(&self, paid_at: Moment) -> bool {
        paid_at.plus_seconds(Quote::SKEW_SECONDS) >= self.created && paid_at < self.expires
    }
}
