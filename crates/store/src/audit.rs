//! The audit log: rows are added behind the lock of their chain's head, which is taken last of all locks, and are
//! never changed. See `domain::audit` for what the hashes prove and what they do not.

use domain::account::Mode;
use domain::audit::{Act, BEGINNING, Broken, By, Chain, Hash, Row, Walk};
use domain::id::{AccountId, KeyId, ServiceKeyId};
use domain::time::Moment;
use futures_util::TryStreamExt;
use uuid::Uuid;

use crate::{Error, Store, Tx, random};

/// Which rows a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one person.
    pub actor: Option<String>,
    /// About one object, by any of the spellings of its id.
    pub objects: Vec<String>,
    /// Later than this row, oldest first; absent: newest first.
    pub after: Option<Uuid>,
    /// With newest first: the row that the page follows.
    pub starting_after: Option<Uuid>,
    /// Rows of a page.
    pub limit: u16,
}

/// A row, and the hash that is kept with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The row.
    pub row: Row,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose chain.
    pub chain: Chain,
    /// Rows of the chain.
    pub count: i64,
    /// The newest row's hash.
    pub hash: Vec<u8>,
}

/// Something that a request did with a key, which its account should know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sighting {
    /// What, such as `security.wrong_address`.
    pub action: &'static str,
    /// The key's public id.
    pub public_id: String,
    /// Where it came from.
    pub address: String,
    /// The request.
    pub request_id: String,
}

struct SealedRow {
    chain: Uuid,
    sequence: i64,
    id: Uuid,
    at: chrono::DateTime<chrono::Utc>,
    action: String,
    object: Option<String>,
    actor: Option<String>,
    reason: Option<String>,
    service_key: Option<String>,
    request_id: Option<String>,
    address: Option<String>,
    details: Option<String>,
    hash: Vec<u8>,
}

impl From<SealedRow> for Sealed {
    fn from(row: SealedRow) -> Sealed {
        let by = By {
            actor: row.actor,
            reason: row.reason,
            service_key: row.service_key,
            request_id: row.request_id,
            address: row.address,
        };
        let (chain, at) = (Chain::from_uuid(row.chain), Moment::truncated(row.at));
        let (sequence, id, action, object, details) =
            (row.sequence, row.id, row.action, row.object, row.details);
        Sealed { row: Row { chain, sequence, id, at, action, object, by, details }, hash: row.hash }
    }
}

