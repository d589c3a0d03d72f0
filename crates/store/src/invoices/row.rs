//! An invoice's row: what the columns hold, read as directly as it can be, for a page has twenty of them.

use domain::account::Owner;
use domain::customer::Customer;
use domain::id::{InvoiceId, PaymentId};
use domain::invoice::table::State;
use domain::invoice::{Invoice, Order, Status, Terms, Token};
use domain::ktin::Ktin;
use domain::late_fee::LateFee;
use domain::metadata::Verbatim;
use domain::money::{Amount, Currency};
use domain::reference::Reference;
use domain::time::Moment;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgTypeInfo, PgValueRef};
use sqlx::types::Json;
use sqlx::{Postgres, Row as _};

use super::Known;
use crate::Error;

/// A row, read from left to right.
struct Places<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Places<'r> {
    fn read<T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>>(&mut self) -> Result<T, sqlx::Error> {
        let place = self.next;
        self.next += 1;
        self.row.try_get(place)
    }
}

/// A `timestamptz`, as the second that it lies in: sent as microseconds since 2000 (PostgreSQL, `timestamptz_send`), which
/// need no calendar.
pub(crate) struct Second(Moment);

impl sqlx::Type<Postgres> for Second {
    fn type_info() -> PgTypeInfo {
        <chrono::DateTime<chrono::Utc> as sqlx::Type<Postgres>>::type_info()
    }
}

impl<'r> sqlx::Decode<'r, Postgres> for Second {
    fn decode(value: PgValueRef<'r>) -> Result<Second, BoxDynError> {
        const YEAR_2000: i64 = 946_684_800;
        let micros = <i64 as sqlx::Decode<Postgres>>::decode(value)?;
        Ok(Second(Moment::from_unix(micros.div_euclid(1_000_000) + YEAR_2000)))
    }
}

/// The rule of a late fee. Most are none, which is seen without reading any JSON.
pub(crate) struct Rule(LateFee);

impl sqlx::Type<Postgres> for Rule {
    fn type_info() -> PgTypeInfo {
        <Json<LateFee> as sqlx::Type<Postgres>>::type_info()
    }
}

impl<'r> sqlx::Decode<'r, Postgres> for Rule {
    fn decode(value: PgValueRef<'r>) -> Result<Rule, BoxDynError> {
        if value.as_bytes()?.ends_with(br#"{"kind": "none"}"#) {
            return Ok(Rule(LateFee::None));
        }
        <Json<LateFee> as sqlx::Decode<Postgres>>::decode(value).map(|Json(rule)| Rule(rule))
    }
}

/// An invoice's columns, in the order of [`list::COLUMNS`].
pub(crate) struct Row {
    pub(super) id: uuid::Uuid,
    pub(super) created: Second,
    pub(super) invoice_id: String,
    pub(super) request_datetime: Option<Second>,
    pub(super) customer: Option<Json<Customer>>,
    pub(super) sub_merchant: Option<String>,
    pub(super) url_success: Option<String>,
    pub(super) url_error: Option<String>,
    pub(super) metadata: Option<String>,
    pub(super) size_qr: i16,
    pub(super) ktin: i64,
    pub(super) token: String,
    pub(super) late_fee_rule: Rule,
    pub(super) content: Vec<u8>,
    pub(super) currency: String,
    pub(super) sub_total: i64,
    pub(super) due: Option<Second>,
    pub(super) expires: Second,
    pub(super) status: String,
    pub(super) version: i32,
    pub(super) paid_at: Option<Second>,
    pub(super) payment_id: Option<uuid::Uuid>,
    pub(super) late_fee: Option<i64>,
    pub(super) at: Second,
}

