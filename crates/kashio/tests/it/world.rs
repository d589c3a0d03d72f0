//! The world that stories happen in: a service, its database, and merchants who call it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::account::{Account, Mode, Owner};
use domain::id::{AccountId, KeyId, ServiceKeyId};
use domain::key::{KeyKind, Role, SecretKey};
use kashio::config::Settings;
use kashio::serve::{self, Running};
use postgres_dev::testing::{TestDatabase, database};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use store::keys::{HASH_VERSION, NewKey};
use store::service_keys::NewServiceKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::contract::{self, Listener};
use crate::machine::{self, Place};

/// A running service.
pub struct World {
    pub database: TestDatabase,
    pub sql: PgPool,
    pub client: reqwest::Client,
    pub settings: Settings,
    running: Option<Running>,
    works: bool,
    _machine: Arc<Place>,
}

/// An answer, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn was_replayed(&self) -> bool {
        self.header("idempotent-replayed") == "true"
    }

    /// The code of the first error.
    pub fn code(&self) -> String {
        self.json()["error"][0]["code"].as_str().unwrap_or("").to_owned()
    }

    /// Every `(code, param)` of an error answer.
    pub fn faults(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let errors = self.json()["error"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|item| (text(&item["code"]), text(&item["param"]))).collect()
    }

    /// The answer without what is different each time.
    pub fn without_request_id(&self) -> (u16, Vec<(String, String)>, Value) {
        let mut body = self.json();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("request_id");
        }
        // A connection is closed or kept by how much of an unread body had come, whoever is asked about.
        let stable = |name: &str| !matches!(name, "request-id" | "date" | "connection");
        let headers = self.headers.iter().filter(|(name, _)| stable(name.as_str()));
        let mut headers: Vec<_> =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        headers.sort();
        // The order of names in this list is the CORS library's own, and changes.
        headers.retain(|(name, _)| name != "access-control-expose-headers");
        (self.status, headers, body)
    }
}

impl World {
    pub async fn start() -> World {
        World::with(|_| {}).await
    }

    /// A world whose settings are a little different.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> World {
        // What the service has to say is printed with a test that fails.
        kashio::telemetry::start(kashio::telemetry::Format::Test);
        let machine = machine::shared().await;
        kashio::use_ring();
        let prepare = async |url: String| {
            let options = url.parse()?;
            store::migrate::up(&options, |_| {}).await.map_err(Into::into)
        };
        let database = database(&store::migrate::fingerprint(), prepare).await.unwrap();
        let mut settings = kashio::config::compiled_in().unwrap();
        settings.database.url = database.url().to_owned();
        settings.database.connections = 6;
        settings.http.bind = "127.0.0.1:0".parse().unwrap();
        settings.internal.bind = "127.0.0.1:0".parse().unwrap();
        settings.management.bind = "127.0.0.1:0".parse().unwrap();
        settings.http.public_url = "https://api.kashio.test".to_owned();
        settings.http.require_https = false;
        // Calls say which address they come from, so that one test's failures do not lock out another's.
        settings.http.trusted_proxies = "127.0.0.1".to_owned();
        settings.limits.per_second = 0;
        change(&mut settings);
        let sql = PgPoolOptions::new().max_connections(2).connect(database.url()).await.unwrap();
        let running = serve::start(&settings).await.unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        World { database, sql, client, settings, running: Some(running), works: false, _machine: machine }
    }

    /// A world in which what happens without anybody asking for it happens, and receivers live on this machine.
    pub async fn working(change: impl FnOnce(&mut Settings)) -> World {
        let mut world = World::with(|settings| {
            settings.webhooks.loopback = true;
            change(settings);
        })
        .await;
        world.works = true;
        world.running.as_mut().unwrap().add_worker(&world.settings).unwrap();
        world
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running().public)
    }

    /// Stops the service and starts another on the same database.
    pub async fn restart(&mut self) {
        self.running.take().unwrap().stop(std::time::Duration::ZERO).await;
        let mut running = serve::start(&self.settings).await.unwrap();
        if self.works {
            running.add_worker(&self.settings).unwrap();
        }
        self.running = Some(running);
    }

    pub async fn merchant(&self, mode: Mode) -> Merchant {
        self.key_of(AccountId::new(0, &rand::random()), mode, None).await
    }

    /// A key of an account, which is made when it is new.
    pub async fn key_of(&self, account: AccountId, mode: Mode, scopes: Option<&[&str]>) -> Merchant {
        let secret = SecretKey::mint(KeyKind::Merchant(mode), rand::random);
        let phc = api::keys::hash(&secret).unwrap();
        let settings = Account { live_enabled: true, ..Account::new(account, "Tienda".to_owned()) };
        let key = secret.clone();
        self.running()
            .store
            .transaction::<_, store::Error, _>("test_key", move |tx| {
                let (settings, key, phc) = (settings.clone(), key.clone(), phc.clone());
                Box::pin(async move {
                    tx.put_account(&settings).await?;
                    let (id, owner) = (KeyId::new(0, &rand::random()), Owner { account, mode });
                    tx.add_key(&NewKey::unrestricted(id, owner, "k", key, phc)).await
                })
            })
            .await
            .unwrap();
        if let Some(scopes) = scopes {
            let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
            sqlx::query("update api_keys set scopes = $1, changed_at = now() where public_id = $2")
                .bind(scopes)
                .bind(secret.public_id())
                .execute(&self.sql)
                .await
                .unwrap();
        }
        Merchant {
            account,
            mode,
            key: secret,
            client: self.client.clone(),
            base: self.url(""),
            address: an_address(),
        }
    }

    /// An operator before the console, with a service key of its own.
    pub async fn console(&self) -> Console {
        let secret = SecretKey::mint(KeyKind::Service, rand::random);
        self.add_service_key(&secret, Role::Kcms).await;
        Console {
            key: secret.expose().to_owned(),
            actor: Some("operador-7"),
            reason: Some("prueba"),
            client: self.client.clone(),
            base: format!("http://{}", self.running().internal),
        }
    }

    pub async fn add_service_key(&self, secret: &SecretKey, role: Role) {
        let key = NewServiceKey {
            id: ServiceKeyId::new(self.running().store.clock().unix_millis(), &rand::random()),
            name: "test".to_owned(),
            role,
            expires_at: None,
            secret: secret.clone(),
            phc: api::keys::hash(secret).unwrap(),
            hash_version: HASH_VERSION,
        };
        let add = self.running().store.transaction::<_, store::Error, _>("test_key", move |tx| {
            let key = key.clone();
            Box::pin(async move { tx.add_service_key(&key).await })
        });
        add.await.unwrap();
    }

    /// What the public listener answers to a path that is sent as it is written.
    pub async fn raw(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let mut socket = TcpStream::connect(self.running().public).await.unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A request that has been let in and whose body does not come.
    pub async fn hold_open(&self, shop: &Merchant) -> TcpStream {
        let mut socket = TcpStream::connect(self.running().public).await.unwrap();
        let head = format!(
            "POST {INVOICES} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: 500\r\n\r\n{{",
            shop.authorization()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        // Time to be let in; its key has to be hashed first.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        socket
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.sql).await.unwrap()
    }

    pub async fn execute(&self, statement: &str) -> u64 {
        sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&self.sql).await.unwrap().rows_affected()
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        send(&self.client, Listener::Public, method, &self.url(path), headers, body).await
    }

    /// The same, to the internal listener.
    pub async fn send_inside(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let url = format!("http://{}{path}", self.running().internal);
        send(&self.client, Listener::Internal, method, &url, headers, body).await
    }
}