impl Tx {
    /// Adds a row. Call it last: whoever holds a head holds up everybody else of its chain.
    pub async fn audit(&mut self, act: Act) -> Result<(), Error> {
        let chain = act.chain.uuid();
        sqlx::query!(
            "insert into audit_heads (chain, count, hash) values ($1, 0, $2) on conflict do nothing",
            chain,
            &BEGINNING,
        )
        .execute(self.connection())
        .await?;
        let head = sqlx::query!(
            r#"
            select count, hash, date_trunc('second', clock_timestamp()) as "at!",
                   (extract(epoch from clock_timestamp()) * 1000)::bigint as "unix_millis!"
            from audit_heads where chain = $1 for update
            "#,
            chain,
        )
        .fetch_one(self.connection())
        .await?;
        let corrupt = || Error::Corrupt { table: "audit_heads", id: chain };
        let previous: Hash = head.hash.try_into().map_err(|_| corrupt())?;
        let millis = u64::try_from(head.unix_millis).map_err(|_| corrupt())?;
        let row = Row {
            chain: act.chain,
            sequence: head.count + 1,
            id: uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes()?).into_uuid(),
            at: Moment::truncated(head.at),
            action: act.action.to_owned(),
            object: act.object,
            by: act.by,
            details: act.details,
        };
        let hash = row.seal(&previous);
        sqlx::query!(
            r#"
            with head as (
                update audit_heads set count = $2, hash = $13 where chain = $1
            )
            insert into audit_log (
                chain, sequence, id, at, action, object, actor, reason, service_key, request_id, address, details, hash)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            "#,
            chain,
            row.sequence,
            row.id,
            row.at.to_utc(),
            row.action,
            row.object,
            row.by.actor,
            row.by.reason,
            row.by.service_key,
            row.by.request_id,
            row.by.address,
            row.details,
            &hash,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// A page of rows, and whether there are more. Within a chain nothing is missed by following `after`; a row of
    /// another chain may commit a little later than one with a greater id.
    pub async fn audit_rows(&mut self, filter: &Filter) -> Result<(Vec<Sealed>, bool), Error> {
        let objects = (!filter.objects.is_empty()).then_some(filter.objects.as_slice());
        let rows = sqlx::query_as!(
            SealedRow,
            r#"
            select chain, sequence, id, at, action, object, actor, reason, service_key, request_id, address, details, hash
            from audit_log
            where ($1::text is null or actor = $1)
              and ($2::text[] is null or object = any ($2))
              and ($3::uuid is null or id > $3)
              and ($4::uuid is null or id < $4)
            order by case when $3::uuid is not null then id end asc, id desc
            limit $5
            "#,
            filter.actor,
            objects,
            filter.after,
            filter.starting_after,
            i64::from(filter.limit) + 1,
        )
        .fetch_all(self.connection())
        .await?;
        let has_more = rows.len() > usize::from(filter.limit);
        Ok((rows.into_iter().take(filter.limit.into()).map(Sealed::from).collect(), has_more))
    }

    /// What a request did to an object, when it was committed after all: for work that runs again because the connection
    /// broke in COMMIT, and must not take its own first run for somebody else's.
    pub async fn act_of_request(&mut self, object: &str, by: &By) -> Result<Option<String>, Error> {
        let action = sqlx::query_scalar!(
            "select action from audit_log where object = $1 and request_id = $2 order by id desc limit 1",
            object,
            by.request_id,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(action)
    }

    /// Adds a security event to the chain of its key's account, unless the same was seen within a minute or the key
    /// is not ours.
    async fn sight(&mut self, sighting: &Sighting) -> Result<(), Error> {
        let merchant = sqlx::query!(
            "select account_id, livemode, id from api_keys where public_id = $1",
            sighting.public_id,
        )
        .fetch_optional(self.connection())
        .await?;
        let (chain, object) = match merchant {
            Some(key) => (
                Chain::Account(AccountId::from_uuid(key.account_id)),
                KeyId::from_uuid(key.id).text(Mode::from_livemode(key.livemode)),
            ),
            None => {
                let service =
                    sqlx::query!("select id from service_keys where public_id = $1", sighting.public_id)
                        .fetch_optional(self.connection())
                        .await?;
                let Some(key) = service else { return Ok(()) };
                (Chain::System, ServiceKeyId::from_uuid(key.id).text(Mode::Live))
            }
        };
        // Replicas that saw it at once count each other behind the head's lock.
        sqlx::query!("select chain from audit_heads where chain = $1 for update", chain.uuid())
            .fetch_optional(self.connection())
            .await?;
        let seen = sqlx::query_scalar!(
            r#"
            select exists (
                select from audit_log
                where object = $1 and address = $2 and action = $3
                  and at > clock_timestamp() - interval '60 seconds') as "seen!"
            "#,
            object,
            sighting.address,
            sighting.action,
        )
        .fetch_one(self.connection())
        .await?;
        if seen {
            return Ok(());
        }
        let by = By {
            request_id: Some(sighting.request_id.clone()),
            address: Some(sighting.address.clone()),
            ..By::default()
        };
        self.audit(Act { chain, action: sighting.action, object: Some(object), by, details: None }).await
    }
}

impl Store {
    /// Writes down what was seen. Each in a transaction of its own: heads are not held together.
    ///
    /// # Errors
    /// When the database can not be asked; the rest is lost, as a flood of them would be.
    pub async fn sight(&self, sightings: Vec<Sighting>) -> Result<(), Error> {
        for sighting in sightings {
            self.transaction::<_, Error, _>("write_security_event", move |tx| {
                let sighting = sighting.clone();
                Box::pin(async move { tx.sight(&sighting).await })
            })
            .await?;
        }
        Ok(())
    }

    /// The ends of all chains: to be logged each minute, where whoever rules the database does not rule.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn audit_heads(&self) -> Result<Vec<Head>, Error> {
        let mut connection = self.inner.aside.acquire().await?;
        let rows = sqlx::query!("select chain, count, hash from audit_heads order by chain")
            .fetch_all(&mut *connection)
            .await?;
        let head = |chain, count, hash| Head { chain: Chain::from_uuid(chain), count, hash };
        Ok(rows.into_iter().map(|row| head(row.chain, row.count, row.hash)).collect())
    }

    /// Walks every chain. `logged` are heads that were logged, which must still be in their chains.
    ///
    /// # Errors
    /// When the database can not be asked.
    pub async fn verify_audit(
        &self,
        logged: &[(Chain, i64, Hash)],
    ) -> Result<(u64, Vec<(Chain, Broken)>), Error> {
        let mut connection = self.inner.aside.acquire().await?;
        // One snapshot: rows and heads that belong together.
        let mut reading = sqlx::Connection::begin(&mut *connection).await?;
        sqlx::query("set transaction isolation level repeatable read, read only")
            .execute(&mut *reading)
            .await?;
        let heads =
            sqlx::query!("select chain, count, hash from audit_heads").fetch_all(&mut *reading).await?;
        let named =
            sqlx::query_scalar!("select distinct chain from audit_log").fetch_all(&mut *reading).await?;
        let mut chains: Vec<Uuid> = heads.iter().map(|head| head.chain).chain(named).collect();
        chains.extend(logged.iter().map(|(chain, ..)| chain.uuid()));
        chains.sort_unstable();
        chains.dedup();
        let (mut count, mut broken) = (0, Vec::new());
        for chain in chains {
            let anchors = logged.iter().filter(|(logged, ..)| logged.uuid() == chain);
            let anchors = anchors.map(|(_, sequence, hash)| (*sequence, *hash)).collect();
            let mut walk = Walk::past(anchors);
            let mut fault = None;
            let mut rows = sqlx::query_as!(
                SealedRow,
                r#"
                select chain, sequence, id, at, action, object, actor, reason, service_key, request_id, address, details,
                       hash
                from audit_log where chain = $1 order by sequence
                "#,
                chain,
            )
            .fetch(&mut *reading);
            while let Some(row) = rows.try_next().await? {
                count += 1;
                // Whole seconds are sealed; what is kept beyond them somebody has added.
                let is_whole = row.at.timestamp_subsec_nanos() == 0;
                let sealed = Sealed::from(row);
                let step = if is_whole {
                    walk.step(&sealed.row, &sealed.hash)
                } else {
                    Err(Broken::Seal { sequence: sealed.row.sequence })
                };
                if let Err(found) = step {
                    fault = Some(found);
                    break;
                }
            }
            drop(rows);
            let head = heads.iter().find(|head| head.chain == chain);
            let end = match fault {
                Some(fault) => Err(fault),
                None => walk.end(head.map(|head| (head.count, head.hash.as_slice()))),
            };
            broken.extend(end.err().map(|fault| (Chain::from_uuid(chain), fault)));
        }
        Ok((count, broken))
    }
}
