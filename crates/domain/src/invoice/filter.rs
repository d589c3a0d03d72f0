//! Which invoices a reader asks for, and which part of them.

use crate::id::InvoiceId;
use crate::invoice::table::State;
use crate::ktin::Ktin;
use crate::money::Currency;
use crate::reference::Reference;
use crate::time::{LimaDay, Moment};

/// Every condition holds at once; an absent one holds always. It may name a document: no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The merchant's reference.
    pub reference: Option<Reference>,
    /// The number to pay by hand.
    pub ktin: Option<Ktin>,
    /// The currency of the debt.
    pub currency: Option<Currency>,
    /// The payer's document.
    pub document_id: Option<String>,
    /// One of these states, in effect now.
    pub states: Option<Vec<State>>,
    /// When it was opened.
    pub created: Span,
    /// When it was paid, by the bank's time; only paid invoices have one.
    pub paid: Span,
}

impl Filter {
    /// Whether every invoice of a stretch of time is let through: its pages are stretches of ids.
    pub fn is_walk(&self) -> bool {
        *self == Filter { created: self.created, ..Filter::default() }
    }
}

/// From a second on, and until just before another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first second that counts.
    pub from: Option<Moment>,
    /// The first that does not count any more.
    pub until: Option<Moment>,
}

impl Span {
    /// A day of Lima.
    pub const fn day(day: LimaDay) -> Span {
        Span { from: Some(day.start()), until: Some(day.end()) }
    }

    /// Any moment will do.
    pub const fn is_open(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }

    /// Both conditions at once.
    pub fn and(self, other: Span) -> Span {
        Span {
            from: self.from.max(other.from),
            until: match (self.until, other.until) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
        }
    }
}

/// A page of a list that is ordered by id, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Most objects on it.
    pub limit: u16,
    /// Only older ones than this (`starting_after`).
    pub after: Option<InvoiceId>,
    /// Only newer ones than this (`ending_before`), the nearest.
    pub before: Option<InvoiceId>,
}

impl Page {
    /// Objects on a page when the reader names no number.
    pub const DEFAULT_LIMIT: u16 = 20;
    /// Most objects on a page.
    pub const MAX_LIMIT: u16 = 500;
}
