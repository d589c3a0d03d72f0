//! The late fee ("mora"): the rule of an account, copied into an invoice when it is created.

use crate::money::{Amount, Currency};
use crate::time::Moment;

/// How a debt grows once its due date is past.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LateFee {
    /// It does not.
    #[default]
    None,
    /// Once, by an amount for each currency.
    Fixed {
        /// Added to a debt in soles.
        pen: Amount,
        /// Added to a debt in dollars.
        usd: Amount,
    },
    /// By a part of the sub_total for each Lima day that has begun since the due date; simple, not
    /// compound, half a céntimo rounds up, never more than the sub_total itself.
    PercentPerDay {
        /// Ten-thousandths of a percent: `"0.05"` percent is 500.
        percent_e4: u32,
    },
}

impl LateFee {
    /// What is added at `at` to a debt of `sub_total`.
    pub fn at(&self, at: Moment, due: Option<Moment>, sub_total: Amount, currency: Currency) -> Amount {
        let Some(due) = due.filter(|&due| at > due) else {
            return Amount::ZERO;
        };
        match *self {
            LateFee::None => Amount::ZERO,
            LateFee::Fixed { pen, usd } => match currency {
                Currency::Pen => pen,
                Currency::Usd => usd,
            },
            LateFee::PercentPerDay { percent_e4 } => {
                let days = i128::from(at.lima_day().since(due.lima_day()));
                let millionths = i128::from(sub_total.centimos()) * i128::from(percent_e4) * days;
                let centimos = (millionths + 500_000) / 1_000_000;
                let capped = centimos.min(i128::from(sub_total.centimos()));
                i64::try_from(capped).ok().and_then(Amount::from_centimos).unwrap_or(sub_total)
            }
        }
    }
}
