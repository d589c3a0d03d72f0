//! Time: whole seconds of UTC, and the days of Lima (UTC−5 all year) that business is counted in.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

use crate::field::Wrong;

/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;

/// Lima is five hours behind UTC; Peru has no summer time.
const LIMA_BEHIND_SECONDS: i64 = 5 * 3_600;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of a year can say.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

/// An instant of the API: a whole second of UTC. Fractions are cut off when one is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn from_unix(seconds: i64) -> Moment {
        Moment(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// The second that an instant lies in.
    pub fn truncated(instant: DateTime<Utc>) -> Moment {
        Moment(instant.timestamp())
    }

    /// As the database driver wants it; an instant beyond chrono's range is its nearest end.
    pub fn to_utc(self) -> DateTime<Utc> {
        let end = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        DateTime::from_timestamp(self.0, 0).unwrap_or(end)
    }

    /// Later (or, below zero, earlier) by some seconds.
    pub const fn plus_seconds(self, seconds: i64) -> Moment {
        Moment(self.0.saturating_add(seconds))
    }

    /// As a clock in Lima shows it: `25/11/2026 10:05`.
    pub fn in_lima(self) -> String {
        let local = self.plus_seconds(-LIMA_BEHIND_SECONDS).to_utc().naive_utc();
        local.format("%d/%m/%Y %H:%M").to_string()
    }

    /// What calendar and clock show in Lima.
    pub fn lima_clock(self) -> LimaClock {
        let local = self.plus_seconds(-LIMA_BEHIND_SECONDS).to_utc().naive_utc();
        LimaClock {
            year: local.year(),
            month: local.month(),
            day: local.day(),
            weekday: local.weekday().num_days_from_sunday(),
            hour: local.hour(),
            minute: local.minute(),
        }
    }

    /// The day of Lima that this instant belongs to.
    pub fn lima_day(self) -> LimaDay {
        LimaDay(self.plus_seconds(-LIMA_BEHIND_SECONDS).0.div_euclid(DAY_SECONDS))
    }

    /// Reads `yyyy-MM-ddThh:mm:ss`; also a space for `T`, no seconds, a fraction, `Z` or an offset.
    /// Without a zone the text means UTC (API document, "Date-time").
    pub fn parse(text: &str) -> Result<Moment, Wrong> {
        Moment::read(text).map(|(moment, _)| moment)
    }

    /// Reads the same, where a zone must be named: `Z` or an offset. Banks mean Lima where they say nothing, the API
    /// means UTC.
    pub fn parse_zoned(text: &str) -> Result<Moment, Wrong> {
        match Moment::read(text) {
            Ok((moment, true)) => Ok(moment),
            Ok((_, false)) | Err(_) => Err(Wrong::DateTime),
        }
    }

    /// The moment, and whether its zone was named.
    fn read(text: &str) -> Result<(Moment, bool), Wrong> {
        let mut rest = Cursor(text.as_bytes());
        let mut read = || -> Option<(Moment, bool)> {
            let year = rest.number(4)?;
            rest.one_of(b"-")?;
            let month = rest.number(2)?;
            rest.one_of(b"-")?;
            let day = rest.number(2)?;
            rest.one_of(b"T ")?;
            let hour = rest.number(2)?;
            rest.one_of(b":")?;
            let minute = rest.number(2)?;
            let mut second = 0;
            if rest.one_of(b":").is_some() {
                second = rest.number(2)?;
                if rest.one_of(b".").is_some() {
                    rest.digits()?;
                }
            }
            let is_zoned = !rest.0.is_empty();
            let offset_seconds = rest.zone()?;
            let local = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?
                .and_hms_opt(hour, minute, second)?
                .and_utc()
                .timestamp();
            let seconds = local - offset_seconds;
            (rest.0.is_empty() && (FIRST..=LAST).contains(&seconds)).then_some((Moment(seconds), is_zoned))
        };
        read().ok_or(Wrong::DateTime)
    }
}

/// Naive UTC, `yyyy-MM-ddThh:mm:ss`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.to_utc().naive_utc();
        let (Ok(year @ 0..=9_999), month, day) = (u32::try_from(at.year()), at.month(), at.day()) else {
            // As chrono documents it, ISO 8601, and no fraction where there is none.
            return write!(f, "{at:?}");
        };
        // Several in every answer: a format would be read anew each time.
        let mut text = *b"0000-00-00T00:00:00";
        let pairs = [year / 100, year % 100, month, day, at.hour(), at.minute(), at.second()];
        for (place, number) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(pairs) {
            text[place] += (number / 10) as u8;
            text[place + 1] += (number % 10) as u8;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// The reading end of a text, eaten from the left.
struct Cursor<'t>(&'t [u8]);

impl Cursor<'_> {
    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        wanted.contains(&first).then(|| {
            self.0 = rest;
            first
        })
    }

    fn number(&mut self, digits: usize) -> Option<u32> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        head.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.0 = &self.0[count..];
        (count > 0).then_some(())
    }

    /// Nothing, `Z`, `±hh:mm`, `±hhmm` or `±hh`, as seconds ahead of UTC.
    fn zone(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.one_of(b"Z").is_some() {
            return Some(0);
        }
        let sign = if self.one_of(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(2)?;
        let colon = self.one_of(b":").is_some();
        let minutes = if colon || !self.0.is_empty() { self.number(2)? } else { 0 };
        (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3_600 + minutes * 60))
    }
}

/// What calendar and clock show in Lima, for whoever writes it out in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimaClock {
    /// The year.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 (Sunday) to 6.
    pub weekday: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
}

/// A day in America/Lima: [05:00Z, next day 05:00Z). Counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimaDay(i64);

impl LimaDay {
    /// Reads `yyyy-MM-dd`.
    pub fn parse(text: &str) -> Result<LimaDay, Wrong> {
        let midnight = (text.len() == 10).then(|| Moment::parse(&format!("{text}T00:00:00")));
        let midnight = midnight.unwrap_or(Err(Wrong::DateTime))?;
        Ok(LimaDay(midnight.0.div_euclid(DAY_SECONDS)))
    }

    /// Its first second.
    pub const fn start(self) -> Moment {
        Moment(self.0.saturating_mul(DAY_SECONDS).saturating_add(LIMA_BEHIND_SECONDS))
    }

    /// The first second of the day after.
    pub const fn end(self) -> Moment {
        self.start().plus_seconds(DAY_SECONDS)
    }

    /// Days from `earlier` to this one.
    pub const fn since(self, earlier: LimaDay) -> i64 {
        self.0 - earlier.0
    }

    /// The date, as calendars and the database write it.
    pub fn date(self) -> NaiveDate {
        Moment(self.0.saturating_mul(DAY_SECONDS)).to_utc().date_naive()
    }

    /// Two digits of the year and the day of the year, as they open a ktin: `(26, 326)`.
    pub fn year_and_ordinal(self) -> (u32, u32) {
        let date = self.date();
        (date.year().rem_euclid(100).unsigned_abs(), date.ordinal())
    }
}
