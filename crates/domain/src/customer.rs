//! The payer, as the merchant knows him. Personal data: no field of it is ever logged.

use std::str::FromStr;

use email_address::EmailAddress;

use crate::document::{self, DocumentType};
use crate::field::{Faults, Field, Wrong, at_most};

/// Who pays. Every field is optional; no `Debug`, because logs never hold personal data.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Customer {
    /// At most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most 254 characters (RFC 5321).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// E.164: `+` and 8 to 15 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// As the merchant spelled it; its meaning: [`DocumentType::parse`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_type: Option<String>,
    /// The document's number, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<String>,
    /// The merchant's own id of the payer, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// A customer as written in a request, not yet understood.
#[derive(Default)]
pub struct CustomerDraft {
    /// `customer.name`.
    pub name: Field<String>,
    /// `customer.email`.
    pub email: Field<String>,
    /// `customer.phone`, or the seed's `payer_phone`.
    pub phone: Field<String>,
    /// `customer.document_type`.
    pub document_type: Field<String>,
    /// `customer.document_id`.
    pub document_id: Field<String>,
    /// `customer.external_id`.
    pub external_id: Field<String>,
}

impl CustomerDraft {
    /// Understands each field, or notes its fault.
    pub fn parse(self, faults: &mut Faults) -> Customer {
        let name = self.name.parse(faults, |text| at_most(200, text));
        let email = self.email.parse(faults, parse_email);
        let phone = self.phone.parse(faults, parse_phone);
        let mut kind = None;
        let mut kind_is_faulty = matches!(self.document_type, Field::Faulty);
        let document_type = self.document_type.parse(faults, |text| {
            let parsed = DocumentType::parse(&text);
            kind_is_faulty |= parsed.is_err();
            kind = Some(parsed?);
            Ok(text)
        });
        let document_id = self.document_id.parse(faults, |id| {
            // A document of an unknown type has its fault noted already.
            if kind_is_faulty { Ok(id) } else { document::parse_id(kind, id) }
        });
        let external_id = self.external_id.parse(faults, |text| at_most(100, text));
        Customer { name, email, phone, document_type, document_id, external_id }
    }
}

fn parse_email(text: String) -> Result<String, Wrong> {
    let text = at_most(254, text)?;
    // The parser also reads `Ana <ana@example.com>`; only the address alone is one.
    let is_address = EmailAddress::from_str(&text).is_ok_and(|address| address.email() == text);
    if is_address { Ok(text) } else { Err(Wrong::Email) }
}

/// `^\+[1-9]\d{7,14}$`: the shape of E.164. Public samples hold short and foreign numbers, so the shape is all
/// that is checked.
fn parse_phone(text: String) -> Result<String, Wrong> {
    let digits = text.strip_prefix('+').unwrap_or("");
    let is_e164 = (8..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_e164 { Ok(text) } else { Err(Wrong::Phone) }
}
