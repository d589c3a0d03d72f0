//! `GET /openapi.json` and `GET /docs`: the document as it is, and as a page to read; the internal document; and the
//! developers' guide.
//!
//! The page is made from the document when somebody first asks for it, and is one answer: no script, no picture, no
//! font, nothing from elsewhere. Its style is allowed by its hash, everything else is forbidden.

pub mod guide;
mod page;
mod words;

use std::sync::OnceLock;

use ::guide::Guide;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use wire::problem::{Code, Language};

use crate::docs::words::Words;
use crate::problem::Problem;
use crate::{Api, Settings, headers, openapi};

const STYLE: &str = include_str!("../templates/docs.css");

/// What is served, made at the first request for it.
#[derive(Default)]
pub struct Documentation {
    made: OnceLock<Made>,
    internal: OnceLock<Bytes>,
    guide: OnceLock<Option<Guide>>,
}

struct Made {
    document: Bytes,
    english: Bytes,
    page: Option<Bytes>,
    english_page: Option<Bytes>,
    policy: String,
}

impl Documentation {
    fn get(&self, settings: &Settings) -> &Made {
        self.made.get_or_init(|| {
            let document =
                |language| openapi::document(&settings.public_url, &settings.support_email, language);
            let text = |document: &Value| Bytes::from(serde_json::to_vec(document).unwrap_or_default());
            let page = |document: &Value, language| {
                let (words, Settings { public_url, support_email, .. }) = (Words::of(language), settings);
                let page = page::render(document, words, public_url, support_email, STYLE);
                let told = page.inspect_err(|error| tracing::error!(%error, "the page of /docs: {error}"));
                told.ok().map(Bytes::from)
            };
            let (spanish, english) = (document(Language::Es), document(Language::En));
            Made {
                document: text(&spanish),
                english: text(&english),
                page: page(&spanish, Language::Es),
                english_page: page(&english, Language::En),
                policy: format!(
                    "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'; \
                     frame-ancestors 'none'",
                    STANDARD.encode(Sha256::digest(STYLE))
                ),
            }
        })
    }

    fn guide(&self, settings: &Settings) -> Option<&Guide> {
        let make = || {
            let made = Guide::new(&settings.public_url, &settings.support_email);
            made.inspect_err(|error| tracing::error!(%error, "the guide: {error}")).ok()
        };
        self.guide.get_or_init(make).as_ref()
    }
}

/// `GET /openapi.json`: in Spanish, or in English for whoever prefers it.
pub async fn document(api: web::Data<Api>, request: HttpRequest) -> HttpResponse {
    let made = api.documentation.get(&api.settings);
    let accepted = headers::single(request.headers(), "accept-language").map(Language::accepted);
    let (document, language) = match accepted.unwrap_or_default() {
        Language::Es => (&made.document, "es"),
        Language::En => (&made.english, "en"),
    };
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("Content-Language", language))
        .insert_header(("Vary", "Accept-Language"))
        .body(document.clone())
}

/// `GET /internal/v1/openapi.json`.
pub async fn internal_document(api: web::Data<Api>) -> HttpResponse {
    let make = || {
        let document = openapi::internal_document(&api.settings.support_email);
        serde_json::to_vec(&document).unwrap_or_default().into()
    };
    let document = api.documentation.internal.get_or_init(make).clone();
    HttpResponse::Ok().content_type("application/json").body(document)
}

/// `GET /docs`: in Spanish, whatever the browser prefers, or in English by `?lang=en`.
pub async fn page(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let made = api.documentation.get(&api.settings);
    let mut query = url::form_urlencoded::parse(request.query_string().as_bytes());
    let is_english = query.any(|(name, value)| name == "lang" && value == "en");
    let page = if is_english { &made.english_page } else { &made.page };
    let page = page.clone().ok_or(Problem::new(Code::InternalError))?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", made.policy.as_str()))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .body(page))
}
