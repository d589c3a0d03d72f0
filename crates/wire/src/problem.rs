//! Errors as callers see them: a stable code, the field's path, and a sentence in Spanish or English.
//!
//! A sentence never holds a secret, and never more than 64 characters of what the caller sent.

use domain::field::{Fault, Wrong};
use domain::invoice::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

use crate::json::{Flaw, FlawKind, is_forbidden};

/// Most characters of input that an error repeats.
const ECHO: usize = 64;

/// The language of a sentence. Spanish, unless English is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Spanish.
    #[default]
    Es,
    /// English.
    En,
}

impl Language {
    /// Chooses by an `Accept-Language` header (RFC 9110, 12.5.4): English when it stands before Spanish.
    pub fn accepted(header: &str) -> Language {
        let rank = |language: &str| {
            header
                .split(',')
                .enumerate()
                .filter_map(|(place, range)| {
                    let (range, weight) = range.split_once(';').unwrap_or((range, "q=1"));
                    let primary = range.trim().split('-').next().unwrap_or_default();
                    let weight = weight.trim().trim_start_matches("q=");
                    // Three digits after the point, as a whole number of thousandths.
                    let digits: String = weight.chars().filter(char::is_ascii_digit).take(4).collect();
                    let thousandths: u32 = format!("{digits:0<4}").parse().unwrap_or(0);
                    (primary.eq_ignore_ascii_case(language) && thousandths > 0)
                        .then_some((thousandths, usize::MAX - place))
                })
                .max()
        };
        if rank("en") > rank("es") { Language::En } else { Language::Es }
    }
}

