//! The developers' guide, in Spanish and English: the Markdown of `docs/api`, compiled in, as the pages of `/docs/guide/`.
//!
//! * [`Guide`] — all of it, made once for the address that it is served at: pages, style, script, search index.
//! * `render` — a page: text in the middle, code beside it in tabs, headings that can be linked to.
//! * `highlight` — the colours of code.
//! * `search` — what the search box looks through.
//!
//! To add a page: a file in `docs/api/es`, one in `docs/api/en`, a line in `pages!`. Everything the guide says of samples
//! (`docs/api/README.md`) is executed by `.ci/guide`.

mod highlight;
mod render;
mod search;

use std::collections::BTreeMap;

use askama::Template;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use render::{Heading, Piece, Row};

/// Where the guide is served. Its links are absolute, so that `/docs/guide` and `/docs/guide/` are the same page.
pub const ROOT: &str = "/docs/guide";

/// The address and the mailbox that the sources name; each server puts its own in their place.
const PRINTED_URL: &str = "https://api.kashio.net";
const PRINTED_SUPPORT: &str = "soporte@kashio.net";

const STYLE: &str = include_str!("../templates/guide.css");
const SCRIPT: &str = include_str!("../templates/guide.js");

/// A page in one of its languages.
struct Source {
    name: &'static str,
    text: &'static str,
}

/// The pages in their order, each with its translation. The first of them is the front page.
macro_rules! pages {
    ($($es:literal = $en:literal,)*) => {
        &[$([
            Source { name: $es, text: include_str!(concat!("../../../docs/api/es/", $es, ".md")) },
            Source { name: $en, text: include_str!(concat!("../../../docs/api/en/", $en, ".md")) },
        ],)*]
    };
}

const PAGES: &[[Source; 2]] = pages! {
    "01-introduccion" = "01-introduction",
    "02-autenticacion" = "02-authentication",
    "03-prueba-y-real" = "03-test-and-live",
    "04-ordenes-de-pago" = "04-invoices",
    "05-pagos" = "05-payments",
    "06-paginacion" = "06-pagination",
    "07-exactamente-una-vez" = "07-exactly-once",
    "08-eventos" = "08-events",
    "09-webhooks" = "09-webhooks",
    "10-errores" = "10-errors",
    "11-versiones" = "11-versions",
};

/// The words around a page.
struct Language {
    tag: &'static str,
    name: &'static str,
    prefix: &'static str,
    place: usize,
    guide: &'static str,
    front: &'static str,
    contents: &'static str,
    reference: &'static str,
    reference_path: &'static str,
    search: &'static str,
    found_none: &'static str,
    found_some: &'static str,
    answer: &'static str,
    excerpt: &'static str,
    copy: &'static str,
    copied: &'static str,
    languages: &'static str,
    light_or_dark: &'static str,
    skip: &'static str,
    before: &'static str,
    after: &'static str,
    missing: &'static str,
    missing_why: &'static str,
    home: &'static str,
    help: &'static str,
    help_with: &'static str,
    note: &'static str,
}

const LANGUAGES: [Language; 2] = [
    Language {
        tag: "es-PE",
        name: "Español",
        prefix: ROOT,
        place: 0,
        guide: "Guía",
        front: "Introducción",
        contents: "Contenido",
        reference: "Referencia",
        reference_path: "/docs",
        search: "Buscar en la guía",
        found_none: "Nada con esas palabras",
        found_some: "resultados",
        answer: "Respuesta",
        excerpt: "extracto",
        copy: "Copiar",
        copied: "Copiado",
        languages: "Lenguaje de los ejemplos",
        light_or_dark: "Claro u oscuro",
        skip: "Ir al contenido",
        before: "Anterior",
        after: "Siguiente",
        missing: "Esta página no existe",
        missing_why: "Puede que la dirección haya cambiado. El menú y el buscador llevan a todo lo que hay.",
        home: "Ir al inicio de la guía",
        help: "¿Algo no queda claro? Escriba a",
        help_with: "con el Request-Id de la respuesta.",
        note: "Nota",
    },
    Language {
        tag: "en",
        name: "English",
        prefix: "/docs/guide/en",
        place: 1,
        guide: "Guide",
        front: "Introduction",
        contents: "Contents",
        reference: "Reference",
        reference_path: "/docs?lang=en",
        search: "Search the guide",
        found_none: "Nothing with these words",
        found_some: "results",
        answer: "Answer",
        excerpt: "excerpt",
        copy: "Copy",
        copied: "Copied",
        languages: "Language of the samples",
        light_or_dark: "Light or dark",
        skip: "Skip to content",
        before: "Previous",
        after: "Next",
        missing: "There is no such page",
        missing_why: "Its address may have changed. The menu and the search lead to everything there is.",
        home: "To the guide's front page",
        help: "Is something not clear? Write to",
        help_with: "with the Request-Id of the answer.",
        note: "Note",
    },
];

/// Where a page is served: the number before its name gives its order, and the first page has no name of its own.
fn path_of(language: &Language, name: &str) -> String {
    match name.split_once('-') {
        Some(("01", _)) | None => format!("{}/", language.prefix),
        Some((_, slug)) => format!("{}/{slug}", language.prefix),
    }
}

