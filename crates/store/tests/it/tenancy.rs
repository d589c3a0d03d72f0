//! Nobody sees what is another's: to a finder with another owner, an invoice is not there.

use domain::account::{Mode, Owner};
use domain::invoice::draft::NewInvoice;
use domain::invoice::{Invoice, Status};
use domain::time::Moment;
use store::Error;

use crate::world::*;

/// What each finder says of an invoice, by the eyes of `owner`: get, lock, lock_open, twin_of.
async fn finds(world: &World, owner: Owner, invoice: &Invoice) -> [bool; 4] {
    let wanted = invoice.clone();
    let found = world.store.transaction::<[bool; 4], Error, _>("find_every_way", move |tx| {
        let wanted = wanted.clone();
        Box::pin(async move {
            let found = [
                tx.invoices(owner).get(wanted.id).await?,
                tx.invoices(owner).lock(wanted.id).await?,
                tx.invoices(owner).lock_open(&wanted.order.reference).await?,
                tx.invoices(owner).twin_of(&wanted.order).await?,
            ];
            Ok(found.map(|known| {
                known.is_some_and(|known| {
                    assert_eq!(known.invoice.owner, owner);
                    known.invoice.id == wanted.id
                })
            }))
        })
    });
    found.await.unwrap()
}

fn dated(reference: &str) -> NewInvoice {
    NewInvoice { request_datetime: Some(Moment::parse("2026-11-20T15:00:00").unwrap()), ..order(reference) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_there_for_its_owner_alone() {
    let world = World::new().await;
    let neighbour = shop("Bodega Carmen");
    world.put_account(&neighbour).await;
    let owners = [
        world.owner_in(Mode::Test),
        world.owner_in(Mode::Live),
        Owner { account: neighbour.id, mode: Mode::Test },
        Owner { account: neighbour.id, mode: Mode::Live },
    ];
    for owner in owners {
        let invoice = world.open_invoice_of(owner, dated(&unique("PEDIDO"))).await;
        for eyes in owners {
            let found = finds(&world, eyes, &invoice).await;
            assert_eq!(found, [eyes == owner; 4], "{owner:?} by the eyes of {eyes:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reference_and_one_key_may_be_used_by_each_owner() {
    let world = World::new().await;
    let neighbour = shop("Bodega Carmen");
    world.put_account(&neighbour).await;
    let mut creates = Vec::new();
    for account in [world.account.id, neighbour.id] {
        for mode in [Mode::Test, Mode::Live] {
            let owner = Owner { account, mode };
            creates.push(store::Create {
                change: world.opening_of(owner, dated("PEDIDO-1")).await,
                remember: Some((claim(owner, "one-key", 1), answer(b"x"))),
            });
        }
    }
    assert_eq!(world.store.create(creates).await.unwrap().len(), 4);
    assert_eq!(world.rows().await, [4, 4, 4, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_change_finds_nothing_to_change() {
    let world = World::new().await;
    let invoice = world.open_invoice(order("PEDIDO-1")).await;
    let rows = world.rows().await;
    let stolen = Invoice { owner: world.owner_in(Mode::Live), ..invoice.clone() };
    let outcome = world.void(&stolen).await;
    assert!(matches!(outcome, Err(Stop::Absent)), "{:?}", outcome.err());

    // Nor does a change that somebody made up: no row of that owner has the version it was made from.
    let made_up = stolen.void(world.store.stamp(world.now()).unwrap()).unwrap();
    let saved = world.store.transaction::<(), Error, _>("void", move |tx| {
        let made_up = made_up.clone();
        Box::pin(async move { tx.save(&[made_up]).await })
    });
    assert!(matches!(saved.await, Err(Error::Stale)));
    assert_eq!(world.rows().await, rows);
    let untouched = world.find(invoice.owner, invoice.id).await.unwrap();
    assert_eq!((untouched.version, untouched.status), (1, Status::Pending));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_is_open_while_pending_or_paid_and_its_twins_are_known_for_ever() {
    let world = World::new().await;
    let owner = world.owner();
    let invoice = world.open_invoice(dated("PEDIDO-1")).await;
    assert_eq!(finds(&world, owner, &invoice).await, [true; 4]);
    world.pay(&invoice, invoice.created).await.unwrap();
    assert_eq!(finds(&world, owner, &invoice).await, [true; 4]);

    let voided = world.open_invoice(dated("PEDIDO-2")).await;
    world.void(&voided).await.unwrap();
    assert_eq!(finds(&world, owner, &voided).await, [true, true, false, true]);

    // Without the merchant's clock there is no telling a delayed repeat from a new wish.
    let undated = world.open_invoice(order("PEDIDO-3")).await;
    assert_eq!(finds(&world, owner, &undated).await, [true, true, true, false]);
}
