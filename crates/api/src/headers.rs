//! Reading the headers that decide something, strictly: a header that comes twice is no header.
//!
//! Public so that `fuzz/checks.rs` can try it.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use domain::key::looks_like_key;
use ipnet::IpNet;
use wire::problem::{Code, Item};
use zeroize::Zeroizing;

use crate::Settings;

/// The value of a header that was sent exactly once, in ASCII.
pub(crate) fn single<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    let mut values = headers.get_all(name);
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok())?
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The key that an `Authorization` header carries: HTTP Basic (RFC 7617) with the key as user name and any
/// password, with or without the colon; or, as documents showed it, the raw key behind `basic` or `Bearer`.
pub fn key(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let (scheme, credentials) = single(headers, "authorization")?.trim().split_once(' ')?;
    let credentials = credentials.trim();
    let raw = || Zeroizing::new(credentials.trim_end_matches(':').to_owned());
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(raw());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64.decode(credentials).ok().map(Zeroizing::new);
    // The password may be any bytes; only the user name is looked at.
    let user = decoded.as_ref().and_then(|bytes| bytes.split(|&byte| byte == b':').next());
    let user = user.and_then(|user| std::str::from_utf8(user).ok()).filter(|user| looks_like_key(user));
    Some(user.map_or_else(raw, |user| Zeroizing::new(user.to_owned())))
}

/// Whether the request arrived over TLS: it ended in this process, or the peer is a trusted proxy and says so, once
/// and with one value.
pub fn is_https(request: &HttpRequest, settings: &Settings) -> bool {
    if request.app_config().secure() {
        return true;
    }
    let peer = request.peer_addr().map(|address| address.ip());
    let from_proxy = peer.is_some_and(|peer| is_trusted(peer, &settings.trusted_proxies));
    from_proxy && single(request.headers(), "x-forwarded-proto").is_some_and(|proto| proto.trim() == "https")
}

/// The caller's address: the peer, or, walking `X-Forwarded-For` from the right, the first that is not one of
/// our proxies. What stands left of it anybody could have written.
pub fn client_address(request: &HttpRequest, settings: &Settings) -> Option<IpAddr> {
    let mut address = request.peer_addr()?.ip().to_canonical();
    let forwarded = request.headers().get_all("x-forwarded-for");
    let hops: Vec<&str> =
        forwarded.flat_map(|value| value.to_str().unwrap_or("?").split(',')).map(str::trim).collect();
    for hop in hops.iter().rev() {
        if !is_trusted(address, &settings.trusted_proxies) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(next) => address = next.to_canonical(),
            Err(_) => break,
        }
    }
    Some(address)
}

/// A network, or a single address as one.
pub fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(|network| network.trunc())
}

fn is_trusted(address: IpAddr, proxies: &[IpNet]) -> bool {
    let address = address.to_canonical();
    proxies.iter().any(|network| network.contains(&address))
}

/// An `Idempotency-Key`: 1 to 255 of 0x21–0x7E, bare or as a quoted structured-field string (RFC 8941).
///
/// # Errors
/// The fault of a malformed key.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Item> {
    if !headers.contains_key("idempotency-key") {
        return Ok(None);
    }
    let malformed = || Item::at("Idempotency-Key", Code::InvalidIdempotencyKey);
    let value = single(headers, "idempotency-key").ok_or_else(malformed)?.trim();
    let key = match value.strip_prefix('"') {
        None => value.to_owned(),
        Some(rest) => rest.strip_suffix('"').and_then(unquote).ok_or_else(malformed)?,
    };
    let sound = (1..=255).contains(&key.len()) && key.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if sound { Ok(Some(key)) } else { Err(malformed()) }
}

fn unquote(quoted: &str) -> Option<String> {
    let mut characters = quoted.chars();
    let mut key = String::with_capacity(quoted.len());
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => key.push(characters.next().filter(|next| matches!(next, '"' | '\\'))?),
            plain => key.push(plain),
        }
    }
    Some(key)
}
