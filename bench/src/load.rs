//! The load: so many connections, each of which asks again as soon as it is answered.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::account::Mode;
use domain::id::InvoiceId;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::http::request::Builder;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::Outcome;
use crate::ground::{Ground, SEEDED};
use crate::pgbench::seeded_id;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Create,
    Replay,
    Get,
    List,
    /// The twenty behind a seeded invoice.
    After(u32),
}

/// What a run came to.
pub struct Figures {
    /// Answered as they should be.
    pub answered: usize,
    /// How long all of it took.
    pub took: Duration,
    /// Each answer's time, in order of length.
    pub times: Vec<Duration>,
}

impl Figures {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.answered).unwrap_or(u32::MAX)) / self.took.as_secs_f64()
    }

    /// The time that so many thousandths of the answers took at most.
    pub fn percentile(&self, thousandths: usize) -> Duration {
        percentile(&self.times, thousandths)
    }
}

/// The time that so many thousandths of them took at most, of times in order of length.
pub fn percentile(times: &[Duration], thousandths: usize) -> Duration {
    let at = times.len() * thousandths / 1_000;
    times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Numbers of a process' references: no two are alike.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Where the references of requests that are repeated begin, and how many there are.
const REPLAYED: usize = 1 << 40;
const REPLAYS: usize = 1_000;

/// A connection.
pub type Wire = SendRequest<Full<Bytes>>;

/// Asks once.
pub async fn once(ground: &Ground, ask: Ask) -> Outcome<()> {
    let asker = Asker::of(ground, ask)?;
    answered(&mut connect(ground.port).await?, &asker, 0).await
}

/// Asks with so many connections for so long.
pub async fn run(ground: &Ground, ask: Ask, clients: usize, time: Duration) -> Outcome<Figures> {
    run_while(ground, ask, clients, time, || true).await
}

/// The same, resting while `may_go` says no.
pub async fn run_while(
    ground: &Ground,
    ask: Ask,
    clients: usize,
    time: Duration,
    may_go: impl Fn() -> bool + Clone + Send + 'static,
) -> Outcome<Figures> {
    let asker = Arc::new(Asker::of(ground, ask)?);
    let wires = connections(ground.port, clients).await?;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, mut wire) in wires.into_iter().enumerate() {
        let (asker, may_go) = (asker.clone(), may_go.clone());
        tasks.spawn(async move {
            let (mut times, mut turn) = (Vec::new(), number);
            while began.elapsed() < time {
                if !may_go() {
                    sleep(Duration::from_millis(1)).await;
                    continue;
                }
                let sent = Instant::now();
                answered(&mut wire, &asker, turn).await?;
                times.push(sent.elapsed());
                turn += 7_919;
            }
            Outcome::Ok(times)
        });
    }
    gathered(tasks, began).await
}

/// Asks at so many moments a second, whether the earlier ones are answered or not: each answer's time is counted from the
/// moment at which its turn had come, as somebody who calls by himself would count it.
pub async fn run_open(
    ground: &Ground,
    ask: Ask,
    clients: usize,
    per_second: f64,
    time: Duration,
) -> Outcome<Figures> {
    let asker = Asker::of(ground, ask)?;
    let wires = connections(ground.port, clients).await?;
    let began = Instant::now();
    let mut times = at_pace(wires, per_second, time, async |wire, turn, due| {
        answered(wire, &asker, turn).await?;
        Ok(due.elapsed())
    })
    .await?;
    let took = began.elapsed();
    times.sort();
    Ok(Figures { answered: times.len(), took, times })
}

/// Calls at so many moments a second, by whichever connection is free: what each call came to. It is told its number, and
/// when its turn had come.
pub async fn at_pace<T>(
    wires: Vec<Wire>,
    per_second: f64,
    time: Duration,
    call: impl AsyncFn(&mut Wire, usize, Instant) -> Outcome<T>,
) -> Outcome<Vec<T>> {
    let (turns, began) = (AtomicUsize::new(0), Instant::now());
    let callers = wires.into_iter().map(async |mut wire| {
        let mut came_to = Vec::new();
        loop {
            let turn = turns.fetch_add(1, Ordering::Relaxed);
            let due = Duration::from_secs_f64(f64::from(u32::try_from(turn)?) / per_second);
            if due >= time {
                return Outcome::Ok(came_to);
            }
            sleep_until((began + due).into()).await;
            came_to.push(call(&mut wire, turn, began + due).await?);
        }
    });
    Ok(try_join_all(callers).await?.into_iter().flatten().collect())
}

async fn gathered(mut tasks: JoinSet<Outcome<Vec<Duration>>>, began: Instant) -> Outcome<Figures> {
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    let took = began.elapsed();
    times.sort();
    Ok(Figures { answered: times.len(), took, times })
}

/// So many connections, each of which has asked once and stays open; all of them ask at once again when `again` is set.
pub async fn hold(ground: &Ground, ask: Ask, clients: usize) -> Outcome<Crowd> {
    let mut wires = Vec::new();
    let first = Asker::of(ground, Ask::List)?;
    for _ in 0..clients {
        let mut wire = connect(ground.port).await?;
        answered(&mut wire, &first, 0).await?;
        wires.push(wire);
    }
    Ok(Crowd { wires, asker: Asker::of(ground, ask)? })
}

/// Connections that are open.
pub struct Crowd {
    wires: Vec<Wire>,
    asker: Asker,
}

