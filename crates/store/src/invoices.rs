//! Finding invoices. The owner comes first: there is no finder without one. Absent is `None`.

use domain::account::{Mode, Owner};
use domain::customer::Customer;
use domain::id::{AccountId, InvoiceId, PaymentId};
use domain::invoice::filter::{Filter, Page};
use domain::invoice::table::State;
use domain::invoice::{Invoice, Order, Status, Terms, Token};
use domain::ktin::Ktin;
use domain::late_fee::LateFee;
use domain::metadata::Verbatim;
use domain::money::{Amount, Currency};
use domain::reference::Reference;
use domain::time::Moment;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder, Row as _};

use crate::{Error, Store, Tx};

mod list;

pub(crate) use list::push_id_span;

/// The invoices of one owner.
pub struct Invoices<'t> {
    tx: &'t mut Tx,
    owner: Owner,
}

/// An invoice, and the database's `now()` when it was so: it decides what is late or expired.
pub struct Known {
    /// The invoice as stored.
    pub invoice: Invoice,
    /// The database's time.
    pub at: Moment,
}

impl Tx {
    /// The invoices of `owner`.
    pub fn invoices(&mut self, owner: Owner) -> Invoices<'_> {
        Invoices { tx: self, owner }
    }
}

/// Look-ups that lead to one owner: whoever has such a number or token may know what it is for.
impl Tx {
    /// Whose invoice a ktin pays, and which.
    pub async fn owner_of_ktin(&mut self, ktin: Ktin) -> Result<Option<(Owner, InvoiceId)>, Error> {
        let row =
            sqlx::query!("select account_id, livemode, id from invoices where ktin = $1", ktin.number())
                .fetch_optional(self.connection())
                .await?;
        Ok(row.map(|row| owned(row.account_id, row.livemode, row.id)))
    }

    /// Whose invoice the payment page of a token is about, and which.
    pub async fn owner_of_token(&mut self, token: &Token) -> Result<Option<(Owner, InvoiceId)>, Error> {
        let row =
            sqlx::query!("select account_id, livemode, id from invoices where token = $1", token.as_str())
                .fetch_optional(self.connection())
                .await?;
        Ok(row.map(|row| owned(row.account_id, row.livemode, row.id)))
    }
}

impl Tx {
    /// Invoices by their ids and owners, in no order: for duties, which know no owner.
    pub(crate) async fn invoices_of(&mut self, ids: &[(Owner, InvoiceId)]) -> Result<Vec<Known>, Error> {
        let mut sql = QueryBuilder::new("select account_id, livemode, ");
        sql.push(list::COLUMNS)
            .push(" from invoices where (account_id, livemode, id) in (select * from unnest(");
        sql.push_bind(ids.iter().map(|(owner, _)| owner.account.uuid()).collect::<Vec<_>>()).push(", ");
        sql.push_bind(ids.iter().map(|(owner, _)| owner.mode.is_live()).collect::<Vec<_>>()).push(", ");
        sql.push_bind(ids.iter().map(|(_, id)| id.uuid()).collect::<Vec<_>>()).push("))");
        let rows: Vec<PgRow> = sql.build().fetch_all(self.connection()).await?;
        let known = |row: &PgRow| {
            let (owner, _) = owned(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Row::from_place(row, 2)?.known(owner)
        };
        rows.iter().map(known).collect()
    }
}

pub(crate) fn owned(account: uuid::Uuid, livemode: bool, id: uuid::Uuid) -> (Owner, InvoiceId) {
    let owner = Owner { account: AccountId::from_uuid(account), mode: Mode::from_livemode(livemode) };
    (owner, InvoiceId::from_uuid(id))
}

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

type Timestamp = chrono::DateTime<chrono::Utc>;

/// An invoice's columns, in the order of [`list::COLUMNS`].
pub(crate) struct Row {
    id: uuid::Uuid,
    created: Timestamp,
    invoice_id: String,
    request_datetime: Option<Timestamp>,
    customer: Option<Json<Customer>>,
    sub_merchant: Option<String>,
    url_success: Option<String>,
    url_error: Option<String>,
    metadata: Option<String>,
    size_qr: i16,
    ktin: i64,
    token: String,
    late_fee_rule: Json<LateFee>,
    content: Vec<u8>,
    currency: String,
    sub_total: i64,
    due: Option<Timestamp>,
    expires: Timestamp,
    status: String,
    version: i32,
    paid_at: Option<Timestamp>,
    payment_id: Option<uuid::Uuid>,
    late_fee: Option<i64>,
    at: Timestamp,
}

/// The columns of [`Row`], then the rest of the statement.
macro_rules! select_invoice {
    ($rest:literal, $($bind:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select id, created, invoice_id, request_datetime, customer as "customer: Json<Customer>",
                   sub_merchant::text as sub_merchant, url_success, url_error, metadata::text as metadata, size_qr,
                   ktin, token, late_fee_rule as "late_fee_rule: Json<LateFee>", content,
                   currency, sub_total, due, expires, status, version, paid_at, payment_id, late_fee,
                   now() as "at!"
            from invoices
            "# + $rest,
            $($bind),*
        )
    };
}

impl Invoices<'_> {
    /// The invoice, as it is now.
    pub async fn get(self, id: InvoiceId) -> Result<Option<Known>, Error> {
        let row = select_invoice!(
            "where account_id = $1 and livemode = $2 and id = $3",
            self.owner.account.uuid(),
            self.owner.mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.tx.connection())
        .await?;
        row.map(|row| row.known(self.owner)).transpose()
    }

