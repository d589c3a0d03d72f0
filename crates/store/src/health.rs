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

/// What `kashio doctor` wants to know of the database beside its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkup {
    /// The server's version, such as `15.14`.
    pub version: String,
    /// The same as a number, such as 150014.
    pub version_number: i32,
    /// As each second.
    pub health: Health,
    /// Roles beside the owner, superusers aside, that may change rows of the audit log.
    pub may_rewrite_audit: Vec<String>,
    /// The triggers that keep the audit log from being changed are there and on.
    pub audit_is_guarded: bool,
}

impl Store {
    /// A long look at the database.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn checkup(&self) -> Result<Checkup, Error> {
        let health = self.health().await?;
        let mut connection = self.inner.aside.acquire().await?;
        let server = sqlx::query!(
            r#"
            select current_setting('server_version') as "version!",
                   current_setting('server_version_num')::integer as "number!"
            "#
        )
        .fetch_one(&mut *connection)
        .await?;
        let may_rewrite_audit = sqlx::query_scalar!(
            r#"
            select rolname::text as "name!" from pg_roles
            where to_regclass('audit_log') is not null and not rolsuper and rolname not like 'pg\_%'
              and oid <> (select relowner from pg_class where oid = to_regclass('audit_log'))
              and (has_table_privilege(oid, to_regclass('audit_log'), 'update')
                   or has_table_privilege(oid, to_regclass('audit_log'), 'delete')
                   or has_table_privilege(oid, to_regclass('audit_log'), 'truncate'))
            order by rolname
            "#
        )
        .fetch_all(&mut *connection)
        .await?;
        let audit_is_guarded = sqlx::query_scalar!(
            r#"
            select count(*) = 2 as "guarded!" from pg_trigger
            where tgrelid = to_regclass('audit_log') and tgenabled in ('O', 'A')
              and tgname in ('audit_log_is_only_added_to', 'audit_log_is_not_emptied')
            "#
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok(Checkup {
            version: server.version,
            version_number: server.number,
            health,
            may_rewrite_audit,
            audit_is_guarded,
        })
    }
}
