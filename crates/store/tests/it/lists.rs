//! Lists: planned along indexes, and as quick in a large account as in a small one.

use std::time::{Duration, Instant};

use domain::account::Owner;
use domain::id::{AccountId, InvoiceId};
use domain::invoice::filter::{Filter, Page, Span};
use domain::invoice::table::State;
use domain::ktin::Ktin;
use domain::money::Currency;
use domain::reference::Reference;
use domain::time::Moment;
use store::invoices::Listed;
use store::{Error, Store};

use crate::world::World;

const SMALL: i64 = 3_000;
const LARGE: i64 = 300_000;

/// Seconds between two invoices of a grown account.
const SPACING: i64 = 2;

/// A newest moment that all invoices are counted back from.
const NEWEST: i64 = 1_760_000_000;

/// An account of so many invoices: most of them paid, some of each other state, one in ten in dollars, one in
/// ten with the same document.
pub(crate) async fn grown(world: &World, count: i64) -> Owner {
    let owner = Owner { account: AccountId::new(0, &rand::random()), ..world.owner() };
    let written = sqlx::query(
        "insert into invoices (account_id, livemode, id, created, invoice_id, customer, size_qr, ktin, token,
             late_fee_rule, content, currency, sub_total, expires, status, version, paid_at, payment_id, late_fee)
         select $1, false,
                (lpad(to_hex(($3 - n * $4) * 1000), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid,
                to_timestamp($3 - n * $4), 'r-' || n,
                case when n % 10 = 5 then '{\"document_id\": \"10203040\"}'::jsonb end, 150,
                $5 + n, $5 || '-' || n, '{\"kind\": \"none\"}', decode(md5(n::text) || md5(n::text), 'hex'),
                case when n % 10 = 0 then 'USD' else 'PEN' end, 2000,
                case when n % 20 in (3, 4) then now() + interval '1 day' else to_timestamp($3) end,
                case n % 20 when 0 then 'voided' when 1 then 'expired' when 2 then 'expired'
                    when 3 then 'pending' when 4 then 'pending' else 'paid' end, 1,
                case when n % 20 > 4 then to_timestamp($3 - n * $4 + 600) end,
                case when n % 20 > 4 then gen_random_uuid() end,
                case when n % 20 > 4 then 0 end
         from generate_series(0, $2 - 1) n",
    )
    .bind(owner.account.uuid())
    .bind(count)
    .bind(NEWEST)
    .bind(SPACING)
    .bind(count * 1_000_000_000)
    .execute(&world.sql)
    .await
    .unwrap();
    assert_eq!(written.rows_affected(), u64::try_from(count).unwrap());
    owner
}

fn id_of(n: i64) -> InvoiceId {
    let millis = u64::try_from((NEWEST - n * SPACING) * 1_000).unwrap();
    let text = format!("{millis:012x}70008{n:015x}");
    InvoiceId::from_uuid(text.parse().unwrap())
}

fn first(limit: u16) -> Page {
    Page { limit, after: None, before: None }
}

/// Every filter there is, and some together; each with its first page and a page deep inside.
fn questions(count: i64) -> Vec<(&'static str, Filter, Page)> {
    let any = Filter::default;
    let moment = |n: i64| Some(Moment::from_unix(NEWEST - n * SPACING));
    let span = |from: i64, until: i64| Span { from: moment(from), until: moment(until) };
    let ktin = Ktin::from_number(count * 1_000_000_000 + count / 2);
    let middle = count / 2;
    let filters = [
        ("no filter", any()),
        ("reference", Filter { reference: Reference::parse(format!("r-{middle}")).ok(), ..any() }),
        ("ktin", Filter { ktin: Some(ktin), ..any() }),
        ("document", Filter { document_id: Some("10203040".to_owned()), ..any() }),
        ("no such document", Filter { document_id: Some("nobody".to_owned()), ..any() }),
        ("dollars", Filter { currency: Some(Currency::Usd), ..any() }),
        ("pending", Filter { states: Some(vec![State::Pending]), ..any() }),
        ("paid", Filter { states: Some(vec![State::Paid]), ..any() }),
        ("expired", Filter { states: Some(vec![State::Expired]), ..any() }),
        ("voided", Filter { states: Some(vec![State::Voided]), ..any() }),
        ("all states", Filter { states: Some(State::ALL.to_vec()), ..any() }),
        (
            "voided in soles: none",
            Filter { states: Some(vec![State::Voided]), currency: Some(Currency::Pen), ..any() },
        ),
        ("created in the middle", Filter { created: span(middle + 100, middle - 100), ..any() }),
        (
            "created before all",
            Filter { created: Span { from: None, until: moment(count + 1_000) }, ..any() },
        ),
        ("paid in the middle", Filter { paid: span(middle + 100, middle - 100), ..any() }),
        ("paid ever", Filter { paid: Span { from: moment(2 * count), until: None }, ..any() }),
    ];
    let deep = Page { limit: 20, after: Some(id_of(count * 9 / 10)), before: None };
    let upwards = Page { limit: 20, after: None, before: Some(id_of(count * 9 / 10)) };
    let pages = [first(20), deep, upwards];
    filters.into_iter().flat_map(|(name, filter)| pages.map(|page| (name, filter.clone(), page))).collect()
}

async fn list(store: &Store, owner: Owner, filter: &Filter, page: Page) -> Listed {
    let listed = store.list_invoices(owner, filter.clone(), page);
    listed.await.unwrap().unwrap_or_else(|_| panic!("an own cursor"))
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_use_their_indexes_and_are_as_quick_in_a_large_account_as_in_a_small_one() {
    let world = World::new().await;
    let (small, large) = (grown(&world, SMALL).await, grown(&world, LARGE).await);
    sqlx::query("analyze invoices").execute(&world.sql).await.unwrap();
    let mut slow = Vec::new();
    for ((name, filter_small, page_small), (_, filter, page)) in
        questions(SMALL).into_iter().zip(questions(LARGE))
    {
        let asked = format!(
            "{name}, {}",
            if page.after.is_some() {
                "deep"
            } else if page.before.is_some() {
                "upwards"
            } else {
                "first page"
            }
        );
        plan_is_sound(&world, large, &filter, page, &asked).await;
        // A neighbour on the machine can spoil one series; what is slow is slow in each of three.
        let mut measured = Vec::new();
        for _ in 0..3 {
            let sides = [(small, &filter_small, page_small), (large, &filter, page)];
            let [of_small, of_large] = medians(&world, sides).await;
            // Both in nanoseconds; the ratio in hundredths.
            let ratio = of_large.as_nanos() * 100 / of_small.as_nanos().max(1);
            println!("ratio {asked}: {}.{:02} ({of_small:?} {of_large:?})", ratio / 100, ratio % 100);
            if ratio <= 150 {
                measured.clear();
                break;
            }
            measured.push(format!("{asked}: {of_small:?} {of_large:?}"));
        }
        slow.extend(measured);
    }
    assert!(slow.is_empty(), "slower by more than a half: {slow:#?}");
}

/// How long the same question takes to each of two, asked in turn: what else the machine does meets both.
async fn medians(world: &World, sides: [(Owner, &Filter, Page); 2]) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..31 {
        for (times, (owner, filter, page)) in times.iter_mut().zip(sides) {
            let began = Instant::now();
            list(&world.store, owner, filter, page).await;
            times.push(began.elapsed());
        }
    }
    times.map(median)
}

/// No walk over the table, and no step that touches more than a few hundred rows.
async fn plan_is_sound(world: &World, owner: Owner, filter: &Filter, page: Page, asked: &str) {
    let wanted = filter.clone();
    let plan = world.store.transaction::<_, Error, _>("explain", move |tx| {
        let filter = wanted.clone();
        Box::pin(async move { tx.invoices(owner).explain_list(&filter, page).await })
    });
    let plan = plan.await.unwrap();
    assert!(!plan.contains("Seq Scan on invoices"), "{asked}:\n{plan}");
    for line in plan.lines() {
        let counted = line.split_once("actual rows=").or(line.split_once("Rows Removed by Filter: "));
        let Some((_, rest)) = counted else { continue };
        let rows: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let rows: i64 = rows.parse().unwrap();
        assert!(rows <= 1_000, "{asked} touches {rows} rows:\n{plan}");
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_knows_whether_there_is_more() {
    let world = World::new().await;
    let owner = grown(&world, 100).await;
    let listed = list(&world.store, owner, &Filter::default(), first(100)).await;
    assert_eq!((listed.invoices.len(), listed.has_more), (100, false));
    assert!(listed.invoices.windows(2).all(|pair| pair[0].id > pair[1].id), "newest first");
    let listed = list(&world.store, owner, &Filter::default(), first(99)).await;
    assert_eq!((listed.invoices.len(), listed.has_more), (99, true));
    let upwards = Page { limit: 3, after: None, before: Some(id_of(50)) };
    let nearest = list(&world.store, owner, &Filter::default(), upwards).await;
    let ids: Vec<InvoiceId> = nearest.invoices.iter().map(|invoice| invoice.id).collect();
    assert_eq!((ids, nearest.has_more), (vec![id_of(47), id_of(48), id_of(49)], true));
}
