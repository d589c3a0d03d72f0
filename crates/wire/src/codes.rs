//! Every error code with its status and what to do about it: the list that the OpenAPI document shows, in Spanish.
//! A test compares it with the codes that [`problem`](crate::problem) gives out.

use domain::field::Wrong;
use serde_json::json;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type, extensions::ExtensionsBuilder};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::Code;

/// A code, its HTTP status, and a sentence for the developer who meets it.
pub struct Described {
    /// As it goes out.
    pub name: &'static str,
    /// The status of an answer that has it.
    pub status: u16,
    /// What it means.
    pub meaning: &'static str,
}

/// Every code there is, by status.
pub fn all() -> Vec<Described> {
    let none = String::new;
    let described = |code: Code, meaning| Described { name: code.name(), status: code.status(), meaning };
    vec![
        described(
            Code::InvalidJson { line: 1, column: 1 },
            "El cuerpo no es JSON en UTF-8; el mensaje dice línea y columna.",
        ),
        described(Code::Wrong(Wrong::Missing), "Falta un campo obligatorio."),
        described(Code::Wrong(Wrong::Type), "El campo tiene otro tipo de JSON que el documentado."),
        described(
            Code::UnknownField { nearest: None },
            "El campo no existe; el mensaje propone el nombre más parecido.",
        ),
        described(
            Code::UnknownParameter { nearest: None },
            "El parámetro no existe; el mensaje propone el más parecido.",
        ),
        described(Code::DuplicateField, "El mismo nombre aparece dos veces."),
        described(
            Code::ConflictingFields { other: none() },
            "Dos nombres del mismo campo (por ejemplo `customer` y `payer`) tienen valores distintos.",
        ),
        described(Code::FieldNotUpdatable, "El campo no se puede cambiar y no es igual al guardado."),
        described(Code::Wrong(Wrong::TooShort { min: 1 }), "El texto es más corto de lo permitido."),
        described(
            Code::Wrong(Wrong::TooLong { max: 1 }),
            "El texto, número u objeto es más largo de lo permitido.",
        ),
        described(Code::TooDeep { max: 1 }, "Hay objetos o listas anidados más allá del límite."),
        described(Code::TooManyKeys { max: 1 }, "Hay más claves que el límite."),
        described(
            Code::ForbiddenCharacter,
            "El texto contiene un carácter de control, de dirección o medio par sustituto.",
        ),
        described(
            Code::Wrong(Wrong::AmountFormat),
            "El monto no es un número mayor que cero, de hasta 9 enteros y 2 decimales.",
        ),
        described(Code::Wrong(Wrong::Currency), "La moneda no es `PEN` ni `USD`."),
        described(Code::Wrong(Wrong::DateTime), "La fecha y hora no tiene la forma `yyyy-MM-ddThh:mm:ss`."),
        described(Code::Wrong(Wrong::Date), "El día no tiene la forma `yyyy-MM-dd`."),
        described(
            Code::Wrong(Wrong::DueAfterExpiration),
            "`due_datetime` es posterior a `expiration_datetime`.",
        ),
        described(Code::Wrong(Wrong::ExpirationPast), "`expiration_datetime` ya pasó."),
        described(Code::Wrong(Wrong::ExpirationTooFar), "`expiration_datetime` está a más de 366 días."),
        described(
            Code::Wrong(Wrong::RequestInFuture),
            "`request_datetime` está a más de 24 horas en el futuro: revise su reloj.",
        ),
        described(Code::Wrong(Wrong::Email), "No es una dirección de correo."),
        described(Code::Wrong(Wrong::Phone), "El teléfono no tiene la forma E.164, como `+51999666123`."),
        described(Code::Wrong(Wrong::DocumentType), "El tipo de documento no es DNI, RUC, CEX ni PAS."),
        described(Code::Wrong(Wrong::Document), "El número no es válido para su tipo de documento."),
        described(Code::Wrong(Wrong::Url), "No es una URL http(s) absoluta, sin usuario ni contraseña."),
        described(Code::Wrong(Wrong::SizeQr), "El tamaño no está entre 100 y 1000 píxeles."),
        described(Code::InvalidCursor, "El cursor no es el `id` de una orden propia."),
        described(Code::InvalidLimit, "El límite no es un número de 1 a 500."),
        described(Code::InvalidStatus, "No es un estado, o una lista de estados separados por comas."),
        described(Code::InvalidChannel, "No es el identificador de un canal."),
        described(Code::InvalidKtin, "No es un ktin: de 12 a 14 dígitos, con su dígito de control."),
        described(
            Code::InvalidIdempotencyKey,
            "`Idempotency-Key` no tiene de 1 a 255 caracteres ASCII visibles.",
        ),
        described(Code::UnknownVersion, "`KashIO-Version` no nombra una versión de la API."),
        described(
            Code::KeyInUrl,
            "La URL contiene una clave: envíela en `Authorization` y renuévela, porque ya quedó expuesta.",
        ),
        described(
            Code::Unauthorized,
            "La clave falta, o no es válida, o venció, o fue revocada: la respuesta no distingue.",
        ),
        described(Code::HttpsRequired, "La solicitud no llegó por HTTPS."),
        described(Code::IpNotAllowed, "La clave no se puede usar desde esta dirección."),
        described(Code::InsufficientScope, "La clave no tiene el permiso que `param` nombra; uno por falta."),
        described(
            Code::NotFound,
            "No existe, o es de otra cuenta o del otro modo: la respuesta no distingue.",
        ),
        described(Code::MethodNotAllowed, "La ruta no admite este método; la cabecera `Allow` dice cuáles."),
        described(Code::RequestTimeout, "La solicitud no llegó completa a tiempo: repítala."),
        described(
            Code::InvoiceIdConflict { existing_id: none() },
            "Ya hay una orden abierta con este `invoice_id` y otro contenido; `existing_id` dice cuál.",
        ),
        described(Code::InvoiceAlreadyPaid, "La orden ya está pagada."),
        described(Code::InvoiceExpired, "La orden está vencida."),
        described(Code::InvoiceVoided, "La orden está anulada."),
        described(
            Code::IdempotencyInProgress,
            "La misma `Idempotency-Key` todavía está en curso: repita después de `Retry-After`.",
        ),
        described(Code::OneOf { values: "" }, "No es una de las palabras admitidas; el mensaje las nombra."),
        described(Code::OutOfRange { min: 0, max: 0 }, "El número está fuera de su rango."),
        described(
            Code::SecretAlreadyShown { existing_id: none() },
            "La respuesta que se repite mostró un secreto, y se muestran una vez; `existing_id` dice de qué objeto.",
        ),
        described(Code::InvalidEventType, "No es un tipo de evento."),
        described(
            Code::CursorExpired { oldest_sequence: 1 },
            "Los eventos hasta ahí ya no se guardan; `oldest_sequence` dice desde cuál.",
        ),
        described(Code::EndpointLimitReached, "La cuenta ya tiene 16 destinos de webhooks en este modo."),
        described(Code::NotRedeliverable, "El envío ya está en espera, o no hay quién lo reciba."),
        described(Code::VersionMismatch, "La orden cambió desde que la leyó: léala de nuevo."),
        described(Code::BodyTooLarge, "El cuerpo ocupa más de 64 KiB."),
        described(Code::UriTooLong, "La URL es demasiado larga."),
        described(
            Code::UnsupportedMediaType,
            "El cuerpo no es JSON, y su `Content-Type` tampoco dice que lo sea.",
        ),
        described(Code::UnsupportedEncoding, "El cuerpo está comprimido: envíelo sin `Content-Encoding`."),
        described(Code::IdempotencyKeyReused, "Esta `Idempotency-Key` ya se usó para otra solicitud."),
        described(
            Code::TooManyFailures,
            "Demasiadas solicitudes o intentos: espere lo que dice `Retry-After`.",
        ),
        described(Code::HeadersTooLarge, "Las cabeceras son demasiado grandes."),
        described(
            Code::InternalError,
            "Falta nuestra: repita la solicitud, o escriba a soporte con el `request_id`.",
        ),
        described(
            Code::Unavailable,
            "El servicio no puede responder ahora y no hizo nada: repita después de `Retry-After`.",
        ),
    ]
}

