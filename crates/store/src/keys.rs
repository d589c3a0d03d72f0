//! API keys at rest: found by their public id, never by their secret, which is nowhere.

use domain::account::{Account, CollectionChannel, Mode, Owner};
use domain::id::{AccountId, KeyId, ServiceKeyId};
use domain::key::{Scope, SecretKey};
use domain::late_fee::LateFee;
use domain::time::Moment;
use ipnet::IpNet;
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
    /// Networks that it may be used from; `None`: any.
    pub ip_allow: Option<Vec<IpNet>>,
    /// What is shown of it: its beginning.
    pub prefix: String,
    /// What is shown of it: its end.
    pub last4: String,
    /// Made.
    pub created: Moment,
    /// To the minute.
    pub last_used_at: Option<Moment>,
    /// Refused from then on.
    pub expires_at: Option<Moment>,
    /// Refused since then.
    pub revoked_at: Option<Moment>,
    /// The key that takes over from it.
    pub replaced_by: Option<KeyId>,
}

/// The number of the parameters that keys are hashed with now, kept with each key: argon2id, 19 MiB, 2 passes, 1 lane.
pub const HASH_VERSION: i16 = 1;

/// Keys of one account and mode that are accepted at the same time, at most.
pub const MAX_LIVE_KEYS: i64 = 20;

/// Why a key is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused<Id> {
    /// There is no such account, or no such key.
    #[error("there is no such account or key")]
    Unknown,
    /// A live key, and the account does not accept them.
    #[error("the account does not accept live keys; enable live mode first")]
    LiveNotEnabled,
    /// The account has [`MAX_LIVE_KEYS`] of this mode already.
    #[error("the account has 20 keys of this mode; revoke one first")]
    TooMany,
    /// The key to be rolled is revoked, or past its end.
    #[error("the key is revoked or expired; create a new one")]
    Ended,
    /// The key to be rolled has a successor.
    #[error("the key was rolled already; roll its successor")]
    Replaced(Id),
}

impl<Id> Refused<Id> {
    /// The same, with the successor's id as it is shown.
    pub fn spelled<T>(self, spell: impl FnOnce(Id) -> T) -> Refused<T> {
        match self {
            Refused::Unknown => Refused::Unknown,
            Refused::LiveNotEnabled => Refused::LiveNotEnabled,
            Refused::TooMany => Refused::TooMany,
            Refused::Ended => Refused::Ended,
            Refused::Replaced(id) => Refused::Replaced(spell(id)),
        }
    }
}

/// A hash of a key. It is no secret of the first rank, but it has no business in a log: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Phc(pub String);

/// A key to be added: the secret stays with its maker.
#[derive(Clone)]
pub struct NewKey {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub owner: Owner,
    /// What its owner calls it.
    pub name: String,
    /// What it may do; `None`: everything.
    pub scopes: Option<Vec<Scope>>,
    /// Networks that it may be used from; `None`: any.
    pub ip_allow: Option<Vec<IpNet>>,
    /// Refused from then on.
    pub expires_at: Option<Moment>,
    /// The key, of which only public parts are kept.
    pub secret: SecretKey,
    /// Its hash.
    pub phc: Phc,
    /// The number of the hash parameters.
    pub hash_version: i16,
}

impl NewKey {
    /// A key that may do everything, from everywhere, until somebody ends it.
    pub fn unrestricted(id: KeyId, owner: Owner, name: &str, secret: SecretKey, phc: Phc) -> NewKey {
        let name = name.to_owned();
        let (scopes, ip_allow, expires_at) = (None, None, None);
        NewKey { id, owner, name, scopes, ip_allow, expires_at, secret, phc, hash_version: HASH_VERSION }
    }
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
    ip_allow: Option<Vec<String>>,
    prefix: String,
    last4: String,
    created: Timestamp,
    last_used_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    replaced_by: Option<uuid::Uuid>,
    account_name: String,
    legal_name: Option<String>,
    tax_id: Option<String>,
    version_pin: Option<String>,
    default_expiration_seconds: i64,
    customer_required: bool,
    late_fee: Json<LateFee>,
    rate_per_second: Option<i32>,
    rate_burst: Option<i32>,
    collection_channels: Json<Vec<CollectionChannel>>,
    live_enabled: bool,
    disabled_at: Option<Timestamp>,
    account_created: Timestamp,
}

