//! The shapes of the internal API that are only described, and the list of all: `components.schemas` of its document.

#![expect(dead_code, reason = "nobody builds these: their fields are read by the derive alone")]

use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::schema;

/// Every shape of the internal API by name.
pub fn all() -> Vec<(String, RefOr<Schema>)> {
    let mut shapes = Vec::new();
    schema::add::<super::account::Body<'_>>(&mut shapes);
    schema::add::<InternalAccountList>(&mut shapes);
    schema::add::<NewAccount>(&mut shapes);
    schema::add::<AccountSettings>(&mut shapes);
    schema::add::<super::key::Key<'_>>(&mut shapes);
    schema::add::<InternalKeyList>(&mut shapes);
    schema::add::<NewKey>(&mut shapes);
    schema::add::<super::key::ServiceKey<'_>>(&mut shapes);
    schema::add::<ServiceKeyList>(&mut shapes);
    schema::add::<NewServiceKey>(&mut shapes);
    schema::add::<RollKey>(&mut shapes);
    schema::add::<super::channel::Body<'_>>(&mut shapes);
    schema::add::<ChannelList>(&mut shapes);
    schema::add::<NewChannel>(&mut shapes);
    schema::add::<Inquiry>(&mut shapes);
    schema::add::<CollectionPayment>(&mut shapes);
    schema::add::<Reversal>(&mut shapes);
    schema::add::<super::collection::InquiryBody>(&mut shapes);
    schema::add::<super::collection::OperationBody>(&mut shapes);
    schema::add::<super::audit::Body<'_>>(&mut shapes);
    schema::add::<AuditEntryList>(&mut shapes);
    schema::add::<super::support::ProposalBody<'_>>(&mut shapes);
    schema::add::<ApplyPayment>(&mut shapes);
    schema::add::<ReturnPayment>(&mut shapes);
    schema::add::<super::support::Hit<'_>>(&mut shapes);
    schema::add::<SearchHitList>(&mut shapes);
    schema::add::<super::support::Entry<'_>>(&mut shapes);
    schema::add::<TimelineEntryList>(&mut shapes);
    schema::add::<crate::payment::Body<'_>>(&mut shapes);
    shapes.extend(schema::all());
    schema::once_each(&mut shapes);
    shapes
}

/// Mora de una cuenta.
#[derive(ToSchema)]
pub(crate) struct LateFee {
    /// `none` (no hay), `fixed` (un monto por moneda, una vez) o `percent_per_day` (un porcentaje del subtotal por cada
    /// día de Lima empezado después del vencimiento).
    #[schema(pattern = "^(none|fixed|percent_per_day)$", examples("percent_per_day"))]
    kind: String,
    /// Con `fixed`: el monto de cada moneda.
    #[schema(required = false)]
    amounts: Option<LateFeeAmounts>,
    /// Con `percent_per_day`: el porcentaje, con hasta 4 decimales.
    #[schema(value_type = String, required = false, examples("0.05"))]
    percent: Option<String>,
}

/// Un monto por moneda.
#[derive(ToSchema)]
pub(crate) struct LateFeeAmounts {
    /// En soles.
    #[schema(rename = "PEN", value_type = String, required = false, examples("5.00"))]
    pen: Option<String>,
    /// En dólares.
    #[schema(rename = "USD", value_type = String, required = false, examples("1.50"))]
    usd: Option<String>,
}

/// Cuántas solicitudes puede hacer una cuenta, por modo y réplica.
#[derive(ToSchema)]
pub(crate) struct RateLimit {
    /// Por segundo; 0: sin límite.
    #[schema(minimum = 0, maximum = 1_000_000, examples(100))]
    per_second: u32,
    /// De una vez; si falta, el doble de `per_second`.
    #[schema(required = false, minimum = 0, maximum = 1_000_000, examples(200))]
    burst: u32,
}

