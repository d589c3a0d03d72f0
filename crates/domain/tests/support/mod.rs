//! The cast of the stories: a shop, its orders, a bank, and a clock that is moved by hand.

#![allow(dead_code, reason = "each story needs only a part of the cast")]
#![expect(clippy::expect_used, reason = "what stands in a story is well made")]

use domain::account::{Account, Mode, Owner};
use domain::change::{Opening, Stamp};
use domain::customer::CustomerDraft;
use domain::field::{Fault, Faults, Field, Wrong};
use domain::id::Id;
use domain::invoice::draft::{Draft, NewInvoice};
use domain::invoice::{Invoice, Token};
use domain::ktin::Ktin;
use domain::metadata::Verbatim;
use domain::money::{Amount, Currency};
use domain::payment::{Payment, PaymentStatus};
use domain::time::Moment;
use uuid::Uuid;

pub(crate) fn at(text: &str) -> Moment {
    Moment::parse(text).expect(text)
}

pub(crate) fn money(text: &str) -> Amount {
    Amount::parse(text).expect(text)
}

pub(crate) fn id<K>(number: u128) -> Id<K> {
    Id::from_uuid(Uuid::from_u128(number))
}

/// The same moment has the same stamp, so that a story can tell which verb an event came from.
pub(crate) fn stamp(at: Moment) -> Stamp {
    Stamp { at, event: id(u128::from(at.unix().unsigned_abs())) }
}

/// A shop that asks for nothing special: 24 hours to pay, no late fee, customers optional.
pub(crate) fn shop() -> Account {
    Account { live_enabled: true, ..Account::new(id(1), "Bodega Rosita".to_owned()) }
}

pub(crate) fn owner() -> Owner {
    Owner { account: shop().id, mode: Mode::Live }
}

pub(crate) fn given<T>(param: &str, value: T) -> Field<T> {
    Field::Given { param: param.to_owned(), value }
}

pub(crate) fn text(param: &str, value: &str) -> Field<String> {
    given(param, value.to_owned())
}

pub(crate) fn fault(param: &str, wrong: Wrong) -> Fault {
    Fault { param: param.to_owned(), wrong }
}

/// An order of 100 soles with nothing but what is required.
pub(crate) fn order() -> Draft {
    Draft {
        reference: text("invoice_id", "PEDIDO-1"),
        currency: text("currency", "PEN"),
        amount: text("amount", "100.00"),
        request_datetime: text("request_datetime", "2026-11-20T15:00:00"),
        ..Draft::default()
    }
}

pub(crate) fn json(text: &str, canonical: &str) -> Verbatim {
    Verbatim { text: text.to_owned(), canonical: canonical.to_owned() }
}

/// An order with every field there is.
pub(crate) fn full_order() -> Draft {
    Draft {
        reference: text("invoice_id", "INV-000001-001"),
        currency: text("currency", "PEN"),
        amount: text("amount", "15.00"),
        request_datetime: text("request_datetime", "2026-11-20T15:00:00"),
        due_datetime: text("due_datetime", "2026-11-22T04:59:59"),
        expiration_datetime: text("expiration_datetime", "2026-11-30T05:00:00"),
        customer: given("customer", full_customer()),
        sub_merchant: given("sub_merchant", json(r#"{ "name": "Puesto 7" }"#, r#"{"name":"Puesto 7"}"#)),
        url_success: text("url_success", "https://tienda.pe/gracias"),
        url_error: text("url_error", "https://tienda.pe/error"),
        metadata: given("metadata", json(r#"{"b":1, "a":15.00}"#, r#"{"a":15,"b":1}"#)),
        size_qr: text("size_qr", "200"),
        enveloped: false,
        asked: None,
    }
}

pub(crate) fn full_customer() -> CustomerDraft {
    CustomerDraft {
        name: text("customer.name", "JUAN PEREZ"),
        email: text("customer.email", "juan.perez.xxx@gmail.com"),
        phone: text("customer.phone", "+13055606666"),
        document_type: text("customer.document_type", "DNI"),
        document_id: text("customer.document_id", "10203040"),
        external_id: text("customer.external_id", "CUS-10203040-001"),
    }
}

pub(crate) fn understood(draft: Draft, account: &Account) -> NewInvoice {
    let mut faults = Faults::default();
    let new = draft.parse(account, &mut faults);
    assert_eq!(faults, Faults::default());
    new.expect("a draft without faults is a new invoice")
}

pub(crate) fn opening(at: Moment) -> Opening {
    let ktin = Ktin::compose(at.lima_day(), 0, &[7; 16]).expect("the first of its day");
    Opening { stamp: stamp(at), id: id(2), ktin, token: Token::from_random([9; 16]) }
}

pub(crate) fn opened(draft: Draft, account: &Account, at: Moment) -> Invoice {
    let change = Invoice::open(owner(), account, understood(draft, account), opening(at));
    change.invoice.expect("opening makes an invoice").0
}

/// What a bank took at `paid_at`, told to us a second later.
pub(crate) fn bank_took(number: u128, amount: Amount, currency: Currency, paid_at: Moment) -> Payment {
    Payment {
        id: id(number),
        owner: owner(),
        invoice: id(2),
        ktin: opening(at("2026-11-20T15:00:00")).ktin,
        amount,
        currency,
        channel: "bcp".to_owned(),
        operation_number: format!("{number:06}"),
        paid_at,
        received_at: paid_at.plus_seconds(1),
        status: PaymentStatus::Applied,
        replaced: None,
    }
}
