//! Money and promises: what a quote is worth, what becomes of money that pays nothing, and that no cash which a bank has
//! is ever refused.

mod support;

use domain::account::Account;
use domain::change::Change;
use domain::collection::{self, Channel, Operation, ResultCode, ReversalKind};
use domain::event::EventKind;
use domain::invoice::{Amendment, Invoice, Refusal, Status};
use domain::late_fee::LateFee;
use domain::money::{Amount, Currency};
use domain::payment::{Payment, PaymentState, PaymentStatus, Reason};
use domain::quote::Quote;
use domain::time::{DAY_SECONDS, Moment};
use support::*;

const OPENED: &str = "2026-11-20T15:00:00";
const QUOTED: &str = "2026-11-20T16:00:00";
const EXPIRES: &str = "2026-11-25T05:00:00";

fn pending() -> Invoice {
    let mut order = order();
    order.due_datetime = text("due_datetime", "2026-11-21T04:59:59");
    order.expiration_datetime = text("expiration_datetime", EXPIRES);
    let late_fee = LateFee::Fixed { pen: money("5.00"), usd: money("2.00") };
    opened(order, &Account { late_fee, ..shop() }, at(OPENED))
}

fn quote(invoice: &Invoice, at: Moment) -> Quote {
    Quote::of(&invoice.seen_at(at), id(50), at)
}

#[expect(clippy::expect_used, reason = "what stands in a story is well made")]
fn amended(invoice: &Invoice, amount: &str) -> Invoice {
    let wish = Amendment { amount: Some(money(amount)), ..Amendment::default() };
    let change = invoice.amend(wish, stamp(at("2026-11-20T16:01:00"))).expect("pending");
    change.after(invoice).clone()
}

fn took(amount: &str, paid_at: Moment) -> Payment {
    bank_took(70, money(amount), Currency::Pen, paid_at)
}

#[test]
fn a_quote_is_what_the_payer_is_told_and_holds_ten_minutes() {
    let invoice = pending();
    let told = quote(&invoice, at("2026-11-22T16:00:00"));
    assert_eq!(
        (told.sub_total, told.late_fee, told.total()),
        (money("100.00"), money("5.00"), money("105.00"))
    );
    for (seconds, holds) in [(0, true), (599, true), (600, false), (-300, true), (-301, false)] {
        assert_eq!(told.holds_at(told.created.plus_seconds(seconds)), holds, "{seconds} s");
    }
}

#[test]
fn a_quote_is_honoured_after_an_amendment_and_a_reversal_brings_the_amendment_back() {
    let invoice = pending();
    let told = quote(&invoice, at(QUOTED));
    let dearer = amended(&invoice, "130.00");
    let payment = took("100.00", at("2026-11-20T16:05:00"));
    assert_eq!(dearer.pay(payment.clone(), stamp(at(QUOTED))).err(), Some(Refusal::AmountMismatch));

    let change = dearer.pay_quoted(payment, &told, stamp(at("2026-11-20T16:05:01"))).expect("promised");
    let paid = change.after(&dearer).clone();
    assert_eq!(paid.terms.sub_total, money("100.00"));
    assert_eq!(paid.seen_at(at(EXPIRES)).total(), money("100.00"), "the amount is the payment's");
    let payment = change.payment.expect("the money");
    assert_eq!(payment.replaced, Some((Currency::Pen, money("130.00"))));

    let back = paid.reverse(payment, stamp(at("2026-11-20T16:10:00"))).expect("paid by it");
    let back = back.after(&paid);
    assert_eq!((back.status, back.terms), (Status::Pending, dearer.terms));
}

#[test]
fn a_quote_is_honoured_in_its_currency_and_with_its_late_fee() {
    let invoice = pending();
    let late = at("2026-11-22T16:00:00");
    let told = quote(&invoice, late);
    let wish = Amendment { currency: Some(Currency::Usd), due: Some(None), ..Amendment::default() };
    let changed = invoice.amend(wish, stamp(late)).expect("pending").after(&invoice).clone();
    let change =
        changed.pay_quoted(took("105.00", late.plus_seconds(60)), &told, stamp(late)).expect("promised");
    let paid = change.after(&changed);
    assert_eq!(paid.terms.currency, Currency::Pen);
    assert!(matches!(paid.status, Status::Paid { late_fee, .. } if late_fee == money("5.00")));
}

