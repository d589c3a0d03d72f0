//! Webhooks: how many go out a second, how soon, and whom they disturb.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::endpoint::Targets;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::sleep;
use worker::outbound::Outbound;

use crate::cpu::{Usage, Used, used_by};
use crate::ground::Ground;
use crate::load::{self, Ask};
use crate::report::Figure;
use crate::sink::Sink;
use crate::{Outcome, ratio};

/// Endpoints that an account may have.
const ENDPOINTS: usize = 16;
/// Posts at once, as the worker makes them to so many endpoints.
const POSTS: usize = 256;
/// Webhooks that may be on their way while creates go on.
const UNDER_WAY: usize = 512;

/// **H**: the service's own client posts one webhook again and again, as the worker had posted it, without a database: how
/// many a second.
async fn client_alone(sink: &Sink, time: Duration) -> Outcome<f64> {
    let url = format!("{}/hook", sink.url);
    let (before, webhook) = (sink.got(), sink.sample()?);
    let work = move || -> Outcome<()> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let outbound = Outbound::new(Targets { loopback: true, ..Targets::default() })?;
            let until = Instant::now() + time;
            let mut tasks = JoinSet::new();
            for _ in 0..POSTS {
                let (outbound, url, webhook) = (outbound.clone(), url.clone(), webhook.clone());
                tasks.spawn(async move {
                    while Instant::now() < until {
                        outbound.post(&url, &webhook.headers, webhook.body.clone()).await.0?;
                    }
                    Outcome::Ok(())
                });
            }
            while let Some(done) = tasks.join_next().await {
                done??;
            }
            Ok(())
        })
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(ratio(sink.got() - before, time.as_secs_f64()))
}

/// Webhooks delivered ÷ H: an account with sixteen endpoints, so many invoices, and then a worker, until the last one is
/// written down.
pub async fn rate(rounds: u32, time: Duration) -> Outcome<Figure> {
    let ground = Ground::lay("serve", None).await?;
    let sink = Sink::open().await?;
    let shop = ground.merchant()?;
    for number in 0..ENDPOINTS {
        load::register(&ground, &shop, &format!("{}/hook/{number}", sink.url)).await?;
    }
    // One to be posted again.
    load::open(&ground, &shop, 1).await?;
    let worker = ground.worker()?;
    sink.wait(ENDPOINTS).await?;
    written(&ground, 0).await?;
    drop(worker);
    let (mut figure, mut posted) = (Figure::new("webhooks", ""), sink.got());
    for round in 1..=rounds {
        let (alone, alone_used) = used_by(&ground, client_alone(&sink, time)).await?;
        load::open(&ground, &shop, 1_000).await?;
        let before = sink.got();
        let worker = ground.worker()?;
        sink.wait(before + 1).await?;
        let (began, before_all) = (Instant::now(), Usage::of(&ground, worker.pid())?);
        sink.wait(before + 1_000 * ENDPOINTS).await?;
        written(&ground, 0).await?;
        let (took, used) = (began.elapsed(), Usage::of(&ground, worker.pid())?.since(&before_all));
        drop(worker);
        posted += sink.got() - before;
        must_add_up(&ground, posted).await?;
        let delivered = ratio(1_000 * ENDPOINTS - 1, took.as_secs_f64());
        let each = |time: Duration| time.as_secs_f64() * 1e6 / ratio(1_000 * ENDPOINTS, 1.0);
        let remark = figure.add_unless_spoilt(delivered / alone, [&alone_used, &used]);
        println!(
            "round {round} of {rounds}: webhooks {delivered:.0}/s, the client alone {alone:.0}/s; each {:.0} µs of \
             Postgres, {:.0} of the worker, {:.0} of the receiver{remark}",
            each(used.postgres),
            each(used.service),
            each(used.load)
        );
    }
    Ok(figure)
}

