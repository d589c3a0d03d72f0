//! Everything at once to one invoice: two banks take its money, its merchant amends and voids it, and its time runs out.
//!
//! A short form for every day and a long one: `KASHIO_LONG=1`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::time::Moment;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::now;
use crate::bank_histories::{Town, asks, books_balance, seed};
use crate::keys_under_load::either;
use crate::world::{INVOICES, order};

/// Invoices that are raced for at the same time.
const AT_ONCE: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn two_payments_an_amendment_a_voiding_and_the_expiry_at_once_leave_the_books_balanced() {
    let (wanted, began) = (either(300, 10_000), Instant::now());
    let town = Town::start().await;
    let mut random = StdRng::seed_from_u64(seed("races"));
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    for batch in 0..wanted / AT_ONCE {
        let mut racers: Vec<BoxFuture<'_, String>> = Vec::new();
        for number in 0..AT_ONCE {
            let made = town.shop.create(&order(&format!("{batch}-{number}"))).await.json();
            let (id, ktin) =
                (made["id"].as_str().unwrap().to_owned(), made["ktin"].as_str().unwrap().to_owned());
            if random.random_bool(0.3) {
                let asked = town.banks[0].call("inquire", town.banks[0].inquiry(&ktin, &now())).await;
                assert_eq!(asked.code(), "ok");
            }
            if random.random_bool(0.4) {
                town.runs_out(&id).await;
            }
            for bank in 0..2 {
                // Its time was over five seconds ago, if it is.
                let ago = *[0, 30].choose(&mut random).unwrap();
                let at = Moment::parse_zoned(&now()).unwrap().plus_seconds(-ago);
                let amount = *["20.00", "20.00", "30.00"].choose(&mut random).unwrap();
                let mut said = town.banks[bank].payment(&ktin, amount, &format!("{at}Z"));
                said["cash_taken"] = json!(random.random::<bool>());
                let bank = town.bank(bank, random.random());
                let pays = async move { format!("pay {}", bank.insists("pay", said).await.code()) };
                racers.push(pays.boxed());
            }
            let path = format!("{INVOICES}/{id}");
            let wishes =
                [(Method::PATCH, Some(json!({ "amount": "30.00" }))), (Method::DELETE, None::<Value>)];
            for (method, wish) in wishes {
                let (shop, path) = (town.shop_at(random.random()), path.clone());
                let asks = async move {
                    let wish = wish.map(|wish| wish.to_string());
                    let answer = asks(&shop, &method, &path, wish.as_deref()).await;
                    assert!(matches!(answer.status, 200 | 409), "{}", answer.text);
                    format!("{method} {}", answer.status)
                };
                racers.push(asks.boxed());
            }
            let store = if random.random() { &town.other.store } else { &town.world.running().store };
            racers.push(async { format!("expire {:?}", store.expire_due(1).await) }.boxed());
        }
        racers.shuffle(&mut random);
        for code in join_all(racers).await {
            *codes.entry(code).or_default() += 1;
        }
    }
    books_balance(&town.world).await;
    println!("{wanted} invoices in {:?}: {codes:?}", began.elapsed());
    for outcome in ["pay ok", "pay voided", "pay expired", "pay amount_mismatch", "DELETE 200", "PATCH 200"] {
        assert!(codes.contains_key(outcome), "{outcome} never happened: {codes:?}");
    }
    for status in ["paid", "voided", "expired"] {
        let count: i64 = sqlx::query_scalar("select count(*) from invoices where status = $1")
            .bind(status)
            .fetch_one(&town.world.sql)
            .await
            .unwrap();
        assert!(count > 0, "none ended {status}");
    }
    town.other.stop(Duration::ZERO).await;
}

impl Town {
    /// An invoice's time was over five seconds ago; nobody has stored that yet.
    async fn runs_out(&self, id: &str) {
        let id = domain::id::InvoiceId::parse(id, self.shop.mode).unwrap();
        let mut transaction = self.world.sql.begin().await.unwrap();
        // Without the trigger, which lets nobody but a verb change an invoice.
        sqlx::query("set local session_replication_role = replica").execute(&mut *transaction).await.unwrap();
        sqlx::query(
            "update invoices set expires = date_trunc('second', now()) - interval '5 s' where id = $1",
        )
        .bind(id.uuid())
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.commit().await.unwrap();
    }
}
