//! What a debt grows by once its due date is past: never before, by Lima days, never beyond itself.

mod support;

use domain::account::Account;
use domain::invoice::{Amendment, Status};
use domain::late_fee::LateFee;
use domain::money::{Amount, Currency};
use domain::time::{DAY_SECONDS, Moment};
use proptest::prelude::*;
use support::*;

fn percent(percent_e4: u32) -> LateFee {
    LateFee::PercentPerDay { percent_e4 }
}

fn fee(rule: &LateFee, sub_total: &str, due: &str, now: &str) -> String {
    rule.at(at(now), Some(at(due)), money(sub_total), Currency::Pen).to_string()
}

#[test]
fn a_fixed_fee_is_added_once_from_the_second_after_the_due_date() {
    let rule = LateFee::Fixed { pen: money("5.00"), usd: money("2.00") };
    let due = "2026-11-20T15:00:00";
    for (now, expected) in [
        ("2026-11-19T15:00:00", "0.00"),
        ("2026-11-20T15:00:00", "0.00"),
        ("2026-11-20T15:00:01", "5.00"),
        ("2027-11-20T15:00:00", "5.00"),
    ] {
        assert_eq!(fee(&rule, "100.00", due, now), expected, "{now}");
    }
    let in_dollars = rule.at(at("2026-11-20T15:00:01"), Some(at(due)), money("100.00"), Currency::Usd);
    assert_eq!(in_dollars, money("2.00"));
}

#[test]
fn a_percentage_grows_when_a_day_begins_in_lima() {
    let one_percent = percent(10_000);
    for (due, now, expected) in [
        // Due at the end of the 20th in Lima.
        ("2026-11-21T04:59:59", "2026-11-21T04:59:59", "0.00"),
        ("2026-11-21T04:59:59", "2026-11-21T05:00:00", "1.00"),
        ("2026-11-21T04:59:59", "2026-11-22T04:59:59", "1.00"),
        ("2026-11-21T04:59:59", "2026-11-22T05:00:00", "2.00"),
        // Due at ten in the morning: the rest of that day is free.
        ("2026-11-20T15:00:00", "2026-11-20T15:00:01", "0.00"),
        ("2026-11-20T15:00:00", "2026-11-21T04:59:59", "0.00"),
        ("2026-11-20T15:00:00", "2026-11-21T05:00:00", "1.00"),
        // A midnight of UTC is no border.
        ("2026-11-20T23:59:59", "2026-11-21T00:00:00", "0.00"),
        // Over the end of a leap February.
        ("2028-02-28T15:00:00", "2028-03-01T15:00:00", "2.00"),
    ] {
        assert_eq!(fee(&one_percent, "100.00", due, now), expected, "due {due}, now {now}");
    }
}

#[test]
fn half_a_centimo_rounds_up_and_the_whole_never_exceeds_the_debt() {
    let (due, next_day) = ("2026-11-20T15:00:00", "2026-11-21T15:00:00");
    for (percent_e4, sub_total, expected) in [
        (500, "9.99", "0.00"),   // 0.004995
        (500, "10.00", "0.01"),  // 0.005
        (500, "29.99", "0.01"),  // 0.014995
        (500, "30.00", "0.02"),  // 0.015
        (500, "100.00", "0.05"), // "0.05" percent
        (1, "999999999.99", "1000.00"),
        (999_999, "100.00", "100.00"),   // 99.9999
        (1_000_000, "100.00", "100.00"), // all of it
        (1_000_001, "100.00", "100.00"), // and no more
        (u32::MAX, "999999999.99", "999999999.99"),
        (0, "100.00", "0.00"),
    ] {
        assert_eq!(
            fee(&percent(percent_e4), sub_total, due, next_day),
            expected,
            "{percent_e4} of {sub_total}"
        );
    }
    assert_eq!(fee(&percent(10_000), "100.00", due, "2027-02-28T15:00:00"), "100.00", "a hundred days");
    assert_eq!(fee(&percent(10_000), "100.00", due, "2027-02-27T15:00:00"), "99.00", "ninety-nine");
    assert_eq!(fee(&percent(u32::MAX), "0.01", due, "9999-12-31T23:59:59"), "0.01");
}

