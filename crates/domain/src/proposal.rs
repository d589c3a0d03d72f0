//! Proposals: two people decide about money that pays nothing. What the first one wants is written down; the second
//! one, who wants the very same, does it (internal API document, "Support").
//!
//! A proposal holds nothing back: until it is confirmed the bank may take the money back, and others may propose
//! something else.

use crate::id::InvoiceId;
use crate::time::{DAY_SECONDS, Moment};

/// What is to become of the money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It is to pay an invoice.
    Apply {
        /// Which.
        invoice: InvoiceId,
    },
    /// It is to be given back.
    Return {
        /// Why.
        reason: String,
    },
}

impl Wish {
    /// As the store and the API write it.
    pub const fn verb(&self) -> &'static str {
        match self {
            Wish::Apply { .. } => "apply",
            Wish::Return { .. } => "return",
        }
    }
}

/// A wish, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What is wanted.
    pub wish: Wish,
    /// The operator who wants it.
    pub actor: String,
    /// Since when.
    pub created: Moment,
}

/// What a call that wants something does, beside the proposal that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is a proposal: there is none, or another one, which it replaces.
    Propose,
    /// It confirms what somebody else proposed.
    Confirm,
    /// It repeats what the same person proposed: nobody confirms himself.
    Repeat,
}

impl Proposal {
    /// How long a proposal stands, in seconds.
    pub const LIFE_SECONDS: i64 = DAY_SECONDS;

    /// From this second on it does not stand.
    pub const fn lapses_at(&self) -> Moment {
        self.created.plus_seconds(Proposal::LIFE_SECONDS)
    }

    /// What `actor` does who wants `wish` at `at`, when `standing` was proposed before.
    pub fn step(standing: Option<&Proposal>, wish: &Wish, actor: &str, at: Moment) -> Step {
        match standing {
            Some(proposal) if at < proposal.lapses_at() && proposal.wish == *wish => {
                if proposal.actor == actor { Step::Repeat } else { Step::Confirm }
            }
            Some(_) | None => Step::Propose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Proposal, Step, Wish};
    use crate::time::Moment;

    #[test]
    fn a_proposal_is_confirmed_by_somebody_else_while_it_stands() {
        let wish = Wish::Return { reason: "pagó dos veces".to_owned() };
        let other = Wish::Return { reason: "otro".to_owned() };
        let created = Moment::from_unix(1_000);
        let standing = Proposal { wish: wish.clone(), actor: "a".to_owned(), created };
        let last = standing.lapses_at().plus_seconds(-1);
        for (before, wish, actor, at, step) in [
            (None, &wish, "a", created, Step::Propose),
            (Some(&standing), &wish, "a", created, Step::Repeat),
            (Some(&standing), &wish, "b", created, Step::Confirm),
            (Some(&standing), &wish, "b", last, Step::Confirm),
            (Some(&standing), &wish, "a", last, Step::Repeat),
            (Some(&standing), &wish, "b", last.plus_seconds(1), Step::Propose),
            (Some(&standing), &wish, "a", last.plus_seconds(1), Step::Propose),
            (Some(&standing), &other, "a", created, Step::Propose),
            (Some(&standing), &other, "b", created, Step::Propose),
        ] {
            assert_eq!(Proposal::step(before, wish, actor, at), step, "{wish:?} {actor} {at:?}");
        }
    }
}
