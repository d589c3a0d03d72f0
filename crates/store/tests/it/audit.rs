//! The audit log under a hand that may do everything: whoever rules the database can switch the triggers off, edit,
//! remove, move and add rows, and seal them anew. What he can not change is the heads that were logged elsewhere.

use domain::audit::{Act, BEGINNING, By, Chain, Hash};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sqlx::AssertSqlSafe;
use store::audit::{Filter, Head, Sealed};
use store::{Error, Store};

use crate::world::*;

const TAMPERINGS: usize = 1_000;
/// Rows of each chain when its head was logged for the last time, and after that.
const LOGGED: i64 = 60;
const UNLOGGED: i64 = 8;

type Logged = Vec<(Chain, i64, Hash)>;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_the_log_is_found_and_nothing_else() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::new().await;
    let chains = [
        Chain::System,
        Chain::Account(world.account.id),
        Chain::Account(shop("Bodega Carmen").id),
        Chain::Account(shop("Bodega Rosa").id),
    ];
    let logged = history(&world, &chains, &mut random).await;
    let rows = u64::try_from((LOGGED + UNLOGGED) * 4).unwrap();
    assert_eq!(world.store.verify_audit(&logged).await.unwrap(), (rows, vec![]));
    world.execute("create table kept_log as table audit_log").await;
    world.execute("create table kept_heads as table audit_heads").await;

    for turn in 0..TAMPERINGS {
        let victim = *chains.choose(&mut random).unwrap();
        let other =
            *chains.iter().filter(|chain| **chain != victim).collect::<Vec<_>>().choose(&mut random).unwrap();
        let is_clever = random.random_bool(0.5);
        // What was written since the last logged head, only the hashes protect.
        let last = if is_clever { LOGGED } else { LOGGED + UNLOGGED };
        let place = random.random_range(1..=last);
        let deed = tampering(&mut random, is_clever, victim, *other, place, last);
        tamper(&world, &deed).await;
        if is_clever {
            seal_anew(&world, victim).await;
        }
        let (_, broken) = world.store.verify_audit(&logged).await.unwrap();
        let at = format!("turn {turn}, clever: {is_clever}: {deed}: {broken:?}");
        assert!(broken.iter().any(|(chain, _)| *chain == victim), "not found, {at}");
        assert!(broken.iter().all(|(chain, _)| *chain == victim || chain == other), "more was found, {at}");
        restore(&world).await;
        if turn % 50 == 0 {
            assert_eq!(world.store.verify_audit(&logged).await.unwrap(), (rows, vec![]), "untouched");
        }
    }

    // What it is not for: whatever came after the last logged head can still be cut off.
    tamper(&world, &format!("delete from audit_log where sequence > {LOGGED}")).await;
    for chain in chains {
        seal_anew(&world, chain).await;
    }
    assert_eq!(world.store.verify_audit(&logged).await.unwrap().1, vec![]);
}

/// Several writers at once; the heads are logged twice, and then more is written.
async fn history(world: &World, chains: &[Chain], random: &mut StdRng) -> Logged {
    let mut logged = Logged::new();
    for count in [LOGGED / 2, LOGGED / 2, UNLOGGED] {
        let acts: Vec<Act> = chains
            .iter()
            .flat_map(|chain| (0..count).map(|_| *chain))
            .map(|chain| act(chain, random))
            .collect();
        join_all(acts.into_iter().map(|act| write(&world.store, act))).await;
        if count != UNLOGGED {
            let heads = world.store.audit_heads().await.unwrap();
            logged.extend(
                heads.into_iter().map(|Head { chain, count, hash }| (chain, count, hash.try_into().unwrap())),
            );
        }
    }
    logged
}

fn act(chain: Chain, random: &mut StdRng) -> Act {
    let mut text = |name: &str| match random.random_range(0..4) {
        0 => None,
        1 => Some(String::new()),
        _ => Some(format!("{name} ñ {}", random.random::<u32>())),
    };
    let (object, reason, service_key) = (text("object"), text("reason"), text("key"));
    let (request_id, address, details) = (text("request"), text("address"), text("details"));
    let actor = Some("operador-7".to_owned());
    Act {
        chain,
        action: "update_account",
        object,
        by: By { actor, reason, service_key, request_id, address },
        details,
    }
}

async fn write(store: &Store, act: Act) {
    let written = store.transaction::<_, Error, _>("test_audit", move |tx| {
        let act = act.clone();
        Box::pin(async move { tx.audit(act).await })
    });
    written.await.unwrap();
}

