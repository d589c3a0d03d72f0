//! The page's sentences (`locales/*/pay.ftl`), and how moments and money are written in them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use actix_web::HttpRequest;
use domain::money::{Amount, Currency};
use domain::time::Moment;
use fluent_templates::{LanguageIdentifier, static_loader};
use wire::problem::Language;

use crate::headers;

static_loader! {
    static LOCALES = {
        locales: "./locales",
        fallback_language: "es-PE",
        // Names of others stand in elements of their own (`bdi`), never inside a sentence.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

static SPANISH: LazyLock<LanguageIdentifier> = LazyLock::new(|| "es-PE".parse().unwrap_or_default());
static ENGLISH: LazyLock<LanguageIdentifier> = LazyLock::new(|| "en".parse().unwrap_or_default());

/// The language of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Texts(Language);

/// The language of a page, and whether the payer named it in the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The language.
    pub(super) texts: Texts,
    is_named: bool,
}

impl Choice {
    /// `?lang=`, else what the browser prefers, else Spanish.
    pub(super) fn of(request: &HttpRequest) -> Choice {
        let named = super::asked(request, "lang").and_then(|lang| {
            match lang.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "es" => Some(Language::Es),
                "en" => Some(Language::En),
                _ => None,
            }
        });
        let accepted = headers::single(request.headers(), "accept-language").map(Language::accepted);
        let language = named.or(accepted).unwrap_or_default();
        Choice { texts: Texts(language), is_named: named.is_some() }
    }

    /// What keeps the choice in the address of the next page.
    pub(super) fn query(self) -> String {
        if self.is_named { format!("?lang={}", self.texts.code()) } else { String::new() }
    }
}

impl Texts {
    fn identifier(self) -> &'static LanguageIdentifier {
        match self.0 {
            Language::Es => &SPANISH,
            Language::En => &ENGLISH,
        }
    }

    /// The language's tag for readers (BCP 47).
    pub(super) const fn tag(self) -> &'static str {
        match self.0 {
            Language::Es => "es-PE",
            Language::En => "en",
        }
    }

    /// The language's name in addresses.
    pub(super) const fn code(self) -> &'static str {
        match self.0 {
            Language::Es => "es",
            Language::En => "en",
        }
    }

    /// Whether it is English.
    pub(super) fn is_english(self) -> bool {
        self.0 == Language::En
    }

    /// A sentence. One that is missing is its own name; a test sees to it that none is.
    pub(super) fn say(self, key: &str) -> String {
        self.look_up(key, None).unwrap_or_else(|| key.to_owned())
    }

    /// A sentence with something filled in.
    pub(super) fn say_with<const N: usize>(self, key: &str, filled: [(&'static str, &str); N]) -> String {
        let filled = filled.map(|(name, value)| (Cow::Borrowed(name), value.to_owned().into()));
        self.look_up(key, Some(&HashMap::from(filled))).unwrap_or_else(|| key.to_owned())
    }

    fn look_up(
        self,
        key: &str,
        filled: Option<&HashMap<Cow<'static, str>, fluent_templates::fluent_bundle::FluentValue<'_>>>,
    ) -> Option<String> {
        LOCALES.lookup_single_language(self.identifier(), key, filled).ok()
    }

    /// A moment as people write it, by the clock of Lima.
    pub(super) fn moment(self, at: Moment) -> String {
        let clock = at.lima_clock();
        let hour = (clock.hour + 11) % 12 + 1;
        self.say_with(
            "moment",
            [
                ("weekday", &self.say(&format!("weekday-{}", clock.weekday))),
                ("day", &clock.day.to_string()),
                ("month", &self.say(&format!("month-{}", clock.month))),
                ("year", &clock.year.to_string()),
                ("hour", &hour.to_string()),
                ("minute", &format!("{:02}", clock.minute)),
                ("half", &self.say(if clock.hour < 12 { "before-noon" } else { "after-noon" })),
            ],
        )
    }
}

/// An amount without its currency: `1,234.50`.
pub(super) fn figures(amount: Amount) -> String {
    let text = amount.to_string();
    let (whole, centimos) = text.split_once('.').unwrap_or((&text, "00"));
    let mut grouped = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}.{centimos}")
}

