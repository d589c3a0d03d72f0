//! A database of its own for every test, cloned from a template that is made once.
//!
//! The server is `KASHIO_TEST_DATABASE_URL` (a superuser's URL), else the shared cluster
//! ([`crate::shared`]). `DATABASE_URL` is never read: tests must not meet anybody's data.
//! Give each test its own pool of at most 5 connections. Names of databases carry the server's
//! time of their creation, in seconds: `kashio_template_<seconds>_<fingerprint>` and
//! `kashio_test_<seconds>_<random>`; what is older than an hour and idle is dropped.

use std::env;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use url::Url;

pub use crate::shared::own_cluster;

use crate::error::Error;
use crate::{files, shared};

/// Number of the server's lock that is held shared to clone and exclusive to make a template.
const CLONING: i64 = 0x6b61_7368_696f;
/// Number of the lock of whoever sweeps.
const SWEEPING: i64 = CLONING + 1;
/// The most databases that one process sweeps: the first test waits for it.
const SWEEP: i64 = 100;

/// A database that belongs to one test. It stays when this is dropped, to be looked at after a
/// failure, and goes with an hour's sweep.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// A superuser's URL of this database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A new database, a clone of the template named by `fingerprint`, such as a hash of the
/// migrations. If there is none yet, `prepare` gets the URL of an empty database and makes it the
/// template. Test processes and tests may do so at once: one prepares, the others wait.
///
/// # Errors
/// [`Error::Prepare`] with what `prepare` said; [`Error::Database`]; as
/// [`crate::Cluster::start`] if the shared cluster does not start.
pub async fn database<F, Fut>(fingerprint: &str, prepare: F) -> Result<TestDatabase, Error>
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>>,
{
    let fingerprint = &files::sha256(fingerprint.as_bytes())[..16];
    let server = server().await?;
    let mut admin = PgConnection::connect(server.as_str()).await?;
    // The locks end with the connection, however this ends.
    sweep(&mut admin).await?;
    lock(&mut admin, "pg_advisory_lock_shared", CLONING).await?;
    if let Some(template) = template(&mut admin, fingerprint).await? {
        return clone(&mut admin, server, &template).await;
    }
    lock(&mut admin, "pg_advisory_unlock_shared", CLONING).await?;
    lock(&mut admin, "pg_advisory_lock", CLONING).await?;
    let template = match template(&mut admin, fingerprint).await? {
        Some(template) => template,
        None => make(&mut admin, server, fingerprint, prepare).await?,
    };
    clone(&mut admin, server, &template).await
}

/// The server's URL, found once per process.
async fn server() -> Result<&'static Url, Error> {
    static SERVER: OnceCell<Url> = OnceCell::const_new();
    let find = || async {
        let url = match env::var("KASHIO_TEST_DATABASE_URL") {
            Ok(url) if !url.is_empty() => url,
            Ok(_) | Err(_) => tokio::task::spawn_blocking(shared::url)
                .await
                .map_err(|error| sqlx::Error::Io(error.into()))??,
        };
        Ok(Url::parse(&url)?)
    };
    SERVER.get_or_try_init(find).await
}

fn url_of(server: &Url, name: &str) -> String {
    let mut url = server.clone();
    url.set_path(name);
    url.into()
}

async fn lock(admin: &mut PgConnection, function: &str, number: i64) -> Result<(), Error> {
    execute(admin, format!("select {function}({number})")).await?;
    Ok(())
}

/// A template that no sweep comes for soon.
async fn template(admin: &mut PgConnection, fingerprint: &str) -> Result<Option<String>, Error> {
    let found = sqlx::query_scalar(
        "select datname::text from pg_database
         where datname ~ ('^kashio_template_[0-9]+_' || $1 || '$')
           and split_part(datname, '_', 3)::bigint > extract(epoch from now()) - 3000
         order by datname desc limit 1",
    );
    Ok(found.bind(fingerprint).fetch_optional(admin).await?)
}

/// Makes the template under another name first: a half-made one is never cloned.
async fn make<F, Fut>(
    admin: &mut PgConnection,
    server: &Url,
    fingerprint: &str,
    prepare: F,
) -> Result<String, Error>
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>>,
{
    let seconds = now(admin).await?;
    let building = format!("kashio_building_{seconds}_{}", files::random_hex::<8>()?);
    let template = format!("kashio_template_{seconds}_{fingerprint}");
    execute(admin, format!("create database {building} template template0")).await?;
    let prepared = prepare(url_of(server, &building)).await;
    // A pool that `prepare` dropped closes its connections later than we like.
    let closed = format!("alter database {building} with allow_connections false");
    execute(admin, closed).await?;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
    sqlx::query(cut).bind(&building).execute(&mut *admin).await?;
    let rest = match prepared {
        Ok(()) => format!("alter database {building} rename to {template}"),
        Err(_) => format!("drop database {building}"),
    };
    retry(admin, &rest).await?;
    prepared.map(|()| template).map_err(Error::Prepare)
}

async fn clone(admin: &mut PgConnection, server: &Url, template: &str) -> Result<TestDatabase, Error> {
    let seconds = now(admin).await?;
    let name = format!("kashio_test_{seconds}_{}", files::random_hex::<8>()?);
    retry(admin, &format!("create database {name} template {template}")).await?;
    let url = url_of(server, &name);
    Ok(TestDatabase { name, url })
}

/// Drops what is idle and older than an hour; beyond the hundred newest, ten minutes are enough
/// (a clone takes 8 MB of disk). Once per process.
async fn sweep(admin: &mut PgConnection) -> Result<(), Error> {
    static SWEPT: AtomicBool = AtomicBool::new(false);
    if SWEPT.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    lock(admin, "pg_advisory_lock", SWEEPING).await?;
    let old: Vec<String> = sqlx::query_scalar(
        "with ours as (
           select datname::text as name,
                  extract(epoch from now()) - split_part(datname, '_', 3)::bigint as age,
                  row_number() over (order by split_part(datname, '_', 3)::bigint desc) as rank
           from pg_database where datname ~ '^kashio_(test|template|building)_[0-9]+_[0-9a-f]+$')
         select name from ours
         where (age > 3600 or (age > 600 and rank > 100 and name like 'kashio\\_test\\_%'))
           and not exists (select from pg_stat_activity where datname = name)
         order by age desc limit $1",
    )
    .bind(SWEEP)
    .fetch_all(&mut *admin)
    .await?;
    for name in old {
        // One that came into use this moment stays for the next sweep.
        let _ = execute(admin, format!("drop database if exists {name}")).await;
    }
    lock(admin, "pg_advisory_unlock", SWEEPING).await
}

/// Executes `statement` until nobody else uses the database it is about, 20 s at most.
async fn retry(admin: &mut PgConnection, statement: &str) -> Result<(), Error> {
    const OBJECT_IN_USE: &str = "55006";
    let start = Instant::now();
    loop {
        match execute(admin, statement.to_owned()).await {
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some(OBJECT_IN_USE)
                    && start.elapsed() < Duration::from_secs(20) =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => return Ok(other?),
        }
    }
}

async fn now(admin: &mut PgConnection) -> Result<i64, Error> {
    let seconds = sqlx::query_scalar("select extract(epoch from now())::bigint");
    Ok(seconds.fetch_one(admin).await?)
}

/// Statements about databases take no parameters; the names in them are made in this file.
async fn execute(admin: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(statement)).execute(admin).await?;
    Ok(())
}