/// What went wrong. The name of each is stable; so is its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// A field's fault.
    Wrong(Wrong),
    /// Not JSON.
    InvalidJson {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// A byte order mark before the JSON.
    ByteOrderMark,
    /// Another JSON type where an object must be.
    NotAnObject,
    /// The same name twice in one object.
    DuplicateField,
    /// A control character, NUL or a bidirectional override in a text.
    ForbiddenCharacter,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// Objects in objects beyond a limit.
    TooDeep {
        /// Levels.
        max: usize,
    },
    /// More names than the limit.
    TooManyKeys {
        /// Names in all.
        max: usize,
    },
    /// A name of metadata is too long.
    KeyTooLong {
        /// Characters.
        max: usize,
    },
    /// A number in metadata that readers would not agree on.
    NumberTooLong,
    /// Verbatim JSON beyond its size.
    JsonTooLarge {
        /// Bytes.
        max_bytes: usize,
    },
    /// A name that the API does not know.
    UnknownField {
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// Two spellings of one field with different values.
    ConflictingFields {
        /// The other spelling.
        other: String,
    },
    /// A name that the query may not hold.
    UnknownParameter {
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// A field that can not be changed.
    FieldNotUpdatable,
    /// A field that is shown, and that other verbs change.
    ReadOnly,
    /// A word that is none of those there are.
    OneOf {
        /// Those there are.
        values: &'static str,
    },
    /// A whole number beyond its range.
    OutOfRange {
        /// Smallest.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// Not a percent such as 0.05.
    InvalidPercent,
    /// Not a channel's id.
    InvalidChannel,
    /// Not a scope of keys.
    InvalidScope,
    /// Not a network such as 200.48.0.0/16.
    InvalidNetwork,
    /// An end that is past already.
    EndInPast,
    /// Not a type of events.
    InvalidEventType,
    /// Events that far back are kept no more.
    CursorExpired {
        /// The oldest that is kept.
        oldest_sequence: i64,
    },
    /// The account and mode have as many endpoints as they may.
    EndpointLimitReached,
    /// The delivery waits already, or nobody can receive it.
    NotRedeliverable,
    /// As many are waiting for events as may.
    TooManyWaiting,
    /// A cursor that is no own object.
    InvalidCursor,
    /// Not a number of objects: 1 to 500.
    InvalidLimit,
    /// Not a state.
    InvalidStatus,
    /// Not a state of a payment.
    InvalidPaymentStatus,
    /// Not a number to pay by hand.
    InvalidKtin,
    /// A query parameter that looks like a key.
    KeyInUrl,
    /// `KashIO-Version` names no version.
    UnknownVersion,
    /// `Idempotency-Key` is not 1 to 255 visible characters.
    InvalidIdempotencyKey,
    /// No key, or none that is accepted.
    Unauthorized,
    /// The request did not arrive over TLS.
    HttpsRequired,
    /// The key may not do this.
    InsufficientScope,
    /// The key may not be used from there.
    IpNotAllowed,
    /// The service's key has another role.
    InsufficientRole,
    /// The collector's key speaks for another channel.
    ChannelNotAllowed,
    /// No such object, no such route.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The request was not sent in time.
    RequestTimeout,
    /// Another open invoice has this reference.
    InvoiceIdConflict {
        /// Its id.
        existing_id: String,
    },
    /// Not pending: paid.
    InvoiceAlreadyPaid,
    /// Not pending: expired.
    InvoiceExpired,
    /// Not pending: voided.
    InvoiceVoided,
    /// The same `Idempotency-Key` is still running.
    IdempotencyInProgress,
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused,
    /// The answer that is repeated held a secret, and secrets are shown once.
    SecretAlreadyShown {
        /// The id of what the secret belongs to.
        existing_id: String,
    },
    /// A live key for an account that does not accept them.
    LiveNotEnabled,
    /// The account and mode have as many keys as they may.
    KeyLimitReached,
    /// The key is at its end; it has no successor.
    KeyEnded,
    /// The key was rolled already.
    KeyReplaced {
        /// Its successor.
        existing_id: String,
    },
    /// The money is applied, reversed or returned already: nobody decides about it.
    PaymentNotUnapplied,
    /// The money is not what the invoice asks for, in amount, currency, account or mode.
    PaymentMismatch,
    /// Whoever proposed it can not be the one who confirms it.
    SecondActorRequired,
    /// `If-Match` names another version.
    VersionMismatch,
    /// The URL is longer than 8 KiB.
    UriTooLong,
    /// The headers are larger than 32 KiB.
    HeadersTooLarge,
    /// The body is larger than 64 KiB.
    BodyTooLarge,
    /// Not JSON, and does not claim to be.
    UnsupportedMediaType,
    /// A `Content-Encoding` other than identity.
    UnsupportedEncoding,
    /// Too many failed attempts to authenticate.
    TooManyFailures,
    /// More requests than the account may make.
    RateLimited {
        /// When there is room again.
        seconds: u32,
    },
    /// Our fault; no detail.
    InternalError,
    /// The service can not answer now; nothing was done.
    Unavailable,
}

impl Code {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Code::Wrong(_)
            | Code::InvalidJson { .. }
            | Code::ByteOrderMark
            | Code::NotAnObject
            | Code::DuplicateField
            | Code::ForbiddenCharacter
            | Code::LoneSurrogate
            | Code::TooDeep { .. }
            | Code::TooManyKeys { .. }
            | Code::KeyTooLong { .. }
            | Code::NumberTooLong
            | Code::JsonTooLarge { .. }
            | Code::UnknownField { .. }
            | Code::ConflictingFields { .. }
            | Code::UnknownParameter { .. }
            | Code::FieldNotUpdatable
            | Code::ReadOnly
            | Code::OneOf { .. }
            | Code::OutOfRange { .. }
            | Code::InvalidPercent
            | Code::InvalidChannel
            | Code::InvalidScope
            | Code::InvalidNetwork
            | Code::EndInPast
            | Code::InvalidEventType
            | Code::CursorExpired { .. }
            | Code::InvalidCursor
            | Code::InvalidLimit
            | Code::InvalidStatus
            | Code::InvalidPaymentStatus
            | Code::InvalidKtin
            | Code::KeyInUrl
            | Code::UnknownVersion
            | Code::InvalidIdempotencyKey => 400,
            Code::Unauthorized => 401,
            Code::HttpsRequired
            | Code::InsufficientScope
            | Code::IpNotAllowed
            | Code::InsufficientRole
            | Code::ChannelNotAllowed => 403,
            Code::NotFound => 404,
            Code::MethodNotAllowed => 405,
            Code::RequestTimeout => 408,
            Code::InvoiceIdConflict { .. }
            | Code::InvoiceAlreadyPaid
            | Code::InvoiceExpired
            | Code::InvoiceVoided
            | Code::IdempotencyInProgress
            | Code::SecretAlreadyShown { .. }
            | Code::LiveNotEnabled
            | Code::KeyLimitReached
            | Code::EndpointLimitReached
            | Code::NotRedeliverable
            | Code::KeyEnded
            | Code::PaymentNotUnapplied
            | Code::PaymentMismatch
            | Code::SecondActorRequired
            | Code::KeyReplaced { .. } => 409,
            Code::BodyTooLarge => 413,
            Code::UnsupportedMediaType | Code::UnsupportedEncoding => 415,
            Code::VersionMismatch => 412,
            Code::UriTooLong => 414,
            Code::HeadersTooLarge => 431,
            Code::IdempotencyKeyReused => 422,
            Code::TooManyFailures | Code::RateLimited { .. } | Code::TooManyWaiting => 429,
            Code::InternalError => 500,
            Code::Unavailable => 503,
        }
    }

    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Code::Wrong(wrong) => match wrong {
                Wrong::Missing => "required",
                Wrong::Type => "invalid_type",
                Wrong::TooShort { .. } => "too_short",
                Wrong::TooLong { .. } => "too_long",
                Wrong::AmountFormat
                | Wrong::AmountDecimals
                | Wrong::AmountNotPositive
                | Wrong::AmountTooLarge => "invalid_amount",
                Wrong::Currency => "invalid_currency",
                Wrong::DateTime => "invalid_datetime",
                Wrong::Date => "invalid_date",
                Wrong::DueAfterExpiration => "due_after_expiration",
                Wrong::ExpirationPast => "expiration_in_past",
                Wrong::ExpirationTooFar => "expiration_too_far",
                Wrong::RequestInFuture => "request_datetime_in_future",
                Wrong::Email => "invalid_email",
                Wrong::Phone => "invalid_phone",
                Wrong::DocumentType => "invalid_document_type",
                Wrong::Document => "invalid_document",
                Wrong::Url | Wrong::WebhookUrl => "invalid_url",
                Wrong::SizeQr => "invalid_size_qr",
            },
            Code::InvalidJson { .. } | Code::ByteOrderMark => "invalid_json",
            Code::NotAnObject => "invalid_type",
            Code::DuplicateField => "duplicate_field",
            Code::ForbiddenCharacter | Code::LoneSurrogate => "invalid_character",
            Code::TooDeep { .. } => "too_deep",
            Code::TooManyKeys { .. } => "too_many_keys",
            Code::KeyTooLong { .. } | Code::NumberTooLong | Code::JsonTooLarge { .. } => "too_long",
            Code::UnknownField { .. } => "unknown_field",
            Code::ConflictingFields { .. } => "conflicting_fields",
            Code::UnknownParameter { .. } => "unknown_parameter",
            Code::FieldNotUpdatable | Code::ReadOnly => "field_not_updatable",
            Code::OneOf { .. } => "invalid_value",
            Code::OutOfRange { .. } => "out_of_range",
            Code::InvalidPercent => "invalid_percent",
            Code::InvalidChannel => "invalid_channel",
            Code::InvalidScope => "invalid_scope",
            Code::InvalidNetwork => "invalid_network",
            Code::EndInPast => "expiration_in_past",
            Code::InvalidEventType => "invalid_event_type",
            Code::CursorExpired { .. } => "cursor_expired",
            Code::EndpointLimitReached => "endpoint_limit_reached",
            Code::NotRedeliverable => "not_redeliverable",
            Code::InvalidCursor => "invalid_cursor",
            Code::InvalidLimit => "invalid_limit",
            Code::InvalidStatus | Code::InvalidPaymentStatus => "invalid_status",
            Code::InvalidKtin => "invalid_ktin",
            Code::KeyInUrl => "key_in_url",
            Code::UnknownVersion => "unknown_version",
            Code::InvalidIdempotencyKey => "invalid_idempotency_key",
            Code::Unauthorized => "unauthorized",
            Code::HttpsRequired => "https_required",
            Code::InsufficientScope => "insufficient_scope",
            Code::IpNotAllowed => "ip_not_allowed",
            Code::InsufficientRole => "insufficient_role",
            Code::ChannelNotAllowed => "channel_not_allowed",
            Code::PaymentNotUnapplied => "payment_not_unapplied",
            Code::PaymentMismatch => "payment_mismatch",
            Code::SecondActorRequired => "second_actor_required",
            Code::NotFound => "not_found",
            Code::MethodNotAllowed => "method_not_allowed",
            Code::RequestTimeout => "request_timeout",
            Code::InvoiceIdConflict { .. } => "invoice_id_conflict",
            Code::InvoiceAlreadyPaid => "invoice_already_paid",
            Code::InvoiceExpired => "invoice_expired",
            Code::InvoiceVoided => "invoice_voided",
            Code::IdempotencyInProgress => "idempotency_in_progress",
            Code::IdempotencyKeyReused => "idempotency_key_reused",
            Code::SecretAlreadyShown { .. } => "secret_already_shown",
            Code::LiveNotEnabled => "live_not_enabled",
            Code::KeyLimitReached => "key_limit_reached",
            Code::KeyEnded => "key_ended",
            Code::KeyReplaced { .. } => "key_already_rolled",
            Code::VersionMismatch => "version_mismatch",
            Code::UriTooLong => "uri_too_long",
            Code::HeadersTooLarge => "headers_too_large",
            Code::BodyTooLarge => "body_too_large",
            Code::UnsupportedMediaType => "unsupported_media_type",
            Code::UnsupportedEncoding => "unsupported_encoding",
            Code::TooManyFailures | Code::RateLimited { .. } | Code::TooManyWaiting => "rate_limited",
            Code::InternalError => "internal_error",
            Code::Unavailable => "unavailable",
        }
    }

    /// The sentence.
    pub fn message(&self, language: Language) -> String {
        let pick = |es: &str, en: &str| match language {
            Language::Es => es.to_owned(),
            Language::En => en.to_owned(),
        };
        match self {
            Code::Wrong(wrong) => wrong_message(*wrong, language),
            Code::InvalidJson { line, column } => pick(
                &format!("El cuerpo no es JSON válido: línea {line}, columna {column}."),
                &format!("The body is not valid JSON: line {line}, column {column}."),
            ),
            Code::ByteOrderMark => pick(
                "El cuerpo empieza con una marca de orden de bytes; envíelo en UTF-8 sin ella.",
                "The body begins with a byte order mark; send UTF-8 without one.",
            ),
            Code::NotAnObject => pick("Debe ser un objeto JSON.", "It must be a JSON object."),
            Code::DuplicateField => {
                pick("El campo aparece más de una vez.", "The field appears more than once.")
            }
            Code::ForbiddenCharacter => pick(
                "El texto contiene un carácter de control o de dirección que no se admite.",
                "The text holds a control or directional character that is not allowed.",
            ),
            Code::LoneSurrogate => {
                pick("El texto contiene medio par sustituto.", "The text holds half of a surrogate pair.")
            }
            Code::TooDeep { max } => pick(
                &format!("El JSON puede tener como máximo {max} niveles."),
                &format!("The JSON may have at most {max} levels."),
            ),
            Code::TooManyKeys { max } => pick(
                &format!("El JSON puede tener como máximo {max} claves en total."),
                &format!("The JSON may have at most {max} keys in all."),
            ),
            Code::KeyTooLong { max } => pick(
                &format!("Una clave puede tener como máximo {max} caracteres."),
                &format!("A key may have at most {max} characters."),
            ),
            Code::NumberTooLong => pick(
                "Un número puede tener como máximo 15 dígitos y un exponente de 15; envíelo como texto.",
                "A number may have at most 15 digits and an exponent of 15; send it as text.",
            ),
            Code::JsonTooLarge { max_bytes } => pick(
                &format!("El objeto puede ocupar como máximo {max_bytes} bytes."),
                &format!("The object may take at most {max_bytes} bytes."),
            ),
            Code::UnknownField { nearest: None } => {
                pick("El campo no existe en esta API.", "This API has no such field.")
            }
            Code::UnknownField { nearest: Some(name) } => pick(
                &format!("El campo no existe en esta API. ¿Quiso decir «{name}»?"),
                &format!("This API has no such field. Did you mean \"{name}\"?"),
            ),
            Code::ConflictingFields { other } => pick(
                &format!("El campo y «{other}» significan lo mismo y tienen valores distintos."),
                &format!("The field and \"{other}\" mean the same and have different values."),
            ),
            Code::UnknownParameter { nearest: None } => {
                pick("La ruta no tiene este parámetro.", "The route has no such parameter.")
            }
            Code::UnknownParameter { nearest: Some(name) } => pick(
                &format!("La ruta no tiene este parámetro. ¿Quiso decir «{name}»?"),
                &format!("The route has no such parameter. Did you mean \"{name}\"?"),
            ),
            Code::FieldNotUpdatable => pick(
                "Este campo no se puede cambiar; se pueden cambiar currency, amount, due_datetime y expiration_datetime.",
                "This field can not be changed; currency, amount, due_datetime and expiration_datetime can.",
            ),
            Code::ReadOnly => pick(
                "Este campo no se cambia aquí y no es igual al guardado.",
                "This field is not changed here and differs from what is stored.",
            ),
            Code::OneOf { values } => {
                pick(&format!("Debe ser uno de: {values}."), &format!("It must be one of: {values}."))
            }
            Code::OutOfRange { min, max } => pick(
                &format!("Debe ser un número entero de {min} a {max}."),
                &format!("It must be a whole number from {min} to {max}."),
            ),
            Code::InvalidPercent => pick(
                "Debe ser un porcentaje como \"0.05\", de hasta 100 y con hasta 4 decimales.",
                "It must be a percent such as \"0.05\", at most 100, with at most 4 decimals.",
            ),
            Code::InvalidChannel => pick(
                "Un canal se escribe con 1 a 40 letras minúsculas, dígitos, - y _.",
                "A channel is written with 1 to 40 small letters, digits, - and _.",
            ),
            Code::InvalidScope => pick(
                "Los permisos son invoices:read, invoices:write, payments:read, events:read, webhooks:read, webhooks:write y test:write.",
                "Scopes are invoices:read, invoices:write, payments:read, events:read, webhooks:read, webhooks:write and test:write.",
            ),
            Code::InvalidNetwork => pick(
                "Debe ser una dirección o una red como 200.48.0.0/16.",
                "It must be an address or a network such as 200.48.0.0/16.",
            ),
            Code::EndInPast => pick("La fecha ya pasó.", "The date is past."),
            Code::InvalidEventType => {
                pick("No es un tipo de evento de esta API.", "It is no type of events of this API.")
            }
            Code::CursorExpired { oldest_sequence } => pick(
                &format!("Los eventos hasta ahí ya no se guardan; el más antiguo es el {oldest_sequence}."),
                &format!("Events up to there are kept no more; the oldest is {oldest_sequence}."),
            ),
            Code::EndpointLimitReached => pick(
                "La cuenta ya tiene 16 destinos en este modo; elimine uno.",
                "The account has 16 endpoints of this mode already; delete one.",
            ),
            Code::NotRedeliverable => pick(
                "El envío ya está en espera, o su destino está deshabilitado o su evento ya no se guarda.",
                "The delivery waits already, or its endpoint is disabled or its event is kept no more.",
            ),
            Code::TooManyWaiting => pick(
                "Ya hay 20 esperas abiertas de esta cuenta en este modo.",
                "There are 20 open waits of this account and mode already.",
            ),
            Code::InvalidCursor => pick(
                "El cursor no es el id de un objeto propio.",
                "The cursor is not the id of an object of yours.",
            ),
            Code::InvalidLimit => {
                pick("Debe ser un número de 1 a 500.", "It must be a number from 1 to 500.")
            }
            Code::InvalidStatus => pick(
                "Debe ser pending, paid, expired o voided; varios, separados por comas.",
                "It must be pending, paid, expired or voided; several, separated by commas.",
            ),
            Code::InvalidPaymentStatus => pick(
                "Debe ser applied, unapplied, reversed o returned; varios, separados por comas.",
                "It must be applied, unapplied, reversed or returned; several, separated by commas.",
            ),
            Code::InvalidKtin => pick(
                "No es un ktin: de 12 a 14 dígitos con su dígito de control.",
                "It is not a ktin: 12 to 14 digits with their check digit.",
            ),
            Code::VersionMismatch => pick(
                "La orden de pago cambió: If-Match nombra otra versión.",
                "The invoice has changed: If-Match names another version.",
            ),
            Code::UriTooLong => pick("La URL es demasiado larga.", "The URL is too long."),
            Code::HeadersTooLarge => {
                pick("Las cabeceras son demasiado grandes.", "The headers are too large.")
            }
            Code::KeyInUrl => pick(
                "La URL contiene una clave de API. Envíela en la cabecera Authorization y renueve esta clave.",
                "The URL holds an API key. Send it in the Authorization header, and roll this key.",
            ),
            Code::UnknownVersion => {
                pick("KashIO-Version debe ser 1.0.0 o 1.0.1.", "KashIO-Version must be 1.0.0 or 1.0.1.")
            }
            Code::InvalidIdempotencyKey => pick(
                "Idempotency-Key debe tener de 1 a 255 caracteres visibles ASCII.",
                "Idempotency-Key must have 1 to 255 visible ASCII characters.",
            ),
            Code::Unauthorized => {
                pick("La clave de API falta o no es válida.", "The API key is missing or not valid.")
            }
            Code::HttpsRequired => pick("Use HTTPS.", "Use HTTPS."),
            Code::InsufficientScope => {
                pick("La clave no tiene este permiso.", "The key does not have this scope.")
            }
            Code::IpNotAllowed => pick(
                "La clave no se puede usar desde esta dirección.",
                "The key may not be used from this address.",
            ),
            Code::InsufficientRole => {
                pick("La clave de servicio no tiene este rol.", "The service key does not have this role.")
            }
            Code::ChannelNotAllowed => pick(
                "La clave de servicio habla por otro canal.",
                "The service key speaks for another channel.",
            ),
            Code::PaymentNotUnapplied => pick(
                "El pago no está sin aplicar: ya se aplicó, se extornó o se devolvió.",
                "The payment is not unapplied: it was applied, reversed or returned.",
            ),
            Code::PaymentMismatch => pick(
                "El pago y la orden no coinciden en monto, moneda, cuenta o modo.",
                "The payment and the invoice differ in amount, currency, account or mode.",
            ),
            Code::SecondActorRequired => {
                pick("Otro operador debe confirmarlo.", "Another operator has to confirm it.")
            }
            Code::SecretAlreadyShown { .. } => pick(
                "La solicitud ya se atendió y su secreto se mostró una sola vez; renueve el objeto si lo perdió.",
                "The request was answered before and its secret shown once; roll the object if it was lost.",
            ),
            Code::LiveNotEnabled => pick(
                "La cuenta no tiene habilitado el modo real.",
                "The account does not have live mode enabled.",
            ),
            Code::KeyLimitReached => pick(
                "La cuenta ya tiene 20 claves vigentes en este modo; revoque una.",
                "The account has 20 live keys of this mode already; revoke one.",
            ),
            Code::KeyEnded => pick(
                "La clave fue revocada o venció; cree una nueva.",
                "The key was revoked or has expired; create a new one.",
            ),
            Code::KeyReplaced { .. } => pick(
                "La clave ya fue renovada; renueve la que la reemplazó.",
                "The key was rolled already; roll its successor.",
            ),
            Code::RateLimited { seconds } => pick(
                &format!("Demasiadas solicitudes; repita en {seconds} s."),
                &format!("Too many requests; repeat in {seconds} s."),
            ),
            Code::NotFound => pick("No existe.", "There is no such thing."),
            Code::MethodNotAllowed => pick(
                "La ruta no admite este método; vea la cabecera Allow.",
                "The route does not allow this method; see the Allow header.",
            ),
            Code::RequestTimeout => {
                pick("La solicitud no llegó completa a tiempo.", "The request did not arrive in time.")
            }
            Code::InvoiceIdConflict { .. } => pick(
                "Ya existe una orden de pago abierta con este invoice_id y otro contenido.",
                "An open invoice with this invoice_id and other content exists already.",
            ),
            Code::InvoiceAlreadyPaid => {
                pick("La orden de pago ya está pagada.", "The invoice is paid already.")
            }
            Code::InvoiceExpired => pick("La orden de pago está vencida.", "The invoice is expired."),
            Code::InvoiceVoided => pick("La orden de pago está anulada.", "The invoice is voided."),
            Code::IdempotencyInProgress => pick(
                "La misma solicitud todavía está en curso; repítala en un momento.",
                "The same request is still running; repeat it in a moment.",
            ),
            Code::IdempotencyKeyReused => pick(
                "Esta Idempotency-Key ya se usó para otra solicitud.",
                "This Idempotency-Key was used for another request already.",
            ),
            Code::BodyTooLarge => {
                pick("El cuerpo puede ocupar como máximo 64 KiB.", "The body may take at most 64 KiB.")
            }
            Code::UnsupportedMediaType => {
                pick("Envíe JSON (application/json).", "Send JSON (application/json).")
            }
            Code::UnsupportedEncoding => pick(
                "Envíe el cuerpo sin compresión (Content-Encoding: identity).",
                "Send the body uncompressed (Content-Encoding: identity).",
            ),
            Code::TooManyFailures => pick(
                "Demasiados intentos con claves no válidas; espere antes de repetir.",
                "Too many attempts with invalid keys; wait before you repeat.",
            ),
            Code::InternalError => pick(
                "Error nuestro. Repita la solicitud o escriba a soporte con el request_id.",
                "Our fault. Repeat the request, or write to support with the request_id.",
            ),
            Code::Unavailable => pick(
                "El servicio no puede responder ahora; no se hizo nada. Repita la solicitud.",
                "The service can not answer now; nothing was done. Repeat the request.",
            ),
        }
    }
}

