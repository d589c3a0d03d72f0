//! Exactly once: a claim on a caller's `Idempotency-Key`, its effect and its saved answer are one
//! transaction. A claim is not a lock for anything else: invoices have their own.

use std::fmt;

use bytes::Bytes;
use domain::account::Owner;
use futures_util::future::BoxFuture;

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
        let seen = sqlx::query!(
            r#"
            select request, status, etag, location, body
            from idempotency_keys
            where account_id = $1 and livemode = $2 and key = $3
            "#,
            account.uuid(),
            mode.is_live(),
            claim.key,
        )
        .fetch_optional(self.connection())
        .await?;
        match seen {
            // Swept in between: run again.
            None => Err(Error::Stale),
            Some(row) if row.request != claim.request => Ok(Once::Reused),
            Some(row) => {
                let corrupt = || Error::Corrupt { table: "idempotency_keys", id: account.uuid() };
                Ok(Once::Seen(Answer {
                    status: row.status.and_then(|status| u16::try_from(status).ok()).ok_or_else(corrupt)?,
                    etag: row.etag,
                    location: row.location,
                    body: row.body.ok_or_else(corrupt)?.into(),
                }))
            }
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
