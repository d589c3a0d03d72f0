//! Money while everybody pays: how long banks wait, and how soon a great many invoices of one instant are stored as
//! expired while merchants go on.
//!
//! Each story has a short form, for every day, and a long one with the figures that were promised: `KASHIO_LONG=1`, on
//! a release build and a machine that does nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::account::Mode;
use domain::ktin::Ktin;
use domain::time::LimaDay;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::bank::{Bank, now};
use crate::keys_under_load::either;
use crate::machine;
use crate::world::{Merchant, World, order};

/// Numbers that no invoice of today has, each with its check digit.
fn ktins(count: usize) -> Vec<String> {
    let day = LimaDay::parse("2020-02-29").unwrap();
    (0..count as u64).map(|n| Ktin::compose(day, n, &[3; 16]).unwrap().to_string()).collect()
}

/// Pending invoices of 20 soles, copied from one that was made in good order, past their time in `seconds`.
async fn many(world: &World, shop: &Merchant, ktins: &[String], seconds: i64) {
    let made = shop.create(&order("the first of many")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let numbers: Vec<i64> = ktins.iter().map(|ktin| ktin.parse().unwrap()).collect();
    let copied = sqlx::query(
        "insert into invoices (account_id, livemode, id, created, invoice_id, size_qr, ktin, token, late_fee_rule, content,
             currency, sub_total, expires, status, version)
         select account_id, livemode, gen_random_uuid(), created, 'of many ' || number, size_qr, number,
                'of many ' || number, late_fee_rule, content, currency, sub_total,
                date_trunc('second', now()) + $2 * interval '1 second', 'pending', 1
         from invoices cross join unnest($1::bigint[]) as many (number)
         where invoice_id = 'the first of many' and account_id = $3",
    )
    .bind(&numbers)
    .bind(seconds as i32)
    .bind(shop.account.uuid())
    .execute(&world.sql)
    .await
    .unwrap();
    assert_eq!(copied.rows_affected() as usize, ktins.len());
    world.execute("analyze invoices").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_orders_of_one_instant_are_soon_stored_as_expired_while_merchants_go_on() {
    let _machine = machine::alone().await;
    // Two rates of a second or two each: what else a machine does may spoil one of three series.
    for _ in 1..=3 {
        let (what, alone, meanwhile) = orders_of_one_instant().await;
        println!("{what}; creates a second: {alone} alone, {meanwhile} meanwhile");
        if meanwhile * 2 >= alone {
            return;
        }
    }
    panic!("creates fell below half");
}

/// How fast they were stored, and creates a second, alone and meanwhile.
async fn orders_of_one_instant() -> (String, u64, u64) {
    let (count, clients, bound) =
        either((5_000, 4, Duration::from_secs(30)), (100_000, 16, Duration::from_secs(30)));
    let world = World::working(|settings| settings.database.connections = 16).await;
    let shop = world.merchant(Mode::Test).await;
    let neighbour = world.merchant(Mode::Test).await;
    let alone =
        rate_of_creates(&neighbour, clients, "alone", sleep(either(2, 10) * Duration::from_secs(1))).await;

    let until_due = either(3, 15);
    many(&world, &shop, &ktins(count), until_due).await;
    // One look into an index: counting them all would be in the way of what is measured.
    let is_pending = async || -> bool {
        let left = "select exists (
            select from invoices
            where account_id = $1 and not livemode and status = 'pending' and expires <= now())";
        sqlx::query_scalar(left).bind(shop.account.uuid()).fetch_one(&world.sql).await.unwrap()
    };
    // Whoever reads sees them expired at once; what is waited for is that it is stored.
    let due = Instant::now();
    while !is_pending().await && due.elapsed() < Duration::from_secs(until_due as u64 + 2) {
        sleep(Duration::from_millis(20)).await;
    }
    let began = Instant::now();
    let (stored, meanwhile) = {
        let watch = async {
            while is_pending().await {
                assert!(began.elapsed() < bound, "not stored within {bound:?}");
                sleep(Duration::from_millis(100)).await;
            }
        };
        let rate = rate_of_creates(&neighbour, clients, "meanwhile", watch).await;
        (began.elapsed(), rate)
    };
    assert!(stored <= bound);
    let told = "select count(*) from events where type = 'invoice.expired'";
    let told: i64 = sqlx::query_scalar(told).fetch_one(&world.sql).await.unwrap();
    assert_eq!(told as usize, count, "each is told once");
    let twice = "select count(*) from (select invoice from events where type = 'invoice.expired'
                 group by invoice having count(*) > 1) twice";
    let twice: i64 = sqlx::query_scalar(twice).fetch_one(&world.sql).await.unwrap();
    assert_eq!(twice, 0);
    (format!("{count} stored as expired in {stored:?}, with {clients} clients"), alone, meanwhile)
}