impl Row {
    /// Its columns stand in `row` from that place on. By place, because each name would be looked up in each row.
    pub(crate) fn from_place(row: &PgRow, first: usize) -> Result<Row, sqlx::Error> {
        let mut next = Places { row, next: first };
        // The fields are read in this order.
        Ok(Row {
            id: next.read()?,
            created: next.read()?,
            invoice_id: next.read()?,
            request_datetime: next.read()?,
            customer: next.read()?,
            sub_merchant: next.read()?,
            url_success: next.read()?,
            url_error: next.read()?,
            metadata: next.read()?,
            size_qr: next.read()?,
            ktin: next.read()?,
            token: next.read()?,
            late_fee_rule: next.read()?,
            content: next.read()?,
            currency: next.read()?,
            sub_total: next.read()?,
            due: next.read()?,
            expires: next.read()?,
            status: next.read()?,
            version: next.read()?,
            paid_at: next.read()?,
            payment_id: next.read()?,
            late_fee: next.read()?,
            at: next.read()?,
        })
    }

    pub(super) fn known(self, owner: Owner) -> Result<Known, Error> {
        let Second(at) = self.at;
        let id = self.id;
        let invoice = self.invoice(owner).ok_or(Error::Corrupt { table: "invoices", id })?;
        Ok(Known { invoice, at })
    }

    /// The invoice, unless the domain refuses it.
    pub(crate) fn invoice(self, owner: Owner) -> Option<Invoice> {
        let verbatim = |text: String| Verbatim { text, canonical: String::new() };
        let status = match State::parse(&self.status)? {
            State::Pending => Status::Pending,
            State::Expired => Status::Expired,
            State::Voided => Status::Voided,
            State::Paid => Status::Paid {
                paid_at: self.paid_at?.0,
                payment: PaymentId::from_uuid(self.payment_id?),
                late_fee: Amount::from_centimos(self.late_fee?)?,
            },
        };
        Some(Invoice {
            id: InvoiceId::from_uuid(self.id),
            owner,
            created: self.created.0,
            order: Order {
                reference: Reference::parse(self.invoice_id).ok()?,
                request_datetime: self.request_datetime.map(|Second(at)| at),
                customer: self.customer.map(|Json(customer)| customer),
                sub_merchant: self.sub_merchant.map(verbatim),
                url_success: self.url_success,
                url_error: self.url_error,
                metadata: self.metadata.map(verbatim),
                size_qr: u16::try_from(self.size_qr).ok()?,
                ktin: Ktin::from_number(self.ktin),
                token: Token::from_stored(self.token),
                late_fee: self.late_fee_rule.0,
                content: self.content.try_into().ok()?,
            },
            terms: Terms {
                currency: Currency::parse(&self.currency).ok()?,
                sub_total: Amount::from_centimos(self.sub_total)?,
                due: self.due.map(|Second(at)| at),
                expires: self.expires.0,
            },
            status,
            version: u32::try_from(self.version).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use postgres_dev::testing::database;
    use sqlx::{Connection, PgConnection};

    use super::*;

    #[tokio::test]
    async fn a_moment_is_the_second_that_it_lies_in() {
        let database = database("none", async |_| Ok(())).await.unwrap();
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let moments = [
            ("2026-11-25T10:00:00", "2026-11-25 10:00:00.999999Z"),
            ("2000-01-01T00:00:00", "2000-01-01 00:00:00Z"),
            ("1999-12-31T23:59:59", "1999-12-31 23:59:59.5Z"),
            ("1969-12-31T23:59:58", "1969-12-31 23:59:58.000001Z"),
            ("0001-01-01T00:00:00", "0001-01-01 00:00:00Z"),
            ("9999-12-31T23:59:59", "9999-12-31 23:59:59Z"),
        ];
        for (second, text) in moments {
            let Second(read) = sqlx::query_scalar("select $1::text::timestamptz")
                .bind(text)
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!(read, Moment::parse(second).unwrap(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_rule_is_what_its_json_says() {
        let database = database("none", async |_| Ok(())).await.unwrap();
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let pen = Amount::from_centimos(150).unwrap();
        let rules = [
            LateFee::None,
            LateFee::Fixed { pen, usd: Amount::ZERO },
            LateFee::PercentPerDay { percent_e4: 500 },
        ];
        for rule in rules {
            let Rule(read) = sqlx::query_scalar("select $1::jsonb")
                .bind(Json(&rule))
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!(read, rule);
        }
    }
}
