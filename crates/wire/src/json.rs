//! The strict JSON door: what two readers could understand differently is refused here, all of it
//! in one answer, and every value keeps its text, because money is read from text and metadata is
//! stored as it came.
//!
//! Written by hand because one pass then sees duplicate keys, depth, field paths and raw text
//! together, which serde_json gives only by scanning again at every level.
//!
//! The cast: [`parse`] and [`parse_object`] read, a [`Value`] is what was read, a [`Flaw`] says
//! what is wrong and where, [`canonical`] is the text by which two bodies are compared. The size
//! of a body is not judged here; whoever receives it has bounded it before.
//!
//! Sources: RFC 8259 for the syntax; row "Body" of the API document for what is refused beyond it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// How deep objects and lists may lie in one another; the outermost is at depth 1.
pub const MAX_DEPTH: usize = 16;

/// How many keys a body may hold, all its objects together.
pub const MAX_KEYS: usize = 256;

/// How many flaws one answer names; later ones are left out.
pub const MAX_FLAWS: usize = 32;

/// How many characters of one key a path shows.
const MAX_KEY_SHOWN: usize = 64;

/// The fields whose texts may have several lines, and all that lies below them.
const SEVERAL_LINES: [&str; 4] = ["metadata", "sub_merchant", "description", "instructions"];

/// Reads a body that holds exactly one JSON value.
///
/// # Errors
/// Every flaw of the body, in its order and at most [`MAX_FLAWS`]. What is not JSON is that one
/// flaw alone; beyond [`MAX_DEPTH`] or [`MAX_KEYS`] nothing more is read, so these come last.
pub fn parse(body: &[u8]) -> Result<Value<'_>, Vec<Flaw>> {
    if body.starts_with("\u{FEFF}".as_bytes()) {
        return Err(vec![Flaw::of_body(FlawKind::ByteOrderMark)]);
    }
    let text = str::from_utf8(body).map_err(|fault| {
        let (line, column) = line_and_column(body, fault.valid_up_to());
        vec![Flaw::of_body(FlawKind::NotUtf8 { line, column })]
    })?;
    let mut reader = Reader { text, at: 0, keys: 0, flaws: Vec::new() };
    match reader.document() {
        Ok(value) if reader.flaws.is_empty() => Ok(value),
        Ok(_) | Err(Stop::Limit) => Err(reader.flaws),
        Err(Stop::Syntax) => {
            let (line, column) = line_and_column(body, reader.at);
            Err(vec![Flaw::of_body(FlawKind::Syntax { line, column })])
        }
    }
}

/// Reads a body that holds exactly one JSON object, as every body of the API does.
///
/// # Errors
/// As [`parse`]; another value than an object is [`FlawKind::NotAnObject`].
pub fn parse_object(body: &[u8]) -> Result<Object<'_>, Vec<Flaw>> {
    match parse(body)?.kind {
        Kind::Object(object) => Ok(object),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::Text(_) | Kind::List(_) => {
            Err(vec![Flaw::of_body(FlawKind::NotAnObject)])
        }
    }
}

/// A text that is equal for two values exactly when they are equal as JSON: keys sorted, numbers
/// by value (`15` = `15.00` = `1.5e1`, `-0` = `0`), strings by their characters, no white space.
///
/// `skip` names fields that do not count, in the value itself and in an `invoice` object directly
/// inside it. The text is JSON again. A number whose exponent does not fit 64 bits stays as it was
/// written, so two spellings of such a number differ; equal texts always mean equal values.
pub fn canonical(value: &Value<'_>, skip: &[&str]) -> String {
    let mut out = String::with_capacity(value.raw.len());
    write_value(&mut out, value, skip, skip);
    out
}

/// One JSON value of a body.
#[derive(Debug, Clone)]
pub struct Value<'b> {
    /// Its text exactly as it stood in the body, without the white space around it.
    pub raw: &'b str,
    /// What it is.
    pub kind: Kind<'b>,
}

