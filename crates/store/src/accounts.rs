//! Merchants' accounts.

use domain::account::Account;
use domain::id::AccountId;
use domain::late_fee::LateFee;
use domain::time::Moment;
use sqlx::types::Json;

use crate::{Error, Tx};

/// The columns of an account, as finders of other tables join them.
pub(crate) struct Row {
    pub(crate) id: uuid::Uuid,
    pub(crate) name: String,
    pub(crate) version_pin: Option<String>,
    pub(crate) default_expiration_seconds: i64,
    pub(crate) customer_required: bool,
    pub(crate) late_fee: Json<LateFee>,
    pub(crate) live_enabled: bool,
    pub(crate) disabled_at: Option<chrono::DateTime<chrono::Utc>>,
}

impl From<Row> for Account {
    fn from(row: Row) -> Account {
        Account {
            id: AccountId::from_uuid(row.id),
            name: row.name,
            version_pin: row.version_pin,
            default_expiration_seconds: row.default_expiration_seconds,
            customer_required: row.customer_required,
            late_fee: row.late_fee.0,
            live_enabled: row.live_enabled,
            disabled_at: row.disabled_at.map(Moment::truncated),
        }
    }
}

impl Tx {
    /// The account of an id.
    pub async fn account(&mut self, id: AccountId) -> Result<Option<Account>, Error> {
        let row = sqlx::query_as!(
            Row,
            r#"
            select id, name, version_pin, default_expiration_seconds, customer_required,
                   late_fee as "late_fee: Json<LateFee>", live_enabled, disabled_at
            from accounts where id = $1
            "#,
            id.uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(Account::from))
    }

    /// Every account, oldest first.
    pub async fn accounts(&mut self) -> Result<Vec<Account>, Error> {
        let rows = sqlx::query_as!(
            Row,
            r#"
            select id, name, version_pin, default_expiration_seconds, customer_required,
                   late_fee as "late_fee: Json<LateFee>", live_enabled, disabled_at
            from accounts order by id
            "#,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(rows.into_iter().map(Account::from).collect())
    }

    /// Adds an account, or, when it exists, gives it these settings.
    pub async fn put_account(&mut self, account: &Account) -> Result<(), Error> {
        sqlx::query!(
            r#"
            insert into accounts (
                id, name, version_pin, default_expiration_seconds, customer_required, late_fee,
                live_enabled, disabled_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            on conflict (id) do update set
                name = excluded.name, version_pin = excluded.version_pin,
                default_expiration_seconds = excluded.default_expiration_seconds,
                customer_required = excluded.customer_required, late_fee = excluded.late_fee,
                live_enabled = excluded.live_enabled, disabled_at = excluded.disabled_at, changed_at = now()
            "#,
            account.id.uuid(),
            account.name,
            account.version_pin,
            account.default_expiration_seconds,
            account.customer_required,
            Json(&account.late_fee) as _,
            account.live_enabled,
            account.disabled_at.map(|at| at.to_utc()),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
