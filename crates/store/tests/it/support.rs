//! Support's search and timeline look for what they show in indexes: no table of merchants' data is walked for them.

use domain::account::Mode;
use domain::id::{DeliveryId, EndpointId, EventId, InvoiceId, KeyId, PaymentId};
use store::Error;
use uuid::Uuid;

use crate::lists::grown;
use crate::world::World;

const INVOICES: i64 = 5_000;

/// Tables that grow with what merchants and banks do. Accounts do not: there are thousands.
const WALKED: &str = "select coalesce(sum(seq_scan), 0)::bigint from pg_stat_user_tables
    where relname in ('invoices', 'payments', 'events', 'collections', 'quotes', 'deliveries', 'attempts', 'api_keys',
                      'webhook_endpoints', 'audit_log')";

/// Rows that were read through indexes.
const READ: &str = "select coalesce(sum(idx_tup_fetch), 0)::bigint from pg_stat_user_tables
    where relname in ('invoices', 'payments', 'events', 'collections', 'quotes', 'deliveries', 'attempts')";

/// Payments, events, messages, quotes, deliveries and what else there is, as many as invoices.
async fn fill(world: &World) {
    for statement in [
        "insert into accounts (id, name) select distinct account_id, 'Tienda' from invoices",
        "insert into payments (account_id, livemode, id, invoice, amount, currency, channel, operation_number, paid_at,
             received_at, status)
         select account_id, livemode, gen_random_uuid(), id, 2000, 'PEN', 'bcp', right(ktin::text, 6), now(), now(),
                'reversed' from invoices",
        "insert into events (account_id, livemode, id, created, type, invoice, facts)
         select account_id, livemode, gen_random_uuid(), now(), 'invoice.created', id,
                jsonb_build_object('version', 1, 'currency', 'PEN', 'sub_total', 2000, 'expires', 0, 'status', 'pending')
         from invoices",
        "insert into collections (id, livemode, verb, channel, received_at, code, body, is_judged, ktin,
             operation_number)
         select gen_random_uuid(), true, 'inquire', 'bcp', now(), 'ok', '', false, ktin, right(ktin::text, 6)
         from invoices",
        "insert into quotes (account_id, livemode, id, invoice, channel, agreement, currency, sub_total, late_fee, fees,
             created, expires)
         select account_id, livemode, gen_random_uuid(), id, 'bcp', '1', 'PEN', 2000, 0, 0, now(), now() from invoices",
        "insert into webhook_endpoints (account_id, livemode, id, url, secret, created)
         select account_id, livemode, gen_random_uuid(), 'https://tienda.pe', '', now() from invoices",
        "insert into deliveries (account_id, livemode, id, endpoint, event, round, created, status, attempt, next_at)
         select events.account_id, events.livemode, events.id, target.id, events.id, 0, now(), 'pending', 1, now()
         from events join (
             select distinct on (account_id, livemode) account_id, livemode, id from webhook_endpoints) target
             on (target.account_id, target.livemode) = (events.account_id, events.livemode)",
        "insert into attempts (account_id, livemode, delivery, number, at, duration_ms, status)
         select account_id, livemode, id, 1, now(), 5, 500 from deliveries",
        "insert into api_keys (account_id, livemode, id, public_id, name, phc, hash_version, prefix, last4)
         select account_id, livemode, gen_random_uuid(), ktin::text, 'k', '', 1, '', '' from invoices",
        "insert into audit_log (chain, sequence, id, at, action, object, hash)
         select account_id, row_number() over (partition by account_id), gen_random_uuid(), now(), 'x', ktin::text,
                sha256('') from invoices",
        "analyze",
    ] {
        world.execute(statement).await;
    }
}

async fn search(store: &store::Store, text: &str) -> usize {
    let wanted = text.to_owned();
    let found = store.read::<_, Error, _>("search", move |tx| {
        let wanted = wanted.clone();
        Box::pin(async move { tx.search(&wanted).await })
    });
    found.await.unwrap().0.len()
}

/// The counts once every session has told its own: one that lives on may keep them for ten seconds, one that ends tells
/// them.
async fn settled(world: &World) -> (i64, i64) {
    let others = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    world.count(others).await;
    world.count("select count(pg_stat_force_next_flush()::text)").await;
    let mut counts = (-1, -1);
    loop {
        let now = (world.count(WALKED).await, world.count(READ).await);
        if now == counts {
            return counts;
        }
        counts = now;
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_table_is_walked_for_a_search_or_a_timeline() {
    let world = World::new().await;
    for account in 0..3 {
        // Accounts of different sizes have different ktins.
        grown(&world, INVOICES + account).await;
    }
    fill(&world).await;
    let one: (Uuid, i64, String) =
        sqlx::query_as("select id, ktin, token from invoices where invoice_id = 'r-77' limit 1")
            .fetch_one(&world.sql)
            .await
            .unwrap();
    let (invoice, ktin, token) = (InvoiceId::from_uuid(one.0), one.1.to_string(), one.2);
    let nobody = Uuid::from_u128(rand::random());
    let questions = [
        invoice.text(Mode::Test),
        ktin.clone(),
        token,
        "r-77".to_owned(),
        "10203040".to_owned(),
        "+51999666123".to_owned(),
        "51999666123".to_owned(),
        "rosa@tienda.pe".to_owned(),
        ktin[ktin.len() - 6..].to_owned(),
        "260001000000".to_owned(),
        PaymentId::from_uuid(nobody).text(Mode::Live),
        EventId::from_uuid(nobody).text(Mode::Test),
        KeyId::from_uuid(nobody).text(Mode::Test),
        EndpointId::from_uuid(nobody).text(Mode::Live),
        DeliveryId::from_uuid(nobody).text(Mode::Live),
        domain::id::CollectionId::from_uuid(nobody).text(Mode::Live),
    ];
    let (walked, read) = settled(&world).await;
    // A session's counts are told when it ends.
    let store = world.replica().await;
    let mut found = 0;
    for question in &questions {
        found += search(&store, question).await;
    }
    assert!(found >= 100, "only {found} hits");
    let entries = store.read::<_, Error, _>("timeline", move |tx| {
        Box::pin(async move {
            let owner = tx.owner_of_invoice(invoice, Mode::Test).await?.unwrap();
            let known = tx.invoices(owner).get(invoice).await?.unwrap();
            tx.timeline(&known.invoice).await
        })
    });
    let (entries, _) = entries.await.unwrap();
    assert!(entries.len() >= 3, "{}", entries.len());
    store.close().await;
    crate::world::until("the counts were told", async || world.count(READ).await > read).await;
    assert_eq!(world.count(WALKED).await - walked, 0, "a table was walked");
    let rows = world.count(READ).await - read;
    // The planner may read all that have the one document, or only the newest of each account; nothing else is many.
    let alike = "select count(*) from invoices where customer->>'document_id' = '10203040'";
    let alike = world.count(alike).await;
    assert!(rows <= alike + 500, "{rows} rows were read, of which {alike} are alike");
}
