//! Postgres falls under load and comes back: what it confirmed is there, what it did not confirm is not, and every
//! process of the service goes on by itself.

use std::time::{Duration, Instant};

use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::checker::Verdict;
use crate::client::{Caller, Calling};
use crate::ground::{Fall, Ground, Plan};
use crate::{either, seed};

/// Writing again, so long after Postgres takes connections.
const WRITING_AGAIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_killed() {
    falls(Fall::Killed, "postgres-killed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_restarted_at_once() {
    falls(Fall::Immediate, "postgres-restarted").await;
}

async fn falls(how: Fall, story: &str) {
    let (falls, pace) = either((1, 40), (10, 100));
    let seed = seed();
    let mut ground = Ground::new(Plan::new(seed)).await;
    let calling = Calling::begin(&ground, seed, pace);
    let mut longest = Duration::ZERO;
    for _ in 0..falls {
        sleep(Duration::from_secs(2)).await;
        ground.weather.breaks();
        let up = block_in_place(|| ground.postgres.fall(how));
        longest = longest.max(first_write(&calling.caller, up).await);
        ground.weather.mends();
    }
    sleep(Duration::from_secs(2)).await;
    let caller = calling.end().await;
    ground.all_run();
    let verdict = Verdict::of(story, seed, &ground, &caller).await;
    let figures =
        format!("{falls} × {how:?} at {pace} requests/s, writing again after {} ms", longest.as_millis());
    verdict.with(&figures).must_be_zero(&ground);
    assert!(longest <= WRITING_AGAIN, "{longest:?}");
}

/// How long after Postgres was there again something was written.
async fn first_write(caller: &Caller, up: Instant) -> Duration {
    while up.elapsed() < WRITING_AGAIN * 4 {
        let written = {
            let heard = caller.heard.lock().unwrap();
            let done = heard.requests.iter().filter(|request| request.writes && request.heard > up);
            done.filter(|request| matches!(request.status, Some(200 | 201)))
                .map(|request| request.heard)
                .min()
        };
        if let Some(at) = written {
            return at - up;
        }
        sleep(Duration::from_millis(10)).await;
    }
    up.elapsed()
}
