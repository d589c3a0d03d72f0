//! The worker is killed at any moment while events flow: each event gets its number, dense and once, and each reaches
//! the merchant's server at least once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::checker::Verdict;
use crate::client::Calling;
use crate::ground::{Ground, Plan};
use crate::receiver::Receiver;
use crate::{either, seed};

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_is_killed_while_events_flow() {
    let (kills, pace) = either((3, 40), (20, 100));
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let settings = vec![
        ("KASHIO__WEBHOOKS__LEASE_SECONDS", "2".to_owned()),
        ("KASHIO__WEBHOOKS__RETRY_SECONDS", "0,0.5,1,1,1,1,1,1,1,1".to_owned()),
    ];
    let mut ground = Ground::new(Plan { replicas: 2, settings, ..Plan::new(seed) }).await;
    let receiver = Receiver::start(|_| (200, Duration::from_millis(5))).await;
    for owner in &ground.owners {
        let url = format!("{}/v1/payments/webhook_endpoints", ground.public);
        let request = ground.client.request(Method::POST, url).bearer_auth(&owner.key);
        let answer = request.json(&json!({ "url": receiver.url })).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }
    let calling = Calling::begin(&ground, seed, pace);
    for _ in 0..kills {
        sleep(Duration::from_millis(random.random_range(500..1_500))).await;
        ground.worker.kill();
        ground.worker.restart();
    }
    sleep(Duration::from_secs(1)).await;
    let caller = calling.end().await;
    ground.all_run();
    let told = everything_told(&ground).await;
    let mut times: HashMap<String, usize> = HashMap::new();
    for webhook in receiver.all() {
        *times.entry(webhook.id().to_owned()).or_default() += 1;
    }
    let repeated: usize = times.values().map(|times| times - 1).sum();
    let verdict = Verdict::of("worker-killed", seed, &ground, &caller).await;
    let figures = format!(
        "{kills} kills at {pace} requests/s, {told} events, {} delivered, {repeated} again",
        times.len()
    );
    verdict.with(&figures).must_be_zero(&ground);
    assert_eq!(times.len(), told, "every event comes, none that is not");
}

/// Waits until no event is on its way; how many there are.
async fn everything_told(ground: &Ground) -> usize {
    let began = Instant::now();
    loop {
        let (all, open): (i64, i64) =
            sqlx::query_as("select count(*), count(*) filter (where status <> 'notified') from events")
                .fetch_one(&ground.sql)
                .await
                .unwrap();
        if open == 0 {
            return usize::try_from(all).unwrap();
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{open} of {all} are not told: {}",
            ground.complaints()
        );
        sleep(Duration::from_millis(100)).await;
    }
}
