//! The wire: every JSON shape of the API, in and out, and its versions. Nothing of it reaches the domain, and
//! nothing of the domain knows it.
//!
//! | module | holds |
//! |---|---|
//! | [`json`] | the only door in: strict JSON, numbers as text, no key twice |
//! | [`create`] | `POST /invoices`: spellings, aliases and the envelope, resolved into the domain's draft |
//! | [`update`] | `PATCH /invoices/{id}`: what may change, and what is only sent back |
//! | [`list`] | what a query asks for, and how a page goes out |
//! | [`invoice`], [`payment`], [`account`] | what goes out |
//! | [`event`], [`feed`], [`webhook`] | events, the query of their list, endpoints and deliveries |
//! | [`test_mode`] | what merchants say when they play the bank |
//! | [`page`] | what the payment page asks for while it is open |
//! | [`internal`] | what KCMS sends and sees |
//! | [`problem`] | every error code, its status, its sentence in Spanish and English |
//! | [`schema`], [`codes`] | the shapes and the error codes, described for the OpenAPI document |
//! | [`version`] | what differs between the editions of the API |
//!
//! # To add a field
//! 1. In: its name in [`create::FIELDS`] and one line in `read`, which hands it to the draft.
//! 2. Out: in [`invoice`], a line that describes it and one that writes it, in the place where the API document lists it.
//!    Its comment is what merchants read in `/docs`; for what comes in, that is a line in [`schema`].
//! 3. What can be wrong with it: a variant of `domain::field::Wrong`, and its sentence in [`problem`].

pub mod account;
pub mod codes;
pub mod create;
pub mod event;
pub mod feed;
mod fields;
pub mod internal;
pub mod invoice;
pub mod json;
pub mod list;
mod object;
pub mod page;
pub mod payment;
pub mod problem;
pub mod schema;
pub mod test_mode;
pub mod update;
mod verbatim;
pub mod version;
pub mod webhook;
