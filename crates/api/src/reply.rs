//! Answers that are no errors: fresh ones, and saved ones that go out again to the byte.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder};
use store::{Answer, Once};
use url::form_urlencoded::Serializer;
use wire::list;
use wire::problem::Code;

use crate::incoming::Incoming;
use crate::problem::Problem;

/// An answer, and whether it repeats an earlier one.
#[derive(Clone, Debug)]
pub struct Reply {
    /// What goes out.
    pub answer: Answer,
    /// `Idempotent-Replayed: true`.
    pub replayed: bool,
    /// What a repeat finds, where the answer itself must not be kept.
    saved: Option<Answer>,
}

impl Reply {
    /// A first answer.
    pub const fn fresh(answer: Answer) -> Reply {
        Reply { answer, replayed: false, saved: None }
    }

    /// The answer to a safe repeat.
    pub const fn repeat(answer: Answer) -> Reply {
        Reply { answer, replayed: true, saved: None }
    }

    /// A first answer that shows the secret of `id`, which it does once.
    pub fn secret(answer: Answer, id: String) -> Reply {
        let saved = Some(Answer::of_secret(answer.status, id));
        Reply { answer, replayed: false, saved }
    }

    /// What came of a request that is to have one effect.
    ///
    /// # Errors
    /// 422, when its key was used for another request; 409, when its answer showed a secret.
    pub fn of_once(once: Once<Reply>) -> Result<Reply, Problem> {
        match once {
            Once::Done(reply) => Ok(reply),
            Once::Seen(answer) => match answer.secret_of() {
                Some(id) => {
                    let existing_id = id.to_owned();
                    Err(Problem::new(Code::SecretAlreadyShown { existing_id }))
                }
                None => Ok(Reply::repeat(answer)),
            },
            Once::Reused => Err(Problem::new(Code::IdempotencyKeyReused)),
        }
    }

    /// The version of the invoice that it shows, which its `ETag` names.
    pub fn version(&self) -> Option<u32> {
        self.answer.etag.as_deref()?.trim_matches('"').parse().ok()
    }

    /// The id of what was made, which its `Location` ends with.
    pub fn created_id(&self) -> Option<&str> {
        self.answer.location.as_deref()?.rsplit('/').next()
    }
}

impl AsRef<Answer> for Reply {
    fn as_ref(&self) -> &Answer {
        self.saved.as_ref().unwrap_or(&self.answer)
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

/// A page of a list, and where it goes on.
pub struct PageReply {
    body: Vec<u8>,
    next: Option<String>,
    /// `X-Has-More`, where the body can not say it.
    has_more: Option<bool>,
    content_type: &'static str,
}

impl PageReply {
    /// A page that is rendered already.
    pub const fn new(body: Vec<u8>, next: Option<String>, has_more: Option<bool>) -> PageReply {
        PageReply { body, next, has_more, content_type: "application/json" }
    }

    /// A page as CSV.
    pub const fn csv(rows: Vec<u8>, next: Option<String>, has_more: bool) -> PageReply {
        PageReply { body: rows, next, has_more: Some(has_more), content_type: "text/csv; charset=utf-8" }
    }

    /// A page of the internal API; `next` is the cursor's name and the id where it goes on.
    pub fn list(
        call: &Incoming,
        objects: &[Vec<u8>],
        has_more: bool,
        next: Option<(&'static str, String)>,
    ) -> PageReply {
        let next = next.map(|(cursor, id)| next_link(call, "", &[cursor], cursor, &id));
        PageReply::new(list::render(objects, has_more), next, None)
    }
}

/// The address of the page that follows: this one's, with another cursor (RFC 8288).
pub(crate) fn next_link(call: &Incoming, root: &str, replaced: &[&str], cursor: &str, id: &str) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(call.query().filter(|(name, _)| !replaced.contains(&name.as_ref())));
    query.append_pair(cursor, id);
    format!("<{root}{}?{}>; rel=\"next\"", call.path(), query.finish())
}

impl Responder for PageReply {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.content_type(self.content_type);
        if let Some(next) = self.next {
            response.insert_header(("Link", next));
        }
        if let Some(has_more) = self.has_more {
            response.insert_header(("X-Has-More", has_more.to_string()));
        }
        response.body(self.body)
    }
}
