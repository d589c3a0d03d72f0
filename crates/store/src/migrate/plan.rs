//! `kashio migrate plan`: what would run, and which locks each statement takes on tables that are in use (PostgreSQL
//! manual, 13.3 "Explicit Locking"). Read from the files, not tried: trying would take the locks.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::{MIGRATOR, MigrateError, applied};
use crate::Error;

/// A migration that would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub description: String,
    /// In one transaction; else by itself, as `create index concurrently` must.
    pub in_transaction: bool,
    /// What it does.
    pub steps: Vec<Step>,
}

/// A statement of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its beginning, on one line.
    pub statement: String,
    /// What it locks, such as `ACCESS EXCLUSIVE on payments`; `None`: nothing that is in use.
    pub locks: Option<String>,
}

/// What [`up`](super::up) would do now. It changes nothing and waits for nobody.
///
/// # Errors
/// See [`MigrateError`].
pub async fn plan(connect: &PgConnectOptions) -> Result<Vec<Planned>, MigrateError> {
    let mut connection = connect.clone().disable_statement_logging().connect().await.map_err(Error::from)?;
    let known = applied(&mut connection).await;
    let _ = connection.close().await;
    let known = known?;
    let mut planned = Vec::new();
    for migration in MIGRATOR.iter() {
        match known.iter().find(|one| one.version == migration.version) {
            Some(one) if one.checksum == migration.checksum => {}
            Some(_) => return Err(MigrateError::Edited(migration.version)),
            None => planned.push(Planned {
                version: migration.version,
                description: migration.description.to_string(),
                in_transaction: !migration.no_tx,
                steps: statements(migration.sql.as_str()).iter().map(|statement| step(statement)).collect(),
            }),
        }
    }
    Ok(planned)
}

