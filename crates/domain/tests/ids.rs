//! Names of things: object ids in base 57, and the keys that open the API.

use std::cell::Cell;

use domain::account::Mode;
use domain::id::{AccountId, EventId, InvoiceId, KeyId, PaymentId, base57, from_base57};
use domain::invoice::Token;
use domain::key::{KeyKind, Scope, SecretKey, looks_like_key};
use proptest::prelude::*;
use uuid::Uuid;

const BASE57: &str = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// --- ids ---

/// Computed outside of this program.
const VECTORS: [(u128, &str); 5] = [
    (0, "2222222222222222222222"),
    (1, "2222222222222222222223"),
    (57, "2222222222222222222232"),
    (0x0192_f0c1_7e2a_7b3c_8d4e_5f60_7182_93a4, "2HxsTLn9EBGEhXqZPsu7SK"),
    (u128::MAX, "oZEq7ovRbLq6UnGMPwc8B5"),
];

#[test]
fn base_57_writes_the_known_numbers() {
    for (number, text) in VECTORS {
        assert_eq!(base57(number), text);
        assert_eq!(from_base57(text), Some(number), "{text}");
    }
}

#[test]
fn base_57_refuses_numbers_beyond_128_bits() {
    for text in [
        "oZEq7ovRbLq6UnGMPwc8B6",
        "oZEq7ovRbLq6UnGMPwc8C2",
        "p222222222222222222222",
        "zzzzzzzzzzzzzzzzzzzzzz",
    ] {
        assert_eq!(from_base57(text), None, "{text}");
    }
}

