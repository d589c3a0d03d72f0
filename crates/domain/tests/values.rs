//! Values that are parsed once and trusted after: what each accepts, what it refuses, and why.

mod support;

use domain::field::{Fault, Faults, Wrong};
use domain::invoice::draft::{Draft, NewInvoice};
use domain::money::{Amount, Currency};
use domain::reference::Reference;
use proptest::prelude::*;
use support::{fault, order, shop, text};

// --- money ---

/// SplitMix64 (Steele, Lea, Flood, 2014): the same million amounts on every machine.
fn random_numbers() -> impl Iterator<Item = u64> {
    let mut state = 0x4B61_7368_494F_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

#[test]
fn a_million_amounts_go_in_and_out_to_the_centimo() {
    for number in random_numbers().take(1_000_000) {
        // Every length of number, not only the longest.
        let centimos = (number >> 8) % 10u64.pow(1 + u32::from(number as u8) % 11) + 1;
        let digits = format!("{centimos:03}");
        let (soles, hundredths) = digits.split_at(digits.len() - 2);
        let written = [soles, ".", hundredths].concat();

        let amount = Amount::parse(&written);
        assert_eq!(amount.map(Amount::centimos), Ok(centimos as i64), "{written}");
        assert_eq!(amount.map(|amount| amount.to_string()), Ok(written));
    }
}

#[test]
fn an_amount_may_leave_out_decimals() {
    for (written, centimos) in [
        ("1", 100),
        ("15", 1_500),
        ("15.5", 1_550),
        ("15.50", 1_550),
        ("0.1", 10),
        ("0.10", 10),
        ("0.01", 1),
        ("999999999", 99_999_999_900),
        ("999999999.9", 99_999_999_990),
        ("999999999.99", Amount::MAX.centimos()),
    ] {
        assert_eq!(Amount::parse(written).map(Amount::centimos), Ok(centimos), "{written}");
    }
}

#[test]
fn a_malformed_amount_is_refused_with_its_reason() {
    use Wrong::*;
    for (written, wrong) in [
        ("0", AmountNotPositive),
        ("0.0", AmountNotPositive),
        ("0.00", AmountNotPositive),
        ("-1", AmountNotPositive),
        ("-0", AmountNotPositive),
        ("-20.00", AmountNotPositive),
        ("1.234", AmountDecimals),
        ("20.000", AmountDecimals),
        ("0.001", AmountDecimals),
        ("1000000000", AmountTooLarge),
        ("1000000000.00", AmountTooLarge),
        ("99999999999999999999999999999999", AmountTooLarge),
        ("", AmountFormat),
        ("01", AmountFormat),
        ("00", AmountFormat),
        ("00.01", AmountFormat),
        ("1.", AmountFormat),
        (".5", AmountFormat),
        (".", AmountFormat),
        ("-", AmountFormat),
        ("--1", AmountFormat),
        ("-.5", AmountFormat),
        ("-1.", AmountFormat),
        ("+1", AmountFormat),
        ("1e3", AmountFormat),
        ("1E3", AmountFormat),
        ("1.5e1", AmountFormat),
        ("1,50", AmountFormat),
        ("1,000.00", AmountFormat),
        ("1.000.00", AmountFormat),
        ("1_000", AmountFormat),
        ("0x10", AmountFormat),
        ("NaN", AmountFormat),
        ("Infinity", AmountFormat),
        ("S/ 20", AmountFormat),
        (" 1", AmountFormat),
        ("1 ", AmountFormat),
        ("1\n", AmountFormat),
        ("1. 5", AmountFormat),
        ("1\0", AmountFormat),
        ("１", AmountFormat),
        ("1.５", AmountFormat),
        ("٣", AmountFormat),
        ("−1", AmountFormat),
    ] {
        assert_eq!(Amount::parse(written), Err(wrong), "{written:?}");
    }
}

/// `^(0|[1-9]\d{0,8})(\.\d{1,2})?$`, greater than zero, in the plainest words.
fn the_document_accepts(written: &str) -> bool {
    let (whole, decimals) = written.split_once('.').unwrap_or((written, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.chars().count()) && text.chars().all(|digit| "0123456789".contains(digit))
    };
    digits(whole, 9)
        && digits(decimals, 2)
        && (whole == "0" || !whole.starts_with('0'))
        && written.chars().any(|character| "123456789".contains(character))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn amounts_are_exactly_those_of_the_document(written in "[-+ 0-9.,e１]{0,13}|[0-9]{0,10}(\\.[0-9]{0,3})?") {
        prop_assert_eq!(Amount::parse(&written).is_ok(), the_document_accepts(&written), "{}", written);
    }

    #[test]
    fn no_text_makes_money_panic(written: String) {
        prop_assert_eq!(Amount::parse(&written).is_ok(), the_document_accepts(&written));
    }
}

#[test]
fn stored_centimos_are_never_negative() {
    assert_eq!(Amount::from_centimos(-1), None);
    assert_eq!(Amount::from_centimos(i64::MIN), None);
    assert_eq!(Amount::from_centimos(0), Some(Amount::ZERO));
    assert_eq!(Amount::from_centimos(2_000).map(|amount| amount.to_string()).as_deref(), Some("20.00"));
}

#[test]
fn sums_stop_at_the_end_instead_of_wrapping() {
    let greatest = Amount::from_centimos(i64::MAX).expect("positive");
    assert_eq!(greatest.plus(Amount::MAX), greatest);
    assert_eq!(Amount::MAX.plus(Amount::MAX).to_string(), "1999999999.98");
}

#[test]
fn currencies_are_read_in_any_case_and_written_in_upper_case() {
    for written in ["PEN", "pen", "Pen", "pEn"] {
        assert_eq!(Currency::parse(written).map(Currency::as_str), Ok("PEN"), "{written}");
    }
    for written in ["USD", "usd", "Usd"] {
        assert_eq!(Currency::parse(written).map(Currency::as_str), Ok("USD"), "{written}");
    }
    for written in ["", "EUR", "PE", "PENN", " PEN", "PEN ", "S/", "604", "ＰＥＮ", "PEN\0"] {
        assert_eq!(Currency::parse(written), Err(Wrong::Currency), "{written:?}");
    }
}

// --- references ---

#[test]
fn a_reference_has_1_to_100_characters_of_any_kind() {
    for good in ["1", "ABCD1234567890", "INV-000001-001", "pedido nº 7 / año 2026", &"ñ".repeat(100)] {
        let reference = Reference::parse(good.to_owned());
        assert_eq!(reference.as_ref().map(Reference::as_str), Ok(good));
    }
    // Scalar values, not bytes and not what the eye sees: each family of emoji is seven.
    let families = "👨‍👩‍👧‍👦".repeat(14);
    assert!(Reference::parse(format!("{families}ab")).is_ok(), "14 × 7 + 2");
    assert_eq!(Reference::parse(format!("{families}abc")), Err(Wrong::TooLong { max: 100 }));
    assert_eq!(Reference::parse("a".repeat(101)), Err(Wrong::TooLong { max: 100 }));
    assert_eq!(Reference::parse(String::new()), Err(Wrong::TooShort { min: 1 }));
}

#[test]
fn references_are_told_apart_as_they_are_written() {
    let reference = |text: &str| Reference::parse(text.to_owned());
    assert_ne!(reference("pedido-1"), reference("PEDIDO-1"));
    assert_ne!(reference("1"), reference("01"));
    assert_ne!(reference("a"), reference("a "));
}

// --- the page: links and QR size ---

/// What becomes of one field of an order, all else being well.
fn with(change: impl FnOnce(&mut Draft)) -> Result<NewInvoice, Vec<Fault>> {
    let mut draft = order();
    change(&mut draft);
    let mut faults = Faults::default();
    draft.parse(&shop(), &mut faults).ok_or(faults.0)
}

#[test]
fn links_of_the_page_are_absolute_http_without_user_information() {
    let url =
        |url: &str| with(|draft| draft.url_success = text("url_success", url)).map(|new| new.url_success);
    for good in [
        "https://tienda.pe",
        "http://tienda.pe/gracias",
        "HTTPS://Tienda.pe/Gracias?pedido=1&x=%20#fin",
        "https://tienda.pe:8443/ok",
        "http://localhost:3000/ok",
        "http://192.0.2.1/ok",
        "http://[2001:db8::1]/ok",
        "https://ñandú.pe/ok",
        "https://tienda.pe/correo@x",
        "https://tienda.pe?correo=a@b.pe",
        "https://tienda.pe#a@b",
    ] {
        assert_eq!(url(good), Ok(Some(good.to_owned())), "{good}: kept as it was written");
    }
    for bad in [
        "",
        "/gracias",
        "gracias",
        "tienda.pe/gracias",
        "//tienda.pe/gracias",
        "https:",
        "https://",
        "https:///",
        "https:///tienda.pe/gracias",
        "https:tienda.pe",
        "https:/tienda.pe",
        "ftp://tienda.pe",
        "javascript:alert(1)",
        "javascript://tienda.pe/%0aalert(1)",
        "data:text/html,hola",
        "mailto:ana@tienda.pe",
        "file:///etc/passwd",
        "https://ana@tienda.pe",
        "https://ana:clave@tienda.pe",
        "https://:clave@tienda.pe",
        "https://@tienda.pe",
        "https://:@tienda.pe",
        "https://tienda.pe@malo.example",
        "https://tienda.pe\\@malo.example",
        "https:\\\\tienda.pe",
        " https://tienda.pe",
        "https://tienda.pe ",
        "https://tienda.pe/gra cias",
        "https://tienda.pe/\tgracias",
        "https://tien\nda.pe",
        "https://tienda.pe/\u{a0}",
        "https://tienda.pe:99999",
        "https://tienda.pe:puerto",
        "https://[::1",
    ] {
        assert_eq!(url(bad), Err(vec![fault("url_success", Wrong::Url)]), "{bad:?}");
    }
}

#[test]
fn a_link_has_at_most_2048_characters() {
    let link = |length: usize| format!("https://tienda.pe/{}", "x".repeat(length - 18));
    let errors = |length| {
        with(|draft| draft.url_error = text("url_error", &link(length)))
            .map(|new| new.url_error.map(|url| url.len()))
    };
    assert_eq!(errors(2_048), Ok(Some(2_048)));
    assert_eq!(errors(2_049), Err(vec![fault("url_error", Wrong::TooLong { max: 2_048 })]));
}

#[test]
fn a_qr_image_has_100_to_1000_pixels() {
    let size = |written: &str| with(|draft| draft.size_qr = text("size_qr", written)).map(|new| new.size_qr);
    for (written, pixels) in
        [("150", 150), ("150px", 150), ("100", 100), ("100px", 100), ("1000", 1_000), ("1000px", 1_000)]
    {
        assert_eq!(size(written), Ok(Some(pixels)), "{written}");
    }
    for bad in [
        "",
        "px",
        "0",
        "99",
        "99px",
        "1001",
        "1001px",
        "0150",
        "-150",
        "+150",
        "150.0",
        "1.5e2",
        "15e1",
        "150pt",
        "px150",
        "150pxpx",
        " 150",
        "65686",
        "99999999999999999999",
        "１５０",
        "ciento cincuenta",
    ] {
        assert_eq!(size(bad), Err(vec![fault("size_qr", Wrong::SizeQr)]), "{bad:?}");
    }
    assert_eq!(with(|_| {}).map(|new| new.size_qr), Ok(None), "the default is not the merchant's wish");
}
