//! A replica is killed at any moment, as by a power cut, and comes back at once. Who was waiting for it asks again with
//! the same key, and what it had begun was either done or not.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use crate::checker::Verdict;
use crate::client::Calling;
use crate::ground::{Ground, Plan};
use crate::{either, seed};

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_killed_again_and_again() {
    let (kills, pace) = either((3, 40), (30, 100));
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut ground = Ground::new(Plan::new(seed)).await;
    let calling = Calling::begin(&ground, seed, pace);
    for _ in 0..kills {
        sleep(Duration::from_millis(random.random_range(500..1_500))).await;
        let some = random.random_range(0..ground.replicas.len());
        ground.weather.breaks();
        ground.replicas[some].kill();
        ground.replicas[some].restart();
        ground.replicas[some].ready(&ground.client).await;
        ground.weather.mends();
    }
    sleep(Duration::from_secs(1)).await;
    let caller = calling.end().await;
    ground.all_run();
    let verdict = Verdict::of("api-killed", seed, &ground, &caller).await;
    verdict.with(&format!("{kills} kills at {pace} requests/s")).must_be_zero(&ground);
}
