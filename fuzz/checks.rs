//! What must hold of every parser that strangers can reach, whatever they send: no panic, nothing accepted that
//! the documents do not, and what is accepted keeps its meaning when it is written and read again.
//!
//! Two callers: the fuzz targets, which invent inputs (`fuzz/run`), and `crates/kashio/tests/it/corpora.rs`,
//! which replays those kept in `fuzz/corpus`. A check panics when its rule is broken.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use api::{Settings, headers};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use domain::account::{Account, Mode, Owner};
use domain::change::{Opening, Stamp};
use domain::field::Faults;
use domain::id::{AccountId, EventId, InvoiceId, base57, from_base57};
use domain::invoice::draft::NewInvoice;
use domain::invoice::filter::Page;
use domain::invoice::{Invoice, Token};
use domain::key::{KeyKind, SecretKey, looks_like_key};
use domain::ktin::Ktin;
use domain::late_fee::LateFee;
use domain::money::Amount;
use domain::time::{LimaDay, Moment};
use serde::de::IgnoredAny;
use wire::create::{self, CreateInvoice};
use wire::invoice::View;
use wire::json::{self, Kind, MAX_FLAWS, Object, Value};
use wire::problem::{self, Item, Language};
use wire::version::Version;
use wire::{list, update};

/// The clock of every check: 2026-11-22T12:00:00Z.
const NOW: Moment = Moment::from_unix(1_795_348_800);

/// A body: through the strict door, then read as a new invoice and as an update.
pub fn body(data: &[u8]) {
    let value = match json::parse(data) {
        Ok(value) => value,
        Err(flaws) => {
            assert!(flaws.len() <= MAX_FLAWS, "more flaws than are told");
            told(&flaws.into_iter().map(Item::from).collect::<Vec<_>>());
            return;
        }
    };
    assert!(serde_json::from_slice::<IgnoredAny>(data).is_ok(), "laxer than serde_json");
    for skip in [&[][..], &["request_datetime"]] {
        let canonical = json::canonical(&value, skip);
        let again = json::parse(canonical.as_bytes()).expect("the canonical text passes the door");
        assert_eq!(json::canonical(&again, skip), canonical, "canonical is not final");
        if skip.is_empty() {
            assert_same(&value, &again);
        }
    }
    if let Ok(theirs) = serde_json::from_slice(data) {
        assert_understood(&value, &theirs);
    }

    let Ok(object) = json::parse_object(data) else {
        assert!(!matches!(value.kind, Kind::Object(_)), "an object is none the second time");
        return;
    };
    match update::read(object.clone()) {
        Ok(update) => drop(update.differences(data)),
        Err(items) => told(&items),
    }
    let is_flat = object.get("invoice").is_none();
    let Some(new) = new_invoice(object) else { return };
    assert!(Amount::ZERO < new.amount && new.amount <= Amount::MAX);
    assert!(new.size_qr.is_none_or(|pixels| (100..=1_000).contains(&pixels)));
    assert!(new.due.zip(new.expires).is_none_or(|(due, expires)| due <= expires));
    if is_flat {
        let enveloped = [b"{\"invoice\":", data, b"}"].concat();
        // One level and one key more may be one too many.
        if let Ok(object) = json::parse_object(&enveloped) {
            let same = new_invoice(object).expect("what is accepted flat is accepted in the envelope");
            assert_eq!(new.content(), same.content(), "the envelope changes the meaning");
        }
    }
    sent_back(new);
}

/// What the draft makes of a body; whoever is refused is told why.
fn new_invoice(object: Object<'_>) -> Option<NewInvoice> {
    let CreateInvoice { mut draft, faults: mut items } = create::read(object);
    draft.asked = Some((NOW, Mode::Live));
    let mut faults = Faults::default();
    let new = draft.parse(&shop(), &mut faults);
    assert!(new.is_none() || faults.is_empty(), "accepted in spite of a fault");
    items.extend(faults.0.into_iter().map(Item::from));
    if new.is_none() || !items.is_empty() {
        told(&items);
        return None;
    }
    new
}

