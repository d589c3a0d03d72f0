//! Collections: what banks ask and tell. Peruvian banks and agents know three verbs: inquire (*consulta*), pay (*pago*)
//! and reverse (*extorno*). What comes of one is a result code, never an error: an error makes a bank try again and then
//! reverse (internal API document, "Collections").

use crate::change::{Change, Stamp};
use crate::id::QuoteId;
use crate::invoice::{Invoice, Refusal, Status};
use crate::ktin::Ktin;
use crate::money::{Amount, Currency};
use crate::payment::{Payment, Reason};
use crate::quote::Quote;
use crate::time::{DAY_SECONDS, LimaDay, Moment};

macro_rules! result_codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal,)*) => {
        /// What came of a bank's call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ResultCode { $($(#[$doc])* $code,)* }

        impl ResultCode {
            /// Every code, in the order of the document.
            pub const ALL: &'static [ResultCode] = &[$(ResultCode::$code,)*];

            /// As the document writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $(ResultCode::$code => $name,)* }
            }
        }
    };
}

result_codes! {
    /// It is done; for a payment: the money is ours to show.
    Ok = "ok",
    /// There is no such number for this agreement.
    UnknownCode = "unknown_code",
    /// The invoice's time is over, or its reference was issued again.
    Expired = "expired",
    /// Somebody paid before.
    AlreadyPaid = "already_paid",
    /// The merchant withdrew it.
    Voided = "voided",
    /// Neither what is owed nor what was quoted, or not what the same operation said before.
    AmountMismatch = "amount_mismatch",
    /// There is nothing to reverse.
    NotFoundPayment = "not_found_payment",
    /// The operation was reversed before.
    AlreadyReversed = "already_reversed",
    /// The payment has not come yet; should it, it will be refused.
    ReversalRecorded = "reversal_recorded",
    /// The message can not be as it is.
    BadRequest = "bad_request",
    /// The channel is switched off.
    ChannelClosed = "channel_closed",
}

impl ResultCode {
    /// Reads what the store wrote.
    pub fn parse(text: &str) -> Option<ResultCode> {
        ResultCode::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

/// A bank or agent, as KCMS sets it up. One that nobody has set up is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id, such as `bcp`.
    pub id: String,
    /// Its name, as payers know it.
    pub name: String,
    /// `false`: it is switched off. Reversals go through all the same.
    pub open: bool,
    /// For how many Lima days after its own a payment can be reversed by hand.
    pub reversal_days: u32,
}

impl Channel {
    /// Longest time to reverse by hand, in days.
    pub const MAX_REVERSAL_DAYS: i64 = 365;

    /// A channel that nobody has set up.
    pub fn unknown(id: &str) -> Channel {
        Channel { id: id.to_owned(), name: id.to_owned(), open: true, reversal_days: 0 }
    }

    /// Whether a payment of `paid_at` can be reversed at `now`: automatically within 24 hours; by hand on the same
    /// Lima day, or as many days later as the channel allows.
    pub fn may_reverse(&self, kind: ReversalKind, paid_at: Moment, now: Moment) -> bool {
        match kind {
            ReversalKind::Automatic => now.unix() - paid_at.unix() <= DAY_SECONDS,
            ReversalKind::Manual => now.lima_day().since(paid_at.lima_day()) <= i64::from(self.reversal_days),
        }
    }
}

/// What a bank calls one operation. Its numbers are unique only within a Lima day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The bank.
    pub channel: String,
    /// The agreement ("convenio") that the payer chose.
    pub agreement: String,
    /// The number that was paid.
    pub ktin: Ktin,
    /// The bank's number of the operation.
    pub number: String,
    /// The bank's time of it.
    pub at: Moment,
}

impl Operation {
    /// Most characters of a bank's number.
    pub const MAX_NUMBER: usize = 12;
    /// How far apart two messages of one operation can be that was tried again across midnight, in seconds.
    pub const RETRY_SECONDS: i64 = 3_600;
    /// How far a bank's clock may be ahead, in seconds.
    const AHEAD_SECONDS: i64 = 300;
    /// How old a payment may be that is applied by itself, in seconds.
    const APPLIED_WITHIN_SECONDS: i64 = 7 * DAY_SECONDS;

    /// The Lima day in which its number is unique.
    pub fn day(&self) -> LimaDay {
        self.at.lima_day()
    }

    /// It claims to be of a time that has not come.
    pub fn is_of_the_future(&self, now: Moment) -> bool {
        self.at > now.plus_seconds(Operation::AHEAD_SECONDS)
    }