/// Something that may be done to a chain at a place of its first `last`: an edit, a deletion, a move, an insertion, a
/// cut. One that will be sealed anew keeps the numbers whole; others need not.
fn tampering(
    random: &mut StdRng,
    is_clever: bool,
    chain: Chain,
    other: Chain,
    place: i64,
    last: i64,
) -> String {
    let (chain, other) = (chain.uuid(), other.uuid());
    let row = format!("chain = '{chain}' and sequence = {place}");
    let shift = |from: i64, by: i64| {
        // In two steps: numbers are unique at every moment.
        format!(
            "update audit_log set sequence = -(sequence + {by}) where chain = '{chain}' and sequence >= {from};
             update audit_log set sequence = -sequence where chain = '{chain}' and sequence < 0;"
        )
    };
    let copy = |from: i64, sequence: i64| {
        format!(
            "insert into audit_log select (jsonb_populate_record(audit_log, jsonb_build_object(
                 'sequence', {sequence}, 'id', gen_random_uuid()))).* from audit_log
             where chain = '{chain}' and sequence = {from};"
        )
    };
    match random.random_range(0..if is_clever { 8 } else { 15 }) {
        0..=2 => format!("update audit_log set {} where {row}", edit(random)),
        3 => format!("delete from audit_log where {row}; {}", shift(place + 1, -1)),
        4 => {
            let step = random.random_range(1..last);
            let second = (place - 1 + step) % last + 1;
            format!(
                "update audit_log set sequence = -1 where {row};
                 update audit_log set sequence = {place} where chain = '{chain}' and sequence = {second};
                 update audit_log set sequence = {second} where chain = '{chain}' and sequence = -1"
            )
        }
        5 => format!("{} {}", shift(place, 1), copy(place + 1, place)),
        6 => format!("delete from audit_log where chain = '{chain}' and sequence >= {place}"),
        7 => format!(
            "delete from audit_log where chain = '{chain}'; delete from audit_heads where chain = '{chain}'"
        ),
        // From here on the hashes, the numbers or the head are left wrong.
        8 => format!("delete from audit_log where {row}"),
        9 => copy(place, *[-1, 0, 1_000].choose(random).unwrap()),
        10 => {
            let head = format!("update audit_heads set count = count + 1 where chain = '{chain}'");
            format!("{}; {head}", copy(place, LOGGED + UNLOGGED + 1))
        }
        11 => format!("update audit_log set chain = '{other}', sequence = 1000 where {row}"),
        12 => format!("update audit_heads set count = count + 1 where chain = '{chain}'"),
        13 => format!("update audit_heads set hash = sha256(hash) where chain = '{chain}'"),
        _ => format!("delete from audit_heads where chain = '{chain}'"),
    }
}

/// Something else in one column, or in two.
fn edit(random: &mut StdRng) -> String {
    const TEXTS: &[&str] = &["object", "actor", "reason", "service_key", "request_id", "address", "details"];
    let text = *TEXTS.choose(random).unwrap();
    match random.random_range(0..12) {
        0 | 1 => format!("{text} = concat({text}, 'x')"),
        2 => format!("{text} = case when {text} is null then '' end"),
        3 => "actor = '', reason = concat(actor, reason)".to_owned(),
        4 => "object = actor, actor = object".to_owned(),
        5 => "action = 'revoke_key'".to_owned(),
        6 => "at = at + interval '1 second'".to_owned(),
        7 => "at = at - interval '400 days'".to_owned(),
        8 => "at = at + interval '1 microsecond'".to_owned(),
        9 => "at = at - interval '1 millisecond'".to_owned(),
        10 => "id = gen_random_uuid()".to_owned(),
        _ => format!(
            "actor = 'operador-8', at = '{}'",
            random.random_range(1_990..2_090).to_string() + "-01-01"
        ),
    }
}

/// A session that no trigger watches.
async fn tamper(world: &World, deed: &str) {
    let deed = format!("begin; set local session_replication_role = replica; {deed}; commit");
    sqlx::raw_sql(AssertSqlSafe(deed)).execute(&world.sql).await.unwrap();
}

/// Every row of the chain gets the hash that it should have, and the head that of the last: what an attacker does who
/// has read the program.
async fn seal_anew(world: &World, chain: Chain) {
    let filter = Filter { limit: 1_000, ..Filter::default() };
    let read = world.store.read::<_, Error, _>("test_audit", move |tx| {
        let filter = filter.clone();
        Box::pin(async move { tx.audit_rows(&filter).await })
    });
    let (mut rows, _) = read.await.unwrap();
    rows.retain(|sealed| sealed.row.chain == chain);
    rows.sort_by_key(|sealed| sealed.row.sequence);
    let hex = |hash: &[u8]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (mut previous, mut values) = (BEGINNING, Vec::new());
    for Sealed { row, .. } in &rows {
        previous = row.seal(&previous);
        values.push(format!("({}, '\\x{}'::bytea)", row.sequence, hex(&previous)));
    }
    let uuid = chain.uuid();
    let head = format!(
        "update audit_heads set count = {}, hash = '\\x{}' where chain = '{uuid}'",
        rows.len(),
        hex(&previous)
    );
    let rows = format!(
        "update audit_log set hash = new.hash from (values {}) new (sequence, hash)
         where chain = '{uuid}' and audit_log.sequence = new.sequence;",
        values.join(",")
    );
    tamper(world, &format!("{} {head}", if values.is_empty() { "" } else { &rows })).await;
}

async fn restore(world: &World) {
    tamper(
        world,
        "delete from audit_log; insert into audit_log table kept_log;
         delete from audit_heads; insert into audit_heads table kept_heads",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_only_added_to_by_the_owner_as_by_the_program() {
    let world = World::new().await;
    let mut random = StdRng::seed_from_u64(1);
    write(&world.store, act(Chain::System, &mut random)).await;
    let statements = [
        "update audit_log set actor = 'nobody'",
        "update audit_log set actor = actor where false",
        "delete from audit_log",
        "truncate audit_log",
        "alter table audit_log disable trigger all",
        "drop table audit_log",
    ];
    for (role, refused) in [("current_user", [0, 2, 3].as_slice()), ("kashio_app", &[0, 1, 2, 3, 4, 5])] {
        for &which in refused {
            let mut session = world.sql.begin().await.unwrap();
            if role != "current_user" {
                sqlx::query("set local role kashio_app").execute(&mut *session).await.unwrap();
            }
            let error = sqlx::query(statements[which]).execute(&mut *session).await.unwrap_err();
            let error = error.into_database_error().unwrap();
            assert_eq!(error.code().as_deref(), Some("42501"), "{role}: {}: {error}", statements[which]);
            let by_trigger = error.constraint() == Some("audit_log_is_only_added_to");
            assert_eq!(by_trigger, role == "current_user", "{role}: {}: {error}", statements[which]);
        }
    }
    assert_eq!(world.store.verify_audit(&[]).await.unwrap(), (1, vec![]));
}
