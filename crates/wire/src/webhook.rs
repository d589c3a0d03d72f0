//! Webhook endpoints and deliveries: what merchants send, and what they see.

use domain::endpoint::Endpoint;
use domain::event::EventKind;
use domain::field::Wrong;
use domain::id::{DeliveryId, EndpointId, EventId};
use domain::time::Moment;
use serde::Serialize;
use utoipa::ToSchema;

use crate::fields::{Fields, Given, Null, text, text_of, texts, truth, whole};
use crate::invoice::to_bytes;
use crate::json::{Kind, Object, Value};
use crate::problem::{Code, Item};
use crate::schema;

/// Longest overlap of two secrets, in seconds: a week.
pub const MAX_OVERLAP_SECONDS: i64 = 604_800;
/// The overlap when none is named: a day.
pub const DEFAULT_OVERLAP_SECONDS: i64 = 86_400;
const MAX_SEQUENCE: i64 = i64::MAX;

/// What a body says of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Where events are posted.
    pub url: Option<String>,
    /// The kinds that are wanted; the inner `None`: all.
    pub kinds: Option<Option<Vec<EventKind>>>,
    description: Given<String>,
    /// Whether it is told of anything.
    pub enabled: Option<bool>,
}

impl Wish {
    /// The body of `POST /webhook_endpoints`. `judge` says whether events may be posted to a URL.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn of_new(
        body: Object<'_>,
        judge: impl Fn(&str) -> Result<String, Wrong>,
    ) -> Result<Wish, Vec<Item>> {
        let mut fields = Fields::of(body, Null::Absent);
        let url = fields.required("url", |value| judge(&text(value)?).map_err(Code::Wrong));
        let wish = Wish { url, ..Wish::read(&mut fields) };
        fields.finish().map(|()| wish)
    }

    /// The body of `PATCH /webhook_endpoints/{id}`.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn of_change(
        body: Object<'_>,
        judge: impl Fn(&str) -> Result<String, Wrong>,
    ) -> Result<Wish, Vec<Item>> {
        let mut fields = Fields::of(body, Null::Fault);
        let url = fields.optional("url", |value| judge(&text(value)?).map_err(Code::Wrong));
        let enabled = fields.optional("enabled", truth);
        let wish = Wish { url, enabled, ..Wish::read(&mut fields) };
        fields.finish().map(|()| wish)
    }

    fn read(fields: &mut Fields<'_>) -> Wish {
        Wish {
            url: None,
            kinds: fields.optional("events", kinds),
            description: fields.nullable("description", text_of(0, Endpoint::MAX_DESCRIPTION)),
            enabled: None,
        }
    }

    /// The endpoint as it is wished.
    pub fn over(&self, before: &Endpoint) -> Endpoint {
        let wish = self.clone();
        let enabled = wish.enabled.unwrap_or(before.enabled);
        Endpoint {
            url: wish.url.unwrap_or_else(|| before.url.clone()),
            kinds: wish.kinds.unwrap_or_else(|| before.kinds.clone()),
            description: wish.description.over(before.description.clone()),
            enabled,
            disabled_reason: before.disabled_reason.filter(|_| !enabled),
            ..before.clone()
        }
    }
}

/// A list of types; `"*"`, alone or in it, is all of them, as is an empty list.
fn kinds(value: Value<'_>) -> Result<Option<Vec<EventKind>>, Code> {
    if let Kind::Text(text) = &value.kind
        && text == "*"
    {
        return Ok(None);
    }
    let read = |text: &str| match text {
        "*" => Ok(None),
        name => EventKind::parse(name).map(Some).ok_or(Code::InvalidEventType),
    };
    let mut all = texts(64, read)(value)?.into_iter().collect::<Option<Vec<_>>>();
    if let Some(kinds) = &mut all {
        let mut met = std::collections::HashSet::new();
        kinds.retain(|kind| met.insert(*kind));
    }
    Ok(all.filter(|kinds| !kinds.is_empty()))
}

/// The body of a roll: how long both secrets sign, in seconds.
///
/// # Errors
/// Every fault at once.
pub fn overlap(body: Object<'_>) -> Result<i64, Vec<Item>> {
    let mut fields = Fields::of(body, Null::Absent);
    let overlap = fields.optional("overlap_seconds", whole(0, MAX_OVERLAP_SECONDS));
    fields.finish().map(|()| overlap.unwrap_or(DEFAULT_OVERLAP_SECONDS))
}

