//! Finding invoices. The owner comes first: there is no finder without one. Absent is `None`.

use std::sync::Arc;

use domain::account::{Mode, Owner};
use domain::customer::Customer;
use domain::id::{AccountId, InvoiceId};
use domain::invoice::filter::{Filter, Page};
use domain::invoice::{Invoice, Order, Token};
use domain::ktin::Ktin;
use domain::reference::Reference;
use domain::time::Moment;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use crate::together::{Line, Read};
use crate::{Error, Store, Tx};

mod list;
mod row;

pub(crate) use list::{Walk, push_id_span};
pub(crate) use row::Row;
use row::{Rule, Second};

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
    /// Invoices by their owners and ids, each where it was asked for: for duties, which know no owner.
    pub(crate) async fn invoices_of(
        &mut self,
        ids: &[(Owner, InvoiceId)],
    ) -> Result<Vec<Option<Known>>, Error> {
        let rows = self.rows_of(ids).await?;
        let known = |(row, (owner, _)): (Option<PgRow>, &(Owner, InvoiceId))| {
            row.map(|row| Row::from_place(&row, 1)?.known(*owner)).transpose()
        };
        rows.into_iter().zip(ids).map(known).collect()
    }

    /// Their rows, which begin with the place.
    async fn rows_of(&mut self, ids: &[(Owner, InvoiceId)]) -> Result<Vec<Option<PgRow>>, Error> {
        let rows: Vec<PgRow> = list::by_ids(ids).build().fetch_all(self.connection()).await?;
        let mut found: Vec<Option<PgRow>> = ids.iter().map(|_| None).collect();
        for (place, row) in placed(rows)? {
            if let Some(found) = found.get_mut(place) {
                *found = Some(row);
            }
        }
        Ok(found)
    }
}

/// Rows that begin with the place (from 1 on) of who asked for them, and that place (from 0 on).
fn placed(rows: Vec<PgRow>) -> Result<Vec<(usize, PgRow)>, Error> {
    let placed = |row: PgRow| {
        let place: i64 = row.try_get(0)?;
        Ok((usize::try_from(place - 1).unwrap_or(usize::MAX), row))
    };
    rows.into_iter().map(placed).collect()
}

/// One invoice, asked for by its id.
#[derive(Clone, Copy)]
pub(crate) struct One {
    owner: Owner,
    id: InvoiceId,
}

impl Read for One {
    type Found = Option<PgRow>;

    const NAME: &'static str = "read_invoice";

    fn rows(&self) -> usize {
        1
    }

    fn goes_with(&self, _: &One) -> bool {
        true
    }

    fn line(store: &Store) -> &Line<One> {
        &store.inner.lines.invoices
    }

    fn read(tx: &mut Tx, asked: Arc<[One]>) -> BoxFuture<'_, Result<Vec<Option<PgRow>>, Error>> {
        let ids: Vec<_> = asked.iter().map(|one| (one.owner, one.id)).collect();
        async move { tx.rows_of(&ids).await }.boxed()
    }
}

impl Store {
    /// The invoice, as it is now.
    ///
    /// # Errors
    /// What the store met.
    pub async fn invoice(&self, owner: Owner, id: InvoiceId) -> Result<Option<Known>, Error> {
        let row = self.read_together(One { owner, id }).await?;
        row.map(|row| Row::from_place(&row, 1)?.known(owner)).transpose()
    }
}

pub(crate) fn owned(account: uuid::Uuid, livemode: bool, id: uuid::Uuid) -> (Owner, InvoiceId) {
    let owner = Owner { account: AccountId::from_uuid(account), mode: Mode::from_livemode(livemode) };
    (owner, InvoiceId::from_uuid(id))
}

