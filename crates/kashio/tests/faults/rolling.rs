//! A new version is rolled out: one replica after another is asked to stop, ends when it has answered everybody, and
//! comes back. The balancer repeats nothing here, and nobody notices.

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::balancer::Repeats;
use crate::checker::Verdict;
use crate::client::{Calling, INVOICES};
use crate::ground::{Ground, Plan};
use crate::{either, seed};

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_is_restarted_in_good_order() {
    let (rounds, pace) = either((1, 40), (10, 100));
    let seed = seed();
    let mut ground = Ground::new(Plan { repeats: Repeats::Never, ..Plan::new(seed) }).await;
    let calling = Calling::begin(&ground, seed, pace);
    sleep(Duration::from_secs(1)).await;
    let (mut unready, mut stopping) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        for replica in 0..ground.replicas.len() {
            let waits = wait_for_news(&ground, replica).await;
            ground.replicas[replica].terminate();
            let asked = Instant::now();
            while ground.replicas[replica].readiness(&ground.client).await != Some(503) {
                assert!(asked.elapsed() < Duration::from_millis(500), "still ready");
            }
            unready = unready.max(asked.elapsed());
            let (status, closes) = waits.await.unwrap();
            assert_eq!(status, 200, "a long poll answers with what it has");
            assert!(closes, "whoever is answered by one that stops should not send it more");
            let status = ground.replicas[replica].ended(Duration::from_secs(25)).await;
            assert!(status.success(), "{status}");
            stopping = stopping.max(asked.elapsed());
            ground.replicas[replica].restart();
            ground.ready().await;
        }
    }
    let caller = calling.end().await;
    {
        let requests = &caller.heard.lock().unwrap().requests;
        let repeated = requests.iter().filter(|request| request.times > 1).count();
        assert_eq!(repeated, 0, "a deploy is no reason to send anything again");
    }
    let verdict = Verdict::of("rolling-restarts", seed, &ground, &caller).await;
    let figures = format!(
        "{rounds} rounds of 4 replicas at {pace} requests/s, not ready after {} ms, stopped after {} ms, none failed, \
         none repeated",
        unready.as_millis(),
        stopping.as_millis()
    );
    verdict.with(&figures).must_be_zero(&ground);
    a_second_signal_means_now(&mut ground).await;
}

/// Somebody waits for events at one replica, with nothing happening to him: his status, and whether he is asked to
/// leave.
async fn wait_for_news(ground: &Ground, replica: usize) -> tokio::task::JoinHandle<(u16, bool)> {
    let url = format!("http://127.0.0.1:{}/v1/payments/events", ground.ports[replica].public);
    let request =
        ground.client.get(format!("{url}?after=1000000&wait=30")).bearer_auth(&ground.owners[0].key);
    let waits = tokio::spawn(async move {
        let answer = request.timeout(Duration::from_secs(5)).send().await.unwrap();
        let closes = answer.headers().get("connection").is_some_and(|value| value == "close");
        (answer.status().as_u16(), closes)
    });
    sleep(Duration::from_millis(200)).await;
    assert!(!waits.is_finished(), "nothing to wait for");
    waits
}

/// A request whose body never comes holds the first signal's drain, and not the second's.
async fn a_second_signal_means_now(ground: &mut Ground) {
    let mut slow = TcpStream::connect(("127.0.0.1", ground.ports[0].public)).await.unwrap();
    let head = format!(
        "{} {INVOICES} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 500\r\n\r\n{{",
        Method::POST,
        ground.owners[0].key
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    let replica = &mut ground.replicas[0];
    replica.terminate();
    sleep(Duration::from_millis(1_500)).await;
    assert!(replica.runs(), "it did not wait for a request that is running");
    replica.terminate();
    let status = replica.ended(Duration::from_secs(1)).await;
    assert_eq!(status.code(), Some(1), "it says that it did not end in good order");
}
