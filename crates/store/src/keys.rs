//! API keys at rest: found by their public id, never by their secret, which is nowhere.

use domain::account::{Account, Mode, Owner};
use domain::id::{AccountId, KeyId};
use domain::key::{Scope, SecretKey};
use domain::late_fee::LateFee;
use domain::time::Moment;
use sqlx::types::Json;

use crate::{Error, Store, Tx, accounts};

/// Keys and accounts that changed within so many seconds are told to each replica. An overlap, not a
/// watermark: a transaction that commits late would slip below a watermark.
pub const CHANGES_OVERLAP_SECONDS: i64 = 40;

/// An API key as it is kept, with the account that it speaks for.
#[derive(Clone)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// Account and mode of every request made with it.
    pub owner: Owner,
    /// The account's settings.
    pub account: Account,
    /// The twelve characters that name it.
    pub public_id: String,
    /// What its owner calls it.
    pub name: String,
    /// The argon2id hash (PHC string).
    pub phc: Phc,
    /// What it may do; `None`: everything.
    pub scopes: Option<Vec<Scope>>,
    /// To the minute.
    pub last_used_at: Option<Moment>,
    /// Refused from then on.
    pub expires_at: Option<Moment>,
    /// Refused since then.
    pub revoked_at: Option<Moment>,
    /// The key that takes over from it.
    pub replaced_by: Option<KeyId>,
}

/// Keys of one account and mode that are accepted at the same time, at most.
pub const MAX_LIVE_KEYS: i64 = 20;

/// What came of a wish to add a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is there.
    Yes,
    /// The account has [`MAX_LIVE_KEYS`] already.
    TooMany,
}

/// A hash of a key. It is no secret of the first rank, but it has no business in a log: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Phc(pub String);

/// A key to be added: the secret stays with its maker.
pub struct NewKey<'k> {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub owner: Owner,
    /// What its owner calls it.
    pub name: &'k str,
    /// The key, of which only public parts are kept.
    pub secret: &'k SecretKey,
    /// Its hash.
    pub phc: Phc,
    /// The number of the hash parameters.
    pub hash_version: i16,
}

type Timestamp = chrono::DateTime<chrono::Utc>;

struct Row {
    id: uuid::Uuid,
    account_id: uuid::Uuid,
    livemode: bool,
    public_id: String,
    name: String,
    phc: String,
    scopes: Option<Vec<String>>,
    last_used_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    replaced_by: Option<uuid::Uuid>,
    account_name: String,
    version_pin: Option<String>,
    default_expiration_seconds: i64,
    customer_required: bool,
    late_fee: Json<LateFee>,
    live_enabled: bool,
    disabled_at: Option<Timestamp>,
}

macro_rules! select_key {
    ($rest:literal, $($bind:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select api_keys.id, account_id, livemode, public_id, api_keys.name, phc, scopes,
                   last_used_at, expires_at, revoked_at, replaced_by,
                   accounts.name as account_name, version_pin, default_expiration_seconds, customer_required,
                   late_fee as "late_fee: Json<LateFee>", live_enabled, disabled_at
            from api_keys join accounts on accounts.id = account_id
            "# + $rest,
            $($bind),*
        )
    };
}

impl Store {
    /// The key of a public id.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn key(&self, public_id: &str) -> Result<Option<KeyRecord>, Error> {
        let public_id = public_id.to_owned();
        self.read("find_key", move |tx| {
            let public_id = public_id.clone();
            Box::pin(async move {
                let row =
                    select_key!("where public_id = $1", public_id).fetch_optional(tx.connection()).await?;
                Ok(row.map(KeyRecord::from))
            })
        })
        .await
    }

    /// The keys that changed lately, or whose account did. Asked twice a second by each replica, on a
    /// connection that requests do not compete for.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn keys_changed_lately(&self) -> Result<Vec<KeyRecord>, Error> {
        let mut connection = self.inner.aside.acquire().await?;
        let rows = select_key!(
            "where api_keys.changed_at > now() - $1::bigint * interval '1 second'
                or accounts.changed_at > now() - $1::bigint * interval '1 second'",
            CHANGES_OVERLAP_SECONDS,
        )
        .fetch_all(&mut *connection)
        .await?;
        Ok(rows.into_iter().map(KeyRecord::from).collect())
    }
}