#[test]
fn base_57_leaves_out_what_eyes_confuse_and_all_else() {
    for strange in ["0", "1", "I", "O", "l", "-", "_", " ", "\0", "\n"] {
        let text = format!("{strange}{}", "2".repeat(21));
        assert_eq!(from_base57(&text), None, "{text:?}");
    }
    for text in ["", "2", &"2".repeat(21), &"2".repeat(23), &"ñ".repeat(11), &"２".repeat(22)] {
        assert_eq!(from_base57(text), None, "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn every_number_comes_back(number: u128) {
        let text = base57(number);
        prop_assert_eq!(text.len(), 22);
        prop_assert!(text.chars().all(|character| BASE57.contains(character)));
        prop_assert_eq!(from_base57(&text), Some(number));
    }

    #[test]
    fn texts_sort_as_numbers_do(one: u128, other: u128) {
        prop_assert_eq!(base57(one).cmp(&base57(other)), one.cmp(&other));
    }

    #[test]
    fn an_accepted_text_is_the_only_one_of_its_number(text in "[2-9A-HJ-NP-Za-km-z]{22}") {
        if let Some(number) = from_base57(&text) {
            prop_assert_eq!(base57(number), text);
        }
    }

    #[test]
    fn an_id_comes_back_in_its_own_kind_and_mode_only(number: u128) {
        let id = InvoiceId::from_uuid(Uuid::from_u128(number));
        let text = id.text(Mode::Test);
        prop_assert_eq!(InvoiceId::parse(&text, Mode::Test), Some(id));
        prop_assert_eq!(InvoiceId::parse(&text, Mode::Live), None);
        prop_assert_eq!(EventId::parse(&text, Mode::Test), None);
        prop_assert_eq!(PaymentId::parse(&text, Mode::Test), None);
    }

    #[test]
    fn ids_sort_by_the_millisecond_they_were_made_in(
        millis in 0u64..1 << 48, later in 1u64..1 << 40, one: [u8; 10], other: [u8; 10],
    ) {
        prop_assume!(millis + later < 1 << 48);
        let (early, late) = (InvoiceId::new(millis, &one), InvoiceId::new(millis + later, &other));
        prop_assert!(early < late);
        prop_assert!(early.text(Mode::Live) < late.text(Mode::Live));
        prop_assert_eq!(early.uuid().get_version_num(), 7);
    }
}

#[test]
fn each_kind_and_mode_has_its_letters() {
    let uuid = Uuid::from_u128(VECTORS[3].0);
    let digits = VECTORS[3].1;
    for mode in [Mode::Test, Mode::Live] {
        let mode_text = if mode.is_live() { "live" } else { "test" };
        for (prefix, text) in [
            ("acc", AccountId::from_uuid(uuid).text(mode)),
            ("inv", InvoiceId::from_uuid(uuid).text(mode)),
            ("eve", EventId::from_uuid(uuid).text(mode)),
            ("pay", PaymentId::from_uuid(uuid).text(mode)),
            ("key", KeyId::from_uuid(uuid).text(mode)),
        ] {
            assert_eq!(text, format!("{prefix}_{mode_text}_{digits}"));
        }
    }
}

#[test]
fn a_text_that_is_nearly_an_id_is_an_unknown_id() {
    let good = "inv_test_2HxsTLn9EBGEhXqZPsu7SK";
    assert!(InvoiceId::parse(good, Mode::Test).is_some());
    for bad in [
        "",
        "inv",
        "inv_",
        "inv_test",
        "inv_test_",
        "2HxsTLn9EBGEhXqZPsu7SK",
        "inv_2HxsTLn9EBGEhXqZPsu7SK",
        "inv_test2HxsTLn9EBGEhXqZPsu7SK",
        "invtest_2HxsTLn9EBGEhXqZPsu7SK",
        "inv-test-2HxsTLn9EBGEhXqZPsu7SK",
        "INV_test_2HxsTLn9EBGEhXqZPsu7SK",
        "inv_TEST_2HxsTLn9EBGEhXqZPsu7SK",
        "inv_live_2HxsTLn9EBGEhXqZPsu7SK",
        "eve_test_2HxsTLn9EBGEhXqZPsu7SK",
        "inv_test_2HxsTLn9EBGEhXqZPsu7S",
        "inv_test_2HxsTLn9EBGEhXqZPsu7SKK",
        "inv_test_2HxsTLn9EBGEhXqZPsu7S0",
        "inv_test_oZEq7ovRbLq6UnGMPwc8B6",
        " inv_test_2HxsTLn9EBGEhXqZPsu7SK",
        "inv_test_2HxsTLn9EBGEhXqZPsu7SK ",
        "inv_test_0192f0c1-7e2a-7b3c-8d4e-5f60718293a4",
        "//invoices/inv_test_2HxsTLn9EBGEhXqZPsu7SK",
    ] {
        assert_eq!(InvoiceId::parse(bad, Mode::Test), None, "{bad:?}");
    }
}

#[test]
fn a_token_is_sixteen_random_bytes_in_base_57() {
    assert_eq!(Token::from_random([0xFF; 16]).as_str(), "oZEq7ovRbLq6UnGMPwc8B5");
    assert_eq!(Token::from_random(VECTORS[3].0.to_be_bytes()).as_str(), VECTORS[3].1);
}

// --- keys ---

/// Whole keys whose 44 characters are the alphabet's first; the checks are zlib's CRC-32, in base 62.
const KNOWN_KEYS: [(KeyKind, &str); 3] = [
    (KeyKind::Merchant(Mode::Test), "sk_test_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh4egbn7"),
    (KeyKind::Merchant(Mode::Live), "sk_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh4enc68"),
    (KeyKind::Service, "ik_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh3WlTGn"),
];

/// Random bytes that are not: 0, 1, 2 …
fn counting() -> impl FnMut() -> u8 {
    let next = Cell::new(0u8);
    move || next.replace(next.get().wrapping_add(1))
}

/// CRC-32 (ISO-HDLC) bit by bit, without tables or libraries.
fn crc32(bytes: &[u8]) -> u32 {
    let rest =
        bytes.iter().fold(u32::MAX, |rest, byte| {
            (0..8).fold(rest ^ u32::from(*byte), |rest, _| {
                if rest & 1 == 1 { rest >> 1 ^ 0xEDB8_8320 } else { rest >> 1 }
            })
        });
    !rest
}

fn base62(mut number: u32) -> String {
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.push(BASE62.chars().nth((number % 62) as usize));
        number /= 62;
    }
    digits.into_iter().rev().flatten().collect()
}

#[test]
fn the_crc_of_this_test_is_the_one_of_the_standards() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn known_keys_are_minted_and_read() {
    for (kind, text) in KNOWN_KEYS {
        assert_eq!(SecretKey::mint(kind, counting()).expose(), text);
        let key = SecretKey::parse(text).expect(text);
        assert_eq!(key.kind(), kind);
        assert_eq!(key.expose(), text);
        assert_eq!(key.public_id(), "0123456789AB");
        assert_eq!(key.shown_prefix(), format!("{}0123456789AB", kind.prefix()));
        assert_eq!(key.last4(), &text[text.len() - 4..]);
    }
}