/// The columns of [`Row`], then the rest of the statement.
macro_rules! select_invoice {
    ($rest:literal, $($bind:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select id, created as "created: Second", invoice_id, request_datetime as "request_datetime: Second",
                   customer as "customer: Json<Customer>", sub_merchant::text as sub_merchant, url_success, url_error,
                   metadata::text as metadata, size_qr, ktin, token, late_fee_rule as "late_fee_rule: Rule", content,
                   currency, sub_total, due as "due: Second", expires as "expires: Second", status, version,
                   paid_at as "paid_at: Second", payment_id, late_fee, now() as "at!: Second"
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
    /// A page of the invoices that a filter lets through, or the cursor that is no invoice of this owner. A page of ids can
    /// not take long, and is read together with those of others; what searches has the time limit that a transaction sets.
    ///
    /// # Errors
    /// What the store met.
    pub async fn list_invoices(
        &self,
        owner: Owner,
        filter: Filter,
        page: Page,
    ) -> Result<Result<Listed, InvoiceId>, Error> {
        let (found, first_column) = if filter.is_walk() {
            (self.read_together(Walk { owner, created: filter.created, page }).await?, 1)
        } else {
            let search = bound(move |tx| {
                let filter = filter.clone();
                async move { tx.invoices(owner).search(&filter, page).await }.boxed()
            });
            (self.transaction(Walk::NAME, search).await?, 0)
        };
        let rows = match found {
            Ok(rows) => rows,
            Err(unknown) => return Ok(Err(unknown)),
        };
        let mut at = self.clock().now();
        let mut invoices = Vec::with_capacity(rows.len());
        for row in rows.iter().take(page.limit.into()) {
            let known = Row::from_place(row, first_column)?.known(owner)?;
            at = known.at;
            invoices.push(known.invoice);
        }
        if list::is_upwards(page) {
            invoices.reverse();
        }
        Ok(Ok(Listed { invoices, has_more: rows.len() > usize::from(page.limit), at }))
    }
}

/// Tells the compiler for how long the work may use its connection.
const fn bound<T, F>(work: F) -> F
where
    F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, Error>>,
{
    work
}

/// The rows of a page, nearest to its cursor first and one more when there are more, or the cursor that is no invoice of its
/// owner.
type Rows = Result<Vec<PgRow>, InvoiceId>;

impl Read for Walk {
    type Found = Rows;

    const NAME: &'static str = "list_invoices";

    fn rows(&self) -> usize {
        self.page.limit.into()
    }

    fn goes_with(&self, other: &Walk) -> bool {
        let kind = |walk: &Walk| (walk.page.limit, list::is_upwards(walk.page), walk.created.is_open());
        kind(self) == kind(other)
    }

    fn line(store: &Store) -> &Line<Walk> {
        &store.inner.lines.pages
    }

    fn read(tx: &mut Tx, asked: Arc<[Walk]>) -> BoxFuture<'_, Result<Vec<Rows>, Error>> {
        async move { tx.walks(&asked).await }.boxed()
    }
}

impl Tx {
    /// Pages that go with each other, in their order.
    async fn walks(&mut self, walks: &[Walk]) -> Result<Vec<Rows>, Error> {
        let pages: Vec<_> = walks.iter().map(|walk| (walk.owner, walk.page)).collect();
        let unknown = self.unknown_cursors(&pages).await?;
        let mut found: Vec<Rows> =
            unknown.into_iter().map(|cursor| cursor.map_or(Ok(Vec::new()), Err)).collect();
        let rows: Vec<PgRow> = list::walks("", walks).build().fetch_all(self.connection()).await?;
        for (place, row) in placed(rows)? {
            if let Some(Ok(page)) = found.get_mut(place) {
                page.push(row);
            }
        }
        Ok(found)
    }

    /// The first cursor of each page that is no invoice of its owner.
    async fn unknown_cursors(&mut self, pages: &[(Owner, Page)]) -> Result<Vec<Option<InvoiceId>>, Error> {
        let mut unknown = vec![None; pages.len()];
        let cursors: Vec<_> = (0..)
            .zip(pages)
            .flat_map(|(place, (owner, page))| {
                let cursors = [page.after, page.before].into_iter().flatten();
                cursors.map(move |cursor| (place, *owner, cursor))
            })
            .collect();
        if cursors.is_empty() {
            return Ok(unknown);
        }
        let accounts: Vec<_> = cursors.iter().map(|(_, owner, _)| owner.account.uuid()).collect();
        let modes: Vec<_> = cursors.iter().map(|(_, owner, _)| owner.mode.is_live()).collect();
        let ids: Vec<_> = cursors.iter().map(|(_, _, cursor)| cursor.uuid()).collect();
        let known = sqlx::query_scalar!(
            r#"
            select exists (
                select from invoices
                where account_id = asked.account_id and livemode = asked.livemode and id = asked.id
                offset 0) as "known!"
            from unnest((select $1::uuid[]), $2::boolean[], $3::uuid[])
                with ordinality as asked (account_id, livemode, id, place)
            order by place
            "#,
            &accounts,
            &modes,
            &ids,
        )
        .fetch_all(self.connection())
        .await?;
        for ((place, _, cursor), known) in cursors.into_iter().zip(known) {
            if let (false, Some(unknown)) = (known, unknown.get_mut(place)) {
                unknown.get_or_insert(cursor);
            }
        }
        Ok(unknown)
    }
}

impl Invoices<'_> {
    async fn search(self, filter: &Filter, page: Page) -> Result<Rows, Error> {
        if let Some(cursor) =
            self.tx.unknown_cursors(&[(self.owner, page)]).await?.into_iter().flatten().next()
        {
            return Ok(Err(cursor));
        }
        let mut statement = list::search("", self.owner, filter, page);
        Ok(Ok(statement.build().fetch_all(self.tx.connection()).await?))
    }

    /// What the database does for a list, step by step: for the tests that hold it to its indexes.
    pub async fn explain_list(self, filter: &Filter, page: Page) -> Result<String, Error> {
        let prefix = "explain (analyze, costs off, timing off, summary off) ";
        let mut statement = if filter.is_walk() {
            list::walks(prefix, &[Walk { owner: self.owner, created: filter.created, page }])
        } else {
            list::search(prefix, self.owner, filter, page)
        };
        let lines: Vec<String> = statement.build_query_scalar().fetch_all(self.tx.connection()).await?;
        Ok(lines.join("\n"))
    }
}
