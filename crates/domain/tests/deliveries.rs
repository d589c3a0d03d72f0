//! Deliveries: how long is waited between attempts, who is heard when he asks for patience, and when an endpoint is
//! given up.

use domain::delivery::{DeliveryStatus, Next, Outcome, RETRY_SECONDS, Schedule, is_dead};
use domain::time::Moment;

const FAILED: Outcome = Outcome::Failed { retry_after: None };
const DAY_MILLIS: u64 = 86_400_000;

fn schedule() -> Schedule {
    Schedule::of_seconds(&RETRY_SECONDS)
}

fn patient(seconds: u32) -> Outcome {
    Outcome::Failed { retry_after: Some(seconds) }
}

/// How long is waited; `None`: it is over.
fn millis(next: Next) -> Option<u64> {
    match next {
        Next::Again { millis } => Some(millis),
        Next::Delivered | Next::Failed => None,
    }
}

#[test]
fn ten_attempts_take_three_days_and_some_hours() {
    assert_eq!(RETRY_SECONDS, [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    assert_eq!(RETRY_SECONDS.iter().sum::<u32>(), (75 * 60 + 35) * 60 + 5, "75 h 35 min 5 s");
    assert_eq!(schedule().first_millis(), 0);
    assert_eq!(Schedule::of_millis(Vec::new()).first_millis(), 0);
}

#[test]
fn each_wait_is_moved_by_a_tenth_at_most_and_by_every_chance_differently() {
    for (number, seconds) in (1..).zip(&RETRY_SECONDS[1..]) {
        let wait = u64::from(*seconds) * 1_000;
        let waits = Vec::from_iter(
            (0..1_000).map(|chance| millis(schedule().after(number, FAILED, chance)).unwrap()),
        );
        assert!(waits.is_sorted());
        assert_eq!(waits[0], wait * 9 / 10, "{seconds} s");
        assert!(
            waits[999] <= wait * 11 / 10 && waits[999] >= wait * 109 / 100,
            "{seconds} s: {}",
            waits[999]
        );
        let mean = waits.iter().sum::<u64>() / 1_000;
        assert!(mean.abs_diff(wait) <= wait / 500, "{seconds} s: {mean} ms on average");
        assert_eq!(
            millis(schedule().after(number, FAILED, u16::MAX)),
            Some(waits[999]),
            "chance ends at 999"
        );
    }
}

#[test]
fn after_the_last_attempt_comes_none() {
    for number in [10, 11, 1_000, u32::MAX] {
        assert_eq!(schedule().after(number, FAILED, 0), Next::Failed);
        assert_eq!(schedule().after(number, patient(1), 999), Next::Failed);
    }
    assert_eq!(Schedule::of_millis(vec![0]).after(1, FAILED, 0), Next::Failed);
    assert_eq!(Schedule::of_millis(Vec::new()).after(0, FAILED, 0), Next::Failed);
}

#[test]
fn who_accepted_or_is_gone_is_not_asked_again() {
    for number in 0..12 {
        assert_eq!(schedule().after(number, Outcome::Accepted, 500), Next::Delivered);
        assert_eq!(schedule().after(number, Outcome::Gone, 500), Next::Failed);
    }
}

#[test]
fn who_asks_for_patience_is_heard_up_to_a_day() {
    let after = |number, seconds| millis(schedule().after(number, patient(seconds), 500)).unwrap();
    assert_eq!(after(1, 60), 60_000);
    assert_eq!(after(1, 86_399), DAY_MILLIS - 1_000);
    assert_eq!(after(1, 86_400), DAY_MILLIS);
    assert_eq!(after(1, 86_401), DAY_MILLIS);
    assert_eq!(after(1, u32::MAX), DAY_MILLIS);
    // Patience only: nobody can have us come sooner.
    let without = |number| millis(schedule().after(number, FAILED, 500)).unwrap();
    assert_eq!((after(1, 0), after(9, 1)), (without(1), without(9)));
}

#[test]
fn an_endpoint_is_given_up_when_all_three_are_true() {
    let now = Moment::from_unix(1_800_000_000);
    let ago = |seconds: i64| now.plus_seconds(-seconds);
    let (day, five_days) = (86_400, 432_000);
    assert!(is_dead(10, ago(day), ago(five_days), now));
    assert!(is_dead(i32::MAX, ago(10 * day), ago(100 * day), now));
    assert!(!is_dead(9, ago(day), ago(five_days), now), "nine attempts");
    assert!(!is_dead(10, ago(day - 1), ago(five_days), now), "failing for less than a day");
    assert!(!is_dead(10, ago(day), ago(five_days - 1), now), "well less than five days ago");
    assert!(!is_dead(0, ago(0), ago(0), now));
}

#[test]
fn a_status_is_read_as_it_was_written() {
    for status in DeliveryStatus::ALL {
        assert_eq!(DeliveryStatus::parse(status.as_str()), Some(status));
    }
    assert_eq!(DeliveryStatus::parse("Pending"), None);
}