#[test]
fn no_character_of_a_key_is_likelier_than_another() {
    let mut seen = vec![0; 62];
    // Each of the 256 bytes equally often; those that can not be shared out evenly are passed over.
    let mut bytes = counting();
    for _ in 0..62 {
        let key = SecretKey::mint(KeyKind::Service, &mut bytes);
        for character in key.expose()[3..47].chars() {
            seen[BASE62.find(character).expect("base 62")] += 1;
        }
    }
    assert_eq!(seen, vec![44; 62]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_minted_key_is_read_back(bytes in proptest::collection::vec(0u8..248, 44), kind in 0usize..3) {
        let kind = KeyKind::ALL[kind];
        let mut source = bytes.iter().copied();
        let minted = SecretKey::mint(kind, || source.next().unwrap_or(0));
        let text = minted.expose();

        let (body, check) = text.split_at(text.len() - 6);
        prop_assert_eq!(check, base62(crc32(body.as_bytes())));
        prop_assert!(looks_like_key(text));
        let read = SecretKey::parse(text).expect("a minted key");
        prop_assert_eq!(read.kind(), kind);
        prop_assert_eq!(read.public_id(), minted.public_id());
        prop_assert_eq!(read.expose(), text);
    }

    #[test]
    fn no_text_makes_a_key_panic(text in "(sk_live_|sk_test_|ik_|sk_)?\\PC{0,60}") {
        prop_assert!(SecretKey::parse(&text).is_none());
    }
}

#[test]
fn any_single_wrong_character_is_caught_without_asking_anybody() {
    for (_, text) in KNOWN_KEYS {
        for place in 0..text.len() {
            for wrong in (0x20..0x7Fu8).map(char::from).filter(|&wrong| !text[place..].starts_with(wrong)) {
                let mistyped = format!("{}{wrong}{}", &text[..place], &text[place + 1..]);
                assert!(SecretKey::parse(&mistyped).is_none(), "{mistyped}");
            }
        }
    }
}

#[test]
fn a_key_cut_off_lengthened_or_swapped_is_caught() {
    for (_, text) in KNOWN_KEYS {
        for length in 0..text.len() {
            assert!(SecretKey::parse(&text[..length]).is_none(), "{length} characters");
        }
        for longer in [
            format!("{text}0"),
            format!(" {text}"),
            format!("{text} "),
            format!("{text}\n"),
            format!("{text}:"),
        ] {
            assert!(SecretKey::parse(&longer).is_none(), "{longer:?}");
        }
        for place in 0..text.len() - 1 {
            let (left, right) = (&text[place..=place], &text[place + 1..place + 2]);
            let swapped = format!("{}{right}{left}{}", &text[..place], &text[place + 2..]);
            assert!(left == right || SecretKey::parse(&swapped).is_none(), "{swapped}");
        }
    }
    let [(_, test), (_, live), _] = KNOWN_KEYS;
    assert!(SecretKey::parse(&test.replace("test", "live")).is_none(), "the mode is under the check");
    assert!(SecretKey::parse(&live.replace("live", "test")).is_none());
    assert!(SecretKey::parse(&"ñ".repeat(30)).is_none());
}

#[test]
fn a_key_is_noticed_in_a_url_sound_or_not() {
    for (_, key) in KNOWN_KEYS {
        let mistyped = key.replace("0123", "3210");
        for text in [
            key.to_owned(),
            mistyped,
            key[..key.len() - 6].to_owned(),
            format!("{key}0000"),
            format!("Bearer {key}"),
            format!("https://api.example.pe/v1/payments/invoices?api_key={key}&limit=1"),
            format!("sk_test_{key}"),
            format!("sk_test_x {key}"),
        ] {
            assert!(looks_like_key(&text), "{text}");
        }
        for text in [&key[..key.len() - 7], key.trim_start_matches(char::is_alphabetic), &key.to_uppercase()]
        {
            assert!(!looks_like_key(text), "{text}");
        }
    }
    for text in ["", "sk_test_", "sk_test_123", "ik_", "inv_test_2HxsTLn9EBGEhXqZPsu7SK", "INV-000001-001"] {
        assert!(!looks_like_key(text), "{text}");
    }
}

#[test]
fn scopes_are_those_of_the_document() {
    let written: Vec<_> = Scope::ALL.into_iter().map(Scope::as_str).collect();
    let document =
        "invoices:read invoices:write payments:read events:read webhooks:read webhooks:write test:write";
    assert_eq!(written.join(" "), document);
    for scope in Scope::ALL {
        assert_eq!(Scope::parse(scope.as_str()), Some(scope));
    }
    for stranger in ["", "invoices", "invoices:*", "INVOICES:READ", "invoices:read ", "payments:write"] {
        assert_eq!(Scope::parse(stranger), None, "{stranger:?}");
    }
}

#[test]
fn what_is_no_token_is_not_looked_for() {
    let token = Token::from_random([7; 16]);
    assert_eq!(Token::parse(token.as_str()), Some(token.clone()));
    let text = token.as_str();
    for stranger in
        ["", &text[1..], &format!("{text}2"), &format!("{}0", &text[1..]), "' or 1=1 --           ", "\0"]
    {
        assert_eq!(Token::parse(stranger), None, "{stranger:?}");
    }
}
