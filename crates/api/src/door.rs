//! What happens to every request of the public and the internal listener, before and after its handler.
//!
//! ```text
//! identify: request id, log line, error bodies, headers that every answer has
//!   └ CORS (actix-cors; public only): preflights, headers on errors too
//!       └ admit: HTTPS only, room for one more, no key in the URL
//!           └ routes
//! ```

use std::time::{Duration, Instant};

use actix_cors::Cors;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use domain::id::base57;
use tokio::time::timeout;
use tracing::{Instrument, Span, field};
use wire::problem::{self as wire_problem, Code, Item, Language};

use crate::call::LoggedCaller;
use crate::incoming::{self, GatePlace, RequestId};
use crate::internal::console::LoggedService;
use crate::limits::Allowance;
use crate::pay::OwnPage;
use crate::problem::Problem;
use crate::{Api, Settings, headers, security};

/// A body has 10 s to arrive, its handler 15 s from then on. Everything that a handler waits for ends sooner by
/// itself, so this is for what nobody thought of.
const HANDLER_TIME: Duration = Duration::from_secs(25);
/// Those that wait for events, or for what a receiver says.
const WAITING_TIME: Duration = Duration::from_secs(35);

/// Longest URL, in bytes.
const MAX_URI: usize = 8 * 1_024;
/// Largest sum of the headers, in bytes; actix-web itself stops reading at 128 KiB.
const MAX_HEADERS: usize = 32 * 1_024;

/// The outermost layer.
pub(crate) async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let request_id = new_request_id();
    let theirs = headers::single(request.headers(), "x-request-id").filter(|id| is_printable(id));
    let theirs = theirs.map(str::to_owned);
    let language = headers::single(request.headers(), "accept-language");
    let language = language.map_or(Language::Es, Language::accepted);
    let is_https = request
        .app_data::<web::Data<Api>>()
        .is_some_and(|api| headers::is_https(request.request(), &api.settings));

    request.extensions_mut().insert(RequestId(request_id.clone()));

    // The layers inside answer for themselves; a clone of the request kept here would keep routes from matching.
    let waits = request.query_string().contains("wait=") || request.path().ends_with("/test");
    let span = tracing::info_span!(
        "request",
        request_id,
        method = %request.method(),
        route = field::Empty,
        status = field::Empty,
        account = field::Empty,
        livemode = field::Empty,
    );
    let time = if waits { WAITING_TIME } else { HANDLER_TIME };
    let handled = timeout(time, next.call(request).instrument(span.clone())).await;
    let response = match handled {
        Ok(response) => response?.map_into_boxed_body(),
        Err(_) => return Err(Problem::new(Code::Unavailable).into()),
    };
    let mut response = with_error_body(response, &request_id, language);
    let allowance = response.request().extensions().get::<Allowance>().copied();
    let headers = response.headers_mut();
    let is_cacheable = headers.contains_key(CACHE_CONTROL);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("request-id", &request_id);
    set("x-content-type-options", "nosniff");
    // Documents that are no secret say themselves who may keep them.
    if !is_cacheable {
        set("cache-control", "no-store");
    }
    if is_https {
        set("strict-transport-security", "max-age=31536000; includeSubDomains");
    }
    if let Some(allowance) = allowance {
        set("ratelimit-policy", &allowance.policy());
        set("ratelimit", &allowance.state());
    }
    if let Some(theirs) = &theirs {
        set("x-request-id", theirs);
    }
    // While the program stops: whoever keeps the connection for his next request would send it into a closing socket.
    if response.request().app_data::<web::Data<Api>>().is_some_and(|api| api.feeds.is_stopping()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    log(&response, &request_id, theirs.as_deref(), started, &span);
    Ok(response)
}

/// The layer next to the routes: what is refused whoever calls.
pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(api) = request.app_data::<web::Data<Api>>().cloned() else {
        return Ok(request.error_response(Problem::new(Code::InternalError)));
    };
    let is_loopback = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let allowed =
        headers::is_https(request.request(), &api.settings) || (!api.settings.require_https && is_loopback);
    if !allowed {
        note_key_in_the_clear(&request, &api);
        return Ok(request.error_response(Problem::new(Code::HttpsRequired)));
    }
    let Some(place) = api.gate.enter() else {
        return Ok(request.error_response(Problem::new(Code::Unavailable)));
    };
    // Held until the answer is made, or until the handler leaves it to wait.
    request.extensions_mut().insert(GatePlace(place));
    if request.uri().to_string().len() > MAX_URI {
        return Ok(request.error_response(Problem::new(Code::UriTooLong)));
    }
    let headers_size: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers_size > MAX_HEADERS {
        return Ok(request.error_response(Problem::new(Code::HeadersTooLarge)));
    }
    let query = url::form_urlencoded::parse(request.query_string().as_bytes());
    let with_key: Vec<Item> = query
        .filter(|(name, value)| domain::key::looks_like_key(value) || domain::key::looks_like_key(name))
        .map(|(name, _)| if domain::key::looks_like_key(&name) { String::new() } else { name.into_owned() })
        .map(|name| Item::at(name, Code::KeyInUrl))
        .collect();
    if !with_key.is_empty() {
        return Ok(request.error_response(Problem::Told(with_key)));
    }
    let response = next.call(request).await?;
    response.request().extensions_mut().remove::<GatePlace>();
    Ok(response.map_into_boxed_body())
}