fn wrong_message(wrong: Wrong, language: Language) -> String {
    let (es, en) = match wrong {
        Wrong::Missing => ("El campo es obligatorio.".into(), "The field is required.".into()),
        Wrong::Type => {
            ("El tipo de JSON no es el del campo.".into(), "The JSON type is not the field's.".into())
        }
        Wrong::TooShort { min } => (
            format!("Debe tener al menos {min} carácter(es)."),
            format!("It must have at least {min} character(s)."),
        ),
        Wrong::TooLong { max } => (
            format!("Debe tener como máximo {max} caracteres."),
            format!("It must have at most {max} characters."),
        ),
        Wrong::AmountFormat => (
            "El monto debe ser un número como 20.00.".into(),
            "The amount must be a number such as 20.00.".into(),
        ),
        Wrong::AmountDecimals => (
            "El monto debe tener como máximo 2 decimales.".into(),
            "The amount must have at most 2 decimals.".into(),
        ),
        Wrong::AmountNotPositive => {
            ("El monto debe ser mayor que cero.".into(), "The amount must be greater than zero.".into())
        }
        Wrong::AmountTooLarge => (
            "El monto debe ser menor que 1 000 000 000.".into(),
            "The amount must be less than 1,000,000,000.".into(),
        ),
        Wrong::Currency => {
            ("La moneda debe ser PEN o USD.".into(), "The currency must be PEN or USD.".into())
        }
        Wrong::DateTime => (
            "La fecha debe tener la forma yyyy-MM-ddThh:mm:ss (UTC si no lleva zona).".into(),
            "The date-time must look like yyyy-MM-ddThh:mm:ss (UTC when it has no zone).".into(),
        ),
        Wrong::Date => {
            ("El día debe tener la forma yyyy-MM-dd.".into(), "The day must look like yyyy-MM-dd.".into())
        }
        Wrong::DueAfterExpiration => (
            "due_datetime no puede ser posterior a expiration_datetime.".into(),
            "due_datetime can not be later than expiration_datetime.".into(),
        ),
        Wrong::ExpirationPast => {
            ("expiration_datetime ya pasó.".into(), "expiration_datetime is past.".into())
        }
        Wrong::ExpirationTooFar => (
            "expiration_datetime puede estar como máximo a 366 días.".into(),
            "expiration_datetime may be at most 366 days ahead.".into(),
        ),
        Wrong::RequestInFuture => (
            "request_datetime está más de 24 horas en el futuro.".into(),
            "request_datetime is more than 24 hours in the future.".into(),
        ),
        Wrong::Email => ("No es una dirección de correo.".into(), "It is not an e-mail address.".into()),
        Wrong::Phone => (
            "El teléfono debe tener la forma +51999666123 (E.164).".into(),
            "The phone must look like +51999666123 (E.164).".into(),
        ),
        Wrong::DocumentType => (
            "El tipo de documento debe ser DNI, RUC, CEX o PAS.".into(),
            "The document type must be DNI, RUC, CEX or PAS.".into(),
        ),
        Wrong::Document => (
            "El documento no es válido para su tipo.".into(),
            "The document is not valid for its type.".into(),
        ),
        Wrong::Url => (
            "Debe ser una URL http(s) absoluta, sin usuario ni contraseña.".into(),
            "It must be an absolute http(s) URL without user information.".into(),
        ),
        Wrong::WebhookUrl => (
            "Debe ser una URL https pública, en los puertos 443 u 8443, sin usuario ni contraseña.".into(),
            "It must be a public https URL on port 443 or 8443, without user or password.".into(),
        ),
        Wrong::SizeQr => (
            "Debe ser un tamaño de 100 a 1000 píxeles.".into(),
            "It must be a size of 100 to 1000 pixels.".into(),
        ),
    };
    let sentences: (String, String) = (es, en);
    match language {
        Language::Es => sentences.0,
        Language::En => sentences.1,
    }
}