    /// The invoice, locked until the transaction ends.
    pub async fn lock(self, id: InvoiceId) -> Result<Option<Known>, Error> {
        let row = select_invoice!(
            "where account_id = $1 and livemode = $2 and id = $3 for update",
            self.owner.account.uuid(),
            self.owner.mode.is_live(),
            id.uuid(),
        )
        .fetch_optional(self.tx.connection())
        .await?;
        row.map(|row| row.known(self.owner)).transpose()
    }

    /// The pending or paid invoice of a reference, locked. There is at most one.
    pub async fn lock_open(self, reference: &Reference) -> Result<Option<Known>, Error> {
        let row = select_invoice!(
            "where account_id = $1 and livemode = $2 and invoice_id = $3 and status in ('pending', 'paid') for update",
            self.owner.account.uuid(),
            self.owner.mode.is_live(),
            reference.as_str(),
        )
        .fetch_optional(self.tx.connection())
        .await?;
        row.map(|row| row.known(self.owner)).transpose()
    }

    /// The pending or paid invoice of a reference.
    pub async fn open_id(self, reference: &Reference) -> Result<Option<InvoiceId>, Error> {
        let id = sqlx::query_scalar!(
            r#"
            select id from invoices
            where account_id = $1 and livemode = $2 and invoice_id = $3 and status in ('pending', 'paid')
            "#,
            self.owner.account.uuid(),
            self.owner.mode.is_live(),
            reference.as_str(),
        )
        .fetch_optional(self.tx.connection())
        .await?;
        Ok(id.map(InvoiceId::from_uuid))
    }

    /// Whether its reference was issued again after `invoice`.
    pub async fn was_issued_again(self, invoice: &Invoice) -> Result<bool, Error> {
        let again = sqlx::query_scalar!(
            r#"
            select exists (
                select from invoices
                where account_id = $1 and livemode = $2 and invoice_id = $3 and id > $4) as "again!"
            "#,
            self.owner.account.uuid(),
            self.owner.mode.is_live(),
            invoice.order.reference.as_str(),
            invoice.id.uuid(),
        )
        .fetch_one(self.tx.connection())
        .await?;
        Ok(again)
    }

    /// The newest invoice that came from the very same request: same reference, content and merchant's clock.
    pub async fn twin_of(self, order: &Order) -> Result<Option<Known>, Error> {
        let Some(request_datetime) = order.request_datetime else {
            return Ok(None);
        };
        let row = select_invoice!(
            "where account_id = $1 and livemode = $2 and invoice_id = $3 and request_datetime = $4 and content = $5
             order by id desc limit 1",
            self.owner.account.uuid(),
            self.owner.mode.is_live(),
            order.reference.as_str(),
            request_datetime.to_utc(),
            &order.content,
        )
        .fetch_optional(self.tx.connection())
        .await?;
        row.map(|row| row.known(self.owner)).transpose()
    }
}

