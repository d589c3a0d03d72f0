//! From the facts to what the templates of `templates/pay` show: one page for each state of an order, and one for when
//! there is nothing to show. Everything of a merchant's or a payer's is escaped by the templates.

use askama::Template;
use domain::account::{CollectionChannel, Mode};
use domain::collection::Channel;
use domain::customer::Customer;
use domain::invoice::{Seen, Status};
use domain::ktin::Ktin;
use domain::metadata::Verbatim;
use domain::money::Amount;
use domain::time::Moment;

use super::facts::Facts;
use super::payer::{Masked, first_name, masked_document};
use super::qr::Qr;
use super::texts::{Choice, Texts, figures, money, symbol};
use crate::Settings;
use crate::test_mode::CHANNEL;

/// Digits of a ktin that stand together.
const GROUP: usize = 4;
/// Most characters of a sub-merchant's name.
const MAX_NAME: usize = 200;
/// So many places to pay are shown with their steps; of more only the first, until somebody opens another.
const OPEN_PLACES: usize = 2;

/// What every page has.
struct Frame<'a> {
    texts: Texts,
    title: String,
    support: &'a str,
    is_test: bool,
    /// The class of its body.
    state: &'static str,
    /// The same page in Spanish.
    spanish: String,
    /// The same page in English.
    english: String,
    live: Option<Live>,
    style: &'static str,
    script: &'static str,
}

/// What the script asks for, and the answer that the page shows.
struct Live {
    path: String,
    known: String,
}

/// Who is owed how much by whom.
struct Debt<'a> {
    merchant: &'a str,
    on_behalf: Option<String>,
    symbol: &'static str,
    figures: String,
    total: String,
    parts: Option<Parts>,
    reference: &'a str,
    payer: Option<Payer>,
    due: Option<When>,
    is_late: bool,
    expires: When,
}

struct Parts {
    sub_total: String,
    late_fee: Option<String>,
    fees: Option<String>,
}

struct When {
    /// For programs (RFC 3339).
    machine: String,
    /// For people.
    written: String,
}

struct Payer {
    first_name: Option<String>,
    document: Option<Document>,
}

/// A masked document: bullets for the eye, a sentence for the ear.
struct Document {
    shown: String,
    spoken: String,
}

/// Where it can be paid.
struct Place<'a> {
    name: &'a str,
    agreement: &'a str,
    steps: Vec<String>,
    /// Of the steps: the merchant may have written them in one language only.
    language: &'static str,
    is_open: bool,
}

#[derive(Template)]
#[template(path = "pay/pending.html")]
struct Pending<'a> {
    frame: Frame<'a>,
    debt: Debt<'a>,
    ktin: String,
    ktin_groups: Vec<String>,
    /// Where the form of a test order leads.
    simulate: Option<String>,
    places: Vec<Place<'a>>,
    qr_side: usize,
    qr_path: String,
    back: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "pay/paid.html")]
struct Paid<'a> {
    frame: Frame<'a>,
    debt: Debt<'a>,
    ktin_groups: Vec<String>,
    paid_at: When,
    channel: Option<String>,
    operation_number: Option<&'a str>,
    forward: Option<&'a str>,
}

/// Expired or voided.
#[derive(Template)]
#[template(path = "pay/ended.html")]
struct Ended<'a> {
    frame: Frame<'a>,
    debt: Debt<'a>,
    badge: &'static str,
    title: String,
    text: String,
    if_paid: String,
    back: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "pay/failure.html")]
struct Failure<'a> {
    frame: Frame<'a>,
    title: String,
    text: String,
    request_id: Option<String>,
}

