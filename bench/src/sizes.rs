//! Whether size matters: lists and creates of an account with ten thousand invoices, and of one with many more.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::cpu::{Usage, Used};
use crate::ground::{Ground, SEEDED};
use crate::load::{self, Ask};
use crate::report::Figure;

/// Measured at one size.
struct Size {
    first_page: Duration,
    deep_page: Duration,
    creates: f64,
    used: Used,
}

/// Many rows ÷ ten thousand: list p50, first page and deep cursor; create rate.
pub async fn measure(rows: u32, rounds: u32, time: Duration) -> Outcome<[Figure; 3]> {
    let mut ground = Ground::lay("serve", None).await?;
    let mut small = Vec::new();
    for _ in 0..rounds {
        small.push(at_size(&mut ground, time, SEEDED).await?);
    }
    println!("{SEEDED} rows are measured");
    let began = Instant::now();
    ground.grow(rows).await?;
    println!("{rows} rows were made in {:.0} s", began.elapsed().as_secs_f64());
    let mut figures = ["list_first_page", "list_deep_page", "create_among"].map(|name| Figure::new(name, ""));
    for (round, small) in small.iter().enumerate() {
        let large = at_size(&mut ground, time, rows).await?;
        let values = [
            large.first_page.as_secs_f64() / small.first_page.as_secs_f64(),
            large.deep_page.as_secs_f64() / small.deep_page.as_secs_f64(),
            large.creates / small.creates,
        ];
        let mut remark = "";
        for (figure, value) in figures.iter_mut().zip(values) {
            remark = figure.add_unless_spoilt(value, [&small.used, &large.used]);
        }
        println!(
            "round {} of {rounds}: first page {:.2} ms, deep page {:.2} ms, {:.0} creates/s{remark}",
            round + 1,
            large.first_page.as_secs_f64() * 1e3,
            large.deep_page.as_secs_f64() * 1e3,
            large.creates
        );
    }
    Ok(figures)
}

async fn at_size(ground: &mut Ground, time: Duration, rows: u32) -> Outcome<Size> {
    ground.recount().await?;
    let before = Usage::now(ground)?;
    let first_page = load::run(ground, Ask::List, 4, time).await?.percentile(500);
    let deep_page = load::run(ground, Ask::After(rows / 2), 4, time).await?.percentile(500);
    let created = load::run(ground, Ask::Create, 64, time).await?;
    let used = Usage::now(ground)?.since(&before);
    ground.must_add_up(created.answered).await?;
    Ok(Size { first_page, deep_page, creates: created.rate(), used })
}