/// A page of a list.
pub struct Listed {
    /// Its invoices, newest first.
    pub invoices: Vec<Invoice>,
    /// Whether the list goes on in the direction that was asked for.
    pub has_more: bool,
    /// The database's time.
    pub at: Moment,
}

impl Store {
    /// [`Invoices::list`]. A page of ids can not take long, and is read without more ado; what searches has the time limit
    /// that a transaction sets.
    ///
    /// # Errors
    /// What the store met.
    pub async fn list_invoices(
        &self,
        owner: Owner,
        filter: Filter,
        page: Page,
    ) -> Result<Result<Listed, InvoiceId>, Error> {
        let is_walk = filter.is_walk();
        let list = bound(move |tx| {
            let filter = filter.clone();
            async move { tx.invoices(owner).list(&filter, page).await }.boxed()
        });
        let name = "list_invoices";
        if is_walk { self.read(name, list).await } else { self.transaction(name, list).await }
    }
}

/// Tells the compiler for how long the work may use its connection.
const fn bound<T, F>(work: F) -> F
where
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>>,
{
    work
}

impl Invoices<'_> {
    /// A page of the invoices that a filter lets through, or the cursor that is no invoice of this owner.
    pub async fn list(self, filter: &Filter, page: Page) -> Result<Result<Listed, InvoiceId>, Error> {
        for cursor in [page.after, page.before].into_iter().flatten() {
            let known = sqlx::query_scalar!(
                r#"
                select exists (
                    select from invoices where account_id = $1 and livemode = $2 and id = $3) as "known!"
                "#,
                self.owner.account.uuid(),
                self.owner.mode.is_live(),
                cursor.uuid(),
            )
            .fetch_one(self.tx.connection())
            .await?;
            if !known {
                return Ok(Err(cursor));
            }
        }
        let mut statement = list::statement("", self.owner, filter, page);
        let rows: Vec<PgRow> = statement.build().fetch_all(self.tx.connection()).await?;
        let has_more = rows.len() > usize::from(page.limit);
        let mut at = self.tx.store().clock().now();
        let mut invoices = Vec::with_capacity(rows.len());
        for row in rows.iter().take(page.limit.into()) {
            let known = Row::from_place(row, 0)?.known(self.owner)?;
            at = known.at;
            invoices.push(known.invoice);
        }
        if list::is_upwards(page) {
            invoices.reverse();
        }
        Ok(Ok(Listed { invoices, has_more, at }))
    }

    /// What the database does for a list, step by step: for the tests that hold it to its indexes.
    pub async fn explain_list(self, filter: &Filter, page: Page) -> Result<String, Error> {
        let mut statement = list::statement(
            "explain (analyze, costs off, timing off, summary off) ",
            self.owner,
            filter,
            page,
        );
        let lines: Vec<String> = statement.build_query_scalar().fetch_all(self.tx.connection()).await?;
        Ok(lines.join("\n"))
    }
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

    fn known(self, owner: Owner) -> Result<Known, Error> {
        let at = Moment::truncated(self.at);
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
                paid_at: Moment::truncated(self.paid_at?),
                payment: PaymentId::from_uuid(self.payment_id?),
                late_fee: Amount::from_centimos(self.late_fee?)?,
            },
        };
        Some(Invoice {
            id: InvoiceId::from_uuid(self.id),
            owner,
            created: Moment::truncated(self.created),
            order: Order {
                reference: Reference::parse(self.invoice_id).ok()?,
                request_datetime: self.request_datetime.map(Moment::truncated),
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
                due: self.due.map(Moment::truncated),
                expires: Moment::truncated(self.expires),
            },
            status,
            version: u32::try_from(self.version).ok()?,
        })
    }
}
