//! `GET /openapi.json` and `GET /docs`: the document as it is, and as a page to read; the internal document; and the
//! developers' guide.
//!
//! The page is made from the document when somebody first asks for it, and is one answer: no script, no picture, no
//! font, nothing from elsewhere. Its style is allowed by its hash, everything else is forbidden.

pub mod guide;
mod page;

use std::sync::OnceLock;

use ::guide::Guide;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use wire::problem::Code;

use crate::problem::Problem;
use crate::{Api, Settings, openapi};

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
    page: Option<Bytes>,
    policy: String,
}

impl Documentation {
    fn get(&self, settings: &Settings) -> &Made {
        self.made.get_or_init(|| {
            let document = openapi::document(&settings.public_url, &settings.support_email);
            let page = page::render(&document, &settings.public_url, &settings.support_email, STYLE);
            Made {
                document: serde_json::to_vec(&document).unwrap_or_default().into(),
                page: page.inspect_err(|error| tracing::error!(%error, "the page of /docs: {error}")).ok().map(Bytes::from),
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

/// `GET /openapi.json`.
pub async fn document(api: web::Data<Api>) -> HttpResponse {
    let document = api.documentation.get(&api.settings).document.clone();
    HttpResponse::Ok().content_type("application/json").body(document)
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

/// `GET /docs`.
pub async fn page(api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let made = api.documentation.get(&api.settings);
    let page = made.page.clone().ok_or(Problem::new(Code::InternalError))?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", made.policy.as_str()))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .body(page))
}
