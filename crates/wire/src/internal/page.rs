//! Lists whose query is read in one way, of the internal API and of events: by id, newest first, with the parameters that all lists have, and filters that are texts.

use std::borrow::Cow;

use domain::field::Wrong;
use domain::invoice::filter::Page as Limits;

use crate::create::nearest;
use crate::json::is_forbidden;
use crate::problem::{Code, Item};

/// Longest text of a filter.
const MAX_TEXT: usize = 200;

/// The query of a list.
pub struct Query {
    /// Objects of a page.
    pub limit: u16,
    given: Vec<(&'static str, String)>,
}

impl Query {
    /// Reads a query; `known` are its parameters beside `limit`.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read<'q>(
        query: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
        known: &'static [&'static str],
    ) -> Result<Query, Vec<Item>> {
        let mut read = Query { limit: Limits::DEFAULT_LIMIT, given: Vec::new() };
        let mut items = Vec::new();
        let names: Vec<&'static str> = ["limit"].iter().chain(known).copied().collect();
        for (name, value) in query.take(64) {
            let Some(name) = names.iter().find(|known| **known == name).copied() else {
                items.push(Item::at(&*name, Code::UnknownParameter { nearest: nearest(&name, &names) }));
                continue;
            };
            if read.given.iter().any(|(given, _)| *given == name) {
                items.push(Item::at(name, Code::DuplicateField));
            } else if value.chars().any(is_forbidden) {
                items.push(Item::at(name, Code::ForbiddenCharacter));
            } else if value.chars().count() > MAX_TEXT {
                items.push(Item::at(name, Code::Wrong(Wrong::TooLong { max: MAX_TEXT })));
            } else {
                read.given.push((name, value.into_owned()));
            }
        }
        if let Some(text) = read.text("limit") {
            match text.parse() {
                Ok(limit @ 1..=Limits::MAX_LIMIT) => read.limit = limit,
                _ => items.push(Item::at("limit", Code::InvalidLimit)),
            }
        }
        if items.is_empty() { Ok(read) } else { Err(items) }
    }

    /// A parameter, when it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// A cursor, which must be an id that `parse` knows.
    ///
    /// # Errors
    /// `invalid_cursor`.
    pub fn cursor<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Vec<Item>> {
        let cursor = self.text(name).map(|text| parse(text).ok_or(vec![Item::at(name, Code::InvalidCursor)]));
        cursor.transpose()
    }
}
