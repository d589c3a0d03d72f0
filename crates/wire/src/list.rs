//! Lists: what a query asks for, and how a page goes out.

use std::borrow::Cow;

use domain::account::Mode;
use domain::field::Wrong;
use domain::id::InvoiceId;
use domain::invoice::filter::{Filter, Page, Span};
use domain::invoice::table::State;
use domain::ktin::Ktin;
use domain::money::Currency;
use domain::reference::Reference;
use domain::time::{LimaDay, Moment};

use crate::create::nearest;
use crate::json::{MAX_FLAWS, is_forbidden};
use crate::problem::{Code, Item};

/// Every parameter of `GET /invoices`.
pub const PARAMETERS: &[&str] = &[
    "limit",
    "starting_after",
    "start",
    "ending_before",
    "end",
    "date",
    "status",
    "invoice_id",
    "ktin",
    "currency",
    "customer.document_id",
    "created[gte]",
    "created[gt]",
    "created[lte]",
    "created[lt]",
    "paid[gte]",
    "paid[gt]",
    "paid[lte]",
    "paid[lt]",
];

/// Longest text that a filter is given.
const MAX_TEXT: usize = 200;

/// A list request, understood.
#[derive(Clone, PartialEq, Eq)]
pub struct ListInvoices {
    /// Which.
    pub filter: Filter,
    /// Which part of them.
    pub page: Page,
}

/// Reads the parameters of a query, decoded; `day` is the date of the path, when it has one.
///
/// # Errors
/// Every fault at once; names and texts are looked at until there are [`MAX_FLAWS`].
pub fn read<'q>(
    query: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
    day: Option<&str>,
    mode: Mode,
) -> Result<ListInvoices, Vec<Item>> {
    let mut parameters = Parameters { given: Vec::new(), items: Vec::new() };
    for (name, value) in query {
        parameters.take(&name, value.into_owned());
    }
    let limit = parameters.parse("limit", parse_limit).unwrap_or(Page::DEFAULT_LIMIT);
    let cursor = |text: &str| InvoiceId::parse(text, mode).ok_or(Code::InvalidCursor);
    let after = parameters.either("starting_after", "start", cursor);
    let before = parameters.either("ending_before", "end", cursor);
    let mut created = Span::default();
    if let Some(day) = day {
        match LimaDay::parse(day) {
            Ok(day) => created = Span::day(day),
            Err(_) => parameters.items.push(Item::at("date", Code::Wrong(Wrong::Date))),
        }
    }
    if let Some(day) =
        parameters.parse("date", |text| LimaDay::parse(text).map_err(|_| Code::Wrong(Wrong::Date)))
    {
        created = created.and(Span::day(day));
    }
    let filter = Filter {
        created: created.and(parameters.span(["created[gte]", "created[gt]", "created[lte]", "created[lt]"])),
        paid: parameters.span(["paid[gte]", "paid[gt]", "paid[lte]", "paid[lt]"]),
        states: parameters.parse("status", parse_states),
        reference: parameters
            .parse("invoice_id", |text| Reference::parse(text.to_owned()).map_err(Code::Wrong)),
        ktin: parameters.parse("ktin", |text| Ktin::parse(text).ok_or(Code::InvalidKtin)),
        currency: parameters.parse("currency", |text| Currency::parse(text).map_err(Code::Wrong)),
        document_id: parameters.parse("customer.document_id", |text| Ok(text.to_owned())),
    };
    if parameters.items.is_empty() {
        Ok(ListInvoices { filter, page: Page { limit, after, before } })
    } else {
        Err(parameters.items)
    }
}

