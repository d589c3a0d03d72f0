//! Merchants' accounts and their settings.

use domain::account::{Account, CollectionChannel, RateLimit};
use domain::id::AccountId;
use domain::late_fee::LateFee;
use domain::time::Moment;
use sqlx::types::Json;

use crate::{Error, Tx};

/// An account, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The account.
    pub account: Account,
    /// When it was made.
    pub created: Moment,
}

/// Which accounts a list shows, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// A part of the name, in any case, or the whole tax id.
    pub text: Option<String>,
    /// A part of the name or legal name, in any case.
    pub name: Option<String>,
    /// The tax id.
    pub tax_id: Option<String>,
    /// The id that the page follows.
    pub after: Option<AccountId>,
    /// The id that the page precedes.
    pub before: Option<AccountId>,
    /// Accounts of a page.
    pub limit: u16,
}

type Timestamp = chrono::DateTime<chrono::Utc>;

/// The columns of an account, as finders of other tables join them.
pub(crate) struct Row {
    pub(crate) id: uuid::Uuid,
    pub(crate) name: String,
    pub(crate) legal_name: Option<String>,
    pub(crate) tax_id: Option<String>,
    pub(crate) version_pin: Option<String>,
    pub(crate) default_expiration_seconds: i64,
    pub(crate) customer_required: bool,
    pub(crate) late_fee: Json<LateFee>,
    pub(crate) rate_per_second: Option<i32>,
    pub(crate) rate_burst: Option<i32>,
    pub(crate) collection_channels: Json<Vec<CollectionChannel>>,
    pub(crate) live_enabled: bool,
    pub(crate) disabled_at: Option<Timestamp>,
    pub(crate) created: Timestamp,
}

/// The columns of [`Row`], then the rest of the statement.
macro_rules! select_account {
    ($rest:literal, $($bind:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select id, name, legal_name, tax_id, version_pin, default_expiration_seconds, customer_required,
                   late_fee as "late_fee: Json<LateFee>", rate_per_second, rate_burst,
                   collection_channels as "collection_channels: Json<Vec<CollectionChannel>>",
                   live_enabled, disabled_at, created
            from accounts
            "# + $rest,
            $($bind),*
        )
    };
}

impl From<Row> for Known {
    fn from(row: Row) -> Known {
        let number = |number: i32| u32::try_from(number).unwrap_or(0);
        let rate_limit = row.rate_per_second.zip(row.rate_burst);
        let account = Account {
            id: AccountId::from_uuid(row.id),
            name: row.name,
            legal_name: row.legal_name,
            tax_id: row.tax_id,
            version_pin: row.version_pin,
            default_expiration_seconds: row.default_expiration_seconds,
            customer_required: row.customer_required,
            late_fee: row.late_fee.0,
            rate_limit: rate_limit
                .map(|(rate, burst)| RateLimit { per_second: number(rate), burst: number(burst) }),
            collection_channels: row.collection_channels.0,
            live_enabled: row.live_enabled,
            disabled_at: row.disabled_at.map(Moment::truncated),
        };
        Known { account, created: Moment::truncated(row.created) }
    }
}

impl Tx {
    /// The account of an id.
    pub async fn account(&mut self, id: AccountId) -> Result<Option<Known>, Error> {
        let row = select_account!("where id = $1", id.uuid()).fetch_optional(self.connection()).await?;
        Ok(row.map(Known::from))
    }

    /// The account of an id, locked until the transaction ends.
    pub async fn lock_account(&mut self, id: AccountId) -> Result<Option<Known>, Error> {
        let row =
            select_account!("where id = $1 for update", id.uuid()).fetch_optional(self.connection()).await?;
        Ok(row.map(Known::from))
    }

    /// A page of accounts, newest first, and whether there are more.
    pub async fn accounts(&mut self, search: &Search) -> Result<(Vec<Known>, bool), Error> {
        // There are thousands of accounts, not millions: a search may look at all of them.
        let rows = select_account!(
            r#"
            where ($1::text is null or name ilike $1 or legal_name ilike $1)
              and ($2::text is null or tax_id = $2)
              and ($3::text is null or name ilike '%' || $4 || '%' or legal_name ilike '%' || $4 || '%' or tax_id = $3)
              and ($5::uuid is null or id < $5)
              and ($6::uuid is null or id > $6)
            order by case when $6::uuid is not null then id end asc, id desc
            limit $7
            "#,
            search.name.as_deref().map(|name| format!("%{}%", like(name))),
            search.tax_id,
            search.text,
            search.text.as_deref().map(like),
            search.after.map(AccountId::uuid),
            search.before.map(AccountId::uuid),
            i64::from(search.limit) + 1,
        )
        .fetch_all(self.connection())
        .await?;
        let has_more = rows.len() > usize::from(search.limit);
        let mut page: Vec<Known> = rows.into_iter().take(search.limit.into()).map(Known::from).collect();
        if search.before.is_some() {
            page.reverse();
        }
        Ok((page, has_more))
    }

    /// Adds an account, or, when it exists, gives it these settings.
    pub async fn put_account(&mut self, account: &Account) -> Result<Moment, Error> {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let created = sqlx::query_scalar!(
            r#"
            insert into accounts (
                id, name, legal_name, tax_id, version_pin, default_expiration_seconds, customer_required, late_fee,
                rate_per_second, rate_burst, collection_channels, live_enabled, disabled_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            on conflict (id) do update set
                name = excluded.name, legal_name = excluded.legal_name, tax_id = excluded.tax_id,
                version_pin = excluded.version_pin,
                default_expiration_seconds = excluded.default_expiration_seconds,
                customer_required = excluded.customer_required, late_fee = excluded.late_fee,
                rate_per_second = excluded.rate_per_second, rate_burst = excluded.rate_burst,
                collection_channels = excluded.collection_channels,
                live_enabled = excluded.live_enabled, disabled_at = excluded.disabled_at, changed_at = now()
            returning created
            "#,
            account.id.uuid(),
            account.name,
            account.legal_name,
            account.tax_id,
            account.version_pin,
            account.default_expiration_seconds,
            account.customer_required,
            Json(&account.late_fee) as _,
            account.rate_limit.map(|limit| number(limit.per_second)),
            account.rate_limit.map(|limit| number(limit.burst)),
            Json(&account.collection_channels) as _,
            account.live_enabled,
            account.disabled_at.map(|at| at.to_utc()),
        )
        .fetch_one(self.connection())
        .await?;
        Ok(Moment::truncated(created))
    }
}

/// A text as `like` takes it literally.
fn like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
