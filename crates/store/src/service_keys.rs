//! The keys of services inside: KCMS, and the connectors of banks. As merchants' keys, but with a role instead of an
//! account.

use domain::id::ServiceKeyId;
use domain::key::{Role, SecretKey};
use domain::time::Moment;

use crate::keys::{CHANGES_OVERLAP_SECONDS, Phc, Refused};
use crate::{Error, Store, Tx};

/// A service's key as it is kept.
#[derive(Clone)]
pub struct ServiceKeyRecord {
    /// Its id.
    pub id: ServiceKeyId,
    /// The twelve characters that name it.
    pub public_id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The argon2id hash (PHC string).
    pub phc: Phc,
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
    pub replaced_by: Option<ServiceKeyId>,
}

/// A key to be added: the secret stays with its maker.
#[derive(Clone)]
pub struct NewServiceKey {
    /// Its id.
    pub id: ServiceKeyId,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Refused from then on.
    pub expires_at: Option<Moment>,
    /// The key, of which only public parts are kept.
    pub secret: SecretKey,
    /// Its hash.
    pub phc: Phc,
    /// The number of the hash parameters.
    pub hash_version: i16,
}

type Timestamp = chrono::DateTime<chrono::Utc>;

struct Row {
    id: uuid::Uuid,
    public_id: String,
    name: String,
    role: String,
    channel: Option<String>,
    phc: String,
    prefix: String,
    last4: String,
    created: Timestamp,
    last_used_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    replaced_by: Option<uuid::Uuid>,
}

macro_rules! select_service_key {
    ($rest:literal, $($bind:expr),* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select id, public_id, name, role, channel, phc, prefix, last4, created, last_used_at, expires_at, revoked_at,
                   replaced_by
            from service_keys
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
    pub async fn service_key(&self, public_id: &str) -> Result<Option<ServiceKeyRecord>, Error> {
        let public_id = public_id.to_owned();
        self.read("find_service_key", move |tx| {
            let public_id = public_id.clone();
            Box::pin(async move {
                let row = select_service_key!("where public_id = $1", public_id);
                row.fetch_optional(tx.connection()).await?.map(ServiceKeyRecord::try_from).transpose()
            })
        })
        .await
    }

    /// The keys that changed lately; see [`Store::keys_changed_lately`].
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn service_keys_changed_lately(&self) -> Result<Vec<ServiceKeyRecord>, Error> {
        let mut connection = self.inner.aside.acquire().await?;
        let rows = select_service_key!(
            "where changed_at > now() - $1::bigint * interval '1 second'",
            CHANGES_OVERLAP_SECONDS,
        )
        .fetch_all(&mut *connection)
        .await?;
        // A row that this program does not understand must not keep it from hearing of the others.
        Ok(rows.into_iter().filter_map(|row| ServiceKeyRecord::try_from(row).ok()).collect())
    }
}

impl Tx {
    /// Adds a key; one that has the same public id already stays as it is.
    pub async fn add_service_key(&mut self, key: &NewServiceKey) -> Result<(), Error> {
        sqlx::query!(
            r#"
            insert into service_keys (
                id, public_id, name, role, channel, phc, hash_version, prefix, last4, expires_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            on conflict (public_id) do nothing
            "#,
            key.id.uuid(),
            key.secret.public_id(),
            key.name,
            key.role.as_str(),
            key.role.channel(),
            key.phc.0,
            key.hash_version,
            key.secret.shown_prefix(),
            key.secret.last4(),
            key.expires_at.map(|end| end.to_utc()),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The key of an id.
    pub async fn service_key(&mut self, id: ServiceKeyId) -> Result<Option<ServiceKeyRecord>, Error> {
        let row = select_service_key!("where id = $1", id.uuid());
        row.fetch_optional(self.connection()).await?.map(ServiceKeyRecord::try_from).transpose()
    }

    /// A page of the keys, newest first, and whether there are more.
    pub async fn service_keys(
        &mut self,
        after: Option<ServiceKeyId>,
        limit: u16,
    ) -> Result<(Vec<ServiceKeyRecord>, bool), Error> {
        let rows = select_service_key!(
            "where ($1::uuid is null or id < $1) order by id desc limit $2",
            after.map(ServiceKeyId::uuid),
            i64::from(limit) + 1,
        )
        .fetch_all(self.connection())
        .await?;
        let has_more = rows.len() > usize::from(limit);
        let keys = rows.into_iter().take(limit.into()).map(ServiceKeyRecord::try_from);
        Ok((keys.collect::<Result<_, _>>()?, has_more))
    }

    /// The key of an id, locked.
    pub async fn lock_service_key(&mut self, id: ServiceKeyId) -> Result<Option<ServiceKeyRecord>, Error> {
        let row = select_service_key!("where id = $1 for update", id.uuid());
        row.fetch_optional(self.connection()).await?.map(ServiceKeyRecord::try_from).transpose()
    }

    /// Ends a key for ever. Ended already: nothing changes.
    pub async fn revoke_service_key(&mut self, id: ServiceKeyId) -> Result<(), Error> {
        sqlx::query!(
            r#"
            update service_keys set revoked_at = now(), changed_at = now()
            where id = $1 and revoked_at is null
            "#,
            id.uuid(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Adds a key in the place of another, whose role and end it gets; see [`Tx::roll_key`].
    pub async fn roll_service_key(
        &mut self,
        id: ServiceKeyId,
        new: &NewServiceKey,
        overlap_seconds: i64,
    ) -> Result<Result<(ServiceKeyRecord, ServiceKeyRecord), Refused<ServiceKeyId>>, Error> {
        let Some(old) = self.lock_service_key(id).await? else { return Ok(Err(Refused::Unknown)) };
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
        self.add_service_key(new).await?;
        sqlx::query!(
            r#"
            update service_keys
            set replaced_by = $2, changed_at = now(),
                expires_at = least(expires_at, now() + $3::bigint * interval '1 second')
            where id = $1
            "#,
            id.uuid(),
            new.id.uuid(),
            overlap_seconds,
        )
        .execute(self.connection())
        .await?;
        let key = self.lock_service_key(new.id).await?;
        Ok(key.map(|key| (old, key)).ok_or(Refused::Unknown))
    }
}

impl TryFrom<Row> for ServiceKeyRecord {
    type Error = Error;

    fn try_from(row: Row) -> Result<ServiceKeyRecord, Error> {
        let corrupt = Error::Corrupt { table: "service_keys", id: row.id };
        Ok(ServiceKeyRecord {
            id: ServiceKeyId::from_uuid(row.id),
            public_id: row.public_id,
            name: row.name,
            role: Role::parse(&row.role, row.channel.as_deref()).ok_or(corrupt)?,
            phc: Phc(row.phc),
            prefix: row.prefix,
            last4: row.last4,
            created: Moment::truncated(row.created),
            last_used_at: row.last_used_at.map(Moment::truncated),
            expires_at: row.expires_at.map(Moment::truncated),
            revoked_at: row.revoked_at.map(Moment::truncated),
            replaced_by: row.replaced_by.map(ServiceKeyId::from_uuid),
        })
    }
}