    /// It comes so late that only people decide about it.
    pub fn is_too_old(&self, now: Moment) -> bool {
        self.at < now.plus_seconds(-Operation::APPLIED_WITHIN_SECONDS)
    }

    /// Whether a message of `at` with the same number is one of this operation: of its Lima day, or a retry across
    /// midnight.
    pub fn is_same_as_of(&self, at: Moment) -> bool {
        self.day() == at.lima_day() || (self.at.unix() - at.unix()).abs() < Operation::RETRY_SECONDS
    }
}

/// Who wants a payment reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReversalKind {
    /// The bank's machine, which had no answer.
    Automatic,
    /// A person.
    Manual,
}

impl ReversalKind {
    /// As banks' connectors and the store write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ReversalKind::Automatic => "automatic",
            ReversalKind::Manual => "manual",
        }
    }

    /// Reads it.
    pub fn parse(text: &str) -> Option<ReversalKind> {
        [ReversalKind::Automatic, ReversalKind::Manual].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What a bank calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// What is owed? (*consulta*)
    Inquire,
    /// This was paid. (*pago*)
    Pay,
    /// Take that back. (*extorno*)
    Reverse,
}

impl Verb {
    /// As the store and the metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Inquire => "inquire",
            Verb::Pay => "pay",
            Verb::Reverse => "reverse",
        }
    }
}

/// What a message says, as far as it can be read: what is recorded of it, whatever comes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The agreement.
    pub agreement: Option<String>,
    /// The number that is to be paid.
    pub ktin: Option<Ktin>,
    /// The bank's number of this operation.
    pub number: Option<String>,
    /// The bank's time; of a reversal: the payment's.
    pub at: Option<Moment>,
    /// How much.
    pub amount: Option<Amount>,
    /// In which currency.
    pub currency: Option<Currency>,
    /// How the payer paid, in the bank's words.
    pub payment_form: Option<String>,
    /// Whether the bank has the money already, so that refusing it would leave the payer without both.
    pub cash_taken: bool,
    /// The promise that the payment refers to.
    pub quote: Option<QuoteId>,
    /// Who wants the reversal.
    pub kind: Option<ReversalKind>,
    /// The number of the payment to be reversed.
    pub original_number: Option<String>,
    /// The bank's own id of the message.
    pub trace_id: Option<String>,
}

impl Said {
    /// The operation that it is about, when everything that names one is there.
    pub fn operation(&self, channel: &str) -> Option<Operation> {
        Some(Operation {
            channel: channel.to_owned(),
            agreement: self.agreement.clone()?,
            ktin: self.ktin?,
            number: self.number.clone()?,
            at: self.at?,
        })
    }
}

/// What is against an inquiry or a payment as the invoice stands, if anything.
pub fn refusal_of(status: Status) -> Option<ResultCode> {
    match status {
        Status::Pending => None,
        Status::Paid { .. } => Some(ResultCode::AlreadyPaid),
        Status::Expired => Some(ResultCode::Expired),
        Status::Voided => Some(ResultCode::Voided),
    }
}

/// What becomes of a bank's money. `quote` is the one that holds for it, `superseded` says that the invoice's reference
/// was issued again.
///
/// What can not be applied is refused, or kept when the bank has it already: no money is taken that nobody shows.
pub fn pay(
    invoice: &Invoice,
    payment: Payment,
    quote: Option<&Quote>,
    superseded: bool,
    cash_taken: bool,
    stamp: Stamp,
) -> (ResultCode, Change) {
    let applied = match quote {
        _ if superseded && invoice.status == Status::Expired => Err(Refusal::Superseded),
        Some(quote) => invoice.pay_quoted(payment.clone(), quote, stamp),
        None => invoice.pay(payment.clone(), stamp),
    };
    let (code, reason) = match applied {
        Ok(change) => return (ResultCode::Ok, change),
        Err(Refusal::AlreadyPaid) => (ResultCode::AlreadyPaid, Reason::Duplicate),
        Err(Refusal::Voided) => (ResultCode::Voided, Reason::Voided),
        Err(Refusal::Superseded) => (ResultCode::Expired, Reason::Superseded),
        Err(Refusal::Expired) => (ResultCode::Expired, Reason::Late),
        // Nothing else is against a payment but its amount.
        Err(_) => (ResultCode::AmountMismatch, Reason::WrongAmount),
    };
    if cash_taken { (ResultCode::Ok, payment.keep(reason, invoice, stamp)) } else { (code, Change::NOTHING) }
}
