//! What was said, and what it was answered: rows that are only ever added, but for whether they still hold their key.

use domain::collection::{Operation, ResultCode, ReversalKind, Said, Verb};
use domain::money::{Amount, Currency};
use domain::time::Moment;
use uuid::Uuid;

use super::{Call, Verdict};
use crate::{Error, Tx};

/// A judged message about the same invoice that this one may belong to.
pub(super) struct Earlier {
    pub(super) id: Uuid,
    pub(super) verb: String,
    pub(super) code: String,
    pub(super) body: Vec<u8>,
    pub(super) operation_number: Option<String>,
    pub(super) original_number: Option<String>,
    pub(super) operated_at: Option<chrono::DateTime<chrono::Utc>>,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) cash_taken: Option<bool>,
    pub(super) payment: Option<Uuid>,
    pub(super) quote: Option<Uuid>,
}

impl Earlier {
    pub(super) fn is(&self, verb: Verb, number: &str, operation: &Operation) -> bool {
        let at = self.operated_at.map(Moment::truncated);
        self.verb == verb.as_str()
            && self.operation_number.as_deref() == Some(number)
            && at.is_some_and(|at| operation.is_same_as_of(at))
    }

    /// A reversal that came before its payment.
    pub(super) fn is_tombstone_of(&self, operation: &Operation) -> bool {
        let at = self.operated_at.map(Moment::truncated);
        self.code == ResultCode::ReversalRecorded.as_str()
            && self.original_number.as_deref() == Some(&operation.number)
            && at.is_some_and(|at| operation.is_same_as_of(at))
    }

    pub(super) fn is_of_the_same_day(&self, operation: &Operation) -> bool {
        self.operated_at.is_some_and(|at| Moment::truncated(at).lima_day() == operation.day())
    }

    pub(super) fn says_the_same_money(&self, said: &Said) -> bool {
        self.amount == said.amount.map(Amount::centimos)
            && self.currency.as_deref() == said.currency.map(Currency::as_str)
    }

    /// What it was answered.
    pub(super) fn result(&self) -> Result<ResultCode, Error> {
        ResultCode::parse(&self.code).ok_or(Error::Corrupt { table: "collections", id: self.id })
    }
}

impl Tx {
    /// The judged messages about an invoice that have this number, or are about the operation that has.
    pub(super) async fn earlier(
        &mut self,
        operation: &Operation,
        number: &str,
    ) -> Result<Vec<Earlier>, Error> {
        let rows = sqlx::query_as!(
            Earlier,
            r#"
            select id, verb, code, body, operation_number, original_number, operated_at, amount, currency, cash_taken,
                   payment, quote
            from collections
            where ktin = $1 and channel = $2 and agreement = $3 and is_judged
              and (operation_number = $4 or original_number = $4)
            order by id
            "#,
            operation.ktin.number(),
            operation.channel,
            operation.agreement,
            number,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(rows)
    }

    /// The message is answered anew: what it was answered before stays written, and holds its key no more.
    pub(super) async fn forget(&mut self, id: Uuid) -> Result<(), Error> {
        sqlx::query!("update collections set is_judged = false where id = $1", id)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    pub(super) async fn record(
        &mut self,
        id: Uuid,
        call: &Call,
        verdict: &Verdict,
        body: &[u8],
    ) -> Result<(), Error> {
        let (said, outcome) = (&call.said, &verdict.outcome);
        let invoice = outcome.about.as_ref().map(|(known, _)| &known.invoice);
        sqlx::query!(
            r#"
            insert into collections (
                id, livemode, verb, channel, received_at, code, body, is_judged, fault, agreement, ktin, day,
                operation_number, operated_at, amount, currency, payment_form, cash_taken, kind, original_number,
                trace_id, number, account_id, invoice, payment, quote)
            values ($1, $2, $3, $4, now(), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                    $21, $22, $23, $24, $25)
            "#,
            id,
            call.mode.is_live(),
            call.verb.as_str(),
            call.channel,
            outcome.code.as_str(),
            body,
            verdict.is_judged,
            verdict.alert.or(outcome.fault.as_deref()),
            said.agreement,
            said.ktin.map(|ktin| ktin.number()),
            said.at.map(|at| at.lima_day().date()),
            said.number,
            said.at.map(|at| at.to_utc()),
            said.amount.map(Amount::centimos),
            said.currency.map(Currency::as_str),
            said.payment_form,
            (call.verb == Verb::Pay).then_some(said.cash_taken),
            said.kind.map(ReversalKind::as_str),
            said.original_number,
            said.trace_id,
            outcome.number,
            invoice.map(|invoice| invoice.owner.account.uuid()),
            invoice.map(|invoice| invoice.id.uuid()),
            outcome.payment.as_ref().map(|payment| payment.id.uuid()),
            outcome.quote.map(|quote| quote.id.uuid()),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    pub(super) async fn next_number(&mut self) -> Result<i64, Error> {
        let number = sqlx::query_scalar!(r#"select nextval('collection_numbers') as "number!""#)
            .fetch_one(self.connection())
            .await?;
        Ok(number)
    }
}
