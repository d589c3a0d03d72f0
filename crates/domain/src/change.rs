//! A change: what a verb of the domain returns, and the only thing that the store writes.
//!
//! Because the event comes with the new state, no handler can forget it.

use crate::event::Event;
use crate::id::{EventId, InvoiceId};
use crate::invoice::{Invoice, Token};
use crate::ktin::Ktin;
use crate::payment::Payment;
use crate::time::Moment;

/// What the world outside gives to a verb: the database's time and an id for the event.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Now, by the database's clock.
    pub at: Moment,
    /// The id of the event, should there be one.
    pub event: EventId,
}

/// A stamp for an invoice that does not exist yet.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Now, and the id of its `invoice.created`.
    pub stamp: Stamp,
    /// The id of the new invoice.
    pub id: InvoiceId,
    /// Its number to pay by hand, used nowhere before.
    pub ktin: Ktin,
    /// Its random token.
    pub token: Token,
}

/// The consequence of a verb. Empty when nothing would change.
#[derive(Clone, Default)]
pub struct Change {
    /// The invoice after, and its version before (0: it did not exist).
    pub invoice: Option<(Invoice, u32)>,
    /// A payment that came or changed.
    pub payment: Option<Payment>,
    /// What merchants are told.
    pub event: Option<Event>,
}

impl Change {
    /// Nothing changes, nothing is told.
    pub const NOTHING: Change = Change { invoice: None, payment: None, event: None };

    /// The invoice after the change, given the one before.
    pub fn after<'a>(&'a self, before: &'a Invoice) -> &'a Invoice {
        self.invoice.as_ref().map_or(before, |(invoice, _)| invoice)
    }
}