/// What a [`Value`] is.
#[derive(Debug, Clone)]
pub enum Kind<'b> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number of any size; its text is the value's `raw`, and no float ever touches it.
    Number,
    /// A string, unescaped; borrowed from the body when it held no escape.
    Text(Cow<'b, str>),
    /// A list, in order.
    List(Vec<Value<'b>>),
    /// An object.
    Object(Object<'b>),
}

/// Fields in the order of the body; names are unescaped and unique.
#[derive(Debug, Clone, Default)]
pub struct Object<'b> {
    fields: Vec<(Cow<'b, str>, Value<'b>)>,
}

impl<'b> Object<'b> {
    /// The value of the field of this name.
    pub fn get(&self, name: &str) -> Option<&Value<'b>> {
        self.iter().find_map(|(field, value)| (field == name).then_some(value))
    }

    /// Takes the field of this name out; the others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<Value<'b>> {
        let at = self.fields.iter().position(|(field, _)| field == name)?;
        Some(self.fields.remove(at).1)
    }

    /// Names and values in the order of the body.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'b>)> {
        self.fields.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl<'b> IntoIterator for Object<'b> {
    type Item = (Cow<'b, str>, Value<'b>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

/// One thing wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong.
    pub kind: FlawKind,
    /// Where: `customer.email`, `metadata.list[2].x`; empty when it concerns the whole body. A
    /// key is shown up to 64 characters, with U+FFFD for those a string may not hold.
    pub path: String,
}

impl Flaw {
    fn of_body(kind: FlawKind) -> Self {
        Self { kind, path: String::new() }
    }
}

/// What can be wrong with a body. Lines and columns count from 1, columns in characters; a line
/// ends with `\n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind {
    /// Not JSON, from this character on; the place behind the last one when the body breaks off.
    Syntax {
        /// The line of the fault.
        line: usize,
        /// The column of the fault.
        column: usize,
    },
    /// Not UTF-8, from this place on.
    NotUtf8 {
        /// The line of the fault.
        line: usize,
        /// The column of the fault.
        column: usize,
    },
    /// The body begins with a byte order mark.
    ByteOrderMark,
    /// JSON, but not an object.
    NotAnObject,
    /// An object holds the key twice; `"a"` and `"\u0061"` are the same key.
    DuplicateKey,
    /// A key or a text holds NUL, another C0 control, DEL, a C1 control or a bidi override or
    /// isolate. Tab, line feed and carriage return are free in texts below `metadata`,
    /// `sub_merchant`, `description` and `instructions`.
    ForbiddenCharacter,
    /// A key or a text holds one half of a surrogate pair (`\ud83d`) without the other.
    LoneSurrogate,
    /// An object or a list lies deeper than [`MAX_DEPTH`].
    TooDeep,
    /// The objects of the body hold more than [`MAX_KEYS`] keys.
    TooManyKeys,
}

/// Why reading ends early: at `Reader::at` the body is not JSON, or a limit is passed, whose flaw
/// is then already noted.
enum Stop {
    Syntax,
    Limit,
}

/// Reads the body once, from left to right. `at` is always on the boundary of a character. The
/// recursion is at most [`MAX_DEPTH`] deep.
struct Reader<'b> {
    text: &'b str,
    at: usize,
    keys: usize,
    flaws: Vec<Flaw>,
}

