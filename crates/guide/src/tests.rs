//! What holds of every page, whatever it says. That its samples run is tried by `.ci/guide`; how it looks, by `.ci/browser`.

use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};
use serde_json::Value;

use super::{Guide, PAGES, ROOT};

const SERVED_AT: &str = "http://127.0.0.1:8080";

fn guide() -> Guide {
    Guide::new(SERVED_AT, "ayuda@kashio.test").unwrap()
}

fn text(guide: &Guide, path: &str) -> String {
    String::from_utf8(guide.get(path).unwrap().body.to_vec()).unwrap()
}

/// The pages, by their paths.
fn pages(guide: &Guide) -> BTreeMap<String, String> {
    let paths = guide.paths().filter(|path| !path.contains('.'));
    paths.map(|path| (path.to_owned(), text(guide, path))).collect()
}

/// The values of an attribute.
fn values<'h>(html: &'h str, attribute: &str) -> Vec<&'h str> {
    let before = format!(" {attribute}=\"");
    html.split(&before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_file_is_a_page_of_both_languages() {
    for (place, language) in ["es", "en"].into_iter().enumerate() {
        let folder = format!("{}/../../docs/api/{language}", env!("CARGO_MANIFEST_DIR"));
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".md", ""))
            .collect();
        let known: BTreeSet<String> = PAGES.iter().map(|page| page[place].name.to_owned()).collect();
        assert_eq!(files, known);
    }
    assert_eq!(pages(&guide()).len(), 2 * PAGES.len());
}

/// The same headings, tables and samples at the same places: a translation that was forgotten shows.
#[test]
fn both_languages_have_the_same_bones() {
    for [es, en] in PAGES {
        assert_eq!(bones(es.text), bones(en.text), "{} and {}", es.name, en.name);
    }
}

fn bones(source: &str) -> Vec<String> {
    let bones = Parser::new_ext(source, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Start(Tag::Heading { level, .. }) => Some(level.to_string()),
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => Some(info.to_string()),
        Event::Start(Tag::TableRow) => Some("row".to_owned()),
        Event::Start(Tag::Item) => Some("item".to_owned()),
        _ => None,
    });
    bones.collect()
}

#[test]
fn every_link_leads_somewhere() {
    let guide = guide();
    let pages = pages(&guide);
    let mut followed = 0;
    for (path, html) in &pages {
        let ids = values(html, "id");
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{path}: an id twice: {ids:?}");
        for link in values(html, "href").into_iter().chain(values(html, "src")) {
            if link.starts_with("data:")
                || ["/docs", "/docs?lang=en", "/openapi.json", "mailto:ayuda@kashio.test"].contains(&link)
            {
                continue;
            }
            let (to, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = match to {
                "" => path.as_str(),
                to => to.strip_prefix(ROOT).unwrap_or_else(|| panic!("{path}: {link}")).trim_matches('/'),
            };
            assert!(guide.get(to).is_some(), "{path}: {link}");
            if !anchor.is_empty() {
                assert!(values(&pages[to], "id").contains(&anchor), "{path}: {link}");
            }
            followed += 1;
        }
    }
    assert!(followed > 500, "{followed}");
}

#[test]
fn pages_bring_nothing_inline_and_nothing_from_elsewhere() {
    for (path, html) in pages(&guide()) {
        for forbidden in [" style=\"", "<style", "<script>", " onclick", "src=\"http", "<img", "<iframe"] {
            assert!(!html.contains(forbidden), "{path}: {forbidden}");
        }
        assert!(html.contains("<script src=\"/docs/guide/guide.js\"></script>"));
        assert!(html.len() < 200_000, "{path}: {} bytes", html.len());
    }
}

#[test]
fn samples_name_the_server_that_serves_them() {
    for (path, html) in pages(&guide()) {
        assert!(!html.contains("api.kashio.net") && !html.contains("soporte@kashio.net"), "{path}");
    }
    assert!(text(&guide(), "").contains(&format!("{SERVED_AT}/v1/payments/invoices")));
}

#[test]
fn each_page_leads_to_its_translation() {
    let guide = guide();
    assert!(text(&guide, "").contains("<html lang=\"es-PE\">"));
    assert!(text(&guide, "en").contains("<html lang=\"en\">"));
    assert!(
        text(&guide, "errores")
            .contains("<link rel=\"alternate\" hreflang=\"en\" href=\"/docs/guide/en/errors\">")
    );
    assert!(
        text(&guide, "en/errors")
            .contains("<link rel=\"alternate\" hreflang=\"es-PE\" href=\"/docs/guide/errores\">")
    );
}

#[test]
fn neighbouring_samples_are_tabs_and_others_are_not() {
    let html = text(&guide(), "webhooks");
    let verification = html.split("id=\"verificar-la-firma\"").nth(1).unwrap();
    let tabs = verification.split("<div class=\"samples\">").nth(1).unwrap().split("<figure").next().unwrap();
    let tabs = tabs.split("class=\"row").next().unwrap();
    assert_eq!(values(tabs, "data-language"), ["shell", "javascript", "python"]);
    assert!(html.contains("<figcaption class=\"name\">Respuesta · 201</figcaption>"));
}

#[test]
fn what_people_look_for_is_in_the_index() {
    let guide = guide();
    for (path, words) in [
        (
            "search.json",
            ["ktin", "expiración", "webhook-signature", "Idempotency-Key", "invoice_id_conflict"],
        ),
        (
            "en/search.json",
            ["ktin", "expiration", "webhook-signature", "Idempotency-Key", "invoice_id_conflict"],
        ),
    ] {
        let index: Vec<Value> = serde_json::from_str(&text(&guide, path)).unwrap();
        for word in words {
            let has = |section: &Value| {
                ["p", "h", "t"].iter().any(|name| section[name].as_str().unwrap().contains(word))
            };
            assert!(index.iter().any(has), "{path}: {word}");
        }
        for section in index {
            let to = section["u"].as_str().unwrap().split('#').next().unwrap();
            assert!(guide.get(to.strip_prefix(ROOT).unwrap()).is_some(), "{to}");
        }
    }
}

#[test]
fn the_same_bytes_have_the_same_validator() {
    let (one, other) = (guide(), guide());
    for path in one.paths() {
        assert_eq!(one.get(path).unwrap().etag, other.get(path).unwrap().etag);
    }
    assert_ne!(one.get("errores").unwrap().etag, one.get("en/errors").unwrap().etag);
    assert!(one.get("no-hay").is_none());
    assert!(String::from_utf8_lossy(&one.missing("en/none").body).contains("There is no such page"));
}