/// Which deliveries are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedeliverRange {
    /// Of events after this number of the feed.
    pub after: i64,
    /// Up to this one.
    pub until: Option<i64>,
    /// That stand so.
    pub status: domain::delivery::DeliveryStatus,
    /// Only count them.
    pub dry_run: bool,
}

impl RedeliverRange {
    /// Reads the body of `POST …/redeliver`.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(body: Object<'_>) -> Result<RedeliverRange, Vec<Item>> {
        use domain::delivery::DeliveryStatus;
        let mut fields = Fields::of(body, Null::Absent);
        let after = fields.optional("after", whole(0, MAX_SEQUENCE));
        let until = fields.optional("until", whole(1, MAX_SEQUENCE));
        let status = fields.optional("status", |value| {
            let wanted = DeliveryStatus::parse(&text(value)?);
            wanted
                .filter(|status| matches!(status, DeliveryStatus::Failed | DeliveryStatus::Delivered))
                .ok_or(Code::OneOf { values: "failed, delivered" })
        });
        let dry_run = fields.optional("dry_run", truth);
        fields.finish()?;
        Ok(RedeliverRange {
            after: after.unwrap_or(0),
            until,
            status: status.unwrap_or(DeliveryStatus::Failed),
            dry_run: dry_run.unwrap_or(false),
        })
    }
}

/// Un destino de webhooks.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub(crate) struct Body<'a> {
    /// Identificador del destino.
    #[schema(
        pattern = "^whe_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("whe_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Siempre `webhook_endpoint`.
    #[schema(pattern = "^webhook_endpoint$", examples("webhook_endpoint"))]
    object: &'static str,
    /// `true` para dinero real, `false` para pruebas.
    #[schema(examples(false))]
    livemode: bool,
    /// Adónde se envían los eventos.
    #[schema(format = "uri", examples("https://tienda.pe/webhooks"))]
    url: &'a str,
    /// Los tipos de evento que recibe; `*` es todos.
    #[schema(examples(json!(["invoice.paid"])))]
    events: Vec<&'static str>,
    /// Para qué es.
    #[schema(value_type = String, max_length = 500, examples("entregas"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// Si recibe eventos.
    #[schema(examples(true))]
    enabled: bool,
    /// Por qué dejó de recibirlos, si no lo pidió usted: `gone` (respondió 410) o `failing` (falló por días).
    #[schema(value_type = String, pattern = "^(gone|failing)$", examples("failing"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<&'static str>,
    /// Cuándo se creó, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    created: String,
    /// Hasta cuándo firma también el secreto anterior.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<String>,
    /// El secreto con que se firma: solo en la respuesta que lo crea, una vez.
    #[schema(value_type = String, pattern = "^whsec_[0-9A-Za-z+/=]{44}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// An endpoint; with its secret where it is made.
pub fn render(endpoint: &Endpoint, secret: Option<&str>) -> Vec<u8> {
    let mode = endpoint.owner.mode;
    let all = || vec!["*"];
    to_bytes(&Body {
        id: endpoint.id.text(mode),
        object: "webhook_endpoint",
        livemode: mode.is_live(),
        url: &endpoint.url,
        events: endpoint
            .kinds
            .as_ref()
            .map_or_else(all, |kinds| kinds.iter().map(|kind| kind.as_str()).collect()),
        description: endpoint.description.as_deref(),
        enabled: endpoint.enabled,
        disabled_reason: endpoint.disabled_reason.map(|reason| reason.as_str()),
        created: endpoint.created.to_string(),
        previous_secret_until: endpoint.previous_secret_until.map(|until| until.to_string()),
        secret,
    })
}