/// Something that is served.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Bytes,
    /// A strong validator: the same for the same bytes, on every server. With its quotes.
    pub etag: String,
}

impl Document {
    fn new(content_type: &'static str, body: impl Into<Bytes>) -> Document {
        let body = body.into();
        let digest = Sha256::digest(&body);
        let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Document { content_type, body, etag: format!("\"{hex}\"") }
    }
}

/// The guide as one server tells it.
#[derive(Debug)]
pub struct Guide {
    documents: BTreeMap<String, Document>,
    missing: [Document; 2],
}

#[derive(Template)]
#[template(path = "page.html")]
struct PageTemplate<'a> {
    words: &'a Language,
    other: &'a Language,
    other_path: &'a str,
    path: &'a str,
    support: &'a str,
    title: &'a str,
    lead: &'a str,
    is_front: bool,
    rows: &'a [Row],
    menu: &'a [MenuItem<'a>],
    before: Option<&'a MenuItem<'a>>,
    after: Option<&'a MenuItem<'a>>,
}

struct MenuItem<'a> {
    path: &'a str,
    title: &'a str,
    is_here: bool,
    headings: Vec<&'a Heading>,
}

impl Guide {
    /// Makes the guide of a server that merchants reach at `public_url`, without a slash at its end.
    ///
    /// # Errors
    /// When a template can not be filled in.
    pub fn new(public_url: &str, support: &str) -> askama::Result<Guide> {
        let mut documents = BTreeMap::from([
            ("guide.css".to_owned(), Document::new("text/css; charset=utf-8", STYLE)),
            ("guide.js".to_owned(), Document::new("text/javascript; charset=utf-8", SCRIPT)),
        ]);
        let [es, en] = &LANGUAGES;
        let missing = [
            add_edition(&mut documents, es, public_url, support)?,
            add_edition(&mut documents, en, public_url, support)?,
        ];
        Ok(Guide { documents, missing })
    }

    /// What is served at a path below [`ROOT`], with or without slashes around it.
    pub fn get(&self, path: &str) -> Option<&Document> {
        self.documents.get(path.trim_matches('/'))
    }

    /// The page for a path at which there is none, in the language that the path begins with.
    pub fn missing(&self, path: &str) -> &Document {
        let is_english = path.trim_matches('/').split('/').next() == Some("en");
        &self.missing[usize::from(is_english)]
    }

    /// Every path below [`ROOT`] that there is, without slashes around it.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.documents.keys().map(String::as_str)
    }
}

const HTML: &str = "text/html; charset=utf-8";

fn key(path: &str) -> &str {
    path.strip_prefix(ROOT).unwrap_or(path).trim_matches('/')
}

/// Adds the pages of a language and its search index; gives the page for what is not there.
fn add_edition(
    documents: &mut BTreeMap<String, Document>,
    language: &Language,
    public_url: &str,
    support: &str,
) -> askama::Result<Document> {
    let other = &LANGUAGES[1 - language.place];
    let mut pages = Vec::with_capacity(PAGES.len());
    for page in PAGES {
        let Source { name, text } = &page[language.place];
        let text = text.replace(PRINTED_URL, public_url).replace(PRINTED_SUPPORT, support);
        pages.push((path_of(language, name), render::page(language, name, &text)));
    }
    for (place, (path, page)) in pages.iter().enumerate() {
        let other_path = path_of(other, PAGES[place][other.place].name);
        let html = around(language, &pages, Some(place), path, &other_path, support, page)?;
        documents.insert(key(path).to_owned(), Document::new(HTML, html));
    }
    let index = search::index(pages.iter().map(|(path, page)| (path.as_str(), page)));
    let path = format!("{}/search.json", language.prefix);
    documents.insert(key(&path).to_owned(), Document::new("application/json", index));
    let nowhere = render::Page::missing(language);
    let html = around(language, &pages, None, language.prefix, other.prefix, support, &nowhere)?;
    Ok(Document::new(HTML, html))
}

/// The page with everything around it; `place` is where it stands among the pages, if it does.
fn around(
    words: &Language,
    pages: &[(String, render::Page)],
    place: Option<usize>,
    path: &str,
    other_path: &str,
    support: &str,
    page: &render::Page,
) -> askama::Result<String> {
    let menu: Vec<MenuItem<'_>> = pages
        .iter()
        .enumerate()
        .map(|(index, (path, page))| {
            let is_here = place == Some(index);
            let headings = page.headings.iter().filter(|heading| is_here && heading.level == 2).collect();
            let title = if index == 0 { words.front } else { &page.title };
            MenuItem { path, title, is_here, headings }
        })
        .collect();
    let template = PageTemplate {
        words,
        other: &LANGUAGES[1 - words.place],
        other_path,
        path,
        support,
        title: &page.title,
        lead: &page.lead,
        is_front: place == Some(0),
        rows: &page.rows,
        before: place.and_then(|place| menu.get(place.checked_sub(1)?)),
        after: place.and_then(|place| menu.get(place + 1)),
        menu: &menu,
    };
    template.render()
}

#[cfg(test)]
mod tests;
