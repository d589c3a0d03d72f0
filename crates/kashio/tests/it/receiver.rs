//! A merchant's server, which webhooks are posted to: it keeps what it got and answers as it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use domain::signature::WebhookSecret;
use serde_json::Value;

/// A webhook that came.
#[derive(Clone, Debug)]
pub struct Received {
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// Whether a secret signed it.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let secret = WebhookSecret::parse(secret).unwrap();
        let sent_at = self.headers["webhook-timestamp"].parse().unwrap();
        let wanted = secret.sign(self.id(), sent_at, &self.body);
        self.headers["webhook-signature"].split(' ').any(|signature| signature == wanted)
    }
}

/// How a receiver answers: a status, after a while; the number of the webhook is from 1.
pub type Manners = Arc<dyn Fn(usize, &Received) -> (u16, Duration) + Send + Sync>;

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    got: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub async fn start(manners: impl Fn(usize) -> (u16, Duration) + Send + Sync + 'static) -> Receiver {
        Receiver::that_reads(move |number, _| manners(number)).await
    }

    /// One that reads what came before it answers.
    pub async fn that_reads(
        manners: impl Fn(usize, &Received) -> (u16, Duration) + Send + Sync + 'static,
    ) -> Receiver {
        let manners: Manners = Arc::new(manners);
        let got: Arc<Mutex<Vec<Received>>> = Arc::default();
        let kept = got.clone();
        let app = move || {
            let (kept, manners) = (kept.clone(), manners.clone());
            let receive = move |request: HttpRequest, body: web::Bytes| {
                let (kept, manners) = (kept.clone(), manners.clone());
                async move {
                    let text =
                        |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
                    let headers = request
                        .headers()
                        .iter()
                        .map(|(name, value)| (name.to_string(), text(value)))
                        .collect();
                    let (status, after) = {
                        let mut kept = kept.lock().unwrap();
                        kept.push(Received { headers, body: body.to_vec(), at: Instant::now() });
                        manners(kept.len(), &kept[kept.len() - 1])
                    };
                    tokio::time::sleep(after).await;
                    HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap())
                        .insert_header(("location", "http://127.0.0.1:1/elsewhere"))
                        .body("said the receiver")
                }
            };
            App::new().default_service(web::to(receive))
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        tokio::spawn(server);
        Receiver { url, got }
    }

    /// One that is content with everything.
    pub async fn content() -> Receiver {
        Receiver::start(|_| (200, Duration::ZERO)).await
    }

    pub fn all(&self) -> Vec<Received> {
        self.got.lock().unwrap().clone()
    }

    /// How many have come.
    pub fn so_far(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// Waits until so many have come.
    pub async fn count(&self, count: usize) -> Vec<Received> {
        let began = Instant::now();
        loop {
            let all = self.all();
            if all.len() >= count {
                return all;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{} of {count} came", all.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
