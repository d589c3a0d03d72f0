//! The document in English: each of its texts looked up in `english.json`, which has the Spanish one for a key. A text is
//! translated by its paragraphs and the items of its lists, so that what the document puts together need not be there
//! in every combination.
//!
//! To translate a new text: add it to `english.json`; a test says which one is missing, and which is used no more.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

/// Spanish to English, and without the marks of code, as messages of examples are.
static TEXTS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let texts: HashMap<String, String> =
        serde_json::from_str(include_str!("english.json")).unwrap_or_default();
    let plain: Vec<_> =
        texts.iter().map(|(spanish, english)| (spanish.replace('`', ""), english.replace('`', ""))).collect();
    plain.into_iter().chain(texts).collect()
});

/// Puts English in the place of every text that people read.
pub(super) fn translate(document: &mut Value) {
    walk(document, &mut |text| {
        *text = unit_by_unit(text, &mut |unit| TEXTS.get(unit).map_or(unit, String::as_str).to_owned());
    });
}

fn walk(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| walk(value, change)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("description" | "summary" | "title", Value::String(text)) => change(text),
                    ("error", Value::Array(faults)) => {
                        let messages = faults.iter_mut().filter_map(|fault| fault.get_mut("message"));
                        messages.for_each(|message| {
                            if let Value::String(text) = message {
                                change(text);
                            }
                        });
                    }
                    ("tags", Value::Array(tags)) => tags.iter_mut().for_each(|tag| match tag {
                        Value::String(name) => change(name),
                        tag => {
                            if let Some(Value::String(name)) = tag.get_mut("name") {
                                change(name);
                            }
                            walk(tag, change);
                        }
                    }),
                    ("x-enum-descriptions", Value::Object(meanings)) => {
                        for (_, meaning) in meanings {
                            if let Value::String(text) = meaning {
                                change(text);
                            }
                        }
                    }
                    (_, value) => walk(value, change),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn unit_by_unit(text: &str, translated: &mut impl FnMut(&str) -> String) -> String {
    let line = |line: &str, translated: &mut dyn FnMut(&str) -> String| match line.split_once("`: ") {
        Some((code, meaning)) if line.starts_with("- `") => format!("{code}`: {}", translated(meaning)),
        _ => match line.strip_prefix("- ") {
            Some(item) => format!("- {}", translated(item)),
            None => translated(line),
        },
    };
    let paragraph = |paragraph: &str| {
        if paragraph.starts_with("- ") {
            paragraph.split('\n').map(|text| line(text, translated)).collect::<Vec<_>>().join("\n")
        } else {
            translated(paragraph)
        }
    };
    text.split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use wire::problem::Language;

    use super::{unit_by_unit, walk};

    #[test]
    fn every_text_has_its_english_and_no_english_is_left_over() {
        let mut document =
            super::super::document("https://api.kashio.net", "soporte@kashio.net", Language::Es);
        document["info"]["description"] = Value::Null;
        let mut used = BTreeSet::new();
        walk(&mut document, &mut |text| {
            unit_by_unit(text, &mut |unit| {
                used.insert(unit.to_owned());
                String::new()
            });
        });
        let known: BTreeSet<String> =
            serde_json::from_str::<serde_json::Map<String, Value>>(include_str!("english.json"))
                .unwrap()
                .into_iter()
                .map(|(spanish, _)| spanish)
                .collect();
        let without_marks: BTreeSet<String> = known.iter().map(|text| text.replace('`', "")).collect();
        let missing: Vec<&String> =
            used.iter().filter(|unit| !known.contains(*unit) && !without_marks.contains(*unit)).collect();
        assert_eq!(missing, Vec::<&String>::new(), "texts without English");
        let left_over: Vec<&String> = known.difference(&used).collect();
        assert_eq!(left_over, Vec::<&String>::new(), "English that nothing uses");
    }
}