macro_rules! select_key {
    ($rest:literal, $($bind:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select api_keys.id, account_id, livemode, public_id, api_keys.name, phc, scopes, ip_allow,
                   prefix, last4, api_keys.created, last_used_at, expires_at, revoked_at, replaced_by,
                   accounts.name as account_name, legal_name, tax_id, version_pin, default_expiration_seconds,
                   customer_required, late_fee as "late_fee: Json<LateFee>", rate_per_second, rate_burst,
                   collection_channels as "collection_channels: Json<Vec<CollectionChannel>>",
                   live_enabled, disabled_at, accounts.created as account_created
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
    pub async fn add_key(&mut self, key: &NewKey) -> Result<(), Error> {
        let scopes = key.scopes.as_ref();
        let scopes =
            scopes.map(|scopes| scopes.iter().map(|scope| scope.as_str().to_owned()).collect::<Vec<_>>());
        let networks = key.ip_allow.as_ref();
        let networks = networks.map(|networks| networks.iter().map(IpNet::to_string).collect::<Vec<_>>());
        sqlx::query!(
            r#"
            insert into api_keys (
                account_id, livemode, id, public_id, name, phc, hash_version, prefix, last4, scopes, ip_allow, expires_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
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
            scopes.as_deref(),
            networks.as_deref(),
            key.expires_at.map(|end| end.to_utc()),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Tx {
    /// Adds a key to its account, which must accept its mode and have room for it. The account's row is locked, so
    /// that two at once count each other. Run again, it finds what it added.
    pub async fn issue_key(&mut self, key: &NewKey) -> Result<Result<KeyRecord, Refused<KeyId>>, Error> {
        let Owner { account, mode } = key.owner;
        let Some(known) = self.lock_account(account).await? else { return Ok(Err(Refused::Unknown)) };
        if mode == Mode::Live && !known.account.live_enabled {
            return Ok(Err(Refused::LiveNotEnabled));
        }
        if self.key(key.id, mode).await?.is_none() {
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
                return Ok(Err(Refused::TooMany));
            }
            self.add_key(key).await?;
        }
        Ok(self.key(key.id, mode).await?.ok_or(Refused::Unknown))
    }

    /// Issues a key in the place of another, whose scopes, networks and end it gets; the old one ends in
    /// `overlap_seconds`, or when it would have anyway, and names its successor. Both, the old one first.
    pub async fn roll_key(
        &mut self,
        id: KeyId,
        new: &NewKey,
        overlap_seconds: i64,
    ) -> Result<Result<(KeyRecord, KeyRecord), Refused<KeyId>>, Error> {
        let mode = new.owner.mode;
        // The account before its keys, as everywhere.
        self.lock_account(new.owner.account).await?;
        let Some(old) = self.lock_key(id, mode).await? else { return Ok(Err(Refused::Unknown)) };
        match old.replaced_by {
            Some(successor) if successor != new.id => return Ok(Err(Refused::Replaced(successor))),
            Some(_) => {}
            None => {
                let now = self.store().clock().now();
                if old.revoked_at.is_some() || old.expires_at.is_some_and(|end| end <= now) {
                    return Ok(Err(Refused::Ended));
                }
            }
        }
        let successor = NewKey {
            scopes: old.scopes.clone(),
            ip_allow: old.ip_allow.clone(),
            expires_at: old.expires_at,
            ..new.clone()
        };
        let key = match self.issue_key(&successor).await? {
            Ok(key) => key,
            Err(refused) => return Ok(Err(refused)),
        };
        self.replace_key(&old, key.id, overlap_seconds).await?;
        Ok(Ok((old, key)))
    }

    /// A page of the keys of an account, newest first, and whether there are more.
    pub async fn keys(
        &mut self,
        account: AccountId,
        after: Option<KeyId>,
        limit: u16,
    ) -> Result<(Vec<KeyRecord>, bool), Error> {
        let rows = select_key!(
            "where account_id = $1 and ($2::uuid is null or api_keys.id < $2) order by api_keys.id desc limit $3",
            account.uuid(),
            after.map(KeyId::uuid),
            i64::from(limit) + 1,
        )
        .fetch_all(self.connection())
        .await?;
        let has_more = rows.len() > usize::from(limit);
        Ok((rows.into_iter().take(limit.into()).map(KeyRecord::from).collect(), has_more))
    }

    /// The key of an id.
    pub async fn key(&mut self, id: KeyId, mode: Mode) -> Result<Option<KeyRecord>, Error> {
        let row = select_key!("where api_keys.id = $1 and livemode = $2", id.uuid(), mode.is_live());
        Ok(row.fetch_optional(self.connection()).await?.map(KeyRecord::from))
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

    async fn replace_key(&mut self, key: &KeyRecord, by: KeyId, overlap_seconds: i64) -> Result<(), Error> {
        sqlx::query!(
            r#"
            update api_keys
            set replaced_by = $4, changed_at = now(),
                expires_at = least(expires_at, now() + $5::bigint * interval '1 second')
            where account_id = $1 and livemode = $2 and id = $3
            "#,
            key.owner.account.uuid(),
            key.owner.mode.is_live(),
            key.id.uuid(),
            by.uuid(),
            overlap_seconds,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// A key that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Used {
    /// A merchant's.
    Merchant(Owner, KeyId),
    /// A service's.
    Service(ServiceKeyId),
}

impl Store {
    /// Notes that keys were used just now: at most once a minute each, whoever else notes it too.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn note_used(&self, keys: &[Used]) -> Result<(), Error> {
        let merchants = keys.iter().filter_map(|key| match key {
            Used::Merchant(owner, id) => Some((owner.account.uuid(), owner.mode.is_live(), id.uuid())),
            Used::Service(_) => None,
        });
        let (accounts, (modes, ids)): (Vec<_>, (Vec<_>, Vec<_>)) =
            merchants.map(|(account, mode, id)| (account, (mode, id))).unzip();
        let services: Vec<_> = keys
            .iter()
            .filter_map(|key| match key {
                Used::Service(id) => Some(id.uuid()),
                Used::Merchant(..) => None,
            })
            .collect();
        let mut connection = self.inner.aside.acquire().await?;
        // A row that somebody holds is being noted by him, or changed: the next use will be noted.
        sqlx::query!(
            r#"
            with used as (
                select api_keys.account_id, api_keys.livemode, api_keys.id
                from api_keys
                join unnest($1::uuid[], $2::boolean[], $3::uuid[]) as used (account_id, livemode, id)
                  on (api_keys.account_id, api_keys.livemode, api_keys.id) = (used.account_id, used.livemode, used.id)
                where last_used_at is null or last_used_at <= now() - interval '1 minute'
                for update of api_keys skip locked
            )
            update api_keys set last_used_at = date_trunc('second', now())
            from used
            where (api_keys.account_id, api_keys.livemode, api_keys.id) = (used.account_id, used.livemode, used.id)
            "#,
            &accounts,
            &modes,
            &ids,
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            r#"
            with used as (
                select id from service_keys
                where id = any ($1) and (last_used_at is null or last_used_at <= now() - interval '1 minute')
                for update skip locked
            )
            update service_keys set last_used_at = date_trunc('second', now())
            from used where service_keys.id = used.id
            "#,
            &services,
        )
        .execute(&mut *connection)
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
        // Nor does a network that it can not read let anybody in.
        let networks = |texts: Vec<String>| texts.iter().filter_map(|text| text.parse().ok()).collect();
        let ip_allow = row.ip_allow.map(networks);
        let account = accounts::Row {
            id: row.account_id,
            name: row.account_name,
            legal_name: row.legal_name,
            tax_id: row.tax_id,
            version_pin: row.version_pin,
            default_expiration_seconds: row.default_expiration_seconds,
            customer_required: row.customer_required,
            late_fee: row.late_fee,
            rate_per_second: row.rate_per_second,
            rate_burst: row.rate_burst,
            collection_channels: row.collection_channels,
            live_enabled: row.live_enabled,
            disabled_at: row.disabled_at,
            created: row.account_created,
        };
        KeyRecord {
            id: KeyId::from_uuid(row.id),
            owner: Owner {
                account: AccountId::from_uuid(row.account_id),
                mode: Mode::from_livemode(row.livemode),
            },
            account: accounts::Known::from(account).account,
            public_id: row.public_id,
            name: row.name,
            phc: Phc(row.phc),
            scopes,
            ip_allow,
            prefix: row.prefix,
            last4: row.last4,
            created: Moment::truncated(row.created),
            last_used_at: row.last_used_at.map(Moment::truncated),
            expires_at: row.expires_at.map(Moment::truncated),
            revoked_at: row.revoked_at.map(Moment::truncated),
            replaced_by: row.replaced_by.map(KeyId::from_uuid),
        }
    }
}
