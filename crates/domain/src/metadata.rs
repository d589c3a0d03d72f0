//! JSON that belongs to the merchant and comes back as it went in: `metadata` and `sub_merchant`.
//!
//! The wire checks its shape; the domain only carries it. It is kept as text, because a parser would lose
//! the order of keys and the spelling of numbers.

/// A JSON object, verbatim.
#[derive(Clone, PartialEq, Eq)]
pub struct Verbatim {
    /// The text as it stood in the request.
    pub text: String,
    /// The same value in the one spelling that equal values share; empty once read back from the store.
    pub canonical: String,
}
