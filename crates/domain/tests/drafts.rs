//! From what a merchant wrote to a new invoice: all faults at once, then those that only time brings.

mod support;

use domain::account::{Account, Mode};
use domain::customer::CustomerDraft;
use domain::field::{Faults, Field, Wrong};
use domain::invoice::draft::{Draft, NewInvoice};
use domain::time::DAY_SECONDS;
use support::*;

/// The faults as `path: fault`, and whether there is a new invoice nevertheless.
fn judge(draft: Draft, account: &Account) -> (Vec<String>, Option<NewInvoice>) {
    let mut faults = Faults::default();
    let new = draft.parse(account, &mut faults);
    (told(&faults), new)
}

fn faults_of(draft: Draft) -> Vec<String> {
    let (faults, new) = judge(draft, &shop());
    assert_eq!(faults.is_empty(), new.is_some(), "either faults or a new invoice: {faults:?}");
    faults
}

fn told(faults: &Faults) -> Vec<String> {
    faults.0.iter().map(|fault| format!("{}: {:?}", fault.param, fault.wrong)).collect()
}

#[test]
fn a_full_order_is_understood_field_by_field() {
    let (faults, new) = judge(full_order(), &shop());
    assert_eq!(faults, [""; 0]);
    let new = new.expect("no faults");
    assert_eq!(new.reference.as_str(), "INV-000001-001");
    assert_eq!((new.currency.as_str(), new.amount), ("PEN", money("15.00")));
    assert_eq!(new.request_datetime, Some(at("2026-11-20T15:00:00")));
    assert_eq!(new.due, Some(at("2026-11-22T04:59:59")));
    assert_eq!(new.expires, Some(at("2026-11-30T05:00:00")));
    assert_eq!(new.url_success.as_deref(), Some("https://tienda.pe/gracias"));
    assert_eq!(new.url_error.as_deref(), Some("https://tienda.pe/error"));
    assert_eq!(new.size_qr, Some(200));
    assert_eq!(new.sub_merchant.map(|json| json.text).as_deref(), Some(r#"{ "name": "Puesto 7" }"#));
    assert_eq!(new.metadata.map(|json| json.text).as_deref(), Some(r#"{"b":1, "a":15.00}"#));
    let customer = new.customer.expect("a customer");
    assert_eq!(customer.name.as_deref(), Some("JUAN PEREZ"));
    assert_eq!(customer.email.as_deref(), Some("juan.perez.xxx@gmail.com"));
    assert_eq!(customer.phone.as_deref(), Some("+13055606666"));
    assert_eq!(customer.document_type.as_deref(), Some("DNI"));
    assert_eq!(customer.document_id.as_deref(), Some("10203040"));
    assert_eq!(customer.external_id.as_deref(), Some("CUS-10203040-001"));
}

#[test]
fn an_empty_request_misses_what_is_required_and_nothing_else() {
    let missing =
        ["invoice_id: Missing", "currency: Missing", "amount: Missing", "request_datetime: Missing"];
    assert_eq!(faults_of(Draft::default()), missing);
    assert_eq!(faults_of(order()), [""; 0]);
}

#[test]
fn the_envelope_knew_no_request_datetime_but_reads_one() {
    let enveloped = |request_datetime| Draft { request_datetime, enveloped: true, ..order() };
    assert_eq!(faults_of(enveloped(Field::Absent)), [""; 0]);
    assert_eq!(faults_of(enveloped(text("request_datetime", "2026-11-20T15:00:00"))), [""; 0]);
    let faults = faults_of(enveloped(text("request_datetime", "ayer")));
    assert_eq!(faults, ["request_datetime: DateTime"]);
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_fields_and_the_callers_own_words() {
    let draft = Draft {
        reference: text("external_id", ""),
        currency: text("total.currency", "EUR"),
        amount: text("total.value", "1.234"),
        request_datetime: text("request_datetime", "ayer"),
        due_datetime: text("due_datetime", "mañana"),
        expiration_datetime: text("expiration_datetime", "nunca"),
        customer: given(
            "payer",
            CustomerDraft {
                name: text("payer.name", &"x".repeat(201)),
                email: text("payer.email", "juan"),
                phone: text("payer_phone", "999"),
                document_type: text("payer.document_type", "DNI"),
                document_id: text("payer.document_id", "1"),
                external_id: text("payer.external_id", &"x".repeat(101)),
            },
        ),
        sub_merchant: Field::Absent,
        url_success: text("url_success", "/gracias"),
        url_error: text("url_error", "ftp://tienda.pe"),
        metadata: Field::Absent,
        size_qr: text("size_qr", "99"),
        enveloped: false,
        asked: None,
    };
    let faults = [
        "external_id: TooShort { min: 1 }",
        "total.currency: Currency",
        "total.value: AmountDecimals",
        "request_datetime: DateTime",
        "due_datetime: DateTime",
        "expiration_datetime: DateTime",
        "payer.name: TooLong { max: 200 }",
        "payer.email: Email",
        "payer_phone: Phone",
        "payer.document_id: Document",
        "payer.external_id: TooLong { max: 100 }",
        "url_success: Url",
        "url_error: Url",
        "size_qr: SizeQr",
    ];
    assert_eq!(faults_of(draft), faults);
}

#[test]
fn a_field_whose_fault_is_noted_already_is_not_complained_about_again() {
    let draft = Draft {
        reference: Field::Faulty,
        currency: Field::Faulty,
        amount: Field::Faulty,
        request_datetime: Field::Faulty,
        customer: Field::Faulty,
        ..order()
    };
    let strict = Account { customer_required: true, ..shop() };
    let mut faults = Faults::default();
    faults.add("amount", Wrong::Type);
    assert!(draft.parse(&strict, &mut faults).is_none(), "nothing can come of it");
    assert_eq!(told(&faults), ["amount: Type"]);
}

#[test]
fn an_account_may_require_a_customer() {
    let strict = Account { customer_required: true, ..shop() };
    let judged = |customer| judge(Draft { customer, ..order() }, &strict).0;
    assert_eq!(judged(Field::Absent), ["customer: Missing"]);
    assert_eq!(judged(given("customer", full_customer())), [""; 0]);
    assert_eq!(judged(given("payer", CustomerDraft::default())), [""; 0], "which fields is not said");
    assert_eq!(faults_of(Draft { customer: Field::Absent, ..order() }), [""; 0], "others do not");
}

#[test]
fn nothing_is_due_after_it_expired() {
    let judged = |due, expires| {
        faults_of(Draft {
            due_datetime: text("due_datetime", due),
            expiration_datetime: text("expiration_datetime", expires),
            ..order()
        })
    };
    assert_eq!(judged("2026-11-22T05:00:00", "2026-11-22T05:00:00"), [""; 0]);
    assert_eq!(judged("2026-11-22T05:00:01", "2026-11-22T05:00:00"), ["due_datetime: DueAfterExpiration"]);
    assert_eq!(judged("2026-11-22T00:00:00-05:00", "2026-11-22T05:00:00Z"), [""; 0], "the same instant");
}

// --- what time brings ---

#[test]
fn time_is_against_an_order_by_its_mode_and_the_clock() {
    const NOW: &str = "2026-11-20T15:00:00";
    let due_tomorrow = Some("2026-11-21T15:00:00");
    let due_later = Some("2026-11-21T15:00:01");
    let request = |request| (request, None, None);
    let expires = |expires| ("2026-11-20T15:00:00", None, Some(expires));
    let no_fault: &[&str] = &[];
    let [past, too_far] =
        ["expiration_datetime: ExpirationPast", "expiration_datetime: ExpirationTooFar"].map(|fault| [fault]);
    for ((request, due, expires), live, test) in [
        (request("2026-11-20T15:00:00"), no_fault, no_fault),
        (request("2001-01-01T00:00:00"), no_fault, no_fault),
        // The merchant's clock may be 24 hours ahead.
        (request("2026-11-21T15:00:00"), no_fault, no_fault),
        (
            request("2026-11-21T15:00:01"),
            &["request_datetime: RequestInFuture"],
            &["request_datetime: RequestInFuture"],
        ),
        // In test an expiration may be past, as in a printed sample.
        (expires("2026-11-20T15:00:01"), no_fault, no_fault),
        (expires("2026-11-20T15:00:00"), &past, no_fault),
        (expires("2020-02-01T05:00:00"), &past, no_fault),
        // 366 days, in both.
        (expires("2027-11-21T15:00:00"), no_fault, no_fault),
        (expires("2027-11-21T15:00:01"), &too_far, &too_far),
        (expires("9999-12-31T23:59:59"), &too_far, &too_far),
        // Without an expiration of its own the account's 24 hours count.
        ((NOW, due_tomorrow, None), no_fault, no_fault),
        (
            (NOW, due_later, None),
            &["due_datetime: DueAfterExpiration"],
            &["due_datetime: DueAfterExpiration"],
        ),
        ((NOW, due_later, Some("2026-11-30T05:00:00")), no_fault, no_fault),
        (
            ("2027-01-01T00:00:00", None, Some("2020-02-01T05:00:00")),
            &["request_datetime: RequestInFuture", "expiration_datetime: ExpirationPast"],
            &["request_datetime: RequestInFuture"],
        ),
    ] {
        let field = |name, value: Option<&str>| value.map_or(Field::Absent, |value| text(name, value));
        let draft = Draft {
            request_datetime: text("request_datetime", request),
            due_datetime: field("due_datetime", due),
            expiration_datetime: field("expiration_datetime", expires),
            ..order()
        };
        let new = understood(draft, &shop());
        let story = format!("requested {request}, due {due:?}, expires {expires:?}");
        assert_eq!(told(&new.faults_at(at(NOW), Mode::Live, &shop())), live, "live: {story}");
        assert_eq!(told(&new.faults_at(at(NOW), Mode::Test, &shop())), test, "test: {story}");
    }
}

#[test]
fn the_default_expiration_is_the_accounts() {
    let patient = Account { default_expiration_seconds: 3 * DAY_SECONDS, ..shop() };
    let opened_at = at("2026-11-20T15:00:00");
    let new = understood(order(), &patient);
    assert_eq!(new.expires_at(opened_at, &patient), at("2026-11-23T15:00:00"));
    assert_eq!(new.expires_at(opened_at, &shop()), at("2026-11-21T15:00:00"));
    assert_eq!(understood(full_order(), &patient).expires_at(opened_at, &patient), at("2026-11-30T05:00:00"));
}

#[test]
fn a_draft_with_other_faults_is_told_those_of_time_as_well() {
    let late = |asked| {
        let mut draft = order();
        draft.currency = text("currency", "EUR");
        draft.request_datetime = text("request_datetime", "2099-01-01T00:00:00");
        draft.expiration_datetime = text("expiration_datetime", "2020-01-01T00:00:00");
        draft.due_datetime = Field::Absent;
        draft.asked = asked;
        faults_of(draft)
    };
    let now = domain::time::Moment::parse("2026-11-22T12:00:00").expect("a moment");
    assert_eq!(late(None), ["currency: Currency"]);
    let told =
        ["currency: Currency", "request_datetime: RequestInFuture", "expiration_datetime: ExpirationPast"];
    assert_eq!(late(Some((now, Mode::Live))), told);
    assert_eq!(late(Some((now, Mode::Test))), told[..2]);
}
