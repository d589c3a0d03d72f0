//! What the client was told, against what the API and SQL say at the end: six counters, all of which must be zero.
//!
//! | | counts |
//! |---|---|
//! | L | acknowledged writes that are nowhere |
//! | D | duplicates: references, first events, bank operations |
//! | E | events missing, extra or out of their dense order, in SQL and in the feeds that merchants read |
//! | T | steps that the table of states does not know |
//! | X | anything shown across tenants or modes |
//! | 5 | 5xx, resets and time-outs without a reason |

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tokio::time::sleep;

use crate::client::{Caller, Heard, INVOICES};
use crate::ground::Ground;

/// What was found, each case in words.
#[derive(Default)]
pub struct Verdict {
    story: String,
    seed: u64,
    figures: String,
    lost: Vec<String>,
    duplicates: Vec<String>,
    events: Vec<String>,
    transitions: Vec<String>,
    strangers: Vec<String>,
    errors: Vec<String>,
    /// Answers that no client of a sound service gets.
    nonsense: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { story, seed, figures, .. } = self;
        let [l, d, e, t, x, five] = self.counts();
        let counts = format!("L {l}, D {d}, E {e}, T {t}, X {x}, 5 {five}");
        write!(f, "story {story}: seed {seed}; {figures}; {counts}")
    }
}

impl Verdict {
    /// Compares all there is to compare.
    pub async fn of(story: &str, seed: u64, ground: &Ground, caller: &Caller) -> Verdict {
        let mut verdict = Verdict { story: story.to_owned(), seed, ..Verdict::default() };
        verdict.numbered(ground).await;
        verdict.ask_sql(ground).await;
        verdict.ask_promises(ground).await;
        let told = verdict.read_feeds(ground, caller).await;
        verdict.look_for_writes(ground, caller, &told).await;
        let heard = caller.heard.lock().unwrap();
        verdict.strangers.extend(heard.leaks.iter().cloned());
        verdict.errors.extend(heard.unexplained.iter().cloned());
        verdict.nonsense.extend(heard.nonsense.iter().cloned());
        verdict.figures = summary(&heard);
        verdict
    }

    /// Adds a story's own figures.
    pub fn with(mut self, figures: &str) -> Verdict {
        self.figures = format!("{figures}; {}", self.figures);
        self
    }

    /// How many cases each counter has, in the order L, D, E, T, X, 5.
    pub fn counts(&self) -> [usize; 6] {
        let Verdict { lost, duplicates, events, transitions, strangers, errors, .. } = self;
        [lost, duplicates, events, transitions, strangers, errors].map(Vec::len)
    }

    /// Prints the line, and stops the story unless all is zero.
    pub fn must_be_zero(&self, ground: &Ground) {
        crate::tell(&self.to_string());
        let all = [
            &self.lost,
            &self.duplicates,
            &self.events,
            &self.transitions,
            &self.strangers,
            &self.errors,
            &self.nonsense,
        ];
        let found: Vec<&String> = all.iter().flat_map(|cases| cases.iter().take(5)).collect();
        assert!(found.is_empty(), "{self}\n{found:#?}\n{}", ground.complaints());
    }