/// One error of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What went wrong.
    pub code: Code,
    /// Where: the field's path.
    pub param: Option<String>,
}

impl Item {
    /// An error of the request as a whole.
    pub const fn new(code: Code) -> Item {
        Item { code, param: None }
    }

    /// An error of one field, its path cut at 64 characters, with U+FFFD for those that no text may hold.
    pub fn at(param: impl AsRef<str>, code: Code) -> Item {
        let shown = |c| if is_forbidden(c) { char::REPLACEMENT_CHARACTER } else { c };
        let param: String = param.as_ref().chars().take(ECHO).map(shown).collect();
        Item { code, param: (!param.is_empty()).then_some(param) }
    }
}

impl From<Fault> for Item {
    fn from(fault: Fault) -> Item {
        Item::at(fault.param, Code::Wrong(fault.wrong))
    }
}

impl From<Flaw> for Item {
    fn from(flaw: Flaw) -> Item {
        let code = match flaw.kind {
            FlawKind::Syntax { line, column } | FlawKind::NotUtf8 { line, column } => {
                Code::InvalidJson { line, column }
            }
            FlawKind::ByteOrderMark => Code::ByteOrderMark,
            FlawKind::NotAnObject => Code::NotAnObject,
            FlawKind::DuplicateKey => Code::DuplicateField,
            FlawKind::ForbiddenCharacter => Code::ForbiddenCharacter,
            FlawKind::LoneSurrogate => Code::LoneSurrogate,
            FlawKind::TooDeep => Code::TooDeep { max: crate::json::MAX_DEPTH },
            FlawKind::TooManyKeys => Code::TooManyKeys { max: crate::json::MAX_KEYS },
        };
        // The envelope is no field: faults inside it are named like those of a flat body.
        Item::at(flaw.path.strip_prefix("invoice.").unwrap_or(&flaw.path), code)
    }
}

