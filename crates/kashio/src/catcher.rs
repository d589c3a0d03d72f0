//! The catcher of `kashio dev`: an address that webhooks can be sent to, and a page that shows what came, live, and
//! whether one of the demo database's secrets signed it. It keeps the newest few in memory and answers 200 to all.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::signature::WebhookSecret;
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::Store;

use crate::Failure;

const PAGE: &str = include_str!("../templates/catcher.html");
const STYLE: &str = include_str!("../templates/catcher.css");
const SCRIPT: &str = include_str!("../templates/catcher.js");

/// Where it listens, unless somebody else does.
const PORT: u16 = 8_082;
/// Webhooks that are kept.
const KEPT: usize = 200;

/// A webhook that came.
#[derive(Clone, Serialize)]
struct Caught {
    number: u64,
    time: String,
    id: String,
    r#type: String,
    verified: bool,
    headers: String,
    body: String,
}

#[derive(Clone)]
struct Catcher {
    store: Store,
    address: String,
    curl: Arc<str>,
    caught: Arc<Mutex<VecDeque<Caught>>>,
}

/// A catcher that listens.
pub(crate) struct Running {
    /// Where to look, and where to send.
    pub(crate) url: String,
    server: ServerHandle,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.server.stop(false).await;
    }
}

/// Starts it on its port, or on any other that is free. `test_key` is named in the command that registers it.
///
/// # Errors
/// When nothing can be listened on.
pub(crate) fn start(store: Store, public_url: &str, test_key: &str) -> Result<Running, Failure> {
    let loopback = |port: u16| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)));
    let failed = |error| Failure::failed("the webhook catcher can not listen", error);
    let listener = loopback(PORT).or_else(|_| loopback(0)).map_err(failed)?;
    let url = format!("http://{}", listener.local_addr().map_err(failed)?);
    let curl = format!(
        "curl {public_url}/v1/payments/webhook_endpoints \\\n  --user {test_key}: \\\n  \
         --header 'content-type: application/json' \\\n  --data '{{\"url\": \"{url}/hook\"}}'"
    );
    let catcher =
        Catcher { store, address: format!("{url}/hook"), curl: curl.into(), caught: Arc::default() };
    let app = move || {
        App::new()
            .app_data(web::Data::new(catcher.clone()))
            .app_data(web::PayloadConfig::new(1_024 * 1_024))
            .route("/", web::get().to(page))
            .route("/webhooks.json", web::get().to(list))
            .route("/hook", web::post().to(catch))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).map_err(failed)?.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(Running { url, server: handle })
}

async fn page(catcher: web::Data<Catcher>) -> HttpResponse {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let page = PAGE
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{address}}", &escape(&catcher.address))
        .replace("{{curl}}", &escape(&catcher.curl));
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", policy))
        .insert_header(("Cache-Control", "no-store"))
        .body(page)
}

#[derive(Deserialize)]
struct Since {
    after: u64,
}

async fn list(catcher: web::Data<Catcher>, since: web::Query<Since>) -> HttpResponse {
    let caught = catcher.caught.lock().unwrap_or_else(PoisonError::into_inner);
    let data: Vec<&Caught> = caught.iter().filter(|caught| caught.number > since.after).collect();
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(serde_json::json!({ "data": data }))
}

async fn catch(catcher: web::Data<Catcher>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let (id, sent_at, signature) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let secrets = catcher.store.read("list_webhook_secrets", |tx| tx.webhook_secrets().boxed());
    let secrets: Vec<WebhookSecret> = secrets.await.unwrap_or_default();
    let signed = |secret: &WebhookSecret| {
        let wanted = sent_at.parse().map(|sent_at| secret.sign(&id, sent_at, &body));
        wanted.is_ok_and(|wanted| signature.split(' ').any(|given| given == wanted))
    };
    #[derive(Deserialize)]
    struct Head {
        r#type: String,
    }
    let head = serde_json::from_slice::<Head>(&body);
    let pretty = serde_json::from_slice::<serde_json::Value>(&body)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned());
    let mut caught = catcher.caught.lock().unwrap_or_else(PoisonError::into_inner);
    let number = caught.back().map_or(1, |last| last.number + 1);
    caught.push_back(Caught {
        number,
        time: catcher.store.clock().now().to_string(),
        verified: secrets.iter().any(signed),
        headers: format!("webhook-id: {id}\nwebhook-timestamp: {sent_at}\nwebhook-signature: {signature}"),
        id,
        r#type: head.map_or_else(|_| "(sin tipo)".to_owned(), |head| head.r#type),
        body: pretty,
    });
    if caught.len() > KEPT {
        caught.pop_front();
    }
    HttpResponse::Ok().finish()
}
