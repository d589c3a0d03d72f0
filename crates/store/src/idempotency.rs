//! Exactly once: a claim on a caller's `Idempotency-Key`, its effect and its saved answer are one
//! transaction. A claim is not a lock for anything else: invoices have their own.

use std::fmt;

use bytes::Bytes;
use domain::account::{Mode, Owner};
use domain::id::AccountId;
use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use crate::error::{Error, Failure};
use crate::{Store, Tx};

/// A caller's key, and the fingerprint of what he asked with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    /// Scope of the key: account and mode, not the API key.
    pub owner: Owner,
    /// The `Idempotency-Key`.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request: [u8; 32],
}

/// An answer as it goes out and as it is saved. The store never looks into it.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status, 2xx.
    pub status: u16,
    /// `ETag`, when there is one.
    pub etag: Option<String>,
    /// `Location`, when there is one.
    pub location: Option<String>,
    /// The body, to the byte.
    pub body: Bytes,
}

impl Answer {
    /// What is kept of an answer that showed a secret: not its body, but whose secret it was.
    pub const fn of_secret(status: u16, id: String) -> Answer {
        Answer { status, etag: None, location: Some(id), body: Bytes::new() }
    }

    /// Whose secret the answer showed, if it did. No other answer is kept without a body.
    pub fn secret_of(&self) -> Option<&str> {
        self.location.as_deref().filter(|_| self.body.is_empty())
    }
}

/// Bodies hold personal data: only their size is shown.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer {{ status: {}, body: {} bytes }}", self.status, self.body.len())
    }
}

/// What became of a request that is to have one effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once<T> {
    /// It ran now.
    Done(T),
    /// It ran before; this was its answer.
    Seen(Answer),
    /// The key was used for another request.
    Reused,
}

impl Store {
    /// Claim → work → save the answer, in one transaction. Without a claim: just the work. Only what the
    /// work returns as `Ok` is saved; an error rolls the claim back.
    ///
    /// # Errors
    /// [`Error::InProgress`] when the same claim is still running elsewhere after two seconds.
    pub async fn once<T, E, F>(&self, name: &'static str, claim: Option<Claim>, work: F) -> Result<Once<T>, E>
    where
        T: AsRef<Answer> + Send + 'static,
        E: Failure,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    {
        let work = std::sync::Arc::new(work);
        self.transaction(name, move |tx| {
            let (claim, work) = (claim.clone(), work.clone());
            Box::pin(async move {
                let Some(claim) = claim else {
                    return work(tx).await.map(Once::Done);
                };
                match tx.claim(&claim).await? {
                    Once::Done(()) => {}
                    Once::Seen(answer) => return Ok(Once::Seen(answer)),
                    Once::Reused => return Ok(Once::Reused),
                }
                let done = work(tx).await?;
                tx.remember(&claim, done.as_ref()).await?;
                Ok(Once::Done(done))
            })
        })
        .await
    }
}

impl Tx {
    /// Takes the claim, or tells what became of it. A twin that is still running is waited for.
    async fn claim(&mut self, claim: &Claim) -> Result<Once<()>, Error> {
        let Owner { account, mode } = claim.owner;
        let inserted = sqlx::query!(
            r#"
            insert into idempotency_keys (account_id, livemode, key, request)
            values ($1, $2, $3, $4)
            on conflict do nothing
            "#,
            account.uuid(),
            mode.is_live(),
            claim.key,
            &claim.request,
        )
        .execute(self.connection())
        .await
        .map_err(Error::from);
        match inserted {
            Ok(done) if done.rows_affected() == 1 => return Ok(Once::Done(())),
            Ok(_) => {}
            Err(Error::LockTimeout) => return Err(Error::InProgress),
            Err(error) => return Err(error),
        }
        match seen(self.connection(), [claim]).await?.pop() {
            // Swept in between: run again.
            None => Err(Error::Stale),
            Some(kept) if kept.request != claim.request => Ok(Once::Reused),
            Some(kept) => Ok(Once::Seen(kept.answer)),
        }
    }

    async fn remember(&mut self, claim: &Claim, answer: &Answer) -> Result<(), Error> {
        sqlx::query!(
            r#"
            update idempotency_keys
            set status = $4, etag = $5, location = $6, body = $7
            where account_id = $1 and livemode = $2 and key = $3
            "#,
            claim.owner.account.uuid(),
            claim.owner.mode.is_live(),
            claim.key,
            i16::try_from(answer.status).unwrap_or(i16::MAX),
            answer.etag,
            answer.location,
            &answer.body[..],
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// What a key was used for, and its answer.
pub(crate) struct Kept {
    pub(crate) owner: Owner,
    pub(crate) key: String,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Answer,
}

/// What is kept of the keys of some claims, in no order; of those that nobody has used, nothing.
pub(crate) async fn seen<'c>(
    connection: &mut PgConnection,
    claims: impl IntoIterator<Item = &'c Claim>,
) -> Result<Vec<Kept>, Error> {
    let (mut accounts, mut livemodes, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for claim in claims {
        accounts.push(claim.owner.account.uuid());
        livemodes.push(claim.owner.mode.is_live());
        keys.push(claim.key.clone());
    }
    let rows = sqlx::query!(
        r#"
        select account_id, livemode, key, request, status, etag, location, body
        from idempotency_keys
        where (account_id, livemode, key) in (select * from unnest($1::uuid[], $2::boolean[], $3::text[]))
        "#,
        &accounts,
        &livemodes,
        &keys,
    )
    .fetch_all(connection)
    .await?;
    let kept = rows.into_iter().map(|row| {
        let corrupt = || Error::Corrupt { table: "idempotency_keys", id: row.account_id };
        Ok(Kept {
            owner: Owner {
                account: AccountId::from_uuid(row.account_id),
                mode: Mode::from_livemode(row.livemode),
            },
            key: row.key,
            request: row.request,
            answer: Answer {
                status: row.status.and_then(|status| u16::try_from(status).ok()).ok_or_else(corrupt)?,
                etag: row.etag,
                location: row.location,
                body: row.body.ok_or_else(corrupt)?.into(),
            },
        })
    });
    kept.collect()
}
