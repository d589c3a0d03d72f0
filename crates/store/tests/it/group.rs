//! Creates that come at the same time share a commit, and nothing else: not their fate, and not their faults.

use std::time::{Duration, Instant};

use domain::account::Mode;
use domain::id::InvoiceId;
use futures_util::future::join_all;
use store::{Create, Error, Grouped};

use crate::world::*;

fn id(create: &Create) -> InvoiceId {
    opened(&create.change).id
}

async fn creates(world: &World, name: &str, many: usize) -> Vec<Create> {
    let mut creates = Vec::new();
    for number in 0..many {
        let change = world.opening(order(&format!("{name}-{number}"))).await;
        let claim = claim(world.owner(), &format!("{name}-key-{number}"), 1);
        creates.push(Create { change, remember: Some((claim, answer(b"opened"))) });
    }
    creates
}

async fn hand_in(world: &World, creates: Vec<Create>) -> Vec<Result<Grouped, Error>> {
    join_all(creates.into_iter().map(|create| world.store.create_in_group(create))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_share_commits() {
    let world = World::new().await;
    let all = creates(&world, "P", 300).await;
    for fate in hand_in(&world, all).await {
        assert_eq!(fate.unwrap(), Grouped::Opened);
    }
    assert_eq!(world.rows().await, [300, 300, 300, 0]);
    let commits = world.count("select count(distinct xmin::text) from invoices").await;
    assert!((1..=100).contains(&commits), "{commits} commits of 300 invoices");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_seen_before_goes_alone_and_the_neighbours_do_not() {
    let world = World::new().await;
    let mut all = creates(&world, "P", 20).await;
    let known = creates(&world, "P", 1).await.remove(0);
    assert_eq!(hand_in(&world, vec![known]).await.remove(0).unwrap(), Grouped::Opened);
    // The same reference twice, and another one with a used key.
    let twin = creates(&world, "P", 8).await.remove(7);
    let mut used = creates(&world, "Q", 1).await.remove(0);
    used.remember = all[3].remember.clone();
    all.extend([twin, used]);
    let ids: Vec<InvoiceId> = all.iter().map(id).collect();
    let fates = hand_in(&world, all).await;
    assert_eq!(*fates[0].as_ref().unwrap(), Grouped::Seen(answer(b"opened")), "opened before");
    let mut opened = 1;
    for (id, fate) in ids.iter().zip(&fates) {
        let found = world.find(world.owner(), *id).await.is_some();
        assert_eq!(found, *fate.as_ref().unwrap() == Grouped::Opened);
        opened += i64::from(found);
    }
    assert_eq!(opened, 20, "each reference once");
    assert_eq!(world.rows().await, [20, 20, 20, 0]);
}

/// Who repeats himself has his answer at once; who uses his key for something else, or has none, is judged alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_answer_to_its_own_request() {
    let world = World::new().await;
    let first = creates(&world, "P", 1).await.remove(0);
    assert_eq!(hand_in(&world, vec![first]).await.remove(0).unwrap(), Grouped::Opened);
    let mut all = Vec::new();
    for request in [1, 1, 2] {
        let change = world.opening(order("P-0")).await;
        all.push(Create {
            change,
            remember: Some((claim(world.owner(), "P-key-0", request), answer(b"other"))),
        });
    }
    all.push(Create { change: world.opening(order("P-0")).await, remember: None });
    let stranger = claim(world.owner_in(Mode::Live), "P-key-0", 1);
    all.push(Create {
        change: world.opening(order("P-0")).await,
        remember: Some((stranger, answer(b"other"))),
    });
    let fates: Vec<Grouped> = hand_in(&world, all).await.into_iter().map(Result::unwrap).collect();
    let seen = Grouped::Seen(answer(b"opened"));
    assert_eq!(fates, [seen.clone(), seen, Grouped::Alone, Grouped::Alone, Grouped::Alone]);
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
}

/// A plan that was made when there was nothing is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_planned_anew_from_time_to_time() {
    let world = World::new().await;
    for round in 0..3 {
        for create in creates(&world, &format!("R{round}"), 12).await {
            assert_eq!(world.store.create_in_group(create).await.unwrap(), Grouped::Opened);
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    assert_eq!(world.rows().await, [36, 36, 36, 0]);
}

/// Somebody else is in the middle of opening the same reference, and takes his time.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_does_not_wait_for_a_stranger() {
    let world = World::new().await;
    let mut other = world.sql.begin().await.unwrap();
    let mut all = creates(&world, "P", 10).await;
    let stranger = creates(&world, "P", 1).await.remove(0);
    let invoice = opened(&stranger.change).clone();
    sqlx::query(
        "insert into invoices (account_id, livemode, id, created, invoice_id, size_qr, ktin, token, late_fee_rule, content,
                               currency, sub_total, expires, status, version)
         values ($1, $2, $3, now(), $4, 5, $5, $6, '{\"type\": \"none\"}', '\\x00', 'PEN', 100,
                 now() + interval '1 day', 'pending', 1)",
    )
    .bind(invoice.owner.account.uuid())
    .bind(invoice.owner.mode.is_live())
    .bind(invoice.id.uuid())
    .bind(invoice.order.reference.as_str())
    .bind(invoice.order.ktin.number())
    .bind(invoice.order.token.as_str())
    .execute(&mut *other)
    .await
    .unwrap();
    let began = Instant::now();
    let blocked = all.remove(0);
    let fate = world.store.create_in_group(blocked).await.unwrap();
    assert_eq!(fate, Grouped::Alone);
    assert!(began.elapsed() >= Duration::from_millis(90), "it did wait: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_millis(1_500), "and not for long: {:?}", began.elapsed());
    // Those who come next are not held up by it.
    for fate in hand_in(&world, all).await {
        assert_eq!(fate.unwrap(), Grouped::Opened);
    }
    other.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_replaced_and_its_group_goes_alone() {
    let world = World::new().await;
    let sessions = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                    where datname = current_database() and query like '%patience%' and pid <> pg_backend_pid()";
    for round in 0..5 {
        let all = creates(&world, &format!("P{round}"), 4).await;
        for fate in hand_in(&world, all).await {
            assert_eq!(fate.unwrap(), Grouped::Opened);
        }
        assert!(world.count(sessions).await >= 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Each of the dead connections is met once.
        let mut opened = false;
        for attempt in 0..3 {
            let one = creates(&world, &format!("Q{round}-{attempt}"), 1).await;
            let fate = hand_in(&world, one).await.remove(0).unwrap();
            opened |= fate == Grouped::Opened;
        }
        assert!(opened, "nothing is opened any more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_commits_what_waits_and_refuses_what_comes() {
    let world = World::new().await;
    let all = creates(&world, "P", 200).await;
    let late = creates(&world, "L", 1).await.remove(0);
    let waiting = tokio::spawn({
        let store = world.store.clone();
        async move { join_all(all.into_iter().map(|create| store.create_in_group(create))).await }
    });
    tokio::task::yield_now().await;
    world.store.close().await;
    let fates = waiting.await.unwrap();
    let opened = fates.iter().filter(|fate| matches!(fate, Ok(Grouped::Opened))).count();
    for fate in &fates {
        assert!(matches!(fate, Ok(Grouped::Opened) | Err(Error::Unavailable(_))), "{fate:?}");
    }
    let rows = world.count("select count(*) from invoices").await;
    assert_eq!(usize::try_from(rows).unwrap(), opened);
    let refused = world.store.create_in_group(late).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_alone_does_not_wait_for_company() {
    let world = World::new().await;
    let mut took = Vec::new();
    for create in creates(&world, "P", 30).await {
        let began = Instant::now();
        assert_eq!(world.store.create_in_group(create).await.unwrap(), Grouped::Opened);
        took.push(began.elapsed());
    }
    took.sort();
    assert!(took[15] < Duration::from_millis(50), "{took:?}");
}
