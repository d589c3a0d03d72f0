//! Files and folders whose owner and mode matter.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Doing, Error};

/// Makes `path` and its parents with mode 0711 if it is missing; gives its absolute path without
/// links. A folder that exists keeps its mode: it may be somebody's home.
pub(crate) fn folder(path: &Path) -> Result<PathBuf, Error> {
    if !path.exists() {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o711);
        builder.create(path).doing("create", path)?;
        set_mode(path, 0o711)?;
    }
    path.canonicalize().doing("open", path)
}

/// Like [`folder`], in a place where everybody may write, such as /var/tmp: one that another user
/// made first is refused.
pub(crate) fn private_folder(path: &Path) -> Result<PathBuf, Error> {
    match DirBuilder::new().mode(0o711).create(path) {
        Ok(()) => set_mode(path, 0o711)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).doing("create", path),
    }
    let found = fs::symlink_metadata(path).doing("open", path)?;
    let ours = found.is_dir() && found.uid() == my_uid() && found.mode() & 0o022 == 0;
    if ours { Ok(path.to_owned()) } else { Err(Error::NotOurs(path.to_owned())) }
}

/// Waits for the lock of file `path`; it is held until the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, Error> {
    let file = open_lock(path)?;
    file.lock().doing("lock", path)?;
    Ok(file)
}

/// Opens `path` for locking, made with mode 0600 if missing.
pub(crate) fn open_lock(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    options.open(path).doing("open", path)
}

/// Writes a new file of mode 0600, in place of any that was there.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    remove(path)?;
    let mut options = OpenOptions::new();
    options.create_new(true).write(true).mode(0o600);
    let mut file = options.open(path).doing("create", path)?;
    file.write_all(text.as_bytes()).doing("write", path)
}

/// Removes a file or a whole folder; one that is missing is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.doing("remove", path),
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).doing("set the mode of", path)
}

pub(crate) fn my_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `N` random bytes in hexadecimal.
pub(crate) fn random_hex<const N: usize>() -> Result<String, Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Io {
        doing: "draw random bytes".to_owned(),
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
