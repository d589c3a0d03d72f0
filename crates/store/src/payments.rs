//! Finding payments. The owner comes first, but for support, who looks across accounts.

use domain::account::{Mode, Owner};
use domain::id::{InvoiceId, PaymentId};
use domain::invoice::filter::Span;
use domain::ktin::Ktin;
use domain::money::{Amount, Currency};
use domain::payment::{Payment, PaymentState, PaymentStatus};
use domain::reference::Reference;
use domain::time::Moment;
use sqlx::{Postgres, QueryBuilder};

use crate::invoices::owned;
use crate::{Error, Tx};

/// The payments of one owner.
pub struct Payments<'t> {
    tx: &'t mut Tx,
    owner: Owner,
}

/// A payment, and the merchant's reference of the invoice that it is for.
#[derive(Clone)]
pub struct Known {
    /// The payment.
    pub payment: Payment,
    /// The invoice's `invoice_id`.
    pub reference: Reference,
}

/// Every condition holds at once; an absent one holds always.
#[derive(Clone, Default)]
pub struct Filter {
    /// By the bank's time.
    pub paid: Span,
    /// By the time when it was told to us.
    pub received: Span,
    /// The bank or agent.
    pub channel: Option<String>,
    /// One of these states.
    pub states: Option<Vec<PaymentState>>,
    /// The bank's number.
    pub operation_number: Option<String>,
    /// The invoice that it pays or was meant for.
    pub invoice: Option<InvoiceId>,
}

/// A page of a list, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Most payments on it.
    pub limit: u16,
    /// Only older ones than this.
    pub after: Option<PaymentId>,
    /// Only newer ones than this, the nearest.
    pub before: Option<PaymentId>,
}

impl Page {
    /// It is read from its cursor upwards.
    pub const fn is_upwards(self) -> bool {
        self.before.is_some() && self.after.is_none()
    }
}

impl Tx {
    /// The payments of `owner`.
    pub fn payments(&mut self, owner: Owner) -> Payments<'_> {
        Payments { tx: self, owner }
    }

    /// Whose payment this is, for support, who knows only its id.
    pub async fn owner_of_payment(&mut self, id: PaymentId, mode: Mode) -> Result<Option<Owner>, Error> {
        // There are thousands of accounts, not millions: one look into the primary key for each of them.
        let row = sqlx::query!(
            r#"
            select found.account_id, found.livemode, found.id
            from accounts cross join lateral (
                select account_id, livemode, id from payments
                where account_id = accounts.id and livemode = $1 and id = $2) found
            "#,
            mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| owned(row.account_id, row.livemode, row.id).0))
    }
}

type Timestamp = chrono::DateTime<chrono::Utc>;

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    invoice: uuid::Uuid,
    invoice_id: String,
    ktin: i64,
    amount: i64,
    currency: String,
    channel: String,
    operation_number: String,
    paid_at: Timestamp,
    received_at: Timestamp,
    status: String,
    reason: Option<String>,
    replaced_currency: Option<String>,
    replaced_sub_total: Option<i64>,
}

impl Row {
    fn known(self, owner: Owner) -> Result<Known, Error> {
        let id = self.id;
        self.read(owner).ok_or(Error::Corrupt { table: "payments", id })
    }

    fn read(self, owner: Owner) -> Option<Known> {
        let replaced = match (self.replaced_currency, self.replaced_sub_total) {
            (Some(currency), Some(sub_total)) => {
                Some((Currency::parse(&currency).ok()?, Amount::from_centimos(sub_total)?))
            }
            _ => None,
        };
        let payment = Payment {
            id: PaymentId::from_uuid(self.id),
            owner,
            invoice: InvoiceId::from_uuid(self.invoice),
            ktin: Ktin::from_number(self.ktin),
            amount: Amount::from_centimos(self.amount)?,
            currency: Currency::parse(&self.currency).ok()?,
            channel: self.channel,
            operation_number: self.operation_number,
            paid_at: Moment::truncated(self.paid_at),
            received_at: Moment::truncated(self.received_at),
            status: PaymentStatus::from_stored(&self.status, self.reason)?,
            replaced,
        };
        Some(Known { payment, reference: Reference::parse(self.invoice_id).ok()? })
    }
}

/// The columns of [`Row`]; a payment from before it kept the payer's number was for its invoice's.
const COLUMNS: &str = "select payments.id, payments.invoice, invoices.invoice_id, \
     coalesce(payments.ktin, invoices.ktin) as ktin, payments.amount, payments.currency, payments.channel, \
     payments.operation_number, payments.paid_at, payments.received_at, payments.status, payments.reason, \
     payments.replaced_currency, payments.replaced_sub_total \
     from payments join invoices on (invoices.account_id, invoices.livemode, invoices.id) \
        = (payments.account_id, payments.livemode, payments.invoice)";

