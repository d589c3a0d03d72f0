//! Random walks: an invoice is opened, then anything is done to it in any order while time goes on.
//! Whatever happens, the promises of the API document hold after every step.

mod support;

use std::cell::RefCell;
use std::collections::HashSet;

use domain::account::Account;
use domain::change::Change;
use domain::event::EventKind;
use domain::invoice::table::State;
use domain::invoice::{Amendment, Invoice, Status};
use domain::late_fee::LateFee;
use domain::money::{Amount, Currency};
use domain::payment::Payment;
use domain::time::{DAY_SECONDS, Moment};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};
use support::*;

/// One thing that the world does.
#[derive(Clone, Debug)]
enum Step {
    Wait { seconds: i64 },
    AmendAmount { centimos: i64 },
    AmendCurrency { currency: Currency },
    AmendDue { ahead_seconds: Option<i64> },
    AmendExpiration { ahead_seconds: i64 },
    Void,
    Expire,
    Pay { seconds_ago: i64, centimos_too_much: i64, currency: Currency },
    ReverseLast,
    ReverseFirst,
}

const WEEK_SECONDS: i64 = 7 * DAY_SECONDS;

fn currency() -> impl Strategy<Value = Currency> {
    prop_oneof![4 => Just(Currency::Pen), 1 => Just(Currency::Usd)]
}

fn step() -> impl Strategy<Value = Step> {
    let payment = (0..3 * DAY_SECONDS, prop_oneof![9 => Just(0), 1 => 1i64..500], currency());
    prop_oneof![
        4 => (0..DAY_SECONDS).prop_map(|seconds| Step::Wait { seconds }),
        1 => (0..WEEK_SECONDS).prop_map(|seconds| Step::Wait { seconds }),
        2 => (1i64..1_000_000).prop_map(|centimos| Step::AmendAmount { centimos }),
        1 => currency().prop_map(|currency| Step::AmendCurrency { currency }),
        1 => proptest::option::of(-DAY_SECONDS..WEEK_SECONDS).prop_map(|ahead_seconds| Step::AmendDue { ahead_seconds }),
        2 => (-DAY_SECONDS..WEEK_SECONDS).prop_map(|ahead_seconds| Step::AmendExpiration { ahead_seconds }),
        1 => Just(Step::Void),
        2 => Just(Step::Expire),
        5 => payment.prop_map(|(seconds_ago, centimos_too_much, currency)| Step::Pay {
            seconds_ago,
            centimos_too_much,
            currency,
        }),
        3 => Just(Step::ReverseLast),
        1 => Just(Step::ReverseFirst),
    ]
}

/// A life: when it may expire (in test mode also before it began), its due date, its rule, and what happens.
fn life() -> impl Strategy<Value = (i64, Option<i64>, LateFee, Vec<Step>)> {
    let rule = prop_oneof![
        Just(LateFee::None),
        Just(LateFee::Fixed { pen: money("5.00"), usd: money("2.00") }),
        (0u32..200_000).prop_map(|percent_e4| LateFee::PercentPerDay { percent_e4 }),
    ];
    let expires = prop_oneof![6 => 0..WEEK_SECONDS, 1 => -WEEK_SECONDS..0];
    (expires, proptest::option::of(0..WEEK_SECONDS), rule, vec(step(), 1..40))
}

/// An invoice on its way, with all that the promises speak of.
struct Walk {
    invoice: Invoice,
    now: Moment,
    changes: u32,
    payments: Vec<Payment>,
}

impl Walk {
    fn begin(expires: i64, before_expiration: Option<i64>, late_fee: LateFee) -> Walk {
        let now = at("2026-11-20T15:00:00");
        let expires = now.plus_seconds(expires);
        let mut order = order();
        order.expiration_datetime = text("expiration_datetime", &expires.to_string());
        if let Some(seconds) = before_expiration {
            order.due_datetime = text("due_datetime", &expires.plus_seconds(-seconds).to_string());
        }
        let invoice = opened(order, &Account { late_fee, ..shop() }, now);
        Walk { invoice, now, changes: 0, payments: Vec::new() }
    }

    /// What a payer would be told to pay at a moment.
    fn owed_at(&self, paid_at: Moment) -> Amount {
        self.invoice.as_changed_at(paid_at).total()
    }

    fn take(&mut self, step: Step) -> Option<Change> {
        let stamp = stamp(self.now);
        let invoice = &self.invoice;
        let amend = |wish| invoice.amend(wish, stamp).ok();
        match step {
            Step::Wait { seconds } => {
                self.now = self.now.plus_seconds(seconds);
                None
            }
            Step::AmendAmount { centimos } => {
                amend(Amendment { amount: Amount::from_centimos(centimos), ..Amendment::default() })
            }
            Step::AmendCurrency { currency } => {
                amend(Amendment { currency: Some(currency), ..Amendment::default() })
            }
            Step::AmendDue { ahead_seconds } => {
                let due = ahead_seconds.map(|seconds| self.now.plus_seconds(seconds));
                amend(Amendment { due: Some(due), ..Amendment::default() })
            }
            Step::AmendExpiration { ahead_seconds } => {
                let expires = Some(self.now.plus_seconds(ahead_seconds));
                amend(Amendment { expires, ..Amendment::default() })
            }
            Step::Void => invoice.void(stamp).ok(),
            Step::Expire => invoice.expire(stamp).ok(),
            Step::Pay { seconds_ago, centimos_too_much, currency } => {
                let paid_at = self.now.plus_seconds(-seconds_ago);
                let extra = Amount::from_centimos(centimos_too_much)?;
                let number = 100 + self.payments.len() as u128;
                let payment = bank_took(number, self.owed_at(paid_at).plus(extra), currency, paid_at);
                let change = invoice.pay(payment.clone(), stamp).ok()?;
                self.payments.push(payment);
                Some(change)
            }
            Step::ReverseLast => invoice.reverse(self.payments.last()?.clone(), stamp).ok(),
            Step::ReverseFirst => invoice.reverse(self.payments.first()?.clone(), stamp).ok(),
        }
    }