impl From<Refusal> for Item {
    fn from(refusal: Refusal) -> Item {
        match refusal {
            Refusal::AlreadyPaid => Item::new(Code::InvoiceAlreadyPaid),
            Refusal::Expired => Item::new(Code::InvoiceExpired),
            Refusal::Voided => Item::new(Code::InvoiceVoided),
            Refusal::AmountMismatch => Item::at("amount", Code::PaymentMismatch),
            Refusal::DueAfterExpiration => Item::at("due_datetime", Code::Wrong(Wrong::DueAfterExpiration)),
            Refusal::ExpirationPast => Item::at("expiration_datetime", Code::Wrong(Wrong::ExpirationPast)),
            Refusal::ExpirationTooFar => {
                Item::at("expiration_datetime", Code::Wrong(Wrong::ExpirationTooFar))
            }
            // No route of merchants leads to these.
            Refusal::NotDue | Refusal::NotPaid | Refusal::Superseded => Item::new(Code::InternalError),
            Refusal::NotUnapplied => Item::new(Code::PaymentNotUnapplied),
        }
    }
}

/// Una solicitud que no se pudo atender, con **todas** sus faltas a la vez.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct Body<'a> {
    /// El estado HTTP de la respuesta.
    #[schema(minimum = 400, maximum = 599, examples(400))]
    status: u16,
    /// Las faltas; al menos una.
    #[schema(min_items = 1)]
    error: Vec<ItemBody<'a>>,
    /// Identificador de la respuesta, igual a la cabecera `Request-Id`. Cítelo cuando escriba a soporte.
    #[schema(pattern = "^req_[2-9A-HJ-NP-Za-km-z]{22}$", examples("req_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    request_id: &'a str,
}

