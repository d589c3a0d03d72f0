//! A request whose caller is known. Everything else about it is read only after that: nobody who may not
//! call learns what his body or his path were worth.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use domain::account::Owner;
use domain::id::{Id, Kind};
use domain::key::Scope;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use store::Claim;
use store::keys::KeyRecord;
use tokio::time::{Instant, timeout_at};
use wire::json::{self, Object};
use wire::problem::{Code, Item};
use wire::version::Version;

use crate::problem::Problem;
use crate::{Api, headers};

/// Largest body, in bytes.
pub const MAX_BODY: usize = 64 * 1_024;

/// How long a body may take to arrive. actix-web has no such limit.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Which scopes a call needs; the type of a handler's [`Call`] says it.
pub trait Needs: 'static {
    /// All of them.
    const SCOPES: &'static [Scope];
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident: $($scope:ident)?;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Needs for $name {
            const SCOPES: &'static [Scope] = &[$(Scope::$scope)?];
        }
    )*};
}

needs! {
    /// Any key may.
    AnyKey: ;
    /// `invoices:read`.
    ReadInvoices: InvoicesRead;
    /// `invoices:write`.
    WriteInvoices: InvoicesWrite;
}

/// Who calls, for the log line of the request.
#[derive(Clone, Copy)]
pub(crate) struct LoggedCaller(pub(crate) Owner);

/// An authenticated request.
pub struct Call<S> {
    /// Account and mode: the owner of whatever is asked for.
    pub owner: Owner,
    /// The key, with its account.
    pub key: Arc<KeyRecord>,
    /// The version of the answer.
    pub version: Version,
    /// What handlers can reach.
    pub api: Api,
    request: HttpRequest,
    payload: Payload,
    scopes: PhantomData<S>,
}

impl<S: Needs> FromRequest for Call<S> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let api = request.app_data::<web::Data<Api>>().ok_or(Problem::new(Code::InternalError))?;
            let api = api.get_ref().clone();
            let unauthorized = || Problem::new(Code::Unauthorized);
            let from = headers::client_address(&request, &api.settings).ok_or_else(unauthorized)?;
            let token = headers::key(request.headers()).ok_or_else(unauthorized)?;
            let key = api.keys.verify(&token, from).await?;
            request.extensions_mut().insert(LoggedCaller(key.owner));
            check_scopes(&key, S::SCOPES)?;
            let version = version(request.headers(), &key)?;
            Ok(Call { owner: key.owner, key, version, api, request, payload, scopes: PhantomData })
        })
    }
}

fn check_scopes(key: &KeyRecord, needed: &[Scope]) -> Result<(), Problem> {
    let has = |scope: &&Scope| key.scopes.as_ref().is_none_or(|scopes| scopes.contains(scope));
    let missing = needed.iter().filter(|scope| !has(scope));
    let items: Vec<Item> = missing.map(|scope| Item::at(scope.as_str(), Code::InsufficientScope)).collect();
    if items.is_empty() { Ok(()) } else { Err(Problem::Told(items)) }
}

/// The header's version, else the account's, else the first.
fn version(headers: &HeaderMap, key: &KeyRecord) -> Result<Version, Problem> {
    if headers.contains_key("kashio-version") {
        let named = headers::single(headers, "kashio-version").and_then(|text| Version::parse(text.trim()));
        return named.ok_or_else(|| Problem::Told(vec![Item::at("KashIO-Version", Code::UnknownVersion)]));
    }
    Ok(key.account.version_pin.as_deref().and_then(Version::parse).unwrap_or_default())
}

impl<S> Call<S> {
    /// The id in the path; what is no id of this kind and mode is an unknown one.
    ///
    /// # Errors
    /// 404.
    pub fn id<K: Kind>(&self) -> Result<Id<K>, Problem> {
        let text = self.request.match_info().get("id").unwrap_or_default();
        Id::parse(text, self.owner.mode).ok_or(Problem::new(Code::NotFound))
    }

    /// The parameters of the query, decoded.
    pub fn query(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        url::form_urlencoded::parse(self.request.query_string().as_bytes())
    }

