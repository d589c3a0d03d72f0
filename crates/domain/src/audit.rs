//! The audit log: rows that say who did what, each sealed with the hash of the one before it, so that a row that is
//! edited, removed, added or moved shows (internal API document, "Support").
//!
//! A chain can not show that its end was cut off; for that its head, count and hash, is written to the log each
//! minute, where whoever rules the database does not rule.

use sha2::{Digest, Sha256};

use crate::id::AccountId;
use crate::time::Moment;

/// Whose chain a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chain {
    /// What concerns one account.
    Account(AccountId),
    /// What concerns none.
    System,
}

impl Chain {
    /// The chain's name in the database: the account's id, or nothing but zeros.
    pub const fn uuid(self) -> uuid::Uuid {
        match self {
            Chain::Account(account) => account.uuid(),
            Chain::System => uuid::Uuid::nil(),
        }
    }

    /// The chain of that name.
    pub const fn from_uuid(uuid: uuid::Uuid) -> Chain {
        if uuid.is_nil() { Chain::System } else { Chain::Account(AccountId::from_uuid(uuid)) }
    }
}

/// What was done, and by whom: a row before it has its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Whom it concerns.
    pub chain: Chain,
    /// What was done or seen, such as `key.revoked`.
    pub action: &'static str,
    /// The id of what it was done to.
    pub object: Option<String>,
    /// Who, why and through what.
    pub by: By,
    /// JSON: what changed, from what to what.
    pub details: Option<String>,
}

/// Who acted, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// The person: `X-Actor`.
    pub actor: Option<String>,
    /// Why: `X-Reason`.
    pub reason: Option<String>,
    /// The id of the service key that the request came with.
    pub service_key: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
    /// Where a security event came from.
    pub address: Option<String>,
}

/// A row as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose chain.
    pub chain: Chain,
    /// Its place there, from 1.
    pub sequence: i64,
    /// What readers go by.
    pub id: uuid::Uuid,
    /// When.
    pub at: Moment,
    /// See [`Act`].
    pub action: String,
    /// See [`Act`].
    pub object: Option<String>,
    /// See [`By`].
    pub by: By,
    /// See [`Act`].
    pub details: Option<String>,
}

/// A SHA-256.
pub type Hash = [u8; 32];

/// What the first row of a chain follows.
pub const BEGINNING: Hash = [0; 32];

impl Row {
    /// The hash that seals this row behind the one whose hash is `previous`.
    pub fn seal(&self, previous: &Hash) -> Hash {
        let mut hash = Sha256::new();
        hash.update(previous);
        hash.update(self.chain.uuid().as_bytes());
        hash.update(self.sequence.to_be_bytes());
        hash.update(self.id.as_bytes());
        hash.update(self.at.unix().to_be_bytes());
        let By { actor, reason, service_key, request_id, address } = &self.by;
        let texts = [&self.object, actor, reason, service_key, request_id, address, &self.details];
        update_text(&mut hash, Some(&self.action));
        for text in texts {
            update_text(&mut hash, text.as_deref());
        }
        hash.finalize().into()
    }
}

/// Absent and empty differ, and no text can look like the end of the one before it.
fn update_text(hash: &mut Sha256, text: Option<&str>) {
    hash.update([u8::from(text.is_some())]);
    let text = text.unwrap_or_default();
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A row is missing, or one stands where it does not belong.
    #[error("row {found} stands where row {expected} should")]
    Order {
        /// The place.
        expected: i64,
        /// What stands there.
        found: i64,
    },
    /// A row does not fit its seal.
    #[error("row {sequence} is not the one that was sealed")]
    Seal {
        /// Its place.
        sequence: i64,
    },
    /// The chain does not end where its head says.
    #[error("the chain ends at row {found}, its head says {expected}")]
    End {
        /// Rows by the head.
        expected: i64,
        /// Rows there are.
        found: i64,
    },
    /// The newest row is not the head's.
    #[error("the newest row, {sequence}, is not the one that the head names")]
    Head {
        /// Its place.
        sequence: i64,
    },
    /// A head that was logged is not in the chain any more.
    #[error("row {sequence} is not the one that was logged as the head")]
    Anchor {
        /// The place that the logged head named.
        sequence: i64,
    },
}

/// Walks a chain from its beginning, row by row.
#[derive(Clone, Debug)]
pub struct Walk {
    sequence: i64,
    hash: Hash,
    anchors: Vec<(i64, Hash)>,
}

impl Walk {
    /// A walk that must meet these heads, which were logged, on its way.
    pub fn past(mut anchors: Vec<(i64, Hash)>) -> Walk {
        anchors.sort_unstable_by_key(|(sequence, _)| std::cmp::Reverse(*sequence));
        let mut walk = Walk { sequence: 0, hash: BEGINNING, anchors };
        // Heads of an empty chain say nothing.
        while walk.anchors.last().is_some_and(|(sequence, _)| *sequence <= 0) {
            walk.anchors.pop();
        }
        walk
    }

    /// The next row, and the hash that is kept with it.
    ///
    /// # Errors
    /// When it is not the row that was once written there.
    pub fn step(&mut self, row: &Row, kept: &[u8]) -> Result<(), Broken> {
        let expected = self.sequence + 1;
        if row.sequence != expected {
            return Err(Broken::Order { expected, found: row.sequence });
        }
        let seal = row.seal(&self.hash);
        if seal.as_slice() != kept {
            return Err(Broken::Seal { sequence: expected });
        }
        (self.sequence, self.hash) = (expected, seal);
        while let Some((sequence, hash)) = self.anchors.last().filter(|(sequence, _)| *sequence == expected) {
            if *hash != seal {
                return Err(Broken::Anchor { sequence: *sequence });
            }
            self.anchors.pop();
        }
        Ok(())
    }

    /// The end, which must be what the head says; no head: the chain must be empty.
    ///
    /// # Errors
    /// When it is not, or when a head that was logged lies beyond it.
    pub fn end(self, head: Option<(i64, &[u8])>) -> Result<(), Broken> {
        let (expected, hash) = head.unwrap_or((0, &BEGINNING));
        if let Some((sequence, _)) = self.anchors.first() {
            return Err(Broken::Anchor { sequence: *sequence });
        }
        if expected != self.sequence {
            return Err(Broken::End { expected, found: self.sequence });
        }
        if hash != self.hash {
            return Err(Broken::Head { sequence: self.sequence });
        }
        Ok(())
    }
}
