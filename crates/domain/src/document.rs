//! Identity documents of Peru: DNI, RUC, CEX (carné de extranjería) and PAS (pasaporte).
//!
//! Shapes and the check digit of the RUC: API document, "Documents". Always text: leading zeros count.

use crate::field::{Wrong, at_most};

/// A type of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentType {
    /// Documento Nacional de Identidad, 8 digits.
    Dni,
    /// Registro Único de Contribuyentes, 11 digits with a check digit.
    Ruc,
    /// Carné de extranjería.
    Cex,
    /// Pasaporte.
    Pas,
}

impl DocumentType {
    /// Reads a type or one of its aliases, in any case.
    pub fn parse(text: &str) -> Result<DocumentType, Wrong> {
        match text.to_ascii_uppercase().as_str() {
            "DNI" => Ok(DocumentType::Dni),
            "RUC" => Ok(DocumentType::Ruc),
            "CEX" | "CE" => Ok(DocumentType::Cex),
            "PAS" | "PASS" | "PASAPORTE" => Ok(DocumentType::Pas),
            _ => Err(Wrong::DocumentType),
        }
    }

    /// Whether `id` is a document of this type.
    pub fn accepts(self, id: &str) -> bool {
        let alphanumeric = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match self {
            DocumentType::Dni => id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_digit()),
            DocumentType::Ruc => is_ruc(id),
            DocumentType::Cex => alphanumeric && (8..=12).contains(&id.len()),
            DocumentType::Pas => alphanumeric && (5..=12).contains(&id.len()),
        }
    }
}

/// The id, when it is one of its type; without a type, any text of at most 20 characters.
pub fn parse_id(kind: Option<DocumentType>, id: String) -> Result<String, Wrong> {
    match kind {
        None => at_most(20, id),
        Some(kind) if kind.accepts(&id) => Ok(id),
        Some(_) => Err(Wrong::Document),
    }
}

/// Eleven digits, a known prefix, and check = (11 − Σ digit × weight mod 11) mod 10.
pub fn is_ruc(id: &str) -> bool {
    const WEIGHTS: [u32; 10] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2];
    const PREFIXES: [&str; 5] = ["10", "15", "16", "17", "20"];
    if id.len() != 11 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let digits = || id.bytes().map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    PREFIXES.iter().any(|prefix| id.starts_with(prefix)) && digits().next_back() == Some((11 - sum % 11) % 10)
}
