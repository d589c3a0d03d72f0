//! A JSON object written field by field, for what goes out most: an invoice is a part of nearly every answer and event.
//! serde looks for characters to escape in each name, and one by one in each text; it takes twice as long.

use std::fmt::Display;
use std::io::Write as _;

use serde::Serialize;

/// Writes an object at the end of some bytes.
pub(crate) struct Object<'b> {
    bytes: &'b mut Vec<u8>,
    before: u8,
}

impl<'b> Object<'b> {
    pub(crate) const fn begin(bytes: &'b mut Vec<u8>) -> Object<'b> {
        Object { bytes, before: b'{' }
    }

    pub(crate) fn end(self) {
        // Without a field nothing was written yet.
        self.bytes.extend_from_slice(if self.before == b'{' { b"{}" } else { b"}" });
    }

    fn name(&mut self, name: &'static str) {
        self.bytes.extend_from_slice(&[self.before, b'"']);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"\":");
        self.before = b',';
    }

    pub(crate) fn text(&mut self, name: &'static str, text: &str) {
        // RFC 8259, section 7. Few texts have any of them.
        if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            return self.json(name, text);
        }
        self.name(name);
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(b'"');
    }

    /// As a text: what is shown by digits, letters and signs that need no escape.
    pub(crate) fn shown(&mut self, name: &'static str, value: impl Display) {
        self.name(name);
        self.bytes.push(b'"');
        // A vector takes whatever is written.
        let _ = write!(self.bytes, "{value}");
        self.bytes.push(b'"');
    }

    /// What is JSON as it is shown: a number, `true`, an object that came as text.
    pub(crate) fn bare(&mut self, name: &'static str, value: impl Display) {
        self.name(name);
        let _ = write!(self.bytes, "{value}");
    }

    /// Anything else. Its keys are texts and its values plain: nothing in it can fail.
    pub(crate) fn json(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        let before = self.bytes.len();
        if serde_json::to_writer(&mut *self.bytes, value).is_err() {
            self.bytes.truncate(before);
            self.bytes.extend_from_slice(b"null");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_json_whatever_is_in_it() {
        let mut bytes = b"[".to_vec();
        let mut object = Object::begin(&mut bytes);
        object.text("id", "inv_test_2");
        object.shown("at", 1.5);
        object.bare("version", 7);
        for text in ["Rosa \"", "la Única", "\\", "\u{1}"] {
            object.text("name", text);
        }
        object.json("list", &[1, 2]);
        object.end();
        bytes.push(b',');
        Object::begin(&mut bytes).end();
        bytes.push(b']');
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            r#"[{"id":"inv_test_2","at":"1.5","version":7,"name":"Rosa \"","name":"la Única","name":"\\","name":"\u0001","list":[1,2]},{}]"#
        );
    }
}
