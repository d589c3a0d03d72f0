//! Events while many wait for them, receivers hang and workers die: nobody waits for another's sake, and nothing is
//! lost.
//!
//! Each story has a short form, for every day, and a long one with the figures that were promised: `KASHIO_LONG=1`, on
//! a release build and a machine that does nothing else.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::account::Mode;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::keys_under_load::either;
use crate::machine;
use crate::receiver::{Received, Receiver};
use crate::webhooks::{miscounted, subscribe, until};
use crate::world::{Merchant, World, order};

/// What half and what 99 of 100 did not exceed.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// A long poll, as a client of its own sends it.
struct Poll(TcpStream);

impl Poll {
    async fn open(at: SocketAddr, shop: &Merchant, after: i64) -> Poll {
        let mut socket = TcpStream::connect(at).await.unwrap();
        let head = format!(
            "GET /v1/payments/events?after={after}&wait=30 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             x-forwarded-for: {}\r\nauthorization: {}\r\n\r\n",
            shop.address,
            shop.authorization()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        Poll(socket)
    }

    /// Whether something was said, which stays to be read.
    async fn is_answered(&self) -> bool {
        timeout(Duration::from_millis(1), self.0.peek(&mut [0])).await.is_ok()
    }

    async fn answer(mut self) -> (String, Instant) {
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).await.unwrap();
        (String::from_utf8(answer).unwrap(), Instant::now())
    }
}

