//! The number that a payer reads to a teller: never twice the same, hard to mistype, not to be guessed.

#![expect(clippy::expect_used, reason = "what stands in a story is well made")]

use std::collections::HashSet;

use domain::ktin::{Ktin, PER_DAY};
use domain::time::LimaDay;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const KEY: [u8; 16] = [7; 16];

/// The borders of the three series of a day.
const BORDERS: [u64; 4] = [0, 1_000_000, 11_000_000, PER_DAY];

fn day(date: &str) -> LimaDay {
    LimaDay::parse(date).expect(date)
}

fn ktin(counter: u64) -> Ktin {
    Ktin::compose(day("2017-05-30"), counter, &KEY).expect("within a day's numbers")
}

/// The six scattered digits of a number of the first series.
fn scattered(counter: u64) -> i64 {
    ktin(counter).number() / 10 % 1_000_000
}

/// Computed outside of this program. Counters are leased in blocks and a new edition may start in the middle
/// of a day: were the order to change, numbers would be given out twice.
#[test]
fn the_order_of_the_numbers_never_changes() {
    for (counter, number) in [
        (0, "171508804992"),
        (1, "171504902478"),
        (2, "171506606972"),
        (999_999, "171507460756"),
        (1_000_000, "1715006089252"),
        (10_999_999, "1715022421218"),
        (11_000_000, "17150166972318"),
        (110_999_999, "17150593707489"),
    ] {
        assert_eq!(ktin(counter).to_string(), number, "number {counter} of the day");
    }
}

#[test]
fn the_first_million_of_a_day_has_12_digits_then_13_then_14_then_there_are_no_more() {
    for (counter, length) in [
        (0, Some(12)),
        (999_999, Some(12)),
        (1_000_000, Some(13)),
        (10_999_999, Some(13)),
        (11_000_000, Some(14)),
        (PER_DAY - 1, Some(14)),
        (PER_DAY, None),
        (u64::MAX, None),
    ] {
        let composed = Ktin::compose(day("2017-05-30"), counter, &KEY);
        assert_eq!(composed.map(|ktin| ktin.to_string().len()), length, "number {counter} of the day");
    }
}

/// The first series as its description has it (eight rounds over a thousand by a thousand, each adding a
/// keyed hash of one half to the other), with the eight thousand hashes computed once.
struct Described {
    round_values: Vec<Vec<u64>>,
}

impl Described {
    fn new() -> Described {
        let round_value = |round: u8, half: u64| {
            let digits: &[u8] = &6u32.to_be_bytes();
            let hash = Sha256::digest([&KEY, digits, &[round], &half.to_be_bytes()].concat());
            u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
        };
        let round_values =
            (0..8).map(|round| (0..1_000).map(|half| round_value(round, half)).collect()).collect();
        Described { round_values }
    }

    /// Where a counter lands, and the half that each round hashed on its way.
    fn scatter(&self, counter: u64) -> (u64, [u64; 8]) {
        let (mut high, mut low) = (counter / 1_000, counter % 1_000);
        let hashed = std::array::from_fn(|round| {
            let (moved, kept) = if round % 2 == 0 { (&mut high, low) } else { (&mut low, high) };
            *moved = (*moved + self.round_values[round][kept as usize]) % 1_000;
            kept
        });
        (high * 1_000 + low, hashed)
    }
}

/// The whole first million takes twenty seconds without optimisation, all of them spent on hashing the same
/// eight thousand values again. So the description, which hashes each once, is walked to its end, and the
/// numbers given out are compared with it over 200,000 consecutive counters, on whose ways every value of
/// every round is met. What equals the description there equals it everywhere.
#[test]
fn the_first_million_of_a_day_is_every_six_digits_once() {
    let described = Described::new();
    let mut ticked = vec![false; 1_000_000];
    for counter in 0..1_000_000 {
        let (value, _) = described.scatter(counter);
        assert!(!std::mem::replace(&mut ticked[value as usize], true), "{counter} lands where another did");
    }

    let mut met = vec![[false; 1_000]; 8];
    let mut given_out = HashSet::new();
    for counter in 0..200_000 {
        let (value, hashed) = described.scatter(counter);
        let number = ktin(counter).number();
        assert_eq!(number / 10, 17_150_000_000 + value as i64, "number {counter} of the day");
        assert!(given_out.insert(number), "number {counter} was given out before");
        hashed.into_iter().enumerate().for_each(|(round, half)| met[round][half as usize] = true);
    }
    assert!(met.iter().flatten().all(|&met| met), "every value of every round");
}

/// The same without any description, where code is optimised: `cargo test --release -p domain --test ktin`.
#[test]
#[cfg(not(debug_assertions))]
fn the_first_million_of_a_day_is_walked_to_its_end() {
    let numbers: HashSet<Ktin> = (0..1_000_000).map(ktin).collect();
    assert_eq!(numbers.len(), 1_000_000);
    assert!(
        numbers.iter().all(|ktin| ktin.number() / 10_000_000 == 17_150),
        "twelve digits that open with the day"
    );
}

