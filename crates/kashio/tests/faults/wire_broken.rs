//! The way to Postgres is slow, is cut, and is a black hole in which connections lie that nobody ever closes. The
//! service gives up what answers no more, and its places are free again.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::checker::Verdict;
use crate::client::Calling;
use crate::ground::{Ground, Plan};
use crate::{either, seed};

/// After the way is free again, everybody is served as before so soon.
const WELL_AGAIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_postgres_breaks_in_every_way() {
    let (rounds, pace) = either((1, 30), (10, 100));
    let seed = seed();
    let mut ground = Ground::new(Plan::new(seed)).await;
    let calling = Calling::begin(&ground, seed, pace);
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        sleep(Duration::from_secs(1)).await;
        ground.weather.breaks();
        ground.wire.slow(Duration::from_millis(30));
        sleep(Duration::from_secs(2)).await;
        ground.wire.slow(Duration::ZERO);
        for _ in 0..3 {
            ground.wire.cut();
            sleep(Duration::from_millis(300)).await;
        }
        ground.wire.freeze();
        sleep(Duration::from_secs(2)).await;
        ground.wire.thaw();
        let thawed = Instant::now();
        // Each replica, in turn, and often enough to meet every connection that it had.
        let mut in_order = 0;
        while in_order < 80 {
            assert!(thawed.elapsed() < WELL_AGAIN, "not well again: {}", ground.complaints());
            let url = format!("http://127.0.0.1:{}/v1/payments/invoices", ground.ports[in_order % 4].public);
            let request = ground.client.get(url).bearer_auth(&ground.owners[0].key);
            let answer = request.timeout(Duration::from_secs(1)).send().await;
            in_order = if answer.is_ok_and(|answer| answer.status() == 200) { in_order + 1 } else { 0 };
        }
        longest = longest.max(thawed.elapsed());
        ground.weather.mends();
    }
    sleep(Duration::from_secs(1)).await;
    let caller = calling.end().await;
    ground.all_run();
    let verdict = Verdict::of("wire-broken", seed, &ground, &caller).await;
    let figures = format!(
        "{rounds} × slow, cut and frozen at {pace} requests/s, well again after {} ms",
        longest.as_millis()
    );
    verdict.with(&figures).must_be_zero(&ground);
    // Nothing hangs that stopping would have to wait for.
    for replica in &mut ground.replicas {
        replica.terminate();
        let status = replica.ended(Duration::from_secs(10)).await;
        assert!(status.success(), "{status}");
    }
}
