//! The statements here that are put together: each condition only when it is asked for, because a plan for "absent or
//! equal" could use no index.
//!
//! Never a walk or a sort over the whole account. A filter by state or currency falls into branches, each a walk
//! along `invoices_class_idx` in the order of ids that stops at the page's end; their merge sorts a few pages. What
//! lies between two moments is gathered by ids from an index on that moment. A filter that names a document, a
//! reference or a ktin has an index of its own. A test measures each in a small and a large account.

use domain::account::Owner;
use domain::id::InvoiceId;
use domain::invoice::filter::{Filter, Page, Span};
use domain::invoice::table::State;
use domain::money::Currency;
use domain::time::Moment;
use sqlx::{Postgres, QueryBuilder};

use crate::together::ROUND;

pub(super) const COLUMNS: &str = "id, created, invoice_id, request_datetime, customer, sub_merchant::text as sub_merchant, \
     url_success, url_error, metadata::text as metadata, size_qr, ktin, token, late_fee_rule, content, currency, \
     sub_total, due, expires, status, version, paid_at, payment_id, late_fee, now() as at";

/// Invoices by their owners and ids; each row begins with the place of its id, from 1 on.
pub(super) fn by_ids(ids: &[(Owner, InvoiceId)]) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("select asked.place, invoice.* from ");
    push_asked(&mut sql, ids.iter().map(|(owner, _)| *owner));
    sql.push(", ").push_bind(ids.iter().map(|(_, id)| id.uuid()).collect::<Vec<_>>());
    sql.push(") with ordinality as asked (account_id, livemode, id, place) cross join lateral (select ");
    // `offset 0`: each is looked up by itself, however many there seem to be.
    sql.push(COLUMNS).push(
        " from invoices where account_id = asked.account_id and livemode = asked.livemode and id = asked.id \
         offset 0) invoice",
    );
    sql
}

/// Begins a table of what is asked for, whose first columns are the owners. The first array stands in a query of its own: a
/// plan for a known length would seem cheaper each time, and planning takes longer than reading.
fn push_asked(sql: &mut QueryBuilder<Postgres>, owners: impl Iterator<Item = Owner> + Clone) {
    let accounts: Vec<uuid::Uuid> = owners.clone().map(|owner| owner.account.uuid()).collect();
    let modes: Vec<bool> = owners.map(|owner| owner.mode.is_live()).collect();
    sql.push("unnest((select ").push_bind(accounts).push("::uuid[]), ").push_bind(modes);
}

/// The statement of a page that is searched for, behind `prefix` (`explain`, or nothing).
pub(super) fn search(prefix: &str, owner: Owner, filter: &Filter, page: Page) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(prefix);
    let branches = branches(filter);
    if let [branch @ (Branch::Plain | Branch::Walk(..))] = branches[..] {
        sql.push("select ").push(COLUMNS).push(" from invoices");
        push_owner(&mut sql, owner);
        push_conditions(&mut sql, filter, page, branch);
        push_end(&mut sql, page);
        return sql;
    }
    sql.push("select * from (");
    for (place, branch) in branches.iter().enumerate() {
        sql.push(if place == 0 { "(select " } else { " union all (select " });
        sql.push(COLUMNS).push(" from invoices");
        push_owner(&mut sql, owner);
        if let Branch::Overdue | Branch::PaidBetween = branch {
            // `offset 0` keeps the order and the limit out: with them, the planner would walk by ids and hope.
            sql.push(" and id in (select id from (select id from invoices");
            push_owner(&mut sql, owner);
            push_conditions(&mut sql, filter, page, *branch);
            sql.push(" offset 0) gathered");
            push_end(&mut sql, page);
            sql.push("))");
        } else {
            push_conditions(&mut sql, filter, page, *branch);
            push_end(&mut sql, page);
            sql.push(")");
        }
    }
    if branches.is_empty() {
        // Paid between two moments and yet in another state: there is no such thing.
        sql.push("select ").push(COLUMNS).push(" from invoices where false");
    }
    sql.push(") page");
    push_end(&mut sql, page);
    sql
}

