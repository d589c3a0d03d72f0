//! What can go wrong below a request, sorted by what is to be done about it.

use uuid::Uuid;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection broke. Before COMMIT nothing was done; during it nobody knows: run the claim again.
    #[error("the connection to the database was lost: {0}")]
    Lost(String),
    /// A deadlock or a serialization failure: the other side won; run again.
    #[error("the transaction lost a race: {0}")]
    Contended(String),
    /// The row had changed since it was read: run again.
    #[error("the row changed meanwhile")]
    Stale,
    /// A lock was not to be had in time.
    #[error("a lock was not to be had in time")]
    LockTimeout,
    /// The same request is still running elsewhere.
    #[error("the same request is still running")]
    InProgress,
    /// The database is away, full, or all connections are taken: nothing was done.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A constraint that callers can run into.
    #[error("conflict: {0:?}")]
    Conflict(Conflict),
    /// A row that the domain refuses. Somebody wrote around it.
    #[error("row {id} of {table} is corrupt")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: Uuid,
    },
    /// A statement that should not have failed.
    #[error("the database refused a statement: {0}")]
    Sql(sqlx::Error),
    /// The work panicked and was rolled back.
    #[error("transaction {0} panicked")]
    Panicked(&'static str),
}

/// A named constraint, by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// `invoices_invoice_id_open_key`: an open invoice has this reference already.
    InvoiceId,
    /// `idempotency_keys_pkey`: the key was used, or is used twice in one slice.
    IdempotencyKey,
    /// `collections_key`: the same message of a bank is being answered elsewhere.
    Collection,
    /// `invoices_ktin_key` or `invoices_token_key`: a number or token was drawn twice.
    Drawn,
}

impl Conflict {
    fn of_constraint(name: &str) -> Option<Conflict> {
        match name {
            "invoices_invoice_id_open_key" => Some(Conflict::InvoiceId),
            "collections_key" => Some(Conflict::Collection),
            "idempotency_keys_pkey" => Some(Conflict::IdempotencyKey),
            "invoices_ktin_key" | "invoices_token_key" => Some(Conflict::Drawn),
            _ => None,
        }
    }
}

/// The error type of some work inside a transaction: it must be able to carry a failure of the store, and
/// to show it, so that the transaction knows when to run again.
pub trait Failure: From<Error> + Send + 'static {
    /// The failure of the store, when it is one.
    fn as_store(&self) -> Option<&Error>;
}

impl Failure for Error {
    fn as_store(&self) -> Option<&Error> {
        Some(self)
    }
}

/// Sorted by SQLSTATE (PostgreSQL manual, appendix A).
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Error::Unavailable(error.to_string()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Error::Lost(error.to_string()),
            sqlx::Error::Database(answer) => {
                let code = answer.code().unwrap_or_default();
                match code.as_ref() {
                    "40001" | "40P01" => Error::Contended(error.to_string()),
                    "55P03" => Error::LockTimeout,
                    "57014" => Error::Unavailable(error.to_string()),
                    "57P01" | "57P02" | "57P03" | "25006" | "25P03" => Error::Lost(error.to_string()),
                    _ if code.starts_with("08") => Error::Lost(error.to_string()),
                    _ if code.starts_with("53") => Error::Unavailable(error.to_string()),
                    _ => match answer.constraint().and_then(Conflict::of_constraint) {
                        Some(conflict) => Error::Conflict(conflict),
                        None => Error::Sql(error),
                    },
                }
            }
            _ => Error::Sql(error),
        }
    }
}
