//! Reading the fields of a body one by one: each by its name and type, all faults noted, and what nobody asked for
//! is unknown. For bodies whose names have no aliases; an invoice has, and its readers are its own.

use crate::create::nearest;
use crate::json::{Kind, Object, Value};
use crate::problem::{Code, Item};
use domain::field::Wrong;

/// What `null` means for a field that can not be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Null {
    /// The same as absent: a new object.
    Absent,
    /// A fault: a change.
    Fault,
}

/// What a body says of a field that can be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Given<T> {
    /// Nothing.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A value.
    Value(T),
}

impl<T> Given<T> {
    /// What stands there afterwards.
    pub(crate) fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Given::Absent => before,
            Given::Null => None,
            Given::Value(value) => Some(value),
        }
    }
}

/// The fields of an object.
pub(crate) struct Fields<'b> {
    rest: Object<'b>,
    path: String,
    null: Null,
    asked: Vec<&'static str>,
    items: Vec<Item>,
}

impl<'b> Fields<'b> {
    /// Those of a body.
    pub(crate) fn of(body: Object<'b>, null: Null) -> Fields<'b> {
        Fields { rest: body, path: String::new(), null, asked: Vec::new(), items: Vec::new() }
    }

    fn param(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    pub(crate) fn fault(&mut self, name: &str, code: Code) {
        let param = self.param(name);
        self.items.push(Item::at(param, code));
    }

    /// A field that can be removed. `read` understands its value.
    pub(crate) fn nullable<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value<'b>) -> Result<T, Code>,
    ) -> Given<T> {
        self.asked.push(name);
        let Some(value) = self.rest.remove(name) else { return Given::Absent };
        if matches!(value.kind, Kind::Null) {
            return Given::Null;
        }
        match read(value) {
            Ok(value) => Given::Value(value),
            Err(code) => {
                self.fault(name, code);
                Given::Absent
            }
        }
    }

    /// A field that has a value or is not there.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value<'b>) -> Result<T, Code>,
    ) -> Option<T> {
        let given = self.nullable(name, read);
        self.not_null(name, given)
    }

    /// What was given, where a new object takes `null` for absent and a change refuses it.
    pub(crate) fn not_null<T>(&mut self, name: &'static str, given: Given<T>) -> Option<T> {
        if matches!(given, Given::Null) && self.null == Null::Fault {
            self.fault(name, Code::Wrong(Wrong::Type));
        }
        given.over(None)
    }

    /// A field that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value<'b>) -> Result<T, Code>,
    ) -> Option<T> {
        let faults = self.items.len();
        let value = self.optional(name, read);
        if value.is_none() && self.items.len() == faults {
            self.fault(name, Code::Wrong(Wrong::Missing));
        }
        value
    }

    /// An object inside, whose fields `read` takes; `nullable` as the field itself may be.
    pub(crate) fn inner<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'b>) -> Option<T>,
    ) -> Given<T> {
        match self.nullable(name, object) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(fields) => {
                let mut inner = self.below(&format!("{name}."), fields);
                let value = read(&mut inner);
                self.items.extend(inner.leftovers());
                value.map_or(Given::Absent, Given::Value)
            }
        }
    }

    /// A list of objects inside.
    pub(crate) fn each<T>(
        &mut self,
        name: &'static str,
        max: usize,
        mut read: impl FnMut(&mut Fields<'b>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let values = self.optional(name, |value| match value.kind {
            Kind::List(values) if values.len() > max => Err(Code::Wrong(Wrong::TooLong { max })),
            Kind::List(values) => Ok(values),
            _ => Err(Code::Wrong(Wrong::Type)),
        })?;
        let mut all = Vec::with_capacity(values.len());
        for (place, value) in values.into_iter().enumerate() {
            match object(value) {
                Ok(fields) => {
                    let mut inner = self.below(&format!("{name}.{place}."), fields);
                    all.extend(read(&mut inner));
                    self.items.extend(inner.leftovers());
                }
                Err(code) => self.fault(&format!("{name}.{place}"), code),
            }
        }
        Some(all)
    }

    fn below(&self, name: &str, rest: Object<'b>) -> Fields<'b> {
        // What is inside is given whole, also where the field itself is changed.
        Fields { rest, path: self.param(name), null: Null::Absent, asked: Vec::new(), items: Vec::new() }
    }

    /// The fields that stand there and were not asked for, taken out.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value<'b>> {
        self.asked.push(name);
        self.rest.remove(name)
    }

    fn leftovers(self) -> Vec<Item> {
        let Fields { rest, path, asked, mut items, .. } = self;
        for (name, _) in rest {
            let nearest = nearest(&name, &asked);
            items.push(Item::at(format!("{path}{name}"), Code::UnknownField { nearest }));
        }
        items
    }

    /// Every fault of the body, unless there is none.
    pub(crate) fn finish(self) -> Result<(), Vec<Item>> {
        let items = self.leftovers();
        if items.is_empty() { Ok(()) } else { Err(items) }
    }
}

/// A text.
pub(crate) fn text(value: Value<'_>) -> Result<String, Code> {
    match value.kind {
        Kind::Text(text) => Ok(text.into_owned()),
        _ => Err(Code::Wrong(Wrong::Type)),
    }
}

/// A text of `min` to `max` characters.
pub(crate) fn text_of(min: usize, max: usize) -> impl FnOnce(Value<'_>) -> Result<String, Code> {
    move |value| {
        let text = text(value)?;
        match text.chars().count() {
            length if length < min => Err(Code::Wrong(Wrong::TooShort { min })),
            length if length > max => Err(Code::Wrong(Wrong::TooLong { max })),
            _ => Ok(text),
        }
    }
}

/// `true` or `false`.
pub(crate) fn truth(value: Value<'_>) -> Result<bool, Code> {
    match value.kind {
        Kind::Bool(truth) => Ok(truth),
        _ => Err(Code::Wrong(Wrong::Type)),
    }
}

/// A whole number of a range, written as a number.
pub(crate) fn whole(min: i64, max: i64) -> impl FnOnce(Value<'_>) -> Result<i64, Code> {
    move |value| match value.kind {
        Kind::Number => {
            let number = value.raw.parse::<i64>().ok().filter(|number| (min..=max).contains(number));
            number.ok_or(Code::OutOfRange { min, max })
        }
        _ => Err(Code::Wrong(Wrong::Type)),
    }
}

/// A list of texts, each understood by `read`.
pub(crate) fn texts<T>(
    max: usize,
    read: impl Fn(&str) -> Result<T, Code>,
) -> impl FnOnce(Value<'_>) -> Result<Vec<T>, Code> {
    move |value| match value.kind {
        Kind::List(values) if values.len() > max => Err(Code::Wrong(Wrong::TooLong { max })),
        Kind::List(values) => values.into_iter().map(|value| read(&text(value)?)).collect(),
        _ => Err(Code::Wrong(Wrong::Type)),
    }
}

/// The same moment as everywhere in the API.
pub(crate) fn moment(value: Value<'_>) -> Result<domain::time::Moment, Code> {
    domain::time::Moment::parse(&text(value)?).map_err(Code::Wrong)
}

fn object(value: Value<'_>) -> Result<Object<'_>, Code> {
    match value.kind {
        Kind::Object(fields) => Ok(fields),
        _ => Err(Code::NotAnObject),
    }
}