/// Una falta.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorItem)]
struct ItemBody<'a> {
    /// Código estable: programe contra él, no contra el mensaje.
    #[schema(value_type = crate::codes::ErrorCode)]
    code: &'static str,
    /// Ruta del campo, parámetro o cabecera en falta, como `customer.email`. Ausente si la falta es de toda la solicitud.
    #[schema(value_type = String, min_length = 1, max_length = 64, examples("customer.email"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    /// La falta en palabras: en español, o en inglés con `Accept-Language: en`.
    #[schema(min_length = 1, examples("El monto debe tener como máximo 2 decimales."))]
    message: String,
    /// Con `invoice_id_conflict` y `secret_already_shown`: el `id` del objeto que ya existe.
    #[schema(value_type = String, pattern = "^(inv|key|whe)_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$", examples("inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_id: Option<&'a str>,
    /// Con `cursor_expired`: el `sequence` más antiguo que se guarda.
    #[schema(value_type = i64, required = false, minimum = 1, examples(1000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_sequence: Option<i64>,
}

/// The body of an error answer.
pub fn render(status: u16, items: &[Item], request_id: &str, language: Language) -> Vec<u8> {
    let error = items.iter().map(|item| ItemBody {
        code: item.code.name(),
        param: item.param.as_deref(),
        message: item.code.message(language),
        existing_id: match &item.code {
            Code::InvoiceIdConflict { existing_id }
            | Code::SecretAlreadyShown { existing_id }
            | Code::KeyReplaced { existing_id } => Some(existing_id),
            _ => None,
        },
        oldest_sequence: match &item.code {
            Code::CursorExpired { oldest_sequence } => Some(*oldest_sequence),
            _ => None,
        },
    });
    crate::invoice::to_bytes(&Body { status, error: error.collect(), request_id })
}