/// Merchants send back what they read, in either version: it differs in nothing and changes nothing.
fn sent_back(new: NewInvoice) {
    let stamp = Stamp { at: NOW, event: EventId::new(2, &[2; 10]) };
    let opening = Opening {
        stamp,
        id: InvoiceId::new(3, &[3; 10]),
        ktin: Ktin::compose(NOW.lima_day(), 0, &[4; 16]).expect("the first number of a day"),
        token: Token::from_random([5; 16]),
    };
    let shop = shop();
    let owner = Owner { account: shop.id, mode: Mode::Test };
    let (invoice, _) = Invoice::open(owner, &shop, new, opening).invoice.expect("an invoice is opened");
    let seen = invoice.as_changed_at(NOW);
    if seen.total() > Amount::MAX {
        return; // Its late fee grew beyond what an amount may say.
    }
    let answers = [Version::V1_0_0, Version::V1_0_1]
        .map(|version| wire::invoice::render(&seen, View { version, page_url: "https://page.invalid" }));
    for sent in &answers {
        let object = json::parse_object(sent).expect("our own answer passes our door");
        let Ok(update) = update::read(object) else { panic!("our own answer is no update") };
        for current in &answers {
            assert_eq!(update.differences(current), [], "our own answer differs from itself");
        }
        let change = invoice.amend(update.amendment, stamp).expect("nothing to refuse");
        assert!(change.invoice.is_none(), "our own answer changes the invoice");
    }
}

/// A shop whose customers may be nobody and pay for being late.
fn shop() -> Account {
    let account = Account::new(AccountId::new(1, &[1; 10]), "Bodega Rosita".to_owned());
    Account { late_fee: LateFee::PercentPerDay { percent_e4: 500 }, live_enabled: true, ..account }
}

/// Errors can be told, in both languages, and repeat nothing that no text may hold.
fn told(items: &[Item]) {
    assert!(!items.is_empty(), "refused without a reason");
    for language in [Language::Es, Language::En] {
        let body = problem::render(400, items, "req_1", language);
        let answer: serde_json::Value = serde_json::from_slice(&body).expect("an error answer is JSON");
        for (item, told) in items.iter().zip(answer["error"].as_array().expect("a list of errors")) {
            let texts = [&told["param"], &told["message"]].map(|text| text.as_str().unwrap_or_default());
            assert!(!texts.concat().contains(json::is_forbidden), "repeated as it came: {item:?}");
        }
    }
}

/// Two values of ours are equal but for the order of keys and the spelling of numbers.
fn assert_same(one: &Value<'_>, other: &Value<'_>) {
    match (&one.kind, &other.kind) {
        (Kind::Null, Kind::Null) => {}
        (Kind::Bool(one), Kind::Bool(other)) => assert_eq!(one, other),
        (Kind::Number, Kind::Number) => {
            let number = |value: &Value<'_>| value.raw.parse::<f64>().expect("JSON's numbers are Rust's");
            assert_eq!(number(one), number(other), "{} became {}", one.raw, other.raw);
        }
        (Kind::Text(one), Kind::Text(other)) => assert_eq!(one, other),
        (Kind::List(one), Kind::List(other)) => {
            assert_eq!(one.len(), other.len());
            one.iter().zip(other).for_each(|(one, other)| assert_same(one, other));
        }
        (Kind::Object(one), Kind::Object(other)) => {
            assert_eq!(one.len(), other.len());
            one.iter().for_each(|(name, one)| assert_same(one, other.get(name).expect("the same keys")));
        }
        (one, other) => panic!("{one:?} became {other:?}"),
    }
}