    /// Waits until the worker has numbered every event.
    async fn numbered(&mut self, ground: &Ground) {
        let began = Instant::now();
        loop {
            let missing: i64 = sqlx::query_scalar("select count(*) from events where sequence is null")
                .fetch_one(&ground.sql)
                .await
                .unwrap();
            if missing == 0 {
                return;
            }
            if began.elapsed() > Duration::from_secs(20) {
                return self.events.push(format!("{missing} events are not numbered"));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask_sql(&mut self, ground: &Ground) {
        let duplicates = [
            "select format('%s of %s: %s invoices', invoice_id, account_id, count(*)) from invoices
             group by account_id, livemode, invoice_id having count(*) > 1",
            "select format('%s: created %s times', invoice, count(*)) from events where type = 'invoice.created'
             group by account_id, livemode, invoice having count(*) > 1",
            "select format('operation %s: %s payments', operation_number, count(*)) from payments
             group by channel, operation_number having count(*) > 1",
        ];
        let events = [
            "select format('%s: version %s, %s events', id, version, told) from (
                 select id, version, (select count(*) from events
                     where events.account_id = invoices.account_id and events.livemode = invoices.livemode
                       and events.invoice = invoices.id and events.type like 'invoice.%') as told from invoices
             ) counted where version <> told",
            "select format('event %s without its invoice', id) from events where invoice is not null and not exists (
                 select from invoices where invoices.account_id = events.account_id
                   and invoices.livemode = events.livemode and invoices.id = events.invoice)",
            "select format('feed of %s: %s events from %s to %s', account_id, count(*), min(sequence), max(sequence))
             from events group by account_id, livemode
             having count(*) <> max(sequence) or count(distinct sequence) <> count(*) or min(sequence) <> 1",
        ];
        for query in duplicates {
            self.duplicates.extend(ask(ground, query).await);
        }
        for query in events {
            self.events.extend(ask(ground, query).await);
        }
    }

    /// Every promise that `kashio doctor` knows, too.
    async fn ask_promises(&mut self, ground: &Ground) {
        let connect = ground.postgres.url("faults").parse().unwrap();
        let sealer = store::seal::Sealer::new(Vec::new());
        let store =
            store::Store::open(store::Settings { connect, connections: 1, group_connections: 0, sealer })
                .await
                .unwrap();
        for finding in store.look_for_counter_examples().await.unwrap() {
            let Some(example) = finding.counter_example else { continue };
            let case = format!("{}: {example}", finding.promise);
            let steps = finding.promise.starts_with("the steps of an invoice");
            if steps { self.transitions.push(case) } else { self.events.push(case) }
        }
        store.close().await;
    }

    /// Each feed as its owner reads it: dense, his own, only steps that there are.
    async fn read_feeds(&mut self, ground: &Ground, caller: &Caller) -> Told {
        let mut told = Told::default();
        for owner in &ground.owners {
            let (mut after, mut steps) = (0, HashMap::new());
            loop {
                let path = format!("/v1/payments/events?after={after}&limit=500");
                let request = caller.as_owner(owner.number, Method::GET, &path);
                let Some((200, page)) = caller.send(request, false).await else {
                    self.events.push(format!("the feed of {} can not be read after {after}", owner.number));
                    break;
                };
                let page = page["data"].as_array().unwrap();
                for event in page {
                    after += 1;
                    if event["sequence"] != after {
                        self.events.push(format!("{} is where {after} should be", event["sequence"]));
                        after = event["sequence"].as_i64().unwrap();
                    }
                    if event["livemode"] != owner.mode.is_live() {
                        self.strangers.push(format!("{} was shown {event}", owner.number));
                    }
                    let invoice = &event["data"]["invoice"];
                    if invoice.is_null() || !event["type"].as_str().unwrap().starts_with("invoice.") {
                        continue;
                    }
                    caller.must_own(owner.number, invoice);
                    let [id, status, sub_total] =
                        ["id", "status", "sub_total"].map(|name| text(invoice, name));
                    let before: Option<String> = steps.insert(id.clone(), status.clone());
                    if !is_a_step(before.as_deref(), &status) {
                        self.transitions.push(format!("{id}: {status} after {before:?}"));
                    }
                    let version = invoice["version"].as_i64().unwrap();
                    let again = told.insert((owner.number, id.clone(), version), (status, sub_total));
                    if again.is_some() {
                        self.events.push(format!("{id}: version {version} was told twice"));
                    }
                }
                if page.is_empty() {
                    break;
                }
            }
        }
        told
    }

    /// Every acknowledged write is in the feed as it was acknowledged, and its invoice is there.
    async fn look_for_writes(&mut self, ground: &Ground, caller: &Caller, told: &Told) {
        let (written, paid) = {
            let heard = caller.heard.lock().unwrap();
            (heard.written.clone(), heard.paid.clone())
        };
        let newest: HashMap<(usize, &String), i64> =
            told.keys().fold(HashMap::new(), |mut newest, (owner, id, version)| {
                let known = newest.entry((*owner, id)).or_insert(*version);
                *known = (*known).max(*version);
                newest
            });
        let mut ids: HashMap<&String, usize> = HashMap::new();
        for write in &written {
            let found = told.get(&(write.owner, write.id.clone(), write.version));
            if found.is_none_or(|found| *found != (write.status.clone(), write.sub_total.clone())) {
                self.lost.push(format!("{write:?}, told as {found:?}"));
            }
            ids.insert(&write.id, write.owner);
        }
        let ids: Vec<(&String, usize)> = ids.into_iter().collect();
        for some in ids.chunks(8) {
            let answers = join_all(some.iter().map(async |(id, owner)| {
                let request = caller.as_owner(*owner, Method::GET, &format!("{INVOICES}/{id}"));
                let (status, body) = caller.send(request, false).await.unwrap();
                caller.must_own(*owner, &body);
                let known = newest.get(&(*owner, *id)).copied();
                (status != 200 || body["version"].as_i64() != known).then(|| format!("{id}: {status} {body}"))
            }));
            self.lost.extend(answers.await.into_iter().flatten());
        }
        for payment in paid {
            let path = format!("/v1/payments/payments/{}", payment.payment);
            let request = caller.as_owner(payment.owner, Method::GET, &path);
            let (status, body) = caller.send(request, false).await.unwrap();
            if status != 200 || body["status"] != "applied" {
                self.lost.push(format!("{}: {status} {body}", payment.payment));
            }
        }
        let kept: i64 =
            sqlx::query_scalar("select count(*) from invoices").fetch_one(&ground.sql).await.unwrap();
        assert!(kept > 0, "nothing happened");
    }
}

/// What the feeds say of an owner's invoice at a version: its status and amount.
type Told = HashMap<(usize, String, i64), (String, String)>;

fn is_a_step(before: Option<&str>, after: &str) -> bool {
    match before {
        None => after == "pending",
        Some("pending") => matches!(after, "pending" | "paid" | "expired" | "voided"),
        Some("expired") => after == "paid",
        Some("paid") => matches!(after, "pending" | "expired"),
        Some(_) => false,
    }
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}

async fn ask(ground: &Ground, query: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(&ground.sql).await.unwrap()
}

fn summary(heard: &Heard) -> String {
    let requests = &heard.requests;
    let again = requests.iter().filter(|request| request.times > 1).count();
    let in_doubt = requests.iter().filter(|request| request.status.is_none()).count();
    format!(
        "{} requests, {} acknowledged writes and {} payments, {again} sent again, {} faults excused, {in_doubt} \
         given up, p99 {} ms",
        requests.len(),
        heard.written.len(),
        heard.paid.len(),
        heard.excused,
        percentile(requests.iter().map(crate::client::Request::took).collect(), 990).as_millis()
    )
}

/// What so many of a thousand did not exceed.
pub fn percentile(mut times: Vec<Duration>, of_a_thousand: usize) -> Duration {
    times.sort();
    let place = (times.len() * of_a_thousand / 1_000).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or_default()
}
