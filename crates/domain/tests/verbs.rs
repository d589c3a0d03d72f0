//! Every verb meets an invoice in every state. One table says what comes of it; the other tests hold each
//! cell of it to what every change promises.

mod support;

use std::collections::HashSet;

use domain::account::Account;
use domain::change::{Change, Stamp};
use domain::event::EventKind;
use domain::invoice::table::State;
use domain::invoice::{Amendment, Invoice, Refusal, Status};
use domain::late_fee::LateFee;
use domain::money::{Amount, Currency};
use domain::payment::{Payment, PaymentStatus};
use domain::time::{DAY_SECONDS, Moment};
use support::*;

/// The shop takes 5 soles once an order of 100 is late: what is shown after the due date is 105.
/// A cell is the event told, `nothing`, or the refusal.
const TABLE: &str = "
verb                             | pending            | past its time   | paid                     | paid, time over          | expired        | voided
amend nothing                    | nothing            | nothing         | nothing                  | nothing                  | nothing        | nothing
amend all to what it is          | nothing            | nothing         | nothing                  | nothing                  | nothing        | nothing
amend amount to the sub_total    | nothing            | nothing         | nothing                  | nothing                  | nothing        | nothing
amend amount to the total shown  | nothing            | nothing         | nothing                  | nothing                  | nothing        | nothing
amend amount                     | invoice.updated    | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend currency                   | invoice.updated    | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend due date                   | invoice.updated    | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend due date away              | invoice.updated    | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend due date to the expiration | invoice.updated    | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend due date beyond it         | DueAfterExpiration | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend expiration below due date  | DueAfterExpiration | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend expiration                 | invoice.updated    | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend expiration to now          | ExpirationPast     | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend expiration to 366 days     | invoice.updated    | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
amend expiration beyond 366 days | ExpirationTooFar   | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
void                             | invoice.voided     | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | nothing
expire                           | NotDue             | invoice.expired | AlreadyPaid              | AlreadyPaid              | nothing        | Voided
pay in time                      | invoice.paid       | invoice.paid    | AlreadyPaid              | AlreadyPaid              | invoice.paid   | Voided
pay in its last second           | invoice.paid       | invoice.paid    | AlreadyPaid              | AlreadyPaid              | invoice.paid   | Voided
pay when it is over              | Expired            | Expired         | AlreadyPaid              | AlreadyPaid              | Expired        | Voided
pay without the late fee         | AmountMismatch     | AmountMismatch  | AlreadyPaid              | AlreadyPaid              | AmountMismatch | Voided
pay a céntimo too much           | AmountMismatch     | AmountMismatch  | AlreadyPaid              | AlreadyPaid              | AmountMismatch | Voided
pay in dollars                   | AmountMismatch     | AmountMismatch  | AlreadyPaid              | AlreadyPaid              | AmountMismatch | Voided
reverse                          | NotPaid            | NotPaid         | invoice.payment_reversed | invoice.payment_reversed | NotPaid        | NotPaid
reverse another payment          | NotPaid            | NotPaid         | NotPaid                  | NotPaid                  | NotPaid        | NotPaid
";

const OPENED: &str = "2026-11-20T15:00:00";
const DUE: &str = "2026-11-21T04:59:59";
const NOW: &str = "2026-11-22T15:00:00";
const EXPIRES: &str = "2026-11-25T05:00:00";
const OWN_PAYMENT: u128 = 70;
const OTHER_PAYMENT: u128 = 71;

fn strict_shop() -> Account {
    Account { late_fee: LateFee::Fixed { pen: money("5.00"), usd: money("2.00") }, ..shop() }
}

fn pending() -> Invoice {
    let mut order = order();
    order.due_datetime = text("due_datetime", DUE);
    order.expiration_datetime = text("expiration_datetime", EXPIRES);
    opened(order, &strict_shop(), at(OPENED))
}

fn own_payment() -> Payment {
    bank_took(OWN_PAYMENT, money("105.00"), Currency::Pen, at("2026-11-22T14:00:00"))
}

/// The invoice after a verb that must succeed.
fn after(before: &Invoice, done: Result<Change, Refusal>) -> Invoice {
    assert_eq!(done.as_ref().err(), None);
    done.map_or_else(|_| before.clone(), |change| change.after(before).clone())
}