/// The other series are too long to walk through: a stretch at each border and more all over them.
#[test]
fn no_number_comes_twice_at_the_borders_or_between() {
    let borders = BORDERS.into_iter().map(|border| border.saturating_sub(2_000));
    let between = (0..10).map(|tenth| tenth * PER_DAY / 10);
    let counters: HashSet<u64> =
        borders.chain(between).flat_map(|start| start..(start + 4_000).min(PER_DAY)).collect();
    let numbers: HashSet<Ktin> = counters.iter().map(|&counter| ktin(counter)).collect();
    assert!(counters.len() > 40_000);
    assert_eq!(numbers.len(), counters.len());
}

#[test]
fn days_never_share_a_number() {
    let days = ["2016-12-31", "2017-05-29", "2017-05-30", "2017-05-31", "2018-05-30"];
    let numbers: HashSet<Ktin> = days
        .iter()
        .flat_map(|date| (0..1_000).filter_map(|counter| Ktin::compose(day(date), counter, &KEY)))
        .collect();
    assert_eq!(numbers.len(), 5_000);
}

/// How "neighbours do not look alike" is judged, over ten thousand pairs of consecutive numbers:
/// in each of the six scattered places they show the same digit about once in ten times, as unrelated
/// numbers would; about once in a thousand times they share their first three digits; and the step from
/// one to the next says nothing, being hardly ever the same step again.
#[test]
fn neighbours_do_not_look_alike() {
    const PAIRS: u64 = 10_000;
    let mut alike = [0; 6];
    let mut same_beginning = 0;
    let mut steps = HashSet::new();
    for counter in 0..PAIRS {
        let (one, next) = (scattered(counter), scattered(counter + 1));
        for (place, count) in alike.iter_mut().enumerate() {
            let digit = |number: i64| number / 10i64.pow(place as u32) % 10;
            *count += i32::from(digit(one) == digit(next));
        }
        same_beginning += i32::from(one / 1_000 == next / 1_000);
        steps.insert(next - one);
    }
    assert!(alike.iter().all(|count| (850..1_150).contains(count)), "alike in each place: {alike:?}");
    assert!(same_beginning < 30, "the first three digits alike: {same_beginning}");
    assert!(steps.len() > 9_800, "different steps: {}", steps.len());
}

#[test]
fn another_key_is_another_order() {
    let order = |key: [u8; 16]| -> Vec<i64> {
        (0..1_000)
            .filter_map(|counter| Ktin::compose(day("2017-05-30"), counter, &key))
            .map(Ktin::number)
            .collect()
    };
    let mut one_bit_off = KEY;
    one_bit_off[15] ^= 1;
    let equal_places =
        order(KEY).iter().zip(order(one_bit_off)).filter(|(one, other)| **one == *other).count();
    assert!(equal_places < 5, "{equal_places} of 1,000 numbers in the same place");
    assert_eq!(order(KEY), order(KEY));
}

#[test]
fn a_number_is_read_as_it_was_written() {
    for counter in (0..PER_DAY).step_by(999_983) {
        let composed = ktin(counter);
        assert_eq!(Ktin::parse(&composed.to_string()), Some(composed));
        assert_eq!(Ktin::from_number(composed.number()), composed);
    }
}

#[test]
fn what_is_no_number_of_ours_is_refused() {
    assert!(Ktin::parse("171508804992").is_some());
    for text in [
        "",
        "0",
        "17150880499",
        "1715 0880 4992",
        "1715-0880-4992",
        " 171508804992",
        "171508804992 ",
        "+171508804992",
        "17150880499x",
        "１７１５０８８０４９９２",
        "171508804990",
        "99999999999999999999",
    ] {
        assert_eq!(Ktin::parse(text), None, "{text:?}");
    }
}

/// Damm's own example: 572 has the check digit 4. Zeros before it change nothing.
#[test]
fn the_check_digit_is_damms() {
    let accepted: Vec<_> =
        (0..10).filter(|last| Ktin::parse(&format!("00000000572{last}")).is_some()).collect();
    assert_eq!(accepted, [4]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn every_single_wrong_digit_is_caught(counter in 0..PER_DAY, key: [u8; 16], ordinal in 0i64..20_000) {
        let day = day("2017-05-30").start().plus_seconds(ordinal * 86_400).lima_day();
        let written = Ktin::compose(day, counter, &key).map(|ktin| ktin.to_string()).unwrap_or_default();
        prop_assert!(Ktin::parse(&written).is_some(), "{}", written);
        for place in 0..written.len() {
            for digit in ('0'..='9').filter(|&digit| !written[place..].starts_with(digit)) {
                let mistyped = format!("{}{digit}{}", &written[..place], &written[place + 1..]);
                prop_assert_eq!(Ktin::parse(&mistyped), None, "{} for {}", mistyped, written);
            }
        }
    }

    #[test]
    fn every_swap_of_neighbours_is_caught(counter in 0..PER_DAY, key: [u8; 16], ordinal in 0i64..20_000) {
        let day = day("2017-05-30").start().plus_seconds(ordinal * 86_400).lima_day();
        let written = Ktin::compose(day, counter, &key).map(|ktin| ktin.to_string()).unwrap_or_default();
        let digits: Vec<char> = written.chars().collect();
        for place in (1..digits.len()).filter(|&place| digits[place - 1] != digits[place]) {
            let mut swapped = digits.clone();
            swapped.swap(place - 1, place);
            let swapped: String = swapped.into_iter().collect();
            prop_assert_eq!(Ktin::parse(&swapped), None, "{} for {}", swapped, written);
        }
    }
}
