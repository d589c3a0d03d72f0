//! `/pay/{token}`: the page on which a payer sees what he owes, where to pay it, and that it was paid.
//!
//! It is one answer, complete without its script, and asks nobody else for anything. Its style and script stand in it
//! and are allowed by their hashes; everything else is forbidden.
//!
//! | module | holds |
//! |---|---|
//! | [`facts`] | what is read of an order, in one transaction |
//! | [`view`] | what the templates show of it |
//! | [`payer`] | how little of a person that is |
//! | [`texts`] | sentences, moments and money, in Spanish and English |
//! | [`qr`] | the QR code of the page's own address |
//!
//! The token is a secret of the payer's: it is never logged, and a page about an unknown one does not repeat it.

mod facts;
mod payer;
mod qr;
mod texts;
mod view;

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::field::Wrong;
use domain::invoice::Token;
use domain::invoice::draft::parse_size;
use sha2::{Digest, Sha256};
use wire::problem::{Code, Item};

use crate::problem::Problem;
use crate::{Api, incoming};
use facts::Facts;
use qr::Qr;
use texts::{Choice, Texts};

const STYLE: &str = include_str!("../templates/pay/pay.css");
const SCRIPT: &str = include_str!("../templates/pay/pay.js");

/// Marks an answer that is a page of ours although it is an error: the door leaves its body alone.
#[derive(Clone, Copy)]
pub(crate) struct OwnPage;

/// `GET /pay/{token}`, and `GET /e/index.html?token=…`, as the API's first edition called it.
pub async fn page(request: HttpRequest, api: web::Data<Api>) -> HttpResponse {
    let choice = Choice::of(&request);
    match open(&request, &api).await {
        Ok(facts) => answer(&facts, &api, choice),
        Err(problem) => failed(&request, &api, choice, problem),
    }
}

/// `GET /pay/{token}/status`.
pub async fn status(request: HttpRequest, api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let facts = open(&request, &api).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(wire::page::render(&facts.seen())))
}

/// `GET /pay/{token}/qr.svg`.
pub async fn qr_svg(request: HttpRequest, api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let facts = open(&request, &api).await?;
    let qr = qr_of(&facts, &api)?;
    Ok(image("image/svg+xml", qr.svg(facts.invoice().order.size_qr).into_bytes()))
}

/// `GET /pay/{token}/qr.png?size=`, where the order's `url_qr` leads: its own `size_qr`, unless another is asked for.
pub async fn qr_png(request: HttpRequest, api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let facts = open(&request, &api).await?;
    let pixels = match asked(&request, "size") {
        None => facts.invoice().order.size_qr,
        Some(size) => parse_size(&size)
            .map_err(|_| Problem::Told(vec![Item::at("size", Code::Wrong(Wrong::SizeQr))]))?,
    };
    let png = qr_of(&facts, &api)?.png(pixels).ok_or(Problem::new(Code::InternalError))?;
    Ok(image("image/png", png))
}

/// `POST /pay/{token}/simulate`: the payer of a test order pretends to have paid, on the very path of a bank's call.
/// A live order has no such address.
pub async fn simulate(request: HttpRequest, api: web::Data<Api>) -> HttpResponse {
    let choice = Choice::of(&request);
    let paid = async {
        let token = token(&request)?;
        facts::simulate_payment(&api.store, token.clone()).await?;
        Ok(token)
    };
    match paid.await {
        Ok(token) => seen_at(&format!("{}/pay/{}{}", api.settings.page_url, token.as_str(), choice.query())),
        Err(problem) => failed(&request, &api, choice, problem),
    }
}

/// The token that the path names, or the query of the old address. What is none is an unknown one.
fn token(request: &HttpRequest) -> Result<Token, Problem> {
    let named = request.match_info().get("token").map(str::to_owned).or_else(|| asked(request, "token"));
    named.and_then(|text| Token::parse(&text)).ok_or(Problem::new(Code::NotFound))
}

/// The first value of a parameter of the query. Unknown ones are let be: links in mails grow them on their way.
fn asked(request: &HttpRequest, name: &str) -> Option<String> {
    let mut query = url::form_urlencoded::parse(request.query_string().as_bytes());
    query.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn open(request: &HttpRequest, api: &Api) -> Result<Facts, Problem> {
    let facts = facts::read(&api.store, token(request)?).await?;
    facts.ok_or(Problem::new(Code::NotFound))
}

fn qr_of(facts: &Facts, api: &Api) -> Result<Qr, Problem> {
    let address = format!("{}/pay/{}", api.settings.page_url, facts.invoice().order.token.as_str());
    Qr::of(&address).ok_or(Problem::new(Code::InternalError))
}

fn answer(facts: &Facts, api: &Api, choice: Choice) -> HttpResponse {
    let rendered = qr_of(facts, api)
        .and_then(|qr| view::render(facts, &qr, choice, &api.settings).map_err(|error| unwritten(&error)));
    match rendered {
        Ok(page) => html(HttpResponse::Ok().finish(), choice.texts, page, facts.offers_simulation()),
        Err(problem) => HttpResponse::from_error(problem),
    }
}

fn unwritten(error: &askama::Error) -> Problem {
    tracing::error!(%error, "the payment page: {error}");
    Problem::new(Code::InternalError)
}

/// The page of an error: an unknown token's, which is the same for all, or that of a day on which we can not answer.
fn failed(request: &HttpRequest, api: &Api, choice: Choice, problem: Problem) -> HttpResponse {
    let is_missing = problem.status_code().as_u16() == 404;
    let request_id = (!is_missing).then(|| incoming::request_id(request));
    let page = view::render_failure(request_id, choice, &api.settings);
    let response = HttpResponse::from_error(problem);
    match page {
        Ok(page) => {
            let mut response = html(response, choice.texts, page, false);
            response.extensions_mut().insert(OwnPage);
            response
        }
        Err(_) => response,
    }
}

fn html(response: HttpResponse, texts: Texts, page: String, has_form: bool) -> HttpResponse {
    let mut response = response.set_body(actix_web::body::BoxBody::new(page));
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = value.parse() {
            headers.insert(actix_web::http::header::HeaderName::from_static(name), value);
        }
    };
    set("content-type", "text/html; charset=utf-8");
    set("content-language", texts.tag());
    set("content-security-policy", if has_form { &POLICY_WITH_FORM } else { &POLICY });
    set("referrer-policy", "no-referrer");
    set("x-robots-tag", "noindex, nofollow");
    response
}

static POLICY: LazyLock<String> = LazyLock::new(|| policy("'none'"));
static POLICY_WITH_FORM: LazyLock<String> = LazyLock::new(|| policy("'self'"));

fn policy(form_action: &str) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action {form_action}; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn image(content_type: &'static str, body: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .body(body)
}

#[derive(Template)]
#[template(source = "<!doctype html><title>KashIO</title><a href=\"{{ address }}\">KashIO</a>", ext = "html")]
struct Elsewhere<'a> {
    address: &'a str,
}

/// Sends the browser to another address, by GET (RFC 9110, 15.4.4).
fn seen_at(address: &str) -> HttpResponse {
    let body = Elsewhere { address }.render().unwrap_or_default();
    HttpResponse::SeeOther()
        .insert_header(("Location", address))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .content_type("text/html; charset=utf-8")
        .body(body)
}