/// The page of an order.
pub(super) fn render(facts: &Facts, qr: &Qr, choice: Choice, settings: &Settings) -> askama::Result<String> {
    let (seen, texts) = (facts.seen(), choice.texts);
    let (order, debt) = (&seen.invoice.order, debt(facts, &seen, texts));
    let frame = |title: String| frame(facts, &seen, choice, settings, title);
    match seen.status {
        Status::Pending => Pending {
            frame: frame(texts.say_with("title-pending", [("amount", &debt.total)])),
            ktin: order.ktin.to_string(),
            ktin_groups: groups(order.ktin),
            simulate: facts
                .offers_simulation()
                .then(|| format!("/pay/{}/simulate{}", order.token.as_str(), choice.query())),
            places: places(facts, &seen, texts),
            qr_side: qr.side(),
            qr_path: qr.path(),
            back: order.url_error.as_deref(),
            debt,
        }
        .render(),
        Status::Paid { paid_at, .. } => Paid {
            frame: frame(texts.say_with("title-paid", [("amount", &debt.total)])),
            debt,
            ktin_groups: groups(order.ktin),
            paid_at: when(texts, paid_at),
            channel: facts.payment.as_ref().map(|payment| channel_name(facts, texts, &payment.channel)),
            operation_number: facts.payment.as_ref().map(|payment| payment.operation_number.as_str()),
            forward: order.url_success.as_deref(),
        }
        .render(),
        Status::Expired => Ended {
            frame: frame(texts.say("title-expired")),
            badge: "badge-expired",
            title: texts.say("expired-title"),
            text: texts.say_with("expired-text", [("when", &debt.expires.written)]),
            if_paid: texts.say("ended-paid"),
            back: order.url_error.as_deref(),
            debt,
        }
        .render(),
        Status::Voided => Ended {
            frame: frame(texts.say("title-voided")),
            debt,
            badge: "badge-voided",
            title: texts.say("voided-title"),
            text: texts.say("voided-text"),
            if_paid: texts.say("ended-paid-voided"),
            back: order.url_error.as_deref(),
        }
        .render(),
    }
}

/// The page when there is no order to show: with the id of the request, the failure is ours; without, nothing is
/// known by that address.
pub(super) fn render_failure(
    request_id: Option<String>,
    choice: Choice,
    settings: &Settings,
) -> askama::Result<String> {
    let texts = choice.texts;
    let (title, text) = match request_id {
        Some(_) => (texts.say("failed-title"), texts.say("failed-text")),
        None => (texts.say("missing-title"), texts.say("missing-text")),
    };
    let frame = Frame {
        texts,
        title: title.clone(),
        support: &settings.support_email,
        is_test: false,
        state: "failure",
        // Relative: an unknown token is not repeated.
        spanish: "?lang=es".to_owned(),
        english: "?lang=en".to_owned(),
        live: None,
        style: super::STYLE,
        script: super::SCRIPT,
    };
    Failure { frame, title, text, request_id }.render()
}

fn frame<'a>(
    facts: &Facts,
    seen: &Seen<'_>,
    choice: Choice,
    settings: &'a Settings,
    title: String,
) -> Frame<'a> {
    let path = format!("/pay/{}", facts.invoice().order.token.as_str());
    // What can still change while somebody looks: a bank may tell late of a payment that was in time.
    let changes = matches!(seen.status, Status::Pending | Status::Expired);
    let known = || String::from_utf8_lossy(&wire::page::render(seen)).into_owned();
    Frame {
        texts: choice.texts,
        title,
        support: &settings.support_email,
        is_test: facts.invoice().owner.mode == Mode::Test,
        state: seen.status.state().as_str(),
        spanish: format!("{path}?lang=es"),
        english: format!("{path}?lang=en"),
        live: changes.then(|| Live { path: format!("{path}/status"), known: known() }),
        style: super::STYLE,
        script: super::SCRIPT,
    }
}

fn debt<'a>(facts: &'a Facts, seen: &Seen<'a>, texts: Texts) -> Debt<'a> {
    let (order, terms) = (&seen.invoice.order, &seen.invoice.terms);
    let written = |amount| money(terms.currency, amount);
    let any = |amount: Amount| (amount != Amount::ZERO).then(|| written(amount));
    let is_more = seen.total() != terms.sub_total;
    let parts =
        || Parts { sub_total: written(terms.sub_total), late_fee: any(seen.late_fee), fees: any(seen.fees) };
    Debt {
        merchant: &facts.account.name,
        on_behalf: order.sub_merchant.as_ref().and_then(sub_merchant_name),
        symbol: symbol(terms.currency),
        figures: figures(seen.total()),
        total: written(seen.total()),
        parts: is_more.then(parts),
        reference: order.reference.as_str(),
        payer: order.customer.as_ref().and_then(|customer| payer(customer, texts)),
        due: terms.due.map(|due| when(texts, due)),
        is_late: facts.is_late(),
        expires: when(texts, terms.expires),
    }
}

