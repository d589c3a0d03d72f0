//! The JSON door from outside: what is refused and where, what is kept verbatim, what is equal,
//! and that neither accident nor intent makes it panic, be slow, or be laxer than serde_json.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use rstest::rstest;
use serde::de::IgnoredAny;
use wire::json::{
    FlawKind::{self, *},
    Kind, MAX_FLAWS, MAX_KEYS, Value, canonical, parse, parse_object,
};

/// The flaws of a body as (kind, path).
fn flaws(body: &[u8]) -> Vec<(FlawKind, String)> {
    match parse_object(body) {
        Ok(_) => Vec::new(),
        Err(flaws) => flaws.into_iter().map(|f| (f.kind, f.path)).collect(),
    }
}

#[expect(clippy::unwrap_used, reason = "these bodies are all well made")]
fn canon(body: &str) -> String {
    canonical(&parse(body.as_bytes()).unwrap(), &[])
}

#[rstest]
#[case::nothing(b"", 1, 1)]
#[case::only_space(b" \n ", 2, 2)]
#[case::form(b"amount=15.00", 1, 1)]
#[case::trailing_bytes(b"{} x", 1, 4)]
#[case::two_values(b"{}{}", 1, 3)]
#[case::trailing_comma(b"{\"a\":1,}", 1, 8)]
#[case::trailing_comma_in_list(b"{\"a\":[1,]}", 1, 9)]
#[case::bare_key(b"{a:1}", 1, 2)]
#[case::single_quotes(b"{'a':1}", 1, 2)]
#[case::comment(b"{} // x", 1, 4)]
#[case::cut_off(b"{\"a\": [1, 2", 1, 12)]
#[case::cut_off_in_string(b"{\"a", 1, 4)]
#[case::cut_off_in_escape(br#"{"a":"\u00"#, 1, 11)]
#[case::line_two(b"{\r\n  \"a\": nul }", 2, 11)]
#[case::column_in_characters("{\"ñandú\": ?}".as_bytes(), 1, 11)]
#[case::raw_line_feed(b"{\"a\":\"x\ny\"}", 1, 8)]
#[case::raw_nul(b"{\"a\":\"\0\"}", 1, 7)]
#[case::unknown_escape(br#"{"a":"\x41"}"#, 1, 8)]
#[case::bad_digit_of_escape(br#"{"a":"\u00g0"}"#, 1, 11)]
#[case::bad_digit_of_second_escape(br#"{"a":"\ud83d\u00g0"}"#, 1, 17)]
#[case::leading_zero(b"{\"a\":015}", 1, 7)]
#[case::plus(b"{\"a\":+15}", 1, 6)]
#[case::no_units(b"{\"a\":.5}", 1, 6)]
#[case::no_decimals(b"{\"a\":5.}", 1, 8)]
#[case::no_exponent(b"{\"a\":5e+}", 1, 9)]
#[case::only_minus(b"{\"a\":-}", 1, 7)]
#[case::nan(b"{\"a\":NaN}", 1, 6)]
#[case::hexadecimal(b"{\"a\":0x1F}", 1, 7)]
#[case::capital_word(b"{\"a\":True}", 1, 6)]
#[case::no_break_space("{\u{A0}}".as_bytes(), 1, 2)]
#[case::other_flaws_are_not_told(br#"{"a":1,"a":"\u0000" "#, 1, 21)]
fn what_is_not_json_is_one_flaw_with_its_place(
    #[case] body: &[u8],
    #[case] line: usize,
    #[case] column: usize,
) {
    assert_eq!(flaws(body), [(Syntax { line, column }, String::new())]);
}

