//! Who pays: the documents, phones and addresses of people, and what is said about those that are none.

mod support;

use domain::customer::{Customer, CustomerDraft};
use domain::document::{DocumentType, is_ruc};
use domain::field::{Fault, Faults, Field, Wrong};
use support::{fault, text};

// --- documents ---

#[test]
fn a_ruc_has_a_known_prefix_and_a_right_check_digit() {
    for right in ["20512333797", "20100070970", "20131312955"] {
        assert!(is_ruc(right), "{right}");
    }
    for wrong in [
        "",
        "2051233379",
        "205123337970",
        "20512333798",
        "20512333796",
        "2051233379A",
        " 20512333797",
        "20512333797 ",
        "20512333\u{FF17}97",
        "-0512333797",
    ] {
        assert!(!is_ruc(wrong), "{wrong:?}");
    }
}

#[test]
fn every_prefix_but_five_is_refused_however_right_the_check_digit() {
    let accepted: Vec<u32> = (0..100)
        .filter(|prefix| {
            let first_ten = format!("{prefix:02}51233379");
            is_ruc(&format!("{first_ten}{}", the_check_digit(&first_ten)))
        })
        .collect();
    assert_eq!(accepted, [10, 15, 16, 17, 20]);
}

#[test]
fn of_ten_last_digits_of_a_ruc_one_is_right() {
    for middle in (0..100_000_000).step_by(99_991) {
        let first_ten = format!("20{middle:08}");
        let right: Vec<_> = (0..10).filter(|last| is_ruc(&format!("{first_ten}{last}"))).collect();
        assert_eq!(format!("{right:?}"), format!("[{}]", the_check_digit(&first_ten)), "{first_ten}");
    }
}

/// As the tax authority explains it: 11 less the rest of the weighted sum, of 10 the 0 and of 11 the 1.
fn the_check_digit(first_ten: &str) -> String {
    let weighted = first_ten.chars().zip("5432765432".chars());
    let sum: u32 =
        weighted.filter_map(|(digit, weight)| Some(digit.to_digit(10)? * weight.to_digit(10)?)).sum();
    match 11 - sum % 11 {
        10 => "0".to_owned(),
        11 => "1".to_owned(),
        digit => digit.to_string(),
    }
}

#[test]
fn each_document_has_its_shape() {
    use DocumentType::*;
    for (kind, good, bad) in [
        (
            Dni,
            &["10203040", "00000001"][..],
            &["", "1020304", "102030405", "1020304A", "10 20304", "１０２０３０４０", "-1020304"][..],
        ),
        (Ruc, &["20512333797"], &["20512333798", "10203040"]),
        (
            Cex,
            &["12345678", "abcDEF123", "ABCDEF123456"],
            &["1234567", "ABCDEF1234567", "1234-678", "1234 678", "ÑANDU123"],
        ),
        (
            Pas,
            &["A1234", "12345", "abc123", "ABCDEF123456"],
            &["A123", "ABCDEF1234567", "A-1234", "", "ÑANDU1"],
        ),
    ] {
        for id in good {
            assert!(kind.accepts(id), "{kind:?} {id:?}");
        }
        for id in bad {
            assert!(!kind.accepts(id), "{kind:?} {id:?}");
        }
    }
}

#[test]
fn types_of_documents_are_known_by_every_name_in_any_case() {
    use DocumentType::*;
    for (kind, names) in [
        (Dni, &["DNI", "dni", "Dni"][..]),
        (Ruc, &["RUC", "ruc"]),
        (Cex, &["CEX", "cex", "CE", "ce", "Ce"]),
        (Pas, &["PAS", "pas", "PASS", "pass", "PASAPORTE", "Pasaporte", "pasaporte"]),
    ] {
        for name in names {
            assert_eq!(DocumentType::parse(name), Ok(kind), "{name}");
        }
    }
    for stranger in ["", "DN", "DNI ", " DNI", "D.N.I.", "PASSPORT", "CIP", "LE", "ＤＮＩ"] {
        assert_eq!(DocumentType::parse(stranger), Err(Wrong::DocumentType), "{stranger:?}");
    }
}

// --- customers ---

/// The customer that remains of a draft, and the faults as `path: fault`.
fn understand(draft: CustomerDraft) -> (Customer, Vec<Fault>) {
    let mut faults = Faults::default();
    let customer = draft.parse(&mut faults);
    (customer, faults.0)
}

fn phone(written: &str) -> Result<Option<String>, Vec<Fault>> {
    let draft = CustomerDraft { phone: text("phone", written), ..CustomerDraft::default() };
    let (customer, faults) = understand(draft);
    if faults.is_empty() { Ok(customer.phone) } else { Err(faults) }
}

fn email(written: &str) -> Result<Option<String>, Vec<Fault>> {
    let draft = CustomerDraft { email: text("email", written), ..CustomerDraft::default() };
    let (customer, faults) = understand(draft);
    if faults.is_empty() { Ok(customer.email) } else { Err(faults) }
}

#[test]
fn phones_have_the_shape_of_e164() {
    for good in ["+519996666", "+13055606666", "+1738076035", "+51999888777", "+12345678", "+123456789012345"]
    {
        assert_eq!(phone(good), Ok(Some(good.to_owned())), "{good}");
    }
    for bad in [
        "",
        "+",
        "519996666",
        "999888777",
        "+0519996666",
        "+1234567",
        "+1234567890123456",
        "++519996666",
        "+51 999 888 777",
        "+51-999888777",
        "+(51)999888777",
        " +519996666",
        "+519996666 ",
        "+519996666\n",
        "0051999888777",
        "+51999888777x1",
        "+５１９９９６６６６",
        "tel:+519996666",
    ] {
        assert_eq!(phone(bad), Err(vec![fault("phone", Wrong::Phone)]), "{bad:?}");
    }
}

