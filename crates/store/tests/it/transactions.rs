//! Transactions outlive their callers, lost races and lost connections; what fails leaves nothing.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use domain::invoice::{Amendment, Invoice, Status};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::{Error, Once};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::*;

/// launchbadge/sqlx#4393: a caller that vanishes must not leave a session inside its transaction.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_callers_vanish_and_no_session_is_left_in_a_transaction() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::new().await;
    let mut vanished = 0;
    for _ in 0..50 {
        let mut callers = Vec::new();
        for _ in 0..10 {
            let change = world.opening(order(&unique("PEDIDO"))).await;
            let key = claim(world.owner(), &unique("key"), 1);
            let store = world.store.clone();
            let patience = Duration::from_micros(random.random_range(0..6_000));
            let call = tokio::spawn(async move { open_once(&store, Some(key), change, b"x").await });
            callers.push(tokio::spawn(async move {
                tokio::time::sleep(patience).await;
                call.abort();
                match call.await {
                    Ok(done) => {
                        assert!(matches!(done, Ok(Once::Done(_))), "{done:?}");
                        false
                    }
                    Err(error) => {
                        assert!(error.is_cancelled());
                        true
                    }
                }
            }));
        }
        for caller in callers {
            vanished += i64::from(caller.await.unwrap());
        }
        // Sooner than Postgres itself would end an idle transaction: after five seconds.
        until_within(Duration::from_secs(4), "every session is out of its transaction", async || {
            world.in_transaction().await == 0
        })
        .await;
    }
    println!("{vanished} of 500 vanished");
    assert!(vanished > 0, "nobody vanished");

    let [invoices, events, claims, payments] = world.rows().await;
    assert!(invoices >= 500 - vanished, "whoever stayed was served");
    assert_eq!([events, claims, payments], [invoices, invoices, 0]);
    world.pool_is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_of_a_caller_that_vanished_is_done_all_the_same() {
    let world = World::new().await;
    let change = world.opening(order("PEDIDO-1")).await;
    let gate = Gate::default();
    let (store, stopping) = (world.store.clone(), gate.clone());
    let caller = tokio::spawn(async move {
        let work = store.transaction::<(), Error, _>("open", move |tx| {
            let (change, gate) = (change.clone(), stopping.clone());
            Box::pin(async move {
                gate.stop().await;
                tx.save(&[change]).await
            })
        });
        work.await
    });
    gate.reached().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.open();
    until("it is written", async || world.rows().await == [1, 1, 0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_what_is_running() {
    let world = World::new().await;
    let change = world.opening(order("PEDIDO-1")).await;
    let gate = Gate::default();
    let (store, stopping) = (world.store.clone(), gate.clone());
    let caller = tokio::spawn(async move {
        let work = store.transaction::<(), Error, _>("open", move |tx| {
            let (change, gate) = (change.clone(), stopping.clone());
            Box::pin(async move {
                gate.stop().await;
                tx.save(&[change]).await
            })
        });
        work.await
    });
    gate.reached().await;
    let mut closing = Box::pin(world.store.close());
    assert!(futures_util::poll!(&mut closing).is_pending());
    gate.open();
    closing.await;
    assert!(caller.await.unwrap().is_ok());
    assert_eq!(world.rows().await, [1, 1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_saw_an_old_version_runs_again_and_sees_the_new_one() {
    let world = World::new().await;
    let invoice = world.open_invoice(order("PEDIDO-1")).await;
    let (owner, id) = (invoice.owner, invoice.id);
    let runs = Arc::new(AtomicU32::new(0));
    let gate = Gate::default();

    let (store, counted, stopping) = (world.store.clone(), runs.clone(), gate.clone());
    let slow = tokio::spawn(async move {
        let work = store.transaction::<u32, Stop, _>("void_without_lock", move |tx| {
            let (runs, gate) = (counted.clone(), stopping.clone());
            Box::pin(async move {
                let known = tx.invoices(owner).get(id).await?.ok_or(Stop::Absent)?;
                if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                    gate.stop().await;
                }
                let stamp = tx.store().stamp(known.at)?;
                let change = known.invoice.void(stamp).map_err(Stop::Refused)?;
                tx.save(slice::from_ref(&change)).await?;
                Ok(known.invoice.version)
            })
        });
        work.await
    });
    gate.reached().await;
    let wish = Amendment { amount: Some(money("99.00")), ..Amendment::default() };
    world.amend(&invoice, wish).await.unwrap();
    gate.open();

    assert_eq!(slow.await.unwrap().unwrap(), 2, "the version that was voided");
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    let now = world.find(owner, id).await.unwrap();
    assert_eq!((now.version, now.status), (3, Status::Voided));
    assert_eq!(now.terms.sub_total, money("99.00"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_change_takes_everything_beside_it_back() {
    let world = World::new().await;
    let fresh = world.open_invoice(order("PEDIDO-1")).await;
    let stale = world.open_invoice(order("PEDIDO-2")).await;
    world.void(&stale).await.unwrap();
    let rows = world.rows().await;

    let in_time = fresh.created;
    let payment = world.bank_took(&fresh, in_time);
    let stamp = || world.store.stamp(world.now()).unwrap();
    let changes = [
        world.opening(order("PEDIDO-3")).await,
        fresh.pay(payment, stamp()).unwrap(),
        // As it was before it was voided.
        stale.void(stamp()).unwrap(),
    ];
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let saved = world.store.transaction::<(), Error, _>("save_all", move |tx| {
        let (changes, runs) = (changes.clone(), counted.clone());
        Box::pin(async move {
            runs.fetch_add(1, Ordering::Relaxed);
            tx.save(&changes).await
        })
    });
    let saved = saved.await;
    assert!(matches!(saved, Err(Error::Stale)), "{saved:?}");
    assert!((2..=16).contains(&runs.load(Ordering::Relaxed)), "it ran again, within bounds");

    assert_eq!(world.rows().await, rows);
    let untouched = world.find(fresh.owner, fresh.id).await.unwrap();
    assert_eq!((untouched.version, untouched.status), (1, Status::Pending));
    world.pool_is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_wait_for_each_other_both_end_well() {
    let world = World::new().await;
    let first = world.open_invoice(order("PEDIDO-1")).await;
    let second = world.open_invoice(order("PEDIDO-2")).await;
    let both_hold_one = Arc::new(tokio::sync::Barrier::new(2));
    let lock_both = |one: Invoice, other: Invoice| {
        let (store, barrier) = (world.store.clone(), both_hold_one.clone());
        let tries = Arc::new(AtomicU32::new(0));
        tokio::spawn(async move {
            let work = store.transaction::<(), Error, _>("lock_both", move |tx| {
                let (owner, one, other) = (one.owner, one.id, other.id);
                let (barrier, tries) = (barrier.clone(), tries.clone());
                Box::pin(async move {
                    tx.invoices(owner).lock(one).await?;
                    if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                        barrier.wait().await;
                    }
                    tx.invoices(owner).lock(other).await?;
                    Ok(())
                })
            });
            work.await
        })
    };
    let tasks = [lock_both(first.clone(), second.clone()), lock_both(second, first)];
    for task in tasks {
        let done = task.await.unwrap();
        assert!(done.is_ok(), "{done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_postgres_the_first_write_and_the_first_read_succeed() {
    let world = World::new().await;
    let invoice = world.open_invoice(order("PEDIDO-0")).await;
    for round in 0..5 {
        // Every connection of the pool is open, then dead.
        world.pool_is_well().await;
        let cut = world.cut_sessions().await;
        assert!(cut >= i64::from(CONNECTIONS), "{cut} sessions only");
        if round % 2 == 0 {
            let found = world.find(invoice.owner, invoice.id).await;
            assert!(found.is_some());
        } else {
            world.open_invoice(order(&format!("PEDIDO-{round}"))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_the_middle_is_replaced_and_the_work_runs_again() {
    let world = World::new().await;
    let runs = Arc::new(AtomicU32::new(0));
    let gate = Gate::default();
    let change = world.opening(order("PEDIDO-1")).await;
    let (store, counted, stopping) = (world.store.clone(), runs.clone(), gate.clone());
    let key = claim(world.owner(), "k", 1);
    let caller = tokio::spawn(async move {
        let work = store.once::<Told, Error, _>("open", Some(key), move |tx| {
            let (change, runs, gate) = (change.clone(), counted.clone(), stopping.clone());
            Box::pin(async move {
                tx.save(slice::from_ref(&change)).await?;
                if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                    gate.stop().await;
                }
                Ok(Told(answer(b"x")))
            })
        });
        work.await
    });
    gate.reached().await;
    world.cut_sessions().await;
    gate.open();
    let done = caller.await.unwrap();
    assert_eq!(done.unwrap(), Once::Done(Told(answer(b"x"))));
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
    world.pool_is_well().await;
}

/// What a wire does to a COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaks {
    /// It breaks before Postgres hears of it.
    Before,
    /// Postgres commits, and its answer is lost.
    After,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_has_one_effect() {
    for breaks in [Breaks::Before, Breaks::After] {
        let world = World::new().await;
        let armed = Arc::new(AtomicBool::new(false));
        let wire = wire(&world, armed.clone(), breaks).await;
        let store = open(&world.connect.clone().host("127.0.0.1").port(wire)).await;
        let change = world.opening(order("PEDIDO-1")).await;
        let runs = Arc::new(AtomicU32::new(0));
        let (counted, key) = (runs.clone(), claim(world.owner(), "k", 1));
        armed.store(true, Ordering::SeqCst);
        let done = store.once::<Told, Error, _>("open", Some(key), move |tx| {
            let (change, runs) = (change.clone(), counted.clone());
            Box::pin(async move {
                runs.fetch_add(1, Ordering::Relaxed);
                tx.save(&[change]).await?;
                Ok(Told(answer(b"x")))
            })
        });
        let done = done.await.unwrap();
        assert!(!armed.load(Ordering::SeqCst), "the wire never broke");
        match breaks {
            Breaks::Before => assert_eq!(done, Once::Done(Told(answer(b"x")))),
            Breaks::After => assert_eq!(done, Once::Seen(answer(b"x"))),
        }
        let expected = if breaks == Breaks::Before { 2 } else { 1 };
        assert_eq!(runs.load(Ordering::Relaxed), expected, "{breaks:?}");
        assert_eq!(world.rows().await, [1, 1, 1, 0], "{breaks:?}");
    }
}

/// A wire to Postgres that breaks at the first COMMIT once it is armed. Its port.
async fn wire(world: &World, armed: Arc<AtomicBool>, breaks: Breaks) -> u16 {
    let server = (world.connect.get_host().to_owned(), world.connect.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server.clone()).await.unwrap();
            let armed = armed.clone();
            // Ends with an error when either side hangs up.
            tokio::spawn(async move { carry(client, server, &armed, breaks).await });
        }
    });
    port
}

async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    armed: &AtomicBool,
    breaks: Breaks,
) -> std::io::Result<()> {
    let (mut asked, mut answered) = ([0; 65_536], [0; 65_536]);
    loop {
        tokio::select! {
            length = client.read(&mut asked) => {
                let asked = &asked[..length?];
                let commits = asked.windows(6).any(|word| word == b"COMMIT");
                let cut = commits && armed.swap(false, Ordering::SeqCst);
                if cut && breaks == Breaks::Before {
                    return Ok(());
                }
                server.write_all(asked).await?;
                if cut {
                    let _committed = server.read(&mut answered).await?;
                    return Ok(());
                }
                if asked.is_empty() {
                    return Ok(());
                }
            }
            length = server.read(&mut answered) => {
                let length = length?;
                if length == 0 {
                    return Ok(());
                }
                client.write_all(&answered[..length]).await?;
            }
        }
    }
}
