//! Time: every spelling of a date-time that the API reads, whole seconds, and the days of Lima.

use chrono::DateTime;
use domain::field::Wrong;
use domain::time::{LimaDay, Moment};
use proptest::prelude::*;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

fn read(text: &str) -> Result<String, Wrong> {
    Moment::parse(text).map(|moment| moment.to_string())
}

#[test]
fn a_date_time_is_read_in_every_spelling_of_the_document() {
    for (written, meant) in [
        ("2017-05-30T14:24:59", "2017-05-30T14:24:59"),
        // A space for the T, no seconds.
        ("2017-05-30 14:24:59", "2017-05-30T14:24:59"),
        ("2017-05-30T14:24", "2017-05-30T14:24:00"),
        ("2017-05-30 14:24", "2017-05-30T14:24:00"),
        // A fraction is cut off, however near the next second.
        ("2017-05-30T14:24:59.1", "2017-05-30T14:24:59"),
        ("2017-05-30T14:24:59.999", "2017-05-30T14:24:59"),
        ("2017-05-30T14:24:59.999999999999", "2017-05-30T14:24:59"),
        ("2017-05-30T14:24:59.000Z", "2017-05-30T14:24:59"),
        ("1969-12-31T23:59:59.9", "1969-12-31T23:59:59"),
        // Zones.
        ("2017-05-30T14:24:59Z", "2017-05-30T14:24:59"),
        ("2017-05-30T14:24Z", "2017-05-30T14:24:00"),
        ("2017-05-30 14:24:59Z", "2017-05-30T14:24:59"),
        ("2017-05-30T14:24:59+00:00", "2017-05-30T14:24:59"),
        ("2017-05-30T14:24:59-00:00", "2017-05-30T14:24:59"),
        ("2017-05-30T14:24:59-05:00", "2017-05-30T19:24:59"),
        ("2017-05-30T14:24:59-0500", "2017-05-30T19:24:59"),
        ("2017-05-30T14:24:59-05", "2017-05-30T19:24:59"),
        ("2017-05-30T14:24-05:00", "2017-05-30T19:24:00"),
        ("2017-05-30T14:24:59.5-05:00", "2017-05-30T19:24:59"),
        ("2017-05-30T14:24:59+05:45", "2017-05-30T08:39:59"),
        ("2017-05-30T14:24:59+23:59", "2017-05-29T14:25:59"),
        ("2017-05-30T14:24:59-23:59", "2017-05-31T14:23:59"),
        // Over the end of a day, a month, a year.
        ("2017-12-31T23:30:00-05:00", "2018-01-01T04:30:00"),
        ("2018-01-01T00:30:00+01:00", "2017-12-31T23:30:00"),
        // Leap days.
        ("2024-02-29T12:00:00", "2024-02-29T12:00:00"),
        ("2000-02-29T12:00:00", "2000-02-29T12:00:00"),
        ("2024-03-01T02:00:00+05:00", "2024-02-29T21:00:00"),
        // The first and the last second that four digits of a year can say.
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59", "9999-12-31T23:59:59"),
        ("9999-12-31T23:59:59.9", "9999-12-31T23:59:59"),
        ("0001-01-01T00:01:00+00:01", "0001-01-01T00:00:00"),
        ("9999-12-31T23:58:59-00:01", "9999-12-31T23:59:59"),
    ] {
        assert_eq!(read(written).as_deref(), Ok(meant), "{written}");
    }
}

