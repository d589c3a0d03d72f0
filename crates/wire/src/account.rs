//! `GET /v1/payments`: who the key is. The documents' authentication sample, used as a key check.

use domain::account::{Account, Mode};
use domain::id::KeyId;
use domain::key::Scope;
use domain::time::Moment;
use serde::Serialize;

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

#[derive(Serialize)]
struct Body<'a> {
    object: &'static str,
    id: String,
    name: &'a str,
    livemode: bool,
    version: &'static str,
    key: Key<'a>,
    links: Links,
}

#[derive(Serialize)]
struct Key<'a> {
    id: String,
    name: &'a str,
    scopes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

#[derive(Serialize)]
struct Links {
    invoices: String,
    payments: String,
    events: String,
    webhook_endpoints: String,
    docs: String,
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