impl<'b> Reader<'b> {
    fn document(&mut self) -> Result<Value<'b>, Stop> {
        self.skip_space();
        let value = self.value(&Place::Top)?;
        self.skip_space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(Stop::Syntax),
        }
    }

    fn value(&mut self, place: &Place<'_>) -> Result<Value<'b>, Stop> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => Kind::Object(self.object(place)?),
            Some(b'[') => Kind::List(self.list(place)?),
            Some(b'"') => Kind::Text(self.text(place)?),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Kind::Number)?,
            Some(b't') => self.word("true").map(|()| Kind::Bool(true))?,
            Some(b'f') => self.word("false").map(|()| Kind::Bool(false))?,
            Some(b'n') => self.word("null").map(|()| Kind::Null)?,
            _ => return Err(Stop::Syntax),
        };
        Ok(Value { raw: self.since(start), kind })
    }

    fn object(&mut self, place: &Place<'_>) -> Result<Object<'b>, Stop> {
        self.open(b'{', place)?;
        let mut object = Object::default();
        if self.eat(b'}') {
            return Ok(object);
        }
        loop {
            let name = self.key(place, &object)?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let value = self.value(&Place::Field(place, &name))?;
            object.fields.push((name, value));
            self.skip_space();
            if self.eat(b'}') {
                return Ok(object);
            }
            self.expect(b',')?;
            self.skip_space();
        }
    }

    fn list(&mut self, place: &Place<'_>) -> Result<Vec<Value<'b>>, Stop> {
        self.open(b'[', place)?;
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(items);
        }
        loop {
            let value = self.value(&Place::Item(place, items.len()))?;
            items.push(value);
            self.skip_space();
            if self.eat(b']') {
                return Ok(items);
            }
            self.expect(b',')?;
            self.skip_space();
        }
    }

    fn open(&mut self, bracket: u8, place: &Place<'_>) -> Result<(), Stop> {
        self.expect(bracket)?;
        if place.depth() > MAX_DEPTH {
            self.note(FlawKind::TooDeep, place);
            return Err(Stop::Limit);
        }
        self.skip_space();
        Ok(())
    }

    /// The next key of `object`. Looking through its earlier keys one by one is quick enough,
    /// because the whole body has at most [`MAX_KEYS`].
    fn key(&mut self, place: &Place<'_>, object: &Object<'b>) -> Result<Cow<'b, str>, Stop> {
        let (name, whole) = self.string()?;
        self.keys += 1;
        if self.keys > MAX_KEYS {
            self.note(FlawKind::TooManyKeys, &Place::Top);
            return Err(Stop::Limit);
        }
        let here = Place::Field(place, &name);
        if !whole {
            self.note(FlawKind::LoneSurrogate, &here);
        } else if object.get(&name).is_some() {
            self.note(FlawKind::DuplicateKey, &here);
        }
        if name.chars().any(is_forbidden) {
            self.note(FlawKind::ForbiddenCharacter, &here);
        }
        Ok(name)
    }

    fn text(&mut self, place: &Place<'_>) -> Result<Cow<'b, str>, Stop> {
        let (text, whole) = self.string()?;
        if !whole {
            self.note(FlawKind::LoneSurrogate, place);
        }
        let is_flaw = |c| is_forbidden(c) && !(is_line_control(c) && place.has_several_lines());
        if text.chars().any(is_flaw) {
            self.note(FlawKind::ForbiddenCharacter, place);
        }
        Ok(text)
    }

    /// A string without its quotes and escapes, and whether every surrogate in it had its other
    /// half; U+FFFD stands for one that had not.
    fn string(&mut self) -> Result<(Cow<'b, str>, bool), Stop> {
        self.expect(b'"')?;
        let mut text = Cow::Borrowed("");
        let mut whole = true;
        loop {
            text += self.run(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1F));
            if self.eat(b'"') {
                return Ok((text, whole));
            }
            self.expect(b'\\')?;
            let unescaped = self.escape()?;
            whole &= unescaped.is_some();
            text.to_mut().push(unescaped.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }

    /// The character of an escape whose backslash is read; `None` for a lone surrogate.
    fn escape(&mut self) -> Result<Option<char>, Stop> {
        let unescaped = match self.peek() {
            Some(b'u') => {
                self.at += 1;
                return self.code_point();
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(Stop::Syntax),
        };
        self.at += 1;
        Ok(Some(unescaped))
    }

    /// Four digits, and four more when they and the next escape are a surrogate pair.
    fn code_point(&mut self) -> Result<Option<char>, Stop> {
        let unit = self.four_digits()?;
        let behind = self.at;
        if matches!(unit, 0xD800..=0xDBFF) && self.eat(b'\\') && self.eat(b'u') {
            let low = self.four_digits()?;
            if matches!(low, 0xDC00..=0xDFFF) {
                let pair = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(pair));
            }
        }
        self.at = behind;
        Ok(char::from_u32(unit))
    }

    fn four_digits(&mut self) -> Result<u32, Stop> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit * 16 + digit.ok_or(Stop::Syntax)?;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), Stop> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Stop> {
        match self.run(|byte| byte.is_ascii_digit()) {
            "" => Err(Stop::Syntax),
            _ => Ok(()),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Stop> {
        word.bytes().try_for_each(|byte| self.expect(byte))
    }

    fn skip_space(&mut self) {
        self.run(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.eat(byte) { Ok(()) } else { Err(Stop::Syntax) }
    }

    /// Steps over this ASCII byte if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Steps over the bytes that `belongs` wants; where it ends must be an ASCII byte.
    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'b str {
        let start = self.at;
        while self.peek().is_some_and(&belongs) {
            self.at += 1;
        }
        self.since(start)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn since(&self, start: usize) -> &'b str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn note(&mut self, kind: FlawKind, place: &Place<'_>) {
        if self.flaws.len() < MAX_FLAWS {
            let path = place.to_string();
            let flaw = Flaw { kind, path };
            if !self.flaws.contains(&flaw) {
                self.flaws.push(flaw);
            }
        }
    }
}

/// Where the reader is, as a chain up to the top that lives on the stack: only a flaw pays for
/// its path.
enum Place<'p> {
    Top,
    Field(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl Place<'_> {
    /// The depth of an object or list that stands here.
    fn depth(&self) -> usize {
        match self {
            Place::Top => 1,
            Place::Field(above, _) | Place::Item(above, _) => above.depth() + 1,
        }
    }

    fn has_several_lines(&self) -> bool {
        match self {
            Place::Top => false,
            Place::Field(above, name) => SEVERAL_LINES.contains(name) || above.has_several_lines(),
            Place::Item(above, _) => above.has_several_lines(),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Top => Ok(()),
            Place::Item(above, index) => write!(f, "{above}[{index}]"),
            Place::Field(above, name) => {
                if !matches!(above, Place::Top) {
                    write!(f, "{above}.")?;
                }
                let mut rest = name.chars();
                for c in rest.by_ref().take(MAX_KEY_SHOWN) {
                    f.write_char(if is_forbidden(c) { char::REPLACEMENT_CHARACTER } else { c })?;
                }
                f.write_str(if rest.next().is_some() { "…" } else { "" })
            }
        }
    }
}

/// Whether a character is refused in every text: C0 controls, DEL and C1 controls; bidi embeddings, overrides
/// and isolates.
pub fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_line_control(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r')
}

fn line_and_column(body: &[u8], at: usize) -> (usize, usize) {
    let before = String::from_utf8_lossy(body.get(..at).unwrap_or(body));
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    (line, last_line.chars().count() + 1)
}

/// `skip` names the fields of this very value that do not count, `skip_in_invoice` those of an
/// `invoice` directly inside it.
fn write_value(out: &mut String, value: &Value<'_>, skip: &[&str], skip_in_invoice: &[&str]) {
    match &value.kind {
        Kind::Null | Kind::Bool(_) => out.push_str(value.raw),
        Kind::Number => write_number(out, value.raw),
        Kind::Text(text) => write_text(out, text),
        Kind::List(items) => {
            let mut before = '[';
            for item in items {
                out.push(before);
                write_value(out, item, &[], &[]);
                before = ',';
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Kind::Object(object) => {
            let mut fields: Vec<_> = object.iter().filter(|(name, _)| !skip.contains(name)).collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            let mut before = '{';
            for (name, value) in &fields {
                out.push(before);
                write_text(out, name);
                out.push(':');
                let skip = if *name == "invoice" { skip_in_invoice } else { &[] };
                write_value(out, value, skip, &[]);
                before = ',';
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// A number as its significant digits and a decimal exponent: `15.00` is `15e0`, `1500` is `15e2`.
fn write_number(out: &mut String, raw: &str) {
    let (sign, size) = match raw.strip_prefix('-') {
        Some(size) => ("-", size),
        None => ("", raw),
    };
    let (mantissa, exponent) = size.split_once(['e', 'E']).unwrap_or((size, "0"));
    let (units, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = Cow::Borrowed(units);
    digits += decimals;
    let unpadded = digits.trim_end_matches('0');
    let significant = unpadded.trim_start_matches('0');
    match exponent.parse::<i64>() {
        _ if significant.is_empty() => out.push('0'),
        Ok(exponent) => {
            let shift = units.len() as i128 - unpadded.len() as i128;
            out.extend([sign, significant, "e"]);
            out.push_str(&(i128::from(exponent) + shift).to_string());
        }
        Err(_) => out.push_str(raw),
    }
}