impl Crowd {
    /// All of them ask at once.
    pub async fn ask(self) -> Outcome<()> {
        let asker = Arc::new(self.asker);
        let mut tasks = JoinSet::new();
        for (turn, mut wire) in self.wires.into_iter().enumerate() {
            let asker = asker.clone();
            tasks.spawn(async move { answered(&mut wire, &asker, turn).await });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }
}

/// Registers an endpoint of the merchant with this key.
pub async fn register(ground: &Ground, key: &str, url: &str) -> Outcome<()> {
    let request = request(Method::POST, "/v1/payments/webhook_endpoints", key);
    let request = request.body(Full::from(format!(r#"{{"url":"{url}"}}"#)))?;
    match send(&mut connect(ground.port).await?, request).await? {
        (StatusCode::CREATED, _) => Ok(()),
        (status, body) => Err(format!("no endpoint: {status} {}", String::from_utf8_lossy(&body)).into()),
    }
}

/// Opens so many invoices of the merchant with this key, by several connections.
pub async fn open(ground: &Ground, key: &str, many: usize) -> Outcome<()> {
    let asker = Arc::new(Asker { authorization: format!("Bearer {key}"), ..Asker::of(ground, Ask::Create)? });
    let left = Arc::new(AtomicUsize::new(many));
    let mut tasks = JoinSet::new();
    for _ in 0..many.min(32) {
        let (mut wire, asker, left) = (connect(ground.port).await?, asker.clone(), left.clone());
        let take =
            move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        tasks.spawn(async move {
            while take().is_ok() {
                answered(&mut wire, &asker, 0).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// So many connections.
pub async fn connections(port: u16, many: usize) -> Outcome<Vec<Wire>> {
    let mut wires = Vec::new();
    for _ in 0..many {
        wires.push(connect(port).await?);
    }
    Ok(wires)
}

/// One connection.
pub async fn connect(port: u16) -> Outcome<Wire> {
    connect_from(Ipv4Addr::LOCALHOST, port).await
}

/// A connection that comes from one of this machine's own addresses.
pub async fn connect_from(address: Ipv4Addr, port: u16) -> Outcome<Wire> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, 0).into())?;
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
    stream.set_nodelay(true)?;
    let (wire, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(wire)
}

/// A request that has a key, and JSON if it has a body.
pub fn request(method: Method, path: &str, key: &str) -> Builder {
    let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
    request.header("authorization", format!("Bearer {key}")).header("content-type", "application/json")
}

/// What is answered, to its end.
pub async fn send(wire: &mut Wire, request: Request<Full<Bytes>>) -> Outcome<(StatusCode, Bytes)> {
    wire.ready().await?;
    let answer = wire.send_request(request).await?;
    Ok((answer.status(), answer.into_body().collect().await?.to_bytes()))
}

async fn answered(wire: &mut Wire, asker: &Asker, turn: usize) -> Outcome<()> {
    let (status, body) = send(wire, asker.request(turn)?).await?;
    if status != asker.expected {
        return Err(format!("{:?}: {status} {}", asker.ask, String::from_utf8_lossy(&body)).into());
    }
    Ok(())
}

struct Asker {
    ask: Ask,
    expected: u16,
    authorization: String,
    /// Of the invoices that were seeded.
    paths: Vec<String>,
}

impl Asker {
    fn of(ground: &Ground, ask: Ask) -> Outcome<Asker> {
        let mut paths = Vec::new();
        if ask == Ask::Get {
            for number in 1..=SEEDED {
                let id = InvoiceId::from_uuid(seeded_id(number));
                paths.push(format!("/v1/payments/invoices/{}", id.text(Mode::Test)));
            }
        }
        let expected = if matches!(ask, Ask::Create | Ask::Replay) { 201 } else { 200 };
        Ok(Asker { ask, expected, authorization: format!("Bearer {}", ground.key), paths })
    }

    fn request(&self, turn: usize) -> Outcome<Request<Full<Bytes>>> {
        let request =
            Request::builder().header("host", "127.0.0.1").header("authorization", &self.authorization);
        let invoices = "/v1/payments/invoices";
        let number = match self.ask {
            Ask::Create => NUMBER.fetch_add(1, Ordering::Relaxed),
            Ask::Replay => REPLAYED + turn % REPLAYS,
            Ask::Get => {
                let path = &self.paths[turn % self.paths.len()];
                return Ok(request.uri(path).body(Full::default())?);
            }
            Ask::List => return Ok(request.uri(format!("{invoices}?limit=20")).body(Full::default())?),
            Ask::After(number) => {
                let id = InvoiceId::from_uuid(seeded_id(number)).text(Mode::Test);
                let uri = format!("{invoices}?limit=20&starting_after={id}");
                return Ok(request.uri(uri).body(Full::default())?);
            }
        };
        let body = format!(
            r#"{{"invoice_id":"B-{number}","request_datetime":"2026-11-25T10:00:00","currency":"PEN","amount":"125.50","customer":{{"name":"Rosa Quispe","email":"rosa@example.pe","phone":"+51987654321","document_type":"DNI","document_id":"45678912"}},"metadata":{{"pedido":"{number}"}}}}"#
        );
        let request = request.method("POST").uri(invoices).header("content-type", "application/json");
        Ok(request.header("idempotency-key", format!("b-{number}")).body(Full::from(body))?)
    }
}
