//! The shapes of the internal API: what KCMS sends, and what it sees. Amounts are strings; ids as everywhere.

pub mod account;
pub mod audit;
pub mod channel;
pub mod collection;
pub mod key;
pub mod page;
pub mod schema;
pub mod support;