    /// The part of the path that a route calls `name`.
    pub fn path_part(&self, name: &str) -> Option<&str> {
        self.request.match_info().get(name)
    }

    /// The path as it was asked for, without its query.
    pub fn path(&self) -> &str {
        self.request.path()
    }

    /// What `If-Match` asks for.
    pub fn if_match(&self) -> IfMatch {
        let values = self.request.headers().get_all("if-match");
        IfMatch(values.map(|value| value.to_str().unwrap_or_default().to_owned()).collect())
    }

    /// The body, whole.
    ///
    /// # Errors
    /// 408 when it does not arrive in time, 413 when it is too large, 415 when it is compressed.
    pub async fn body(&mut self) -> Result<Body, Problem> {
        let headers = self.request.headers();
        let encoding = headers.get("content-encoding").map(|value| value.as_bytes());
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
            return Err(Problem::new(Code::UnsupportedEncoding));
        }
        let too_large = || Problem::new(Code::BodyTooLarge);
        let announced = headers::single(headers, "content-length").and_then(|text| text.parse().ok());
        if announced.is_some_and(|length: usize| length > MAX_BODY) {
            return Err(too_large());
        }
        let content_type = headers.get("content-type").map(|value| value.to_str().unwrap_or("?"));
        let claims_json = content_type.is_none_or(is_json);
        let deadline = Instant::now() + BODY_TIME;
        let mut bytes = BytesMut::new();
        loop {
            match timeout_at(deadline, self.payload.next()).await {
                Err(_) => return Err(Problem::new(Code::RequestTimeout)),
                Ok(None) => {
                    return Ok(Body { bytes: bytes.freeze(), claims_json });
                }
                Ok(Some(Err(_))) => return Err(Problem::new(Code::InvalidJson { line: 1, column: 1 })),
                Ok(Some(Ok(chunk))) if bytes.len() + chunk.len() > MAX_BODY => return Err(too_large()),
                Ok(Some(Ok(chunk))) => bytes.extend_from_slice(&chunk),
            }
        }
    }

    /// The claim that the caller's `Idempotency-Key` makes on a request of this method, path and body.
    ///
    /// # Errors
    /// The fault of a malformed key.
    pub fn claim(&self, body: &str) -> Result<Option<Claim>, Item> {
        let key = headers::idempotency_key(self.request.headers())?;
        Ok(key.map(|key| {
            let mut hash = Sha256::new();
            for part in [self.request.method().as_str(), self.request.path(), body] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            Claim { owner: self.owner, key, request: hash.finalize().into() }
        }))
    }
}

/// The versions that a change may be based on (RFC 9110, 13.1.1).
#[derive(Clone, Debug)]
pub struct IfMatch(Vec<String>);

impl IfMatch {
    /// Whether this version is one of them: no header, `*`, or a list that names it, weak or strong.
    pub fn allows(&self, version: u32) -> bool {
        let wanted = format!("\"{version}\"");
        let names_it = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == wanted;
        self.0.is_empty() || self.0.iter().any(|tags| tags.split(',').map(str::trim).any(names_it))
    }
}

/// A body that has arrived.
pub struct Body {
    bytes: Bytes,
    claims_json: bool,
}

impl Body {
    /// The JSON object that it is, and the one spelling that equal bodies share.
    ///
    /// # Errors
    /// 400 with every flaw, or 415 when it is not JSON and does not claim to be.
    pub fn json(&self) -> Result<(Object<'_>, String), Problem> {
        let flaws = |flaws| Problem::of_flaws(flaws, self.claims_json);
        let value = json::parse(&self.bytes).map_err(flaws)?;
        let canonical = json::canonical(&value, &["request_datetime"]);
        match value.kind {
            json::Kind::Object(object) => Ok((object, canonical)),
            _ => Err(Problem::new(Code::NotAnObject)),
        }
    }
}

/// `application/json`, `text/json` and `…+json`, whatever follows.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/json" | "text/json") || essence.ends_with("+json")
}
