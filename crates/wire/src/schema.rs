//! The shapes that are only described: what comes in, which is read without a struct, and the small types that
//! several shapes share. Together with the structs that are written out they are the `components.schemas` of
//! the OpenAPI document.
//!
//! Comments on types and fields are the document's own descriptions, hence in Spanish.

#![expect(dead_code, reason = "nobody builds these: their fields are read by the derive alone")]

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::version::Money;

/// Every shape of the API by name, those that it refers to included.
pub fn all() -> Vec<(String, RefOr<Schema>)> {
    let mut shapes = Vec::new();
    add::<crate::invoice::Body>(&mut shapes);
    add::<InvoiceList>(&mut shapes);
    add::<CreateInvoice>(&mut shapes);
    add::<CreateInvoiceEnvelope>(&mut shapes);
    add::<CreateInvoiceAliases>(&mut shapes);
    add::<UpdateInvoice>(&mut shapes);
    add::<UpdateInvoiceById>(&mut shapes);
    add::<crate::account::Body<'_>>(&mut shapes);
    add::<crate::payment::Body<'_>>(&mut shapes);
    add::<PaymentList>(&mut shapes);
    add::<crate::test_mode::SimulatedPayment>(&mut shapes);
    add::<crate::test_mode::SimulatedReversal>(&mut shapes);
    add::<crate::test_mode::Simulation>(&mut shapes);
    add::<crate::event::Body>(&mut shapes);
    add::<EventList>(&mut shapes);
    add::<crate::webhook::Body<'_>>(&mut shapes);
    add::<WebhookEndpointList>(&mut shapes);
    add::<NewWebhookEndpoint>(&mut shapes);
    add::<WebhookEndpointChange>(&mut shapes);
    add::<RollSecret>(&mut shapes);
    add::<crate::webhook::DeliveryBody>(&mut shapes);
    add::<DeliveryList>(&mut shapes);
    add::<RedeliverRange>(&mut shapes);
    add::<crate::webhook::Redelivered>(&mut shapes);
    add::<crate::page::Body>(&mut shapes);
    add::<crate::problem::Body<'_>>(&mut shapes);
    once_each(&mut shapes);
    shapes
}

pub(crate) fn once_each(shapes: &mut Vec<(String, RefOr<Schema>)>) {
    let mut known = std::collections::HashSet::new();
    shapes.retain(|(name, _)| known.insert(name.clone()));
}

pub(crate) fn add<T: ToSchema>(shapes: &mut Vec<(String, RefOr<Schema>)>) {
    shapes.push((T::name().into_owned(), T::schema()));
    T::schemas(shapes);
}

/// Un destino de webhooks nuevo.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhookEndpoint {
    /// Adónde enviar los eventos: https, con un nombre público, en el puerto 443 u 8443.
    #[schema(format = "uri", max_length = 2048, examples("https://tienda.pe/webhooks"))]
    url: String,
    /// Los tipos de evento que quiere; si faltan, o con `*`, todos.
    #[schema(examples(json!(["invoice.paid"])))]
    events: Option<Vec<crate::event::EventFilter>>,
    /// Para qué es.
    #[schema(max_length = 500)]
    description: Option<String>,
}

/// Lo que cambia de un destino de webhooks.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookEndpointChange {
    /// Adónde enviar los eventos.
    #[schema(value_type = String, required = false, format = "uri", max_length = 2048)]
    url: Option<String>,
    /// Los tipos de evento que quiere.
    #[schema(value_type = Vec<crate::event::EventFilter>, required = false)]
    events: Option<Vec<crate::event::EventFilter>>,
    /// Para qué es; `null` lo quita.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Si recibe eventos.
    #[schema(value_type = bool, required = false)]
    enabled: Option<bool>,
}

/// Cuánto tiempo firman ambos secretos.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollSecret {
    /// En segundos: de 0 a una semana; si falta, un día.
    #[schema(minimum = 0, maximum = 604_800, default = 86_400)]
    overlap_seconds: Option<i64>,
}

/// Qué envíos se repiten.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedeliverRange {
    /// Los de eventos posteriores a este `sequence`.
    #[schema(minimum = 0, default = 0)]
    after: Option<i64>,
    /// Hasta este.
    #[schema(minimum = 1)]
    until: Option<i64>,
    /// `failed` (lo usual) o `delivered`.
    #[schema(pattern = "^(failed|delivered)$", default = "failed")]
    status: Option<String>,
    /// Solo contarlos.
    #[schema(default = false)]
    dry_run: Option<bool>,
}

macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident of $item:ty;)*) => {$(
        $(#[$doc])*
        #[derive(ToSchema)]
        pub(crate) struct $name {
            /// Siempre `list`.
            #[schema(pattern = "^list$", examples("list"))]
            object: String,
            /// Si hay más en este sentido.
            has_more: bool,
            /// Los objetos de la página.
            data: Vec<$item>,
        }
    )*};
}

lists! {
    /// Una página de pagos.
    PaymentList of crate::payment::Body<'static>;
    /// Una página de eventos.
    EventList of crate::event::Body;
    /// Los destinos de webhooks.
    WebhookEndpointList of crate::webhook::Body<'static>;
    /// Una página de envíos.
    DeliveryList of crate::webhook::DeliveryBody;
}

/// Código ISO 4217.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE", examples("PEN"))]
pub(crate) enum Currency {
    Pen,
    Usd,
}

/// Versión de la API.
#[derive(ToSchema)]
#[schema(examples("1.0.0"))]
pub(crate) enum VersionNumber {
    #[schema(rename = "1.0.0")]
    V1_0_0,
    #[schema(rename = "1.0.1")]
    V1_0_1,
}

/// Estado de una Orden de Pago. En la versión 1.0.0: `pending` (pendiente), `paid` (pagada), `expired` (vencida),
/// `voided` (anulada). En la 1.0.1: `NEW`, `PAID`, `EXPIRED`, `VOIDED`.
#[derive(ToSchema)]
#[schema(examples("pending"))]
pub(crate) enum InvoiceStatus {
    #[schema(rename = "pending")]
    Pending,
    #[schema(rename = "paid")]
    Paid,
    #[schema(rename = "expired")]
    Expired,
    #[schema(rename = "voided")]
    Voided,
    #[schema(rename = "NEW")]
    New101,
    #[schema(rename = "PAID")]
    Paid101,
    #[schema(rename = "EXPIRED")]
    Expired101,
    #[schema(rename = "VOIDED")]
    Voided101,
}

/// Fecha y hora en UTC, sin zona y en segundos enteros: `yyyy-MM-ddThh:mm:ss`.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$",
    examples("2020-02-01T05:00:00")
)]
pub(crate) struct UtcDateTime(String);

/// Fecha y hora, `yyyy-MM-ddThh:mm:ss`. Sin zona significa UTC; también se acepta un espacio en lugar de la `T`, omitir
/// los segundos, una fracción (se trunca), `Z` o una diferencia como `-05:00`.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    pattern = "^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]+)?)?(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)?$",
    examples("2020-01-01T05:00:00", "2020-01-01T00:00:00-05:00")
)]
pub(crate) struct DateTime(String);

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        literal(serde_json::json!({
            "description": "Monto con dos decimales: en la versión 1.0.0 un texto, `\"20.00\"`; en la 1.0.1 un número, `20.00`.",
            "oneOf": [
                { "title": "1.0.0", "type": "string", "pattern": "^(0|[1-9][0-9]*)\\.[0-9]{2}$" },
                { "title": "1.0.1", "type": "number", "minimum": 0 },
            ],
            "examples": ["20.00", 20.0],
        }))
    }
}

impl ToSchema for Money {
    fn name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }
}

/// Money as it comes in.
pub(crate) struct MoneySent;

impl PartialSchema for MoneySent {
    fn schema() -> RefOr<Schema> {
        literal(serde_json::json!({
            "description": "Monto mayor que cero, con hasta 9 enteros y 2 decimales, como texto o como número. Se lee del \
                            texto JSON, nunca como coma flotante: `20`, `20.0`, `20.00` y `\"20.00\"` son el mismo monto.",
            "oneOf": [
                { "title": "texto", "type": "string", "pattern": "^(0|[1-9][0-9]{0,8})(\\.[0-9]{1,2})?$" },
                {
                    "title": "número", "type": "number", "exclusiveMinimum": 0, "maximum": 999_999_999.99,
                    "multipleOf": 0.01,
                },
            ],
            "examples": ["20.00", 15.0],
        }))
    }
}

impl ToSchema for MoneySent {
    fn name() -> std::borrow::Cow<'static, str> {
        "MoneyInput".into()
    }
}

/// A number of pixels, or a text with or without `px`.
struct SizeSent;

impl PartialSchema for SizeSent {
    fn schema() -> RefOr<Schema> {
        literal(serde_json::json!({
            "description": "Lado de la imagen QR en píxeles, de 100 a 1000: un número, o un texto con o sin `px`.",
            "oneOf": [
                { "title": "número", "type": "integer", "minimum": 100, "maximum": 1_000 },
                { "title": "texto", "type": "string", "pattern": "^([1-9][0-9]{2}|1000) *(px)?$" },
                { "title": "ausente", "type": "null" },
            ],
            "default": 150,
            "examples": [150, "150px"],
        }))
    }
}