#[test]
fn emails_are_addresses_and_nothing_around_them() {
    for good in [
        "maria.viera22@gmail.com",
        "juan.perez.xxx@gmail.com",
        "a@b.pe",
        "ana+kashio@correo.example.pe",
        "o'higgins@example.cl",
        "1@2.pe",
        "ñandú@correo.pe",
    ] {
        assert_eq!(email(good), Ok(Some(good.to_owned())), "{good}");
    }
    for bad in [
        "",
        "ana",
        "@correo.pe",
        "ana@",
        "ana@@correo.pe",
        "ana@correo..pe",
        "ana@.pe",
        "ana@correo.pe.",
        "ana@-correo.pe",
        ".ana@correo.pe",
        "ana.@correo.pe",
        "a..na@correo.pe",
        "ana perez@correo.pe",
        " ana@correo.pe",
        "ana@correo.pe ",
        "ana@correo.pe\n",
        "ana@correo.pe,luis@correo.pe",
        "Ana <ana@correo.pe>",
        "<ana@correo.pe>",
        " <ana@correo.pe>",
        "mailto:ana@correo pe",
    ] {
        assert_eq!(email(bad), Err(vec![fault("email", Wrong::Email)]), "{bad:?}");
    }
}

#[test]
fn an_email_has_at_most_254_characters_and_64_before_the_at() {
    let label = "d".repeat(63);
    let domain = format!("{label}.{label}.{}.pe", "d".repeat(58));
    let longest = format!("{}@{domain}", "a".repeat(64));
    assert_eq!(longest.len(), 254);
    assert_eq!(email(&longest), Ok(Some(longest.clone())));

    let longer = format!("{longest}r");
    assert_eq!(email(&longer), Err(vec![fault("email", Wrong::TooLong { max: 254 })]));

    let long_name = format!("{}@correo.pe", "a".repeat(65));
    assert_eq!(email(&long_name), Err(vec![fault("email", Wrong::Email)]));
}

#[test]
fn names_and_external_ids_are_counted_in_characters() {
    let customer = |name: &str, external_id: &str| {
        understand(CustomerDraft {
            name: text("customer.name", name),
            external_id: text("customer.external_id", external_id),
            ..CustomerDraft::default()
        })
    };
    let (kept, faults) = customer(&"Ñ".repeat(200), &"😀".repeat(100));
    assert_eq!(faults, []);
    assert_eq!(kept.name, Some("Ñ".repeat(200)), "400 bytes, 200 characters");
    assert_eq!(kept.external_id, Some("😀".repeat(100)));

    let (_, faults) = customer(&"Ñ".repeat(201), &"😀".repeat(101));
    assert_eq!(
        faults,
        [
            fault("customer.name", Wrong::TooLong { max: 200 }),
            fault("customer.external_id", Wrong::TooLong { max: 100 }),
        ]
    );
}

#[test]
fn a_document_is_judged_by_its_type() {
    use Wrong::{Document, TooLong};
    let twenty = "Ñ".repeat(20);
    let long = "Ñ".repeat(21);
    for (kind, id, expected) in [
        (Some("DNI"), "10203040", Ok(())),
        (Some("dni"), "10203040", Ok(())),
        (Some("pasaporte"), "abc123", Ok(())),
        (Some("DNI"), "20512333797", Err(fault("document_id", Document))),
        (Some("RUC"), "20512333798", Err(fault("document_id", Document))),
        (None, "whatever it is", Ok(())),
        (None, &twenty, Ok(())),
        (None, &long, Err(fault("document_id", TooLong { max: 20 }))),
        // The type's fault is the only one: of the id nobody can judge.
        (Some("CIP"), &long, Err(fault("document_type", Wrong::DocumentType))),
    ] {
        let (customer, faults) = understand(CustomerDraft {
            document_type: kind.map_or(Field::Absent, |kind| text("document_type", kind)),
            document_id: text("document_id", id),
            ..CustomerDraft::default()
        });
        match expected {
            Ok(()) => {
                assert_eq!(faults, [], "{kind:?} {id}");
                assert_eq!(customer.document_type.as_deref(), kind, "kept as it was spelled");
                assert_eq!(customer.document_id.as_deref(), Some(id));
            }
            Err(fault) => assert_eq!(faults, [fault], "{kind:?} {id}"),
        }
    }
}

#[test]
fn a_document_of_a_faulty_type_is_not_complained_about() {
    let (_, faults) = understand(CustomerDraft {
        document_type: Field::Faulty,
        document_id: text("document_id", "a document of no type, and far too long for one"),
        ..CustomerDraft::default()
    });
    assert_eq!(faults, []);
}

#[test]
fn all_faults_of_a_customer_are_told_under_the_callers_own_names() {
    let (customer, faults) = understand(CustomerDraft {
        name: text("payer.name", "Juan Pérez"),
        email: text("payer.email", "juan"),
        phone: text("payer_phone", "999"),
        document_type: text("payer.document_type", "RUC"),
        document_id: text("payer.document_id", "20512333798"),
        external_id: text("payer.external_id", &"x".repeat(101)),
    });
    assert_eq!(customer.name.as_deref(), Some("Juan Pérez"));
    assert_eq!(
        faults,
        [
            fault("payer.email", Wrong::Email),
            fault("payer_phone", Wrong::Phone),
            fault("payer.document_id", Wrong::Document),
            fault("payer.external_id", Wrong::TooLong { max: 100 }),
        ]
    );
}