/// A page of ids, of a stretch of time or of all: a range of the primary key, from one end.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    pub(super) owner: Owner,
    pub(super) created: Span,
    pub(super) page: Page,
}

impl Walk {
    /// The ids that it is about, both ends included.
    fn ids(&self) -> [uuid::Uuid; 2] {
        let behind = self.page.before.map(|id| id.uuid().as_u128().saturating_add(1));
        let since = self.created.from.map(|from| first_id_since(from).as_u128());
        let first = behind.max(since).unwrap_or(u128::MIN);
        let ends = [self.page.after.map(InvoiceId::uuid), self.created.until.map(first_id_after)];
        let last = ends.into_iter().flatten().min().map_or(u128::MAX, |end| end.as_u128().saturating_sub(1));
        [first, last].map(uuid::Uuid::from_u128)
    }
}

/// Pages that [go with each other](crate::together::Read::goes_with); each row begins with the place of its page, from 1 on.
///
/// There is one good plan, page by page along the primary key, and Postgres shall keep it; planning takes longer than reading
/// the page. A value that it can read while it plans seems to make a better one each time, as soon as it believes that an
/// owner has fewer rows than others. So it is given none but the limit, without which its guess grows with the table. Both
/// ends are always named: else another index and a sort seem as good for an owner of few.
pub(super) fn walks(prefix: &str, walks: &[Walk]) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(prefix);
    let Some(Walk { page, created, .. }) = walks.first() else { return sql };
    let ids: Vec<[uuid::Uuid; 2]> = walks.iter().map(Walk::ids).collect();
    sql.push("select asked.place, page.* from ");
    push_asked(&mut sql, walks.iter().map(|walk| walk.owner));
    sql.push(", ").push_bind(ids.iter().map(|[first, _]| *first).collect::<Vec<_>>());
    sql.push(", ").push_bind(ids.iter().map(|[_, last]| *last).collect::<Vec<_>>());
    let has_span = !created.is_open();
    if has_span {
        let moments = |end: fn(&Span) -> Option<Moment>| -> Vec<_> {
            walks.iter().map(|walk| end(&walk.created).map(Moment::to_utc)).collect()
        };
        sql.push(", ").push_bind(moments(|span| span.from)).push(", ").push_bind(moments(|span| span.until));
    }
    sql.push(") with ordinality as asked (account_id, livemode, first, last, ");
    sql.push(if has_span { "since, until, place)" } else { "place)" });
    sql.push(" cross join lateral (select ").push(COLUMNS).push(
        " from invoices where account_id = asked.account_id and livemode = asked.livemode \
         and id >= asked.first and id <= asked.last",
    );
    if has_span {
        sql.push(" and (created < asked.since) is not true and (created >= asked.until) is not true");
    }
    push_order(&mut sql, *page);
    sql.push(i64::from(page.limit) + 1);
    // Of so many places, more than there ever are, one is expected, and not ten as of any array: what the plan seems to cost
    // is near what it seemed to cost when there were fewer rows, and it is kept. Page after page, each in its order: what is
    // limited beside each row of another table can only be read that way.
    sql.push(") page where asked.place between 1 and ").push(ROUND);
    sql
}

/// The page before a cursor is read from the cursor upwards, and turned round.
pub(super) const fn is_upwards(page: Page) -> bool {
    page.before.is_some() && page.after.is_none()
}

/// A part of the answer that one index finds.
#[derive(Clone, Copy)]
enum Branch {
    /// The few rows that a document, a reference or a ktin has.
    Plain,
    /// One state and currency, in the order of ids.
    Walk(State, Currency),
    /// Stored as pending, past its expiration: few, because storing that is never far behind.
    Overdue,
    /// Paid from one moment to another.
    PaidBetween,
}

