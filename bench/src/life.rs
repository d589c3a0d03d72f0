//! What a replica takes: memory when idle, with a thousand connections, and when a thousand ask at once; and how long it
//! takes from its start to its first answer.

use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::ground::Ground;
use crate::load::{self, Ask};
use crate::report::Figure;

const CROWD: usize = 1_000;
/// How long a replica is left alone before it is idle.
const SETTLED: Duration = Duration::from_secs(10);

/// In MB and milliseconds; each round is a process of its own.
pub async fn measure(rounds: u32) -> Outcome<[Figure; 4]> {
    let mut ground = Ground::lay("serve", None).await?;
    let mut figures = [
        Figure::new("start", "ms"),
        Figure::new("memory_idle", "MB"),
        Figure::new("memory_connections", "MB"),
        Figure::new("memory_posts", "MB"),
    ];
    for round in 1..=rounds {
        let started = ground.start_again().await?;
        // Idle is when what the first request needed is given back.
        sleep(SETTLED).await;
        let [idle, _] = ground.memory()?;
        let crowd = load::hold(&ground, Ask::Create, CROWD).await?;
        let [connected, _] = ground.memory()?;
        crowd.ask().await?;
        let [_, asked] = ground.memory()?;
        let values = [started.as_secs_f64() * 1e3, idle, connected, asked];
        println!(
            "round {round} of {rounds}: start {:.0} ms, {idle:.0}, {connected:.0}, {asked:.0} MB",
            values[0]
        );
        for (figure, value) in figures.iter_mut().zip(values) {
            figure.add(value);
        }
    }
    Ok(figures)
}
