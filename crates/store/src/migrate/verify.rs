//! `kashio migrate verify`: is the schema the one that this program was built for? The files that were applied, and what
//! is really there: columns, constraints, indexes, triggers and functions, each compared with `migrations/schema.txt`, the
//! list of a freshly migrated database, which is compiled in. Not for what a program of another edition needs.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::{MigrateError, difference};
use crate::Error;

/// What a freshly migrated database holds, a line each.
const EXPECTED: &str = include_str!("../../../../migrations/schema.txt");

/// How a database differs from what this program needs; empty when it does not.
///
/// # Errors
/// When the database can not be asked.
pub async fn verify(connect: &PgConnectOptions) -> Result<Vec<String>, MigrateError> {
    let mut connection = connect.clone().disable_statement_logging().connect().await.map_err(Error::from)?;
    let found = differences(&mut connection).await;
    let _ = connection.close().await;
    Ok(found?)
}

async fn differences(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let mut found: Vec<String> = difference(connection).await?.into_iter().collect();
    let there = listing(connection).await?;
    let (expected, there): (BTreeSet<&str>, BTreeSet<&str>) =
        (EXPECTED.lines().collect(), there.iter().map(String::as_str).collect());
    found.extend(expected.difference(&there).map(|line| format!("missing: {line}")));
    found.extend(there.difference(&expected).map(|line| format!("not expected: {line}")));
    Ok(found)
}

/// What a database holds, a line each, in order.
///
/// # Errors
/// When it can not be asked.
pub async fn listing(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let lines = sqlx::query_scalar!(
        r#"
        with ours as (
            select oid, relname from pg_class
            where relnamespace = 'public'::regnamespace and relkind = 'r'
              and relname not in ('_sqlx_migrations', 'kashio_dev')
        )
        select line as "line!" from (
            select format('column %s.%s %s%s', relname, attname, format_type(atttypid, atttypmod),
                          case when attnotnull then ' not null' else '' end)
            from ours join pg_attribute on attrelid = ours.oid where attnum > 0 and not attisdropped
            union all
            select format('constraint %s on %s%s', conname, relname, case when convalidated then '' else ', not valid' end)
            from ours join pg_constraint on conrelid = ours.oid where contype <> 't'
            union all
            select format('index %s on %s%s%s', index.relname, ours.relname,
                          case when indisunique then ', unique' else '' end,
                          case when indisvalid then '' else ', invalid' end)
            from ours join pg_index on indrelid = ours.oid join pg_class index on index.oid = indexrelid
            union all
            select format('trigger %s on %s%s', tgname, relname, case when tgenabled in ('O', 'A') then '' else ', disabled' end)
            from ours join pg_trigger on tgrelid = ours.oid where not tgisinternal
            union all
            select format('function %s %s', proname, md5(prosrc)) from pg_proc
            where pronamespace = 'public'::regnamespace
              and not exists (select from pg_depend where objid = pg_proc.oid and deptype = 'e')
            union all
            select format('sequence %s', relname) from pg_class
            where relnamespace = 'public'::regnamespace and relkind = 'S'
        ) everything (line)
        order by line collate "C"
        "#
    )
    .fetch_all(connection)
    .await?;
    Ok(lines)
}
