//! `GET /v1/payments`: who the key is. The documents' authentication sample, used as a key check.

use domain::account::{Account, Mode};
use domain::id::KeyId;
use domain::key::Scope;
use domain::time::Moment;
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema;
use crate::version::Version;

/// The caller's account and key.
pub struct AccountView<'a> {
    /// The account.
    pub account: &'a Account,
    /// The key's mode.
    pub mode: Mode,
    /// The version in effect for this request.
    pub version: Version,
    /// The key.
    pub key: KeyView<'a>,
    /// The API's public address, without a slash at its end.
    pub public_url: &'a str,
}

/// The caller's key; no part of its secret.
pub struct KeyView<'a> {
    /// Its id.
    pub id: KeyId,
    /// What its owner calls it.
    pub name: &'a str,
    /// What it may do; `None`: everything.
    pub scopes: Option<&'a [Scope]>,
    /// To the minute.
    pub last_used_at: Option<Moment>,
}

/// Su cuenta, vista por la clave con que llama.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct Body<'a> {
    /// Siempre `account`.
    #[schema(pattern = "^account$", examples("account"))]
    object: &'static str,
    /// Identificador de la cuenta en el modo de la clave.
    #[schema(
        pattern = "^acc_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Nombre del comercio.
    #[schema(examples("Tienda Demo"))]
    name: &'a str,
    /// Modo de la clave: `true` para dinero real, `false` para pruebas.
    #[schema(examples(false))]
    livemode: bool,
    /// Versión de la API con que se responde a esta solicitud.
    #[schema(value_type = schema::VersionNumber)]
    version: &'static str,
    /// La clave con que llama.
    key: Key<'a>,
    /// Adónde se puede ir desde aquí.
    links: Links,
}

/// Una clave de API; nunca su secreto.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountKey)]
struct Key<'a> {
    /// Identificador de la clave.
    #[schema(
        pattern = "^key_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("key_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Nombre que le dio su dueño.
    #[schema(examples("tienda en línea"))]
    name: &'a str,
    /// Permisos de la clave.
    #[schema(examples(json!(["invoices:read", "invoices:write"])))]
    scopes: Vec<&'static str>,
    /// Último uso, al minuto.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

/// Direcciones de los recursos de la API.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountLinks)]
struct Links {
    /// Órdenes de Pago.
    #[schema(format = "uri")]
    invoices: String,
    /// Pagos recibidos.
    #[schema(format = "uri")]
    payments: String,
    /// Eventos.
    #[schema(format = "uri")]
    events: String,
    /// Destinos de webhooks.
    #[schema(format = "uri")]
    webhook_endpoints: String,
    /// Esta documentación.
    #[schema(format = "uri")]
    docs: String,
    /// El documento OpenAPI.
    #[schema(format = "uri")]
    openapi: String,
}

/// The answer's body.
pub fn render(view: &AccountView<'_>) -> Vec<u8> {
    let below = |path: &str| format!("{}/v1/payments/{path}", view.public_url);
    let root = |path: &str| format!("{}/{path}", view.public_url);
    let body = Body {
        object: "account",
        id: view.account.id.text(view.mode),
        name: &view.account.name,
        livemode: view.mode.is_live(),
        version: view.version.as_str(),
        key: Key {
            id: view.key.id.text(view.mode),
            name: view.key.name,
            scopes: view.key.scopes.unwrap_or(&Scope::ALL).iter().map(|scope| scope.as_str()).collect(),
            last_used_at: view.key.last_used_at.map(|moment| moment.to_string()),
        },
        links: Links {
            invoices: below("invoices"),
            payments: below("payments"),
            events: below("events"),
            webhook_endpoints: below("webhook_endpoints"),
            docs: root("docs"),
            openapi: root("openapi.json"),
        },
    };
    crate::invoice::to_bytes(&body)
}
