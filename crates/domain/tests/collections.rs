//! What banks say, judged without a bank: which messages are one operation, how long a promise holds, what becomes of
//! money, and until when it can be taken back.

mod support;

use domain::collection::{Channel, Operation, ResultCode, ReversalKind, pay};
use domain::event::EventKind;
use domain::invoice::{Invoice, Status};
use domain::money::Currency;
use domain::payment::{PaymentState, PaymentStatus, Reason};
use domain::quote::Quote;
use domain::time::{DAY_SECONDS, Moment};
use support::*;

const OPENED: &str = "2026-11-20T15:00:00";
const OVER: &str = "2026-11-21T15:00:00";

fn pending() -> Invoice {
    opened(order(), &shop(), at(OPENED))
}

fn operation(at: Moment) -> Operation {
    let ktin = opening(self::at(OPENED)).ktin;
    Operation { channel: "bcp".into(), agreement: "1".into(), ktin, number: "7".into(), at }
}

#[test]
fn a_message_is_of_an_operation_on_its_lima_day_or_less_than_an_hour_from_it() {
    let evening = operation(at("2026-11-21T04:59:50"));
    for (other, is_same) in [
        ("2026-11-20T05:00:00", true),
        ("2026-11-20T04:59:59", false),
        ("2026-11-21T05:00:10", true),
        ("2026-11-21T05:59:49", true),
        ("2026-11-21T05:59:50", false),
    ] {
        assert_eq!(evening.is_same_as_of(at(other)), is_same, "{other}");
    }
}

#[test]
fn a_bank_may_be_five_minutes_ahead_and_a_week_behind() {
    let now = at("2026-11-22T15:00:00");
    let seconds_ahead = |seconds| operation(now.plus_seconds(seconds));
    assert!(!seconds_ahead(300).is_of_the_future(now) && seconds_ahead(301).is_of_the_future(now));
    assert!(!seconds_ahead(-7 * DAY_SECONDS).is_too_old(now));
    assert!(seconds_ahead(-7 * DAY_SECONDS - 1).is_too_old(now));
}

#[test]
fn a_machine_reverses_for_a_day_and_a_person_on_the_day_of_lima_and_as_the_channel_allows() {
    let mut channel = Channel::unknown("bcp");
    let paid = at("2026-11-20T15:00:00");
    let may = |channel: &Channel, kind, text| channel.may_reverse(kind, paid, at(text));
    assert!(may(&channel, ReversalKind::Automatic, "2026-11-21T15:00:00"));
    assert!(!may(&channel, ReversalKind::Automatic, "2026-11-21T15:00:01"));
    assert!(may(&channel, ReversalKind::Manual, "2026-11-21T04:59:59"));
    assert!(!may(&channel, ReversalKind::Manual, "2026-11-21T05:00:00"));
    channel.reversal_days = 2;
    assert!(may(&channel, ReversalKind::Manual, "2026-11-23T04:59:59"));
    assert!(!may(&channel, ReversalKind::Manual, "2026-11-23T05:00:00"));
}

#[test]
fn a_quote_holds_for_ten_minutes_of_the_banks_clock_which_may_be_behind() {
    let quote = Quote::of(&pending().seen_at(at(OPENED)), id(5), at(OPENED));
    let holds = |seconds| quote.holds_at(at(OPENED).plus_seconds(seconds));
    assert!(holds(0) && holds(599) && holds(-300));
    assert!(!holds(600) && !holds(-301));
}

#[test]
fn a_quote_brings_its_terms_and_a_reversal_brings_the_later_ones_back() {
    let asked = pending();
    let quote = Quote::of(&asked.seen_at(at(OPENED)), id(5), at(OPENED));
    let now = at(OPENED).plus_seconds(60);
    let wish = domain::invoice::Amendment {
        amount: Some(money("80.00")),
        currency: Some(Currency::Usd),
        ..domain::invoice::Amendment::default()
    };
    let amended = asked.amend(wish, stamp(now)).expect("pending").after(&asked).clone();
    let money_of_it = bank_took(70, money("100.00"), Currency::Pen, now);
    let (code, change) = pay(&amended, money_of_it, Some(&quote), false, false, stamp(now));
    let paid = change.after(&amended).clone();
    assert_eq!((code, paid.terms), (ResultCode::Ok, asked.terms));
    let payment = change.payment.expect("it was applied");
    let reversed = paid.reverse(payment, stamp(now)).expect("it pays it");
    assert_eq!(reversed.after(&paid).terms, amended.terms);
    assert_eq!(reversed.after(&paid).status, Status::Pending);
}

#[test]
fn what_can_not_be_applied_is_refused_or_kept_with_its_reason() {
    let fresh = pending();
    let took = |amount, at| bank_took(70, money(amount), Currency::Pen, at);
    let (now, over) = (at(OPENED).plus_seconds(60), at(OVER));
    let after = |change: domain::change::Change| change.after(&fresh).clone();
    let paid =
        after(fresh.pay(bank_took(71, money("100.00"), Currency::Pen, now), stamp(now)).expect("owed"));
    let voided = after(fresh.void(stamp(now)).expect("pending"));
    let expired = after(fresh.expire(stamp(over)).expect("over"));
    for (invoice, superseded, amount, paid_at, code, reason) in [
        (&paid, false, "100.00", now, ResultCode::AlreadyPaid, Reason::Duplicate),
        (&voided, false, "100.00", now, ResultCode::Voided, Reason::Voided),
        (&fresh, false, "100.00", over, ResultCode::Expired, Reason::Late),
        (&expired, false, "100.00", over, ResultCode::Expired, Reason::Late),
        (&expired, true, "100.00", now, ResultCode::Expired, Reason::Superseded),
        (&fresh, false, "99.99", now, ResultCode::AmountMismatch, Reason::WrongAmount),
    ] {
        let judge = |cash| pay(invoice, took(amount, paid_at), None, superseded, cash, stamp(over));
        let (refused, nothing) = judge(false);
        assert_eq!(refused, code);
        assert!(nothing.invoice.is_none() && nothing.payment.is_none() && nothing.event.is_none());
        let (kept, change) = judge(true);
        assert_eq!((kept, change.invoice.is_none()), (ResultCode::Ok, true));
        assert_eq!(change.payment.expect("kept").status, PaymentStatus::Unapplied { reason });
        assert_eq!(change.event.expect("told").kind, EventKind::PaymentUnapplied);
    }
}

#[test]
fn money_kept_for_an_invoice_whose_time_is_over_is_told_with_it_as_every_reader_sees_it() {
    let fresh = pending();
    let late = bank_took(70, money("100.00"), Currency::Pen, at(OVER));
    let (_, change) = pay(&fresh, late, None, false, true, stamp(at(OVER)));
    let snapshot = change.event.expect("told").snapshot;
    assert_eq!((snapshot.status, snapshot.version), (Status::Expired, fresh.version), "storing it follows");
}

#[test]
fn money_steps_as_the_table_says() {
    use PaymentState::{Applied, Returned, Reversed, Unapplied};
    let allowed = [(Applied, Reversed), (Unapplied, Applied), (Unapplied, Reversed), (Unapplied, Returned)];
    for from in PaymentState::ALL {
        for to in PaymentState::ALL {
            assert_eq!(from.may_become(to), allowed.contains(&(from, to)), "{from:?} → {to:?}");
        }
        assert_eq!(PaymentState::parse(from.as_str()), Some(from));
    }
    for code in ResultCode::ALL {
        assert_eq!(ResultCode::parse(code.as_str()), Some(*code));
    }
}
