//! Every way a request can fail. The door gives the answer its request id and language.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use domain::field::Faults;
use domain::invoice::Refusal;
use store::{Error, Failure};
use wire::json::{Flaw, FlawKind};
use wire::problem::{Code, Item};

/// A failed request.
#[derive(Debug)]
pub enum Problem {
    /// The caller is told what he did.
    Told(Vec<Item>),
    /// The route has other methods: the value of `Allow`.
    MethodNotAllowed(String),
    /// The store failed; what the caller is told depends on how.
    Store(Error),
}

impl Problem {
    /// One error of the request as a whole.
    pub fn new(code: Code) -> Problem {
        Problem::Told(vec![Item::new(code)])
    }

    /// What a body that is not as it should be is answered. Not JSON at all and not claiming to be: 415.
    pub fn of_flaws(flaws: Vec<Flaw>, claims_json: bool) -> Problem {
        let not_json = |flaw: &Flaw| matches!(flaw.kind, FlawKind::Syntax { .. } | FlawKind::NotUtf8 { .. });
        if !claims_json && flaws.iter().any(not_json) {
            return Problem::new(Code::UnsupportedMediaType);
        }
        Problem::Told(flaws.into_iter().map(Item::from).collect())
    }

    /// The errors of the answer, and when to come again, in seconds.
    pub(crate) fn items(&self) -> (Vec<Item>, Option<u32>) {
        match self {
            Problem::Told(items) => (items.clone(), items.iter().find_map(|item| retry_after(&item.code))),
            Problem::MethodNotAllowed(_) => (vec![Item::new(Code::MethodNotAllowed)], None),
            Problem::Store(error) => {
                let code = match error {
                    Error::InProgress => Code::IdempotencyInProgress,
                    Error::Lost(_)
                    | Error::Contended(_)
                    | Error::Stale
                    | Error::LockTimeout
                    | Error::Unavailable(_) => Code::Unavailable,
                    Error::Conflict(_) | Error::Corrupt { .. } | Error::Sql(_) | Error::Panicked(_) => {
                        Code::InternalError
                    }
                };
                let retry = retry_after(&code);
                (vec![Item::new(code)], retry)
            }
        }
    }
}

fn retry_after(code: &Code) -> Option<u32> {
    match code {
        Code::IdempotencyInProgress | Code::Unavailable | Code::TooManyWaiting => Some(1),
        Code::TooManyFailures => Some(60),
        Code::RateLimited { seconds } => Some(*seconds),
        _ => None,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (items, _) = self.items();
        let names: Vec<&str> = items.iter().map(|item| item.code.name()).collect();
        write!(f, "{}", names.join(", "))
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        let (items, _) = self.items();
        let status = items.first().map_or(500, |item| item.code.status());
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Without a body: the door writes it.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let (_, Some(seconds)) = self.items() {
            response.insert_header(("Retry-After", seconds.to_string()));
        }
        match self {
            Problem::MethodNotAllowed(allow) => {
                response.insert_header(("Allow", allow.as_str()));
            }
            Problem::Told(items) if items.iter().any(|item| item.code == Code::Unauthorized) => {
                response.insert_header(("WWW-Authenticate", r#"Basic realm="KashIO", charset="UTF-8""#));
            }
            Problem::Told(_) | Problem::Store(_) => {}
        }
        response.finish()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        Problem::Store(error)
    }
}

impl Failure for Problem {
    fn as_store(&self) -> Option<&Error> {
        match self {
            Problem::Store(error) => Some(error),
            Problem::Told(_) | Problem::MethodNotAllowed(_) => None,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem::Told(vec![Item::from(refusal)])
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Problem {
        Problem::Told(faults.0.into_iter().map(Item::from).collect())
    }
}