/// serde_json reads the same out of a body as we do; its numbers are floats, so theirs are not compared.
fn assert_understood(ours: &Value<'_>, theirs: &serde_json::Value) {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String};
    match (&ours.kind, theirs) {
        (Kind::Null, Null) | (Kind::Number, Number(_)) => {}
        (Kind::Bool(ours), Bool(theirs)) => assert_eq!(ours, theirs),
        (Kind::Text(ours), String(theirs)) => assert_eq!(ours, theirs),
        (Kind::List(ours), Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(theirs).for_each(|(ours, theirs)| assert_understood(ours, theirs));
        }
        (Kind::Object(ours), Object(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().for_each(|(name, ours)| assert_understood(ours, &theirs[name]));
        }
        (ours, theirs) => panic!("we read {ours:?}, serde_json {theirs:?}"),
    }
}

/// Request headers, one a line: `Authorization` first of all, and the others that decide something.
pub fn authorization(data: &[u8]) {
    let lines = data.split(|&byte| byte == b'\n').filter_map(header).collect::<Vec<_>>();
    let mut given = HeaderMap::new();
    lines.iter().for_each(|(name, value)| given.append(name.clone(), value.clone()));

    if let Some(key) = headers::key(&given) {
        assert_eq!(given.get_all("authorization").count(), 1, "a header that came twice was read");
        if let Some(key) = SecretKey::parse(&key) {
            presented(&key);
        }
    }
    let seed = data.iter().copied().chain([0]).cycle();
    let mut bytes =
        seed.zip(0u8..=255).map(|(byte, place)| byte.wrapping_mul(31).wrapping_add(place)).cycle();
    for kind in KeyKind::ALL {
        presented(&SecretKey::mint(kind, || bytes.next().unwrap_or_default()));
    }

    match headers::idempotency_key(&given) {
        Ok(None) => assert!(!given.contains_key("idempotency-key")),
        Ok(Some(key)) => {
            assert!((1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
            let quoted = format!("\"{}\"", key.replace('\\', r"\\").replace('"', "\\\""));
            let again = headers::idempotency_key(&one("idempotency-key", &quoted));
            assert_eq!(again, Ok(Some(key)), "quoted it is another key");
        }
        Err(item) => told(&[item]),
    }
    for (_, value) in &lines {
        Language::accepted(&String::from_utf8_lossy(value.as_bytes()));
    }
    forwarded(&lines);
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_at_checked(line.iter().position(|&byte| byte == b':')?)?;
    let value = value.get(1..)?.trim_ascii();
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}

fn one(name: &'static str, value: &str) -> HeaderMap {
    let value = HeaderValue::from_str(value).expect("a header's value");
    HeaderMap::from_iter([(HeaderName::from_static(name), value)])
}

/// A sound key is read however its owner presents it, and with one character changed it is none.
fn presented(key: &SecretKey) {
    let text = key.expose();
    assert!(looks_like_key(text));
    assert!(SecretKey::parse(text).is_some_and(|again| again.kind() == key.kind()));
    let user = |password: &str| format!("{text}{password}");
    for header in [
        format!("Bearer {text}"),
        format!("basic {text}"),
        format!("Basic {text}:"),
        format!("Basic {}", STANDARD.encode(text)),
        format!("BASIC  {} ", STANDARD.encode(user(":"))),
        format!("Basic {}", STANDARD_NO_PAD.encode(user(":any: password"))),
    ] {
        let read = headers::key(&one("authorization", &header));
        assert_eq!(read.as_deref().map(String::as_str), Some(text), "{header}");
    }
    for place in 0..text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
        let changed = String::from_utf8(changed).expect("ASCII");
        assert!(SecretKey::parse(&changed).is_none(), "a mistyped key is read");
    }
}

/// Only a trusted peer is believed about others, and only as far as our own proxies go.
fn forwarded(lines: &[(HeaderName, HeaderValue)]) {
    let settings = Settings {
        public_url: String::new(),
        page_url: String::new(),
        require_https: true,
        trusted_proxies: ["10.0.0.0/8", "fd00::/8"]
            .map(|network| network.parse().expect("a network"))
            .to_vec(),
        cors_origins: Vec::new(),
        targets: domain::endpoint::Targets::default(),
        support_email: String::new(),
    };
    let request = |peer: &str, more: &[(&'static str, &'static str)]| {
        let peer: SocketAddr = peer.parse().expect("an address");
        let request = lines.iter().fold(TestRequest::default().peer_addr(peer), |request, line| {
            request.append_header((line.0.clone(), line.1.clone()))
        });
        more.iter().fold(request, |request, line| request.append_header(*line)).to_http_request()
    };
    let address = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));

    let stranger = request("203.0.113.9:1", &[]);
    assert_eq!(headers::client_address(&stranger, &settings), address("203.0.113.9"));
    assert!(!headers::is_https(&stranger, &settings), "a stranger was believed");
    for peer in ["10.0.0.1:1", "[::ffff:10.0.0.1]:1", "[fd00::1]:1"] {
        let proxied = request(peer, &[]);
        let client = headers::client_address(&proxied, &settings).expect("there is a peer");
        assert_eq!(client, client.to_canonical());
        let protos = proxied.headers().get_all("x-forwarded-proto").count();
        assert!(protos == 1 || !headers::is_https(&proxied, &settings), "HTTPS by {protos} values");

        let last = request(peer, &[("x-forwarded-for", "198.51.100.7")]);
        assert_eq!(headers::client_address(&last, &settings), address("198.51.100.7"), "left of our proxy");
        let unclear = request(peer, &[("x-forwarded-proto", "http")]);
        assert!(!headers::is_https(&unclear, &settings), "HTTPS in spite of `http`");
    }
}