/// An operator before the console.
#[derive(Clone)]
pub struct Console {
    key: String,
    actor: Option<&'static str>,
    reason: Option<&'static str>,
    client: reqwest::Client,
    base: String,
}

impl Console {
    pub fn secret(&self) -> &str {
        &self.key
    }

    pub fn with_key(&self, key: &str) -> Console {
        Console { key: key.to_owned(), ..self.clone() }
    }

    /// The same before another replica.
    pub fn at(&self, internal: SocketAddr) -> Console {
        Console { base: format!("http://{internal}"), ..self.clone() }
    }

    /// Another operator before it.
    pub fn of(&self, actor: &'static str) -> Console {
        Console { actor: Some(actor), ..self.clone() }
    }

    pub fn without_actor(&self) -> Console {
        Console { actor: None, ..self.clone() }
    }

    pub fn without_reason(&self) -> Console {
        Console { reason: None, ..self.clone() }
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        more: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let authorization = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(self.actor.map(|actor| ("x-actor", actor)));
        headers.extend(self.reason.map(|reason| ("x-reason", reason)));
        headers.extend_from_slice(more);
        let body = body.map(Value::to_string);
        let url = format!("{}{path}", self.base);
        send(&self.client, Listener::Internal, method, &url, &headers, body.as_deref()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], None).await
    }

    /// A write that takes nothing.
    pub async fn write(&self, path: &str) -> Answer {
        self.call(Method::POST, path, &[], None).await
    }
}

/// A caller of the API.
#[derive(Clone)]
pub struct Merchant {
    pub account: AccountId,
    pub mode: Mode,
    pub key: SecretKey,
    pub client: reqwest::Client,
    pub base: String,
    pub address: IpAddr,
}

impl Merchant {
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.key.expose())
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        more: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let (authorization, address) = (self.authorization(), self.address.to_string());
        let mut headers =
            vec![("authorization", authorization.as_str()), ("x-forwarded-for", address.as_str())];
        headers.extend_from_slice(more);
        let url = format!("{}{path}", self.base);
        send(&self.client, Listener::Public, method, &url, &headers, body).await
    }

    pub async fn create(&self, body: &Value) -> Answer {
        self.create_with(&[], body).await
    }

    pub async fn create_with(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.call(Method::POST, INVOICES, headers, Some(&body.to_string())).await
    }

    /// The status alone, without a look into the API document, which takes longer than the answer.
    pub async fn create_unchecked(&self, body: &Value) -> u16 {
        let request = self.client.post(format!("{}{INVOICES}", self.base));
        let request = request.header("authorization", self.authorization()).body(body.to_string());
        request.header("x-forwarded-for", self.address.to_string()).send().await.unwrap().status().as_u16()
    }

    pub async fn get(&self, id: &str) -> Answer {
        self.call(Method::GET, &format!("{INVOICES}/{id}"), &[], None).await
    }
}

pub const INVOICES: &str = "/v1/payments/invoices";

/// The smallest order there is.
pub fn order(invoice_id: &str) -> Value {
    json!({
        "invoice_id": invoice_id, "currency": "PEN", "amount": "20.00", "request_datetime": "2026-01-01T10:00:00",
    })
}

pub async fn send(
    client: &reqwest::Client,
    listener: Listener,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answer {
    let mut request = client.request(method.clone(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.body(body.to_owned());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("content-type", "application/json");
        }
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let path = response.url().path().to_owned();
    let answer = Answer { status, headers, text: response.text().await.unwrap() };
    // Whatever a story is about, its answers are those that the API document promises.
    contract::held(listener, method, path, answer).await
}

/// An address that no other caller has.
pub fn an_address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, b, c, d] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    IpAddr::from([100, b, c, d])
}
