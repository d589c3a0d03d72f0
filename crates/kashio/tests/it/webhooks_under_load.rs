//! Events while many wait for them, receivers hang and workers die: nobody waits for another's sake, and nothing is
//! lost.
//!
//! Each story has a short form, for every day, and a long one with the figures that were promised: `KASHIO_LONG=1`, on
//! a release build and a machine that does nothing else.

#![expect(clippy::print_stdout, reason = "the figures are worth reading")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::account::Mode;
use futures_util::future::join_all;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::keys_under_load::either;
use crate::webhooks::until;
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