    /// The promises of one step from `before` to what stands now.
    fn keeps_its_promises(&self, before: &Invoice, change: Option<&Change>) -> TestCaseResult {
        let after = &self.invoice;
        let (from, to) = (before.status.state(), after.status.state());

        // A version for each change, an event for each version.
        prop_assert_eq!(after.version, 1 + self.changes);
        let Some(change) = change else {
            prop_assert_eq!(after.snapshot(), before.snapshot());
            return self.is_seen_rightly();
        };
        prop_assert_eq!(change.invoice.is_some(), change.event.is_some());
        if let Some(event) = &change.event {
            prop_assert_eq!(event.snapshot, after.snapshot());
            prop_assert_eq!(event.created, self.now);
            // It never leaves the table, and voided is final.
            prop_assert!(from.may_become(to), "{:?} → {:?}", from, to);
            prop_assert_ne!(from, State::Voided);
            // Terms change only while pending, and only by an amendment.
            let amended = event.kind == EventKind::InvoiceUpdated;
            prop_assert_eq!(after.terms != before.terms, amended);
            prop_assert!(!amended || before.seen_at(self.now).status == Status::Pending);
        }
        self.is_seen_rightly()
    }

    fn is_seen_rightly(&self) -> TestCaseResult {
        let Walk { invoice, now, payments, .. } = self;
        let seen = invoice.seen_at(*now);
        match invoice.status {
            Status::Pending => {
                let over = *now >= invoice.terms.expires;
                prop_assert_eq!(seen.status, if over { Status::Expired } else { Status::Pending });
                prop_assert_eq!(invoice.as_changed_at(*now).status, Status::Pending);
            }
            Status::Paid { payment, paid_at, late_fee } => {
                // What was paid is what is shown, at any time after.
                let money = payments.iter().find(|money| money.id == payment);
                prop_assert_eq!(
                    money.map(|money| money.amount),
                    Some(invoice.terms.sub_total.plus(late_fee))
                );
                prop_assert_eq!(money.map(|money| money.currency), Some(invoice.terms.currency));
                prop_assert_eq!(money.map(|money| money.amount), Some(seen.total()));
                prop_assert_eq!(invoice.seen_at(now.plus_seconds(WEEK_SECONDS)).total(), seen.total());
                prop_assert!(paid_at < invoice.terms.expires);
            }
            Status::Expired => {
                prop_assert_eq!(seen.status, Status::Expired);
                prop_assert!(*now >= invoice.terms.expires);
            }
            Status::Voided => prop_assert_eq!(seen.status, Status::Voided),
        }
        Ok(())
    }
}

/// The same walks on every run: a thousand are enough to cross every arrow of the table of states, which
/// the test makes sure of, so that no promise is kept for want of occasion.
#[test]
fn whatever_happens_the_promises_are_kept() {
    let config = Config { failure_persistence: None, ..Config::with_cases(1_000) };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let arrows = RefCell::new(HashSet::new());
    let walked = runner.run(&life(), |(expires, due, late_fee, steps)| {
        let mut walk = Walk::begin(expires, due, late_fee);
        walk.keeps_its_promises(&walk.invoice.clone(), None)?;
        for step in steps {
            let before = walk.invoice.clone();
            let change = walk.take(step);
            if let Some((after, version_before)) = change.as_ref().and_then(|change| change.invoice.clone()) {
                prop_assert_eq!(version_before, before.version);
                arrows.borrow_mut().insert((before.status.state(), after.status.state()));
                walk.changes += 1;
                walk.invoice = after;
            }
            walk.keeps_its_promises(&before, change.as_ref())?;
        }
        Ok(())
    });
    if let Err(broken) = walked {
        panic!("{broken}");
    }

    let pairs = State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to)));
    let table: HashSet<_> = pairs.filter(|(from, to)| from.may_become(*to)).collect();
    assert_eq!(arrows.into_inner(), table);
}

#[test]
fn an_order_opened_with_a_past_expiration_was_pending_then_and_is_expired_for_every_reader() {
    let now = at("2026-11-20T15:00:00");
    let mut order = order();
    order.expiration_datetime = text("expiration_datetime", "2020-02-01T05:00:00");
    let invoice = opened(order, &shop(), now);

    assert_eq!(invoice.as_changed_at(now).status, Status::Pending);
    assert_eq!(invoice.seen_at(now).status, Status::Expired);

    let change = invoice.expire(stamp(now)).expect("its time is over");
    assert_eq!(change.after(&invoice).as_changed_at(now).status, Status::Expired);
}