/// A currency as prices in Peru are written.
pub(super) const fn symbol(currency: Currency) -> &'static str {
    match currency {
        Currency::Pen => "S/",
        Currency::Usd => "US$",
    }
}

/// `S/ 1,234.50`, never broken between lines.
pub(super) fn money(currency: Currency, amount: Amount) -> String {
    format!("{}\u{a0}{}", symbol(currency), figures(amount))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::money::{Amount, Currency};
    use domain::time::Moment;
    use wire::problem::Language;

    use super::{Texts, money};

    const SPANISH: &str = include_str!("../../locales/es-PE/pay.ftl");
    const ENGLISH: &str = include_str!("../../locales/en/pay.ftl");

    fn names(ftl: &str) -> BTreeSet<&str> {
        let lines = ftl.lines().filter_map(|line| line.split_once(" = "));
        lines.map(|(name, _)| name).filter(|name| !name.starts_with(['#', ' '])).collect()
    }

    #[test]
    fn both_languages_say_the_same_things() {
        assert_eq!(names(SPANISH), names(ENGLISH));
    }

    #[test]
    fn every_sentence_that_a_template_wants_exists_and_none_is_left_over() {
        let sources = [
            include_str!("../../templates/pay/layout.html"),
            include_str!("../../templates/pay/parts.html"),
            include_str!("../../templates/pay/pending.html"),
            include_str!("../../templates/pay/paid.html"),
            include_str!("../../templates/pay/ended.html"),
            include_str!("../../templates/pay/failure.html"),
            include_str!("view.rs"),
            include_str!("texts.rs").split("#[cfg(test)]").next().unwrap(),
        ];
        let counted = |name: &str| name.starts_with("weekday-") || name.starts_with("month-");
        for name in names(SPANISH).into_iter().filter(|name| !counted(name)) {
            let quoted = format!("\"{name}\"");
            assert!(sources.iter().any(|source| source.contains(&quoted)), "{name} is never said");
        }
        for source in sources {
            for rest in source.split(".say(\"").skip(1) {
                let name = rest.split('"').next().unwrap();
                assert!(names(SPANISH).contains(name), "{name} does not exist");
            }
        }
    }

    #[test]
    fn moments_are_written_as_people_write_them() {
        let at = |text| Moment::parse(text).unwrap();
        let (es, en) = (Texts(Language::Es), Texts(Language::En));
        let plain = |text: String| text.replace('\u{a0}', " ");
        assert_eq!(
            plain(es.moment(at("2026-11-25T15:05:00"))),
            "miércoles 25 de noviembre de 2026, 10:05 a. m. (hora de Lima)"
        );
        assert_eq!(
            plain(en.moment(at("2026-11-25T15:05:00"))),
            "Wednesday, November 25, 2026, 10:05 a.m. (Lima time)"
        );
        // Midnight and noon; and the day is Lima's, not UTC's.
        assert!(
            plain(es.moment(at("2027-01-01T05:00:00")))
                .starts_with("viernes 1 de enero de 2027, 12:00 a. m.")
        );
        assert!(plain(es.moment(at("2027-01-01T17:00:00"))).contains("12:00 p. m."));
        assert!(
            plain(es.moment(at("2027-01-01T04:59:59")))
                .starts_with("jueves 31 de diciembre de 2026, 11:59 p. m.")
        );
    }

    #[test]
    fn money_is_grouped_by_thousands() {
        let written = |centimos| money(Currency::Pen, Amount::from_centimos(centimos).unwrap());
        for (centimos, text) in [
            (5, "S/ 0.05"),
            (2_000, "S/ 20.00"),
            (99_999, "S/ 999.99"),
            (123_450, "S/ 1,234.50"),
            (99_999_999_999, "S/ 999,999,999.99"),
        ] {
            assert_eq!(written(centimos).replace('\u{a0}', " "), text);
        }
        assert_eq!(money(Currency::Usd, Amount::from_centimos(2_000).unwrap()), "US$\u{a0}20.00");
    }
}
