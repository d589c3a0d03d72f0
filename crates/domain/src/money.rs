//! Money: whole céntimos in an `i64`, read from text and never through a float.

use std::fmt;

use crate::field::Wrong;

/// A currency of ISO 4217 that the API collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Peruvian sol.
    Pen,
    /// US dollar.
    Usd,
}

impl Currency {
    /// Every currency there is.
    pub const ALL: [Currency; 2] = [Currency::Pen, Currency::Usd];

    /// The ISO 4217 code, upper case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Currency::Pen => "PEN",
            Currency::Usd => "USD",
        }
    }

    /// Reads a code in any case.
    pub fn parse(text: &str) -> Result<Currency, Wrong> {
        Currency::ALL
            .into_iter()
            .find(|currency| text.eq_ignore_ascii_case(currency.as_str()))
            .ok_or(Wrong::Currency)
    }
}

/// An amount of money, never negative, in céntimos (hundredths of the currency).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Amount(i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// The greatest amount of an invoice: 999,999,999.99.
    pub const MAX: Amount = Amount(99_999_999_999);

    /// An amount kept as céntimos; `None` when negative.
    pub const fn from_centimos(centimos: i64) -> Option<Amount> {
        if centimos < 0 { None } else { Some(Amount(centimos)) }
    }

    /// The amount in céntimos.
    pub const fn centimos(self) -> i64 {
        self.0
    }

    /// The sum of two amounts. Sums of a few amounts are far from the ends of `i64`; at the end it stays there.
    pub const fn plus(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }

    /// Reads `^(0|[1-9]\d{0,8})(\.\d{1,2})?$`, greater than zero (API document, "Money").
    pub fn parse(text: &str) -> Result<Amount, Wrong> {
        let (whole, decimals) = match text.split_once('.') {
            Some((whole, decimals)) => (whole, Some(decimals)),
            None => (text, None),
        };
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if text.starts_with('-') && is_number(&whole[1..]) && decimals.is_none_or(is_number) {
            return Err(Wrong::AmountNotPositive);
        }
        if !is_number(whole) || decimals.is_some_and(|part| !is_number(part)) {
            return Err(Wrong::AmountFormat);
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(Wrong::AmountFormat);
        }
        let decimals = decimals.unwrap_or("");
        if decimals.len() > 2 {
            return Err(Wrong::AmountDecimals);
        }
        if whole.len() > 9 {
            return Err(Wrong::AmountTooLarge);
        }
        let digits =
            whole.bytes().chain(decimals.bytes()).chain(std::iter::repeat_n(b'0', 2 - decimals.len()));
        let centimos = digits.fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        if centimos == 0 { Err(Wrong::AmountNotPositive) } else { Ok(Amount(centimos)) }
    }
}

/// Two decimals, always: `20.00`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Several in every answer: `write!` would take longer than all of it.
        let mut text = [b'0'; 21];
        let (mut place, mut left) = (text.len(), self.0.unsigned_abs());
        // The digits from the last on, at least three, with the point behind the second.
        while left > 0 || place > text.len() - 4 {
            place -= 1;
            if place == text.len() - 3 {
                text[place] = b'.';
            } else {
                text[place] += (left % 10) as u8;
                left /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text[place..]).unwrap_or_default())
    }
}
