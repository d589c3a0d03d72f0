//! `kashio account …`, `kashio key …` and `kashio service-key …`: what an operator needs before there is a console. A
//! new key's secret is on stdout, once, and nowhere else. What is done here is audited as what the console does.

use clap::{Args, Subcommand, ValueEnum};
use domain::account::{Account, Mode, Owner};
use domain::audit::{Act, By, Chain};
use domain::document::is_ruc;
use domain::id::{AccountId, Id, KeyId, Kind, ServiceKeyId};
use domain::key::{KeyKind, Role, Scope, SecretKey};
use domain::time::Moment;
use futures_util::FutureExt;
use serde::Serialize;
use store::accounts::Search;
use store::keys::{KeyRecord, NewKey, Refused};
use store::service_keys::{NewServiceKey, ServiceKeyRecord};
use store::{Error, Failure as StoreFailure, Store};
use wire::internal::account as wire_account;
use wire::internal::key::{DEFAULT_OVERLAP_SECONDS, MAX_OVERLAP_SECONDS, service_key_id};

use super::open;
use crate::Failure;
use crate::config::Settings;

/// Objects that are read at once.
const PAGE: u16 = 500;

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// Add an account.
    Create {
        /// The name that payers see.
        #[arg(long)]
        name: String,
        /// Razón social.
        #[arg(long)]
        legal_name: Option<String>,
        /// RUC.
        #[arg(long)]
        tax_id: Option<String>,
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
        /// A scope, such as invoices:read; again for each. None: everything.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// A network that it may be used from; again for each. None: any.
        #[arg(long = "ip-allow", value_name = "NETWORK")]
        ip_allow: Vec<String>,
        /// When it ends, yyyy-MM-ddThh:mm:ss in UTC.
        #[arg(long)]
        expires_at: Option<String>,
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
        #[command(flatten)]
        overlap: Overlap,
        #[command(flatten)]
        output: Output,
    },
    /// End a key: refused everywhere within 2 seconds.
    Revoke {
        /// The key, key_….
        id: String,
    },
}