fn branches(filter: &Filter) -> Vec<Branch> {
    let few = filter.reference.is_some() || filter.ktin.is_some() || filter.document_id.is_some();
    if few {
        return vec![Branch::Plain];
    }
    let states = filter.states.as_deref().unwrap_or(&State::ALL);
    if !filter.paid.is_open() && !states.contains(&State::Paid) {
        return Vec::new();
    }
    if filter.paid.from.is_some() && filter.paid.until.is_some() {
        return vec![Branch::PaidBetween];
    }
    let states = if filter.paid.is_open() { states } else { &[State::Paid] };
    let mut branches = Vec::new();
    for state in states {
        let currencies =
            Currency::ALL.into_iter().filter(|one| filter.currency.is_none_or(|wanted| wanted == *one));
        branches.extend(currencies.map(|currency| Branch::Walk(*state, currency)));
        if *state == State::Expired {
            branches.push(Branch::Overdue);
        }
    }
    branches
}

fn push_owner(sql: &mut QueryBuilder<Postgres>, owner: Owner) {
    sql.push(" where account_id = ").push_bind(owner.account.uuid());
    sql.push(" and livemode = ").push_bind(owner.mode.is_live());
}

fn push_end(sql: &mut QueryBuilder<Postgres>, page: Page) {
    push_order(sql, page);
    sql.push_bind(i64::from(page.limit) + 1);
}

fn push_order(sql: &mut QueryBuilder<Postgres>, page: Page) {
    sql.push(if is_upwards(page) { " order by id asc limit " } else { " order by id desc limit " });
}

fn push_conditions(sql: &mut QueryBuilder<Postgres>, filter: &Filter, page: Page, branch: Branch) {
    // States are written, not bound: the planner should see which partial index will do.
    match branch {
        Branch::Plain => push_states(sql, filter),
        Branch::Walk(state, currency) => {
            sql.push(" and status = '")
                .push(state.as_str())
                .push("' and currency = '")
                .push(currency.as_str());
            sql.push(if state == State::Pending { "' and expires > now()" } else { "'" });
        }
        Branch::Overdue => {
            sql.push(" and status = 'pending' and expires <= now()");
        }
        Branch::PaidBetween => {
            sql.push(" and status = 'paid'");
        }
    }
    if let (Branch::Plain | Branch::Overdue | Branch::PaidBetween, Some(currency)) = (branch, filter.currency)
    {
        sql.push(" and currency = ").push_bind(currency.as_str());
    }
    if let Some(after) = page.after {
        sql.push(" and id < ").push_bind(after.uuid());
    }
    if let Some(before) = page.before {
        sql.push(" and id > ").push_bind(before.uuid());
    }
    if let Some(reference) = &filter.reference {
        sql.push(" and invoice_id = ").push_bind(reference.as_str().to_owned());
    }
    if let Some(ktin) = filter.ktin {
        sql.push(" and ktin = ").push_bind(ktin.number());
    }
    if let Some(document) = &filter.document_id {
        sql.push(" and customer->>'document_id' = ").push_bind(document.clone());
    }
    push_span(sql, "created", filter.created);
    push_id_span(sql, "id", filter.created);
    push_span(sql, "paid_at", filter.paid);
}

/// The states in effect of rows that another index finds.
fn push_states(sql: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(states) = &filter.states {
        let names: Vec<String> = states.iter().map(|state| state.as_str().to_owned()).collect();
        sql.push(
            " and case when status = 'pending' and expires <= now() then 'expired' else status end = any(",
        );
        sql.push_bind(names).push(")");
    }
}

fn push_span(sql: &mut QueryBuilder<Postgres>, column: &str, span: Span) {
    if let Some(from) = span.from {
        sql.push(" and ").push(column).push(" >= ").push_bind(from.to_utc());
    }
    if let Some(until) = span.until {
        sql.push(" and ").push(column).push(" < ").push_bind(until.to_utc());
    }
}

/// An id holds the millisecond of its creation, so a span of time is a span of the primary key: no index on
/// `created` is needed.
pub(crate) fn push_id_span(sql: &mut QueryBuilder<Postgres>, column: &str, span: Span) {
    if let Some(from) = span.from {
        sql.push(" and ").push(column).push(" >= ").push_bind(first_id_since(from));
    }
    if let Some(until) = span.until {
        sql.push(" and ").push(column).push(" < ").push_bind(first_id_after(until));
    }
}

/// Far more than the clocks of replicas differ.
const SLACK_SECONDS: i64 = 60;

