//! The table of states, as the API document draws it. A trigger in the database says the same again.
//!
//! ```text
//! pending → paid | expired | voided
//! expired → paid                      a payment that was in time, a live quote, or applied by support
//! paid    → pending | expired         reversal only
//! voided                              final
//! ```

/// A state without its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for its payment.
    Pending,
    /// Paid.
    Paid,
    /// Its time ran out.
    Expired,
    /// Withdrawn by the merchant.
    Voided,
}

impl State {
    /// Every state there is.
    pub const ALL: [State; 4] = [State::Pending, State::Paid, State::Expired, State::Voided];

    /// As the store writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Paid => "paid",
            State::Expired => "expired",
            State::Voided => "voided",
        }
    }

    /// Reads what the store wrote.
    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether an invoice may step from this state to `next`. Staying pending is an amendment.
    pub const fn may_become(self, next: State) -> bool {
        match self {
            State::Pending => true,
            State::Expired => matches!(next, State::Paid),
            State::Paid => matches!(next, State::Pending | State::Expired),
            State::Voided => false,
        }
    }

    /// Whether an invoice in this state holds its reference: another one with it would be a conflict.
    pub const fn is_open(self) -> bool {
        match self {
            State::Pending | State::Paid => true,
            State::Expired | State::Voided => false,
        }
    }
}
