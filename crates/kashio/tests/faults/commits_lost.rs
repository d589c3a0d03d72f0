//! Postgres commits and nobody is told: the connection breaks between the COMMIT and its answer. Whoever asked may
//! neither be refused nor get twice what he wanted once.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::checker::Verdict;
use crate::client::Calling;
use crate::ground::{Ground, Plan};
use crate::{either, seed};

/// Nearly all requests end well within this.
const IN_TIME: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_commit_are_swallowed() {
    let (swallowed, pace) = either((20, 40), (300, 100));
    let seed = seed();
    let mut ground = Ground::new(Plan::new(seed)).await;
    let calling = Calling::begin(&ground, seed, pace);
    sleep(Duration::from_secs(1)).await;
    ground.weather.breaks();
    ground.wire.swallow(swallowed, 0.2);
    let began = Instant::now();
    while ground.wire.swallowed() < swallowed {
        assert!(began.elapsed() < Duration::from_secs(600), "only {} swallowed", ground.wire.swallowed());
        sleep(Duration::from_millis(50)).await;
    }
    ground.weather.mends();
    sleep(Duration::from_secs(1)).await;
    let caller = calling.end().await;
    ground.all_run();
    let groups = ground.wire.swallowed_groups();
    assert!(groups > 0, "no group of creates was left in doubt");
    // What was refused for its content (409) is an end as good as any: it was judged.
    let (all, late) = {
        let requests = &caller.heard.lock().unwrap().requests;
        let late = requests.iter().filter(|request| request.status.is_none() || request.took() > IN_TIME);
        (requests.len(), late.count())
    };
    let verdict = Verdict::of("commits-lost", seed, &ground, &caller).await;
    let figures = format!(
        "{swallowed} answers to COMMIT swallowed, {groups} of them of groups, at {pace} requests/s, {late} late or never"
    );
    verdict.with(&figures).must_be_zero(&ground);
    assert!(late * 1_000 <= all, "{late} of {all}");
}
