//! Who owns an invoice: a merchant's account, in one of two modes that share nothing.

use crate::id::AccountId;
use crate::late_fee::LateFee;
use crate::money::Currency;
use crate::time::Moment;

/// Test money or real money. The key that calls decides; nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// `sk_test_…`: nothing real moves.
    Test,
    /// `sk_live_…`: real money.
    Live,
}

impl Mode {
    /// `test` or `live`, as it stands inside ids and keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Test => "test",
            Mode::Live => "live",
        }
    }

    /// The `livemode` of the API and of every merchant table.
    pub const fn is_live(self) -> bool {
        matches!(self, Mode::Live)
    }

    /// The mode of a row whose `livemode` is given.
    pub const fn from_livemode(live: bool) -> Mode {
        if live { Mode::Live } else { Mode::Test }
    }
}

/// An account in one mode: the owner of every merchant object, named first in each finder and each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The merchant's account.
    pub account: AccountId,
    /// The mode of the key that calls.
    pub mode: Mode,
}

/// A merchant's account and the settings that an invoice is created by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id, the same in both modes.
    pub id: AccountId,
    /// The name that payers see.
    pub name: String,
    /// Razón social.
    pub legal_name: Option<String>,
    /// RUC.
    pub tax_id: Option<String>,
    /// The API version of callers that name none; absent: the default of the API.
    pub version_pin: Option<String>,
    /// Life of an invoice that names no expiration, in seconds.
    pub default_expiration_seconds: i64,
    /// Whether an invoice without `customer` is refused.
    pub customer_required: bool,
    /// The rule copied into each new invoice.
    pub late_fee: LateFee,
    /// How fast it may call; absent: the default.
    pub rate_limit: Option<RateLimit>,
    /// Where its payers can pay.
    pub collection_channels: Vec<CollectionChannel>,
    /// Whether live keys are accepted.
    pub live_enabled: bool,
    /// Since when its keys are refused.
    pub disabled_at: Option<Moment>,
}

/// A token bucket, per account, mode and replica (API document, "Rate limit").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Requests that come back each second; 0: no limit.
    pub per_second: u32,
    /// Requests that a full bucket holds.
    pub burst: u32,
}

impl RateLimit {
    /// What an account has that says nothing else.
    pub const DEFAULT: RateLimit = RateLimit { per_second: 100, burst: 200 };
    /// No limit.
    pub const NONE: RateLimit = RateLimit { per_second: 0, burst: 0 };
}

/// A bank or agent where an account's payers can pay: what they choose there, and how.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CollectionChannel {
    /// The channel's id, such as `bcp`.
    pub channel: String,
    /// The number of the agreement ("convenio") that payers choose.
    pub agreement_number: String,
    /// The only currency of the agreement.
    pub currency: Currency,
    /// The steps, for the payment page.
    #[serde(default)]
    pub instructions: Instructions,
}

/// A text for payers in two languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Instructions {
    /// In Spanish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub es: Option<String>,
    /// In English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
}

impl Account {
    /// Most characters of a name.
    pub const MAX_NAME: usize = 200;
    /// Longest life that may be the default, in seconds: 366 days.
    pub const MAX_EXPIRATION_SECONDS: i64 = 31_622_400;
    /// Most places to pay of one account.
    pub const MAX_CHANNELS: usize = 50;

    /// Life of an invoice that names no expiration, in seconds, unless the account says otherwise: a day.
    pub const DEFAULT_EXPIRATION_SECONDS: i64 = 86_400;

    /// A new account with the settings that everybody begins with: no live keys yet.
    pub const fn new(id: AccountId, name: String) -> Account {
        Account {
            id,
            name,
            legal_name: None,
            tax_id: None,
            version_pin: None,
            default_expiration_seconds: Account::DEFAULT_EXPIRATION_SECONDS,
            customer_required: false,
            late_fee: LateFee::None,
            rate_limit: None,
            collection_channels: Vec::new(),
            live_enabled: false,
            disabled_at: None,
        }
    }
}