impl Tx {
    /// Adds a key; one that has the same public id already stays as it is.
    pub async fn add_key(&mut self, key: NewKey<'_>) -> Result<(), Error> {
        sqlx::query!(
            r#"
            insert into api_keys (
                account_id, livemode, id, public_id, name, phc, hash_version, prefix, last4)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            on conflict (public_id) do nothing
            "#,
            key.owner.account.uuid(),
            key.owner.mode.is_live(),
            key.id.uuid(),
            key.secret.public_id(),
            key.name,
            key.phc.0,
            key.hash_version,
            key.secret.shown_prefix(),
            key.secret.last4(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Tx {
    /// Adds a key, unless its account and mode have enough of them. The account's row is locked, so that two
    /// at once count each other.
    pub async fn add_key_within_limit(&mut self, key: NewKey<'_>) -> Result<Added, Error> {
        let Owner { account, mode } = key.owner;
        sqlx::query!("select id from accounts where id = $1 for update", account.uuid())
            .fetch_optional(self.connection())
            .await?;
        let live = sqlx::query_scalar!(
            r#"
            select count(*) as "count!" from api_keys
            where account_id = $1 and livemode = $2 and revoked_at is null
              and (expires_at is null or expires_at > now())
            "#,
            account.uuid(),
            mode.is_live(),
        )
        .fetch_one(self.connection())
        .await?;
        if live >= MAX_LIVE_KEYS {
            return Ok(Added::TooMany);
        }
        self.add_key(key).await.map(|()| Added::Yes)
    }

    /// The keys of an account, oldest first.
    pub async fn keys(&mut self, account: AccountId) -> Result<Vec<KeyRecord>, Error> {
        let rows = select_key!("where account_id = $1 order by livemode, api_keys.id", account.uuid())
            .fetch_all(self.connection())
            .await?;
        Ok(rows.into_iter().map(KeyRecord::from).collect())
    }

    /// The key of an id, locked.
    pub async fn lock_key(&mut self, id: KeyId, mode: Mode) -> Result<Option<KeyRecord>, Error> {
        let row = select_key!(
            "where api_keys.id = $1 and livemode = $2 for update of api_keys",
            id.uuid(),
            mode.is_live(),
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(KeyRecord::from))
    }

    /// Ends a key for ever. Ended already: nothing changes.
    pub async fn revoke_key(&mut self, key: &KeyRecord) -> Result<(), Error> {
        sqlx::query!(
            r#"
            update api_keys set revoked_at = now(), changed_at = now()
            where account_id = $1 and livemode = $2 and id = $3 and revoked_at is null
            "#,
            key.owner.account.uuid(),
            key.owner.mode.is_live(),
            key.id.uuid(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Lets a key end in `overlap_seconds`, or when it would have anyway, and names its successor, which gets
    /// its scopes and its end.
    pub async fn replace_key(
        &mut self,
        key: &KeyRecord,
        by: KeyId,
        overlap_seconds: i64,
    ) -> Result<(), Error> {
        sqlx::query!(
            r#"
            with old as (
                update api_keys
                set replaced_by = $4, changed_at = now(),
                    expires_at = least(expires_at, now() + $5::bigint * interval '1 second')
                where account_id = $1 and livemode = $2 and id = $3
                returning scopes
            )
            update api_keys set scopes = old.scopes, expires_at = $6
            from old
            where account_id = $1 and livemode = $2 and id = $4
            "#,
            key.owner.account.uuid(),
            key.owner.mode.is_live(),
            key.id.uuid(),
            by.uuid(),
            overlap_seconds,
            key.expires_at.map(|end| end.to_utc()),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl From<Row> for KeyRecord {
    fn from(row: Row) -> KeyRecord {
        // A scope that this program does not know yet grants nothing here; one such row must not keep the
        // replicas from hearing of the others.
        let known = |texts: Vec<String>| texts.iter().filter_map(|text| Scope::parse(text)).collect();
        let scopes = row.scopes.map(known);
        let account = accounts::Row {
            id: row.account_id,
            name: row.account_name,
            version_pin: row.version_pin,
            default_expiration_seconds: row.default_expiration_seconds,
            customer_required: row.customer_required,
            late_fee: row.late_fee,
            live_enabled: row.live_enabled,
            disabled_at: row.disabled_at,
        };
        KeyRecord {
            id: KeyId::from_uuid(row.id),
            owner: Owner {
                account: AccountId::from_uuid(row.account_id),
                mode: Mode::from_livemode(row.livemode),
            },
            account: account.into(),
            public_id: row.public_id,
            name: row.name,
            phc: Phc(row.phc),
            scopes,
            last_used_at: row.last_used_at.map(Moment::truncated),
            expires_at: row.expires_at.map(Moment::truncated),
            revoked_at: row.revoked_at.map(Moment::truncated),
            replaced_by: row.replaced_by.map(KeyId::from_uuid),
        }
    }
}