/// The invoice of a column, and the moment at which the verbs meet it.
fn column(title: &str) -> (Invoice, Moment) {
    let now = stamp(at(NOW));
    let over = stamp(at(EXPIRES));
    let fresh = pending();
    let meets = |done, stamp: Stamp| (after(&fresh, done), stamp.at);
    match title {
        "pending" => (fresh, now.at),
        "past its time" => (fresh, over.at),
        "paid" => meets(fresh.pay(own_payment(), now), now),
        "paid, time over" => meets(fresh.pay(own_payment(), now), over),
        "expired" => meets(fresh.expire(over), over),
        "voided" => meets(fresh.void(now), now),
        other => unreachable!("no invoice for the column {other:?}"),
    }
}

fn perform(verb: &str, invoice: &Invoice, now: Moment) -> Result<Change, Refusal> {
    let stamp = stamp(now);
    let amend = |wish| invoice.amend(wish, stamp);
    let amount = |amount| amend(Amendment { amount: Some(amount), ..Amendment::default() });
    let due = |due| amend(Amendment { due: Some(due), ..Amendment::default() });
    let expires = |expires| amend(Amendment { expires: Some(expires), ..Amendment::default() });
    let days_ahead = |days: i64| now.plus_seconds(days * DAY_SECONDS);
    let pay = |amount, currency, paid_at: Moment| {
        invoice.pay(bank_took(OTHER_PAYMENT, amount, currency, paid_at), stamp)
    };
    match verb {
        "amend nothing" => amend(Amendment::default()),
        "amend all to what it is" => amend(Amendment {
            currency: Some(invoice.terms.currency),
            amount: Some(invoice.terms.sub_total),
            due: Some(invoice.terms.due),
            expires: Some(invoice.terms.expires),
        }),
        "amend amount to the sub_total" => amount(money("100.00")),
        "amend amount to the total shown" => amount(money("105.00")),
        "amend amount" => amount(money("80.00")),
        "amend currency" => amend(Amendment { currency: Some(Currency::Usd), ..Amendment::default() }),
        "amend due date" => due(Some(at("2026-11-23T05:00:00"))),
        "amend due date away" => due(None),
        "amend due date to the expiration" => due(Some(at(EXPIRES))),
        "amend due date beyond it" => due(Some(at(EXPIRES).plus_seconds(1))),
        "amend expiration below due date" => {
            let (due, expires) = (at("2026-11-24T05:00:01"), at("2026-11-24T05:00:00"));
            amend(Amendment { due: Some(Some(due)), expires: Some(expires), ..Amendment::default() })
        }
        "amend expiration" => expires(at("2026-11-30T05:00:00")),
        "amend expiration to now" => {
            amend(Amendment { due: Some(None), expires: Some(now), ..Amendment::default() })
        }
        "amend expiration to 366 days" => expires(days_ahead(366)),
        "amend expiration beyond 366 days" => expires(days_ahead(366).plus_seconds(1)),
        "void" => invoice.void(stamp),
        "expire" => invoice.expire(stamp),
        "pay in time" => pay(money("105.00"), Currency::Pen, at("2026-11-22T14:59:00")),
        "pay in its last second" => pay(money("105.00"), Currency::Pen, at(EXPIRES).plus_seconds(-1)),
        "pay when it is over" => pay(money("105.00"), Currency::Pen, at(EXPIRES)),
        "pay without the late fee" => pay(money("100.00"), Currency::Pen, at("2026-11-22T14:59:00")),
        "pay a céntimo too much" => pay(money("105.01"), Currency::Pen, at("2026-11-22T14:59:00")),
        "pay in dollars" => pay(money("105.00"), Currency::Usd, at("2026-11-22T14:59:00")),
        "reverse" => invoice.reverse(own_payment(), stamp),
        "reverse another payment" => {
            invoice.reverse(Payment { id: id(OTHER_PAYMENT), ..own_payment() }, stamp)
        }
        other => unreachable!("nobody knows how to {other:?}"),
    }
}

/// One cell of the table, performed.
struct Cell {
    place: String,
    expected: &'static str,
    before: Invoice,
    now: Moment,
    outcome: Result<Change, Refusal>,
}

fn cells() -> Vec<Cell> {
    let mut lines = TABLE.trim().lines().map(|line| line.split('|').map(str::trim));
    let titles: Vec<_> = lines.next().into_iter().flatten().skip(1).collect();
    let mut cells = Vec::new();
    for mut line in lines {
        let verb = line.next().unwrap_or_default();
        for (title, expected) in titles.iter().zip(line) {
            let (before, now) = column(title);
            let outcome = perform(verb, &before, now);
            cells.push(Cell { place: format!("{verb} | {title}"), expected, before, now, outcome });
        }
    }
    assert_eq!(cells.len(), 25 * 6, "a cell for each verb and state");
    cells
}

