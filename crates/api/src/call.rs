//! A request of a merchant, or of the console on a merchant's behalf. Everything else about it is read only after its
//! caller is known: nobody who may not call learns what his body or his path were worth.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use domain::account::{Account, Mode, Owner};
use domain::audit::{Act, By, Chain};
use domain::id::{Id, Kind};
use domain::key::Scope;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use store::keys::KeyRecord;
use store::{Claim, Tx};
use wire::problem::{Code, Item};
use wire::version::Version;

use crate::incoming::{self, Incoming};
use crate::internal::console;
use crate::limits::Allowance;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::{Api, Surface, headers, security};

/// Which scopes a call needs; the type of a handler's [`Call`] says it.
pub trait Needs: 'static {
    /// All of them.
    const SCOPES: &'static [Scope];
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident: $($scope:ident)?;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Needs for $name {
            const SCOPES: &'static [Scope] = &[$(Scope::$scope)?];
        }
    )*};
}

needs! {
    /// Any key may.
    AnyKey: ;
    /// `invoices:read`.
    ReadInvoices: InvoicesRead;
    /// `invoices:write`.
    WriteInvoices: InvoicesWrite;
    /// `payments:read`.
    ReadPayments: PaymentsRead;
    /// `test:write`.
    WriteTest: TestWrite;
    /// `events:read`.
    ReadEvents: EventsRead;
    /// `webhooks:read`.
    ReadWebhooks: WebhooksRead;
    /// `webhooks:write`.
    WriteWebhooks: WebhooksWrite;
}

/// Who calls, for the log line of the request.
#[derive(Clone, Copy)]
pub(crate) struct LoggedCaller(pub(crate) Owner);

/// Whose hand the request comes from.
enum Hand {
    /// The merchant's own.
    Merchant(Arc<KeyRecord>),
    /// The console's; every write is audited.
    Console(By),
}

/// An authenticated request about one account in one mode.
pub struct Call<S> {
    /// Account and mode: the owner of whatever is asked for.
    pub owner: Owner,
    /// The account and its settings.
    pub account: Arc<Account>,
    /// The version of the answer.
    pub version: Version,
    /// What handlers can reach.
    pub api: Api,
    hand: Hand,
    incoming: Incoming,
    scopes: PhantomData<S>,
}

impl<S> Deref for Call<S> {
    type Target = Incoming;
    fn deref(&self) -> &Incoming {
        &self.incoming
    }
}

impl<S> DerefMut for Call<S> {
    fn deref_mut(&mut self) -> &mut Incoming {
        &mut self.incoming
    }
}

impl<S: Needs> FromRequest for Call<S> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let api = request.app_data::<web::Data<Api>>().ok_or(Problem::new(Code::InternalError))?;
            let api = api.get_ref().clone();
            let (owner, account, hand) = match api.surface {
                Surface::Public => {
                    let key = merchant(&request, &api).await?;
                    check_scopes(&key, S::SCOPES)?;
                    (key.owner, Arc::new(key.account.clone()), Hand::Merchant(key))
                }
                Surface::Internal => {
                    let (owner, account, by) = console::on_behalf(&request, &api).await?;
                    (owner, Arc::new(account), Hand::Console(by))
                }
            };
            request.extensions_mut().insert(LoggedCaller(owner));
            let version = version(request.headers(), &account)?;
            let incoming = Incoming::new(request, payload);
            Ok(Call { owner, account, version, api, hand, incoming, scopes: PhantomData })
        })
    }
}

/// The merchant's key that a request came with, once all that can be said against it is said.
async fn merchant(request: &HttpRequest, api: &Api) -> Result<Arc<KeyRecord>, Problem> {
    let unauthorized = || Problem::new(Code::Unauthorized);
    let from = headers::client_address(request, &api.settings).ok_or_else(unauthorized)?;
    let token = headers::key(request.headers()).ok_or_else(unauthorized)?;
    let key = api.keys.merchant(&token, from, incoming::request_id(request)).await?;
    request.extensions_mut().insert(LoggedCaller(key.owner));
    if key.ip_allow.as_ref().is_some_and(|networks| !networks.iter().any(|network| network.contains(&from))) {
        api.keys.watch().note(security::WRONG_ADDRESS, &key.public_id, from, incoming::request_id(request));
        return Err(Problem::new(Code::IpNotAllowed));
    }
    let allowance = api.limits.take(key.owner, key.account.rate_limit);
    request.extensions_mut().insert::<Allowance>(allowance);
    match allowance.refused_for_seconds {
        Some(seconds) => Err(Problem::new(Code::RateLimited { seconds })),
        None => Ok(key),
    }
}

