//! A request of the console: a service key of role `kcms`, and the operator who sits before it.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use domain::account::{Account, Mode, Owner};
use domain::audit::{Act, By};
use domain::field::Wrong;
use domain::id::AccountId;
use domain::key::Role;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use store::service_keys::ServiceKeyRecord;
use store::{Answer, Claim, Once, Tx};
use wire::internal::{account, key as wire_key};
use wire::problem::{Code, Item};

use crate::incoming::{self, Incoming};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::{Api, headers};

/// Most characters of an operator's id, and of his reason.
const MAX_ACTOR: usize = 200;
const MAX_REASON: usize = 1_000;

/// Idempotency keys of writes that belong to no account live with nobody's.
const NOBODY: Owner = Owner { account: AccountId::NOBODY, mode: Mode::Live };

/// The service key of a request, for its log line.
#[derive(Clone)]
pub(crate) struct LoggedService(pub(crate) String);

/// A request of the console.
pub struct Console {
    /// What handlers can reach.
    pub api: Api,
    by: By,
    incoming: Incoming,
}

impl Deref for Console {
    type Target = Incoming;
    fn deref(&self) -> &Incoming {
        &self.incoming
    }
}

impl DerefMut for Console {
    fn deref_mut(&mut self) -> &mut Incoming {
        &mut self.incoming
    }
}

impl FromRequest for Console {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let api = request.app_data::<web::Data<Api>>().ok_or(Problem::new(Code::InternalError))?;
            let api = api.get_ref().clone();
            let by = operator(&request, &api).await?;
            Ok(Console { api, by, incoming: Incoming::new(request, payload) })
        })
    }
}

/// The service key that a request came with.
///
/// # Errors
/// As for merchants' keys.
pub(crate) async fn service(request: &HttpRequest, api: &Api) -> Result<Arc<ServiceKeyRecord>, Problem> {
    let unauthorized = || Problem::new(Code::Unauthorized);
    let from = headers::client_address(request, &api.settings).ok_or_else(unauthorized)?;
    let token = headers::key(request.headers()).ok_or_else(unauthorized)?;
    let key = api.keys.service(&token, from, incoming::request_id(request)).await?;
    request.extensions_mut().insert(LoggedService(wire_key::service_key_id(key.id)));
    Ok(key)
}

/// Who acts: 403 for another role, 400 for a write that nobody answers for.
async fn operator(request: &HttpRequest, api: &Api) -> Result<By, Problem> {
    let key = service(request, api).await?;
    match &key.role {
        Role::Kcms => {}
        Role::Collector { .. } => return Err(Problem::new(Code::InsufficientRole)),
    }
    let mut items = Vec::new();
    let actor = text(request, "x-actor", "X-Actor", MAX_ACTOR, &mut items);
    let reason = text(request, "x-reason", "X-Reason", MAX_REASON, &mut items);
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if writes && actor.is_none() && items.is_empty() {
        items.push(Item::at("X-Actor", Code::Wrong(Wrong::Missing)));
    }
    if !items.is_empty() {
        return Err(Problem::Told(items));
    }
    Ok(By {
        actor,
        reason,
        service_key: Some(wire_key::service_key_id(key.id)),
        request_id: Some(incoming::request_id(request)),
        address: None,
    })
}

/// A header that people write: UTF-8, whatever the RFC says of ISO 8859-1, without control characters.
fn text(
    request: &HttpRequest,
    header: &str,
    name: &'static str,
    max: usize,
    items: &mut Vec<Item>,
) -> Option<String> {
    let mut values = request.headers().get_all(header);
    let (value, more) = (values.next()?, values.next());
    let text = std::str::from_utf8(value.as_bytes()).map(str::trim).unwrap_or("\0");
    if text.is_empty() && more.is_none() {
        return None;
    }
    let code = if more.is_some() {
        Code::DuplicateField
    } else if text.chars().any(char::is_control) {
        Code::ForbiddenCharacter
    } else if text.chars().count() > max {
        Code::Wrong(Wrong::TooLong { max })
    } else {
        return Some(text.to_owned());
    };
    items.push(Item::at(name, code));
    None
}

/// The account and mode of a merchant's route that the console calls, and who acts.
///
/// # Errors
/// As for the console; 404 for an account that there is not.
pub(crate) async fn on_behalf(request: &HttpRequest, api: &Api) -> Result<(Owner, Account, By), Problem> {
    let by = operator(request, api).await?;
    let path = request.match_info();
    let not_found = || Problem::new(Code::NotFound);
    let id = path.get("account").and_then(account::parse_id).ok_or_else(not_found)?;
    let mode = if path.get("mode") == Some("live") { Mode::Live } else { Mode::Test };
    let found = api.store.read("find_account", move |tx| tx.account(id).boxed()).await?;
    let account = found.ok_or_else(not_found)?.account;
    Ok((Owner { account: id, mode }, account, by))
}

/// What a write of the console did.
pub struct Done {
    reply: Reply,
    act: Option<Act>,
}

impl Done {
    /// Nothing: what was asked for was so already.
    pub const fn nothing(reply: Reply) -> Done {
        Done { reply, act: None }
    }

    /// Something, which is audited.
    pub const fn act(reply: Reply, act: Act) -> Done {
        Done { reply, act: Some(act) }
    }
}

impl AsRef<Answer> for Done {
    fn as_ref(&self) -> &Answer {
        self.reply.as_ref()
    }
}

impl Console {
    /// Who acts.
    pub fn by(&self) -> By {
        self.by.clone()
    }

    /// The account in the path; what is no account's id is an unknown one.
    ///
    /// # Errors
    /// 404.
    pub fn account(&self) -> Result<AccountId, Problem> {
        let id = self.path_part("id").and_then(account::parse_id);
        id.ok_or(Problem::new(Code::NotFound))
    }

    /// The operator must say why.
    ///
    /// # Errors
    /// 400 when he does not.
    pub fn reason(&self) -> Result<(), Problem> {
        match self.by.reason {
            Some(_) => Ok(()),
            None => Err(Problem::Told(vec![Item::at("X-Reason", Code::Wrong(Wrong::Missing))])),
        }
    }

    /// The claim that the caller's `Idempotency-Key` makes.
    ///
    /// # Errors
    /// The fault of a malformed key.
    pub fn claim(&self, body: &str) -> Result<Option<Claim>, Problem> {
        self.claim_of(NOBODY, body).map_err(|item| Problem::Told(vec![item]))
    }

    /// Work that changes something: once, and audited in the same transaction.
    ///
    /// # Errors
    /// What the work returned, or what the store met.
    pub async fn write<F>(&self, name: &'static str, claim: Option<Claim>, work: F) -> Result<Reply, Problem>
    where
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<Done, Problem>> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        let once = self.api.store.once::<Done, Problem, _>(name, claim, move |tx| {
            let work = work.clone();
            async move {
                let mut done = work(tx).await?;
                if let Some(act) = done.act.take() {
                    tx.audit(act).await?;
                }
                Ok(done)
            }
            .boxed()
        });
        Reply::of_once(match once.await? {
            Once::Done(done) => Once::Done(done.reply),
            Once::Seen(answer) => Once::Seen(answer),
            Once::Reused => Once::Reused,
        })
    }
}