/// The codes that only the internal API gives.
pub fn internal() -> Vec<Described> {
    let none = String::new;
    let described = |code: Code, meaning| Described { name: code.name(), status: code.status(), meaning };
    vec![
        described(Code::InvalidPercent, "No es un porcentaje como `0.05`, de hasta 100 y 4 decimales."),
        described(Code::InvalidScope, "No es un permiso."),
        described(Code::InvalidNetwork, "No es una dirección ni una red como `200.48.0.0/16`."),
        described(Code::InsufficientRole, "La clave de servicio tiene otro rol."),
        described(Code::ChannelNotAllowed, "La clave de servicio habla por otro canal."),
        described(Code::PaymentNotUnapplied, "El pago ya se aplicó, se extornó o se devolvió."),
        described(Code::PaymentMismatch, "El pago y la orden no coinciden en monto, moneda, cuenta o modo."),
        described(Code::SecondActorRequired, "Quien lo propuso no puede confirmarlo: lo hace otro operador."),
        described(Code::LiveNotEnabled, "La cuenta no tiene habilitado el modo real."),
        described(Code::KeyLimitReached, "La cuenta ya tiene 20 claves vigentes en este modo."),
        described(Code::KeyEnded, "La clave fue revocada o venció."),
        described(
            Code::KeyReplaced { existing_id: none() },
            "La clave ya fue renovada; `existing_id` dice cuál la reemplazó.",
        ),
    ]
}

/// The codes as a schema: an enumeration whose members are explained in an extension.
pub(crate) struct ErrorCode;

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let codes = all();
        let meanings: serde_json::Map<_, _> =
            codes.iter().map(|code| (code.name.to_owned(), json!(code.meaning))).collect();
        let extensions = ExtensionsBuilder::new().add("x-enum-descriptions", meanings).build();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "Código de error. Es estable: un código puede agregarse, nunca cambiar de significado.",
            ))
            .enum_values(Some(codes.iter().map(|code| code.name)))
            .extensions(Some(extensions))
            .into()
    }
}

impl ToSchema for ErrorCode {
    fn name() -> std::borrow::Cow<'static, str> {
        "ErrorCode".into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The names in the source of `Code::name`, which no value can be forgotten in.
    #[test]
    fn every_code_is_described_once() {
        let source = include_str!("problem.rs");
        let body =
            source.split("pub const fn name").nth(1).unwrap().split("/// The sentence.").next().unwrap();
        let given_out: BTreeSet<&str> = body.split('"').skip(1).step_by(2).collect();
        let (public, internal) = (super::all(), super::internal());
        let described: Vec<&str> = public.iter().chain(&internal).map(|code| code.name).collect();
        let unique: BTreeSet<&str> = described.iter().copied().collect();
        assert_eq!(unique, given_out);
        assert_eq!(unique.len(), described.len());
    }
}