#[test]
fn a_quote_is_honoured_after_the_expiration_while_it_holds() {
    let invoice = pending();
    let just_before = at(EXPIRES).plus_seconds(-60);
    let told = quote(&invoice, just_before);
    let over = at(EXPIRES).plus_seconds(120);
    let expired = invoice.expire(stamp(over)).expect("over").after(&invoice).clone();
    assert_eq!(expired.pay(took("105.00", over), stamp(over)).err(), Some(Refusal::Expired));
    for meets in [&invoice, &expired] {
        let change = meets.pay_quoted(took("105.00", over), &told, stamp(over)).expect("promised");
        assert!(matches!(change.after(meets).status, Status::Paid { .. }));
        let too_late = took("105.00", told.expires);
        assert_eq!(meets.pay_quoted(too_late, &told, stamp(over)).err(), Some(Refusal::Expired));
    }
}

#[test]
fn a_quote_opens_neither_a_voided_nor_a_paid_invoice_and_none_of_another_invoice_counts() {
    let invoice = pending();
    let told = quote(&invoice, at(QUOTED));
    let now = stamp(at("2026-11-20T16:05:00"));
    let voided = invoice.void(now).expect("pending").after(&invoice).clone();
    assert_eq!(voided.pay_quoted(took("100.00", now.at), &told, now).err(), Some(Refusal::Voided));
    let paid = invoice.pay(took("100.00", now.at), now).expect("owed").after(&invoice).clone();
    assert_eq!(paid.pay_quoted(took("100.00", now.at), &told, now).err(), Some(Refusal::AlreadyPaid));
    let foreign = Quote { invoice: id(99), ..told };
    let dearer = amended(&invoice, "130.00");
    let refused = dearer.pay_quoted(took("100.00", now.at), &foreign, now);
    assert_eq!(refused.err(), Some(Refusal::AmountMismatch));
}

/// Every way in which money can be unwelcome: what the bank is told without the cash, and why it is kept with it.
#[test]
fn money_that_a_bank_has_is_kept_and_money_that_it_has_not_is_refused() {
    let fresh = pending();
    let now = stamp(at("2026-11-20T16:05:00"));
    let over = stamp(at(EXPIRES).plus_seconds(60));
    let after = |change: Result<Change, Refusal>| change.expect("allowed").after(&fresh).clone();
    let paid = after(fresh.pay(bank_took(71, money("100.00"), Currency::Pen, now.at), now));
    let voided = after(fresh.void(now));
    let expired = after(fresh.expire(over));
    let in_time = at(EXPIRES).plus_seconds(-1);
    for (invoice, payment, superseded, code, reason) in [
        (&paid, took("100.00", now.at), false, ResultCode::AlreadyPaid, Reason::Duplicate),
        (&voided, took("100.00", now.at), false, ResultCode::Voided, Reason::Voided),
        (&expired, took("105.00", over.at), false, ResultCode::Expired, Reason::Late),
        (&fresh, took("105.00", over.at), false, ResultCode::Expired, Reason::Late),
        (&expired, took("105.00", in_time), true, ResultCode::Expired, Reason::Superseded),
        (&fresh, took("99.99", now.at), false, ResultCode::AmountMismatch, Reason::WrongAmount),
    ] {
        let (told, change) = collection::pay(invoice, payment.clone(), None, superseded, false, over);
        assert_eq!(told, code, "{reason:?}");
        assert!(change.invoice.is_none() && change.payment.is_none() && change.event.is_none());

        let (told, change) = collection::pay(invoice, payment.clone(), None, superseded, true, over);
        assert_eq!(told, ResultCode::Ok, "{reason:?}");
        assert!(change.invoice.is_none(), "the invoice stays as it is");
        let kept = change.payment.expect("kept");
        assert_eq!(kept, Payment { status: PaymentStatus::Unapplied { reason }, ..payment });
        let event = change.event.expect("told");
        assert_eq!(event.kind, EventKind::PaymentUnapplied);
        // As every reader sees it at that moment, also where its expiration is not stored yet.
        assert_eq!(event.snapshot.status, invoice.seen_at(over.at).status, "{reason:?}");
        assert_eq!((event.snapshot.version, event.snapshot.terms), (invoice.version, invoice.terms));
        assert_eq!(event.payment, Some((kept.id, kept.status)));
    }
}