/// The query of a list; behind a line feed, the day of its path.
pub fn cursor(data: &[u8]) {
    let (query, day) = match data.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&data[..end], str::from_utf8(&data[end + 1..]).ok()),
        None => (data, None),
    };
    let parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> = url::form_urlencoded::parse(query).collect();
    for (mode, other) in [(Mode::Test, Mode::Live), (Mode::Live, Mode::Test)] {
        match list::read(parameters.iter().cloned(), day, mode) {
            Err(items) => {
                told(&items);
                assert!(items.len() <= MAX_FLAWS + list::PARAMETERS.len(), "faults without end");
            }
            Ok(list) => {
                assert!((1..=Page::MAX_LIMIT).contains(&list.page.limit));
                let given = |names: [&str; 2]| parameters.iter().find(|(name, _)| names.contains(&&**name));
                for (id, names) in [
                    (list.page.after, ["starting_after", "start"]),
                    (list.page.before, ["ending_before", "end"]),
                ] {
                    let text = id.map(|id| id.text(mode));
                    assert_eq!(text.as_deref(), given(names).map(|(_, text)| &**text), "another cursor");
                }
                next_page(&list, &parameters, day, mode);
            }
        }
        for (_, text) in &parameters {
            if let Some(id) = InvoiceId::parse(text, mode) {
                assert_eq!(id.text(mode), **text);
                assert_eq!(InvoiceId::parse(text, other), None, "an id of both modes");
            }
        }
    }
    for (_, text) in &parameters {
        if let Some(number) = from_base57(text) {
            assert_eq!(base57(number), **text);
        }
        if let Some(ktin) = Ktin::parse(text) {
            assert_eq!(Ktin::parse(&ktin.to_string()), Some(ktin));
            assert!(text.trim_start_matches('0') == ktin.to_string().trim_start_matches('0'));
        }
    }
    if let Some((one, rest)) = data.split_first_chunk::<16>() {
        let one = u128::from_be_bytes(*one);
        assert_eq!(from_base57(&base57(one)), Some(one));
        if let Some((other, _)) = rest.split_first_chunk::<16>() {
            let other = u128::from_be_bytes(*other);
            assert_eq!(one.cmp(&other), base57(one).cmp(&base57(other)), "texts sort otherwise");
        }
    }
}

/// The same query with the cursor of the next page, as `Link` gives it, asks for the same list from there on.
fn next_page(
    list: &list::ListInvoices,
    parameters: &[(Cow<'_, str>, Cow<'_, str>)],
    day: Option<&str>,
    mode: Mode,
) {
    let edge = InvoiceId::new(9, &[9; 10]);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(name, _)| !["starting_after", "start"].contains(&&**name)));
    let query = query.append_pair("starting_after", &edge.text(mode)).finish();
    let mut expected = list.clone();
    expected.page.after = Some(edge);
    let next = list::read(url::form_urlencoded::parse(query.as_bytes()), day, mode);
    assert!(next == Ok(expected), "the next page is of another list");
}

/// An amount: `^(0|[1-9]\d{0,8})(\.\d{1,2})?$`, greater than zero.
pub fn decimal(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_documented = matches!(whole.as_bytes(), [b'0'] | [b'1'..=b'9', ..])
        && whole.len() <= 9
        && digits(whole)
        && (1..=2).contains(&decimals.len())
        && digits(decimals);
    let is_zero = text.bytes().all(|byte| !matches!(byte, b'1'..=b'9'));
    let parsed = Amount::parse(text);
    assert_eq!(parsed.is_ok(), is_documented && !is_zero, "{text:?} is {parsed:?}");
    if let Ok(amount) = parsed {
        assert_eq!(amount.to_string(), format!("{whole}.{decimals:0<2}"));
        assert_eq!(Amount::parse(&amount.to_string()), Ok(amount));
        assert_eq!(Amount::from_centimos(amount.centimos()), Some(amount));
        assert!(Amount::ZERO < amount && amount <= Amount::MAX);
    }
}

/// A date-time and a day; of eight bytes, also any second there is.
pub fn date(data: &[u8]) {
    if let Some(bytes) = data.first_chunk() {
        let moment = Moment::from_unix(i64::from_be_bytes(*bytes));
        let (seconds, shown) = (moment.unix(), moment.to_utc().timestamp());
        assert!(shown == seconds || shown.signum() == seconds.signum(), "{seconds} is shown as {shown}");
        assert!((1..=366).contains(&moment.lima_day().year_and_ordinal().1));
    }
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(moment) = Moment::parse(text) {
        let shown = moment.to_string();
        assert_eq!(shown.len(), 19, "{shown}");
        for zone in ["", "Z", "+00", "-0000", "+00:00", ".999"] {
            assert_eq!(Moment::parse(&format!("{shown}{zone}")), Ok(moment));
        }
        let has_offset = text[10..].contains(['+', '-']);
        assert!(has_offset || shown[..16] == text[..16].replace(' ', "T"), "{text} is shown as {shown}");
        let day = moment.lima_day();
        assert!(day.start() <= moment && moment < day.end(), "a moment outside of its day");
    }
    if let Ok(day) = LimaDay::parse(text) {
        assert_eq!(day.date().to_string(), text);
        assert_eq!(Moment::parse(&format!("{text} 00:00-05:00")), Ok(day.start()));
        assert_eq!(day.start().lima_day(), day);
        assert_eq!(day.end().lima_day().since(day), 1);
        assert_eq!(day.end().plus_seconds(-1).lima_day(), day);
    }
}