/// The statements of a file, without comments, each on one line.
fn statements(sql: &str) -> Vec<String> {
    let mut all = Vec::new();
    let (mut statement, mut rest) = (String::new(), sql);
    while let Some(letter) = rest.chars().next() {
        if rest.starts_with("--") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        }
        // A text, a quoted name or a body between dollars is taken whole: a semicolon inside ends nothing.
        let quoted = match letter {
            '\'' | '"' => rest[1..].find(letter).map(|end| end + 2),
            '$' => {
                rest.find("$$").filter(|at| *at == 0).and_then(|_| rest[2..].find("$$").map(|end| end + 4))
            }
            _ => None,
        };
        let taken = quoted.unwrap_or(letter.len_utf8());
        if letter == ';' {
            all.push(std::mem::take(&mut statement));
        } else {
            statement.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    all.push(statement);
    let line = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    all.iter().map(line).filter(|text| !text.is_empty()).collect()
}

fn step(statement: &str) -> Step {
    const SHOWN: usize = 90;
    let shown: String = statement.chars().take(SHOWN).collect();
    let shown = if shown.len() < statement.len() { format!("{shown} …") } else { shown };
    Step { statement: shown, locks: locks(&statement.to_lowercase()) }
}

/// The strongest lock that a statement takes on a table which others may be using.
fn locks(statement: &str) -> Option<String> {
    let words: Vec<&str> = statement.split([' ', '(', ',', ';']).filter(|word| !word.is_empty()).collect();
    let on = |lock: &str, table: Option<&str>| Some(format!("{lock} on {}", table.unwrap_or("?")));
    let after = |word: &str| {
        let at = words.iter().position(|found| *found == word)?;
        words[at + 1..].iter().find(|word| !matches!(**word, "only" | "if" | "exists")).copied()
    };
    match words.as_slice() {
        ["create", "table", ..] => match after("references") {
            Some(table) => on("SHARE ROW EXCLUSIVE", Some(table)),
            None => None,
        },
        ["create", "unique", "index", rest @ ..] | ["create", "index", rest @ ..] => {
            let lock = if rest.first() == Some(&"concurrently") { "SHARE UPDATE EXCLUSIVE" } else { "SHARE" };
            on(lock, after("on"))
        }
        ["drop", "index", "concurrently", ..] => on("SHARE UPDATE EXCLUSIVE", after("concurrently")),
        ["drop", "index" | "table" | "view" | "materialized", ..] => {
            on("ACCESS EXCLUSIVE", after(words.get(1).copied().unwrap_or_default()))
        }
        ["create", "trigger", ..] | ["create", "or", "replace", "trigger", ..] => {
            on("SHARE ROW EXCLUSIVE", after("on"))
        }
        ["alter", "table", ..] => {
            let only_validates = words.contains(&"validate") && !words.contains(&"add");
            let adds_key =
                words.contains(&"foreign") && !words.contains(&"column") && !words.contains(&"drop");
            let lock = match (only_validates, adds_key) {
                (true, _) => "SHARE UPDATE EXCLUSIVE",
                (_, true) => "SHARE ROW EXCLUSIVE",
                _ => "ACCESS EXCLUSIVE",
            };
            on(lock, after("table"))
        }
        ["insert", "into", table, ..] | ["update", table, ..] | ["delete", "from", table, ..] => {
            on("ROW EXCLUSIVE", Some(table))
        }
        ["truncate", ..] | ["lock", ..] | ["cluster", ..] | ["reindex", ..] | ["vacuum", ..] => {
            Some("a strong lock; look at the file".to_owned())
        }
        // Functions, roles, grants, sequences and blocks of code stand in nobody's way.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{MIGRATOR, locks, statements};

    #[test]
    fn statements_end_where_they_end() {
        let sql = "-- a; comment\ncreate table a (b text default ';'); -- more; of it\n\
                   create function f() returns trigger language plpgsql as $$\nbegin\n  return new;\nend $$;\nselect 1";
        let found = statements(sql);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "create table a (b text default ';')");
        assert!(found[1].ends_with("end $$"), "{}", found[1]);
    }

    #[test]
    fn each_statement_locks_what_the_manual_says() {
        for (statement, expected) in [
            ("create table a (b int)", None),
            ("create table a (b int references c (d))", Some("SHARE ROW EXCLUSIVE on c")),
            ("alter table a add column b int", Some("ACCESS EXCLUSIVE on a")),
            ("alter table only a drop constraint b", Some("ACCESS EXCLUSIVE on a")),
            ("alter table a validate constraint b", Some("SHARE UPDATE EXCLUSIVE on a")),
            (
                "alter table a add constraint b foreign key (c) references d not valid",
                Some("SHARE ROW EXCLUSIVE on a"),
            ),
            ("create index b on a (c)", Some("SHARE on a")),
            ("create unique index b on a(c)", Some("SHARE on a")),
            ("create index concurrently if not exists b on a (c)", Some("SHARE UPDATE EXCLUSIVE on a")),
            (
                "create trigger t before update on a for each row execute function f()",
                Some("SHARE ROW EXCLUSIVE on a"),
            ),
            ("update a set b = 1", Some("ROW EXCLUSIVE on a")),
            ("insert into a (b) values (1)", Some("ROW EXCLUSIVE on a")),
            ("drop table if exists a", Some("ACCESS EXCLUSIVE on a")),
            ("drop index concurrently if exists a", Some("SHARE UPDATE EXCLUSIVE on a")),
            ("grant select on a to b", None),
            ("create function f() returns int as $$ select 1 $$", None),
        ] {
            assert_eq!(locks(statement).as_deref(), expected, "{statement}");
        }
    }

    #[test]
    fn every_migration_is_read() {
        for migration in MIGRATOR.iter() {
            let steps = statements(migration.sql.as_str());
            assert!(!steps.is_empty(), "{}", migration.version);
            let known =
                ["create ", "alter ", "drop ", "insert ", "update ", "delete ", "grant ", "revoke ", "do "];
            for step in steps {
                let lower = step.to_lowercase();
                assert!(known.iter().any(|word| lower.starts_with(word)), "{}: {step}", migration.version);
            }
        }
    }
}
