//! `POST /invoices`, in: the flat body or the seed's envelope, aliases resolved, unknown names refused.
//!
//! Only spelling is judged here; what the values mean is for the domain's draft.

use domain::customer::CustomerDraft;
use domain::field::Field;
use domain::invoice::draft::Draft;
use domain::money::Amount;

use crate::json::{Kind, Object, Value, canonical};
use crate::problem::{Code, Item};
use crate::verbatim;

/// Every name that the body may hold, aliases included.
pub const FIELDS: &[&str] = &[
    "id",
    "invoice_id",
    "external_id",
    "currency",
    "amount",
    "total",
    "request_datetime",
    "due_datetime",
    "expiration_datetime",
    "customer",
    "payer",
    "payer_phone",
    "sub_merchant",
    "url_success",
    "url_error",
    "metadata",
    "size_qr",
];

/// Every name inside `customer`.
pub const CUSTOMER_FIELDS: &[&str] =
    &["name", "email", "phone", "document_type", "document_id", "external_id"];

const TOTAL_FIELDS: &[&str] = &["currency", "value"];
const METADATA_BYTES: usize = 8 * 1_024;
const SUB_MERCHANT_BYTES: usize = 4 * 1_024;

/// The `id` in a body, flat or in the envelope: with one, the request is an update of that invoice.
pub fn id<'o>(body: &'o Object<'_>) -> Option<&'o Value<'o>> {
    let fields = match body.get("invoice").map(|value| &value.kind) {
        Some(Kind::Object(inner)) => inner,
        _ => body,
    };
    fields.get("id").filter(|value| !matches!(value.kind, Kind::Null))
}

/// A create request, spelling resolved.
#[derive(Default)]
pub struct CreateInvoice {
    /// What it says, for the domain to understand.
    pub draft: Draft,
    /// What is wrong with the spelling.
    pub faults: Vec<Item>,
}

/// Reads a body. Every fault of spelling is noted; the draft holds what could be read.
pub fn read(body: Object<'_>) -> CreateInvoice {
    let mut reader = Reader::default();
    let (mut fields, enveloped) = open_envelope(body, &mut reader.faults);
    let mut top = |name: &'static str| Spelling::take(&mut fields, name, name.to_owned());

    let (invoice_id, external_id) = (top("invoice_id"), top("external_id"));
    let (currency, amount, total) = (top("currency"), top("amount"), top("total"));
    let (customer, payer, payer_phone) = (top("customer"), top("payer"), top("payer_phone"));
    let texts = [top("request_datetime"), top("due_datetime"), top("expiration_datetime")];
    let (url_success, url_error) = (top("url_success"), top("url_error"));
    let (sub_merchant, metadata, size_qr) = (top("sub_merchant"), top("metadata"), top("size_qr"));
    // A null id is an absent one; any other leads to an update, which never comes here.
    fields.remove("id");
    reader.refuse_unknown("", fields, FIELDS);

    let mut total = reader.object(total, "total").unwrap_or_default();
    let total_currency = Spelling::take(&mut total, "currency", "total.currency".to_owned());
    let total_value = Spelling::take(&mut total, "value", "total.value".to_owned());
    reader.refuse_unknown("total.", total, TOTAL_FIELDS);

    let customer = reader.one_of(customer, payer, same_json);
    let customer = reader.customer(customer, payer_phone);
    let [request_datetime, due_datetime, expiration_datetime] = texts.map(|field| reader.text(field));
    let invoice_id = reader.one_of(invoice_id, external_id, same_json);
    let currency = reader.one_of(currency, total_currency, same_ignoring_case);
    let amount = reader.one_of(amount, total_value, same_amount);
    let draft = Draft {
        reference: reader.text(invoice_id),
        currency: reader.text(currency),
        amount: reader.number_or_text(amount),
        request_datetime,
        due_datetime,
        expiration_datetime,
        customer,
        sub_merchant: reader.verbatim(sub_merchant, SUB_MERCHANT_BYTES),
        url_success: reader.text(url_success),
        url_error: reader.text(url_error),
        metadata: reader.verbatim(metadata, METADATA_BYTES),
        size_qr: reader.number_or_text(size_qr),
        enveloped,
        asked: None,
    };
    CreateInvoice { draft, faults: reader.faults }
}

/// `{"invoice": {…}}`, and nothing beside it, is the seed's envelope.
fn open_envelope<'b>(mut body: Object<'b>, faults: &mut Vec<Item>) -> (Object<'b>, bool) {
    match body.remove("invoice") {
        None | Some(Value { kind: Kind::Null, .. }) => (body, false),
        Some(Value { kind: Kind::Object(inner), .. }) => {
            let mut reader = Reader::default();
            reader.refuse_unknown("", body, &[]);
            faults.append(&mut reader.faults);
            (inner, true)
        }
        Some(_) => {
            faults.push(Item::at("invoice", Code::NotAnObject));
            (body, true)
        }
    }
}

/// A field as one of its spellings: null counts as absent.
struct Spelling<'b> {
    param: String,
    value: Option<Value<'b>>,
}

