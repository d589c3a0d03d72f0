//! `PATCH /invoices/{id}`, in. Merchants send back what they read: a field that can not be changed is ignored
//! when it is equal to what stands there, and refused when it is not.

use domain::field::{Faults, Wrong};
use domain::invoice::Amendment;
use domain::money::{Amount, Currency};
use domain::time::Moment;

use crate::create::{CUSTOMER_FIELDS, FIELDS, nearest};
use crate::json::{self, Kind, Object, Value, canonical};
use crate::problem::{Code, Item};

/// What the API shows of an invoice and nobody can change.
const READ_ONLY: &[&str] = &[
    "id",
    "object",
    "livemode",
    "created",
    "status",
    "version",
    "sub_total",
    "late_fee",
    "fees",
    "ktin",
    "token",
    "qr_code",
    "url_qr",
    "url_payment",
    "paid_at",
    "payment",
];

/// An update, spelling resolved.
#[derive(Default)]
pub struct UpdateInvoice {
    /// What is to change.
    pub amendment: Amendment,
    /// What must be equal to what stands there: path, and its meaning.
    echoes: Vec<(String, String)>,
}

/// Reads a body.
///
/// # Errors
/// Every fault at once.
pub fn read(body: Object<'_>) -> Result<UpdateInvoice, Vec<Item>> {
    let mut reader = Reader::default();
    let mut envelope = body;
    let fields = match envelope.remove("invoice") {
        None | Some(Value { kind: Kind::Null, .. }) => envelope,
        Some(Value { kind: Kind::Object(inner), .. }) => {
            for (name, _) in envelope {
                reader.items.push(Item::at(name, Code::UnknownField { nearest: None }));
            }
            inner
        }
        Some(_) => return Err(vec![Item::at("invoice", Code::NotAnObject)]),
    };
    for (name, value) in fields {
        reader.field(&name, value);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    update: UpdateInvoice,
    faults: Faults,
    items: Vec<Item>,
}

impl Reader {
    fn field(&mut self, name: &str, value: Value<'_>) {
        match name {
            "amount" => self.amount(name, &value),
            "currency" => self.currency(name, &value),
            "due_datetime" if matches!(value.kind, Kind::Null) => self.update.amendment.due = Some(None),
            "due_datetime" => {
                self.update.amendment.due = self.moment(name, &value).map(Some).or(self.update.amendment.due);
            }
            "expiration_datetime" => {
                self.update.amendment.expires = self.moment(name, &value);
            }
            "total" => self.total(value),
            "customer" | "payer" => self.customer(value),
            _ if FIELDS.contains(&name) || READ_ONLY.contains(&name) => self.echo(name.to_owned(), &value),
            _ => {
                let nearest = nearest(name, FIELDS).or_else(|| nearest(name, READ_ONLY));
                self.items.push(Item::at(name, Code::UnknownField { nearest }));
            }
        }
    }

    fn total(&mut self, value: Value<'_>) {
        match value.kind {
            Kind::Null => {}
            Kind::Object(fields) => {
                for (name, value) in fields {
                    match name.as_ref() {
                        "value" => self.amount("total.value", &value),
                        "currency" => self.currency("total.currency", &value),
                        other => {
                            let unknown =
                                Code::UnknownField { nearest: nearest(other, &["value", "currency"]) };
                            self.items.push(Item::at(format!("total.{other}"), unknown));
                        }
                    }
                }
            }
            _ => self.items.push(Item::at("total", Code::NotAnObject)),
        }
    }

    fn customer(&mut self, value: Value<'_>) {
        match value.kind {
            Kind::Null => {}
            Kind::Object(fields) => {
                for (name, value) in fields {
                    let path = format!("customer.{name}");
                    if CUSTOMER_FIELDS.contains(&name.as_ref()) {
                        self.echo(path, &value);
                    } else {
                        let unknown = Code::UnknownField { nearest: nearest(&name, CUSTOMER_FIELDS) };
                        self.items.push(Item::at(path, unknown));
                    }
                }
            }
            _ => self.items.push(Item::at("customer", Code::NotAnObject)),
        }
    }

    fn amount(&mut self, param: &str, value: &Value<'_>) {
        let Some(text) = self.scalar(param, value, true) else { return };
        let amount = self.faults.keep(param, Amount::parse(&text));
        let before = self.update.amendment.amount;
        self.update.amendment.amount = self.agree(param, before, amount);
    }

    fn currency(&mut self, param: &str, value: &Value<'_>) {
        let Some(text) = self.scalar(param, value, false) else { return };
        let currency = self.faults.keep(param, Currency::parse(&text));
        let before = self.update.amendment.currency;
        self.update.amendment.currency = self.agree(param, before, currency);
    }

    fn moment(&mut self, param: &str, value: &Value<'_>) -> Option<Moment> {
        let text = self.scalar(param, value, false)?;
        self.faults.keep(param, Moment::parse(&text))
    }

    /// Two spellings of one field must not disagree.
    fn agree<T: PartialEq>(&mut self, param: &str, before: Option<T>, now: Option<T>) -> Option<T> {
        if let (Some(before), Some(now)) = (&before, &now)
            && before != now
        {
            let other = if param.contains('.') { param.rsplit('.').next() } else { Some("total") };
            let other = other.unwrap_or_default().replace("value", "amount");
            self.items.push(Item::at(param, Code::ConflictingFields { other }));
        }
        now.or(before)
    }

    fn scalar(&mut self, param: &str, value: &Value<'_>, number: bool) -> Option<String> {
        match &value.kind {
            Kind::Text(text) => Some(text.clone().into_owned()),
            Kind::Number if number => Some(value.raw.to_owned()),
            _ => {
                self.faults.add(param, Wrong::Type);
                None
            }
        }
    }

    fn echo(&mut self, path: String, value: &Value<'_>) {
        if !matches!(value.kind, Kind::Null) {
            let meaning = meaning(field_of(&path).0, value);
            self.update.echoes.push((path, meaning));
        }
    }

    fn finish(mut self) -> Result<UpdateInvoice, Vec<Item>> {
        self.items.extend(self.faults.0.into_iter().map(Item::from));
        if self.items.is_empty() { Ok(self.update) } else { Err(self.items) }
    }
}

impl UpdateInvoice {
    /// The faults of what was sent back and is not what stands there. `current` is the invoice as it would be
    /// answered now.
    pub fn differences(&self, current: &[u8]) -> Vec<Item> {
        let Ok(current) = json::parse_object(current) else {
            return vec![Item::new(Code::InternalError)];
        };
        let differs = |(path, meant): &&(String, String)| !stands(path, meant, &current);
        self.echoes.iter().filter(differs).map(|(path, _)| Item::at(path, Code::FieldNotUpdatable)).collect()
    }
}

/// The field of the answer that a path means, and the one inside it.
fn field_of(path: &str) -> (&str, Option<&str>) {
    match path {
        "external_id" => ("invoice_id", None),
        "payer_phone" => ("customer", Some("phone")),
        path => path.split_once('.').map_or((path, None), |(name, inner)| (name, Some(inner))),
    }
}

fn stands(path: &str, meant: &str, current: &Object<'_>) -> bool {
    let (name, inner) = field_of(path);
    let found = match (current.get(name), inner) {
        (Some(Value { kind: Kind::Object(fields), .. }), Some(inner)) => fields.get(inner),
        (Some(_) | None, Some(_)) => None,
        (found, None) => found,
    };
    found.is_some_and(|found| meaning(name, found) == meant)
}

/// The value, without what only spelling makes different.
fn meaning(name: &str, value: &Value<'_>) -> String {
    let text = match &value.kind {
        Kind::Text(text) => text.clone().into_owned(),
        Kind::Number => value.raw.to_owned(),
        Kind::Null | Kind::Bool(_) | Kind::List(_) | Kind::Object(_) => return canonical(value, &[]),
    };
    match name {
        "sub_total" | "late_fee" | "fees" => match Amount::parse(&text) {
            Ok(amount) => amount.to_string(),
            Err(Wrong::AmountNotPositive) if !text.starts_with('-') => Amount::ZERO.to_string(),
            Err(_) => text,
        },
        "created" | "request_datetime" | "paid_at" => {
            Moment::parse(&text).map_or(text, |moment| moment.to_string())
        }
        "status" => text.to_ascii_lowercase().replace("new", "pending"),
        "size_qr" => text.trim_end_matches("px").trim_end().to_owned(),
        _ => canonical(value, &[]),
    }
}
