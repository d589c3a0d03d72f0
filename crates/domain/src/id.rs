//! Object ids: a UUIDv7 (RFC 9562) inside, `<type>_<test|live>_` and 22 characters of base 57 outside.
//!
//! The alphabet is in ASCII order and the length fixed, so texts sort as the ids do.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use uuid::Uuid;

use crate::account::Mode;

const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Characters of a number of 128 bits in base 57.
pub const BASE57_LENGTH: usize = 22;

/// 128 bits as 22 characters, most significant first.
pub fn base57(mut number: u128) -> String {
    let mut text = [ALPHABET[0]; BASE57_LENGTH];
    // Ten digits at a time fit into 64 bits, whose division is a single instruction.
    for places in text.rchunks_mut(10) {
        let mut digits = (number % TEN_DIGITS) as u64;
        number /= TEN_DIGITS;
        for place in places.iter_mut().rev() {
            *place = ALPHABET[(digits % 57) as usize];
            digits /= 57;
        }
    }
    std::str::from_utf8(&text).unwrap_or_default().to_owned()
}

const TEN_DIGITS: u128 = 57u128.pow(10);

/// The number behind 22 characters of base 57; `None` for another length, a strange character, or more
/// than 128 bits.
pub fn from_base57(text: &str) -> Option<u128> {
    if text.len() != BASE57_LENGTH {
        return None;
    }
    text.bytes().try_fold(0u128, |number, byte| {
        let digit = ALPHABET.binary_search(&byte).ok()?;
        number.checked_mul(57)?.checked_add(digit as u128)
    })
}

/// A kind of object that has ids of its own.
pub trait Kind {
    /// The three letters before the first underscore.
    const PREFIX: &'static str;
}

/// The id of an object of kind `K`. Its text needs the mode too, which its owner knows.
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// An id as the database keeps it.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Id { uuid, kind: PhantomData }
    }

    /// All zeros: the id that no object has.
    pub const NOBODY: Self = Id::from_uuid(Uuid::nil());

    /// The id as the database keeps it.
    pub const fn uuid(self) -> Uuid {
        self.uuid
    }

    /// A new id: UUIDv7 of a moment (milliseconds since 1970) and ten random bytes.
    pub fn new(unix_millis: u64, random: &[u8; 10]) -> Self {
        Id::from_uuid(uuid::Builder::from_unix_timestamp_millis(unix_millis, random).into_uuid())
    }
}

impl<K: Kind> Id<K> {
    /// The id as merchants see it.
    pub fn text(self, mode: Mode) -> String {
        [K::PREFIX, "_", mode.as_str(), "_", &base57(self.uuid.as_u128())].concat()
    }

    /// Reads an id of this kind and mode. Anything else is `None`: to its reader, an unknown id.
    pub fn parse(text: &str, mode: Mode) -> Option<Self> {
        let rest = text.strip_prefix(K::PREFIX)?.strip_prefix('_')?;
        let digits = rest.strip_prefix(mode.as_str())?.strip_prefix('_')?;
        from_base57(digits).map(|number| Id::from_uuid(Uuid::from_u128(number)))
    }
}

// Derives would ask the same of `K`, which is only a name.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}
impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::PREFIX, base57(self.uuid.as_u128()))
    }
}
impl<K> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.uuid.serialize(serializer)
    }
}
impl<'de, K> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Id::from_uuid)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $id:ident, $prefix:literal;)*) => {$(
        $(#[$doc])*
        pub enum $kind {}
        impl Kind for $kind {
            const PREFIX: &'static str = $prefix;
        }
        $(#[$doc])*
        pub type $id = Id<$kind>;
    )*};
}

kinds! {
    /// `acc_…`: a merchant's account.
    AccountKind, AccountId, "acc";
    /// `inv_…`: an invoice.
    InvoiceKind, InvoiceId, "inv";
    /// `eve_…`: an event.
    EventKind, EventId, "eve";
    /// `pay_…`: a payment.
    PaymentKind, PaymentId, "pay";
    /// `key_…`: an API key.
    KeyKind, KeyId, "key";
    /// `whe_…`: a webhook endpoint.
    EndpointKind, EndpointId, "whe";
    /// `del_…`: a delivery.
    DeliveryKind, DeliveryId, "del";
    /// `key_live_…`: the key of a service inside.
    ServiceKeyKind, ServiceKeyId, "key";
    /// `quo_…`: what a bank was told that an invoice costs.
    QuoteKind, QuoteId, "quo";
    /// `col_…`: a message of a bank.
    CollectionKind, CollectionId, "col";
}
