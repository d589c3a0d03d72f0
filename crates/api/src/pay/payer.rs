//! How little of the payer the page shows: whoever has the link sees it. A first name, and the end of a document, so
//! that the payer knows himself and nobody else learns who he is.

use domain::customer::Customer;
use domain::document::DocumentType;

/// Most characters of a first name.
const MAX_NAME: usize = 40;
/// Most characters of a document that are shown.
const MAX_SHOWN: usize = 3;

/// A document, masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Masked {
    /// What it is: `DNI`; `None` when the merchant did not say.
    pub(super) kind: Option<&'static str>,
    /// Its last characters.
    pub(super) end: String,
}

/// The first of the given names, when the name looks like a person's. `PEREZ, JUAN` names the family first.
pub(super) fn first_name(customer: &Customer) -> Option<String> {
    let name = customer.name.as_deref()?;
    let given = name.split_once(',').map_or(name, |(_, given)| given);
    let word = given.split_whitespace().next()?;
    // An address or a number is no name, and what glues words together may glue the surname on.
    if word.contains('@') || word.chars().any(|letter| letter.is_ascii_digit()) {
        return None;
    }
    let is_letter = |letter: &char| letter.is_alphabetic() || ('\u{300}'..='\u{36f}').contains(letter);
    let first: String = word.chars().take_while(is_letter).take(MAX_NAME).collect();
    (!first.is_empty()).then_some(first)
}

/// The end of the document: three characters, and never more than half of them.
pub(super) fn masked_document(customer: &Customer) -> Option<Masked> {
    let id = customer.document_id.as_deref()?;
    let kind = customer.document_type.as_deref().and_then(|text| DocumentType::parse(text).ok());
    let characters: Vec<char> = id.chars().filter(|character| character.is_alphanumeric()).collect();
    let shown = MAX_SHOWN.min(characters.len() / 2);
    let end: String = characters[characters.len() - shown..].iter().collect();
    (!end.is_empty()).then_some(Masked { kind: kind.map(label), end })
}

const fn label(kind: DocumentType) -> &'static str {
    match kind {
        DocumentType::Dni => "DNI",
        DocumentType::Ruc => "RUC",
        DocumentType::Cex => "CE",
        DocumentType::Pas => "PAS",
    }
}

#[cfg(test)]
mod tests {
    use domain::customer::Customer;

    use super::{Masked, first_name, masked_document};

    fn named(name: &str) -> Option<String> {
        first_name(&Customer { name: Some(name.to_owned()), ..Customer::default() })
    }

    #[test]
    fn only_the_first_name_is_shown() {
        for (name, shown) in [
            ("Juan Carlos Pérez", Some("Juan")),
            ("  ÑUSTA\u{a0}QUISPE", Some("ÑUSTA")),
            ("PEREZ SOTO, MARÍA ELENA", Some("MARÍA")),
            ("Jose\u{301} Quispe", Some("Jose\u{301}")),
            ("Ana_Quispe", Some("Ana")),
            ("Ana.Quispe", Some("Ana")),
            ("ana@correo.pe", None),
            ("10203040", None),
            ("<script>alert(1)</script>", None),
            ("", None),
        ] {
            assert_eq!(named(name).as_deref(), shown, "{name}");
        }
        assert_eq!(named(&"a".repeat(200)).unwrap().len(), 40);
    }

    #[test]
    fn never_more_than_half_of_a_document_is_shown() {
        let masked = |kind: Option<&str>, id: &str| {
            masked_document(&Customer {
                document_type: kind.map(str::to_owned),
                document_id: Some(id.to_owned()),
                ..Customer::default()
            })
        };
        let shown = |kind, end: &str| Some(Masked { kind, end: end.to_owned() });
        assert_eq!(masked(Some("dni"), "10203040"), shown(Some("DNI"), "040"));
        assert_eq!(masked(Some("PASAPORTE"), "AB123"), shown(Some("PAS"), "23"));
        assert_eq!(masked(None, "x-77"), shown(None, "7"));
        assert_eq!(masked(None, "7"), None);
        assert_eq!(masked(None, "---"), None);
    }
}