#[derive(Subcommand)]
pub(super) enum ServiceKeyCommand {
    /// Add the key of a service inside; its secret is printed once.
    Create {
        /// What its owner calls it.
        #[arg(long)]
        name: String,
        /// What it may do.
        #[arg(long, value_enum)]
        role: RoleName,
        /// The only channel of a collector.
        #[arg(long)]
        channel: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// The keys of services, without their secrets.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Replace a key: both are accepted for a while. The new secret is printed once.
    Roll {
        /// The key, key_….
        id: String,
        #[command(flatten)]
        overlap: Overlap,
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

#[derive(Args)]
pub(super) struct Overlap {
    /// How long the old one is accepted, in seconds.
    #[arg(long, default_value_t = DEFAULT_OVERLAP_SECONDS,
          value_parser = clap::value_parser!(i64).range(0..=MAX_OVERLAP_SECONDS))]
    overlap_seconds: i64,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ModeName {
    /// Nothing real moves.
    Test,
    /// Real money.
    Live,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RoleName {
    /// The console: everything but collections.
    Kcms,
    /// A bank's connector: the collections of its channel.
    Collector,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
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
    if let AccountCommand::Create { name, tax_id, .. } = &command {
        usage_name(name, Account::MAX_NAME)?;
        if tax_id.as_ref().is_some_and(|ruc| !is_ruc(ruc)) {
            return Err(Failure::Usage("--tax-id is not a RUC".to_owned()));
        }
    }
    let store = open(settings).await?;
    match command {
        AccountCommand::Create { name, legal_name, tax_id, live, output } => {
            let blank = Account::new(new_id(&store).map_err(failed)?, String::new());
            let account = Account { name, legal_name, tax_id, live_enabled: live, ..blank.clone() };
            let line = account_line(&account);
            let put = store.transaction::<_, Error, _>("create_account", move |tx| {
                let (blank, account) = (blank.clone(), account.clone());
                async move {
                    tx.put_account(&account).await?;
                    let details = Some(wire_account::difference(&blank, &account));
                    let (chain, object) = (Chain::Account(account.id), wire_account::id(account.id));
                    tx.audit(act("create_account", chain, object, details)).await
                }
                .boxed()
            });
            put.await.map_err(failed)?;
            print(&line, output.json, &[&line.id, &line.name])
        }
        AccountCommand::List { output } => {
            let mut search = Search { limit: PAGE, ..Search::default() };
            loop {
                let wanted = search.clone();
                let page = store.read::<_, Error, _>("list_accounts", move |tx| {
                    let wanted = wanted.clone();
                    async move { tx.accounts(&wanted).await }.boxed()
                });
                let (accounts, has_more) = page.await.map_err(failed)?;
                for known in &accounts {
                    let line = account_line(&known.account);
                    let live = if line.live_enabled { "live enabled" } else { "test only" };
                    print(&line, output.json, &[&line.id, &line.name, live])?;
                }
                search.after = accounts.last().map(|known| known.account.id);
                if !has_more {
                    return Ok(());
                }
            }
        }
    }
}

/// Runs `kashio key …`.
pub(super) async fn key(settings: &Settings, command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Create { account, mode, name, scopes, ip_allow, expires_at, output } => {
            usage_name(&name, 100)?;
            let (account, _) = parse_id(&account)?;
            let (scopes, ip_allow) = (parse_scopes(&scopes)?, parse_networks(&ip_allow)?);
            let expires_at = expires_at.as_deref().map(parse_end).transpose()?;
            let store = open(settings).await?;
            let mode = match mode {
                ModeName::Test => Mode::Test,
                ModeName::Live => Mode::Live,
            };
            let new = new_key(&store, Owner { account, mode }, &name)?;
            let new = NewKey { scopes, ip_allow, expires_at, ..new };
            let secret = new.secret.clone();
            let issue = store.transaction::<_, Stop, _>("create_key", move |tx| {
                let new = new.clone();
                async move {
                    let key = tx.issue_key(&new).await?.map_err(|why| Stop::Refused(why.spelled(|_| ())))?;
                    let object = key.id.text(key.owner.mode);
                    tx.audit(act("create_key", Chain::Account(key.owner.account), object, None)).await?;
                    Ok(key)
                }
                .boxed()
            });
            let key = issue.await.map_err(failed)?;
            print_secret(secret, key_line(&key, &store), output.json)
        }
        KeyCommand::List { account, output } => {
            let (account, _): (AccountId, _) = parse_id(&account)?;
            let store = open(settings).await?;
            let mut after = None;
            loop {
                let page =
                    store.read::<_, Error, _>("list_keys", move |tx| tx.keys(account, after, PAGE).boxed());
                let (keys, has_more) = page.await.map_err(failed)?;
                for key in &keys {
                    let line = key_line(key, &store);
                    print(&line, output.json, &[&line.id, line.mode.unwrap_or(""), line.state, &line.name])?;
                }
                after = keys.last().map(|key| key.id);
                if !has_more {
                    return Ok(());
                }
            }
        }
        KeyCommand::Roll { id, overlap: Overlap { overlap_seconds }, output } => {
            let (id, mode): (KeyId, _) = parse_id(&id)?;
            let store = open(settings).await?;
            let found = store.read::<_, Error, _>("find_key", move |tx| tx.key(id, mode).boxed());
            let old = found.await.map_err(failed)?.ok_or_else(|| failed(Stop::Refused(Refused::Unknown)))?;
            let new = new_key(&store, old.owner, &old.name)?;
            let secret = new.secret.clone();
            let roll = store.transaction::<_, Stop, _>("roll_key", move |tx| {
                let new = new.clone();
                async move {
                    let rolled = tx.roll_key(id, &new, overlap_seconds).await?;
                    let (old, key) = rolled.map_err(|why| Stop::Refused(why.spelled(|_| ())))?;
                    tx.audit(act("roll_key", Chain::Account(old.owner.account), old.id.text(mode), None))
                        .await?;
                    Ok(key)
                }
                .boxed()
            });
            let key = roll.await.map_err(failed)?;
            print_secret(secret, key_line(&key, &store), output.json)
        }
        KeyCommand::Revoke { id } => {
            let (id, mode): (KeyId, _) = parse_id(&id)?;
            let store = open(settings).await?;
            let revoked = store.transaction::<_, Stop, _>("revoke_key", move |tx| {
                async move {
                    let unknown = Stop::Refused(Refused::Unknown);
                    let key = tx.lock_key(id, mode).await?.ok_or(unknown)?;
                    if key.revoked_at.is_some() {
                        return Ok(());
                    }
                    tx.revoke_key(&key).await?;
                    let chain = Chain::Account(key.owner.account);
                    Ok(tx.audit(act("revoke_key", chain, id.text(mode), None)).await?)
                }
                .boxed()
            });
            revoked.await.map_err(failed)
        }
    }
}

/// Runs `kashio service-key …`.
pub(super) async fn service_key(settings: &Settings, command: ServiceKeyCommand) -> Result<(), Failure> {
    match command {
        ServiceKeyCommand::Create { name, role, channel, output } => {
            usage_name(&name, 100)?;
            let role_name = match role {
                RoleName::Kcms => "kcms",
                RoleName::Collector => "collector",
            };
            let role = Role::parse(role_name, channel.as_deref()).ok_or_else(|| {
                Failure::Usage("a collector needs --channel, such as bcp; kcms has none".to_owned())
            })?;
            let store = open(settings).await?;
            let new = new_service_key(&store, name, role, None)?;
            let secret = new.secret.clone();
            let add = store.transaction::<_, Stop, _>("create_service_key", move |tx| {
                let new = new.clone();
                async move {
                    tx.add_service_key(&new).await?;
                    let unknown = Stop::Refused(Refused::Unknown);
                    let key = tx.service_key(new.id).await?.ok_or(unknown)?;
                    let object = service_key_id(key.id);
                    tx.audit(act("create_service_key", Chain::System, object, None)).await?;
                    Ok(key)
                }
                .boxed()
            });
            let key = add.await.map_err(failed)?;
            print_secret(secret, service_key_line(&key, &store), output.json)
        }
        ServiceKeyCommand::List { output } => {
            let store = open(settings).await?;
            let mut after = None;
            loop {
                let page = store
                    .read::<_, Error, _>("list_service_keys", move |tx| tx.service_keys(after, PAGE).boxed());
                let (keys, has_more) = page.await.map_err(failed)?;
                for key in &keys {
                    let line = service_key_line(key, &store);
                    print(&line, output.json, &[&line.id, line.role.unwrap_or(""), line.state, &line.name])?;
                }
                after = keys.last().map(|key| key.id);
                if !has_more {
                    return Ok(());
                }
            }
        }
        ServiceKeyCommand::Roll { id, overlap: Overlap { overlap_seconds }, output } => {
            let id = parse_service_key(&id)?;
            let store = open(settings).await?;
            let found = store.read::<_, Error, _>("find_service_key", move |tx| tx.service_key(id).boxed());
            let old = found.await.map_err(failed)?.ok_or_else(|| failed(Stop::Refused(Refused::Unknown)))?;
            let new = new_service_key(&store, old.name, old.role, old.expires_at)?;
            let secret = new.secret.clone();
            let roll = store.transaction::<_, Stop, _>("roll_service_key", move |tx| {
                let new = new.clone();
                async move {
                    let rolled = tx.roll_service_key(id, &new, overlap_seconds).await?;
                    let (_, key) = rolled.map_err(|why| Stop::Refused(why.spelled(|_| ())))?;
                    tx.audit(act("roll_service_key", Chain::System, service_key_id(id), None)).await?;
                    Ok(key)
                }
                .boxed()
            });
            let key = roll.await.map_err(failed)?;
            print_secret(secret, service_key_line(&key, &store), output.json)
        }
        ServiceKeyCommand::Revoke { id } => {
            let id = parse_service_key(&id)?;
            let store = open(settings).await?;
            let revoked = store.transaction::<_, Stop, _>("revoke_service_key", move |tx| {
                async move {
                    let unknown = Stop::Refused(Refused::Unknown);
                    let key = tx.lock_service_key(id).await?.ok_or(unknown)?;
                    if key.revoked_at.is_some() {
                        return Ok(());
                    }
                    tx.revoke_service_key(id).await?;
                    Ok(tx.audit(act("revoke_service_key", Chain::System, service_key_id(id), None)).await?)
                }
                .boxed()
            });
            revoked.await.map_err(failed)
        }
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("{0}")]
    Store(#[from] Error),
    #[error("{0}")]
    Refused(Refused<()>),
}

impl StoreFailure for Stop {
    fn as_store(&self) -> Option<&Error> {
        match self {
            Stop::Store(error) => Some(error),
            Stop::Refused(_) => None,
        }
    }
}

/// The operator at the machine, as far as it knows him.
fn act(action: &'static str, chain: Chain, object: String, details: Option<String>) -> Act {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_default();
    let by = By { actor: Some(format!("cli:{user}")), ..By::default() };
    Act { chain, action, object: Some(object), by, details }
}

fn new_key(store: &Store, owner: Owner, name: &str) -> Result<NewKey, Failure> {
    let secret = api::keys::mint(KeyKind::Merchant(owner.mode)).map_err(failed)?;
    let phc = api::keys::hash(&secret).map_err(failed)?;
    Ok(NewKey::unrestricted(new_id(store).map_err(failed)?, owner, name, secret, phc))
}

fn new_service_key(
    store: &Store,
    name: String,
    role: Role,
    expires_at: Option<Moment>,
) -> Result<NewServiceKey, Failure> {
    let secret = api::keys::mint(KeyKind::Service).map_err(failed)?;
    let phc = api::keys::hash(&secret).map_err(failed)?;
    let id = new_id(store).map_err(failed)?;
    Ok(NewServiceKey { id, name, role, expires_at, secret, phc, hash_version: store::keys::HASH_VERSION })
}

fn failed(cause: impl std::fmt::Display) -> Failure {
    Failure::Failed(cause.to_string().replace('\n', " "))
}

fn usage_name(name: &str, max: usize) -> Result<(), Failure> {
    match name.chars().count() {
        length if (1..=max).contains(&length) => Ok(()),
        _ => Err(Failure::Usage(format!("--name needs 1 to {max} characters"))),
    }
}

fn parse_scopes(texts: &[String]) -> Result<Option<Vec<Scope>>, Failure> {
    let parse =
        |text: &String| Scope::parse(text).ok_or_else(|| Failure::Usage(format!("{text} is no scope")));
    let scopes = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok((!scopes.is_empty()).then_some(scopes))
}

fn parse_networks(texts: &[String]) -> Result<Option<Vec<ipnet::IpNet>>, Failure> {
    let unknown = |text: &String| Failure::Usage(format!("{text} is no network such as 200.48.0.0/16"));
    let parse = |text: &String| api::headers::network(text).ok_or_else(|| unknown(text));
    let networks = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok((!networks.is_empty()).then_some(networks))
}

fn parse_end(text: &str) -> Result<Moment, Failure> {
    let malformed = || Failure::Usage("--expires-at is no date-time such as 2027-01-31T05:00:00".to_owned());
    Moment::parse(text).map_err(|_| malformed())
}

/// An id in either mode, as the API shows it.
fn parse_id<K: Kind>(text: &str) -> Result<(Id<K>, Mode), Failure> {
    let modes = [Mode::Test, Mode::Live].into_iter();
    let parsed = modes.filter_map(|mode| Id::parse(text, mode).map(|id| (id, mode))).next();
    parsed.ok_or_else(|| Failure::Usage(format!("this is no id that begins with {}_", K::PREFIX)))
}

fn parse_service_key(text: &str) -> Result<ServiceKeyId, Failure> {
    parse_id(text).map(|(id, _)| id)
}

fn new_id<K>(store: &Store) -> Result<Id<K>, Error> {
    let random = api::keys::random_bytes()?;
    Ok(Id::new(store.clock().unix_millis(), &random))
}

fn account_line(account: &Account) -> AccountLine {
    AccountLine {
        id: wire_account::id(account.id),
        name: account.name.clone(),
        live_enabled: account.live_enabled,
        disabled: account.disabled_at.is_some(),
    }
}

fn state(revoked_at: Option<Moment>, expires_at: Option<Moment>, store: &Store) -> &'static str {
    match (revoked_at, expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= store.clock().now() => "expired",
        (None, _) => "accepted",
    }
}

fn key_line(key: &KeyRecord, store: &Store) -> KeyLine {
    let mode = key.owner.mode;
    KeyLine {
        id: key.id.text(mode),
        mode: Some(mode.as_str()),
        role: None,
        channel: None,
        name: key.name.clone(),
        state: state(key.revoked_at, key.expires_at, store),
        expires_at: key.expires_at.map(|end| end.to_string()),
        replaced_by: key.replaced_by.map(|id| id.text(mode)),
        secret: None,
    }
}

fn service_key_line(key: &ServiceKeyRecord, store: &Store) -> KeyLine {
    KeyLine {
        id: service_key_id(key.id),
        mode: None,
        role: Some(key.role.as_str()),
        channel: key.role.channel().map(str::to_owned),
        name: key.name.clone(),
        state: state(key.revoked_at, key.expires_at, store),
        expires_at: key.expires_at.map(|end| end.to_string()),
        replaced_by: key.replaced_by.map(service_key_id),
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
