//! The editions of the API. Input is the same in all; output differs in what this page holds.

use domain::invoice::table::State;
use domain::money::Amount;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// An edition, by its number. The default is the seed's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 1.0.0: amounts are strings, states are `pending` `paid` `expired` `voided`.
    #[default]
    V1_0_0,
    /// 1.0.1: amounts are numbers, states are `NEW` `PAID` `EXPIRED` `VOIDED`.
    V1_0_1,
}

impl Version {
    /// Reads a version as callers and accounts name it, with or without the documents' `.a`.
    pub fn parse(text: &str) -> Option<Version> {
        match text {
            "1.0.0" | "1.0.0.a" => Some(Version::V1_0_0),
            "1.0.1" | "1.0.1.a" => Some(Version::V1_0_1),
            _ => None,
        }
    }

    /// The number, without `.a`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::V1_0_0 => "1.0.0",
            Version::V1_0_1 => "1.0.1",
        }
    }

    /// A state as this edition writes it.
    pub const fn state(self, state: State) -> &'static str {
        match (self, state) {
            (Version::V1_0_0, state) => state.as_str(),
            (Version::V1_0_1, State::Pending) => "NEW",
            (Version::V1_0_1, State::Paid) => "PAID",
            (Version::V1_0_1, State::Expired) => "EXPIRED",
            (Version::V1_0_1, State::Voided) => "VOIDED",
        }
    }

    /// An amount as this edition writes it, always with two decimals.
    pub const fn money(self, amount: Amount) -> Money {
        Money { version: self, amount }
    }
}

/// See [`Version::money`].
#[derive(Clone, Copy)]
pub struct Money {
    version: Version,
    amount: Amount,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.amount.to_string();
        match self.version {
            Version::V1_0_0 => serializer.serialize_str(&text),
            // The number's own text: a float would lose the second decimal, and more.
            Version::V1_0_1 => {
                RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
        }
    }
}
