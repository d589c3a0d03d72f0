//! Far more is asked than can be done. Whoever is refused is refused at once, is told when to come again, and left no
//! trace; whoever is let in is served; and when the crowd is gone, all is as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::checker::{Verdict, percentile};
use crate::client::{Calling, INVOICES};
use crate::ground::{Ground, Plan};
use crate::{either, seed};

/// `/readyz` answers within this, whatever goes on.
const READY: Duration = Duration::from_millis(200);

/// The service is as before so soon after, and answers so fast then.
const NORMAL_AFTER: Duration = Duration::from_secs(5);
const NORMAL: Duration = Duration::from_secs(1);

/// One attempt of the crowd.
struct Attempt {
    invoice_id: String,
    status: u16,
    retry_after: bool,
    took: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn far_more_is_asked_than_can_be_done() {
    let (rounds, seconds) = either((1, 8), (10, 60));
    let clients = 64;
    let seed = seed();
    let settings =
        vec![("KASHIO__LIMITS__REQUESTS", "8".to_owned()), ("KASHIO__DATABASE__CONNECTIONS", "2".to_owned())];
    let mut ground = Ground::new(Plan { replicas: 1, settings, ..Plan::new(seed) }).await;
    let mut figures = Vec::new();
    for round in 0..rounds {
        let until = Instant::now() + Duration::from_secs(seconds);
        let crowd = crowd(&ground, clients, round, until);
        let readiness =
            tokio::spawn(watch_readiness(ground.client.clone(), ground.replicas[0].management, until));
        let attempts = crowd.await;
        let ready = readiness.await.unwrap();

        let (done, refused): (Vec<&Attempt>, Vec<&Attempt>) =
            attempts.iter().partition(|attempt| attempt.status == 201);
        assert!(!refused.is_empty() && !done.is_empty(), "it was no crowd");
        for attempt in &refused {
            assert_eq!((attempt.status, attempt.retry_after), (503, true), "{}", attempt.invoice_id);
        }
        let kept: Vec<String> =
            sqlx::query_scalar("select invoice_id from invoices where invoice_id like 'owner0-crowd%'")
                .fetch_all(&ground.sql)
                .await
                .unwrap();
        let kept: std::collections::HashSet<&str> = kept.iter().map(String::as_str).collect();
        let traces = refused.iter().filter(|attempt| kept.contains(attempt.invoice_id.as_str())).count();
        assert_eq!(traces, 0, "what was refused left a row");
        assert!(
            done.iter().all(|attempt| kept.contains(attempt.invoice_id.as_str())),
            "what was done is there"
        );
        assert!(ready.iter().all(|(status, took)| *status == 200 && *took <= READY), "{ready:?}");
        let served = percentile(done.iter().map(|attempt| attempt.took).collect(), 990);
        let readiness = percentile(ready.into_iter().map(|(_, took)| took).collect(), 1_000);
        let normal = back_to_normal(&ground, round).await;
        figures.push((done.len(), refused.len(), served, readiness, normal));
    }
    // The mixed load finds the service sound, and checks all that the crowd left.
    let calling = Calling::begin(&ground, seed, 20);
    sleep(Duration::from_secs(2)).await;
    let caller = calling.end().await;
    ground.all_run();
    let verdict = Verdict::of("overload", seed, &ground, &caller).await;
    let most = |of: fn(&(usize, usize, Duration, Duration, Duration)) -> Duration| {
        figures.iter().map(of).max().unwrap_or_default().as_millis()
    };
    let (done, refused): (Vec<usize>, Vec<usize>) = figures.iter().map(|round| (round.0, round.1)).unzip();
    let figures = format!(
        "{rounds} × {seconds} s of {clients} clients, {} done and {} refused without a trace, p99 of what was done {} \
         ms, /readyz at most {} ms, normal after {} ms",
        done.iter().sum::<usize>(),
        refused.iter().sum::<usize>(),
        most(|round| round.2),
        most(|round| round.3),
        most(|round| round.4),
    );
    verdict.with(&figures).must_be_zero(&ground);
}

/// Clients that create one invoice after another and never wait.
async fn crowd(ground: &Ground, clients: usize, round: u64, until: Instant) -> Vec<Attempt> {
    let number = Arc::new(AtomicUsize::new(0));
    let url = format!("http://127.0.0.1:{}{INVOICES}", ground.ports[0].public);
    let mut crowd = JoinSet::new();
    for _ in 0..clients {
        let (client, url, key, number) =
            (ground.client.clone(), url.clone(), ground.owners[0].key.clone(), number.clone());
        crowd.spawn(async move {
            let mut attempts = Vec::new();
            while Instant::now() < until {
                let invoice_id = format!("owner0-crowd{round}-{}", number.fetch_add(1, Ordering::Relaxed));
                let wish = json!({ "invoice_id": invoice_id, "currency": "PEN", "amount": "20.00",
                                   "request_datetime": "2026-01-01T10:00:00" });
                let began = Instant::now();
                let request = client.request(Method::POST, &url).bearer_auth(&key).json(&wish);
                let answer = request.header("idempotency-key", &invoice_id).send().await.unwrap();
                let (status, retry_after) =
                    (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
                answer.bytes().await.unwrap();
                attempts.push(Attempt { invoice_id, status, retry_after, took: began.elapsed() });
                // A crowd, not an attack: this machine has to serve them too.
                sleep(Duration::from_millis(if status == 503 { 20 } else { 0 })).await;
            }
            attempts
        });
    }
    crowd.join_all().await.into_iter().flatten().collect()
}

async fn watch_readiness(client: reqwest::Client, management: u16, until: Instant) -> Vec<(u16, Duration)> {
    let url = format!("http://127.0.0.1:{management}/readyz");
    let mut seen = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        let answer = client.get(&url).send().await.unwrap();
        seen.push((answer.status().as_u16(), began.elapsed()));
        sleep(Duration::from_millis(50)).await;
    }
    seen
}

/// Calls at a pace that is no burden, until a second of them is answered as it should be: how long that took to begin.
async fn back_to_normal(ground: &Ground, round: u64) -> Duration {
    let over = Instant::now();
    loop {
        let (began, mut times) = (Instant::now(), Vec::new());
        for n in 0..20 {
            sleep_until((began + Duration::from_millis(50) * n).into()).await;
            let sent = Instant::now();
            let url = format!("http://127.0.0.1:{}{INVOICES}", ground.ports[0].public);
            let invoice_id = format!("owner0-calm{round}-{}-{n}", over.elapsed().as_millis());
            let wish = json!({ "invoice_id": invoice_id, "currency": "PEN", "amount": "20.00",
                               "request_datetime": "2026-01-01T10:00:00" });
            let request = ground.client.post(url).bearer_auth(&ground.owners[0].key).json(&wish);
            let answer = request.send().await.unwrap();
            times.push(if answer.status() == 201 { sent.elapsed() } else { Duration::MAX });
        }
        if percentile(times, 990) <= NORMAL {
            return began - over;
        }
        assert!(over.elapsed() <= NORMAL_AFTER, "not normal: {}", ground.complaints());
    }
}
