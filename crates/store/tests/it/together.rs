//! Reads that come at the same time share a statement, and nothing else: nobody sees what another asked for.

use std::collections::HashMap;

use domain::account::{Mode, Owner};
use domain::id::InvoiceId;
use domain::invoice::filter::{Filter, Page, Span};
use futures_util::future::join_all;
use store::Error;

use crate::world::*;

const SHOPS: usize = 12;
const EACH: usize = 9;

/// The orders of a page and whether there are more, or the cursor that is unknown.
type Seen = Result<(Vec<InvoiceId>, bool), InvoiceId>;

/// The orders of some shops in both modes, oldest first.
async fn orders(world: &World) -> HashMap<Owner, Vec<InvoiceId>> {
    let mut orders: HashMap<Owner, Vec<InvoiceId>> = HashMap::new();
    let shops: Vec<_> = (0..SHOPS).map(|number| shop(&format!("Bodega {number}"))).collect();
    for shop in &shops {
        world.put_account(shop).await;
    }
    for number in 0..EACH {
        for shop in &shops {
            for mode in [Mode::Test, Mode::Live] {
                let owner = Owner { account: shop.id, mode };
                let invoice = world.open_invoice_of(owner, order(&format!("PEDIDO-{number}"))).await;
                orders.entry(owner).or_default().push(invoice.id);
            }
        }
    }
    orders
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reader_of_a_crowd_finds_his_own_order_and_no_stranger_s() {
    let world = World::new().await;
    let orders = orders(&world).await;
    // Everybody asks for everything: each order of each owner, by the eyes of three.
    let owners: Vec<Owner> = orders.keys().copied().collect();
    let mut asked = Vec::new();
    for (place, owner) in owners.iter().enumerate() {
        for step in [0, 1, 7] {
            let eyes = owners[(place + step) % owners.len()];
            asked.extend(orders[owner].iter().map(|id| (eyes, *id, step == 0)));
        }
    }
    let store = &world.store;
    let found = join_all(asked.iter().map(|(eyes, id, _)| store.invoice(*eyes, *id))).await;
    for ((eyes, id, is_own), found) in asked.into_iter().zip(found) {
        let found = found.unwrap().map(|known| (known.invoice.owner, known.invoice.id));
        assert_eq!(found, is_own.then_some((eyes, id)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_of_a_crowd_is_its_readers_own() {
    let world = World::new().await;
    let orders = orders(&world).await;
    let owners: Vec<Owner> = orders.keys().copied().collect();
    let (ever, tomorrow) = (Span::default(), Some(world.now().plus_seconds(86_400)));
    let mut asked: Vec<(Owner, Span, Page, Seen)> = Vec::new();
    for (place, owner) in owners.iter().enumerate() {
        let own = &orders[owner];
        let newest = |from: usize, until: usize| own[from..until].iter().rev().copied().collect::<Vec<_>>();
        let page = |limit, after, before| Page { limit, after, before };
        let stranger = orders[&owners[(place + 1) % owners.len()]][4];
        asked.extend([
            (*owner, ever, page(4, None, None), Ok((newest(5, 9), true))),
            (*owner, ever, page(9, None, None), Ok((newest(0, 9), false))),
            (*owner, ever, page(4, Some(own[3]), None), Ok((newest(0, 3), false))),
            (*owner, ever, page(4, None, Some(own[1])), Ok((newest(2, 6), true))),
            (*owner, ever, page(4, Some(own[6]), Some(own[1])), Ok((newest(2, 6), false))),
            (*owner, ever, page(4, Some(stranger), None), Err(stranger)),
            (*owner, ever, page(4, None, Some(stranger)), Err(stranger)),
            (*owner, Span { from: None, until: tomorrow }, page(4, None, None), Ok((newest(5, 9), true))),
            (*owner, Span { from: tomorrow, until: None }, page(4, None, None), Ok((Vec::new(), false))),
        ]);
    }
    let store = &world.store;
    let found = join_all(asked.iter().map(|(owner, created, page, _)| {
        store.list_invoices(*owner, Filter { created: *created, ..Filter::default() }, *page)
    }));
    for ((owner, created, page, expected), found) in asked.iter().zip(found.await) {
        let found = found.unwrap().map(|listed| {
            assert!(listed.invoices.iter().all(|invoice| invoice.owner == *owner));
            (listed.invoices.iter().map(|invoice| invoice.id).collect(), listed.has_more)
        });
        assert!(found == *expected, "{created:?} {page:?}: {found:?} instead of {expected:?}");
    }
}

/// Somebody wrote around the domain. Who asks for that row is told so, and his neighbours find theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_can_not_be_read_harms_nobody_else() {
    let world = World::new().await;
    let orders = orders(&world).await;
    let (harmed, own) = orders.iter().next().unwrap();
    world.execute("alter table invoices disable trigger user").await;
    sqlx::query("update invoices set content = '\\x00' where account_id = $1 and livemode = $2 and id = $3")
        .bind(harmed.account.uuid())
        .bind(harmed.mode.is_live())
        .bind(own[8].uuid())
        .execute(&world.sql)
        .await
        .unwrap();
    let all: Vec<_> = orders.iter().map(|(owner, own)| (*owner, own[8])).collect();
    let page = Page { limit: 5, after: None, before: None };
    let (read, listed) = tokio::join!(
        join_all(all.iter().map(|(owner, id)| world.store.invoice(*owner, *id))),
        join_all(all.iter().map(|(owner, _)| world.store.list_invoices(*owner, Filter::default(), page))),
    );
    for (((owner, id), read), listed) in all.iter().zip(read).zip(listed) {
        if owner == harmed {
            let is_corrupt = |error: Option<Error>| matches!(error, Some(Error::Corrupt { table: "invoices", id: row }) if row == id.uuid());
            assert!(is_corrupt(read.err()) && is_corrupt(listed.err()));
        } else {
            assert_eq!(read.unwrap().unwrap().invoice.id, *id);
            assert_eq!(listed.unwrap().unwrap().invoices.len(), 5);
        }
    }
}

/// Every session is cut while a crowd reads: whoever had none yet reads on another.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_whose_connection_dies_reads_on_another() {
    let world = World::new().await;
    let orders = orders(&world).await;
    let all: Vec<_> = orders.iter().flat_map(|(owner, own)| own.iter().map(|id| (*owner, *id))).collect();
    for _ in 0..5 {
        let (owner, id) = all[0];
        assert!(world.store.invoice(owner, id).await.unwrap().is_some(), "there is a session to cut");
        let reading = join_all(all.iter().map(|(owner, id)| world.store.invoice(*owner, *id)));
        let (read, _) = tokio::join!(reading, world.cut_sessions());
        for ((_, id), read) in all.iter().zip(read) {
            assert_eq!(read.unwrap().unwrap().invoice.id, *id);
        }
    }
}