#[rstest]
#[case::mark(b"\xEF\xBB\xBF{}", ByteOrderMark, "")]
#[case::utf_8(b"{\n\"\xC3\xB1\xFF\":1}", NotUtf8 { line: 2, column: 3 }, "")]
#[case::utf_8_surrogate(b"{\"\xED\xA0\x80\":1}", NotUtf8 { line: 1, column: 3 }, "")]
#[case::utf_8_cut_off(b"{\"\xC3", NotUtf8 { line: 1, column: 3 }, "")]
#[case::list(b"[{}]", NotAnObject, "")]
#[case::word(b"null", NotAnObject, "")]
#[case::twice(br#"{"a":1,"b":2,"a":1}"#, DuplicateKey, "a")]
#[case::thrice(br#"{"a":1,"a":2,"a":3}"#, DuplicateKey, "a")]
#[case::twice_escaped(br#"{"a":1,"\u0061":2}"#, DuplicateKey, "a")]
#[case::twice_below(br#"{"customer":{"email":1,"email":1}}"#, DuplicateKey, "customer.email")]
#[case::twice_in_list(br#"{"metadata":{"list":[0,1,{"x":1,"x":1}]}}"#, DuplicateKey, "metadata.list[2].x")]
#[case::nul(br#"{"a":"\u0000"}"#, ForbiddenCharacter, "a")]
#[case::nul_in_metadata(br#"{"metadata":{"a":"\u0000"}}"#, ForbiddenCharacter, "metadata.a")]
#[case::tab(br#"{"a":["b","\t"]}"#, ForbiddenCharacter, "a[1]")]
#[case::tab_as_number(br#"{"a":"\u0009"}"#, ForbiddenCharacter, "a")]
#[case::backspace_in_metadata(br#"{"metadata":"\b"}"#, ForbiddenCharacter, "metadata")]
#[case::del(b"{\"a\":\"\x7F\"}", ForbiddenCharacter, "a")]
#[case::del_escaped(br#"{"a":"\u007f"}"#, ForbiddenCharacter, "a")]
#[case::c1("{\"a\":\"\u{85}\"}".as_bytes(), ForbiddenCharacter, "a")]
#[case::override_("{\"a\":\"\u{202E}\"}".as_bytes(), ForbiddenCharacter, "a")]
#[case::isolate_escaped(br#"{"a":"\u2066"}"#, ForbiddenCharacter, "a")]
#[case::in_key("{\"a\u{202E}b\":1}".as_bytes(), ForbiddenCharacter, "a\u{FFFD}b")]
#[case::line_feed_in_metadata_key(br#"{"metadata":{"a\n":1}}"#, ForbiddenCharacter, "metadata.a\u{FFFD}")]
#[case::high_surrogate(br#"{"a":"\ud83d"}"#, LoneSurrogate, "a")]
#[case::low_surrogate(br#"{"a":"\uDE00"}"#, LoneSurrogate, "a")]
#[case::high_before_other(br#"{"metadata":"\ud83d\n"}"#, LoneSurrogate, "metadata")]
#[case::high_before_letter(br#"{"a":"\ud83d\u0061"}"#, LoneSurrogate, "a")]
#[case::two_high(br#"{"a":"\ud83d\ud83d\ude00"}"#, LoneSurrogate, "a")]
#[case::wrong_order(br#"{"a":"\ude00\ud83d"}"#, LoneSurrogate, "a")]
#[case::surrogate_in_key(br#"{"\ud83d":1}"#, LoneSurrogate, "\u{FFFD}")]
fn each_flaw_has_its_kind_and_path(#[case] body: &[u8], #[case] kind: FlawKind, #[case] path: &str) {
    assert_eq!(flaws(body), [(kind, path.to_owned())]);
}

#[test]
fn all_flaws_come_together_in_the_order_of_the_body() {
    let body = r#"{
        "invoice_id": "a\u0000",
        "customer": {"name": "\u202e", "na\u006de": "\udc00"},
        "\u0007": [{"x": 1, "x": "\n"}],
        "invoice_id": 7
    }"#;
    let expected = [
        (ForbiddenCharacter, "invoice_id"),
        (ForbiddenCharacter, "customer.name"),
        (DuplicateKey, "customer.name"),
        (LoneSurrogate, "customer.name"),
        (ForbiddenCharacter, "\u{FFFD}"),
        (DuplicateKey, "\u{FFFD}[0].x"),
        (ForbiddenCharacter, "\u{FFFD}[0].x"),
        (DuplicateKey, "invoice_id"),
    ];
    assert_eq!(flaws(body.as_bytes()), expected.map(|(kind, path)| (kind, path.to_owned())));
}