async fn first_answered(polls: &[Poll]) -> Option<usize> {
    let answered = join_all(polls.iter().map(Poll::is_answered)).await;
    answered.iter().position(|answered| *answered)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_wait_hold_no_connection_and_hold_up_nobody() {
    let _machine = machine::alone().await;
    const EACH: usize = 20;
    let (feeds, calls) = either((10, 200), (50, 2_000));
    // Fewer places than there are who wait: they hold none.
    let world = World::working(|settings| settings.limits.requests = 100).await;
    let at = world.running().public;
    let mut shops = Vec::new();
    while shops.len() < feeds {
        let shop = world.merchant(Mode::Test).await;
        shops.push(world.key_of(shop.account, Mode::Live, None).await);
        shops.push(shop);
    }
    let passer_by = world.merchant(Mode::Test).await;
    // The queue for hashing is short: each key is shown once before.
    for shop in shops.iter().chain([&passer_by]) {
        assert_eq!(shop.call(Method::GET, "/v1/payments", &[], None).await.status, 200);
    }
    // One after another in each of a few queues, each timed.
    let browse = async || {
        let queues = join_all((0..4).map(async |_| {
            let mut times = Vec::new();
            for _ in 0..calls / 4 {
                let began = Instant::now();
                let answer = passer_by.call(Method::GET, "/v1/payments/invoices?limit=1", &[], None).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                times.push(began.elapsed());
            }
            times
        }));
        percentiles(queues.await.concat())
    };
    let without = browse().await;

    let mut polls = Vec::new();
    for shop in &shops {
        // One more than may: whichever it is, one is refused, and the others wait.
        let mut own: Vec<Poll> = join_all((0..=EACH).map(|_| Poll::open(at, shop, 0))).await;
        let mut refused = None;
        until("one is refused", async || {
            refused = first_answered(&own).await;
            refused.is_some()
        })
        .await;
        assert!(own.remove(refused.unwrap()).answer().await.0.contains(" 429 "));
        polls.push(own);
    }
    let opened = Instant::now();
    let busy = "select count(*) from pg_stat_activity
                where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()";
    let mut idling = 0;
    for _ in 0..20 {
        idling = idling.max(world.count(busy).await);
        sleep(Duration::from_millis(50)).await;
    }
    let done = AtomicBool::new(false);
    let watch = async {
        let mut most = 0;
        while !done.load(Ordering::Relaxed) {
            most = most.max(world.count(busy).await);
            sleep(Duration::from_millis(20)).await;
        }
        most
    };
    let browsing = async {
        let times = browse().await;
        done.store(true, Ordering::Relaxed);
        times
    };
    let (with, most) = tokio::join!(browsing, watch);
    for own in &polls {
        assert_eq!(first_answered(own).await, None, "all wait still, {:?} after", opened.elapsed());
    }
    let waiting = feeds * EACH;
    let connections = i64::from(world.settings.database.connections) + 3;
    println!(
        "{waiting} wait: {idling} connections at work beside them, {most} of {connections} with four browsing; \
         p50 and p99 of others {without:?} without, {with:?} with them"
    );
    assert!(idling <= 3, "one that looks for all, and the worker's");
    assert!(most <= connections);
    assert!(with.1 <= (without.1 * 3).max(Duration::from_millis(150)), "they hold others up");

    let mut woken = Vec::new();
    for (shop, own) in shops.iter().zip(polls) {
        assert_eq!(shop.create(&order("news")).await.status, 201);
        let made = Instant::now();
        woken.push(tokio::spawn(async move {
            let answers = join_all(own.into_iter().map(Poll::answer)).await;
            let all_right = |text: &str| text.starts_with("HTTP/1.1 200") && text.contains("invoice.created");
            assert!(answers.iter().all(|(text, _)| all_right(text)), "{answers:?}");
            let took = answers.iter().map(|(_, at)| at.saturating_duration_since(made));
            took.collect::<Vec<_>>()
        }));
    }
    let took: Vec<_> = join_all(woken).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(took.len(), waiting);
    println!("p50 and p99 from the commit to the answer: {:?}", percentiles(took));
}

/// A server that takes every connection and never says a word.
async fn hanging() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            held.push(socket);
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_hang_hold_up_nobody_but_themselves() {
    let _machine = machine::alone().await;
    // Of each shop's endpoints one in five hangs; a post to it is given up after 15 s.
    let (shops, endpoints, hang, rounds) = either((5, 5, 1, 40), (10, 10, 2, 300));
    let world = World::working(|settings| settings.database.connections = 16).await;
    let (healthy, silent) = (Receiver::content().await, hanging().await);
    let shops = join_all((0..shops).map(|_| world.merchant(Mode::Test))).await;
    for shop in &shops {
        for number in 0..endpoints {
            subscribe(shop, if number < hang { &silent } else { &healthy.url }).await;
        }
    }
    let mut sold = HashMap::new();
    for round in 0..rounds {
        let turn = Instant::now();
        let sell = async |(number, shop): (usize, &Merchant)| {
            let name = format!("{number}-{round}");
            assert_eq!(shop.create(&order(&name)).await.status, 201);
            (name, Instant::now())
        };
        sold.extend(join_all(shops.iter().enumerate().map(sell)).await);
        sleep(Duration::from_millis(200).saturating_sub(turn.elapsed())).await;
    }
    let wanted = sold.len() * (endpoints - hang);
    until("everybody else was told", async || healthy.so_far() >= wanted).await;
    let took = healthy.all().into_iter().map(|webhook| {
        let name = webhook.json()["data"]["invoice"]["invoice_id"].as_str().unwrap().to_owned();
        webhook.at.saturating_duration_since(sold[&name])
    });
    let (half, most) = percentiles(took.collect());
    println!("{wanted} first attempts beside {} that hang: p50 {half:?}, p99 {most:?}", shops.len() * hang);
    assert_eq!(healthy.so_far(), wanted, "each was told once");
    assert!(most <= Duration::from_secs(2));
}

/// A `kashio work` that can be killed.
struct Worker(Child);

impl Worker {
    fn start(world: &World) -> Worker {
        let child = Command::new(env!("CARGO_BIN_EXE_kashio"))
            .arg("work")
            .env("DATABASE_URL", world.database.url())
            .env("KASHIO__MANAGEMENT__BIND", "127.0.0.1:0")
            .env("KASHIO__DATABASE__CONNECTIONS", "4")
            .env("KASHIO__WEBHOOKS__LOOPBACK", "true")
            // A thousand times faster than what merchants are promised.
            .env("KASHIO__WEBHOOKS__RETRY_SECONDS", "0,0.005,0.3,1.8,7.2,18,36")
            .env("KASHIO__WEBHOOKS__LEASE_SECONDS", "2")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Worker(child.unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A merchant's server that fails three times in ten, but never more than three times for one event, and knows what
/// it has said.
#[derive(Default)]
struct Flaky {
    seed: u64,
    posts: Mutex<HashMap<String, u32>>,
    accepted: Mutex<HashSet<String>>,
    refused: AtomicUsize,
    duplicates: AtomicUsize,
}

impl Flaky {
    fn status(&self, event: &str) -> u16 {
        let mut posts = self.posts.lock().unwrap();
        let post = posts.entry(event.to_owned()).or_default();
        *post += 1;
        let mut accepted = self.accepted.lock().unwrap();
        if accepted.contains(event) {
            self.duplicates.fetch_add(1, Ordering::Relaxed);
            return 200;
        }
        let mut hasher = DefaultHasher::new();
        (self.seed, event, *post).hash(&mut hasher);
        if *post <= 3 && hasher.finish() % 10 < 3 {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return 500;
        }
        accepted.insert(event.to_owned());
        200
    }
}

/// What was claimed by somebody who never finished it: each may have been posted, and heard.
const CUT_OFF: &str =
    "select (select coalesce(sum(attempt), 0) from deliveries) - (select count(*) from attempts)";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_workers_die_and_receivers_fail() {
    let _machine = machine::alone().await;
    let (sales, kills) = either((150, 5), (2_500, 20));
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    // No worker in this process: they come and go as processes of their own.
    let world = World::with(|settings| {
        settings.webhooks.loopback = true;
        settings.database.connections = 10;
    })
    .await;
    let shop = world.merchant(Mode::Test).await;
    let minds: [Arc<Flaky>; 2] = [0, 1].map(|n| Arc::new(Flaky { seed: seed ^ n, ..Flaky::default() }));
    let mut receivers = Vec::new();
    for mind in minds.clone() {
        let answer = move |_, got: &Received| (mind.status(got.id()), Duration::from_millis(10));
        receivers.push(Receiver::that_reads(answer).await);
        subscribe(&shop, &receivers.last().unwrap().url).await;
    }
    let selling = join_all((0..5).map(async |seller| {
        for number in 0..sales / 5 {
            assert_eq!(shop.create(&order(&format!("{seller}-{number}"))).await.status, 201);
            sleep(Duration::from_millis(100)).await;
        }
    }));
    let posts = || receivers.iter().map(Receiver::so_far).sum::<usize>();
    let killing = async {
        let mut at_kills = 0;
        for _ in 0..kills {
            let (worker, before, began) = (Worker::start(&world), posts(), Instant::now());
            // In the middle of its work, when there is any for it.
            while posts() == before && began.elapsed() < Duration::from_secs(3) {
                sleep(Duration::from_millis(5)).await;
            }
            sleep(Duration::from_millis(random.random_range(0..300))).await;
            drop(worker);
            // Those whose claims have not ended count once: what was cut off stays so.
            at_kills = world.count(CUT_OFF).await;
        }
        at_kills
    };
    let (at_kills, _) = tokio::join!(killing, selling);
    let last = Worker::start(&world);
    let told = "select count(*) from events where status = 'notified'";
    let began = Instant::now();
    while world.count(told).await < sales {
        assert!(
            began.elapsed() < either(Duration::from_secs(20), Duration::from_secs(120)),
            "not everything"
        );
        sleep(Duration::from_millis(50)).await;
    }
    drop(last);
    assert_eq!(world.count("select count(*) from events").await, sales);

    for (receiver, mind) in receivers.iter().zip(&minds) {
        let mut bodies: HashMap<String, HashSet<Vec<u8>>> = HashMap::new();
        for webhook in receiver.all() {
            bodies.entry(webhook.id().to_owned()).or_default().insert(webhook.body);
        }
        assert!(bodies.values().all(|different| different.len() == 1), "every attempt has the same bytes");
        assert_eq!(mind.accepted.lock().unwrap().len(), usize::try_from(sales).unwrap(), "none is lost");
    }
    let sum =
        |of: fn(&Flaky) -> &AtomicUsize| minds.iter().map(|mind| of(mind).load(Ordering::Relaxed)).sum();
    let (refused, duplicates): (usize, usize) = (sum(|mind| &mind.refused), sum(|mind| &mind.duplicates));
    println!(
        "{} deliveries in {} posts, {refused} refused; {kills} kills cut off {at_kills}; {duplicates} duplicates",
        sales * 2,
        posts()
    );
    assert!(i64::try_from(duplicates).unwrap() <= at_kills, "only what a kill cut off is told again");
    assert_eq!(miscounted(&world).await, 0);
}