/// Un banco o agente donde se puede pagar.
#[derive(ToSchema)]
pub(crate) struct CollectionChannel {
    /// El canal.
    #[schema(pattern = "^[a-z0-9_-]{1,40}$", examples("bcp"))]
    channel: String,
    /// El número de convenio que se elige al pagar.
    #[schema(min_length = 1, max_length = 40, examples("000001"))]
    agreement_number: String,
    /// La única moneda del convenio.
    currency: schema::Currency,
    /// Los pasos, para la página de pago.
    #[schema(required = false)]
    instructions: Instructions,
}

/// Un texto en dos idiomas.
#[derive(ToSchema)]
pub(crate) struct Instructions {
    /// En español.
    #[schema(value_type = String, required = false, max_length = 2000)]
    es: Option<String>,
    /// En inglés.
    #[schema(value_type = String, required = false, max_length = 2000)]
    en: Option<String>,
}

/// Los ajustes de una cuenta nueva.
#[derive(ToSchema)]
pub(crate) struct NewAccount {
    /// Nombre del comercio, como lo ven quienes pagan.
    #[schema(min_length = 1, max_length = 200, examples("Bodega Rosita"))]
    name: String,
    #[serde(flatten)]
    #[schema(inline)]
    settings: Settings,
}

/// Lo que cambia de una cuenta. `null` quita `legal_name`, `tax_id`, `version_pin` y `rate_limit`.
#[derive(ToSchema)]
pub(crate) struct AccountSettings {
    /// Nombre del comercio, como lo ven quienes pagan.
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, examples("Bodega Rosita"))]
    name: Option<String>,
    #[serde(flatten)]
    #[schema(inline)]
    settings: Settings,
}

#[derive(ToSchema)]
struct Settings {
    /// Razón social.
    #[schema(min_length = 1, max_length = 200)]
    legal_name: Option<String>,
    /// RUC.
    #[schema(examples("20512333797"))]
    tax_id: Option<String>,
    /// Versión de la API para solicitudes que no nombran una.
    version_pin: Option<String>,
    /// Vida de una orden que no dice cuándo vence, en segundos.
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 31_622_400, examples(86400))]
    default_expiration_seconds: Option<i64>,
    /// Si una orden sin cliente se rechaza.
    #[schema(value_type = bool, required = false)]
    customer_required: Option<bool>,
    /// Mora de las órdenes nuevas.
    #[schema(value_type = LateFee, required = false)]
    late_fee: Option<LateFee>,
    /// Límite de solicitudes.
    rate_limit: Option<RateLimit>,
    /// Dónde pueden pagar sus clientes.
    #[schema(value_type = Vec<CollectionChannel>, required = false)]
    collection_channels: Option<Vec<CollectionChannel>>,
    /// Si se aceptan claves de modo real. Cambiarlo exige `X-Reason`.
    #[schema(value_type = bool, required = false)]
    live_enabled: Option<bool>,
}

/// Una clave nueva.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// `test` o `live`.
    #[schema(pattern = "^(test|live)$", examples("test"))]
    mode: String,
    /// Nombre para reconocerla.
    #[schema(min_length = 1, max_length = 100, examples("tienda en línea"))]
    name: String,
    /// Permisos; si faltan, todos.
    #[schema(examples(json!(["invoices:read"])))]
    scopes: Option<Vec<String>>,
    /// Redes desde las que se puede usar; si faltan, cualquiera.
    #[schema(examples(json!(["200.48.0.0/16"])))]
    ip_allow: Option<Vec<String>>,
    /// Desde cuándo no se aceptará.
    expires_at: Option<String>,
}

/// Una clave de servicio nueva.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewServiceKey {
    /// Nombre para reconocerla.
    #[schema(min_length = 1, max_length = 100, examples("conector BCP"))]
    name: String,
    /// `kcms` o `collector`.
    #[schema(pattern = "^(kcms|collector)$", examples("collector"))]
    role: String,
    /// El canal de un conector.
    #[schema(examples("bcp"))]
    channel: Option<String>,
    /// Desde cuándo no se aceptará.
    expires_at: Option<String>,
}

/// Cuánto tiempo se aceptan ambas claves.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollKey {
    /// En segundos: de 0 a una semana; si falta, un día.
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 604_800, default = 86_400)]
    overlap_seconds: Option<i64>,
}