impl ToSchema for SizeSent {
    fn name() -> std::borrow::Cow<'static, str> {
        "QrSize".into()
    }
}

/// A schema as JSON has it. What is no schema would describe anything; a test sees that there is none such.
fn literal(schema: Value) -> RefOr<Schema> {
    serde_json::from_value(schema).unwrap_or_else(|_| RefOr::T(Schema::default()))
}

/// El cliente que paga, como usted lo envió. Solo contiene los campos que tienen valor.
#[derive(ToSchema)]
#[schema(as = Customer)]
pub(crate) struct CustomerShown {
    /// Nombre.
    #[schema(value_type = String, required = false, max_length = 200, examples("JUAN PEREZ"))]
    name: String,
    /// Correo electrónico.
    #[schema(required = false, max_length = 254, examples("juan.perez.xxx@gmail.com"))]
    email: String,
    /// Teléfono en formato E.164.
    #[schema(required = false, pattern = "^\\+[1-9][0-9]{7,14}$", examples("+13055606666"))]
    phone: String,
    /// Tipo de documento, con las mayúsculas que usted usó.
    #[schema(required = false, examples("DNI"))]
    document_type: String,
    /// Número de documento.
    #[schema(required = false, max_length = 20, examples("10203040"))]
    document_id: String,
    /// Su propio identificador del cliente.
    #[schema(required = false, max_length = 100, examples("CUS-10203040-001"))]
    external_id: String,
}

/// El cliente que paga. Todos sus campos son opcionales.
#[derive(ToSchema)]
#[schema(as = CustomerInput)]
#[serde(deny_unknown_fields)]
struct CustomerSent {
    /// Nombre, hasta 200 caracteres. En la página de pago se ve solo el primero.
    #[schema(max_length = 200, examples("JUAN PEREZ"))]
    name: Option<String>,
    /// Correo electrónico, hasta 254 caracteres.
    #[schema(format = Email, max_length = 254, examples("juan.perez.xxx@gmail.com"))]
    email: Option<String>,
    /// Teléfono en formato E.164: `+`, código de país y número, sin espacios.
    #[schema(pattern = "^\\+[1-9][0-9]{7,14}$", examples("+13055606666"))]
    phone: Option<String>,
    /// Tipo de documento, en mayúsculas o minúsculas: `DNI`, `RUC`, `CEX` (o `CE`), `PAS` (o `PASS`, `PASAPORTE`).
    #[schema(
        pattern = "^([Dd][Nn][Ii]|[Rr][Uu][Cc]|[Cc][Ee][Xx]?|[Pp][Aa][Ss]{1,2}|[Pp][Aa][Ss][Aa][Pp][Oo][Rr][Tt][Ee])$",
        examples("DNI")
    )]
    document_type: Option<String>,
    /// Número de documento, válido para su tipo: DNI 8 dígitos; RUC 11 dígitos con su dígito verificador; CEX de 8 a 12
    /// y PAS de 5 a 12 letras o dígitos. Sin tipo, hasta 20 caracteres.
    #[schema(max_length = 20, examples("10203040"))]
    document_id: Option<String>,
    /// Su propio identificador del cliente, hasta 100 caracteres.
    #[schema(max_length = 100, examples("CUS-10203040-001"))]
    external_id: Option<String>,
}

/// Monto y moneda juntos.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Total {
    /// Moneda: `PEN` o `USD`, en mayúsculas o minúsculas.
    #[schema(pattern = "^([Pp][Ee][Nn]|[Uu][Ss][Dd])$", examples("PEN"))]
    currency: String,
    /// Monto por cobrar.
    value: MoneySent,
}

