//! The ktin: the number that a payer reads to a teller or types at an agent.
//!
//! `YYDDD` of the Lima day of creation, then a counter that a keyed permutation has scattered, then a check
//! digit by Damm, which catches every single wrong digit and every swap of neighbours. A day's first million
//! has 6 scattered digits (12 in all), the next ten million 7, the next hundred million 8. Two numbers are
//! never equal: within a day and length the permutation is one-to-one, and days and lengths differ in text.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::time::LimaDay;

/// Digits of the scattered counter: first, second and third series of a day.
const SERIES: [(u64, u32, u64, u64); 3] =
    [(1_000_000, 6, 1_000, 1_000), (10_000_000, 7, 1_000, 10_000), (100_000_000, 8, 10_000, 10_000)];

/// Numbers that a day has in all.
pub const PER_DAY: u64 = 111_000_000;

/// A payable number: 12, 13 or 14 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ktin(i64);

impl Ktin {
    /// The `counter`-th number of a day, `counter` from 0; `None` beyond [`PER_DAY`]. The key is the day's
    /// own secret: without it neighbours can not be guessed.
    pub fn compose(day: LimaDay, counter: u64, key: &[u8; 16]) -> Option<Ktin> {
        let mut index = counter;
        for (size, digits, left, right) in SERIES {
            if index < size {
                let (year, ordinal) = day.year_and_ordinal();
                let prefix = u64::from(year) * 1_000 + u64::from(ordinal);
                let body = prefix * 10u64.pow(digits) + permuted(index, left, right, digits, key);
                let width = 5 + digits as usize;
                let number = body * 10 + u64::from(damm(&format!("{body:0width$}")));
                return i64::try_from(number).ok().map(Ktin);
            }
            index -= size;
        }
        None
    }

    /// Reads a number as payers write it; `None` when its length, characters or check digit are wrong.
    pub fn parse(text: &str) -> Option<Ktin> {
        let plausible = (12..=14).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        (plausible && damm(text) == 0).then(|| text.parse().ok().map(Ktin))?
    }

    /// What somebody typed who was given another number: no invoice has it, because its check digit is wrong. Kept so that
    /// support can see what he meant; what is not even a number is 0.
    pub fn mistyped(text: &str) -> Ktin {
        let is_number = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        Ktin(if is_number { text.parse().unwrap_or(0) } else { 0 })
    }

    /// A number kept by the store. Until the year 2100 no ktin begins with a zero, so a number is enough.
    pub const fn from_number(number: i64) -> Ktin {
        Ktin(number)
    }

    /// As the store keeps it.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Ktin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

/// A Feistel network over `left × right` values: eight rounds, each adding a keyed hash of one half to the
/// other. One-to-one for any key, because each round can be undone.
fn permuted(index: u64, left: u64, right: u64, series: u32, key: &[u8; 16]) -> u64 {
    let (mut high, mut low) = (index / right, index % right);
    for round in 0..8u8 {
        if round % 2 == 0 {
            high = (high + round_value(key, series, round, low)) % left;
        } else {
            low = (low + round_value(key, series, round, high)) % right;
        }
    }
    high * right + low
}

fn round_value(key: &[u8; 16], series: u32, round: u8, half: u64) -> u64 {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update(series.to_be_bytes());
    hash.update([round]);
    hash.update(half.to_be_bytes());
    // Four bytes are plenty: the bias of mod 10,000 over 2^32 is below one in 400,000.
    hash.finalize().iter().take(4).fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// Damm's check digit: 0 over a number that carries its own (H. M. Damm, 2004; the quasigroup of order 10).
fn damm(digits: &str) -> u8 {
    const TABLE: [[u8; 10]; 10] = [
        [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
        [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
        [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
        [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
        [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
        [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
        [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
        [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
        [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
        [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
    ];
    digits.bytes().fold(0, |interim, digit| TABLE[usize::from(interim)][usize::from((digit - b'0') % 10)])
}
