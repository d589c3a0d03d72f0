//! Accounts and their settings: `/internal/v1/accounts`.

use domain::account::{Account, CollectionChannel, Instructions, Mode, RateLimit};
use domain::document::is_ruc;
use domain::field::Wrong;
use domain::key::is_channel;
use domain::late_fee::LateFee;
use domain::money::{Amount, Currency};
use domain::time::Moment;
use serde::Serialize;
use serde_json::{Value as Shape, json};
use utoipa::ToSchema;

use crate::fields::{Fields, Given, Null, text, text_of, truth, whole};
use crate::json::{Kind, Object, Value, canonical};
use crate::problem::{Code, Item};
use crate::schema;
use crate::version::Version;

/// Largest rate and burst.
const MAX_RATE: i64 = 1_000_000;
/// Most characters of the steps for payers.
const MAX_INSTRUCTIONS: usize = 2_000;
/// What the API shows of an account and other verbs change.
const READ_ONLY: [&str; 4] = ["object", "id", "created", "disabled_at"];

/// Settings that a body gives: those of a new account, or what is to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    name: Option<String>,
    legal_name: Given<String>,
    tax_id: Given<String>,
    version_pin: Given<String>,
    default_expiration_seconds: Option<i64>,
    customer_required: Option<bool>,
    late_fee: Option<LateFee>,
    rate_limit: Given<RateLimit>,
    collection_channels: Option<Vec<CollectionChannel>>,
    live_enabled: Option<bool>,
    /// What must be equal to what stands there: name, and its one spelling.
    echoes: Vec<(&'static str, String)>,
}

impl Settings {
    /// The body of `POST /accounts`.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn of_new(body: Object<'_>) -> Result<Settings, Vec<Item>> {
        let mut fields = Fields::of(body, Null::Absent);
        let name = fields.required("name", text_of(1, Account::MAX_NAME));
        let settings = Settings { name, ..Settings::read(&mut fields) };
        fields.finish().map(|()| settings)
    }

    /// The body of `PATCH /accounts/{id}`.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn of_change(body: Object<'_>) -> Result<Settings, Vec<Item>> {
        let mut fields = Fields::of(body, Null::Fault);
        let name = fields.optional("name", text_of(1, Account::MAX_NAME));
        let mut settings = Settings { name, ..Settings::read(&mut fields) };
        for name in READ_ONLY {
            let value = fields.take(name).filter(|value| !matches!(value.kind, Kind::Null));
            settings.echoes.extend(value.map(|value| (name, canonical(&value, &[]))));
        }
        fields.finish().map(|()| settings)
    }

    fn read(fields: &mut Fields<'_>) -> Settings {
        Settings {
            name: None,
            legal_name: fields.nullable("legal_name", text_of(1, Account::MAX_NAME)),
            tax_id: fields.nullable("tax_id", |value| {
                let ruc = text(value)?;
                if is_ruc(&ruc) { Ok(ruc) } else { Err(Code::Wrong(Wrong::Document)) }
            }),
            version_pin: fields.nullable("version_pin", |value| {
                let version = Version::parse(text(value)?.trim()).ok_or(Code::UnknownVersion)?;
                Ok(version.as_str().to_owned())
            }),
            default_expiration_seconds: fields
                .optional("default_expiration_seconds", whole(1, Account::MAX_EXPIRATION_SECONDS)),
            customer_required: fields.optional("customer_required", truth),
            late_fee: late_fee(fields),
            rate_limit: fields.inner("rate_limit", rate_limit),
            collection_channels: fields.each("collection_channels", Account::MAX_CHANNELS, channel),
            live_enabled: fields.optional("live_enabled", truth),
            echoes: Vec::new(),
        }
    }

    /// Whether they say if live keys are accepted, which needs a reason.
    pub const fn decides_live(&self) -> bool {
        self.live_enabled.is_some()
    }

    /// The account with these settings.
    ///
    /// # Errors
    /// What was sent back, can not be changed here, and is not what stands there.
    pub fn over(&self, account: &Account, created: Moment) -> Result<Account, Vec<Item>> {
        let shown = shown(account, created);
        let stands = |name: &str, meant: &str| {
            let value = shown.get(name).map(Shape::to_string).unwrap_or_default();
            let value = crate::json::parse(value.as_bytes());
            value.is_ok_and(|value| canonical(&value, &[]) == *meant)
        };
        let differs = |(name, meant): &&(&'static str, String)| {
            // The id may be written in either mode: there is one account inside.
            let is_id = *name == "id" && id_of(meant) == Some(account.id);
            !is_id && !stands(name, meant)
        };
        let items: Vec<Item> =
            self.echoes.iter().filter(differs).map(|(name, _)| Item::at(*name, Code::ReadOnly)).collect();
        if !items.is_empty() {
            return Err(items);
        }
        let settings = self.clone();
        Ok(Account {
            id: account.id,
            name: settings.name.unwrap_or_else(|| account.name.clone()),
            legal_name: settings.legal_name.over(account.legal_name.clone()),
            tax_id: settings.tax_id.over(account.tax_id.clone()),
            version_pin: settings.version_pin.over(account.version_pin.clone()),
            default_expiration_seconds: settings
                .default_expiration_seconds
                .unwrap_or(account.default_expiration_seconds),
            customer_required: settings.customer_required.unwrap_or(account.customer_required),
            late_fee: settings.late_fee.unwrap_or_else(|| account.late_fee.clone()),
            rate_limit: settings.rate_limit.over(account.rate_limit),
            collection_channels: settings
                .collection_channels
                .unwrap_or_else(|| account.collection_channels.clone()),
            live_enabled: settings.live_enabled.unwrap_or(account.live_enabled),
            disabled_at: account.disabled_at,
        })
    }
}

