//! Events: what merchants are told. Each is a fact of one moment and never changes.

use crate::account::Owner;
use crate::id::{EventId, InvoiceId, PaymentId};
use crate::invoice::Snapshot;
use crate::payment::PaymentStatus;
use crate::time::Moment;

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $kind,)* }

        impl EventKind {
            /// Every kind, in the order of the document.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$kind,)*];

            /// The `type` of the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(EventKind::$kind => $name,)* }
            }
        }
    };
}

event_kinds! {
    /// An invoice was opened.
    InvoiceCreated = "invoice.created",
    /// Its amount, currency or dates were changed.
    InvoiceUpdated = "invoice.updated",
    /// It was paid.
    InvoicePaid = "invoice.paid",
    /// Its time ran out.
    InvoiceExpired = "invoice.expired",
    /// The merchant withdrew it.
    InvoiceVoided = "invoice.voided",
    /// The bank took its payment back.
    InvoicePaymentReversed = "invoice.payment_reversed",
    /// Money came that pays no invoice.
    PaymentUnapplied = "payment.unapplied",
    /// It was applied to one after all.
    PaymentApplied = "payment.applied",
    /// The bank took it back.
    PaymentReversed = "payment.reversed",
    /// It was given back.
    PaymentReturned = "payment.returned",
    /// An endpoint was switched off.
    WebhookEndpointDisabled = "webhook_endpoint.disabled",
}

impl EventKind {
    /// Reads what the store wrote.
    pub fn parse(text: &str) -> Option<EventKind> {
        EventKind::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// One event. What can not change about its invoice stays with the invoice; what can is in the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub owner: Owner,
    /// When it happened.
    pub created: Moment,
    /// What happened.
    pub kind: EventKind,
    /// To which invoice.
    pub invoice: InvoiceId,
    /// The invoice just after.
    pub snapshot: Snapshot,
    /// The money, where there is some, and what had become of it just after.
    pub payment: Option<(PaymentId, PaymentStatus)>,
}
