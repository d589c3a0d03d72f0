//! Channels: `/internal/v1/channels`, the banks and agents that call.

use domain::collection::Channel;
use serde::Serialize;
use utoipa::ToSchema;

use crate::fields::{Fields, Null, text, text_of, truth, whole};
use crate::invoice::to_bytes;
use crate::json::Object;
use crate::problem::{Code, Item};

/// Reads the body of `PUT /channels/{id}`; what it does not say is as for a channel that nobody has set up.
///
/// # Errors
/// Every fault at once.
pub fn read(id: &str, body: Object<'_>) -> Result<Channel, Vec<Item>> {
    let mut fields = Fields::of(body, Null::Absent);
    let unknown = Channel::unknown(id);
    fields.optional("id", |value| if text(value)? == id { Ok(()) } else { Err(Code::ReadOnly) });
    let name = fields.optional("name", text_of(1, 100));
    let open = fields.optional("open", truth);
    let days = fields.optional("reversal_days", whole(0, Channel::MAX_REVERSAL_DAYS));
    // Sent back as it is shown.
    fields.optional("object", |value| if text(value)? == "channel" { Ok(()) } else { Err(Code::ReadOnly) });
    fields.finish()?;
    Ok(Channel {
        id: unknown.id,
        name: name.unwrap_or(unknown.name),
        open: open.unwrap_or(unknown.open),
        reversal_days: days.and_then(|days| u32::try_from(days).ok()).unwrap_or(unknown.reversal_days),
    })
}

/// Un banco o agente.
// Comments on fields are the descriptions of the OpenAPI document, hence in Spanish.
#[derive(Serialize, ToSchema)]
#[schema(as = Channel)]
pub(crate) struct Body<'c> {
    /// Siempre `channel`.
    #[schema(pattern = "^channel$", examples("channel"))]
    object: &'static str,
    /// Su identificador.
    #[schema(pattern = "^[a-z0-9_-]{1,40}$", examples("bcp"))]
    id: &'c str,
    /// Su nombre, como lo conocen quienes pagan.
    #[schema(examples("BCP"))]
    name: &'c str,
    /// Si acepta consultas y pagos; los extornos se aceptan siempre.
    open: bool,
    /// Por cuántos días de Lima después del suyo se puede extornar un pago a mano.
    #[schema(minimum = 0, maximum = 365)]
    reversal_days: u32,
}

/// The channel's JSON.
pub fn render(channel: &Channel) -> Vec<u8> {
    let Channel { id, name, open, reversal_days } = channel;
    to_bytes(&Body { object: "channel", id, name, open: *open, reversal_days: *reversal_days })
}
