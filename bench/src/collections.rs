//! How long banks wait for `inquire` and `pay`, at half of what the service can take.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use domain::key::Role;
use futures_util::future::try_join_all;
use http_body_util::Full;
use hyper::Method;
use serde_json::{Value, json};

use crate::cpu::used_by;
use crate::ground::Ground;
use crate::load::{self, Wire};
use crate::report::Figure;
use crate::{Outcome, ratio};

const CHANNEL: &str = "bcp";
const AGREEMENT: &str = "000001";

/// Payers at once, at most.
const CONNECTIONS: usize = 64;
/// Invoices that are opened for each second: more than payers can come.
const INVOICES: u64 = 3_000;

/// p99 of each verb, in milliseconds: of an inquiry from when its payer came, of a payment from when it was told.
pub async fn measure(rounds: u32, time: Duration) -> Outcome<[Figure; 2]> {
    let ground = Ground::lay("serve", None).await?;
    let [account, key] = ground.live_merchant()?;
    let bank = Bank::of(&ground, &account).await?;
    let mut figures = ["inquire_p99", "pay_p99"].map(|name| Figure::new(name, "ms"));
    // Counted when they were empty, its tables are read from end to end until Postgres counts them again by itself.
    load::open(&ground, &key, usize::try_from(INVOICES)?).await?;
    bank.learn(&ground).await?;
    let mut paid = bank.saturated(&ground, Duration::from_secs(1)).await?;
    sqlx::query("vacuum analyze").execute(&ground.sql).await?;
    for round in 1..=rounds {
        load::open(&ground, &key, usize::try_from(INVOICES * time.as_secs())?).await?;
        bank.learn(&ground).await?;
        let (saturated, saturated_used) = used_by(&ground, bank.saturated(&ground, time)).await?;
        let pace = ratio(saturated, time.as_secs_f64()) / 2.0;
        let wires = load::connections(ground.internal_port, CONNECTIONS).await?;
        let serving = load::at_pace(wires, pace, time, async |wire, _, due| bank.serve(wire, due).await);
        let (served, used) = used_by(&ground, serving).await?;
        paid += saturated + served.len();
        let rows = "select (select count(*) from payments where status = 'applied'),
                           (select count(*) from invoices where status = 'paid'),
                           (select count(*) from events where type = 'invoice.paid')";
        let (applied, settled, told): (i64, i64, i64) = sqlx::query_as(rows).fetch_one(&ground.sql).await?;
        if [applied, settled, told] != [i64::try_from(paid)?; 3] {
            return Err(format!(
                "{paid} payers, {applied} payments, {settled} invoices paid and {told} events of that"
            )
            .into());
        }
        let (inquiries, payments): (Vec<_>, Vec<_>) = served.into_iter().unzip();
        let p99 = [inquiries, payments].map(|mut times| {
            times.sort();
            load::percentile(&times, 990).as_secs_f64() * 1e3
        });
        let mut remark = "";
        for (figure, value) in figures.iter_mut().zip(p99) {
            remark = figure.add_unless_spoilt(value, [&saturated_used, &used]);
        }
        println!(
            "round {round} of {rounds}: {pace:.0} payers/s, half of what can be; p99 of inquire {:.1} ms, of pay {:.1} \
             ms{remark}",
            p99[0], p99[1]
        );
    }
    Ok(figures)
}

/// A bank's connector, and the numbers that its payers bring.
struct Bank {
    key: String,
    ktins: RefCell<Vec<String>>,
}

impl Bank {
    /// The account's payers can pay there.
    async fn of(ground: &Ground, account: &str) -> Outcome<Bank> {
        let console = ground.service_key(&Role::Kcms)?;
        let mut wire = load::connect(ground.internal_port).await?;
        let channel = json!({ "name": "Banco", "open": true });
        let agreement = json!({ "channel": CHANNEL, "agreement_number": AGREEMENT, "currency": "PEN" });
        let account = (Method::PATCH, format!("/internal/v1/accounts/{account}"));
        for ((method, path), body) in [
            ((Method::PUT, format!("/internal/v1/channels/{CHANNEL}")), channel),
            (account, json!({ "collection_channels": [agreement] })),
        ] {
            let request = load::request(method, &path, &console).header("x-actor", "bench");
            let (status, said) = load::send(&mut wire, request.body(body.to_string().into())?).await?;
            if !status.is_success() {
                return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&said)).into());
            }
        }
        let key = ground.service_key(&Role::Collector { channel: CHANNEL.to_owned() })?;
        Ok(Bank { key, ktins: RefCell::default() })
    }

    /// The numbers of all that is to be paid.
    async fn learn(&self, ground: &Ground) -> Outcome<()> {
        let pending = "select ktin::text from invoices where livemode and status = 'pending'";
        *self.ktins.borrow_mut() = sqlx::query_scalar(pending).fetch_all(&ground.sql).await?;
        Ok(())
    }

    /// How many payers are served in so long, one after the other at each connection.
    async fn saturated(&self, ground: &Ground, time: Duration) -> Outcome<usize> {
        let began = Instant::now();
        let wires = load::connections(ground.internal_port, CONNECTIONS).await?;
        let tellers = wires.into_iter().map(async |mut wire| {
            let mut served = 0;
            while began.elapsed() < time {
                self.serve(&mut wire, Instant::now()).await?;
                served += 1;
            }
            Outcome::Ok(served)
        });
        Ok(try_join_all(tellers).await?.into_iter().sum())
    }

    /// A payer who came at `came`: how long the inquiry and the payment took.
    async fn serve(&self, wire: &mut Wire, came: Instant) -> Outcome<(Duration, Duration)> {
        let ktin = self.ktins.borrow_mut().pop().ok_or("no invoice is left to be paid")?;
        // An operation's number has twelve digits at most: the ktin's last ones are not twice the same either.
        let number = ktin.get(ktin.len().saturating_sub(12)..).ok_or("a ktin that is none")?;
        let operation = json!({
            "channel": CHANNEL, "agreement": AGREEMENT, "ktin": ktin, "operation_number": number,
            "operated_at": now(), "trace_id": "bench",
        });
        let quote = self.call(wire, "inquire", &operation).await?;
        let inquired = came.elapsed();
        let told = Instant::now();
        let mut payment = operation;
        payment["amount"] = quote["debts"][0]["total"].clone();
        payment["currency"] = json!("PEN");
        payment["quote_id"] = quote["quote_id"].clone();
        self.call(wire, "pay", &payment).await?;
        Ok((inquired, told.elapsed()))
    }

    async fn call(&self, wire: &mut Wire, verb: &str, said: &Value) -> Outcome<Value> {
        let request = load::request(Method::POST, &format!("/internal/v1/collections/{verb}"), &self.key);
        let (status, answer) = load::send(wire, request.body(Full::from(said.to_string()))?).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        if status != 200 || answer["result"]["code"] != "ok" {
            return Err(format!("{verb}: {status} {answer}").into());
        }
        Ok(answer)
    }
}

/// This machine's time: its database has the same.
fn now() -> String {
    #[expect(clippy::disallowed_methods, reason = "a bank has its own clock")]
    let now = chrono::Utc::now();
    now.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