#[test]
fn a_superseded_invoice_is_paid_while_it_is_pending() {
    // It was found past its expiration by nobody yet, so nobody can have issued its reference again.
    let invoice = pending();
    let (code, _) = collection::pay(
        &invoice,
        took("105.00", at(EXPIRES).plus_seconds(-1)),
        None,
        true,
        false,
        stamp(at(EXPIRES)),
    );
    assert_eq!(code, ResultCode::Ok);
}

#[test]
fn kept_money_is_applied_with_two_tellings_and_its_invoice_is_paid() {
    let invoice = pending();
    let now = stamp(at("2026-11-20T16:05:00"));
    let kept = Payment {
        status: PaymentStatus::Unapplied { reason: Reason::WrongAmount },
        ..took("100.00", now.at)
    };
    let [told, change] = invoice.apply(kept.clone(), now, id(99)).expect("it fits");
    assert!(told.invoice.is_none() && told.payment.is_none(), "one change writes the money");
    assert_eq!(told.event.as_ref().map(|event| event.kind), Some(EventKind::PaymentApplied));
    assert_eq!(
        change.event.as_ref().map(|event| (event.kind, event.id)),
        Some((EventKind::InvoicePaid, id(99)))
    );
    assert_eq!(change.payment.as_ref().map(|money| &money.status), Some(&PaymentStatus::Applied));
    assert!(matches!(change.after(&invoice).status, Status::Paid { payment, .. } if payment == kept.id));

    let other = Payment { amount: money("100.01"), ..kept.clone() };
    assert_eq!(invoice.apply(other, now, id(99)).err(), Some(Refusal::AmountMismatch));
    let foreign = Payment { currency: Currency::Usd, ..kept.clone() };
    assert_eq!(invoice.apply(foreign, now, id(99)).err(), Some(Refusal::AmountMismatch));
    for status in
        [PaymentStatus::Applied, PaymentStatus::Reversed, PaymentStatus::Returned { reason: String::new() }]
    {
        let refused = invoice.apply(Payment { status, ..kept.clone() }, now, id(99));
        assert_eq!(refused.err(), Some(Refusal::NotUnapplied));
    }
}

#[test]
fn kept_money_fits_what_was_owed_at_the_banks_time_or_is_owed_now() {
    let invoice = pending();
    let (in_time, late) = (at("2026-11-20T16:00:00"), stamp(at("2026-11-22T16:00:00")));
    let unapplied = PaymentStatus::Unapplied { reason: Reason::Late };
    for (amount, late_fee) in [("100.00", Amount::ZERO), ("105.00", money("5.00"))] {
        let kept = Payment { status: unapplied.clone(), ..took(amount, in_time) };
        let [_, change] = invoice.apply(kept, late, id(99)).expect(amount);
        assert!(
            matches!(change.after(&invoice).status, Status::Paid { late_fee: frozen, .. } if frozen == late_fee)
        );
    }
}

#[test]
fn only_kept_money_is_given_back_or_reversed_by_itself() {
    let invoice = pending();
    let now = stamp(at(QUOTED));
    let kept =
        Payment { status: PaymentStatus::Unapplied { reason: Reason::Duplicate }, ..took("100.00", now.at) };
    let back = kept.clone().give_back("pagó dos veces".to_owned(), &invoice, now).expect("kept");
    assert_eq!(back.payment.as_ref().and_then(|money| money.status.reason()), Some("pagó dos veces"));
    assert_eq!(back.event.as_ref().map(|event| event.kind), Some(EventKind::PaymentReturned));
    let reversed = kept.clone().reverse(&invoice, now).expect("kept");
    assert_eq!(reversed.payment.as_ref().map(|money| money.status.state()), Some(PaymentState::Reversed));
    assert_eq!(reversed.event.as_ref().map(|event| event.kind), Some(EventKind::PaymentReversed));
    for status in
        [PaymentStatus::Applied, PaymentStatus::Reversed, PaymentStatus::Returned { reason: String::new() }]
    {
        let money = Payment { status, ..kept.clone() };
        assert_eq!(money.clone().reverse(&invoice, now).err(), Some(Refusal::NotUnapplied));
        assert_eq!(money.give_back(String::new(), &invoice, now).err(), Some(Refusal::NotUnapplied));
    }
}

