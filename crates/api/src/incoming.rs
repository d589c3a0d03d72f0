//! A request of whichever caller: its body, its query, its path, and what its headers ask for.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{HttpMessage, HttpRequest};
use bytes::{Bytes, BytesMut};
use domain::account::Owner;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use store::Claim;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use wire::json::{self, Object};
use wire::problem::{Code, Item};

use crate::headers;
use crate::problem::Problem;

/// Largest body, in bytes.
pub const MAX_BODY: usize = 64 * 1_024;

/// How long a body may take to arrive. actix-web has no such limit.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A request's place among those that are served at once.
pub(crate) struct GatePlace(#[expect(dead_code, reason = "held, not read")] pub(crate) OwnedSemaphorePermit);

/// The id that the door gave to a request.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// The id of a request.
pub(crate) fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone()).unwrap_or_default()
}

/// A request whose caller is known.
pub struct Incoming {
    request: HttpRequest,
    payload: Payload,
}

impl Incoming {
    pub(crate) const fn new(request: HttpRequest, payload: Payload) -> Incoming {
        Incoming { request, payload }
    }

    pub(crate) const fn request(&self) -> &HttpRequest {
        &self.request
    }

    /// Its id.
    pub fn request_id(&self) -> String {
        request_id(&self.request)
    }

    /// Gives back the place among the requests that are served at once: for whoever is about to wait.
    pub fn leave_gate(&mut self) {
        self.request.extensions_mut().remove::<GatePlace>();
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

    /// Whether the caller names this media type among those that he takes (RFC 9110, 12.5.1).
    pub fn accepts(&self, media_type: &str) -> bool {
        let values = self.request.headers().get_all("accept");
        let mut ranges = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        ranges.any(|range| {
            let (name, weight) = range.split_once(';').unwrap_or((range, ""));
            let is_refused =
                weight.trim().strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty());
            name.trim().eq_ignore_ascii_case(media_type) && !is_refused
        })
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

    /// The claim that the caller's `Idempotency-Key` makes for `owner` on a request of this method, path and body.
    ///
    /// # Errors
    /// The fault of a malformed key.
    pub fn claim_of(&self, owner: Owner, body: &str) -> Result<Option<Claim>, Item> {
        let key = headers::idempotency_key(self.request.headers())?;
        Ok(key.map(|key| {
            let mut hash = Sha256::new();
            for part in [self.request.method().as_str(), self.request.path(), body] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            Claim { owner, key, request: hash.finalize().into() }
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

    /// As [`Body::json`], where no body at all is an empty object.
    ///
    /// # Errors
    /// As there.
    pub fn json_if_any(&self) -> Result<(Object<'_>, String), Problem> {
        if self.bytes.is_empty() { Ok((Object::default(), "{}".to_owned())) } else { self.json() }
    }
}

/// `application/json`, `text/json` and `…+json`, whatever follows.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/json" | "text/json") || essence.ends_with("+json")
}
