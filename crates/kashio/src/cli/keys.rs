//! `kashio account …` and `kashio key …`: what an operator needs before there is a console. A new key's secret
//! is on stdout, once, and nowhere else.

use api::keys::HASH_VERSION;
use clap::{Args, Subcommand, ValueEnum};
use domain::account::{Account, Mode, Owner};
use domain::id::{Id, KeyId, Kind};
use domain::key::{KeyKind, SecretKey};
use serde::Serialize;
use store::keys::{Added, KeyRecord, NewKey};
use store::{Error, Failure as StoreFailure, Store};

use crate::Failure;
use crate::config::Settings;

/// Longest overlap of a rolled key and its successor, in seconds: a week.
const MAX_OVERLAP_SECONDS: i64 = 604_800;

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// Add an account.
    Create {
        /// The name that payers see.
        #[arg(long)]
        name: String,
        /// Accept live keys.
        #[arg(long)]
        live: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Every account.
    List {
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Add a key; its secret is printed once.
    Create {
        /// The account, acc_….
        #[arg(long)]
        account: String,
        /// Whose money it moves.
        #[arg(long, value_enum)]
        mode: ModeName,
        /// What its owner calls it.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// The keys of an account, without their secrets.
    List {
        /// The account, acc_….
        #[arg(long)]
        account: String,
        #[command(flatten)]
        output: Output,
    },
    /// Replace a key: both are accepted for a while. The new secret is printed once.
    Roll {
        /// The key, key_….
        id: String,
        /// How long the old one is accepted, in seconds.
        #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(i64).range(0..=MAX_OVERLAP_SECONDS))]
        overlap_seconds: i64,
        #[command(flatten)]
        output: Output,
    },
    /// End a key: refused everywhere within 2 seconds.
    Revoke {
        /// The key, key_….
        id: String,
    },
}

#[derive(Args)]
pub(super) struct Output {
    /// JSON, one object per line.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ModeName {
    /// Nothing real moves.
    Test,
    /// Real money.
    Live,
}

#[derive(Serialize)]
struct AccountLine {
    id: String,
    name: String,
    live_enabled: bool,
    disabled: bool,
}

#[derive(Serialize)]
struct KeyLine {
    id: String,
    mode: &'static str,
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// Runs `kashio account …`.
pub(super) async fn account(settings: &Settings, command: AccountCommand) -> Result<(), Failure> {
    let store = open(settings).await?;
    match command {
        AccountCommand::Create { name, live, output } => {
            if !(1..=200).contains(&name.chars().count()) {
                return Err(Failure::Usage("--name needs 1 to 200 characters".to_owned()));
            }
            let id = new_id(&store).map_err(failed)?;
            let account = Account { live_enabled: live, ..Account::new(id, name) };
            let line = account_line(&account);
            let put = store.transaction::<_, Error, _>("create_account", move |tx| {
                let account = account.clone();
                Box::pin(async move { tx.put_account(&account).await })
            });
            put.await.map_err(failed)?;
            print(&line, output.json, &[&line.id, &line.name])
        }
        AccountCommand::List { output } => {
            let all = store.transaction::<_, Error, _>("list_accounts", |tx| Box::pin(tx.accounts()));
            for account in all.await.map_err(failed)? {
                let line = account_line(&account);
                let live = if line.live_enabled { "live enabled" } else { "test only" };
                print(&line, output.json, &[&line.id, &line.name, live])?;
            }
            Ok(())
        }
    }
}

/// Runs `kashio key …`.
pub(super) async fn key(settings: &Settings, command: KeyCommand) -> Result<(), Failure> {
    let store = open(settings).await?;
    match command {
        KeyCommand::Create { account, mode, name, output } => {
            let mode = match mode {
                ModeName::Test => Mode::Test,
                ModeName::Live => Mode::Live,
            };
            let (account, _) = parse_id(&account)?;
            let owner = Owner { account, mode };
            let (secret, line) = create(&store, owner, &name, None).await?;
            print_secret(secret, line, output.json)
        }
        KeyCommand::List { account, output } => {
            let (account, _) = parse_id(&account)?;
            let keys = store.transaction::<_, Error, _>("list_keys", move |tx| Box::pin(tx.keys(account)));
            for key in keys.await.map_err(failed)? {
                let line = key_line(&key, &store);
                print(&line, output.json, &[&line.id, line.mode, line.state, &line.name])?;
            }
            Ok(())
        }
        KeyCommand::Roll { id, overlap_seconds, output } => {
            let old = find(&store, &id).await?;
            if old.revoked_at.is_some() {
                return Err(Failure::Failed("the key is revoked; create a new one".to_owned()));
            }
            let (secret, line) =
                create(&store, old.owner, &old.name, Some((old.id, overlap_seconds))).await?;
            print_secret(secret, line, output.json)
        }
        KeyCommand::Revoke { id } => {
            let (id, mode) = parse_id(&id)?;
            let revoked = store.transaction::<_, Stop, _>("revoke_key", move |tx| {
                Box::pin(async move {
                    let key = tx.lock_key(id, mode).await?.ok_or(Stop::Unknown("key"))?;
                    tx.revoke_key(&key).await.map_err(Stop::from)
                })
            });
            revoked.await.map_err(failed)
        }
    }
}

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("{0}")]
    Store(#[from] Error),
    #[error("there is no such {0}")]
    Unknown(&'static str),
    #[error("the account does not accept live keys; create it with --live")]
    LiveNotEnabled,
    #[error("the account has 20 keys of this mode; revoke one first")]
    TooMany,
}

impl StoreFailure for Stop {
    fn as_store(&self) -> Option<&Error> {
        match self {
            Stop::Store(error) => Some(error),
            Stop::Unknown(_) | Stop::LiveNotEnabled | Stop::TooMany => None,
        }
    }
}

/// Makes a key, in the place of another one when it is rolled.
async fn create(
    store: &Store,
    owner: Owner,
    name: &str,
    replaces: Option<(KeyId, i64)>,
) -> Result<(SecretKey, KeyLine), Failure> {
    let secret = api::keys::mint(KeyKind::Merchant(owner.mode)).map_err(failed)?;
    let phc = api::keys::hash(&secret).map_err(failed)?;
    let id: KeyId = new_id(store).map_err(failed)?;
    let (name, key) = (name.to_owned(), secret.clone());
    let add = store.transaction::<_, Stop, _>("create_key", move |tx| {
        let (name, key, phc) = (name.clone(), key.clone(), phc.clone());
        Box::pin(async move {
            let account = tx.account(owner.account).await?.ok_or(Stop::Unknown("account"))?;
            if owner.mode == Mode::Live && !account.live_enabled {
                return Err(Stop::LiveNotEnabled);
            }
            let new = NewKey { id, owner, name: &name, secret: &key, phc, hash_version: HASH_VERSION };
            if tx.add_key_within_limit(new).await? == Added::TooMany {
                return Err(Stop::TooMany);
            }
            if let Some((old, overlap_seconds)) = replaces {
                let old = tx.lock_key(old, owner.mode).await?.ok_or(Stop::Unknown("key"))?;
                tx.replace_key(&old, id, overlap_seconds).await?;
            }
            tx.lock_key(id, owner.mode).await?.ok_or(Stop::Unknown("key"))
        })
    });
    let record = add.await.map_err(failed)?;
    Ok((secret, key_line(&record, store)))
}

async fn find(store: &Store, id: &str) -> Result<KeyRecord, Failure> {
    let (id, mode) = parse_id(id)?;
    let found = store.transaction::<_, Error, _>("find_key", move |tx| Box::pin(tx.lock_key(id, mode)));
    found.await.map_err(failed)?.ok_or_else(|| failed(Stop::Unknown("key")))
}

async fn open(settings: &Settings) -> Result<Store, Failure> {
    let connect = settings.database()?;
    let opened = Store::open(store::Settings { connect, connections: 2 }).await;
    opened.map_err(|error| Failure::failed("the database can not be reached", error))
}

fn failed(cause: impl std::fmt::Display) -> Failure {
    Failure::Failed(cause.to_string().replace('\n', " "))
}

/// An id in either mode, as the API shows it.
fn parse_id<K: Kind>(text: &str) -> Result<(Id<K>, Mode), Failure> {
    let modes = [Mode::Test, Mode::Live].into_iter();
    let parsed = modes.filter_map(|mode| Id::parse(text, mode).map(|id| (id, mode))).next();
    parsed.ok_or_else(|| Failure::Usage(format!("this is no id that begins with {}_", K::PREFIX)))
}

fn new_id<K>(store: &Store) -> Result<Id<K>, Error> {
    let random = api::keys::random_bytes()?;
    Ok(Id::new(store.clock().unix_millis(), &random))
}

fn account_line(account: &Account) -> AccountLine {
    AccountLine {
        id: account.id.text(if account.live_enabled { Mode::Live } else { Mode::Test }),
        name: account.name.clone(),
        live_enabled: account.live_enabled,
        disabled: account.disabled_at.is_some(),
    }
}

fn key_line(key: &KeyRecord, store: &Store) -> KeyLine {
    let mode = key.owner.mode;
    let state = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= store.clock().now() => "expired",
        (None, _) => "accepted",
    };
    KeyLine {
        id: key.id.text(mode),
        mode: mode.as_str(),
        name: key.name.clone(),
        state,
        expires_at: key.expires_at.map(|end| end.to_string()),
        replaced_by: key.replaced_by.map(|id| id.text(mode)),
        secret: None,
    }
}

fn print_secret(secret: SecretKey, line: KeyLine, json: bool) -> Result<(), Failure> {
    let id = line.id.clone();
    let text = secret.expose();
    let line = KeyLine { secret: Some(text.to_owned()), ..line };
    print(&line, json, &[&id, text])
}

#[expect(clippy::print_stdout, reason = "what the operator asked for")]
fn print(line: &impl Serialize, json: bool, columns: &[&str]) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string(line).map_err(failed)?);
    } else {
        println!("{}", columns.join("  "));
    }
    Ok(())
}
