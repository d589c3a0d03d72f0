//! Whether the database is well enough to serve. Asked once a second on a connection of its own; `/readyz`
//! reads what was found and never waits.

use crate::{Error, Store, migrate};

/// What one look at the database found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What the schema lacks, if anything.
    pub schema: Option<String>,
    /// The durability settings that are off.
    pub not_durable: Vec<String>,
}

impl Store {
    /// One look at the database.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn health(&self) -> Result<Health, Error> {
        let mut connection = self.inner.aside.acquire().await?;
        let not_durable = sqlx::query_scalar!(
            r#"
            select name as "name!" from pg_settings
            where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off'
            "#
        )
        .fetch_all(&mut *connection)
        .await?;
        let schema = migrate::difference(&mut connection).await?;
        Ok(Health { schema, not_durable })
    }
}