/// Creates a second by so many clients, each with one after another, until something else is over.
async fn rate_of_creates(
    shop: &Merchant,
    clients: usize,
    prefix: &str,
    until: impl Future<Output = ()>,
) -> u64 {
    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let began = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let (shop, over, made) = (shop.clone(), over.clone(), made.clone());
            let prefix = prefix.to_owned();
            tokio::spawn(async move {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    let answer = shop.create_unchecked(&order(&format!("{prefix}-{client}-{number}"))).await;
                    number += 1;
                    match answer {
                        201 => made.fetch_add(1, Ordering::Relaxed),
                        // Too much at once for this machine: nothing was done.
                        503 => 0,
                        status => panic!("{status}"),
                    };
                }
            })
        })
        .collect();
    until.await;
    over.store(true, Ordering::Relaxed);
    let rate = made.load(Ordering::Relaxed) * 1_000 / (began.elapsed().as_millis() as u64).max(1);
    for client in clients {
        client.await.unwrap();
    }
    rate
}

/// A bank has about three seconds for the payer at its counter; here are 300 ms of them.
#[tokio::test(flavor = "multi_thread")]
async fn banks_are_answered_quickly_at_half_of_what_the_service_can_take() {
    let _machine = machine::alone().await;
    let (tellers, seconds) = either((4, 2), (16, 10));
    let world = World::with(|settings| settings.database.connections = 16).await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Live).await);
    let bank = world.bank("bcp").await;
    bank.serves(&console, &shop).await;
    let numbers = ktins(either(20_000, 200_000));
    many(&world, &shop, &numbers, 86_400).await;
    let numbers = Arc::new(numbers);
    let next = Arc::new(AtomicU64::new(0));

    // As fast as the tellers can: the saturation.
    let began = Instant::now();
    let over = began + Duration::from_secs(seconds);
    let served = join_all((0..tellers).map(|_| {
        let (bank, numbers, next) = (bank.clone(), numbers.clone(), next.clone());
        tokio::spawn(async move {
            let mut served = 0u64;
            while Instant::now() < over {
                serve(&bank, &numbers[next.fetch_add(1, Ordering::Relaxed) as usize]).await;
                served += 1;
            }
            served
        })
    }))
    .await;
    let served: u64 = served.into_iter().map(Result::unwrap).sum();
    let saturation = served as u32 / u32::try_from(seconds).unwrap();

    // Half of it, each payer when he comes, whether those before him are served or not.
    let pace = (saturation / 2).max(1);
    let gap = Duration::from_secs(1) / pace;
    let began = Instant::now();
    let mut payers = Vec::new();
    for payer in 0..pace * u32::try_from(seconds).unwrap() {
        let due = began + gap * payer;
        tokio::time::sleep_until(due.into()).await;
        let (bank, numbers) = (bank.clone(), numbers.clone());
        let number = next.fetch_add(1, Ordering::Relaxed) as usize;
        payers.push(tokio::spawn(async move { serve(&bank, &numbers[number]).await }));
    }
    let (mut inquiries, mut payments) = (Vec::new(), Vec::new());
    for payer in payers {
        let (inquiry, payment) = payer.await.unwrap();
        inquiries.push(inquiry);
        payments.push(payment);
    }
    let (inquire, pay) = (p99(inquiries), p99(payments));
    println!(
        "{saturation} payers a second with {tellers} tellers; at {pace} a second p99 of inquire {inquire:?}, of pay {pay:?}"
    );
    let bound = Duration::from_millis(300);
    assert!(inquire <= bound && pay <= bound, "inquire {inquire:?}, pay {pay:?}");
    let paid = world.count("select count(*) from payments where status = 'applied'").await;
    let invoices = world.count("select count(*) from invoices where status = 'paid'").await;
    assert_eq!(paid, invoices);
    assert_eq!(paid as u64, served + u64::from(pace) * seconds);
}

/// A payer at the counter: how long the inquiry and the payment took.
async fn serve(bank: &Bank, ktin: &str) -> (Duration, Duration) {
    let asked = Instant::now();
    let quote = bank.call_unchecked("inquire", &bank.inquiry(ktin, &now())).await;
    let inquired = asked.elapsed();
    let mut payment = bank.payment(ktin, "20.00", &now());
    payment["quote_id"] = json!(quote["quote_id"]);
    let told = Instant::now();
    let paid = bank.call_unchecked("pay", &payment).await;
    assert_eq!(paid["result"]["code"], "ok", "{paid}");
    (inquired, told.elapsed())
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}
