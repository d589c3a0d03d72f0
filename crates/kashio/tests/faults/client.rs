//! A good client that remembers: it calls at a steady pace, answered or not those before; what ends in doubt (a
//! time-out, a reset, a 5xx) it sends again with the same key until it knows. What it was told is for the checker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::ground::{Ground, Owner};

pub const INVOICES: &str = "/v1/payments/invoices";

/// For so long a request is sent again.
const PATIENCE: Duration = Duration::from_secs(30);

/// So long after something was mended, its traces are still excused.
const AFTERMATH: Duration = Duration::from_secs(5);

/// When something was broken: a 5xx has to have a reason.
#[derive(Clone, Default)]
pub struct Weather(Arc<Mutex<Vec<Storm>>>);

/// From when, and until when if it is over.
type Storm = (Instant, Option<Instant>);

impl Weather {
    /// Something is broken from now on …
    pub fn breaks(&self) {
        self.0.lock().unwrap().push((Instant::now(), None));
    }

    /// … until now.
    pub fn mends(&self) {
        if let Some((_, end)) = self.0.lock().unwrap().last_mut() {
            *end = Some(Instant::now());
        }
    }

    fn explains(&self, sent: Instant, heard: Instant) -> bool {
        let storms = self.0.lock().unwrap();
        storms.iter().any(|(from, to)| *from <= heard && to.is_none_or(|to| sent <= to + AFTERMATH))
    }
}

/// What a write was answered: the invoice as it was then.
#[derive(Clone, Debug)]
pub struct Written {
    pub owner: usize,
    pub id: String,
    pub version: i64,
    pub status: String,
    pub sub_total: String,
}

/// A payment that a bank was told is taken.
#[derive(Clone, Debug)]
pub struct Paid {
    pub owner: usize,
    pub payment: String,
}

/// How a request went, to its end.
#[derive(Clone, Debug)]
pub struct Request {
    pub writes: bool,
    pub sent: Instant,
    pub heard: Instant,
    pub times: usize,
    /// The last answer; nothing, when the client gave up in doubt.
    pub status: Option<u16>,
}

impl Request {
    pub fn took(&self) -> Duration {
        self.heard - self.sent
    }
}

/// Everything that was heard.
#[derive(Default)]
pub struct Heard {
    pub requests: Vec<Request>,
    pub written: Vec<Written>,
    pub paid: Vec<Paid>,
    /// 5xx that had no reason.
    pub unexplained: Vec<String>,
    /// Excused ones, resets and time-outs.
    pub excused: usize,
    /// What was shown to somebody whom it is no business of.
    pub leaks: Vec<String>,
    /// Answers that make no sense.
    pub nonsense: Vec<String>,
}

/// An invoice that somebody may go on with.
#[derive(Clone)]
struct Known {
    owner: usize,
    id: String,
    ktin: String,
    amount: String,
}

/// See the module.
pub struct Caller {
    client: reqwest::Client,
    public: String,
    internal: String,
    owners: Vec<Owner>,
    bank: String,
    weather: Weather,
    /// Whether the bank comes, too.
    pays: bool,
    known: Mutex<Vec<Known>>,
    number: AtomicUsize,
    pub heard: Mutex<Heard>,
}