/// Un canal: lo que falta es como en uno que nadie definió.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChannel {
    /// Su nombre, como lo conocen quienes pagan; si falta, su identificador.
    #[schema(min_length = 1, max_length = 100, examples("BCP"))]
    name: Option<String>,
    /// Si acepta consultas y pagos; si falta, sí.
    open: Option<bool>,
    /// Por cuántos días de Lima después del suyo se puede extornar un pago a mano.
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 365, default = 0)]
    reversal_days: Option<i64>,
    /// El mismo de la ruta.
    #[schema(examples("bcp"))]
    id: Option<String>,
    /// Siempre `channel`.
    #[schema(pattern = "^channel$")]
    object: Option<String>,
}

macro_rules! messages {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            /// El canal de la clave de servicio.
            #[schema(examples("bcp"))]
            channel: String,
            /// El convenio que eligió quien paga.
            #[schema(min_length = 1, max_length = 40, examples("000001"))]
            agreement: String,
            /// El código de pago.
            #[schema(examples("263264817050"))]
            ktin: String,
            /// El número de esta operación en el banco, único en el día de Lima.
            #[schema(min_length = 1, max_length = 12, examples("000123"))]
            operation_number: String,
            $($(#[$field_meta])* $field: $type,)*
            /// El identificador del mensaje en el banco.
            #[schema(max_length = 64)]
            trace_id: Option<String>,
        }
    )*};
}

messages! {
    /// Una consulta.
    Inquiry {
        /// Cuándo, según el banco, con `Z` o su diferencia.
        #[schema(examples("2026-11-22T10:00:00-05:00"))]
        operated_at: String,
    }

    /// Un pago.
    CollectionPayment {
        /// Cuándo, según el banco, con `Z` o su diferencia: decide si fue a tiempo.
        #[schema(examples("2026-11-22T10:01:00-05:00"))]
        operated_at: String,
        /// El monto, con dos decimales.
        #[schema(examples("20.00"))]
        amount: String,
        /// La moneda del convenio.
        #[schema(examples("PEN"))]
        currency: String,
        /// Cómo se pagó, en palabras del banco.
        #[schema(max_length = 64, examples("efectivo"))]
        payment_form: Option<String>,
        /// La promesa de la consulta.
        #[schema(examples("quo_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
        quote_id: Option<String>,
        /// Si el banco ya tiene el dinero: entonces no se rechaza, se guarda. Si falta, no.
        cash_taken: Option<bool>,
    }

    /// Un extorno.
    Reversal {
        /// El número de operación del pago.
        #[schema(min_length = 1, max_length = 12, examples("000123"))]
        original_operation_number: String,
        /// Cuándo fue el pago, según el banco, con `Z` o su diferencia.
        #[schema(examples("2026-11-22T10:01:00-05:00"))]
        original_operated_at: String,
        /// `automatic` o `manual`.
        #[schema(pattern = "^(automatic|manual)$", examples("automatic"))]
        kind: String,
    }
}

/// A qué orden se aplica un pago.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyPayment {
    /// La orden: de la misma cuenta y modo, con el mismo monto y moneda.
    #[schema(examples("inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd"))]
    invoice: String,
}

/// Por qué se devuelve un pago.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReturnPayment {
    /// El motivo; el comercio lo ve en el pago.
    #[schema(min_length = 1, max_length = 500, examples("pagado dos veces"))]
    reason: String,
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
    /// Una página de cuentas.
    InternalAccountList of super::account::Body<'static>;
    /// Una página de claves.
    InternalKeyList of super::key::Key<'static>;
    /// Una página de claves de servicio.
    ServiceKeyList of super::key::ServiceKey<'static>;
    /// Los canales.
    ChannelList of super::channel::Body<'static>;
    /// Una página del registro de auditoría.
    AuditEntryList of super::audit::Body<'static>;
    /// Lo encontrado, hasta 100.
    SearchHitList of super::support::Hit<'static>;
    /// Lo que pasó con una orden, hasta 1000 entradas.
    TimelineEntryList of super::support::Entry<'static>;
}