/// The cells in which something changes: where, before, after, the whole change, and when.
fn changes() -> Vec<(String, Invoice, Invoice, Change, Moment)> {
    let changed = |cell: Cell| {
        let change = cell.outcome.ok()?;
        let (after, _) = change.invoice.clone()?;
        Some((cell.place, cell.before, after, change, cell.now))
    };
    cells().into_iter().filter_map(changed).collect()
}

#[test]
fn every_verb_in_every_state_does_what_the_table_says() {
    for Cell { place, expected, outcome, .. } in cells() {
        let actual = match outcome {
            Ok(Change { invoice: None, payment: None, event: None }) => "nothing".to_owned(),
            Ok(change) => {
                change.event.map_or("a change without an event", |event| event.kind.as_str()).to_owned()
            }
            Err(refusal) => format!("{refusal:?}"),
        };
        assert_eq!(actual, expected, "{place}");
    }
}

#[test]
fn the_version_rises_by_one_exactly_with_an_event() {
    for Cell { place, before, outcome, .. } in cells() {
        let Ok(change) = outcome else { continue };
        assert_eq!(change.invoice.is_some(), change.event.is_some(), "{place}");
        if let Some((after, version_before)) = change.invoice {
            assert_eq!(version_before, before.version, "{place}");
            assert_eq!(after.version, before.version + 1, "{place}");
        }
    }
}

#[test]
fn an_event_shows_the_invoice_as_it_is_after() {
    for (place, _, after, change, now) in changes() {
        let event = change.event.expect(&place);
        assert_eq!(event.snapshot, after.snapshot(), "{place}");
        assert_eq!(event.created, now, "{place}");
        assert_eq!(event.id, stamp(now).event, "{place}");
        assert_eq!(event.owner, owner(), "{place}");
        assert_eq!(event.invoice, after.id, "{place}");
        assert_eq!(event.payment, change.payment.map(|payment| (payment.id, payment.status)), "{place}");
    }
}

#[test]
fn an_event_is_named_after_the_state_it_led_to() {
    for (place, _, after, change, _) in changes() {
        let kind = change.event.expect(&place).kind;
        let fits: &[State] = match kind {
            EventKind::InvoiceCreated | EventKind::InvoiceUpdated => &[State::Pending],
            EventKind::InvoicePaid => &[State::Paid],
            EventKind::InvoiceExpired => &[State::Expired],
            EventKind::InvoiceVoided => &[State::Voided],
            EventKind::InvoicePaymentReversed => &[State::Pending, State::Expired],
            // No verb of an invoice leads to these.
            EventKind::PaymentUnapplied
            | EventKind::PaymentApplied
            | EventKind::PaymentReversed
            | EventKind::PaymentReturned
            | EventKind::WebhookEndpointDisabled => &[],
        };
        assert!(fits.contains(&after.status.state()), "{place}: {kind:?} → {:?}", after.status);
    }
}

#[test]
fn the_table_of_states_has_exactly_the_steps_that_verbs_take() {
    let taken: HashSet<(State, State)> = changes()
        .iter()
        .map(|(_, before, after, ..)| (before.status.state(), after.status.state()))
        .collect();
    let pairs = || State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to)));
    let allowed: HashSet<_> = pairs().filter(|(from, to)| from.may_become(*to)).collect();
    assert_eq!(taken, allowed);
}

#[test]
fn only_an_amendment_touches_the_terms_and_nothing_touches_the_order() {
    for (place, before, after, change, _) in changes() {
        let amended = change.event.expect(&place).kind == EventKind::InvoiceUpdated;
        assert_eq!(after.terms != before.terms, amended, "{place}");
        assert_eq!(
            (after.id, after.owner, after.created),
            (before.id, before.owner, before.created),
            "{place}"
        );
        assert_eq!(after.order.content, before.order.content, "{place}");
        assert_eq!(after.order.ktin, before.order.ktin, "{place}");
        assert_eq!(after.order.token, before.order.token, "{place}");
        assert_eq!(after.order.late_fee, before.order.late_fee, "{place}");
    }
}

