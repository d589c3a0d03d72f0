//! Pay, void, expire and amend meet on one invoice in the very second in which it expires, through two
//! replicas. Whoever comes first wins; nobody ever leaves the table of states.

use std::collections::HashMap;

use domain::change::Stamp;
use domain::event::EventKind;
use domain::invoice::draft::NewInvoice;
use domain::invoice::table::State;
use domain::invoice::{Amendment, Invoice, Refusal};
use domain::time::Moment;
use futures_util::future::{BoxFuture, join_all};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use store::Store;
use uuid::Uuid;

use crate::world::*;

const ROUNDS: usize = 2_000;
const AT_ONCE: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_invoices_are_fought_over_and_each_is_won_once() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::new().await;
    let replicas = [world.store.clone(), world.replica().await];
    // In its last second the voider and the amender still see it pending; the expirer comes a second later.
    let expires = world.now();
    let mut events_told = HashMap::new();

    for batch in 0..ROUNDS / AT_ONCE {
        let mut racers = Vec::new();
        for invoice in open_batch(&world, batch, expires).await {
            let mut verbs = [Verb::Pay, Verb::Void, Verb::Expire, Verb::Amend];
            verbs.shuffle(&mut random);
            let amends_amount = random.random();
            for verb in verbs {
                let replica = replicas[usize::from(random.random::<bool>())].clone();
                racers.push(race(&world, replica, invoice.clone(), verb, amends_amount));
            }
        }
        for (id, told) in join_all(racers).await {
            *events_told.entry(id).or_insert(0) += usize::from(told);
        }
    }

    assert_eq!(events_told.len(), ROUNDS);
    let histories = histories(&world).await;
    assert_eq!(histories.len(), ROUNDS);
    for (id, history) in &histories {
        history.is_sound(*id);
        assert_eq!(history.steps.len(), events_told[id] + 1, "{id}");
    }
    // Each racer wins somewhere, or the race was none.
    for kind in ["paid", "voided", "expired", "updated"] {
        let told = format!("invoice.{kind}");
        let won = histories.values().filter(|history| history.steps[1].kind == told).count();
        println!("{kind} came first {won} times");
        assert!(won > 0, "{kind} never came first");
    }
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Pay,
    Void,
    Expire,
    Amend,
}

async fn open_batch(world: &World, batch: usize, expires: Moment) -> Vec<Invoice> {
    let mut creates = Vec::new();
    for number in 0..AT_ONCE {
        let new = NewInvoice { expires: Some(expires), ..order(&format!("PEDIDO-{batch}-{number}")) };
        creates.push(silent(world.opening(new).await));
    }
    let invoices = creates.iter().map(|create| opened(&create.change).clone()).collect();
    let opened = world.store.create(creates).await.unwrap();
    assert_eq!(opened.len(), AT_ONCE);
    invoices
}

/// One racer; whether he changed something. Any error but an expected refusal ends the test.
fn race(
    world: &World,
    replica: Store,
    invoice: Invoice,
    verb: Verb,
    amends_amount: bool,
) -> BoxFuture<'static, (Uuid, bool)> {
    let expires = invoice.terms.expires;
    let in_time = expires.plus_seconds(-1);
    let payment = world.bank_took(&invoice, in_time);
    let wish = if amends_amount {
        Amendment { amount: Some(money("35.50")), ..Amendment::default() }
    } else {
        Amendment { due: Some(Some(in_time)), ..Amendment::default() }
    };
    let judge = move |invoice: &Invoice, stamp: Stamp| match verb {
        Verb::Pay => invoice.pay(payment.clone(), stamp),
        Verb::Expire => invoice.expire(Stamp { at: expires, ..stamp }),
        Verb::Void => invoice.void(Stamp { at: in_time, ..stamp }),
        Verb::Amend => invoice.amend(wish, Stamp { at: in_time, ..stamp }),
    };
    Box::pin(async move {
        let id = invoice.id.uuid();
        match change(&replica, invoice.owner, invoice.id, judge).await {
            Ok(did) => (id, did.told.is_some()),
            Err(Stop::Refused(refusal)) => {
                let expected = match refusal {
                    Refusal::Expired | Refusal::AlreadyPaid | Refusal::Voided => true,
                    Refusal::AmountMismatch => matches!(verb, Verb::Pay) && amends_amount,
                    _ => false,
                };
                assert!(expected, "{verb:?} was refused: {refusal}");
                (id, false)
            }
            Err(stop) => panic!("{verb:?} failed: {stop:?}"),
        }
    })
}

/// An invoice's events in the order of their writing, and the row they ended in.
#[derive(Default)]
struct History {
    steps: Vec<Step>,
    status: String,
    version: i32,
    payments: i64,
}

struct Step {
    kind: String,
    state: State,
    version: i32,
}

async fn histories(world: &World) -> HashMap<Uuid, History> {
    type Row = (Uuid, String, String, i32, String, i32, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "select invoices.id, type, facts->>'status', (facts->>'version')::int,
                invoices.status, invoices.version,
                (select count(*) from payments
                 where payments.invoice = invoices.id and payments.status = 'applied'
                   and payments.id = invoices.payment_id)
         from invoices left join events on events.invoice = invoices.id
         order by invoices.id, position",
    )
    .fetch_all(&world.sql)
    .await
    .unwrap();
    let payments = world.count("select count(*) from payments").await;
    let paid = world.count("select count(*) from invoices where status = 'paid'").await;
    assert_eq!(payments, paid, "one payment for each paid invoice");
    let mut histories: HashMap<Uuid, History> = HashMap::new();
    for (id, kind, state, version, status, row_version, payments) in rows {
        let history = histories.entry(id).or_default();
        let state = State::parse(&state).unwrap();
        history.steps.push(Step { kind, state, version });
        (history.status, history.version, history.payments) = (status, row_version, payments);
    }
    histories
}

impl History {
    fn is_sound(&self, id: Uuid) {
        let first = &self.steps[0];
        assert_eq!(first.kind, EventKind::InvoiceCreated.as_str(), "{id}");
        assert_eq!((first.state, first.version), (State::Pending, 1), "{id}");
        for (number, step) in self.steps.iter().enumerate() {
            assert_eq!(step.version as usize, number + 1, "{id}: versions are dense");
        }
        let mut left_pending = 0;
        for pair in self.steps.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            assert!(before.state.may_become(after.state), "{id}: {:?} → {:?}", before.state, after.state);
            let told = match after.state {
                State::Pending => EventKind::InvoiceUpdated,
                State::Paid => EventKind::InvoicePaid,
                State::Expired => EventKind::InvoiceExpired,
                State::Voided => EventKind::InvoiceVoided,
            };
            assert_eq!(after.kind, told.as_str(), "{id}");
            left_pending += i32::from(before.state == State::Pending && after.state != State::Pending);
        }
        assert_eq!(left_pending, 1, "{id}: one winner");
        let last = &self.steps[self.steps.len() - 1];
        assert_eq!(self.status, last.state.as_str(), "{id}: the row is where its events lead");
        assert_eq!(self.version as usize, self.steps.len(), "{id}");
        assert_eq!(self.payments, i64::from(last.state == State::Paid), "{id}");
    }
}
