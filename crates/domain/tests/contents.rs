//! What makes two create requests the same: their content, however it is spelled.

mod support;

use std::collections::HashMap;

use domain::customer::CustomerDraft;
use domain::field::Field;
use domain::invoice::draft::Draft;
use support::*;

fn content(change: impl FnOnce(&mut Draft)) -> [u8; 32] {
    let mut draft = full_order();
    change(&mut draft);
    understood(draft, &shop()).content()
}

/// A change of one field of the customer.
fn of_customer(draft: &mut Draft, change: impl FnOnce(&mut CustomerDraft)) {
    let mut customer = full_customer();
    change(&mut customer);
    draft.customer = given("customer", customer);
}

type Edit = (&'static str, fn(&mut Draft));

#[test]
fn equal_content_is_equal_however_it_is_spelled() {
    let edits: [Edit; 17] = [
        ("nothing", |_| {}),
        ("amount 15", |draft| draft.amount = text("amount", "15")),
        ("amount 15.0 as total.value", |draft| draft.amount = text("total.value", "15.0")),
        ("currency in lower case", |draft| draft.currency = text("currency", "pen")),
        ("reference as external_id", |draft| draft.reference = text("external_id", "INV-000001-001")),
        ("due with Z", |draft| draft.due_datetime = text("due_datetime", "2026-11-22T04:59:59Z")),
        ("due in Lima", |draft| draft.due_datetime = text("due_datetime", "2026-11-21T23:59:59-05:00")),
        ("due with a fraction", |draft| draft.due_datetime = text("due_datetime", "2026-11-22 04:59:59.9")),
        ("expiration without seconds", |draft| {
            draft.expiration_datetime = text("expiration_datetime", "2026-11-30T05:00");
        }),
        ("customer as payer", |draft| draft.customer = given("payer", full_customer())),
        ("phone as payer_phone", |draft| {
            of_customer(draft, |customer| customer.phone = text("payer_phone", "+13055606666"));
        }),
        ("metadata in another order", |draft| {
            draft.metadata = given("metadata", json(r#"{"a":15,"b":1}"#, r#"{"a":15,"b":1}"#));
        }),
        ("sub_merchant without spaces", |draft| {
            draft.sub_merchant =
                given("sub_merchant", json(r#"{"name":"Puesto 7"}"#, r#"{"name":"Puesto 7"}"#));
        }),
        ("size with px", |draft| draft.size_qr = text("size_qr", "200px")),
        ("requested later", |draft| draft.request_datetime = text("request_datetime", "2026-11-21T09:00:00")),
        ("in the envelope", |draft| draft.enveloped = true),
        ("in the envelope without request_datetime", |draft| {
            draft.enveloped = true;
            draft.request_datetime = Field::Absent;
        }),
    ];
    for (edit, change) in edits {
        assert_eq!(content(change), content(|_| {}), "{edit}");
    }
}

#[test]
fn a_change_of_any_field_but_request_datetime_is_other_content() {
    let edits: [Edit; 35] = [
        ("nothing", |_| {}),
        ("reference", |draft| draft.reference = text("invoice_id", "INV-000001-002")),
        ("reference in lower case", |draft| draft.reference = text("invoice_id", "inv-000001-001")),
        ("currency", |draft| draft.currency = text("currency", "USD")),
        ("amount", |draft| draft.amount = text("amount", "15.01")),
        ("due", |draft| draft.due_datetime = text("due_datetime", "2026-11-22T05:00:00")),
        ("no due", |draft| draft.due_datetime = Field::Absent),
        ("expiration", |draft| {
            draft.expiration_datetime = text("expiration_datetime", "2026-11-30T05:00:01")
        }),
        ("no expiration", |draft| draft.expiration_datetime = Field::Absent),
        ("only a due date, at that expiration", |draft| {
            draft.due_datetime = text("due_datetime", "2026-11-30T05:00:00");
            draft.expiration_datetime = Field::Absent;
        }),
        ("no customer", |draft| draft.customer = Field::Absent),
        ("name", |draft| of_customer(draft, |customer| customer.name = text("name", "JUANA PEREZ"))),
        ("no name", |draft| of_customer(draft, |customer| customer.name = Field::Absent)),
        ("empty name", |draft| of_customer(draft, |customer| customer.name = text("name", ""))),
        ("email", |draft| of_customer(draft, |customer| customer.email = text("email", "juan@gmail.com"))),
        ("no email", |draft| of_customer(draft, |customer| customer.email = Field::Absent)),
        ("phone", |draft| of_customer(draft, |customer| customer.phone = text("phone", "+519996666"))),
        ("no phone", |draft| of_customer(draft, |customer| customer.phone = Field::Absent)),
        ("document type", |draft| of_customer(draft, |customer| customer.document_type = text("t", "CEX"))),
        ("no document type", |draft| of_customer(draft, |customer| customer.document_type = Field::Absent)),
        ("document", |draft| of_customer(draft, |customer| customer.document_id = text("d", "10203041"))),
        ("no document", |draft| of_customer(draft, |customer| customer.document_id = Field::Absent)),
        ("customer's external id", |draft| {
            of_customer(draft, |customer| customer.external_id = text("e", "CUS-2"))
        }),
        ("no external id", |draft| of_customer(draft, |customer| customer.external_id = Field::Absent)),
        ("sub_merchant", |draft| draft.sub_merchant = given("sub_merchant", json("{}", "{}"))),
        ("no sub_merchant", |draft| draft.sub_merchant = Field::Absent),
        ("url_success", |draft| draft.url_success = text("url_success", "https://tienda.pe/gracias/")),
        ("no url_success", |draft| draft.url_success = Field::Absent),
        ("url_error", |draft| draft.url_error = text("url_error", "https://tienda.pe/Error")),
        ("no url_error", |draft| draft.url_error = Field::Absent),
        ("links exchanged", |draft| std::mem::swap(&mut draft.url_success, &mut draft.url_error)),
        ("metadata", |draft| draft.metadata = given("metadata", json(r#"{"a":15}"#, r#"{"a":15}"#))),
        ("no metadata", |draft| draft.metadata = Field::Absent),
        ("size", |draft| draft.size_qr = text("size_qr", "201")),
        ("no size", |draft| draft.size_qr = Field::Absent),
    ];
    let mut seen = HashMap::new();
    for (edit, change) in edits {
        if let Some(other) = seen.insert(content(change), edit) {
            panic!("{edit} is the same content as {other}");
        }
    }
}

#[test]
fn a_default_that_is_spelled_out_is_other_content() {
    let with_default_size = |draft: &mut Draft| draft.size_qr = text("size_qr", "150");
    assert_ne!(content(with_default_size), content(|draft| draft.size_qr = Field::Absent));
}

/// The bound between two fields is part of the content: nothing slides from one into the next.
#[test]
fn text_does_not_slide_from_one_field_into_the_next() {
    let links = |success, error| {
        content(|draft| {
            draft.url_success = text("url_success", success);
            draft.url_error = text("url_error", error);
        })
    };
    assert_ne!(links("https://a.pe/x", "https://b.pe"), links("https://a.pe/", "https://b.pe/x"));
    let only = |draft: &mut Draft, success: bool| {
        let link = text("url", "https://a.pe");
        (draft.url_success, draft.url_error) =
            if success { (link, Field::Absent) } else { (Field::Absent, link) };
    };
    assert_ne!(content(|draft| only(draft, true)), content(|draft| only(draft, false)));
}

/// Stored with each invoice and compared for as long as it is open. Computed outside of this program.
#[test]
fn content_is_what_it_always_was() {
    let hex = |hash: [u8; 32]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(content(|_| {})), "82e0ba7c16e6c2f732a077f986a5cfb431477def74c1323fcf82527c54977b13");
    assert_eq!(
        hex(understood(order(), &shop()).content()),
        "72dddf79db7b9bcb4e7d22edb2912886552975953e927594f9ce239d5f1bb98b"
    );
}
