//! `GET /events`: what a query asks for.

use std::borrow::Cow;

use domain::account::Mode;
use domain::event::EventKind;
use domain::field::Wrong;
use domain::id::{EventId, InvoiceId};
use domain::invoice::filter::Span;
use domain::time::{LimaDay, Moment};

use crate::internal::page::Query;
use crate::problem::{Code, Item};

/// Every parameter of `GET /events`, beside `limit`.
pub const PARAMETERS: &[&str] = &[
    "starting_after",
    "start",
    "ending_before",
    "end",
    "date",
    "status",
    "type",
    "invoice",
    "after",
    "wait",
];

/// Longest wait, in seconds.
const MAX_WAIT: u64 = 30;

/// A list request, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListEvents {
    /// When they happened.
    pub created: Span,
    /// Their statuses, as words of the API.
    pub statuses: Option<Vec<String>>,
    /// Their kinds.
    pub kinds: Option<Vec<EventKind>>,
    /// Of one invoice.
    pub invoice: Option<InvoiceId>,
    /// Newest first: older than this.
    pub starting_after: Option<EventId>,
    /// Newer than this.
    pub ending_before: Option<EventId>,
    /// In the order of the feed: what follows this number.
    pub after: Option<i64>,
    /// How long to wait for something, in seconds.
    pub wait: u64,
    /// Events of a page.
    pub limit: u16,
}

/// Reads the parameters of a query, decoded. `statuses` are the words that there are.
///
/// # Errors
/// Every fault at once.
pub fn read<'q>(
    query: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
    mode: Mode,
    statuses: &[&str],
) -> Result<ListEvents, Vec<Item>> {
    let query = Query::read(query, PARAMETERS)?;
    let mut items = Vec::new();
    let mut parse = Parse { query: &query, items: &mut items };
    let cursor = |text: &str| EventId::parse(text, mode).ok_or(Code::InvalidCursor);
    let day = parse.one("date", |text| LimaDay::parse(text).map_err(|_| Code::Wrong(Wrong::Date)));
    let list = ListEvents {
        created: day.map(Span::day).unwrap_or_default(),
        statuses: parse.one("status", |text| {
            words(text, |word| {
                let known = statuses.iter().find(|known| known.eq_ignore_ascii_case(word));
                known.map(|known| (*known).to_owned()).ok_or(Code::InvalidStatus)
            })
        }),
        kinds: parse
            .one("type", |text| words(text, |word| EventKind::parse(word).ok_or(Code::InvalidEventType))),
        invoice: parse.one("invoice", |text| InvoiceId::parse(text, mode).ok_or(Code::InvalidCursor)),
        starting_after: parse.either("starting_after", "start", cursor),
        ending_before: parse.either("ending_before", "end", cursor),
        after: parse.one("after", |text| number(text, i64::MAX)),
        wait: parse
            .one("wait", |text| number(text, MAX_WAIT as i64))
            .and_then(|seconds| u64::try_from(seconds).ok())
            .unwrap_or(0),
        limit: query.limit,
    };
    if list.after.is_some() && (list.starting_after.is_some() || list.ending_before.is_some()) {
        items.push(Item::at("after", Code::ConflictingFields { other: "starting_after".to_owned() }));
    }
    if list.wait > 0 && list.after.is_none() {
        items.push(Item::at("after", Code::Wrong(Wrong::Missing)));
    }
    if items.is_empty() { Ok(list) } else { Err(items) }
}

/// The parameters of a list, each understood once, all faults noted.
pub(crate) struct Parse<'p> {
    pub(crate) query: &'p Query,
    pub(crate) items: &'p mut Vec<Item>,
}

impl Parse<'_> {
    pub(crate) fn one<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, Code>,
    ) -> Option<T> {
        match parse(self.query.text(name)?) {
            Ok(value) => Some(value),
            Err(code) => {
                self.items.push(Item::at(name, code));
                None
            }
        }
    }

    pub(crate) fn either<T: PartialEq>(
        &mut self,
        name: &'static str,
        alias: &'static str,
        parse: impl Fn(&str) -> Result<T, Code>,
    ) -> Option<T> {
        let (one, other) = (self.one(name, &parse), self.one(alias, &parse));
        if let (Some(one), Some(other)) = (&one, &other)
            && one != other
        {
            self.items.push(Item::at(alias, Code::ConflictingFields { other: name.to_owned() }));
        }
        one.or(other)
    }

    /// A span of time, by its four ends.
    pub(crate) fn span(&mut self, [gte, gt, lte, lt]: [&'static str; 4]) -> Span {
        let moment = |text: &str| Moment::parse(text).map_err(Code::Wrong);
        let from = |from| Span { from, until: None };
        let until = |until| Span { from: None, until };
        let next = |moment: Moment| moment.plus_seconds(1);
        from(self.one(gte, moment))
            .and(from(self.one(gt, moment).map(next)))
            .and(until(self.one(lte, moment).map(next)))
            .and(until(self.one(lt, moment)))
    }
}

pub(crate) fn words<T: PartialEq>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, Code>,
) -> Result<Vec<T>, Code> {
    let mut all = Vec::new();
    for word in text.split(',') {
        let value = parse(word.trim())?;
        if !all.contains(&value) {
            all.push(value);
        }
    }
    Ok(all)
}

fn number(text: &str, max: i64) -> Result<i64, Code> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<i64>().ok().filter(|number| plain && *number <= max);
    number.ok_or(Code::OutOfRange { min: 0, max })
}
