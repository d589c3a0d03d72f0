//! A claim, its effect and its saved answer: all of them or none, and once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use domain::account::{Account, Mode};
use domain::invoice::{Invoice, Refusal};
use futures_util::future::join_all;
use store::{Answer, Claim, Error, Once};

use crate::world::*;

/// Asks as [`open_once`] does, but stops at the gate between its effect and its end.
fn ask_and_stop(
    world: &World,
    claim: Claim,
    change: domain::change::Change,
    gate: Gate,
    fails: bool,
) -> tokio::task::JoinHandle<Result<Once<Told>, Stop>> {
    let store = world.store.clone();
    tokio::spawn(async move {
        let work = store.once("open_slowly", Some(claim), move |tx| {
            let (change, gate) = (change.clone(), gate.clone());
            Box::pin(async move {
                tx.save(&[change]).await?;
                gate.stop().await;
                if fails {
                    Err(Stop::Refused(Refusal::AlreadyPaid))
                } else {
                    Ok(Told(answer(b"of the winner")))
                }
            })
        });
        work.await
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_very_bytes_of_the_first_answer() {
    let world = World::new().await;
    // Not even a text: the store never looks into a body.
    let odd: &[u8] = b"{\"amount\": \"15.00\",\r\n\t\"n\":1.50e1}\x00\xff\xfe ";
    for (number, body) in [odd, b""].into_iter().enumerate() {
        let claim = claim(world.owner(), &format!("key-{number}"), 1);
        let change = world.opening(order(&unique("PEDIDO"))).await;

        let first = open_once(&world.store, Some(claim.clone()), change, body).await;
        assert_eq!(first.unwrap(), Once::Done(Told(answer(body))));

        let rows = world.rows().await;
        let again = world.opening(order(&unique("PEDIDO"))).await;
        let second = open_once(&world.store, Some(claim), again, b"another").await;
        assert_eq!(second.unwrap(), Once::Seen(answer(body)));
        assert_eq!(world.rows().await, rows);
    }
    assert_eq!(world.rows().await, [2, 2, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_headers_is_kept_without_them() {
    let world = World::new().await;
    let bare = Answer { status: 200, etag: None, location: None, body: "x".into() };
    let ask = || {
        let (claim, told) = (claim(world.owner(), "bare", 1), Told(bare.clone()));
        world.store.once::<_, Error, _>("bare", Some(claim), move |_| {
            let told = told.clone();
            Box::pin(async move { Ok(told) })
        })
    };
    assert_eq!(ask().await.unwrap(), Once::Done(Told(bare.clone())));
    assert_eq!(ask().await.unwrap(), Once::Seen(bare.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_with_another_request_is_refused() {
    let world = World::new().await;
    let change = world.opening(order("PEDIDO-1")).await;
    let first = open_once(&world.store, Some(claim(world.owner(), "k", 1)), change, b"1").await;
    assert!(matches!(first, Ok(Once::Done(_))));

    let change = world.opening(order("PEDIDO-2")).await;
    let other = open_once(&world.store, Some(claim(world.owner(), "k", 2)), change, b"2").await;
    assert_eq!(other.unwrap(), Once::Reused);
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_account_and_mode() {
    let world = World::new().await;
    let neighbour: Account = shop("Bodega Carmen");
    world.put_account(&neighbour).await;
    let mut stranger = world.owner();
    stranger.account = neighbour.id;
    for owner in [world.owner(), world.owner_in(Mode::Live), stranger] {
        let change = world.opening_of(owner, order("PEDIDO-1")).await;
        let asked = open_once(&world.store, Some(claim(owner, "k", 1)), change, b"1").await;
        assert!(matches!(asked, Ok(Once::Done(_))), "{owner:?}");
    }
    assert_eq!(world.rows().await, [3, 3, 3, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_it_is_just_done() {
    let world = World::new().await;
    let change = world.opening(order("PEDIDO-1")).await;
    let done = open_once(&world.store, None, change, b"1").await;
    assert_eq!(done.unwrap(), Once::Done(Told(answer(b"1"))));
    assert_eq!(world.rows().await, [1, 1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_takes_the_claim_back() {
    let world = World::new().await;
    let claim = claim(world.owner(), "k", 1);
    let change = world.opening(order("PEDIDO-1")).await;
    let gate = Gate::default();
    gate.open();
    let refused = ask_and_stop(&world, claim.clone(), change.clone(), gate, true).await;
    assert!(matches!(refused.unwrap(), Err(Stop::Refused(Refusal::AlreadyPaid))));
    assert_eq!(world.rows().await, [0, 0, 0, 0]);

    let again = open_once(&world.store, Some(claim), change, b"now").await;
    assert_eq!(again.unwrap(), Once::Done(Told(answer(b"now"))));
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_is_running_is_waited_for() {
    let world = World::new().await;
    let claim = claim(world.owner(), "k", 1);
    let gate = Gate::default();
    let change = world.opening(order("PEDIDO-1")).await;
    let winner = ask_and_stop(&world, claim.clone(), change, gate.clone(), false);
    gate.reached().await;

    let store = world.store.clone();
    let change = world.opening(order("PEDIDO-2")).await;
    let loser = tokio::spawn(async move { open_once(&store, Some(claim), change, b"loser").await });
    until("the loser waits", async || world.waiting().await == 1).await;
    gate.open();

    let won = winner.await.unwrap().unwrap();
    assert_eq!(won, Once::Done(Told(answer(b"of the winner"))));
    let lost = loser.await.unwrap().unwrap();
    assert_eq!(lost, Once::Seen(answer(b"of the winner")));
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_twin_that_fails_takes_its_place() {
    let world = World::new().await;
    let claim = claim(world.owner(), "k", 1);
    let gate = Gate::default();
    let change = world.opening(order("PEDIDO-1")).await;
    let failing = ask_and_stop(&world, claim.clone(), change.clone(), gate.clone(), true);
    gate.reached().await;

    let store = world.store.clone();
    let heir = tokio::spawn(async move { open_once(&store, Some(claim), change, b"heir").await });
    until("the heir waits", async || world.waiting().await == 1).await;
    gate.open();

    assert!(matches!(failing.await.unwrap(), Err(Stop::Refused(_))));
    assert_eq!(heir.await.unwrap().unwrap(), Once::Done(Told(answer(b"heir"))));
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_runs_for_long_is_in_progress() {
    let world = World::new().await;
    let claim = claim(world.owner(), "k", 1);
    let gate = Gate::default();
    let change = world.opening(order("PEDIDO-1")).await;
    let winner = ask_and_stop(&world, claim.clone(), change, gate.clone(), false);
    gate.reached().await;

    let asked = Instant::now();
    let change = world.opening(order("PEDIDO-2")).await;
    let loser = open_once(&world.store, Some(claim.clone()), change.clone(), b"loser").await;
    assert!(matches!(loser, Err(Error::InProgress)), "{loser:?}");
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_millis(1_900), "{waited:?}");
    assert!(waited < Duration::from_millis(4_000), "{waited:?}");

    gate.open();
    assert!(matches!(winner.await.unwrap(), Ok(Once::Done(_))));
    let late = open_once(&world.store, Some(claim), change, b"late").await;
    assert_eq!(late.unwrap(), Once::Seen(answer(b"of the winner")));
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
    world.pool_is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_told_and_leaves_nothing() {
    let world = World::new().await;
    let key = claim(world.owner(), "k", 1);
    let change = world.opening(order("PEDIDO-1")).await;
    for _ in 0..CONNECTIONS * 2 {
        let (key, change) = (key.clone(), change.clone());
        let fell = world.store.once::<Told, Error, _>("fall", Some(key), move |tx| {
            let change = change.clone();
            Box::pin(async move {
                tx.save(&[change]).await?;
                panic!("on purpose");
            })
        });
        let fell = fell.await;
        assert!(matches!(fell, Err(Error::Panicked("fall"))), "{fell:?}");
    }
    until("all is rolled back", async || world.in_transaction().await == 0).await;
    assert_eq!(world.rows().await, [0, 0, 0, 0]);

    let again = open_once(&world.store, Some(key), change, b"now").await;
    assert_eq!(again.unwrap(), Once::Done(Told(answer(b"now"))));
    world.pool_is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_forty_at_once_one_runs_and_all_get_its_answer() {
    let world = World::new().await;
    let replicas = [world.store.clone(), world.replica().await];
    let ran = Arc::new(AtomicU32::new(0));
    let asks = (0..40u32).map(|number| {
        let store = replicas[number as usize % 2].clone();
        let (claim, ran) = (claim(world.owner(), "k", 1), ran.clone());
        let new = order("PEDIDO-1");
        let world = &world;
        async move {
            let change = Invoice::open(world.owner(), &world.account, new, store.opening().await.unwrap());
            let work = store.once::<Told, Error, _>("open", Some(claim), move |tx| {
                let (change, ran) = (change.clone(), ran.clone());
                Box::pin(async move {
                    ran.fetch_add(1, Ordering::Relaxed);
                    tx.save(&[change]).await?;
                    Ok(Told(answer(format!("number {number}").as_bytes())))
                })
            });
            work.await.unwrap()
        }
    });
    let mut done = Vec::new();
    let mut seen = Vec::new();
    for once in join_all(asks).await {
        match once {
            Once::Done(Told(answer)) => done.push(answer),
            Once::Seen(answer) => seen.push(answer),
            Once::Reused => panic!("it was the same request"),
        }
    }
    assert_eq!((done.len(), seen.len()), (1, 39));
    assert!(seen.iter().all(|answer| *answer == done[0]));
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
}