impl<'b> Spelling<'b> {
    fn take(fields: &mut Object<'b>, name: &str, param: String) -> Spelling<'b> {
        let value = fields.remove(name).filter(|value| !matches!(value.kind, Kind::Null));
        Spelling { param, value }
    }
}

#[derive(Default)]
struct Reader {
    faults: Vec<Item>,
}

impl Reader {
    fn refuse_unknown(&mut self, path: &str, rest: Object<'_>, known: &'static [&'static str]) {
        for (name, _) in rest {
            let nearest = nearest(&name, known);
            self.faults.push(Item::at(format!("{path}{name}"), Code::UnknownField { nearest }));
        }
    }

    /// Two spellings of one field must not disagree.
    fn one_of<'b>(
        &mut self,
        name: Spelling<'b>,
        alias: Spelling<'b>,
        same: fn(&Value<'_>, &Value<'_>) -> bool,
    ) -> Spelling<'b> {
        match (&name.value, &alias.value) {
            (Some(one), Some(other)) if !same(one, other) => {
                self.faults
                    .push(Item::at(&alias.param, Code::ConflictingFields { other: name.param.clone() }));
                name
            }
            (None, Some(_)) => alias,
            (Some(_) | None, _) => name,
        }
    }

    fn text(&mut self, field: Spelling<'_>) -> Field<String> {
        self.given(field, |value| match &value.kind {
            Kind::Text(text) => Some(text.clone().into_owned()),
            _ => None,
        })
    }

    fn number_or_text(&mut self, field: Spelling<'_>) -> Field<String> {
        self.given(field, number_or_text)
    }

    fn given(&mut self, field: Spelling<'_>, read: fn(&Value<'_>) -> Option<String>) -> Field<String> {
        let Spelling { param, value } = field;
        let Some(value) = value else { return Field::Absent };
        match read(&value) {
            Some(value) => Field::Given { param, value },
            None => {
                self.faults.push(Item::at(param, Code::Wrong(domain::field::Wrong::Type)));
                Field::Faulty
            }
        }
    }

    fn object<'b>(&mut self, field: Spelling<'b>, name: &str) -> Option<Object<'b>> {
        match field.value?.kind {
            Kind::Object(fields) => Some(fields),
            _ => {
                self.faults.push(Item::at(name, Code::NotAnObject));
                None
            }
        }
    }

    fn verbatim(&mut self, field: Spelling<'_>, max_bytes: usize) -> Field<domain::metadata::Verbatim> {
        let Spelling { param, value } = field;
        let Some(value) = value else { return Field::Absent };
        match verbatim::take(&value, max_bytes) {
            Ok(value) => Field::Given { param, value },
            Err(code) => {
                self.faults.push(Item::at(param, code));
                Field::Faulty
            }
        }
    }

    /// The customer, and the seed's `payer_phone`, which is his phone.
    fn customer(&mut self, field: Spelling<'_>, payer_phone: Spelling<'_>) -> Field<CustomerDraft> {
        let param = field.param.clone();
        let was_given = field.value.is_some();
        let Some(mut fields) = self
            .object(field, &param)
            .or_else(|| (payer_phone.value.is_some() && !was_given).then(Object::default))
        else {
            return if was_given { Field::Faulty } else { Field::Absent };
        };
        let mut inner = |name: &str| Spelling::take(&mut fields, name, format!("{param}.{name}"));
        let (name, email, phone) = (inner("name"), inner("email"), inner("phone"));
        let (document_type, document_id) = (inner("document_type"), inner("document_id"));
        let external_id = inner("external_id");
        self.refuse_unknown(&format!("{param}."), fields, CUSTOMER_FIELDS);
        let phone = self.one_of(phone, payer_phone, same_json);
        let value = CustomerDraft {
            name: self.text(name),
            email: self.text(email),
            phone: self.text(phone),
            document_type: self.text(document_type),
            document_id: self.text(document_id),
            external_id: self.text(external_id),
        };
        Field::Given { param, value }
    }
}

fn number_or_text(value: &Value<'_>) -> Option<String> {
    match &value.kind {
        Kind::Text(text) => Some(text.clone().into_owned()),
        Kind::Number => Some(value.raw.to_owned()),
        Kind::Null | Kind::Bool(_) | Kind::List(_) | Kind::Object(_) => None,
    }
}

fn same_json(one: &Value<'_>, other: &Value<'_>) -> bool {
    canonical(one, &[]) == canonical(other, &[])
}

fn same_ignoring_case(one: &Value<'_>, other: &Value<'_>) -> bool {
    one.raw.eq_ignore_ascii_case(other.raw)
}

fn same_amount(one: &Value<'_>, other: &Value<'_>) -> bool {
    let amount = |value| number_or_text(value).and_then(|text| Amount::parse(&text).ok());
    match (amount(one), amount(other)) {
        (Some(one), Some(other)) => one == other,
        (_, _) => same_json(one, other),
    }
}

/// The known name that a caller probably meant.
pub(crate) fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name = name.to_lowercase();
    let length = name.chars().count();
    // More than two slips, or a third of the name, is another name; lengths alone tell most of them apart.
    let close = known.iter().filter(|known| known.len().abs_diff(length) <= 2);
    let distances = close.map(|known| (strsim::damerau_levenshtein(&name, known), *known));
    distances.filter(|(slips, known)| *slips <= 2.min(known.len() / 3)).min().map(|(_, known)| known)
}
