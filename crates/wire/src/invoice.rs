//! An invoice as merchants see it, fields in the order of the API document; absent ones are left out.

use domain::customer::Customer;
use domain::invoice::{Seen, Status};
use domain::metadata::Verbatim;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::version::{Money, Version};

/// What rendering needs beside the invoice.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The edition to write.
    pub version: Version,
    /// Address of the payment page's host, without a slash at its end.
    pub page_url: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    object: &'static str,
    livemode: bool,
    created: String,
    status: &'static str,
    version: u32,
    invoice_id: &'a str,
    currency: &'static str,
    amount: Money,
    sub_total: Money,
    late_fee: Money,
    fees: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_datetime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_datetime: Option<String>,
    expiration_datetime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a Customer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_merchant: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_success: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    size_qr: u16,
    ktin: String,
    token: &'a str,
    qr_code: &'a str,
    url_qr: String,
    url_payment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<String>,
}

/// The invoice's JSON.
pub fn render(seen: &Seen<'_>, view: View<'_>) -> Vec<u8> {
    let (invoice, order, terms) = (seen.invoice, &seen.invoice.order, &seen.invoice.terms);
    let mode = invoice.owner.mode;
    let token = order.token.as_str();
    let page = format!("{}/pay/{token}", view.page_url);
    let paid = match seen.status {
        Status::Paid { paid_at, payment, .. } => Some((paid_at.to_string(), payment.text(mode))),
        Status::Pending | Status::Expired | Status::Voided => None,
    };
    let (paid_at, payment) = paid.unzip();
    to_bytes(&Body {
        id: invoice.id.text(mode),
        object: "invoice",
        livemode: mode.is_live(),
        created: invoice.created.to_string(),
        status: view.version.state(seen.status.state()),
        version: invoice.version,
        invoice_id: order.reference.as_str(),
        currency: terms.currency.as_str(),
        amount: view.version.money(seen.total()),
        sub_total: view.version.money(terms.sub_total),
        late_fee: view.version.money(seen.late_fee),
        fees: view.version.money(seen.fees),
        request_datetime: order.request_datetime.map(|moment| moment.to_string()),
        due_datetime: terms.due.map(|moment| moment.to_string()),
        expiration_datetime: terms.expires.to_string(),
        customer: order.customer.as_ref(),
        sub_merchant: order.sub_merchant.as_ref().and_then(raw),
        url_success: order.url_success.as_deref(),
        url_error: order.url_error.as_deref(),
        metadata: order.metadata.as_ref().and_then(raw),
        size_qr: order.size_qr,
        ktin: order.ktin.to_string(),
        token,
        qr_code: token,
        url_qr: format!("{page}/qr.png"),
        url_payment: page,
        paid_at,
        payment,
    })
}

/// The text as it came in. It was checked then, so this never loses any.
fn raw(json: &Verbatim) -> Option<&RawValue> {
    serde_json::from_str(&json.text).ok()
}

/// JSON of a shape whose keys are texts and whose values are plain: there is nothing in it that can fail.
pub(crate) fn to_bytes(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}
