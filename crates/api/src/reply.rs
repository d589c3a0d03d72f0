//! Answers that are no errors: fresh ones, and saved ones that go out again to the byte.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder};
use store::{Answer, Once};
use wire::problem::Code;

use crate::problem::Problem;

/// An answer, and whether it repeats an earlier one.
#[derive(Clone, Debug)]
pub struct Reply {
    /// What goes out.
    pub answer: Answer,
    /// `Idempotent-Replayed: true`.
    pub replayed: bool,
}

impl Reply {
    /// A first answer.
    pub const fn fresh(answer: Answer) -> Reply {
        Reply { answer, replayed: false }
    }

    /// The answer to a safe repeat.
    pub const fn repeat(answer: Answer) -> Reply {
        Reply { answer, replayed: true }
    }

    /// What came of a request that is to have one effect.
    ///
    /// # Errors
    /// 422, when its key was used for another request.
    pub fn of_once(once: Once<Reply>) -> Result<Reply, Problem> {
        match once {
            Once::Done(reply) => Ok(reply),
            Once::Seen(answer) => Ok(Reply::repeat(answer)),
            Once::Reused => Err(Problem::new(Code::IdempotencyKeyReused)),
        }
    }
}

impl AsRef<Answer> for Reply {
    fn as_ref(&self) -> &Answer {
        &self.answer
    }
}

impl Responder for Reply {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let status = StatusCode::from_u16(self.answer.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        response.content_type("application/json");
        if let Some(etag) = self.answer.etag {
            response.insert_header(("ETag", etag));
        }
        if let Some(location) = self.answer.location {
            response.insert_header(("Location", location));
        }
        if self.replayed {
            response.insert_header(("Idempotent-Replayed", "true"));
        }
        response.body(self.answer.body)
    }
}