fn id_of(canonical: &str) -> Option<domain::id::AccountId> {
    parse_id(canonical.trim_matches('"'))
}

/// An account's id, as it is shown to either mode.
pub fn parse_id(text: &str) -> Option<domain::id::AccountId> {
    [Mode::Test, Mode::Live].into_iter().find_map(|mode| domain::id::Id::parse(text, mode))
}

/// The one spelling of an account's id inside: that of the mode which every account has from its first day.
pub fn id(account: domain::id::AccountId) -> String {
    account.text(Mode::Test)
}

fn late_fee(fields: &mut Fields<'_>) -> Option<LateFee> {
    let given = fields.inner("late_fee", |fields| {
        const KINDS: &str = "none, fixed, percent_per_day";
        let kind = fields.required("kind", text)?;
        match kind.as_str() {
            "none" => Some(LateFee::None),
            "fixed" => {
                let amounts = fields.inner("amounts", |amounts| {
                    let pen = amounts.optional("PEN", amount);
                    let usd = amounts.optional("USD", amount);
                    Some(LateFee::Fixed {
                        pen: pen.unwrap_or(Amount::ZERO),
                        usd: usd.unwrap_or(Amount::ZERO),
                    })
                });
                match amounts.over(None) {
                    None => {
                        fields.fault("amounts", Code::Wrong(Wrong::Missing));
                        None
                    }
                    rule => rule,
                }
            }
            "percent_per_day" => {
                let percent_e4 = fields.required("percent", percent)?;
                Some(LateFee::PercentPerDay { percent_e4 })
            }
            _ => {
                fields.fault("kind", Code::OneOf { values: KINDS });
                None
            }
        }
    });
    fields.not_null("late_fee", given)
}

/// Money that may be nothing.
fn amount(value: Value<'_>) -> Result<Amount, Code> {
    let text = match value.kind {
        Kind::Text(text) => text.into_owned(),
        Kind::Number => value.raw.to_owned(),
        _ => return Err(Code::Wrong(Wrong::Type)),
    };
    match Amount::parse(&text) {
        Err(Wrong::AmountNotPositive) if !text.starts_with('-') => Ok(Amount::ZERO),
        amount => amount.map_err(Code::Wrong),
    }
}

