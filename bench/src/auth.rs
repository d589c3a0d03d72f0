//! What the check of a key that is known takes of a read. There is no `GET` without a key to compare with, so the check is
//! timed by itself, in this process, and taken from the processor time of the whole request.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use api::keys::Keys;
use store::Store;
use store::seal::Sealer;
use tokio::runtime::Builder;

use crate::cpu::used_by;
use crate::ground::Ground;
use crate::load::{self, Ask};
use crate::report::Figure;
use crate::{Outcome, ratio};

/// Checks of a round: they take most of a second.
const CHECKS: u32 = 1_000_000;

/// A read without the check of its key ÷ a read, by processor time: service and Postgres.
pub async fn measure(rounds: u32, time: Duration) -> Outcome<Figure> {
    let ground = Ground::lay("serve", None).await?;
    let mut figure = Figure::new("authenticated", "");
    for round in 1..=rounds {
        let (read, used) = used_by(&ground, load::run(&ground, Ask::Get, 64, time)).await?;
        let request = (used.service + used.postgres).as_secs_f64() / ratio(read.answered, 1.0);
        let (url, key) = (ground.url().to_owned(), ground.key.clone());
        let checking = async { tokio::task::spawn_blocking(move || check(&url, &key)).await? };
        let (check, check_used) = used_by(&ground, checking).await?;
        let check = check.as_secs_f64();
        let remark = figure.add_unless_spoilt((request - check) / request, [&used, &check_used]);
        println!(
            "round {round} of {rounds}: a read {:.1} µs, its key {:.2} µs{remark}",
            request * 1e6,
            check * 1e6
        );
    }
    Ok(figure)
}

/// How long the check of a key takes once it is known.
fn check(url: &str, key: &str) -> Outcome<Duration> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (connect, sealer) = (url.parse()?, Sealer::new(Vec::new()));
        let settings = store::Settings { connect, connections: 2, group_connections: 0, sealer };
        let keys = Keys::new(Store::open(settings).await?);
        keys.poll().await?;
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let refused = |_| "the key is refused";
        keys.merchant(key, from, String::new()).await.map_err(refused)?;
        let began = Instant::now();
        for _ in 0..CHECKS {
            black_box(keys.merchant(black_box(key), from, String::new()).await.map_err(refused)?);
        }
        Ok(began.elapsed() / CHECKS)
    })
}
