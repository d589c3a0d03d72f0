//! The references, run by the pgbench that lies beside the Postgres programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::Outcome;
use crate::ground::SEEDED;
use crate::load::Figures;

/// See the crate's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    P,
    K,
    L,
}

/// The scripts' files.
pub struct Scripts {
    folder: PathBuf,
    /// What P inserts, with pgbench's variables.
    inserts: Vec<String>,
}

/// Ids as ours: those made later are greater, over all clients.
const ID: &str =
    "('0193' || lpad(to_hex(:n::int), 8, '0') || '70008000' || lpad(to_hex(:client_id::int), 12, '0'))::uuid";

/// The id of an invoice that [`Scripts::seed`] made.
pub fn seeded_id(number: u32) -> Uuid {
    Uuid::from_u128((0x0193 << 112) | (u128::from(number) << 80) | (0x7000_8000 << 48))
}

impl Scripts {
    pub fn empty(folder: &Path) -> Scripts {
        Scripts { folder: folder.to_owned(), inserts: Vec::new() }
    }

    /// Writes them, from the rows of the one invoice that there is.
    pub async fn build(&mut self, sql: &PgPool) -> Outcome<()> {
        let reference = "('P-' || :client_id::text || '-' || :n::text)";
        let number = "(9000000000000 + :client_id::bigint * 10000000000 + :n::bigint)";
        let token = format!("('P' || {number}::text)");
        let event = ID.replacen("0193", "0194", 1);
        let changed = [
            ("id", ID),
            ("invoice_id", reference),
            ("ktin", number),
            ("token", token.as_str()),
            ("created", "now()"),
        ];
        let invoice = row(sql, "invoices", &changed).await?;
        // A worker may have numbered it already.
        let changed = [("id", event.as_str()), ("invoice", ID), ("created", "now()"), ("sequence", "null")];
        let told = row(sql, "events", &changed).await?;
        let kept = row(sql, "idempotency_keys", &[("key", reference), ("created", "now()")]).await?;
        let whose: String = sqlx::query_scalar(
            "select format('account_id = %L and livemode = %L', account_id, livemode) from invoices",
        )
        .fetch_one(sql)
        .await?;
        let write = |script: Script, text: String| fs::write(self.file(script), text);
        write(Script::P, format!("\\set n :n + 1\nbegin;\n{kept};\n{invoice};\n{told};\ncommit;\n"))?;
        let id = ID.replace(":client_id", "0");
        write(
            Script::K,
            format!("\\set n random(1, {SEEDED})\nselect * from invoices where {whose} and id = {id};\n"),
        )?;
        let list = format!("select * from invoices where {whose} order by id desc limit 20;\n");
        write(Script::L, list)?;
        self.inserts = vec![kept, invoice, told];
        Ok(())
    }

    /// Adds invoices with these numbers by the hundred thousand, as [`Scripts::seed`] would one by one.
    pub async fn grow(&self, sql: &PgPool, from: u32, until: u32) -> Outcome<()> {
        for first in (from..=until).step_by(100_000) {
            let last = until.min(first + 99_999);
            for insert in &self.inserts {
                let insert = insert.replace(":client_id", "0").replace(":n", "n");
                let rows = insert.replacen(") values (", ") select ", 1);
                let rows = rows.strip_suffix(')').ok_or("an insert that is none")?;
                let rows = format!("{rows} from generate_series({first}, {last}) n");
                sqlx::query(AssertSqlSafe(rows)).execute(sql).await?;
            }
        }
        sqlx::query("vacuum analyze").execute(sql).await?;
        Ok(())
    }

    fn file(&self, script: Script) -> PathBuf {
        self.folder.join(format!("{script:?}.sql"))
    }

    /// So many invoices, one after the other.
    pub fn seed(&self, url: &str, many: u32) -> Outcome<()> {
        let many = many.to_string();
        self.call(url, Script::P, &["--client=1", "--define=n=0", "--transactions", &many]).map(drop)
    }

    /// Runs one for so long; `run` is another number each time. With `per_second`, so often, and each one's time is counted
    /// from when its turn had come.
    pub fn run(
        &self,
        url: &str,
        script: Script,
        clients: usize,
        time: Duration,
        run: u32,
        per_second: Option<f64>,
    ) -> Outcome<Figures> {
        let log = self.folder.join("pgbench_log");
        let mut arguments = vec![
            format!("--client={clients}"),
            format!("--jobs={}", clients.min(2)),
            format!("--time={}", time.as_secs()),
            format!("--define=n={}", run * 1_000_000),
            "--log".to_owned(),
            format!("--log-prefix={}", log.display()),
        ];
        arguments.extend(per_second.map(|rate| format!("--rate={rate:.0}")));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.call(url, script, &arguments)?;
        let mut times = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.to_string_lossy().contains("pgbench_log.") {
                // client, transaction, microseconds, …
                let text = fs::read_to_string(&path)?;
                let field = |line: &str| line.split(' ').nth(2).and_then(|field| field.parse().ok());
                times.extend(text.lines().filter_map(field).map(Duration::from_micros));
                fs::remove_file(path)?;
            }
        }
        times.sort();
        Ok(Figures { answered: times.len(), took: time, times })
    }

    fn call(&self, url: &str, script: Script, arguments: &[&str]) -> Outcome<()> {
        let mut command = Command::new(program()?);
        command.args(["--no-vacuum", "--protocol=prepared"]).args(arguments);
        let output = command.arg("--file").arg(self.file(script)).arg(url).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() || said.contains("aborted") {
            return Err(format!("pgbench {script:?}: {said}").into());
        }
        Ok(())
    }
}

/// Debian keeps it beside the newest server's programs.
fn program() -> Outcome<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/usr/lib/postgresql")? {
        let program = entry?.path().join("bin/pgbench");
        if program.exists() {
            found.push(program);
        }
    }
    found.sort();
    found.pop().ok_or_else(|| "no pgbench in /usr/lib/postgresql".into())
}

/// The insertion of a row like the one that is there, but for some columns.
async fn row(sql: &PgPool, table: &str, changed: &[(&str, &str)]) -> Outcome<String> {
    let columns: Vec<String> = sqlx::query_scalar(
        "select column_name::text from information_schema.columns
         where table_schema = 'public' and table_name = $1 and is_identity = 'NO' and is_generated = 'NEVER'
         order by ordinal_position",
    )
    .bind(table)
    .fetch_all(sql)
    .await?;
    let texts: Vec<String> = columns.iter().map(|column| format!("quote_nullable({column}::text)")).collect();
    let query = format!("select array[{}] from {table} limit 1", texts.join(", "));
    let mut values: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(sql).await?;
    for (name, expression) in changed {
        let at = columns.iter().position(|column| column == name);
        let at = at.ok_or_else(|| format!("{table} has no column {name}"))?;
        (*expression).clone_into(&mut values[at]);
    }
    let values = values.join(", ");
    Ok(format!("insert into {table} ({}) values ({values})", columns.join(", ")))
}