/// A key that came over plain HTTP is told to its owner, where it can be named; it is not checked.
fn note_key_in_the_clear(request: &ServiceRequest, api: &Api) {
    let key = headers::key(request.headers()).and_then(|token| domain::key::SecretKey::parse(&token));
    let from = headers::client_address(request.request(), &api.settings);
    if let (Some(key), Some(from)) = (key, from) {
        let request_id = incoming::request_id(request.request());
        api.keys.watch().note(security::PLAIN_HTTP, key.public_id(), from, request_id);
    }
}

/// Browsers of any origin, or of those configured; never with credentials.
pub(crate) fn cors(settings: &Settings) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"])
        .allowed_headers([
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-Match",
            "KashIO-Version",
            "X-Request-Id",
        ])
        .expose_headers([
            "Request-Id",
            "ETag",
            "Idempotent-Replayed",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "Link",
            "X-Has-More",
            "Location",
        ])
        .block_on_origin_mismatch(false)
        .max_age(600);
    if settings.cors_origins.is_empty() {
        cors.allow_any_origin().send_wildcard()
    } else {
        settings.cors_origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
    }
}

fn with_error_body(
    response: ServiceResponse<BoxBody>,
    request_id: &str,
    language: Language,
) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let is_written = response.response().extensions().contains::<OwnPage>();
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    let items = match problem {
        Some(problem) => {
            if let Problem::Store(error) = problem {
                if status.as_u16() == 500 {
                    tracing::error!(request_id, %error, "request {request_id} failed: {error}");
                } else {
                    tracing::warn!(request_id, %error, "request {request_id} was not served: {error}");
                }
            }
            problem.items().0
        }
        // Whatever the framework refused by itself is told like everything else.
        None if status.is_client_error() || status.is_server_error() => match status.as_u16() {
            404 => vec![Item::new(Code::NotFound)],
            408 => vec![Item::new(Code::RequestTimeout)],
            413 => vec![Item::new(Code::BodyTooLarge)],
            400..=499 => vec![Item::new(Code::InvalidJson { line: 1, column: 1 })],
            _ => vec![Item::new(Code::InternalError)],
        },
        None => return response,
    };
    if is_written {
        return response;
    }
    let body = wire_problem::render(status.as_u16(), &items, request_id, language);
    let mut response = response.map_body(|_, _| BoxBody::new(body));
    response
        .headers_mut()
        .insert(actix_web::http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// One line per request: no key, no body, no query, no personal data.
fn log(
    response: &ServiceResponse<BoxBody>,
    request_id: &str,
    theirs: Option<&str>,
    started: Instant,
    span: &Span,
) {
    let request = response.request();
    let route = request.match_pattern();
    let caller = request.extensions().get::<LoggedCaller>().copied();
    let service = request.extensions().get::<LoggedService>().map(|LoggedService(id)| id.clone());
    let route = route.as_deref().unwrap_or("none");
    let status = response.status().as_u16();
    span.record("route", route).record("status", status);
    if let Some(LoggedCaller(owner)) = caller {
        span.record("account", owner.account.text(owner.mode)).record("livemode", owner.mode.is_live());
    }
    let labels = [
        ("route", route.to_owned()),
        ("method", method_label(request.method())),
        ("status", status.to_string()),
    ];
    metrics::counter!("kashio_http_requests_total", &labels).increment(1);
    metrics::histogram!("kashio_http_request_duration_seconds", "route" => route.to_owned())
        .record(started.elapsed());
    tracing::info!(
        request_id,
        their_request_id = theirs,
        account = caller.map(|LoggedCaller(owner)| owner.account.text(owner.mode)),
        livemode = caller.map(|LoggedCaller(owner)| owner.mode.is_live()),
        service_key = service,
        method = %request.method(),
        route,
        status,
        duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request {request_id} answered",
    );
}

/// Methods that nobody has are one label: callers must not be able to make series.
fn method_label(method: &Method) -> String {
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE, Method::OPTIONS];
    if known.contains(method) { method.to_string() } else { "other".to_owned() }
}

fn new_request_id() -> String {
    let mut bytes = [0; 16];
    // Ids need not be secret; should the machine give no random bytes, they are merely alike.
    let _ = getrandom::fill(&mut bytes);
    format!("req_{}", base57(u128::from_be_bytes(bytes)))
}

/// A caller's request id is repeated when it has at most 128 printable characters.
fn is_printable(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}
