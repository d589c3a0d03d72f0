//! Opening invoices, many in one statement: what is new is opened, what has been seen writes nothing.

use std::collections::HashSet;

use domain::account::{Account, Mode};
use domain::change::Change;
use domain::customer::Customer;
use domain::invoice::draft::NewInvoice;
use domain::invoice::{Invoice, Status};
use domain::late_fee::LateFee;
use domain::metadata::Verbatim;
use domain::money::{Amount, Currency};
use domain::reference::Reference;
use domain::time::Moment;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::{Create, Error, Once};

use crate::world::*;

fn remembered(world: &World, change: Change, key: &str) -> Create {
    let body = format!("answer of {key}");
    Create { change, remember: Some((claim(world.owner(), key, 1), answer(body.as_bytes()))) }
}

fn ids(creates: &[Create]) -> HashSet<domain::id::InvoiceId> {
    creates.iter().map(|create| opened(&create.change).id).collect()
}

/// An order that names the merchant's clock, so that a delayed repeat of it is known.
fn dated(reference: &str) -> NewInvoice {
    NewInvoice { request_datetime: Some(Moment::parse("2026-11-20T15:00:00").unwrap()), ..order(reference) }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_are_fifty_invoices_events_and_saved_answers() {
    let world = World::new().await;
    let mut creates = Vec::new();
    for number in 0..50 {
        let change = world.opening(dated(&format!("PEDIDO-{number}"))).await;
        creates.push(remembered(&world, change, &format!("key-{number}")));
    }
    let fresh = world.store.create(creates.clone()).await.unwrap();
    assert_eq!(fresh, ids(&creates));
    assert_eq!(world.rows().await, [50, 50, 50, 0]);
    let told = world
        .count(
            "select count(*) from events join invoices on invoices.id = events.invoice
               and invoices.account_id = events.account_id and invoices.livemode = events.livemode
             where type = 'invoice.created' and events.created = invoices.created and payment is null
               and facts->>'status' = 'pending' and (facts->>'version')::int = 1",
        )
        .await;
    assert_eq!(told, 50);

    // A repeat of one of them gets the answer that was saved with it.
    let repeat = world.opening(dated("PEDIDO-7")).await;
    let key = Some(claim(world.owner(), "key-7", 1));
    let seen = open_once(&world.store, key, repeat, b"another").await;
    assert_eq!(seen.unwrap(), Once::Seen(answer(b"answer of key-7")));

    // And all of them again, with other ids, open nothing.
    for create in &mut creates {
        let reference = opened(&create.change).order.reference.clone();
        create.change = world.opening(dated(reference.as_str())).await;
    }
    assert!(world.store.create(creates).await.unwrap().is_empty());
    assert_eq!(world.rows().await, [50, 50, 50, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_open_is_fine() {
    let world = World::new().await;
    assert!(world.store.create(Vec::new()).await.unwrap().is_empty());
    assert_eq!(world.rows().await, [0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_been_seen_is_left_out_and_the_others_are_opened() {
    let world = World::new().await;
    let pending = world.open_invoice(order("OPEN")).await;
    let paid = world.open_invoice(order("PAID")).await;
    world.pay(&paid, paid.created).await.unwrap();
    let voided = world.open_invoice(dated("VOIDED")).await;
    world.void(&voided).await.unwrap();
    let past = NewInvoice { expires: Some(world.now().plus_seconds(-60)), ..dated("EXPIRED") };
    let expired = world.open_invoice(past.clone()).await;
    world.expire(&expired).await.unwrap();
    let used = world.opening(order("USED")).await;
    let used = remembered(&world, used, "used-key");
    assert_eq!(world.store.create(vec![used]).await.unwrap().len(), 1);
    let before = world.rows().await;

    let mut creates = Vec::new();
    for number in 0..44 {
        let change = world.opening(dated(&format!("NEW-{number}"))).await;
        creates.push(remembered(&world, change, &format!("key-{number}")));
    }
    // A reference whose earlier invoice is voided is free again, for another request.
    creates.push(silent(world.opening(order("VOIDED")).await));
    let fresh = ids(&creates);
    let twin_of_pending = world.opening(dated("OPEN")).await;
    let seen = [
        remembered(&world, twin_of_pending, "key-of-twin"),
        silent(world.opening(order("PAID")).await),
        silent(world.opening(dated("VOIDED")).await),
        silent(world.opening(past).await),
        remembered(&world, world.opening(order("USED-AGAIN")).await, "used-key"),
    ];
    for (number, create) in seen.into_iter().enumerate() {
        creates.insert(number * 9, create);
    }
    assert_eq!(creates.len(), 50);

    let opened = world.store.create(creates).await.unwrap();
    assert_eq!(opened, fresh);
    let after = world.rows().await;
    assert_eq!(after[0] - before[0], 45);
    assert_eq!(after[1] - before[1], 45);
    assert_eq!(after[2] - before[2], 44, "claims only of those that were opened");
    assert_eq!(after[3], before[3]);
    let untouched = world.find(pending.owner, pending.id).await.unwrap();
    assert_eq!((untouched.version, untouched.status), (1, Status::Pending));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_of_one_reference_in_a_slice_one_is_opened() {
    let world = World::new().await;
    let mut creates = Vec::new();
    for key in ["a", "b"] {
        let change = world.opening(order("PEDIDO-1")).await;
        creates.push(remembered(&world, change, key));
    }
    assert_eq!(world.store.create(creates).await.unwrap().len(), 1);
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_fails_writes_nothing() {
    let world = World::new().await;
    let mut creates = Vec::new();
    for number in 0..5 {
        let change = world.opening(order(&format!("PEDIDO-{number}"))).await;
        // Two with one key: the claims of a slice are inserted without mercy.
        creates.push(remembered(&world, change, &format!("key-{}", number % 4)));
    }
    assert!(world.store.create(creates.clone()).await.is_err());
    assert_eq!(world.rows().await, [0, 0, 0, 0]);

    // Each alone: the four keys have four effects.
    for create in creates {
        let alone = world.store.create(vec![create]).await;
        assert!(alone.is_ok(), "{alone:?}");
    }
    assert_eq!(world.rows().await, [4, 4, 4, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_at_once_of_one_reference_one_is_opened() {
    let world = World::new().await;
    let replicas = [world.store.clone(), world.replica().await];
    let mut creates = Vec::new();
    for number in 0..64 {
        let create = silent(world.opening(order("PEDIDO-1")).await);
        creates.push(replicas[number % 2].create(vec![create]));
    }
    let opened: usize = join_all(creates).await.into_iter().map(|opened| opened.unwrap().len()).sum();
    assert_eq!(opened, 1);
    assert_eq!(world.rows().await, [1, 1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_at_once_with_one_key_one_is_opened_and_all_get_its_answer() {
    let world = World::new().await;
    let replicas = [world.store.clone(), world.replica().await];
    let mut callers = Vec::new();
    for number in 0..64 {
        let change = world.opening(order(&format!("PEDIDO-{number}"))).await;
        let store = replicas[number % 2].clone();
        let create = remembered(&world, change.clone(), "one-key");
        let key = claim(world.owner(), "one-key", 1);
        // As a handler does it: whoever is left out, or fails, goes alone.
        callers.push(async move {
            match store.create(vec![create]).await {
                Ok(opened) if opened.len() == 1 => None,
                Ok(_) | Err(Error::Conflict(_)) => Some(open_once(&store, Some(key), change, b"alone").await),
                Err(error) => panic!("{error:?}"),
            }
        });
    }
    let mut first = 0;
    for alone in join_all(callers).await {
        match alone {
            None => first += 1,
            Some(alone) => assert_eq!(alone.unwrap(), Once::Seen(answer(b"answer of one-key"))),
        }
    }
    assert_eq!(first, 1);
    assert_eq!(world.rows().await, [1, 1, 1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_that_cross_each_other_open_each_reference_once() {
    let world = World::new().await;
    let replicas = [world.store.clone(), world.replica().await];
    let mut slices = Vec::new();
    for slice in 0..16 {
        let mut creates = Vec::new();
        for number in 0..20 {
            // Half of them forwards, half backwards.
            let place = if slice % 2 == 0 { number } else { 19 - number };
            creates.push(silent(world.opening(order(&format!("PEDIDO-{place}"))).await));
        }
        slices.push(replicas[slice % 2].create(creates));
    }
    let opened: usize = join_all(slices).await.into_iter().map(|opened| opened.unwrap().len()).sum();
    assert_eq!(opened, 20);
    assert_eq!(world.rows().await, [20, 20, 0, 0]);
}

/// Every field but `canonical`, which is not stored.
fn assert_same(stored: &Invoice, given: &Invoice) {
    assert_eq!(stored.id, given.id);
    assert_eq!(stored.owner, given.owner);
    assert_eq!(stored.created, given.created);
    assert_eq!(stored.terms, given.terms);
    assert_eq!(stored.status, given.status);
    assert_eq!(stored.version, given.version);
    let (stored, given) = (&stored.order, &given.order);
    assert_eq!(stored.reference, given.reference);
    assert_eq!(stored.request_datetime, given.request_datetime);
    // A customer is nobody's to print.
    assert!(stored.customer == given.customer, "the customer differs");
    let text = |json: &Option<Verbatim>| json.as_ref().map(|json| json.text.clone());
    assert_eq!(text(&stored.sub_merchant), text(&given.sub_merchant));
    assert_eq!(text(&stored.metadata), text(&given.metadata));
    assert_eq!(stored.url_success, given.url_success);
    assert_eq!(stored.url_error, given.url_error);
    assert_eq!(stored.size_qr, given.size_qr);
    assert_eq!(stored.ktin, given.ktin);
    assert_eq!(stored.token, given.token);
    assert_eq!(stored.late_fee, given.late_fee);
    assert_eq!(stored.content, given.content);
}

fn verbatim(text: &str) -> Verbatim {
    Verbatim { text: text.to_owned(), canonical: text.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_back_is_what_was_opened_to_the_space() {
    let mut world = World::new().await;
    world.account = Account { late_fee: LateFee::PercentPerDay { percent_e4: 500 }, ..world.account };
    let new = NewInvoice {
        currency: Currency::Usd,
        amount: Amount::MAX,
        request_datetime: Some(Moment::parse("2026-11-20T15:00:00").unwrap()),
        due: Some(Moment::parse("2026-11-23T04:59:59").unwrap()),
        expires: Some(Moment::parse("2027-01-01T05:00:00").unwrap()),
        customer: Some(Customer {
            name: Some("José Ñahui \"El Rápido\" 🦙".to_owned()),
            email: Some("jose@example.pe".to_owned()),
            phone: Some("+519996666".to_owned()),
            document_type: Some("dni".to_owned()),
            document_id: Some("00203040".to_owned()),
            external_id: Some("'; drop table invoices; --".to_owned()),
        }),
        sub_merchant: Some(verbatim("{}")),
        url_success: Some("https://tienda.pe/gracias?a=1&b=%C3%B1#fin".to_owned()),
        url_error: Some("http://tienda.pe".to_owned()),
        metadata: Some(verbatim(
            "{ \"b\" :1.50e1,\r\n\t\"a\":  15.00, \"a2\": -0, \"ñ\":\"\\u00f1 \\\"🦙\\\"\", \"z\":[ ], \"b3\":1E+2 }",
        )),
        size_qr: Some(1_000),
        ..order("Ñandú  №7\t' \" \\ {a,b} %_ 🦙")
    };
    let given = world.open_invoice(new).await;
    let stored = world.find(given.owner, given.id).await.unwrap();
    assert_same(&stored, &given);

    let live = world.owner_in(Mode::Live);
    let bare = world.open_invoice_of(live, order("x")).await;
    assert_same(&world.find(live, bare.id).await.unwrap(), &bare);
}

/// A text of any characters that the wire lets through.
fn any_text(random: &mut StdRng, longest: usize) -> String {
    let length = random.random_range(1..=longest);
    let characters = std::iter::repeat_with(|| match random.random_range(0..4) {
        0 => random.random_range(' '..='~'),
        1 => random.random_range('\u{a0}'..='\u{24f}'),
        _ => random.random::<char>(),
    });
    let allowed = |character: &char| !character.is_control();
    characters.filter(allowed).take(length).collect()
}

fn maybe<T>(random: &mut StdRng, make: impl FnOnce(&mut StdRng) -> T) -> Option<T> {
    random.random::<bool>().then(|| make(random))
}

fn any_moment(random: &mut StdRng) -> Moment {
    Moment::from_unix(random.random_range(0..4_102_444_800))
}

fn any_json(random: &mut StdRng) -> Verbatim {
    let mut space = || [" ", "\t", "\r\n", ""][random.random_range(0..4)].repeat(random.random_range(0..3));
    let spaces = [space(), space(), space(), space()];
    let key = any_text(random, 12).replace(['\\', '"'], "_");
    let (number, exponent) = (random.random::<i32>(), random.random_range(0..15));
    verbatim(&format!(
        "{{{}\"{key}\"{}:{}{number}.50e{exponent}{}}}",
        spaces[0], spaces[1], spaces[2], spaces[3]
    ))
}

fn any_customer(random: &mut StdRng) -> Customer {
    let mut text = || maybe(random, |random| any_text(random, 20));
    Customer {
        name: text(),
        email: text(),
        phone: text(),
        document_type: text(),
        document_id: text(),
        external_id: text(),
    }
}

fn any_order(random: &mut StdRng) -> NewInvoice {
    let reference = unique(&any_text(random, 60));
    let centimos = random.random_range(1..=Amount::MAX.centimos());
    NewInvoice {
        reference: Reference::parse(reference).unwrap(),
        currency: Currency::ALL[random.random_range(0..2)],
        amount: Amount::from_centimos(centimos).unwrap(),
        request_datetime: maybe(random, any_moment),
        due: maybe(random, any_moment),
        expires: maybe(random, any_moment),
        customer: maybe(random, any_customer),
        sub_merchant: maybe(random, any_json),
        url_success: maybe(random, |random| any_text(random, 60)),
        url_error: maybe(random, |random| any_text(random, 60)),
        metadata: maybe(random, any_json),
        size_qr: maybe(random, |random| random.random_range(100..=1_000)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_merchant_orders_is_read_back_as_it_was() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::new().await;
    let fees = [
        LateFee::None,
        LateFee::Fixed { pen: money("5.00"), usd: money("1.50") },
        LateFee::PercentPerDay { percent_e4: u32::MAX },
    ];
    for fee in fees {
        world.account.late_fee = fee;
        let mut creates = Vec::new();
        for _ in 0..100 {
            creates.push(silent(world.opening(any_order(&mut random)).await));
        }
        let given: Vec<Invoice> = creates.iter().map(|create| opened(&create.change).clone()).collect();
        assert_eq!(world.store.create(creates).await.unwrap().len(), given.len());
        for given in &given {
            assert_same(&world.find(given.owner, given.id).await.unwrap(), given);
        }
    }
}