fn when(texts: Texts, at: Moment) -> When {
    When { machine: format!("{at}Z"), written: texts.moment(at) }
}

/// The name that the merchant gave for whom he collects, where it is a text. Nothing else of it is shown, and a logo
/// is never loaded.
fn sub_merchant_name(sub_merchant: &Verbatim) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(&sub_merchant.text).ok()?;
    let name: String = value.get("name")?.as_str()?.trim().chars().take(MAX_NAME).collect();
    (!name.is_empty()).then_some(name)
}

fn payer(customer: &Customer, texts: Texts) -> Option<Payer> {
    let document = masked_document(customer).map(|Masked { kind, end }| {
        let kind = kind.map_or_else(|| texts.say("document"), str::to_owned);
        Document {
            shown: format!("{kind} ••••{end}"),
            spoken: texts.say_with("document-spoken", [("kind", &kind), ("end", &end)]),
        }
    });
    let first_name = first_name(customer);
    (first_name.is_some() || document.is_some()).then_some(Payer { first_name, document })
}

fn groups(ktin: Ktin) -> Vec<String> {
    let digits: Vec<char> = ktin.to_string().chars().collect();
    digits.chunks(GROUP).map(|group| group.iter().collect()).collect()
}

/// The account's places for this currency whose bank answers today. Banks do not know test orders.
fn places<'a>(facts: &'a Facts, seen: &Seen<'_>, texts: Texts) -> Vec<Place<'a>> {
    if seen.invoice.owner.mode == Mode::Test {
        return Vec::new();
    }
    let channel_of = |at: &CollectionChannel| facts.channels.iter().find(|channel| channel.id == at.channel);
    let is_offered = |at: &&CollectionChannel| {
        at.currency == seen.invoice.terms.currency && channel_of(at).is_none_or(|channel| channel.open)
    };
    let offered: Vec<&CollectionChannel> =
        facts.account.collection_channels.iter().filter(is_offered).collect();
    let all_open = offered.len() <= OPEN_PLACES;
    let code = groups(seen.invoice.order.ktin).join("\u{a0}");
    let place = |(index, at): (usize, &&'a CollectionChannel)| {
        let (steps, language) = steps(at, &code, texts);
        Place {
            name: channel_of(at).map_or(&at.channel, |channel| &channel.name),
            agreement: &at.agreement_number,
            steps,
            language,
            is_open: all_open || index == 0,
        }
    };
    offered.iter().enumerate().map(place).collect()
}

/// The merchant's instructions, a step a line: in the page's language, else in the other, else ours.
fn steps(at: &CollectionChannel, code: &str, texts: Texts) -> (Vec<String>, &'static str) {
    let (es, en) = ((&at.instructions.es, "es"), (&at.instructions.en, "en"));
    let preferred = if texts.is_english() { [en, es] } else { [es, en] };
    for (instructions, language) in preferred {
        let lines = instructions.as_deref().unwrap_or_default().lines().map(str::trim);
        let steps: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
        if !steps.is_empty() {
            return (steps, language);
        }
    }
    let ours = vec![
        texts.say("step-choose"),
        texts.say_with("step-find", [("agreement", &at.agreement_number)]),
        texts.say_with("step-code", [("code", code)]),
        texts.say("step-confirm"),
    ];
    (ours, texts.code())
}

/// What people call a channel: its name, or at least its id.
fn channel_name(facts: &Facts, texts: Texts, id: &str) -> String {
    let known = facts.channels.iter().find(|channel: &&Channel| channel.id == id);
    match known {
        Some(channel) => channel.name.clone(),
        None if id == CHANNEL => texts.say("channel-test"),
        None => id.to_owned(),
    }
}
