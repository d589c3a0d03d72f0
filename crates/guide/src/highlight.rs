//! The colours of code: comments, texts, words, numbers. It reads the languages that the guide speaks no further than
//! colours need, and leaves every character as it was.

/// The words of a language that stand out.
fn words(language: &str) -> &'static [&'static str] {
    match language {
        "javascript" => &[
            "async", "await", "catch", "const", "else", "false", "for", "from", "function", "if", "import",
            "let", "new", "null", "of", "return", "throw", "true", "try",
        ],
        "python" => &[
            "and", "as", "class", "def", "else", "except", "False", "for", "from", "if", "import", "in",
            "not", "None", "or", "raise", "return", "True", "try", "with",
        ],
        "shell" => &["case", "do", "done", "else", "esac", "exit", "export", "fi", "for", "if", "in", "then"],
        "json" => &["false", "null", "true"],
        _ => &[],
    }
}

/// Code as HTML.
pub(crate) fn html(language: &str, code: &str) -> String {
    let words = words(language);
    let has_numbers = !words.is_empty() && language != "shell";
    let mut out = String::with_capacity(code.len() * 2);
    let mut rest = code;
    let mut before = '\n';
    while let Some(first) = rest.chars().next() {
        let (class, length) = match first {
            '#' if matches!(language, "shell" | "python") && before.is_whitespace() => ("c", line(rest)),
            '/' if language == "javascript" && rest.starts_with("//") => ("c", line(rest)),
            '"' | '\'' | '`' if language != "http" && !words.is_empty() => {
                let length = text(rest, first, language == "shell" && first == '\'');
                let is_name = language == "json" && rest[length..].trim_start().starts_with(':');
                (if is_name { "p" } else { "s" }, length)
            }
            '$' if language == "shell" => {
                ("v", 1 + run(&rest[1..], |c| c.is_alphanumeric() || matches!(c, '_' | '{' | '}')))
            }
            '-' if language == "shell" && before.is_whitespace() => {
                ("k", run(rest, |c| c.is_alphanumeric() || c == '-'))
            }
            '0'..='9' if has_numbers && !before.is_alphanumeric() && !matches!(before, '_' | '-') => {
                ("n", run(rest, |c| c.is_ascii_digit() || matches!(c, '.' | '_')))
            }
            c if c.is_alphabetic() || c == '_' => {
                let length = run(rest, |c| c.is_alphanumeric() || c == '_');
                let is_word = before != '.' && words.contains(&&rest[..length]);
                let is_header = language == "http" && before == '\n' && line(rest) > length;
                let class = match (is_word, is_header) {
                    (true, _) => "k",
                    (false, true) => "p",
                    (false, false) => "",
                };
                (class, length)
            }
            other => ("", other.len_utf8()),
        };
        // A header's name goes up to its colon.
        let length =
            if class == "p" && language == "http" { rest.find(':').unwrap_or(length) } else { length };
        let (token, after) = rest.split_at(length.max(first.len_utf8()));
        if class.is_empty() {
            escape(token, &mut out);
        } else {
            out.push_str(&format!("<span class=\"{class}\">"));
            escape(token, &mut out);
            out.push_str("</span>");
        }
        before = token.chars().next_back().unwrap_or(before);
        rest = after;
    }
    out
}

/// How many bytes at the start of `text` hold what `is_in` says.
fn run(text: &str, is_in: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_in(c)).unwrap_or(text.len())
}

fn line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// A text with its quotes; one that never ends goes to the end.
fn text(code: &str, quote: char, is_raw: bool) -> usize {
    let mut is_escaped = false;
    for (place, c) in code.char_indices().skip(1) {
        if c == quote && !is_escaped {
            return place + quote.len_utf8();
        }
        is_escaped = !is_raw && c == '\\' && !is_escaped;
    }
    code.len()
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

/// A text for an attribute or an element.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::html;

    /// What a reader copies is what was written.
    fn plain(html: &str) -> String {
        let mut out = String::new();
        let mut rest = html;
        while let Some((text, tag)) = rest.split_once('<') {
            out.push_str(text);
            rest = tag.split_once('>').unwrap().1;
        }
        out.push_str(rest);
        out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    }

    #[test]
    fn colours_leave_the_characters_alone() {
        for (language, code) in [
            ("shell", "curl \"$A/v1\" -u $KEY: \\\n  --data '{\"a\": \"it\\\\s\"}' # ¿qué?\n"),
            ("javascript", "const a = `x ${b} \\` y`; // \"c\"\nif (a < 1.50 && b > 'd') { await c(); }"),
            ("python", "def f(x):\n    return x[\"a\"] # no 'x'\n"),
            ("json", "{\"a\": [1, true, \"é \\\" <b>\"], \"b\": \"sin fin"),
            ("http", "webhook-id: eve_1\nwebhook-signature: v1,a=\n"),
            ("text", "'x' 1 # y"),
        ] {
            assert_eq!(plain(&html(language, code)), code);
        }
    }

    #[test]
    fn names_texts_and_words_differ() {
        let json = html("json", "{\"a\": \"b\", \"c\": true}");
        assert!(
            json.contains("<span class=\"p\">&quot;a&quot;</span>: <span class=\"s\">&quot;b&quot;</span>")
        );
        assert!(json.contains("<span class=\"k\">true</span>"));
        assert!(html("shell", "a --user b").contains("<span class=\"k\">--user</span>"));
        assert!(!html("javascript", "a.for(b)").contains("span"));
        assert!(html("http", "webhook-id: x").starts_with("<span class=\"p\">webhook-id</span>:"));
    }
}
