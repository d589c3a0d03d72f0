//! Quotes: what banks were promised that an invoice costs. Rows are added and never changed.

use domain::account::Owner;
use domain::collection::Operation;
use domain::id::{Id, InvoiceId, QuoteId};
use domain::money::{Amount, Currency};
use domain::quote::Quote;
use domain::time::Moment;
use uuid::Uuid;

use crate::{Error, Tx};

struct QuoteRow {
    id: Uuid,
    invoice: Uuid,
    currency: String,
    sub_total: i64,
    late_fee: i64,
    fees: i64,
    created: chrono::DateTime<chrono::Utc>,
    expires: chrono::DateTime<chrono::Utc>,
}

impl QuoteRow {
    fn quote(self, owner: Owner) -> Result<Quote, Error> {
        let corrupt = || Error::Corrupt { table: "quotes", id: self.id };
        let amount = |centimos| Amount::from_centimos(centimos).ok_or_else(corrupt);
        Ok(Quote {
            id: Id::from_uuid(self.id),
            owner,
            invoice: Id::from_uuid(self.invoice),
            sub_total: amount(self.sub_total)?,
            late_fee: amount(self.late_fee)?,
            fees: amount(self.fees)?,
            currency: Currency::parse(&self.currency).map_err(|_| corrupt())?,
            created: Moment::truncated(self.created),
            expires: Moment::truncated(self.expires),
        })
    }
}

impl Tx {
    /// Adds a promise that was made to the bank of an operation.
    pub(crate) async fn save_quote(&mut self, quote: &Quote, operation: &Operation) -> Result<(), Error> {
        sqlx::query!(
            r#"
            insert into quotes (
                account_id, livemode, id, invoice, channel, agreement, currency, sub_total, late_fee, fees, created,
                expires)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            "#,
            quote.owner.account.uuid(),
            quote.owner.mode.is_live(),
            quote.id.uuid(),
            quote.invoice.uuid(),
            operation.channel,
            operation.agreement,
            quote.currency.as_str(),
            quote.sub_total.centimos(),
            quote.late_fee.centimos(),
            quote.fees.centimos(),
            quote.created.to_utc(),
            quote.expires.to_utc(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The promise of an id.
    pub(crate) async fn quote(&mut self, owner: Owner, id: QuoteId) -> Result<Option<Quote>, Error> {
        let row = sqlx::query_as!(
            QuoteRow,
            r#"
            select id, invoice, currency, sub_total, late_fee, fees, created, expires from quotes
            where account_id = $1 and livemode = $2 and id = $3
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        row.map(|row| row.quote(owner)).transpose()
    }

    /// The promise that holds for a payment: the one that it names, else the newest that was made to the same bank for
    /// the same money.
    pub(crate) async fn quote_for(
        &mut self,
        (owner, invoice): (Owner, InvoiceId),
        operation: &Operation,
        (amount, currency): (Amount, Currency),
        named: Option<QuoteId>,
    ) -> Result<Option<Quote>, Error> {
        let rows = sqlx::query_as!(
            QuoteRow,
            r#"
            select id, invoice, currency, sub_total, late_fee, fees, created, expires from quotes
            where account_id = $1 and livemode = $2 and invoice = $3 and channel = $4 and agreement = $5
              and currency = $6 and sub_total + late_fee + fees = $7 and expires > $8
            order by (id = $9) desc nulls last, id desc
            "#,
            owner.account.uuid(),
            owner.mode.is_live(),
            invoice.uuid(),
            operation.channel,
            operation.agreement,
            currency.as_str(),
            amount.centimos(),
            operation.at.to_utc(),
            named.map(QuoteId::uuid),
        )
        .fetch_all(self.connection())
        .await?;
        for row in rows {
            let quote = row.quote(owner)?;
            if quote.holds_at(operation.at) {
                return Ok(Some(quote));
            }
        }
        Ok(None)
    }
}