#[test]
fn a_test_order_expires_when_its_merchant_says_so() {
    let invoice = pending();
    let now = stamp(at(QUOTED));
    let change = invoice.expire_early(now).expect("pending");
    let expired = change.after(&invoice);
    assert_eq!((expired.status, expired.terms.expires), (Status::Expired, now.at));
    assert!(expired.terms.due <= Some(expired.terms.expires), "never due after it");
    assert!(expired.expire_early(now).is_ok_and(|again| again.event.is_none()), "again: nothing");
}

#[test]
fn a_reversal_comes_in_time_or_not() {
    let strict = Channel::unknown("bcp");
    let patient = Channel { reversal_days: 2, ..strict.clone() };
    let paid_at = at("2026-11-21T04:00:00"); // 23:00 of the 20th in Lima
    let later = |seconds| paid_at.plus_seconds(seconds);
    for (channel, kind, now, may) in [
        (&strict, ReversalKind::Automatic, later(DAY_SECONDS), true),
        (&strict, ReversalKind::Automatic, later(DAY_SECONDS + 1), false),
        (&strict, ReversalKind::Manual, later(3_599), true),
        (&strict, ReversalKind::Manual, later(3_600), false),
        (&patient, ReversalKind::Manual, later(3_599 + 2 * DAY_SECONDS), true),
        (&patient, ReversalKind::Manual, later(3_600 + 2 * DAY_SECONDS), false),
        (&patient, ReversalKind::Automatic, later(DAY_SECONDS + 1), false),
    ] {
        assert_eq!(channel.may_reverse(kind, paid_at, now), may, "{kind:?} {now}");
    }
}

#[test]
fn an_operation_is_the_same_on_its_lima_day_or_within_an_hour_across_midnight() {
    let operation = Operation {
        channel: "bcp".to_owned(),
        agreement: "1".to_owned(),
        ktin: pending().order.ktin,
        number: "000123".to_owned(),
        at: at("2026-11-21T04:59:30"), // half a minute before midnight in Lima
    };
    for (other, same) in [
        ("2026-11-20T05:00:00", true),
        ("2026-11-21T05:00:10", true),
        ("2026-11-21T05:59:29", true),
        ("2026-11-21T05:59:30", false),
        ("2026-11-20T04:59:59", false),
    ] {
        assert_eq!(operation.is_same_as_of(at(other)), same, "{other}");
    }
    let now = operation.at;
    let of = |seconds| Operation { at: now.plus_seconds(seconds), ..operation.clone() };
    assert!(!of(300).is_of_the_future(now) && of(301).is_of_the_future(now));
    assert!(!of(-7 * DAY_SECONDS).is_too_old(now) && of(-7 * DAY_SECONDS - 1).is_too_old(now));
}

#[test]
fn words_are_read_as_they_are_written() {
    for code in ResultCode::ALL {
        assert_eq!(ResultCode::parse(code.as_str()), Some(*code));
    }
    for reason in Reason::ALL {
        assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        let stored = PaymentStatus::from_stored("unapplied", Some(reason.as_str().to_owned()));
        assert_eq!(stored, Some(PaymentStatus::Unapplied { reason }));
    }
    for state in PaymentState::ALL {
        assert_eq!(PaymentState::parse(&state.as_str().to_uppercase()), Some(state));
    }
    for (state, reason) in
        [("applied", Some("late")), ("unapplied", None), ("unapplied", Some("x")), ("lost", None)]
    {
        assert_eq!(PaymentStatus::from_stored(state, reason.map(str::to_owned)), None, "{state} {reason:?}");
    }
}
