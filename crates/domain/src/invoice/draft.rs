//! From what a merchant wrote to what an invoice needs: all faults at once, then values to be trusted.

use sha2::{Digest, Sha256};
use url::Url;

use crate::account::{Account, Mode};
use crate::customer::{Customer, CustomerDraft};
use crate::field::{Faults, Field, Wrong, at_most};
use crate::metadata::Verbatim;
use crate::money::{Amount, Currency};
use crate::reference::Reference;
use crate::time::{DAY_SECONDS, Moment};

/// How far ahead an invoice may expire, in days.
pub const EXPIRATION_DAYS: i64 = 366;

/// A create request whose spelling is resolved, not yet understood.
#[derive(Default)]
pub struct Draft {
    /// `invoice_id`.
    pub reference: Field<String>,
    /// `currency`.
    pub currency: Field<String>,
    /// `amount`: the number's text.
    pub amount: Field<String>,
    /// `request_datetime`; required unless `enveloped`.
    pub request_datetime: Field<String>,
    /// `due_datetime`.
    pub due_datetime: Field<String>,
    /// `expiration_datetime`.
    pub expiration_datetime: Field<String>,
    /// `customer`; its fields hold what was in it.
    pub customer: Field<CustomerDraft>,
    /// `sub_merchant`.
    pub sub_merchant: Field<Verbatim>,
    /// `url_success`.
    pub url_success: Field<String>,
    /// `url_error`.
    pub url_error: Field<String>,
    /// `metadata`.
    pub metadata: Field<Verbatim>,
    /// `size_qr`: a number's text, or a text, with or without `px`.
    pub size_qr: Field<String>,
    /// The request came in the seed's envelope, which knew no `request_datetime`.
    pub enveloped: bool,
    /// When and in which mode it is asked: with it, a draft that has other faults is told time's as well.
    pub asked: Option<(Moment, Mode)>,
}

impl Draft {
    /// Understands the draft, or notes every fault of it.
    pub fn parse(self, account: &Account, faults: &mut Faults) -> Option<NewInvoice> {
        let before = faults.0.len();
        let reference = self.reference.require("invoice_id", faults, Reference::parse);
        let currency = self.currency.require("currency", faults, |text| Currency::parse(&text));
        let amount = self.amount.require("amount", faults, |text| Amount::parse(&text));
        let moment = |text: String| Moment::parse(&text);
        let request_datetime = if self.enveloped {
            self.request_datetime.parse(faults, moment)
        } else {
            self.request_datetime.require("request_datetime", faults, moment)
        };
        let due = self.due_datetime.parse(faults, moment);
        let expires = self.expiration_datetime.parse(faults, moment);
        if account.customer_required && self.customer.is_absent() {
            faults.add("customer", Wrong::Missing);
        }
        let customer = match self.customer {
            Field::Given { value, .. } => Some(value.parse(faults)),
            Field::Absent | Field::Faulty => None,
        };
        let sub_merchant = self.sub_merchant.parse(faults, Ok);
        let url_success = self.url_success.parse(faults, parse_url);
        let url_error = self.url_error.parse(faults, parse_url);
        let metadata = self.metadata.parse(faults, Ok);
        let size_qr = self.size_qr.parse(faults, |text| parse_size(&text));
        if let (Some(due), Some(expires)) = (due, expires)
            && due > expires
        {
            faults.add("due_datetime", Wrong::DueAfterExpiration);
        }
        if faults.0.len() > before {
            if let Some((at, mode)) = self.asked {
                let by_default = default_expiration(at, account);
                if expires.is_none() && due.is_some_and(|due| due > by_default) {
                    faults.add("due_datetime", Wrong::DueAfterExpiration);
                }
                let expires = expires.unwrap_or(by_default);
                faults.0.extend(faults_of_time(request_datetime, expires, at, mode).0);
            }
            return None;
        }
        Some(NewInvoice {
            reference: reference?,
            currency: currency?,
            amount: amount?,
            request_datetime,
            due,
            expires,
            customer,
            sub_merchant,
            url_success,
            url_error,
            metadata,
            size_qr,
        })
    }
}

