//! `GET /internal/v1/audit`: who did what.

use domain::audit::{Chain, Row};
use domain::id::{base57, from_base57};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::schema;

/// Una fila del registro de auditoría.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct Body<'a> {
    /// Identificador de la fila; sirve de cursor.
    #[schema(pattern = "^aud_[2-9A-HJ-NP-Za-km-z]{22}$", examples("aud_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    id: String,
    /// La cuenta a la que concierne, o `system`.
    #[schema(examples("acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    chain: String,
    /// Su lugar en la cadena: 1, 2, 3 …
    #[schema(minimum = 1)]
    sequence: i64,
    /// Cuándo, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    at: String,
    /// Qué se hizo o se vio.
    #[schema(examples("key.revoked"))]
    action: &'a str,
    /// El objeto de la acción.
    #[schema(value_type = String, examples("key_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a str>,
    /// Quién: `X-Actor`.
    #[schema(value_type = String, examples("operador-7"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    /// Por qué: `X-Reason`.
    #[schema(value_type = String, examples("solicitud del comercio"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// La clave de servicio con que se llamó.
    #[schema(value_type = String, examples("key_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    service_key: Option<&'a str>,
    /// La solicitud.
    #[schema(value_type = String, examples("req_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// De dónde vino un hecho de seguridad.
    #[schema(value_type = String, examples("200.48.1.7"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    /// Qué cambió: antes y después.
    #[schema(value_type = serde_json::Value)]
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Box<RawValue>>,
    /// El sello de la fila (SHA-256, hexadecimal).
    #[schema(pattern = "^[0-9a-f]{64}$")]
    hash: String,
}

/// A row's id, as it is shown.
pub fn id(uuid: uuid::Uuid) -> String {
    format!("aud_{}", base57(uuid.as_u128()))
}

/// Reads a row's id.
pub fn parse_id(text: &str) -> Option<uuid::Uuid> {
    text.strip_prefix("aud_").and_then(from_base57).map(uuid::Uuid::from_u128)
}

/// A row with its seal.
pub fn render(row: &Row, hash: &[u8]) -> Vec<u8> {
    crate::invoice::to_bytes(&Body {
        id: id(row.id),
        chain: match row.chain {
            Chain::Account(account) => super::account::id(account),
            Chain::System => "system".to_owned(),
        },
        sequence: row.sequence,
        at: row.at.to_string(),
        action: &row.action,
        object: row.object.as_deref(),
        actor: row.by.actor.as_deref(),
        reason: row.by.reason.as_deref(),
        service_key: row.by.service_key.as_deref(),
        request_id: row.by.request_id.as_deref(),
        address: row.by.address.as_deref(),
        details: row.details.clone().and_then(|details| RawValue::from_string(details).ok()),
        hash: hex(hash),
    })
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