/// Waits until everything that was sent is written down, but for so many that can not be: before that nothing is delivered,
/// and a worker that is ended leaves the rest for the next one to send again.
async fn written(ground: &Ground, but_for: i64) -> Outcome<()> {
    let left =
        "select count(*) from (select from deliveries where status = 'pending' limit $1 + 1) deliveries";
    while sqlx::query_scalar::<_, i64>(left).bind(but_for).fetch_one(&ground.sql).await? > but_for {
        sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// As many posts as deliveries are written down, and as events have endpoints whom they reached: else nothing was measured.
async fn must_add_up(ground: &Ground, posted: usize) -> Outcome<()> {
    let rows = "select (select count(*) from deliveries where status = 'delivered'),
                       (select coalesce(sum(endpoints - undelivered), 0) from events)";
    let (delivered, told): (i64, i64) = sqlx::query_as(rows).fetch_one(&ground.sql).await?;
    if [delivered, told] != [i64::try_from(posted)?; 2] {
        let said =
            format!("{posted} posts came, {delivered} deliveries and {told} in all events are written down");
        return Err(said.into());
    }
    Ok(())
}

/// From the answer to a create to its webhook, in milliseconds: nothing else is going on, one process does everything.
pub async fn latency(many: usize) -> Outcome<[Figure; 2]> {
    let ground = Ground::lay("run", None).await?;
    let sink = Sink::open().await?;
    load::register(&ground, &ground.key, &format!("{}/hook", sink.url)).await?;
    let mut times = Vec::new();
    for number in 1..=many {
        load::once(&ground, Ask::Create).await?;
        let committed = Instant::now();
        times.push(sink.wait(number).await?.saturating_duration_since(committed));
        sleep(Duration::from_millis(37)).await;
    }
    written(&ground, 0).await?;
    must_add_up(&ground, many).await?;
    times.sort();
    let at = |thousandths| load::percentile(&times, thousandths);
    let of = |name, time: Duration| Figure::of(name, "ms", time.as_secs_f64() * 1e3);
    Ok([of("told_p50", at(500)), of("told_p99", at(990))])
}

/// Creates while each of them is told, ÷ creates alone, in one process.
pub async fn creates(rounds: u32, time: Duration, clients: usize) -> Outcome<Figure> {
    let mut figure = Figure::new("create_while_webhooks", "");
    for round in 1..=rounds {
        let mut ground = Ground::lay("run", None).await?;
        let (alone, alone_used) = used_by(&ground, load::run(&ground, Ask::Create, clients, time)).await?;
        let sink = Sink::open().await?;
        load::register(&ground, &ground.key, &format!("{}/hook", sink.url)).await?;
        let begun = Arc::new(AtomicUsize::new(0));
        let (at_hand, counted) = (sink.clone(), begun.clone());
        let may_go = move || {
            let may = counted.load(Ordering::Relaxed) < at_hand.got() + UNDER_WAY;
            if may {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            may
        };
        let both = load::run_while(&ground, Ask::Create, clients, time, may_go);
        let (both, used) = used_by(&ground, both).await?;
        let told = sink.got();
        ground.must_add_up(alone.answered + both.answered).await?;
        ground.numbered().await?;
        written(&ground, 0).await?;
        must_add_up(&ground, sink.got()).await?;
        let remark = figure.add_unless_spoilt(both.rate() / alone.rate(), [&alone_used, &used]);
        println!(
            "round {round} of {rounds}: creates {:.0}/s alone, {:.0}/s while {:.0} webhooks/s went out{remark}",
            alone.rate(),
            both.rate(),
            ratio(told, both.took.as_secs_f64())
        );
    }
    Ok(figure)
}

/// A hundred endpoints of which one never answers ÷ all well: what the ninety-nine get a second.
pub async fn dead_endpoint(rounds: u32) -> Outcome<Figure> {
    let mut figure = Figure::new("dead_endpoint", "");
    for round in 1..=rounds {
        let (well, well_used) = hundred_endpoints(false).await?;
        let (rate, used) = hundred_endpoints(true).await?;
        let remark = figure.add_unless_spoilt(rate / well, [&well_used, &used]);
        println!("round {round} of {rounds}: webhooks {well:.0}/s, with a dead endpoint {rate:.0}/s{remark}");
    }
    Ok(figure)
}

/// What a hundred endpoints get a second, of which one may never answer: each of them a hundred webhooks.
async fn hundred_endpoints(one_is_dead: bool) -> Outcome<(f64, Used)> {
    let ground = Ground::lay("serve", None).await?;
    let sink = Sink::open().await?;
    let mut endpoints = 0;
    while endpoints < 100 {
        let shop = ground.merchant()?;
        let here = ENDPOINTS.min(100 - endpoints);
        for number in 0..here {
            let path = if one_is_dead && endpoints + number == 0 { "dead" } else { "hook" };
            load::register(&ground, &shop, &format!("{}/{path}", sink.url)).await?;
        }
        load::open(&ground, &shop, 100).await?;
        endpoints += here;
    }
    let dead = if one_is_dead { 100 } else { 0 };
    let expected = 100 * endpoints - dead;
    let worker = ground.worker()?;
    sink.wait(1).await?;
    let (began, before) = (Instant::now(), Usage::of(&ground, worker.pid())?);
    sink.wait(expected).await?;
    written(&ground, i64::try_from(dead)?).await?;
    let (took, used) = (began.elapsed(), Usage::of(&ground, worker.pid())?.since(&before));
    must_add_up(&ground, sink.got()).await?;
    Ok((ratio(expected - 1, took.as_secs_f64()), used))
}
