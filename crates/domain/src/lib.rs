//! The domain: what an *Orden de Pago* (invoice) is, and what may become of it.
//!
//! Pure: no database, no network, no clock, no randomness. Whoever calls brings the moment and the
//! random bytes in a [`Stamp`](change::Stamp); a verb returns a [`Change`](change::Change), and a change is
//! the only thing the store writes.
//!
//! | module | holds |
//! |---|---|
//! | [`invoice`] | the invoice, its verbs, its [table of states](invoice::table), the [draft](invoice::draft) of a new one |
//! | [`change`], [`event`], [`payment`] | what a verb returns |
//! | [`collection`], [`quote`] | what banks ask and tell, and what they were promised |
//! | [`endpoint`], [`delivery`], [`signature`], [`address`] | who is told, how often, how it is proved, and where never |
//! | [`account`], [`key`] | who owns, who calls |
//! | [`audit`] | who did what, in chains of hashes |
//! | [`money`], [`time`], [`late_fee`] | céntimos, whole seconds, Lima days |
//! | [`customer`], [`document`], [`mod@reference`], [`ktin`], [`metadata`], [`id`] | values that are parsed once and trusted after |
//! | [`field`] | faults of an input, all at once |
//!
//! # To add a verb
//! 1. Write it in [`invoice`]: it takes `&self`, what it needs, and a `Stamp`; it returns
//!    `Result<Change, Refusal>`. Match every state by name.
//! 2. If it moves between states, add the step to [`invoice::table`]; the trigger in `migrations/` must
//!    say the same (a store test compares the two).
//! 3. If merchants should hear of it, add a kind to [`event`]; the compiler then names each place that renders it.
//! 4. Add its row to the table test in `tests/verbs.rs`: every state × every verb.

pub mod account;
pub mod address;
pub mod audit;
pub mod change;
pub mod collection;
pub mod customer;
pub mod delivery;
pub mod document;
pub mod endpoint;
pub mod event;
pub mod field;
pub mod id;
pub mod invoice;
pub mod key;
pub mod ktin;
pub mod late_fee;
pub mod metadata;
pub mod money;
pub mod payment;
pub mod proposal;
pub mod quote;
pub mod reference;
pub mod signature;
pub mod time;