/// The calls while they go on.
pub struct Calling {
    pub caller: Arc<Caller>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Calling {
    /// Begins to call, so often a second.
    pub fn begin(ground: &Ground, seed: u64, per_second: u32) -> Calling {
        Calling::begin_with(ground, seed, per_second, true)
    }

    /// The same, but no bank comes: the edition that serves may not know payments.
    pub fn begin_without_bank(ground: &Ground, seed: u64, per_second: u32) -> Calling {
        Calling::begin_with(ground, seed, per_second, false)
    }

    fn begin_with(ground: &Ground, seed: u64, per_second: u32, pays: bool) -> Calling {
        let caller = Arc::new(Caller {
            client: ground.client.clone(),
            public: ground.public.clone(),
            internal: ground.internal.clone(),
            owners: ground.owners.clone(),
            bank: ground.bank.clone(),
            weather: ground.weather.clone(),
            pays,
            known: Mutex::default(),
            number: AtomicUsize::new(0),
            heard: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(call(caller.clone(), seed, per_second, stopped));
        Calling { caller, stop, task }
    }

    /// Calls no more, and waits until every answer is known or given up.
    pub async fn end(self) -> Arc<Caller> {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        self.caller
    }
}

async fn call(caller: Arc<Caller>, seed: u64, per_second: u32, stopped: watch::Receiver<bool>) {
    let (mut random, mut calls) = (StdRng::seed_from_u64(seed), JoinSet::new());
    let (began, gap) = (Instant::now(), Duration::from_secs(1) / per_second);
    let mut number = 0;
    while !*stopped.borrow() {
        sleep_until((began + gap * number).into()).await;
        number += 1;
        let call = caller.clone().some_call(&mut random);
        calls.spawn(call);
        while let Some(done) = calls.try_join_next() {
            done.unwrap();
        }
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
}

impl Caller {
    fn some_call(self: Arc<Caller>, random: &mut StdRng) -> impl Future<Output = ()> + Send + use<> {
        let what = random.random_range(0..100);
        let owner = random.random_range(0..self.owners.len());
        let known = {
            let known = self.known.lock().unwrap();
            // Young ones mostly: they may still be changed.
            let skipped = known.len().saturating_sub(200);
            (!known.is_empty()).then(|| known[random.random_range(skipped..known.len())].clone())
        };
        let stranger = (owner, random.random_range(1..100));
        let amount = format!("{}.{:02}", random.random_range(1..1_000), random.random_range(0..100));
        async move {
            match (what, known) {
                (0..50, _) | (_, None) => self.create(owner, amount).await,
                (50..65, Some(known)) => self.read(&known).await,
                (65..70, Some(known)) => self.pry(&known, stranger.0).await,
                (70..78, Some(_)) => self.list(owner).await,
                (78..88, Some(known)) => {
                    let wish = json!({ "amount": amount });
                    self.change(&known, Method::PATCH, Some(wish)).await;
                }
                (88..93, Some(known)) => self.change(&known, Method::DELETE, None).await,
                (_, Some(known)) => self.pay(&known).await,
            }
        }
    }

    async fn create(&self, owner: usize, amount: String) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let invoice_id = format!("{}{number}", self.owners[owner].mark());
        let wish = json!({ "invoice_id": invoice_id, "currency": "PEN", "amount": amount,
                           "request_datetime": "2026-01-01T10:00:00" });
        let request = self.as_owner(owner, Method::POST, INVOICES).json(&wish);
        let request = request.header("idempotency-key", format!("create-{number}"));
        let Some((status, body)) = self.send(request, true).await else { return };
        if !matches!(status, 200 | 201) || body["invoice_id"] != *invoice_id || body["sub_total"] != *amount {
            return self.nonsense(format!("create {invoice_id} {amount}: {status} {body}"));
        }
        self.note(owner, &body);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let known = Known { owner, id: text("id"), ktin: text("ktin"), amount };
        self.known.lock().unwrap().push(known);
    }

    async fn read(&self, known: &Known) {
        let path = format!("{INVOICES}/{}", known.id);
        let Some((status, body)) = self.send(self.as_owner(known.owner, Method::GET, &path), false).await
        else {
            return;
        };
        if status != 200 || body["id"] != *known.id {
            self.nonsense(format!("read {}: {status} {body}", known.id));
        }
        self.must_own(known.owner, &body);
    }

    /// Somebody else asks for it: another tenant, or the same in the other mode.
    async fn pry(&self, known: &Known, owner: usize) {
        let owner = if owner == known.owner { (owner + 1) % self.owners.len() } else { owner };
        let path = format!("{INVOICES}/{}", known.id);
        let Some((status, body)) = self.send(self.as_owner(owner, Method::GET, &path), false).await else {
            return;
        };
        if status != 404 {
            self.heard.lock().unwrap().leaks.push(format!("{owner} was shown {}: {status} {body}", known.id));
        }
    }

    async fn list(&self, owner: usize) {
        let Some((status, body)) = self.send(self.as_owner(owner, Method::GET, INVOICES), false).await else {
            return;
        };
        match body["data"].as_array() {
            Some(all) if status == 200 => all.iter().for_each(|invoice| self.must_own(owner, invoice)),
            _ => self.nonsense(format!("list: {status} {body}")),
        }
    }

    async fn change(&self, known: &Known, method: Method, wish: Option<Value>) {
        let key = format!("change-{}", self.number.fetch_add(1, Ordering::Relaxed));
        let request = self.as_owner(known.owner, method, &format!("{INVOICES}/{}", known.id));
        let request = request.header("idempotency-key", key);
        let request = if let Some(wish) = &wish { request.json(wish) } else { request };
        let Some((status, body)) = self.send(request, true).await else { return };
        match status {
            200 => self.note(known.owner, &body),
            // Somebody else was there before.
            409 => {}
            _ => self.nonsense(format!("change {} {wish:?}: {status} {body}", known.id)),
        }
    }

    /// A bank's connector brings money. Test invoices can not be paid like this; it is told so.
    async fn pay(&self, known: &Known) {
        let owner = &self.owners[known.owner];
        let operation = self.number.fetch_add(1, Ordering::Relaxed);
        let message = json!({
            "channel": "banco", "agreement": format!("00000{}", known.owner / 2), "ktin": known.ktin,
            "operation_number": format!("{operation:06}"), "operated_at": now(), "amount": known.amount,
            "currency": "PEN", "trace_id": "p",
        });
        if !self.pays || !owner.mode.is_live() {
            return;
        }
        let url = format!("{}/internal/v1/collections/pay", self.internal);
        let request = self.client.post(url).bearer_auth(&self.bank).json(&message);
        let Some((status, body)) = self.send(request, true).await else { return };
        let code = body["result"]["code"].as_str().unwrap_or_default();
        match (status, code, body["payment"].as_str()) {
            (200, "ok", Some(payment)) => {
                let paid = Paid { owner: known.owner, payment: payment.to_owned() };
                self.heard.lock().unwrap().paid.push(paid);
            }
            // Another amount by now, paid before, voided: a bank is told so.
            (200, "amount_mismatch" | "already_paid" | "voided", _) => {}
            _ => self.nonsense(format!("pay {message}: {status} {body}")),
        }
    }

    pub fn as_owner(&self, owner: usize, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.public));
        request.bearer_auth(&self.owners[owner].key)
    }

    /// Sends until it is known what became of it: the status and the body.
    pub async fn send(&self, request: RequestBuilder, writes: bool) -> Option<(u16, Value)> {
        let (sent, mut times) = (Instant::now(), 0);
        let known = loop {
            times += 1;
            match self.attempt(request.try_clone().unwrap(), Instant::now()).await {
                Ok(answer) => break Some(answer),
                Err(_) if sent.elapsed() > PATIENCE => break None,
                // Each time twice as long, up to four times: those who come again must not be the next fault.
                Err(pause) => sleep(pause * (1 << (times - 1).min(2))).await,
            }
        };
        let status = known.as_ref().map(|known| known.0);
        let request = Request { writes, sent, heard: Instant::now(), times, status };
        self.heard.lock().unwrap().requests.push(request);
        known
    }

    /// The answer, or how long to wait before the next attempt.
    async fn attempt(&self, request: RequestBuilder, tried: Instant) -> Result<(u16, Value), Duration> {
        let heard = async {
            let answer = request.send().await?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, answer.text().await?))
        };
        let (fair, pause, what) = match heard.await {
            Ok((status @ 500.., headers, text)) => {
                // The balancer's own answers have no id of the service.
                let ours = headers.contains_key("request-id");
                let fair =
                    if ours { status == 503 && headers.contains_key("retry-after") } else { status != 500 };
                // A little more or less than it was told, so that not all come at once.
                let pause = if ours { 750 + rand::random_range(0..500) } else { 250 };
                (fair, pause, format!("{status} {text} (ours: {ours})"))
            }
            Ok((409, _, text)) if text.contains("idempotency_in_progress") => (true, 1_000, String::new()),
            Ok((status, _, text)) => {
                return Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))));
            }
            Err(error) => (true, 250, format!("{error:?}")),
        };
        let mut kept = self.heard.lock().unwrap();
        if fair && (what.is_empty() || self.weather.explains(tried, Instant::now())) {
            kept.excused += 1;
        } else {
            kept.unexplained.push(what);
        }
        Err(Duration::from_millis(pause))
    }

    fn note(&self, owner: usize, body: &Value) {
        self.must_own(owner, body);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        self.heard.lock().unwrap().written.push(Written {
            owner,
            id: text("id"),
            version: body["version"].as_i64().unwrap_or_default(),
            status: text("status"),
            sub_total: text("sub_total"),
        });
    }

    /// What an owner is shown has to be his, and of his mode.
    pub fn must_own(&self, owner: usize, invoice: &Value) {
        let owner = &self.owners[owner];
        let marked = invoice["invoice_id"].as_str().is_some_and(|text| text.starts_with(&owner.mark()));
        if !marked || invoice["livemode"] != owner.mode.is_live() {
            self.heard.lock().unwrap().leaks.push(format!("{} was shown {invoice}", owner.number));
        }
    }

    fn nonsense(&self, what: String) {
        self.heard.lock().unwrap().nonsense.push(what);
    }
}

/// This machine's time: its database has the same.
fn now() -> String {
    #[expect(clippy::disallowed_methods, reason = "a bank has its own clock")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}Z", domain::time::Moment::from_unix(i64::try_from(since.as_secs()).unwrap()))
}