fn check_scopes(key: &KeyRecord, needed: &[Scope]) -> Result<(), Problem> {
    let has = |scope: &&Scope| key.scopes.as_ref().is_none_or(|scopes| scopes.contains(scope));
    let missing = needed.iter().filter(|scope| !has(scope));
    let items: Vec<Item> = missing.map(|scope| Item::at(scope.as_str(), Code::InsufficientScope)).collect();
    if items.is_empty() { Ok(()) } else { Err(Problem::Told(items)) }
}

/// The header's version, else the account's, else the first.
fn version(headers: &HeaderMap, account: &Account) -> Result<Version, Problem> {
    if headers.contains_key("kashio-version") {
        let named = headers::single(headers, "kashio-version").and_then(|text| Version::parse(text.trim()));
        return named.ok_or_else(|| Problem::Told(vec![Item::at("KashIO-Version", Code::UnknownVersion)]));
    }
    Ok(account.version_pin.as_deref().and_then(Version::parse).unwrap_or_default())
}

impl<S> Call<S> {
    /// The id in the path; what is no id of this kind and mode is an unknown one.
    ///
    /// # Errors
    /// 404.
    pub fn id<K: Kind>(&self) -> Result<Id<K>, Problem> {
        let text = self.path_part("id").unwrap_or_default();
        let id = Id::parse(text, self.owner.mode);
        if let (None, Hand::Merchant(key)) = (&id, &self.hand) {
            let other = if self.owner.mode.is_live() { Mode::Test } else { Mode::Live };
            if Id::<K>::parse(text, other).is_some() {
                self.note(security::WRONG_MODE, key);
            }
        }
        id.ok_or(Problem::new(Code::NotFound))
    }

    /// The merchant's key, where there is one.
    pub fn key(&self) -> Option<&KeyRecord> {
        match &self.hand {
            Hand::Merchant(key) => Some(key),
            Hand::Console(_) => None,
        }
    }

    /// Whether an operator acts for the merchant: his writes are audited, and so go alone.
    pub const fn is_console(&self) -> bool {
        matches!(self.hand, Hand::Console(_))
    }

    /// The claim that the caller's `Idempotency-Key` makes on a request of this method, path and body.
    ///
    /// # Errors
    /// The fault of a malformed key.
    pub fn claim(&self, body: &str) -> Result<Option<Claim>, Item> {
        self.claim_of(self.owner, body)
    }

    /// Work that is to have one effect: see `Store::once`. An operator's is audited with it.
    ///
    /// # Errors
    /// What the work returned, or what the store met.
    pub async fn once<F>(&self, name: &'static str, claim: Option<Claim>, work: F) -> Result<Reply, Problem>
    where
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<Reply, Problem>> + Send + Sync + 'static,
    {
        let Hand::Console(by) = &self.hand else {
            return Reply::of_once(self.api.store.once(name, claim, work).await?);
        };
        let (by, chain, work) = (by.clone(), Chain::Account(self.owner.account), Arc::new(work));
        let object = self.path_part("id").map(str::to_owned);
        let once = self.api.store.once::<Reply, Problem, _>(name, claim, move |tx| {
            let (by, object, work) = (by.clone(), object.clone(), work.clone());
            async move {
                let reply = work(tx).await?;
                if !reply.replayed {
                    let object = object.or_else(|| reply.created_id().map(str::to_owned));
                    let details = reply.version().map(|version| json!({ "version": version }).to_string());
                    tx.audit(Act { chain, action: name, object, by, details }).await?;
                }
                Ok(reply)
            }
            .boxed()
        });
        Reply::of_once(once.await?)
    }

    fn note(&self, action: &'static str, key: &KeyRecord) {
        if let Some(from) = headers::client_address(self.request(), &self.api.settings) {
            self.api.keys.watch().note(action, &key.public_id, from, self.request_id());
        }
    }
}