/// `"0.05"`: a percent with at most four decimals, at most 100; in ten-thousandths.
fn percent(value: Value<'_>) -> Result<u32, Code> {
    let text = match value.kind {
        Kind::Text(text) => text.into_owned(),
        Kind::Number => value.raw.to_owned(),
        _ => return Err(Code::Wrong(Wrong::Type)),
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let sound = (1..=3).contains(&whole.len())
        && decimals.len() <= 4
        && digits(whole)
        && digits(decimals)
        && !text.ends_with('.');
    let percent_e4 = format!("{whole}{decimals:0<4}").parse::<u32>().ok().filter(|_| sound);
    percent_e4.filter(|e4| (1..=1_000_000).contains(e4)).ok_or(Code::InvalidPercent)
}

fn rate_limit(fields: &mut Fields<'_>) -> Option<RateLimit> {
    let per_second = fields.required("per_second", whole(0, MAX_RATE));
    let burst = fields.optional("burst", whole(0, MAX_RATE));
    let per_second = u32::try_from(per_second?).ok()?;
    if per_second == 0 {
        return Some(RateLimit::NONE);
    }
    // A bucket that holds less than a second's worth could never give the rate.
    let burst = burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(per_second.saturating_mul(2));
    if burst == 0 {
        fields.fault("burst", Code::OutOfRange { min: 1, max: MAX_RATE });
        return None;
    }
    Some(RateLimit { per_second, burst })
}

fn channel(fields: &mut Fields<'_>) -> Option<CollectionChannel> {
    let channel = fields.required("channel", |value| {
        let channel = text(value)?;
        if is_channel(&channel) { Ok(channel) } else { Err(Code::InvalidChannel) }
    });
    let agreement_number = fields.required("agreement_number", text_of(1, 40));
    let currency = fields.required("currency", |value| Currency::parse(&text(value)?).map_err(Code::Wrong));
    let instructions = fields.inner("instructions", |fields| {
        Some(Instructions {
            es: fields.optional("es", text_of(0, MAX_INSTRUCTIONS)),
            en: fields.optional("en", text_of(0, MAX_INSTRUCTIONS)),
        })
    });
    Some(CollectionChannel {
        channel: channel?,
        agreement_number: agreement_number?,
        currency: currency?,
        instructions: instructions.over(None).unwrap_or_default(),
    })
}

/// Una cuenta de comercio y sus ajustes.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = InternalAccount)]
pub(crate) struct Body<'a> {
    /// Siempre `account`.
    #[schema(pattern = "^account$", examples("account"))]
    object: &'static str,
    /// Identificador de la cuenta. Se la encuentra también con el de modo `live`.
    #[schema(pattern = "^acc_test_[2-9A-HJ-NP-Za-km-z]{22}$", examples("acc_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    id: String,
    /// Nombre del comercio, como lo ven quienes pagan.
    #[schema(examples("Tienda Demo"))]
    name: &'a str,
    /// Razón social.
    #[schema(value_type = String, examples("Tienda Demo S.A.C."))]
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_name: Option<&'a str>,
    /// RUC.
    #[schema(value_type = String, pattern = "^[0-9]{11}$", examples("20512333797"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_id: Option<&'a str>,
    /// Versión de la API para solicitudes que no nombran una.
    #[schema(value_type = schema::VersionNumber)]
    #[serde(skip_serializing_if = "Option::is_none")]
    version_pin: Option<&'a str>,
    /// Vida de una orden que no dice cuándo vence, en segundos.
    #[schema(minimum = 1, maximum = 31_622_400, examples(86400))]
    default_expiration_seconds: i64,
    /// Si una orden sin cliente se rechaza.
    customer_required: bool,
    /// Mora: la regla que se copia en cada orden nueva.
    #[schema(value_type = super::schema::LateFee)]
    late_fee: Shape,
    /// Límite de solicitudes por segundo, modo y réplica; ausente: el general; 0: sin límite.
    #[schema(value_type = super::schema::RateLimit)]
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<Shape>,
    /// Dónde pueden pagar sus clientes.
    #[schema(value_type = Vec<super::schema::CollectionChannel>)]
    collection_channels: &'a [CollectionChannel],
    /// Si se aceptan claves de modo real.
    live_enabled: bool,
    /// Cuándo se creó, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    created: String,
    /// Desde cuándo sus claves no se aceptan; ausente: se aceptan.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<String>,
}

fn body(account: &Account, created: Moment) -> Body<'_> {
    Body {
        object: "account",
        id: id(account.id),
        name: &account.name,
        legal_name: account.legal_name.as_deref(),
        tax_id: account.tax_id.as_deref(),
        version_pin: account.version_pin.as_deref(),
        default_expiration_seconds: account.default_expiration_seconds,
        customer_required: account.customer_required,
        late_fee: late_fee_shape(&account.late_fee),
        rate_limit: account
            .rate_limit
            .map(|limit| json!({ "per_second": limit.per_second, "burst": limit.burst })),
        collection_channels: &account.collection_channels,
        live_enabled: account.live_enabled,
        created: created.to_string(),
        disabled_at: account.disabled_at.map(|at| at.to_string()),
    }
}

fn late_fee_shape(rule: &LateFee) -> Shape {
    match rule {
        LateFee::None => json!({ "kind": "none" }),
        LateFee::Fixed { pen, usd } => {
            json!({ "kind": "fixed", "amounts": { "PEN": pen.to_string(), "USD": usd.to_string() } })
        }
        LateFee::PercentPerDay { percent_e4 } => {
            let text = format!("{}.{:04}", percent_e4 / 10_000, percent_e4 % 10_000);
            let text = text.trim_end_matches('0').trim_end_matches('.');
            json!({ "kind": "percent_per_day", "percent": text })
        }
    }
}

/// An account, as the console sees it.
pub fn render(account: &Account, created: Moment) -> Vec<u8> {
    crate::invoice::to_bytes(&body(account, created))
}

fn shown(account: &Account, created: Moment) -> Shape {
    serde_json::to_value(body(account, created)).unwrap_or_default()
}

/// What a change did, as JSON for the audit log: each setting that differs, before and after.
pub fn difference(before: &Account, after: &Account) -> String {
    let at = Moment::from_unix(0);
    let (before, after) = (shown(before, at), shown(after, at));
    let mut changes = serde_json::Map::new();
    let names = before.as_object().into_iter().chain(after.as_object()).flat_map(|fields| fields.keys());
    for name in names {
        if before.get(name) != after.get(name) {
            changes.insert(name.clone(), json!({ "from": before.get(name), "to": after.get(name) }));
        }
    }
    Shape::Object(changes).to_string()
}
