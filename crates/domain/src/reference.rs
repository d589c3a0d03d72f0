//! The merchant's own name for an invoice (`invoice_id`), unique among its pending and paid ones.

use crate::field::{Wrong, at_most};

/// 1 to 100 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference(String);

impl Reference {
    /// Longest, in characters.
    pub const MAX: usize = 100;

    /// Reads a reference.
    pub fn parse(text: String) -> Result<Reference, Wrong> {
        if text.is_empty() {
            return Err(Wrong::TooShort { min: 1 });
        }
        at_most(Reference::MAX, text).map(Reference)
    }

    /// As the merchant wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