/// Un envío: un evento camino de un destino.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryBody {
    /// Identificador del envío.
    #[schema(
        pattern = "^del_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("del_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Siempre `delivery`.
    #[schema(pattern = "^delivery$", examples("delivery"))]
    object: &'static str,
    /// `true` para dinero real, `false` para pruebas.
    #[schema(examples(false))]
    livemode: bool,
    /// El destino.
    #[schema(
        pattern = "^whe_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("whe_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    endpoint: String,
    /// El evento; ausente en una prueba (`ping`).
    #[schema(value_type = String, pattern = "^eve_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("eve_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// Cuándo se creó, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    created: String,
    /// `pending`, `delivered` (respondió 2xx), `failed` (agotó sus intentos) o `cancelled` (ya no hace falta).
    #[schema(pattern = "^(pending|delivered|failed|cancelled)$", examples("delivered"))]
    status: &'static str,
    /// Cuántos intentos se empezaron.
    #[schema(minimum = 0, examples(1))]
    attempt_count: i32,
    /// Cuándo toca el próximo intento.
    #[schema(value_type = schema::UtcDateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<String>,
    /// Los intentos; en las listas no están.
    #[schema(value_type = Vec<AttemptBody>, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptBody>>,
}

/// Un intento de envío.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptBody {
    /// 1, 2, 3 …
    #[schema(minimum = 1, examples(1))]
    number: i32,
    /// Cuándo empezó, en UTC.
    #[schema(value_type = schema::UtcDateTime)]
    time: String,
    /// Cuánto duró, en milisegundos.
    #[schema(minimum = 0, examples(120))]
    duration_ms: i32,
    /// Qué estado HTTP se respondió.
    #[schema(value_type = i16, required = false, examples(200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i16>,
    /// Por qué no hubo respuesta.
    #[schema(value_type = String, examples("timeout"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// El comienzo de la respuesta, hasta 1 KiB.
    #[schema(value_type = String, examples("ok"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

/// A delivery to be rendered.
pub struct DeliveryView {
    /// Its id.
    pub id: DeliveryId,
    /// Whose mode.
    pub mode: domain::account::Mode,
    /// To whom.
    pub endpoint: EndpointId,
    /// What.
    pub event: Option<EventId>,
    /// When it was made.
    pub created: Moment,
    /// Where it stands.
    pub status: domain::delivery::DeliveryStatus,
    /// When the next attempt is due.
    pub next_at: Option<Moment>,
    /// Attempts that were begun.
    pub attempt_count: i32,
    /// The attempts, where they are told.
    pub attempts: Option<Vec<AttemptView>>,
}

/// An attempt to be rendered.
pub struct AttemptView {
    /// From 1.
    pub number: i32,
    /// When it was begun.
    pub at: Moment,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// The status of the answer.
    pub status: Option<i16>,
    /// Why there was none.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<Vec<u8>>,
}

/// A delivery.
pub fn render_delivery(delivery: &DeliveryView) -> Vec<u8> {
    let attempt = |attempt: &AttemptView| AttemptBody {
        number: attempt.number,
        time: attempt.at.to_string(),
        duration_ms: attempt.duration_ms,
        status: attempt.status,
        error: attempt.error.clone(),
        answer: attempt.answer.as_ref().map(|answer| String::from_utf8_lossy(answer).into_owned()),
    };
    let mode = delivery.mode;
    to_bytes(&DeliveryBody {
        id: delivery.id.text(mode),
        object: "delivery",
        livemode: mode.is_live(),
        endpoint: delivery.endpoint.text(mode),
        event: delivery.event.map(|id| id.text(mode)),
        created: delivery.created.to_string(),
        status: delivery.status.as_str(),
        attempt_count: delivery.attempt_count,
        next_attempt: delivery.next_at.map(|at| at.to_string()),
        attempts: delivery.attempts.as_ref().map(|attempts| attempts.iter().map(attempt).collect()),
    })
}

/// Cuántos envíos se repiten.
#[derive(Serialize, ToSchema)]
#[schema(as = Redelivered)]
pub(crate) struct Redelivered {
    /// Siempre `redelivery`.
    #[schema(pattern = "^redelivery$", examples("redelivery"))]
    object: &'static str,
    /// Cuántos envíos.
    #[schema(minimum = 0, examples(3))]
    count: u64,
    /// Si solo se contaron.
    dry_run: bool,
}

/// How many deliveries are sent again, or would be.
pub fn render_redelivered(count: u64, dry_run: bool) -> Vec<u8> {
    to_bytes(&Redelivered { object: "redelivery", count, dry_run })
}