#[test]
fn anything_else_is_refused() {
    for written in [
        "",
        "2017",
        "2017-05-30",
        "2017-05-30T",
        "2017-05-30T14",
        "2017-05-30T14Z",
        "14:24:59",
        "1496154299",
        "mañana",
        // Digits too few, too many, or none.
        "17-05-30T14:24:59",
        "2017-5-30T14:24:59",
        "2017-05-3T14:24:59",
        "2017-05-30T1:24:59",
        "2017-05-30T14:24:5",
        "2017-05-30T14:24:",
        "12017-05-30T14:24:59",
        "+2017-05-30T14:24:59",
        "-2017-05-30T14:24:59",
        "2017-+5-30T14:24:59",
        "２０１７-05-30T14:24:59",
        // No such day or second.
        "2017-00-30T14:24:59",
        "2017-13-30T14:24:59",
        "2017-05-00T14:24:59",
        "2017-05-32T14:24:59",
        "2017-04-31T14:24:59",
        "2017-02-29T14:24:59",
        "1900-02-29T14:24:59",
        "2100-02-29T14:24:59",
        "2017-05-30T24:00:00",
        "2017-05-30T14:60:00",
        "2017-05-30T14:24:60",
        "2016-12-31T23:59:60",
        // Other separators, other letters.
        "2017/05/30T14:24:59",
        "30-05-2017T14:24:59",
        "2017-05-30t14:24:59",
        "2017-05-30_14:24:59",
        "2017-05-30  14:24:59",
        "2017-05-30T14.24.59",
        "20170530T142459",
        "2017-W22-2T14:24:59",
        "2017-150T14:24:59",
        // Fractions without digits, with a comma, or of a minute.
        "2017-05-30T14:24:59.",
        "2017-05-30T14:24:59.Z",
        "2017-05-30T14:24:59,5",
        "2017-05-30T14:24.5",
        "2017-05-30T14:24:59.5.5",
        // Zones that are none.
        "2017-05-30T14:24:59z",
        "2017-05-30T14:24:59ZZ",
        "2017-05-30T14:24:59 Z",
        "2017-05-30T14:24:59 -05:00",
        "2017-05-30T14:24:59-5",
        "2017-05-30T14:24:59-5:00",
        "2017-05-30T14:24:59-05:",
        "2017-05-30T14:24:59-05:0",
        "2017-05-30T14:24:59-050",
        "2017-05-30T14:24:59-24:00",
        "2017-05-30T14:24:59-05:60",
        "2017-05-30T14:24:59-05:00:00",
        "2017-05-30T14:24:59−05:00",
        "2017-05-30T14:24:59PET",
        "2017-05-30T14:24:59[America/Lima]",
        "2017-05-30T14:24:59Z-05:00",
        // White space around.
        " 2017-05-30T14:24:59",
        "2017-05-30T14:24:59 ",
        "2017-05-30T14:24:59\n",
        "2017-05-30T14:24:59\0",
        // Outside of the years 1 to 9999, also by an offset.
        "0000-12-31T23:59:59",
        "0001-01-01T00:00:59+00:01",
        "9999-12-31T23:59:00-00:01",
        "10000-01-01T00:00:00",
    ] {
        assert_eq!(read(written), Err(Wrong::DateTime), "{written:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn what_is_written_is_read_back(seconds in FIRST..=LAST) {
        let moment = Moment::from_unix(seconds);
        prop_assert_eq!(Moment::parse(&moment.to_string()), Ok(moment));
        prop_assert_eq!(Moment::truncated(moment.to_utc()), moment);
    }

    #[test]
    fn texts_sort_as_moments_do(one in FIRST..=LAST, other in FIRST..=LAST) {
        let (one, other) = (Moment::from_unix(one), Moment::from_unix(other));
        prop_assert_eq!(one.to_string().cmp(&other.to_string()), one.cmp(&other));
    }

    #[test]
    fn an_offset_moves_the_clock_and_not_the_instant(
        seconds in FIRST + 86_400..=LAST - 86_400, hours in 0i64..24, minutes in 0i64..60, east: bool,
    ) {
        let ahead = (hours * 3_600 + minutes * 60) * if east { 1 } else { -1 };
        let local = Moment::from_unix(seconds + ahead);
        let sign = if east { '+' } else { '-' };
        for zone in [format!("{sign}{hours:02}:{minutes:02}"), format!("{sign}{hours:02}{minutes:02}")] {
            prop_assert_eq!(Moment::parse(&format!("{local}{zone}")), Ok(Moment::from_unix(seconds)));
        }
    }

    #[test]
    fn no_text_makes_time_panic(text in "\\PC{0,30}|[0-9T:.Z+-]{0,30}") {
        if let Ok(moment) = Moment::parse(&text) {
            prop_assert!((FIRST..=LAST).contains(&moment.unix()));
        }
    }

    #[test]
    fn a_lima_day_holds_its_seconds_and_no_other(seconds in FIRST..=LAST) {
        let moment = Moment::from_unix(seconds);
        let day = moment.lima_day();
        prop_assert!(day.start() <= moment && moment < day.end());
        prop_assert_eq!(day.end().unix() - day.start().unix(), 86_400);
        prop_assert_eq!(day.end().lima_day().since(day), 1);
        prop_assert_eq!(day.start().plus_seconds(-1).lima_day().since(day), -1);
    }
}

#[test]
fn instants_are_cut_to_the_second_they_lie_in_also_before_1970() {
    for (seconds, nanoseconds) in
        [(0, 0), (0, 999_999_999), (1_496_154_299, 500_000_000), (-1, 1), (-1, 999_999_999)]
    {
        let instant = DateTime::from_timestamp(seconds, nanoseconds).expect("within chrono's range");
        assert_eq!(Moment::truncated(instant), Moment::from_unix(seconds), "{instant}");
    }
}

#[test]
fn arithmetic_stops_at_the_ends_of_time() {
    assert_eq!(Moment::from_unix(i64::MAX).plus_seconds(1), Moment::from_unix(i64::MAX));
    assert_eq!(Moment::from_unix(i64::MIN).plus_seconds(-1), Moment::from_unix(i64::MIN));
    assert_eq!(Moment::from_unix(100).plus_seconds(-200), Moment::from_unix(-100));
}

#[test]
fn a_day_begins_at_five_of_utc_in_lima() {
    for (instant, date) in [
        ("2017-05-30T04:59:59", "2017-05-29"),
        ("2017-05-30T05:00:00", "2017-05-30"),
        ("2017-05-31T04:59:59", "2017-05-30"),
        ("2017-05-31T05:00:00", "2017-05-31"),
        ("2018-01-01T04:59:59", "2017-12-31"),
        ("2024-03-01T04:59:59", "2024-02-29"),
        ("1970-01-01T04:59:59", "1969-12-31"),
        ("1970-01-01T05:00:00", "1970-01-01"),
    ] {
        let moment = Moment::parse(instant).expect(instant);
        assert_eq!(moment.lima_day().date().to_string(), date, "{instant}");
        assert_eq!(LimaDay::parse(date), Ok(moment.lima_day()), "{instant}");
    }
    let day = LimaDay::parse("2017-05-30").expect("a day");
    assert_eq!(day.start().to_string(), "2017-05-30T05:00:00");
    assert_eq!(day.end().to_string(), "2017-05-31T05:00:00");
}

#[test]
fn a_day_is_written_as_a_date_and_nothing_more() {
    for written in [
        "",
        "2017-05-3",
        "2017-5-30",
        "2017-05-300",
        "2017-02-29",
        "2017-05-30T",
        "2017-05-30T05:00:00",
        " 2017-05-3",
        "2017-05-3 ",
        "2017/05/30",
        "30-05-2017",
        "20170530",
        "0000-01-01",
        "2017-05-3０",
        "ñandúñand",
    ] {
        assert_eq!(LimaDay::parse(written), Err(Wrong::DateTime), "{written:?}");
    }
}

#[test]
fn days_are_counted_over_months_years_and_leap_days() {
    let day = |text| LimaDay::parse(text).expect(text);
    assert_eq!(day("2017-05-31").since(day("2017-05-30")), 1);
    assert_eq!(day("2017-05-30").since(day("2017-05-31")), -1);
    assert_eq!(day("2024-03-01").since(day("2024-02-28")), 2);
    assert_eq!(day("2023-03-01").since(day("2023-02-28")), 1);
    assert_eq!(day("2018-01-01").since(day("2017-01-01")), 365);
    assert!(day("2017-12-31") < day("2018-01-01"));
}

#[test]
fn a_ktin_opens_with_the_year_and_the_day_of_the_year() {
    for (date, expected) in [
        ("2017-01-01", (17, 1)),
        ("2017-05-30", (17, 150)),
        ("2017-12-31", (17, 365)),
        ("2024-12-31", (24, 366)),
        ("2026-11-22", (26, 326)),
        ("2099-12-31", (99, 365)),
        ("2100-01-01", (0, 1)),
    ] {
        assert_eq!(LimaDay::parse(date).map(LimaDay::year_and_ordinal), Ok(expected), "{date}");
    }
}

#[test]
fn the_clock_of_lima_shows_its_own_day() {
    for (utc, date, weekday, time) in [
        ("2026-11-25T15:05:59", (2026, 11, 25), 3, (10, 5)),
        ("2027-01-01T04:59:59", (2026, 12, 31), 4, (23, 59)),
        ("2027-01-03T05:00:00", (2027, 1, 3), 0, (0, 0)),
        ("2024-02-29T17:00:00", (2024, 2, 29), 4, (12, 0)),
    ] {
        let shown = Moment::parse(utc).expect(utc).lima_clock();
        assert_eq!((shown.year, shown.month, shown.day), date, "{utc}");
        assert_eq!((shown.weekday, (shown.hour, shown.minute)), (weekday, time), "{utc}");
    }
}
