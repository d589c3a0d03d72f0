//! Keys of merchants and of services: `/internal/v1/accounts/{id}/keys`, `/keys`, `/service-keys`. The secret is in the
//! answer that makes a key, and in no other.

use domain::account::Mode;
use domain::id::{KeyId, ServiceKeyId};
use domain::key::{Role, Scope};
use domain::time::Moment;
use serde::Serialize;
use utoipa::ToSchema;

use crate::fields::{Fields, Null, moment, text, text_of, texts, whole};
use crate::json::Object;
use crate::problem::{Code, Item};
use crate::schema;

/// Longest overlap of a rolled key and its successor, in seconds: a week.
pub const MAX_OVERLAP_SECONDS: i64 = 604_800;
/// The overlap when none is named: a day.
pub const DEFAULT_OVERLAP_SECONDS: i64 = 86_400;
/// Most networks that one key may be used from.
const MAX_NETWORKS: usize = 50;
const MAX_NAME: usize = 100;

/// The body that makes a merchant's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Whose money it moves.
    pub mode: Mode,
    /// What its owner calls it.
    pub name: String,
    /// What it may do; `None`: everything.
    pub scopes: Option<Vec<Scope>>,
    /// Networks that it may be used from, as text; `None`: any.
    pub ip_allow: Option<Vec<String>>,
    /// Refused from then on.
    pub expires_at: Option<Moment>,
}

impl NewKey {
    /// Reads the body. `network` knows what a network is.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(
        body: Object<'_>,
        now: Moment,
        network: impl Fn(&str) -> Option<String>,
    ) -> Result<NewKey, Vec<Item>> {
        let mut fields = Fields::of(body, Null::Absent);
        let mode = fields.required("mode", |value| match text(value)?.as_str() {
            "test" => Ok(Mode::Test),
            "live" => Ok(Mode::Live),
            _ => Err(Code::OneOf { values: "test, live" }),
        });
        let name = fields.required("name", text_of(1, MAX_NAME));
        let scope = |text: &str| Scope::parse(text).ok_or(Code::InvalidScope);
        let scopes = fields.optional("scopes", texts(Scope::ALL.len(), scope));
        let network = |text: &str| network(text).ok_or(Code::InvalidNetwork);
        let ip_allow = fields.optional("ip_allow", texts(MAX_NETWORKS, network));
        let expires_at = fields.optional("expires_at", |value| future(moment(value)?, now));
        fields.finish()?;
        // "None given = all": an empty list gives none.
        let scopes = scopes.filter(|scopes| !scopes.is_empty());
        let ip_allow = ip_allow.filter(|networks| !networks.is_empty());
        match (mode, name) {
            (Some(mode), Some(name)) => Ok(NewKey { mode, name, scopes, ip_allow, expires_at }),
            // A field that is required and absent is a fault, and told above.
            _ => Err(vec![Item::new(Code::InternalError)]),
        }
    }
}

/// The body that makes a service's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServiceKey {
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Refused from then on.
    pub expires_at: Option<Moment>,
}

impl NewServiceKey {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(body: Object<'_>, now: Moment) -> Result<NewServiceKey, Vec<Item>> {
        const ROLES: &str = "kcms, collector";
        let mut fields = Fields::of(body, Null::Absent);
        let name = fields.required("name", text_of(1, MAX_NAME));
        let role = fields.required("role", |value| {
            let role = text(value)?;
            if matches!(role.as_str(), "kcms" | "collector") {
                Ok(role)
            } else {
                Err(Code::OneOf { values: ROLES })
            }
        });
        let channel = match role.as_deref() {
            Some("collector") => fields.required("channel", text),
            _ => fields.optional("channel", text),
        };
        let expires_at = fields.optional("expires_at", |value| future(moment(value)?, now));
        let parsed = role.as_deref().and_then(|name| Role::parse(name, channel.as_deref()));
        if parsed.is_none() && channel.is_some() && role.is_some() {
            fields.fault("channel", Code::InvalidChannel);
        }
        fields.finish()?;
        match (name, parsed) {
            (Some(name), Some(role)) => Ok(NewServiceKey { name, role, expires_at }),
            _ => Err(vec![Item::new(Code::InternalError)]),
        }
    }
}

fn future(at: Moment, now: Moment) -> Result<Moment, Code> {
    if at > now { Ok(at) } else { Err(Code::EndInPast) }
}

/// The body of a roll: how long both are accepted, in seconds. It may be empty.
///
/// # Errors
/// Every fault at once.
pub fn overlap(body: Object<'_>) -> Result<i64, Vec<Item>> {
    let mut fields = Fields::of(body, Null::Absent);
    let overlap = fields.optional("overlap_seconds", whole(0, MAX_OVERLAP_SECONDS));
    fields.finish().map(|()| overlap.unwrap_or(DEFAULT_OVERLAP_SECONDS))
}