/// A create request that is valid in itself. Only time can still be against it: [`NewInvoice::faults_at`].
#[derive(Clone)]
pub struct NewInvoice {
    /// The merchant's reference.
    pub reference: Reference,
    /// Currency of the debt.
    pub currency: Currency,
    /// The sub_total.
    pub amount: Amount,
    /// The merchant's clock.
    pub request_datetime: Option<Moment>,
    /// Late fees start after it.
    pub due: Option<Moment>,
    /// Absent: the account's default.
    pub expires: Option<Moment>,
    /// Who pays.
    pub customer: Option<Customer>,
    /// Verbatim JSON of at most 4 KiB.
    pub sub_merchant: Option<Verbatim>,
    /// Where the payment page leads once paid.
    pub url_success: Option<String>,
    /// Where it leads otherwise.
    pub url_error: Option<String>,
    /// Verbatim JSON of at most 8 KiB.
    pub metadata: Option<Verbatim>,
    /// Pixels.
    pub size_qr: Option<u16>,
}

impl NewInvoice {
    /// When it would expire, were it opened at `at`.
    pub fn expires_at(&self, at: Moment, account: &Account) -> Moment {
        self.expires.unwrap_or_else(|| default_expiration(at, account))
    }

    /// The faults that time brings. In test mode an expiration may be past: a printed sample's is.
    pub fn faults_at(&self, at: Moment, mode: Mode, account: &Account) -> Faults {
        let expires = self.expires_at(at, account);
        let mut faults = faults_of_time(self.request_datetime, expires, at, mode);
        if self.expires.is_none() && self.due.is_some_and(|due| due > expires) {
            faults.add("due_datetime", Wrong::DueAfterExpiration);
        }
        faults
    }

    /// What makes two requests the same: a SHA-256 over every field but `request_datetime`, before any
    /// default. Equal amounts, dates and JSON are equal here however they were spelled.
    pub fn content(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut field = |value: Option<&str>| match value {
            None => hash.update([0]),
            Some(text) => {
                hash.update([1]);
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        };
        let moment = |moment: Option<Moment>| moment.map(|moment| moment.unix().to_string());
        field(Some(self.reference.as_str()));
        field(Some(self.currency.as_str()));
        field(Some(&self.amount.to_string()));
        field(moment(self.due).as_deref());
        field(moment(self.expires).as_deref());
        let nobody = Customer::default();
        let customer = self.customer.as_ref().unwrap_or(&nobody);
        let Customer { name, email, phone, document_type, document_id, external_id } = customer;
        for text in [name, email, phone, document_type, document_id, external_id] {
            field(text.as_deref());
        }
        field(self.sub_merchant.as_ref().map(|json| json.canonical.as_str()));
        field(self.url_success.as_deref());
        field(self.url_error.as_deref());
        field(self.metadata.as_ref().map(|json| json.canonical.as_str()));
        field(self.size_qr.map(|pixels| pixels.to_string()).as_deref());
        hash.finalize().into()
    }
}

fn default_expiration(at: Moment, account: &Account) -> Moment {
    at.plus_seconds(account.default_expiration_seconds)
}

fn faults_of_time(request: Option<Moment>, expires: Moment, at: Moment, mode: Mode) -> Faults {
    let mut faults = Faults::default();
    if request.is_some_and(|request| request > at.plus_seconds(DAY_SECONDS)) {
        faults.add("request_datetime", Wrong::RequestInFuture);
    }
    if mode == Mode::Live && expires <= at {
        faults.add("expiration_datetime", Wrong::ExpirationPast);
    }
    if expires > at.plus_seconds(EXPIRATION_DAYS * DAY_SECONDS) {
        faults.add("expiration_datetime", Wrong::ExpirationTooFar);
    }
    faults
}

/// Absolute http or https, at most 2,048 characters, no user information. Only ever a link on the payment
/// page; never fetched.
fn parse_url(text: String) -> Result<String, Wrong> {
    let text = at_most(2_048, text)?;
    // The parser forgives white space around and inside; a link that is kept verbatim must not hold any.
    let spaced = text.chars().any(|character| character.is_whitespace() || character == '\\');
    let sound = Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // It also forgives slashes too few or too many before the host, and an `@` with nothing before it.
    let authority = ["http://", "https://"].iter().find_map(|scheme| {
        let (head, rest) = text.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| rest.split(['/', '?', '#']).next())?
    });
    let plain = authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('@'));
    if sound && plain && !spaced { Ok(text) } else { Err(Wrong::Url) }
}

/// `150`, `"150"` or `"150px"`: 100 to 1,000 pixels.
pub fn parse_size(text: &str) -> Result<u16, Wrong> {
    let digits = text.strip_suffix("px").unwrap_or(text).trim_end();
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(pixels @ 100..=1_000) if plain => Ok(pixels),
        _ => Err(Wrong::SizeQr),
    }
}