struct Parameters {
    given: Vec<(&'static str, String)>,
    items: Vec<Item>,
}

impl Parameters {
    fn take(&mut self, name: &str, value: String) {
        // A URL has room for thousands of unknown parameters; the first few faults say enough.
        if self.items.len() >= MAX_FLAWS {
            return;
        }
        let Some(known) = PARAMETERS.iter().find(|known| **known == name) else {
            self.items.push(Item::at(name, Code::UnknownParameter { nearest: nearest(name, PARAMETERS) }));
            return;
        };
        if self.given.iter().any(|(given, _)| given == known) {
            self.items.push(Item::at(known, Code::DuplicateField));
        } else if value.chars().any(is_forbidden) {
            self.items.push(Item::at(known, Code::ForbiddenCharacter));
        } else if value.chars().count() > MAX_TEXT {
            self.items.push(Item::at(known, Code::Wrong(Wrong::TooLong { max: MAX_TEXT })));
        } else {
            self.given.push((known, value));
        }
    }

    fn parse<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Code>) -> Option<T> {
        let (known, value) = self.given.iter().find(|(given, _)| *given == name)?;
        match parse(value) {
            Ok(value) => Some(value),
            Err(code) => {
                self.items.push(Item::at(known, code));
                None
            }
        }
    }

    /// A parameter or its alias; both, when they agree.
    fn either<T: PartialEq>(
        &mut self,
        name: &'static str,
        alias: &'static str,
        parse: impl Fn(&str) -> Result<T, Code>,
    ) -> Option<T> {
        let (one, other) = (self.parse(name, &parse), self.parse(alias, &parse));
        if let (Some(one), Some(other)) = (&one, &other)
            && one != other
        {
            self.items.push(Item::at(alias, Code::ConflictingFields { other: name.to_owned() }));
        }
        one.or(other)
    }

    fn span(&mut self, [gte, gt, lte, lt]: [&str; 4]) -> Span {
        let moment = |text: &str| Moment::parse(text).map_err(Code::Wrong);
        let from = |from| Span { from, until: None };
        let until = |until| Span { from: None, until };
        let next = |moment: Moment| moment.plus_seconds(1);
        from(self.parse(gte, moment))
            .and(from(self.parse(gt, moment).map(next)))
            .and(until(self.parse(lte, moment).map(next)))
            .and(until(self.parse(lt, moment)))
    }
}

fn parse_limit(text: &str) -> Result<u16, Code> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(limit @ 1..=Page::MAX_LIMIT) if plain => Ok(limit),
        _ => Err(Code::InvalidLimit),
    }
}

/// States in the spelling of any version and in any case, separated by commas.
fn parse_states(text: &str) -> Result<Vec<State>, Code> {
    let mut states = Vec::new();
    for name in text.split(',') {
        let lower = name.trim().to_ascii_lowercase();
        let lower = if lower == "new" { "pending" } else { &lower };
        let state = State::parse(lower).ok_or(Code::InvalidStatus)?;
        if !states.contains(&state) {
            states.push(state);
        }
    }
    Ok(states)
}

/// A page as `{"object":"list", …}`, from objects that are rendered already.
pub fn render(objects: &[Vec<u8>], has_more: bool) -> Vec<u8> {
    render_each(objects, has_more, |page, object| page.extend_from_slice(object))
}

/// The same, from items that `write` renders at the page's end.
pub fn render_each<T>(items: &[T], has_more: bool, write: impl Fn(&mut Vec<u8>, &T)) -> Vec<u8> {
    let mut page = page_for(items);
    page.extend_from_slice(format!(r#"{{"object":"list","has_more":{has_more},"data":"#).as_bytes());
    push_array(&mut page, items, write);
    page.push(b'}');
    page
}

/// A page as the seed showed it: a bare array.
pub fn render_bare<T>(items: &[T], write: impl Fn(&mut Vec<u8>, &T)) -> Vec<u8> {
    let mut page = page_for(items);
    push_array(&mut page, items, write);
    page
}

/// Room for so many, and for what is around them.
fn page_for<T>(items: &[T]) -> Vec<u8> {
    Vec::with_capacity(64 + items.len() * crate::invoice::USUAL_SIZE)
}

fn push_array<T>(page: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    page.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            page.push(b',');
        }
        write(page, item);
    }
    page.push(b']');
}