#[test]
fn two_different_lone_surrogates_are_not_called_the_same_key() {
    let body = br#"{"\ud800":1,"\ud801":2}"#;
    assert!(flaws(body).iter().all(|(kind, _)| *kind == LoneSurrogate));
}

#[rstest]
#[case(r#"{"description":"a\tb\r\nc"}"#)]
#[case(r#"{"metadata":{"list":[{"x":"\n"}]}}"#)]
#[case(r#"{"sub_merchant":{"name":"\n"}}"#)]
#[case(r#"{"invoice":{"metadata":{"a":"\n"},"description":"\u000a"}}"#)]
#[case(r#"{"a":"\ud83d\ude00 \uD83D\uDE00 \u00f1 \/ ñ 😀 \u200d"}"#)]
fn what_is_allowed_passes(#[case] body: &str) {
    assert_eq!(flaws(body.as_bytes()), []);
}

#[test]
fn sixteen_levels_pass_and_seventeen_do_not() {
    let nested = |open: &str, close: &str, levels: usize| {
        format!(r#"{{"a":{}1{}}}"#, open.repeat(levels - 1), close.repeat(levels - 1))
    };
    assert_eq!(flaws(nested("[", "]", 16).as_bytes()), []);
    assert_eq!(flaws(nested(r#"{"a":"#, "}", 16).as_bytes()), []);
    let path = format!("a{}", "[0]".repeat(15));
    assert_eq!(flaws(nested("[", "]", 17).as_bytes()), [(TooDeep, path)]);
    let path = ["a"; 16].join(".");
    assert_eq!(flaws(nested(r#"{"a":"#, "}", 17).as_bytes()), [(TooDeep, path)]);
}

#[test]
fn keys_are_counted_over_all_objects() {
    let body = |keys: usize| {
        let objects: Vec<_> = (1..keys).map(|n| format!(r#"{{"k{n}":{n}}}"#)).collect();
        format!(r#"{{"list":[{}]}}"#, objects.join(","))
    };
    assert_eq!(flaws(body(MAX_KEYS).as_bytes()), []);
    assert_eq!(flaws(body(MAX_KEYS + 1).as_bytes()), [(TooManyKeys, String::new())]);
}

#[test]
fn a_flood_of_flaws_makes_a_short_answer() {
    let item = r#""\u0000","#.repeat(7_000);
    let body = format!(r#"{{"{}":[{item}1]}}"#, "k".repeat(2_000));
    let found = flaws(body.as_bytes());
    assert_eq!(found.len(), MAX_FLAWS);
    assert_eq!(found[31].1, format!("{}…[31]", "k".repeat(64)));
}

#[test]
fn every_value_keeps_its_text() {
    let body = br#" { "amount" : 15.00 , "metadata" :{ "z" : 1.50E+2,"a":"\u0061" ,"n":[ null ]} } "#;
    let mut object = parse_object(body).unwrap();
    assert_eq!(object.get("amount").unwrap().raw, "15.00");
    let metadata = object.get("metadata").unwrap();
    assert_eq!(metadata.raw, r#"{ "z" : 1.50E+2,"a":"\u0061" ,"n":[ null ]}"#);
    let Kind::Object(fields) = &metadata.kind else { panic!("not an object") };
    let names: Vec<_> = fields.iter().map(|(name, value)| (name, value.raw)).collect();
    assert_eq!(names, [("z", "1.50E+2"), ("a", r#""\u0061""#), ("n", "[ null ]")]);
    assert!(matches!(&fields.get("a").unwrap().kind, Kind::Text(text) if text == "a"));

    assert_eq!(object.len(), 2);
    assert_eq!(object.remove("amount").unwrap().raw, "15.00");
    assert!(object.remove("amount").is_none() && object.get("amount").is_none());
    assert_eq!(object.into_iter().next().unwrap().0, "metadata");
}

#[rstest]
#[case("15", "15.00")]
#[case("15", "1.5e1")]
#[case("15", "0.15E+2")]
#[case("15", "1500e-2")]
#[case("15", "15e000000000000000000000000000000")]
#[case("0", "-0")]
#[case("0", "-0.000e99999999999999999999999")]
#[case("1e400", "10e399")]
#[case("10e9223372036854775807", "1e9223372036854775808")]
#[case("100000000000000000000000000000000000001", "1.00000000000000000000000000000000000001e38")]
#[case(r#""ñ\/😀""#, r#""\u00F1/\ud83d\uDE00""#)]
#[case(r#"{"a":1,"b":[{"d":2,"c":3}]}"#, "{ \"b\":[\n{\"c\":3.0,\"d\":2}],\"a\":1e0 }")]
fn equal_as_json(#[case] one: &str, #[case] other: &str) {
    assert_eq!(canon(one), canon(other));
}

#[rstest]
#[case("15", "150")]
#[case("15", "-15")]
#[case("15", "1.5")]
#[case("15", r#""15""#)]
#[case("105", "15")]
#[case("0.015", "0.15")]
#[case("9007199254740992", "9007199254740993")]
#[case("0.1", "0.10000000000000000555")]
#[case("1e99999999999999999999", "2e99999999999999999999")]
#[case("[]", "{}")]
#[case("[1,2]", "[2,1]")]
#[case("[[1],2]", "[[1,2]]")]
#[case("null", r#""null""#)]
#[case(r#"{"a":null}"#, "{}")]
#[case(r#"["a","b"]"#, r#"["a\",\"b"]"#)]
#[case(r#""\\""#, r#""\"""#)]
#[case(r#"{"description":"\n"}"#, r#"{"description":"\\n"}"#)]
#[case(r#""ñ""#, r#""n\u0303""#)]
fn different_as_json(#[case] one: &str, #[case] other: &str) {
    assert_ne!(canon(one), canon(other));
}

#[test]
fn an_absurd_exponent_costs_nothing() {
    let body = format!("1e{}", "9".repeat(60_000));
    assert_eq!(canon(&body), body);
    assert_eq!(canon("1e999999999"), "1e999999999");
}

#[test]
fn skipped_fields_do_not_count_at_the_top_and_in_the_invoice() {
    let skip = |body: &str| canonical(&parse(body.as_bytes()).unwrap(), &["request_datetime", "version"]);
    assert_eq!(skip(r#"{"request_datetime":1,"a":2,"version":3}"#), skip(r#"{"a":2}"#));
    assert_eq!(skip(r#"{"version":3}"#), "{}");
    assert_eq!(
        skip(r#"{"invoice":{"request_datetime":1,"a":2}}"#),
        skip(r#"{"request_datetime":9,"invoice":{"a":2}}"#)
    );
    for counted in [
        r#"{"metadata":{"version":1}}"#,
        r#"{"invoice":{"metadata":{"version":1}}}"#,
        r#"{"invoice":{"invoice":{"version":1}}}"#,
        r#"{"metadata":{"invoice":{"version":1}}}"#,
        r#"{"invoice":[{"version":1}]}"#,
        r#"[{"version":1}]"#,
    ] {
        assert_ne!(skip(counted), skip(&counted.replace(r#""version":1"#, "")), "{counted}");
    }
}

/// In release the worst 64 KiB take one to three milliseconds. The bound suits a debug build on a busy
/// machine, one undisturbed try of five is enough, and anything quadratic would still fail.
#[test]
fn no_body_is_slow() {
    let fill = |unit: &str| unit.repeat(65_536 / unit.len());
    let list = |unit: &str| format!("[{}1]", fill(unit));
    let deep_list = |unit: &str| format!("{}{}1{}", "[".repeat(16), fill(unit), "]".repeat(16));
    let many_keys: String = (0..255).map(|n| format!("\"{n:0>200}\":1,")).collect();
    let long_key = "k".repeat(250);
    for body in [
        "[".repeat(100_000),
        r#"{"a":"#.repeat(20_000),
        fill("[]"),
        list("[],"),
        list("1,"),
        list("{},"),
        list(r#""\u0000","#),
        deep_list(r#""","#),
        deep_list("[],"),
        deep_list(r#""\n\n\n\n\n\n","#),
        fill(" "),
        format!("\"{}\"", fill("\\ud83d")),
        format!("\"{}\"", fill("\\ud83d\\ude00")),
        format!("\"{}\"", fill("\\n")),
        format!("{{\"metadata\":\"{}\"}}", fill("\\n")),
        format!("\"{}", fill("ñ")),
        format!("1{}", fill("0")),
        format!("1e{}", fill("9")),
        format!("0.{}1", fill("0")),
        format!("{{{}\"{}", many_keys, fill("k")),
        format!("{{{}\"a\":1}}", format!("\"{long_key}\":1,").repeat(250)),
        fill("\n"),
    ] {
        let quick = (0..5).any(|_| {
            let start = Instant::now();
            if let Ok(value) = parse(body.as_bytes()) {
                canonical(&value, &["request_datetime"]);
            }
            start.elapsed() < Duration::from_millis(400)
        });
        assert!(quick, "{} bytes beginning {:?}", body.len(), body.get(..8));
    }
}

/// Any JSON within the limits, without the characters that are refused. Few letters, so that keys
/// collide and equal values occur.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let text = "[a-c\"\\\\/ñ😀 ]{0,4}";
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-20_i64..20).prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text.prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Into::into),
            vec((text, inner), 0..5)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Writes a value in one of its many spellings: other key order, white space, escapes, exponents.
struct Scribe(u64);

impl Scribe {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }

    fn space(&mut self) -> &'static str {
        ["", "", " ", "\n", "\r\n\t"][self.roll(5) as usize]
    }

    fn text(&mut self, text: &str) -> String {
        let mut out = String::from("\"");
        for c in text.chars() {
            let needs_escape = matches!(c, '"' | '\\');
            match self.roll(3) {
                0 => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        out += &format!("\\u{unit:04x}");
                    }
                }
                1 if needs_escape || c == '/' => out.extend(['\\', c]),
                _ if needs_escape => out.extend(['\\', c]),
                _ => out.push(c),
            }
        }
        out + "\""
    }

    fn number(&mut self, number: &serde_json::Number) -> String {
        let text = number.to_string();
        if text.contains(['.', 'e']) {
            return text;
        }
        match self.roll(4) {
            0 => text + ".00",
            1 => text + "E+0",
            2 if text != "0" => text + "00e-2",
            _ => text,
        }
    }

    fn write(&mut self, value: &serde_json::Value) -> String {
        let body = match value {
            serde_json::Value::Null => "null".to_owned(),
            serde_json::Value::Bool(truth) => truth.to_string(),
            serde_json::Value::Number(number) => self.number(number),
            serde_json::Value::String(text) => self.text(text),
            serde_json::Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.write(item)).collect();
                format!("[{}{}]", self.space(), items.join(","))
            }
            serde_json::Value::Object(fields) => {
                let mut fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| {
                        let name = self.text(name);
                        format!("{}{name}{}:{}", self.space(), self.space(), self.write(value))
                    })
                    .collect();
                let turn = self.roll(fields.len().max(1) as u64) as usize;
                fields.rotate_left(turn);
                format!("{{{}{}}}", self.space(), fields.join(","))
            }
        };
        format!("{}{body}{}", self.space(), self.space())
    }
}

/// Every value below this one, itself included.
fn visit(value: &Value<'_>, see: &mut impl FnMut(&Value<'_>)) {
    see(value);
    match &value.kind {
        Kind::List(items) => items.iter().for_each(|item| visit(item, see)),
        Kind::Object(object) => object.iter().for_each(|(_, item)| visit(item, see)),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::Text(_) => {}
    }
}

/// We call it bad syntax exactly when serde_json does, and never accept what it refuses; but it
/// refuses numbers that do not fit a float, which we keep as text.
fn agrees_with_serde_json(body: &[u8]) -> Result<(), TestCaseError> {
    let theirs = serde_json::from_slice::<serde_json::Value>(body);
    match parse(body) {
        Ok(_) => {
            let excused = matches!(&theirs, Err(e) if e.to_string().contains("out of range"));
            prop_assert!(theirs.is_ok() || excused, "accepted, but {theirs:?}");
        }
        Err(flaws) => {
            prop_assert!(!flaws.is_empty() && flaws.len() <= MAX_FLAWS);
            let refused = serde_json::from_slice::<IgnoredAny>(body).is_err();
            let stopped = flaws.iter().any(|flaw| match flaw.kind {
                TooDeep | TooManyKeys | NotUtf8 { .. } | ByteOrderMark => true,
                Syntax { .. } | NotAnObject | DuplicateKey | ForbiddenCharacter | LoneSurrogate => false,
            });
            let syntax = matches!(flaws[0].kind, Syntax { .. });
            prop_assert!(stopped || syntax == refused, "{flaws:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn spelling_does_not_matter(value in any_json(), seed: u64) {
        let plain = value.to_string();
        let spelled = Scribe(seed).write(&value);
        let text = canon(&plain);
        prop_assert_eq!(&canon(&spelled), &text, "{}", spelled);
        prop_assert_eq!(&canon(&text), &text);
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads(value in any_json(), seed: u64) {
        let spelled = Scribe(seed).write(&value);
        let read = parse(spelled.as_bytes()).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&spelled).unwrap();
        let again: serde_json::Value = serde_json::from_str(read.raw).unwrap();
        prop_assert_eq!(&theirs, &again);
        visit(&read, &mut |value| {
            assert!(spelled.contains(value.raw) && value.raw == value.raw.trim());
            let alone: serde_json::Value = serde_json::from_str(value.raw).unwrap();
            match &value.kind {
                Kind::Null => assert!(alone.is_null()),
                Kind::Bool(truth) => assert_eq!(alone.as_bool(), Some(*truth)),
                Kind::Number => assert!(alone.is_number()),
                Kind::Text(text) => assert_eq!(alone.as_str(), Some(text.as_ref())),
                Kind::List(items) => assert_eq!(alone.as_array().unwrap().len(), items.len()),
                Kind::Object(object) => {
                    let theirs = alone.as_object().unwrap();
                    assert_eq!(theirs.len(), object.len());
                    assert!(object.iter().all(|(name, _)| theirs.contains_key(name)));
                }
            }
        });
    }

    #[test]
    fn canonical_texts_are_equal_only_for_equal_values(
        one in vec((0_usize..4, -3_i32..3), 0..4),
        other in vec((0_usize..4, -3_i32..3), 0..4),
    ) {
        let build = |parts: &[(usize, i32)]| -> serde_json::Value {
            let mut value = serde_json::json!({});
            for (shape, number) in parts {
                value = match shape {
                    0 => serde_json::json!([value, number]),
                    1 => serde_json::json!({ "a": value, "b": number }),
                    2 => serde_json::json!([number.to_string()]),
                    _ => (*number).into(),
                };
            }
            value
        };
        let (one, other) = (build(&one), build(&other));
        prop_assert_eq!(canon(&one.to_string()) == canon(&other.to_string()), one == other);
    }

    #[test]
    fn random_bytes_agree(body in vec(any::<u8>(), 0..200)) {
        agrees_with_serde_json(&body)?;
    }

    #[test]
    fn random_json_like_bytes_agree(body in "[\\[\\]{}:,\"\\\\u0-9dDeE+.\\-tfnrulase \\n]{0,60}") {
        agrees_with_serde_json(body.as_bytes())?;
    }

    #[test]
    fn random_strings_agree(body in "\"(\\\\u[dD][89a-fA-F][0-9a-f]{2}|\\\\[\"\\\\/bfnrtux]|[a-c\"ñ\u{7f}\u{85}\u{202e}\u{1}]){0,8}\"") {
        agrees_with_serde_json(body.as_bytes())?;
    }

    #[test]
    fn random_numbers_agree(body in "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,4})?") {
        agrees_with_serde_json(body.as_bytes())?;
    }

    #[test]
    fn mutated_bodies_agree(
        value in any_json(),
        seed: u64,
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let mut body = Scribe(seed).write(&value).into_bytes();
        for (place, byte, edit) in edits {
            let at = place.index(body.len() + 1);
            match edit {
                0 => body.insert(at, byte),
                1 => body.insert(at, b"{}[]:,\"\\0e.-"[usize::from(byte) % 12]),
                2 if at < body.len() => drop(body.remove(at)),
                _ => body.truncate(at.max(1)),
            }
        }
        agrees_with_serde_json(&body)?;
    }
}
