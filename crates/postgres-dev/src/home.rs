//! Where a cluster lives, and making it the first time.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Doing, Error};
use crate::files;
use crate::search::{Binaries, leading_number};
use crate::tools::{User, run};

/// The folder that holds `postgres/` and the files beside it.
#[derive(Debug)]
pub(crate) struct Home {
    base: PathBuf,
    pub(crate) user: User,
}

impl Home {
    /// `dir` itself, or what its note names, or a folder in /var/tmp where `dir` is closed to the
    /// user who runs Postgres; then the note is left. The caller holds the lock.
    pub(crate) fn locate(dir: &Path) -> Result<Home, Error> {
        let user = User::choose()?;
        let note = note(dir);
        if let Some(base) = fs::read_to_string(&note).ok().and_then(elsewhere) {
            let base = files::private_folder(&base)?;
            return Ok(Home { base, user }.by_its_owner());
        }
        let base = dir.to_owned();
        let here = Home { base, user }.by_its_owner();
        if here.is_made() || here.is_open()? {
            return Ok(here);
        }
        let hash = &files::sha256(dir.as_os_str().as_encoded_bytes())[..16];
        let name = format!("{}{hash}", elsewhere_prefix());
        let base = files::private_folder(Path::new(&name))?;
        files::write_private(&note, &name)?;
        Ok(Home { base, user }.by_its_owner())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.base.join("postgres")
    }

    pub(crate) fn password(&self) -> PathBuf {
        self.base.join("postgres.password")
    }

    pub(crate) fn port(&self) -> PathBuf {
        self.base.join("postgres.port")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.base.join("postgres.log")
    }

    pub(crate) fn is_made(&self) -> bool {
        self.data().join("PG_VERSION").exists() && self.password().exists()
    }

    /// The major version that made the cluster.
    pub(crate) fn major(&self) -> Option<u32> {
        leading_number(&fs::read_to_string(self.data().join("PG_VERSION")).ok()?)
    }

    /// A cluster made by one user is run by that user, also when a better one has come since.
    fn by_its_owner(mut self) -> Home {
        if let (Some(_), Ok(found)) = (self.user.0, fs::metadata(self.data()))
            && found.uid() != 0
        {
            self.user = User(Some((found.uid(), found.gid())));
        }
        self
    }

    /// Whether the user who runs Postgres gets through every parent: they try.
    fn is_open(&self) -> Result<bool, Error> {
        if self.user.0.is_none() {
            return Ok(true);
        }
        match self.user.command(Path::new("true"), &self.base).status() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
            Err(error) => Err(error).doing("enter", &self.base),
        }
    }

    /// Makes the cluster: whole or not at all, since it gets its name last.
    pub(crate) fn make(&self, binaries: &Binaries) -> Result<(), Error> {
        let new = self.base.join("postgres.new");
        let for_initdb = self.base.join("postgres.pwfile");
        self.remove()?;
        fs::create_dir(&new).doing("create", &new)?;
        files::set_mode(&new, 0o700)?;
        let password = files::random_hex::<16>()?;
        files::write_private(&self.password(), &password)?;
        files::write_private(&for_initdb, &password)?;
        if let Some((uid, gid)) = self.user.0 {
            chown(&new, Some(uid), Some(gid)).doing("give away", &new)?;
            chown(&for_initdb, Some(uid), Some(gid)).doing("give away", &for_initdb)?;
        }
        let mut command = self.user.command(&binaries.folder.join("initdb"), &new);
        command
            .args(["-N", "-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "--locale=C"])
            .arg("--pwfile")
            .arg(&for_initdb)
            .arg("-D")
            .arg(&new);
        let made = run(&mut command, Duration::from_secs(120));
        files::remove(&for_initdb)?;
        made?;
        fs::rename(&new, self.data()).doing("rename", &new)
    }

    /// Removes the cluster, running or not, and its files.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        for name in ["", ".new", ".pwfile", ".password", ".port", ".log"] {
            files::remove(&self.base.join(format!("postgres{name}")))?;
        }
        Ok(())
    }

    /// Removes the folder in /var/tmp, if there is one, and the note in `dir`.
    pub(crate) fn forget(&self, dir: &Path) -> Result<(), Error> {
        if self.base != dir {
            files::remove(&self.base)?;
        }
        files::remove(&note(dir))
    }
}

fn note(dir: &Path) -> PathBuf {
    dir.join("postgres.location")
}

fn elsewhere_prefix() -> String {
    format!("/var/tmp/kashio-{}-", files::my_uid())
}

/// What a note may name. It lies among files that may have been copied from anywhere, and what it
/// names gets removed by a reset.
fn elsewhere(note: String) -> Option<PathBuf> {
    let hash = note.strip_prefix(&elsewhere_prefix())?;
    let plain = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| PathBuf::from(note))
}