/// Una clave de un comercio.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = InternalKey)]
pub struct Key<'a> {
    /// Siempre `key`.
    #[schema(pattern = "^key$", examples("key"))]
    object: &'static str,
    /// Identificador de la clave.
    #[schema(
        pattern = "^key_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("key_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// La cuenta.
    #[schema(pattern = "^acc_test_[2-9A-HJ-NP-Za-km-z]{22}$", examples("acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    account: String,
    /// Nombre que le dio su dueño.
    #[schema(examples("tienda en línea"))]
    name: &'a str,
    /// Modo: `test` o `live`.
    #[schema(pattern = "^(test|live)$", examples("test"))]
    mode: &'static str,
    /// Con qué empieza.
    #[schema(examples("sk_test_DemoAccount1"))]
    prefix: &'a str,
    /// Con qué termina.
    #[schema(min_length = 4, max_length = 4, examples("FHpo"))]
    last4: &'a str,
    /// Sus permisos; ausente: todos.
    #[schema(value_type = Vec<String>, examples(json!(["invoices:read", "invoices:write"])))]
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<&'static str>>,
    /// Redes desde las que se puede usar; ausente: cualquiera.
    #[schema(value_type = Vec<String>, examples(json!(["200.48.0.0/16"])))]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_allow: Option<&'a [String]>,
    #[serde(flatten)]
    life: Life,
    /// La clave entera: solo en la respuesta que la crea, una vez.
    #[schema(value_type = String, pattern = "^sk_(test|live)_[0-9A-Za-z]{50}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// Una clave de un servicio interno.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceKey)]
pub struct ServiceKey<'a> {
    /// Siempre `service_key`.
    #[schema(pattern = "^service_key$", examples("service_key"))]
    object: &'static str,
    /// Identificador de la clave.
    #[schema(pattern = "^key_live_[2-9A-HJ-NP-Za-km-z]{22}$", examples("key_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    id: String,
    /// Nombre que le dio su dueño.
    #[schema(examples("consola"))]
    name: &'a str,
    /// Rol: `kcms` (la consola) o `collector` (el conector de un banco).
    #[schema(pattern = "^(kcms|collector)$", examples("kcms"))]
    role: &'static str,
    /// El único canal de un conector.
    #[schema(value_type = String, examples("bcp"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    /// Con qué empieza.
    #[schema(examples("ik_DemoConsole1"))]
    prefix: &'a str,
    /// Con qué termina.
    #[schema(min_length = 4, max_length = 4, examples("FHpo"))]
    last4: &'a str,
    #[serde(flatten)]
    life: Life,
    /// La clave entera: solo en la respuesta que la crea, una vez.
    #[schema(value_type = String, pattern = "^ik_[0-9A-Za-z]{50}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// Desde cuándo y hasta cuándo vale una clave.
#[derive(Serialize, ToSchema)]
pub struct Life {
    /// Cuándo se creó, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    created: String,
    /// Último uso, al minuto.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
    /// Desde cuándo no se aceptará.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// Desde cuándo no se acepta.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    /// La clave que la reemplaza.
    #[schema(value_type = String, pattern = "^key_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("key_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<String>,
}

/// The moments of a key's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// Made.
    pub created: Moment,
    /// Used, to the minute.
    pub last_used_at: Option<Moment>,
    /// Refused from then on.
    pub expires_at: Option<Moment>,
    /// Refused since then.
    pub revoked_at: Option<Moment>,
}

impl Moments {
    fn life(self, replaced_by: Option<String>) -> Life {
        let text = |moment: Option<Moment>| moment.map(|moment| moment.to_string());
        Life {
            created: self.created.to_string(),
            last_used_at: text(self.last_used_at),
            expires_at: text(self.expires_at),
            revoked_at: text(self.revoked_at),
            replaced_by,
        }
    }
}

/// What is shown of a merchant's key.
pub struct KeyView<'a> {
    /// Its id.
    pub id: KeyId,
    /// Its account.
    pub account: domain::id::AccountId,
    /// Its mode.
    pub mode: Mode,
    /// What its owner calls it.
    pub name: &'a str,
    /// Its beginning.
    pub prefix: &'a str,
    /// Its end.
    pub last4: &'a str,
    /// What it may do; `None`: everything.
    pub scopes: Option<&'a [Scope]>,
    /// Networks that it may be used from; `None`: any.
    pub ip_allow: Option<&'a [String]>,
    /// Its life.
    pub moments: Moments,
    /// The key that takes over from it.
    pub replaced_by: Option<KeyId>,
}

/// A merchant's key; with its secret where it is made.
pub fn render(key: &KeyView<'_>, secret: Option<&str>) -> Vec<u8> {
    crate::invoice::to_bytes(&Key {
        object: "key",
        id: key.id.text(key.mode),
        account: super::account::id(key.account),
        name: key.name,
        mode: key.mode.as_str(),
        prefix: key.prefix,
        last4: key.last4,
        scopes: key.scopes.map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect()),
        ip_allow: key.ip_allow,
        life: key.moments.life(key.replaced_by.map(|id| id.text(key.mode))),
        secret,
    })
}

/// What is shown of a service's key.
pub struct ServiceKeyView<'a> {
    /// Its id.
    pub id: ServiceKeyId,
    /// What its owner calls it.
    pub name: &'a str,
    /// What it may do.
    pub role: &'a Role,
    /// Its beginning.
    pub prefix: &'a str,
    /// Its end.
    pub last4: &'a str,
    /// Its life.
    pub moments: Moments,
    /// The key that takes over from it.
    pub replaced_by: Option<ServiceKeyId>,
}

/// The id of a service's key, as it is shown.
pub fn service_key_id(id: ServiceKeyId) -> String {
    id.text(Mode::Live)
}

/// A service's key; with its secret where it is made.
pub fn render_service(key: &ServiceKeyView<'_>, secret: Option<&str>) -> Vec<u8> {
    crate::invoice::to_bytes(&ServiceKey {
        object: "service_key",
        id: service_key_id(key.id),
        name: key.name,
        role: key.role.as_str(),
        channel: key.role.channel(),
        prefix: key.prefix,
        last4: key.last4,
        life: key.moments.life(key.replaced_by.map(service_key_id)),
        secret,
    })
}