#[test]
fn opening_is_version_one_out_of_nothing() {
    let account = strict_shop();
    let change = Invoice::open(owner(), &account, understood(order(), &account), opening(at(OPENED)));
    let (invoice, version_before) = change.invoice.expect("an invoice");
    let event = change.event.expect("an event");
    assert_eq!((version_before, invoice.version), (0, 1));
    assert_eq!(invoice.status, Status::Pending);
    assert_eq!(invoice.created, at(OPENED));
    assert_eq!(invoice.terms.expires, at(OPENED).plus_seconds(account.default_expiration_seconds));
    assert_eq!(invoice.order.size_qr, 150);
    assert_eq!(invoice.order.late_fee, account.late_fee);
    assert_eq!(event.kind, EventKind::InvoiceCreated);
    assert_eq!(event.snapshot, invoice.snapshot());
    assert_eq!(change.payment, None);
}

#[test]
fn an_invoice_is_expired_for_every_reader_from_the_second_of_its_expiration() {
    let invoice = pending();
    let (last, over) = (at(EXPIRES).plus_seconds(-1), at(EXPIRES));
    assert_eq!(invoice.seen_at(last).status, Status::Pending);
    assert_eq!(invoice.seen_at(over).status, Status::Expired);
    assert_eq!(invoice.status, Status::Pending, "storing it follows");
}

#[test]
fn a_payment_that_was_in_time_counts_even_after_the_sweep() {
    let (expired, now) = column("expired");
    let payment = bank_took(OTHER_PAYMENT, money("105.00"), Currency::Pen, at(EXPIRES).plus_seconds(-1));
    let paid = after(&expired, expired.pay(payment.clone(), stamp(now)));
    let fact = Status::Paid { paid_at: payment.paid_at, payment: payment.id, late_fee: money("5.00") };
    assert_eq!(paid.status, fact);
    assert_eq!(paid.seen_at(now).total(), payment.amount);
}

#[test]
fn a_payment_before_the_due_date_owes_no_late_fee_however_late_we_hear_of_it() {
    let invoice = pending();
    let payment = bank_took(OTHER_PAYMENT, money("100.00"), Currency::Pen, at(DUE));
    let paid = after(&invoice, invoice.pay(payment, stamp(at(NOW))));
    assert_eq!(paid.seen_at(at(NOW)).late_fee, Amount::ZERO);
}

#[test]
fn a_reversal_opens_the_debt_again_or_finds_its_time_over() {
    for (title, left) in [("paid", Status::Pending), ("paid, time over", Status::Expired)] {
        let (paid, now) = column(title);
        let change = paid.reverse(own_payment(), stamp(now)).expect(title);
        assert_eq!(change.after(&paid).status, left, "{title}");
        let payment = change.payment.expect(title);
        assert_eq!(payment, Payment { status: PaymentStatus::Reversed, ..own_payment() });
    }
}

#[test]
fn after_a_reversal_the_invoice_can_be_paid_again_but_only_that_payment_can_then_be_reversed() {
    let (paid, now) = column("paid");
    let again = after(&paid, paid.reverse(own_payment(), stamp(now)));
    let second = bank_took(OTHER_PAYMENT, money("105.00"), Currency::Pen, now);
    let paid_again = after(&again, again.pay(second.clone(), stamp(now)));
    assert_eq!(paid_again.version, 4);
    assert_eq!(paid_again.reverse(own_payment(), stamp(now)).err(), Some(Refusal::NotPaid));
    assert_eq!(paid_again.reverse(second, stamp(now)).err(), None);
}

#[test]
fn states_are_read_as_they_are_written() {
    for state in State::ALL {
        assert_eq!(State::parse(state.as_str()), Some(state));
    }
    for stranger in ["", "PENDING", "new", " paid", "void"] {
        assert_eq!(State::parse(stranger), None, "{stranger:?}");
    }
}

#[test]
fn pending_and_paid_invoices_hold_their_reference() {
    let open: Vec<_> = State::ALL.into_iter().filter(|state| state.is_open()).collect();
    assert_eq!(open, [State::Pending, State::Paid]);
}

#[test]
fn in_test_mode_an_expiration_may_be_amended_into_the_past() {
    let account = shop();
    let in_test_mode = domain::account::Owner { mode: domain::account::Mode::Test, ..owner() };
    let change = Invoice::open(in_test_mode, &account, understood(order(), &account), opening(at(OPENED)));
    let (invoice, _) = change.invoice.expect("an invoice");
    let past = Amendment { expires: Some(at(OPENED)), ..Amendment::default() };
    let amended = invoice.amend(past, Stamp { at: at(OPENED), event: domain::id::EventId::new(1, &[1; 10]) });
    let (amended, _) = amended.expect("allowed").invoice.expect("changed");
    assert_eq!(amended.seen_at(at(NOW)).status, Status::Expired);
}
