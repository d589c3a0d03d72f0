//! What the search box looks through: each section with its address, its title and its words. The script does the rest;
//! it reads `ó` and `o` alike and finds any part of a word, which stemmers and splitters at hyphens do not.

use serde_json::{Value, json};

use crate::render::Page;

/// The index of a language: `[{u: address, p: page, h: heading, t: text}]`.
pub(crate) fn index<'p>(pages: impl Iterator<Item = (&'p str, &'p Page)>) -> Vec<u8> {
    let sections = pages.flat_map(|(path, page)| {
        page.sections.iter().map(move |section| {
            let url = match section.anchor.as_str() {
                "" => path.to_owned(),
                anchor => format!("{path}#{anchor}"),
            };
            json!({ "u": url, "p": page.title, "h": section.heading, "t": section.text.trim() })
        })
    });
    Value::Array(sections.collect()).to_string().into_bytes()
}
