//! Snapshots are stored inside events and read back years later: their JSON may grow, never change.

mod support;

use domain::customer::Customer;
use domain::invoice::{Snapshot, Status, Terms};
use domain::late_fee::LateFee;
use domain::money::Currency;
use support::*;

fn stored() -> [(&'static str, Snapshot, &'static str); 5] {
    let terms = Terms {
        currency: Currency::Pen,
        sub_total: money("100.00"),
        due: None,
        expires: at("2026-11-25T05:00:00"),
    };
    let due = Some(at("2026-11-21T04:59:59"));
    let paid =
        Status::Paid { paid_at: at("2026-11-22T14:00:00"), payment: id(0xAB), late_fee: money("5.00") };
    [
        (
            "pending",
            Snapshot { version: 1, terms, status: Status::Pending },
            r#"{"version":1,"currency":"PEN","sub_total":10000,"expires":1795582800,"status":"pending"}"#,
        ),
        (
            "pending in dollars with a due date",
            Snapshot {
                version: 2,
                terms: Terms { due, currency: Currency::Usd, ..terms },
                status: Status::Pending,
            },
            r#"{"version":2,"currency":"USD","sub_total":10000,"due":1795237199,"expires":1795582800,"status":"pending"}"#,
        ),
        (
            "paid",
            Snapshot { version: 3, terms: Terms { due, ..terms }, status: paid },
            r#"{"version":3,"currency":"PEN","sub_total":10000,"due":1795237199,"expires":1795582800,"status":"paid","paid_at":1795356000,"payment":"00000000-0000-0000-0000-0000000000ab","late_fee":500}"#,
        ),
        (
            "expired",
            Snapshot { version: 2, terms, status: Status::Expired },
            r#"{"version":2,"currency":"PEN","sub_total":10000,"expires":1795582800,"status":"expired"}"#,
        ),
        (
            "voided",
            Snapshot { version: 2, terms, status: Status::Voided },
            r#"{"version":2,"currency":"PEN","sub_total":10000,"expires":1795582800,"status":"voided"}"#,
        ),
    ]
}

#[test]
fn a_snapshot_is_stored_as_it_always_was() {
    for (what, snapshot, json) in stored() {
        assert_eq!(serde_json::to_string(&snapshot).expect(what), json, "{what}");
    }
}

#[test]
fn a_stored_snapshot_comes_back_as_it_went_in() {
    for (what, snapshot, json) in stored() {
        assert_eq!(serde_json::from_str::<Snapshot>(json).expect(what), snapshot, "{what}");
    }
}

/// The database keeps JSON in its own order of keys, and a later edition may have added some.
#[test]
fn order_of_keys_and_keys_of_a_later_edition_do_not_matter() {
    let [.., (what, voided, _)] = stored();
    let json = r#"{"later":{"a":[1]},"status":"voided","expires":1795582800,"due":null,"version":2,"sub_total":10000,"currency":"PEN"}"#;
    assert_eq!(serde_json::from_str::<Snapshot>(json).expect(what), voided);
}

#[test]
fn a_snapshot_without_its_facts_is_refused() {
    for json in [
        r#"{"version":2,"currency":"PEN","sub_total":10000,"expires":1795582800}"#,
        r#"{"version":2,"currency":"PEN","sub_total":10000,"expires":1795582800,"status":"paid"}"#,
        r#"{"version":2,"currency":"PEN","sub_total":10000,"expires":1795582800,"status":"new"}"#,
        r#"{"version":2,"currency":"EUR","sub_total":10000,"expires":1795582800,"status":"voided"}"#,
        r#"{"version":2,"currency":"PEN","sub_total":100.5,"expires":1795582800,"status":"voided"}"#,
        r#"{"currency":"PEN","sub_total":10000,"expires":1795582800,"status":"voided"}"#,
    ] {
        assert!(serde_json::from_str::<Snapshot>(json).is_err(), "{json}");
    }
}

#[test]
fn a_late_fee_rule_is_stored_as_it_always_was() {
    let fixed = LateFee::Fixed { pen: money("5.00"), usd: money("2.00") };
    for (rule, json) in [
        (LateFee::None, r#"{"kind":"none"}"#),
        (fixed, r#"{"kind":"fixed","pen":500,"usd":200}"#),
        (LateFee::PercentPerDay { percent_e4: 500 }, r#"{"kind":"percent_per_day","percent_e4":500}"#),
    ] {
        assert_eq!(serde_json::to_string(&rule).expect(json), json);
        assert_eq!(serde_json::from_str::<LateFee>(json).expect(json), rule);
    }
}

#[test]
fn a_customer_is_stored_without_what_he_did_not_tell() {
    let customer = Customer {
        phone: Some("+519996666".to_owned()),
        document_type: Some("dni".to_owned()),
        document_id: Some("01020304".to_owned()),
        ..Customer::default()
    };
    let json = r#"{"phone":"+519996666","document_type":"dni","document_id":"01020304"}"#;
    assert_eq!(serde_json::to_string(&customer).expect(json), json);
    assert!(serde_json::from_str::<Customer>(json).expect(json) == customer);
    assert_eq!(serde_json::to_string(&Customer::default()).expect("nobody"), "{}");
}
