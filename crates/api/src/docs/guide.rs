//! `GET /docs/guide/…`: the developers' guide. Its pages are made by the crate [`guide`](::guide) when somebody first asks for
//! one; here is who may keep them, and for how long.

use ::guide::{Document, Guide};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use wire::problem::Code;

use crate::Api;
use crate::pay::OwnPage;
use crate::problem::Problem;

/// Its own script, style and search index; nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Anybody may keep it, and asks each time whether it still holds: an upgrade shows at once, and costs 304 otherwise.
const CACHING: &str = "public, no-cache";

/// `GET /docs/guide`, and everything below it.
pub async fn document(request: HttpRequest, api: web::Data<Api>) -> Result<HttpResponse, Problem> {
    let guide = api.documentation.guide(&api.settings).ok_or(Problem::new(Code::InternalError))?;
    let path = request.match_info().query("page");
    Ok(match guide.get(path) {
        Some(document) if is_known(request.headers(), &document.etag) => HttpResponse::NotModified()
            .insert_header(("ETag", document.etag.as_str()))
            .insert_header(CACHED)
            .finish(),
        Some(document) => answer(StatusCode::OK, document),
        None => missing(guide, path),
    })
}

const CACHED: (&str, &str) = ("Cache-Control", CACHING);

fn answer(status: StatusCode, document: &Document) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(document.content_type)
        .insert_header(("ETag", document.etag.as_str()))
        .insert_header(CACHED)
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .body(document.body.clone())
}

fn missing(guide: &Guide, path: &str) -> HttpResponse {
    let mut response = answer(StatusCode::NOT_FOUND, guide.missing(path));
    response.headers_mut().remove("etag");
    response.headers_mut().remove("cache-control");
    response.extensions_mut().insert(OwnPage);
    response
}

/// Whether the caller has these bytes already (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let given = headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    given
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use ::guide::Guide;
    use actix_web::http::header::{HeaderMap, HeaderValue, IF_NONE_MATCH};
    use domain::event::EventKind;
    use domain::payment::Reason;
    use wire::problem::Language;

    use super::is_known;
    use crate::docs::words::Words;

    /// The rows of a page's tables that begin with a code, with their other cells.
    fn rows(path: &str) -> Vec<(String, Vec<String>)> {
        let guide = Guide::new("https://api.kashio.net", "soporte@kashio.net").unwrap();
        let page = String::from_utf8(guide.get(path).unwrap().body.to_vec()).unwrap();
        let rows = page.split("<tr><td><code>").skip(1).map(|row| {
            let row = row.split("</tr>").next().unwrap();
            let (name, rest) = row.split_once("</code>").unwrap();
            let cells = rest.split("<td>").skip(1).map(|cell| cell.replace("</td>", "").trim().to_owned());
            (name.to_owned(), cells.collect())
        });
        rows.collect()
    }

    /// A new code without its sentence, in either language, fails here.
    #[test]
    fn every_error_code_has_its_status_and_what_to_do() {
        let codes: BTreeMap<String, u16> =
            wire::codes::all().iter().map(|code| (code.name.to_owned(), code.status)).collect();
        for page in ["errores", "en/errors"] {
            let with_status: Vec<(String, u16, String)> = rows(page)
                .into_iter()
                .filter_map(|(name, cells)| Some((name, cells.first()?.parse().ok()?, cells.get(1)?.clone())))
                .collect();
            let told: BTreeMap<String, u16> =
                with_status.iter().map(|(name, status, _)| (name.clone(), *status)).collect();
            assert_eq!(told, codes, "{page}");
            assert_eq!(told.len(), with_status.len(), "{page}: a code twice");
            assert!(with_status.iter().all(|(_, _, what_to_do)| what_to_do.len() > 10), "{page}");
        }
    }

    #[test]
    fn every_type_of_event_and_every_reason_is_told() {
        let kinds = EventKind::ALL.iter().map(|kind| kind.as_str());
        let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
        for (wanted, pages) in [
            (kinds.collect::<Vec<_>>(), ["eventos", "en/events"]),
            (reasons.collect(), ["pagos", "en/payments"]),
        ] {
            for page in pages {
                let told: BTreeSet<String> = rows(page).into_iter().map(|(name, _)| name).collect();
                for name in &wanted {
                    assert!(told.contains(*name), "{page}: {name}");
                }
            }
        }
    }

    /// `/docs#operation` and `/docs#Shape`, wherever a page leads there; in English, `/docs?lang=en#…`.
    #[test]
    fn the_reference_has_what_the_guide_leads_to() {
        let guide = Guide::new("https://api.kashio.net", "soporte@kashio.net").unwrap();
        for (language, home, address) in [
            (Language::Es, "href=\"/docs/guide/\"", "href=\"/docs#"),
            (Language::En, "href=\"/docs/guide/en/\"", "href=\"/docs?lang=en#"),
        ] {
            let document = crate::openapi::document("https://api.kashio.net", "soporte@kashio.net", language);
            let reference = super::super::page::render(&document, Words::of(language), "", "", "").unwrap();
            let reference = String::from_utf8(reference).unwrap();
            assert!(reference.contains(home), "the reference leads to the guide");
            for path in guide.paths() {
                let page = String::from_utf8_lossy(&guide.get(path).unwrap().body).into_owned();
                for rest in page.split(address).skip(1) {
                    let anchor = rest.split('"').next().unwrap();
                    assert!(reference.contains(&format!("id=\"{anchor}\"")), "{path}: #{anchor}");
                }
            }
        }
    }

    #[test]
    fn what_the_caller_has_is_not_sent_again() {
        let knows = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(value));
            is_known(&headers, "\"a1\"")
        };
        assert!(knows("\"a1\"") && knows("\"b\", W/\"a1\"") && knows("*"));
        assert!(!knows("\"a2\"") && !knows("a1") && !is_known(&HeaderMap::new(), "\"a1\""));
    }
}