macro_rules! create_shapes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(ToSchema)]
        #[serde(deny_unknown_fields)]
        struct $name {
            $($(#[$field_meta])* $field: $type,)*
            /// Desde cuándo corre la mora. No puede ser posterior a `expiration_datetime`.
            due_datetime: Option<DateTime>,
            /// Desde cuándo la orden ya no se puede pagar: como máximo a 366 días. Si falta, el plazo de su cuenta
            /// (normalmente 24 horas). En modo real no puede estar en el pasado.
            expiration_datetime: Option<DateTime>,
            /// El comercio por cuenta de quien usted cobra: un objeto suyo de hasta 4 KiB (`name`, `email`, `logo`…).
            #[schema(value_type = Option<Object>, examples(json!({"name": "Librería San Marcos"})))]
            sub_merchant: Option<()>,
            /// Enlace para volver a su tienda cuando el pago está hecho: http(s), absoluto, sin usuario ni contraseña.
            #[schema(format = "uri", pattern = "^[Hh][Tt][Tt][Pp][Ss]?://", max_length = 2048, examples("https://tienda.pe/gracias"))]
            url_success: Option<String>,
            /// Enlace para volver a su tienda mientras no hay pago. Mismas reglas.
            #[schema(format = "uri", pattern = "^[Hh][Tt][Tt][Pp][Ss]?://", max_length = 2048, examples("https://tienda.pe/carrito"))]
            url_error: Option<String>,
            /// Sus propios datos: un objeto JSON de hasta 8 KiB, 50 claves de hasta 40 caracteres y 4 niveles; números
            /// de hasta 15 dígitos. Se devuelve al pie de la letra.
            #[schema(value_type = Option<Object>, examples(json!({"order_id": "000001-001"})))]
            metadata: Option<()>,
            /// Lado de la imagen QR.
            #[schema(required = false)]
            size_qr: SizeSent,
        }
    )*};
}

create_shapes! {
    /// Una orden nueva, en la forma recomendada. Un campo opcional con `null` cuenta como ausente.
    CreateInvoice {
        /// Su referencia de la orden, de 1 a 100 caracteres: hace segura la repetición de la solicitud.
        #[schema(min_length = 1, max_length = 100, examples("INV-000001-001"))]
        invoice_id: String,
        /// Moneda: `PEN` o `USD`, en mayúsculas o minúsculas.
        #[schema(pattern = "^([Pp][Ee][Nn]|[Uu][Ss][Dd])$", examples("PEN"))]
        currency: String,
        /// Monto por cobrar; en la respuesta, `sub_total`.
        amount: MoneySent,
        /// Fecha y hora de su solicitud, según su reloj; como máximo 24 horas en el futuro.
        request_datetime: DateTime,
        /// Quién paga. Su cuenta puede exigirlo.
        customer: Option<CustomerSent>,
        /// Otra forma de `customer.phone`, la de la edición de 2017.
        #[schema(pattern = "^\\+[1-9][0-9]{7,14}$", examples("+13055606666"))]
        payer_phone: Option<String>,
    }

    /// El contenido del sobre `invoice`: los mismos campos; `request_datetime` es opcional.
    EnvelopedInvoice {
        /// Su referencia de la orden, de 1 a 100 caracteres.
        #[schema(min_length = 1, max_length = 100, examples("inv_1234567890"))]
        invoice_id: String,
        /// Moneda: `PEN` o `USD`, en mayúsculas o minúsculas.
        #[schema(pattern = "^([Pp][Ee][Nn]|[Uu][Ss][Dd])$", examples("PEN"))]
        currency: String,
        /// Monto por cobrar; en la respuesta, `sub_total`.
        amount: MoneySent,
        /// Fecha y hora de su solicitud, según su reloj; como máximo 24 horas en el futuro.
        request_datetime: Option<DateTime>,
        /// Quién paga. Su cuenta puede exigirlo.
        customer: Option<CustomerSent>,
        /// Teléfono del cliente: otra forma de `customer.phone`.
        #[schema(pattern = "^\\+[1-9][0-9]{7,14}$", examples("+13055606666"))]
        payer_phone: Option<String>,
    }

    /// La forma recomendada, con otros nombres para los mismos campos. Se pueden mezclar con los de la forma
    /// recomendada; dos nombres de un campo con valores distintos son una falta.
    CreateInvoiceAliases {
        /// Otro nombre de `invoice_id`.
        #[schema(min_length = 1, max_length = 100, examples("INV-000001-001"))]
        external_id: String,
        /// Otra forma de `amount` y `currency`.
        total: Total,
        /// Fecha y hora de su solicitud, según su reloj; como máximo 24 horas en el futuro.
        request_datetime: DateTime,
        /// Otro nombre de `customer`.
        payer: Option<CustomerSent>,
    }

    /// El contenido del sobre `invoice`, con los otros nombres. Se pueden mezclar.
    EnvelopedInvoiceAliases {
        /// Otro nombre de `invoice_id`.
        #[schema(min_length = 1, max_length = 100, examples("inv_1234567890"))]
        external_id: String,
        /// Otra forma de `amount` y `currency`.
        total: Total,
        /// Fecha y hora de su solicitud, según su reloj; como máximo 24 horas en el futuro.
        request_datetime: Option<DateTime>,
        /// Otro nombre de `customer`.
        payer: Option<CustomerSent>,
    }
}