impl Payments<'_> {
    /// The payment of an id.
    pub async fn get(self, id: PaymentId) -> Result<Option<Known>, Error> {
        let mut sql = select(self.owner);
        sql.push(" and payments.id = ").push_bind(id.uuid());
        let row: Option<Row> = sql.build_query_as().fetch_optional(self.tx.connection()).await?;
        row.map(|row| row.known(self.owner)).transpose()
    }

    /// The payment, locked until the transaction ends. Its invoice is locked before it.
    pub async fn lock(self, id: PaymentId) -> Result<Option<Known>, Error> {
        // By a statement of its own: one that joins the invoice would, after it waited for somebody who gave the payment
        // another invoice, look at the new payment beside the old invoice, and find nothing.
        sqlx::query!(
            "select id from payments where account_id = $1 and livemode = $2 and id = $3 for update",
            self.owner.account.uuid(),
            self.owner.mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.tx.connection())
        .await?;
        self.get(id).await
    }

    /// A page of the payments that a filter lets through and whether there are more, or the cursor that is no payment
    /// of this owner.
    pub async fn list(
        self,
        filter: &Filter,
        page: Page,
    ) -> Result<Result<(Vec<Known>, bool), PaymentId>, Error> {
        let (account, livemode) = (self.owner.account.uuid(), self.owner.mode.is_live());
        for cursor in [page.after, page.before].into_iter().flatten() {
            let known = sqlx::query_scalar!(
                r#"
                select exists (
                    select from payments where account_id = $1 and livemode = $2 and id = $3) as "known!"
                "#,
                account,
                livemode,
                cursor.uuid(),
            )
            .fetch_one(self.tx.connection())
            .await?;
            if !known {
                return Ok(Err(cursor));
            }
        }
        let mut sql = select(self.owner);
        push_filter(&mut sql, filter);
        if let Some(after) = page.after {
            sql.push(" and payments.id < ").push_bind(after.uuid());
        }
        if let Some(before) = page.before {
            sql.push(" and payments.id > ").push_bind(before.uuid());
        }
        let order =
            if page.is_upwards() { " order by payments.id asc" } else { " order by payments.id desc" };
        sql.push(order).push(" limit ").push_bind(i64::from(page.limit) + 1);
        let rows: Vec<Row> = sql.build_query_as().fetch_all(self.tx.connection()).await?;
        let has_more = rows.len() > usize::from(page.limit);
        let rows = rows.into_iter().take(page.limit.into());
        let mut payments = rows.map(|row| row.known(self.owner)).collect::<Result<Vec<_>, _>>()?;
        if page.is_upwards() {
            payments.reverse();
        }
        Ok(Ok((payments, has_more)))
    }

    /// All money that came for an invoice: what pays it first, then what is kept, then the rest; newest first.
    pub async fn of_invoice(self, invoice: InvoiceId) -> Result<Vec<Known>, Error> {
        let mut sql = select(self.owner);
        sql.push(" and payments.invoice = ").push_bind(invoice.uuid());
        sql.push(" order by payments.status = 'applied' desc, payments.status = 'unapplied' desc, payments.id desc");
        let rows: Vec<Row> = sql.build_query_as().fetch_all(self.tx.connection()).await?;
        rows.into_iter().map(|row| row.known(self.owner)).collect()
    }
}

fn select(owner: Owner) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(COLUMNS);
    sql.push(" where payments.account_id = ").push_bind(owner.account.uuid());
    sql.push(" and payments.livemode = ").push_bind(owner.mode.is_live());
    sql
}

fn push_filter(sql: &mut QueryBuilder<Postgres>, filter: &Filter) {
    let mut span = |column: &str, span: Span| {
        if let Some(from) = span.from {
            sql.push(" and payments.").push(column).push(" >= ").push_bind(from.to_utc());
        }
        if let Some(until) = span.until {
            sql.push(" and payments.").push(column).push(" < ").push_bind(until.to_utc());
        }
    };
    span("paid_at", filter.paid);
    span("received_at", filter.received);
    // An id is made when the money is told of: a span of that time is a span of the primary key.
    crate::invoices::push_id_span(sql, "payments.id", filter.received);
    if let Some(channel) = &filter.channel {
        sql.push(" and payments.channel = ").push_bind(channel.clone());
    }
    if let Some(states) = &filter.states {
        // Written, not bound: the planner should see that the partial index will do.
        let names: Vec<String> = states.iter().map(|state| format!("'{}'", state.as_str())).collect();
        sql.push(" and payments.status in (").push(names.join(", ")).push(")");
    }
    if let Some(number) = &filter.operation_number {
        sql.push(" and payments.operation_number = ").push_bind(number.clone());
    }
    if let Some(invoice) = filter.invoice {
        sql.push(" and payments.invoice = ").push_bind(invoice.uuid());
    }
}