/// No id of what was created at `moment` or later is smaller.
fn first_id_since(moment: Moment) -> uuid::Uuid {
    id_at(moment.plus_seconds(-SLACK_SECONDS))
}

/// Every id of what was created before `moment` is smaller.
fn first_id_after(moment: Moment) -> uuid::Uuid {
    id_at(moment.plus_seconds(SLACK_SECONDS))
}

fn id_at(moment: Moment) -> uuid::Uuid {
    const LAST_MILLIS: u64 = (1 << 48) - 1;
    let millis = u64::try_from(moment.unix()).unwrap_or(0).saturating_mul(1_000);
    InvoiceId::new(millis.min(LAST_MILLIS), &[0; 10]).uuid()
}

#[cfg(test)]
mod tests {
    use domain::account::Mode;
    use domain::id::AccountId;
    use postgres_dev::testing::database;
    use sqlx::{Connection, PgConnection};

    use super::*;
    use crate::migrate;

    #[tokio::test]
    async fn a_page_is_planned_once_whatever_postgres_believes_of_its_owner() {
        let prepare = async |url: String| {
            let options = url.parse()?;
            migrate::up(&options, |_| {}).await.map_err(Into::into)
        };
        let database = database(&migrate::fingerprint(), prepare).await.unwrap();
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        // Counted when everything was somebody else's.
        grow(&mut connection, 1, 2_000).await;

        let owner = Owner { account: AccountId::new(0, &[2; 10]), mode: Mode::Test };
        let cursor = Some(InvoiceId::new(1_000, &[0; 10]));
        // From the top, where a cursor changes nothing in the statement, and upwards.
        let pages = [(None, None), (None, cursor)].map(|(after, before)| Page { limit: 20, after, before });
        for page in pages {
            assert_eq!(
                plans(&mut connection, owner, page).await,
                (15, 5),
                "tried five times, and then known"
            );
        }
        assert_eq!(plans_by_id(&mut connection, owner).await, (15, 5));
        grow(&mut connection, 2_001, 60_000).await;
        for page in pages {
            assert_eq!(plans(&mut connection, owner, page).await, (35, 5), "also when there are more");
        }
        assert_eq!(plans_by_id(&mut connection, owner).await, (35, 5));
    }

    async fn plans(connection: &mut PgConnection, owner: Owner, page: Page) -> (i64, i64) {
        let walk = Walk { owner, created: Span::default(), page };
        plans_of(connection, |many| walks("", &vec![walk; many])).await
    }

    async fn plans_by_id(connection: &mut PgConnection, owner: Owner) -> (i64, i64) {
        plans_of(connection, |many| by_ids(&vec![(owner, InvoiceId::NOBODY); many])).await
    }

    /// Asks twenty times, for one to twenty at once. How often the plan was kept so far, and how often it was made anew.
    async fn plans_of(
        connection: &mut PgConnection,
        ask: impl Fn(usize) -> QueryBuilder<Postgres>,
    ) -> (i64, i64) {
        for many in 1..=20 {
            ask(many).build().fetch_all(&mut *connection).await.unwrap();
        }
        sqlx::query_as("select generic_plans, custom_plans from pg_prepared_statements where statement = $1")
            .bind(ask(1).into_sql().as_str())
            .fetch_one(connection)
            .await
            .unwrap()
    }

    /// Somebody's orders, and Postgres counts them.
    async fn grow(connection: &mut PgConnection, first: i64, last: i64) {
        sqlx::query(
            "insert into invoices (account_id, livemode, id, created, invoice_id, size_qr, ktin, token, late_fee_rule,
                 content, currency, sub_total, expires, status, version)
             select $1, false, (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid, now(), n, 150, n, n,
                    '{\"kind\": \"none\"}', decode(md5(n::text) || md5(n::text), 'hex'), 'PEN', 2000,
                    now() + interval '1 day', 'pending', 1
             from generate_series($2, $3) n",
        )
        .bind(AccountId::new(0, &[1; 10]).uuid())
        .bind(first)
        .bind(last)
        .execute(&mut *connection)
        .await
        .unwrap();
        sqlx::query("analyze invoices").execute(connection).await.unwrap();
    }
}