proptest! {
    #[test]
    fn a_percentage_is_exact_to_half_a_centimo(
        centimos in 1i64..=Amount::MAX.centimos(), percent_e4 in 0u32..50_000, days in 0i64..40,
    ) {
        let due = at("2026-11-20T15:00:00");
        let sub_total = Amount::from_centimos(centimos).expect("positive");
        let fee = percent(percent_e4).at(due.plus_seconds(days * DAY_SECONDS), Some(due), sub_total, Currency::Pen);
        let exact = i128::from(centimos) * i128::from(percent_e4) * i128::from(days);
        let rounding = i128::from(fee.centimos()) * 1_000_000 - exact;
        let capped = exact >= i128::from(centimos) * 1_000_000;
        let sound = if capped { fee == sub_total } else { (-499_999..=500_000).contains(&rounding) };
        prop_assert!(sound, "a fee of {} is {} millionths off", fee, rounding);
    }

    #[test]
    fn no_fee_falls_as_time_goes_on(
        centimos in 1i64..=Amount::MAX.centimos(), percent_e4: u32, early in 0i64..40_000_000, more in 0i64..40_000_000,
    ) {
        let due = at("2026-11-20T15:00:00");
        let sub_total = Amount::from_centimos(centimos).expect("positive");
        let fee = |seconds| percent(percent_e4).at(due.plus_seconds(seconds), Some(due), sub_total, Currency::Pen);
        prop_assert!(fee(early) <= fee(early + more));
        prop_assert!(fee(early + more) <= sub_total);
    }

    #[test]
    fn without_a_due_date_or_a_rule_nothing_is_ever_late(now: i64, percent_e4: u32) {
        let now = Moment::from_unix(now);
        let (debt, due) = (money("100.00"), at("2026-11-20T15:00:00"));
        prop_assert_eq!(percent(percent_e4).at(now, None, debt, Currency::Pen), Amount::ZERO);
        prop_assert_eq!(LateFee::None.at(now, Some(due), debt, Currency::Pen), Amount::ZERO);
    }
}

fn slow_shop() -> Account {
    Account { late_fee: percent(10_000), ..shop() }
}

/// 100 soles, due on the 20th, one percent a day.
fn debt() -> domain::invoice::Invoice {
    let mut order = order();
    order.due_datetime = text("due_datetime", "2026-11-20T20:00:00");
    order.expiration_datetime = text("expiration_datetime", "2026-12-20T05:00:00");
    opened(order, &slow_shop(), at("2026-11-20T15:00:00"))
}

#[test]
fn the_payment_freezes_the_late_fee_and_its_reversal_lets_it_run_on() {
    let debt = debt();
    let payment = bank_took(1, money("103.00"), Currency::Pen, at("2026-11-23T15:00:00"));
    let change = debt.pay(payment.clone(), stamp(at("2026-11-24T15:00:00"))).expect("in time and exact");
    let paid = change.after(&debt);
    for later in ["2026-11-24T15:00:00", "2026-12-01T15:00:00", "2027-12-01T15:00:00"] {
        assert_eq!(paid.seen_at(at(later)).late_fee, money("3.00"), "{later}");
        assert_eq!(paid.seen_at(at(later)).total(), payment.amount, "{later}");
    }

    let reversed_at = at("2026-11-25T15:00:00");
    let change = paid.reverse(payment, stamp(reversed_at)).expect("its own payment");
    assert_eq!(change.after(paid).status, Status::Pending);
    assert_eq!(change.after(paid).seen_at(reversed_at).total(), money("105.00"));
}

#[test]
fn an_amount_equal_to_what_is_shown_now_changes_nothing_and_yesterdays_total_does() {
    let debt = debt();
    let now = stamp(at("2026-11-23T15:00:00"));
    let amend = |amount| {
        let wish = Amendment { amount: Some(money(amount)), ..Amendment::default() };
        debt.amend(wish, now).expect("pending").after(&debt).terms.sub_total
    };
    assert_eq!(amend("100.00"), money("100.00"), "the sub_total");
    assert_eq!(amend("103.00"), money("100.00"), "the total shown now");
    assert_eq!(amend("102.00"), money("102.00"), "the total shown yesterday");
}

#[test]
fn a_total_sent_back_beside_a_real_change_does_not_become_the_sub_total() {
    let debt = debt();
    let later = at("2026-12-19T05:00:00");
    let wish = Amendment { amount: Some(money("103.00")), expires: Some(later), ..Amendment::default() };
    let change = debt.amend(wish, stamp(at("2026-11-23T15:00:00"))).expect("pending");
    assert_eq!(change.after(&debt).terms.sub_total, money("100.00"));
    assert_eq!(change.after(&debt).terms.expires, later);
}
