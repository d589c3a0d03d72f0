//! Faults of an input. A request is read to its end and **all** its faults are told at once.

/// What is wrong with one field. The wire gives each a stable code and a sentence in two languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// A required field is absent.
    Missing,
    /// Not of the JSON type that the field has.
    Type,
    /// Fewer characters than `min`.
    TooShort {
        /// Smallest length, in characters.
        min: usize,
    },
    /// More characters than `max`.
    TooLong {
        /// Greatest length, in characters.
        max: usize,
    },
    /// Not a decimal number as the API writes them.
    AmountFormat,
    /// More than two decimals.
    AmountDecimals,
    /// Zero or less.
    AmountNotPositive,
    /// More than nine digits before the point.
    AmountTooLarge,
    /// Neither PEN nor USD.
    Currency,
    /// Not a date-time that the API reads.
    DateTime,
    /// Not a day, `yyyy-MM-dd`.
    Date,
    /// `due_datetime` later than `expiration_datetime`.
    DueAfterExpiration,
    /// Expiration already past (live mode only).
    ExpirationPast,
    /// Expiration more than 366 days ahead.
    ExpirationTooFar,
    /// `request_datetime` more than 24 h in the future.
    RequestInFuture,
    /// Not an e-mail address (RFC 5321).
    Email,
    /// Not a phone number (E.164).
    Phone,
    /// Not a document type of Peru that the API knows.
    DocumentType,
    /// Not a document of its type: wrong length, characters or check digit.
    Document,
    /// Not an absolute http(s) URL without user information.
    Url,
    /// Not a URL that webhooks may be posted to.
    WebhookUrl,
    /// Not a size of a QR image: 100 to 1000 pixels.
    SizeQr,
}

/// One fault: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field as the caller spelled it, such as `customer.email`.
    pub param: String,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// The faults of one request, in the order of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Notes a fault and goes on.
    pub fn add(&mut self, param: impl Into<String>, wrong: Wrong) {
        self.0.push(Fault { param: param.into(), wrong });
    }

    /// No fault was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps a value, or notes why there is none.
    pub fn keep<T>(&mut self, param: &str, parsed: Result<T, Wrong>) -> Option<T> {
        parsed.map_err(|wrong| self.add(param, wrong)).ok()
    }
}

/// A field of an input that has been read but not yet understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Not in the request, or null.
    #[default]
    Absent,
    /// In the request, and its fault is noted already: no second complaint.
    Faulty,
    /// As the caller wrote it, and the path under which it did.
    Given {
        /// The spelling that the caller used, such as `payer_phone` for `customer.phone`.
        param: String,
        /// What was written.
        value: T,
    },
}

impl<T> Field<T> {
    /// Parses what is there; a fault is noted under the caller's own spelling.
    pub fn parse<U>(self, faults: &mut Faults, parse: impl FnOnce(T) -> Result<U, Wrong>) -> Option<U> {
        match self {
            Field::Absent | Field::Faulty => None,
            Field::Given { param, value } => faults.keep(&param, parse(value)),
        }
    }

    /// As [`Field::parse`], where absence is a fault too.
    pub fn require<U>(
        self,
        name: &str,
        faults: &mut Faults,
        parse: impl FnOnce(T) -> Result<U, Wrong>,
    ) -> Option<U> {
        if let Field::Absent = self {
            faults.add(name, Wrong::Missing);
        }
        self.parse(faults, parse)
    }

    /// Neither in the request nor faulty.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Field::Absent)
    }
}

/// The text, when it has at most `max` characters.
pub fn at_most(max: usize, text: String) -> Result<String, Wrong> {
    if text.chars().count() > max { Err(Wrong::TooLong { max }) } else { Ok(text) }
}