/// Lo que lleva el sobre.
#[derive(ToSchema)]
#[serde(untagged)]
enum Enveloped {
    Fields(EnvelopedInvoice),
    Aliases(EnvelopedInvoiceAliases),
}

/// Una orden nueva en el sobre de la edición de 2017.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateInvoiceEnvelope {
    /// La orden.
    invoice: Enveloped,
}

/// Lo que cambia de una orden pendiente. Los demás campos de la orden se pueden devolver tal como se leyeron: se
/// ignoran si son iguales, y son una falta (`field_not_updatable`) si no lo son.
#[derive(ToSchema)]
#[schema(examples(json!({"amount": "25.00"})))]
#[serde(deny_unknown_fields)]
struct UpdateInvoice {
    /// Nueva moneda: `PEN` o `USD`, en mayúsculas o minúsculas.
    #[schema(required = false, pattern = "^([Pp][Ee][Nn]|[Uu][Ss][Dd])$", examples("USD"))]
    currency: String,
    /// Nuevo monto. Igual al `sub_total` o al total de ahora no cambia nada.
    #[schema(required = false)]
    amount: MoneySent,
    /// Nuevo inicio de la mora; `null` lo quita.
    due_datetime: Option<DateTime>,
    /// Nuevo fin del plazo de pago, como máximo a 366 días.
    #[schema(required = false)]
    expiration_datetime: DateTime,
}

/// La forma «Actualizar» de la edición de 2017: un cuerpo con el `id` de una orden existente la actualiza.
#[derive(ToSchema)]
#[schema(examples(json!({"id": "inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd", "amount": "25.00"})))]
#[serde(deny_unknown_fields)]
struct UpdateInvoiceById {
    /// La orden que se actualiza.
    #[schema(
        pattern = "^inv_(test|live)_[2-9A-HJ-NP-Za-km-z]{22}$",
        examples("inv_test_2Lx8hVvQ4nRkTz7WmYb3Cd")
    )]
    id: String,
    /// Nueva moneda: `PEN` o `USD`, en mayúsculas o minúsculas.
    #[schema(required = false, pattern = "^([Pp][Ee][Nn]|[Uu][Ss][Dd])$", examples("USD"))]
    currency: String,
    /// Nuevo monto.
    #[schema(required = false)]
    amount: MoneySent,
    /// Nuevo inicio de la mora; `null` lo quita.
    due_datetime: Option<DateTime>,
    /// Nuevo fin del plazo de pago, como máximo a 366 días.
    #[schema(required = false)]
    expiration_datetime: DateTime,
}

/// Una página de órdenes, de la más nueva a la más antigua.
#[derive(ToSchema)]
struct InvoiceList {
    /// Siempre `list`.
    #[schema(pattern = "^list$", examples("list"))]
    object: String,
    /// Si hay más órdenes después de esta página. La cabecera `Link` dice dónde.
    has_more: bool,
    /// Las órdenes.
    #[schema(max_items = 500, value_type = Vec<crate::invoice::Body>)]
    data: Vec<()>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    fn properties(name: &str) -> BTreeSet<String> {
        let (_, schema) = super::all().into_iter().find(|(known, _)| known == name).unwrap();
        let schema = serde_json::to_value(schema).unwrap();
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn every_name_that_is_read_is_described() {
        let forms = ["CreateInvoice", "EnvelopedInvoice", "CreateInvoiceAliases", "UpdateInvoiceById"];
        let described: BTreeSet<String> = forms.into_iter().flat_map(properties).collect();
        assert_eq!(described, names(crate::create::FIELDS));
        for customer in ["CustomerInput", "Customer"] {
            assert_eq!(properties(customer), names(crate::create::CUSTOMER_FIELDS));
        }
        assert!(properties("UpdateInvoice").is_subset(&names(crate::create::FIELDS)));
    }

    #[test]
    fn every_shape_and_every_field_is_described() {
        for (name, schema) in super::all() {
            let schema = serde_json::to_value(schema).unwrap();
            assert!(schema["description"].is_string(), "{name}");
            let Some(fields) = schema["properties"].as_object() else { continue };
            for (field, schema) in fields {
                let inner = schema["oneOf"].get(0).unwrap_or(&Value::Null);
                let described = schema["description"].is_string() || inner["description"].is_string();
                assert!(described, "{name}.{field}");
                assert!(
                    schema.get("allOf").is_none(),
                    "{name}.{field}: an inline type that contradicts itself"
                );
            }
        }
    }
}
