//! Lists: every filter, both directions, every alias; and a walk that loses nothing while others write.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::account::Mode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, INVOICES, Merchant, World, order};

async fn list(shop: &Merchant, query: &str) -> Answer {
    shop.call(Method::GET, &format!("{INVOICES}{query}"), &[], None).await
}

fn references(page: &Value) -> Vec<String> {
    let data = page.as_array().or_else(|| page["data"].as_array()).unwrap();
    data.iter().map(|invoice| invoice["invoice_id"].as_str().unwrap().to_owned()).collect()
}

async fn shop_with(world: &World, count: usize) -> (Merchant, Vec<String>) {
    let shop = world.merchant(Mode::Test).await;
    let mut ids = Vec::new();
    for n in 0..count {
        let created = shop.create(&order(&format!("r{n}"))).await;
        ids.push(created.json()["id"].as_str().unwrap().to_owned());
    }
    (shop, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_walked_in_both_directions() {
    let world = World::start().await;
    let (shop, ids) = shop_with(&world, 7).await;
    let newest = list(&shop, "?limit=3").await;
    assert_eq!(references(&newest.json()), ["r6", "r5", "r4"]);
    assert_eq!(
        (newest.json()["object"].as_str(), newest.json()["has_more"].as_bool()),
        (Some("list"), Some(true))
    );
    let link = newest.header("link");
    let expected =
        format!("<https://api.kashio.test{INVOICES}?limit=3&starting_after={}>; rel=\"next\"", ids[4]);
    assert_eq!(link, expected);
    for alias in ["starting_after", "start"] {
        let older = list(&shop, &format!("?limit=3&{alias}={}", ids[4])).await;
        assert_eq!(references(&older.json()), ["r3", "r2", "r1"]);
        let last = list(&shop, &format!("?{alias}={}", ids[1])).await;
        assert_eq!(
            (references(&last.json()), last.json()["has_more"].as_bool()),
            (vec!["r0".to_owned()], Some(false))
        );
        assert_eq!(last.header("link"), "");
    }
    for alias in ["ending_before", "end"] {
        let newer = list(&shop, &format!("?limit=2&{alias}={}", ids[2])).await;
        assert_eq!(references(&newer.json()), ["r4", "r3"], "the nearest, newest first");
        assert_eq!(newer.json()["has_more"], true);
        assert!(newer.header("link").contains(&format!("ending_before={}", ids[4])));
    }
    let between = list(&shop, &format!("?starting_after={}&ending_before={}", ids[5], ids[1])).await;
    assert_eq!(references(&between.json()), ["r4", "r3", "r2"]);
    let empty = world.merchant(Mode::Test).await;
    assert_eq!(list(&empty, "").await.text, r#"{"object":"list","has_more":false,"data":[]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_list_is_a_bare_array() {
    let world = World::start().await;
    let (shop, _) = shop_with(&world, 3).await;
    for path in ["/list", "/list/"] {
        let bare = list(&shop, &format!("{path}?limit=2")).await;
        assert_eq!(references(&bare.json()), ["r2", "r1"]);
        assert_eq!(bare.header("x-has-more"), "true");
        assert!(bare.header("link").contains("/invoices/list"));
    }
    let today = world.lima_today().await;
    assert_eq!(references(&list(&shop, &format!("/list/{today}")).await.json()).len(), 3);
    assert_eq!(references(&list(&shop, &format!("/list/?date={today}")).await.json()).len(), 3);
    assert_eq!(list(&shop, "/list/2017-05-30").await.text, "[]");
    assert_eq!(list(&shop, "/list/2017-13-30").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_lets_through_what_it_says() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let mut ktins = HashMap::new();
    for (name, currency, document) in [
        ("a", "PEN", "10203040"),
        ("b", "USD", "10203040"),
        ("c", "PEN", "87654321"),
        ("d", "PEN", ""),
        ("e", "USD", ""),
    ] {
        let mut body = order(name);
        body["currency"] = json!(currency);
        if !document.is_empty() {
            body["customer"] = json!({"document_type": "DNI", "document_id": document});
        }
        if name == "e" {
            body["expiration_datetime"] = json!("2026-01-03T00:00:00");
        }
        let created = shop.create(&body).await.json();
        ktins.insert(name, created["ktin"].as_str().unwrap().to_owned());
    }
    world.execute("update invoices set status = 'voided', version = 2 where invoice_id = 'b'").await;
    world.execute("update invoices set status = 'expired', version = 2 where invoice_id = 'd'").await;
    world.execute("update invoices set status = 'paid', version = 2, paid_at = '2026-11-01T12:00:00Z', payment_id = gen_random_uuid(), late_fee = 0 where invoice_id = 'c'").await;
    let day_before = world.moment("-1 day").await;
    let in_an_hour = world.moment("1 hour").await;
    let cases: Vec<(String, &[&str])> = vec![
        ("?status=pending".into(), &["a"]),
        ("?status=NEW".into(), &["a"]),
        ("?status=PAID,voided".into(), &["c", "b"]),
        ("?status=expired".into(), &["e", "d"]),
        ("?status=pending,expired".into(), &["e", "d", "a"]),
        ("?status=new,paid,expired,voided".into(), &["e", "d", "c", "b", "a"]),
        ("?currency=usd".into(), &["e", "b"]),
        ("?currency=PEN&status=expired".into(), &["d"]),
        ("?invoice_id=c".into(), &["c"]),
        ("?invoice_id=c&status=pending".into(), &[]),
        ("?invoice_id=nobody".into(), &[]),
        (format!("?ktin={}", ktins["d"]), &["d"]),
        ("?customer.document_id=10203040".into(), &["b", "a"]),
        ("?customer.document_id=10203040&status=voided&currency=USD".into(), &["b"]),
        (format!("?created[gte]={day_before}"), &["e", "d", "c", "b", "a"]),
        (format!("?created[gt]={in_an_hour}"), &[]),
        (format!("?created[lt]={day_before}"), &[]),
        (format!("?created%5Blte%5D={in_an_hour}&status=paid"), &["c"]),
        ("?paid[gte]=2026-11-01T12:00:00".into(), &["c"]),
        ("?paid[gt]=2026-11-01T12:00:00".into(), &[]),
        (
            "?paid[lte]=2026-11-01T12:00:00&paid[gte]=2026-10-01"
                .replace("-01&", "-01T00:00&")
                .replace("10-01", "10-01T00:00"),
            &["c"],
        ),
        ("?paid[lt]=2026-11-01T12:00:00Z".into(), &[]),
        ("?paid[gte]=2026-11-01T07:00:00-05:00&status=pending".into(), &[]),
        (format!("?date={}", world.lima_today().await), &["e", "d", "c", "b", "a"]),
        ("?date=2017-05-30".into(), &[]),
    ];
    for (query, expected) in cases {
        let answer = list(&shop, &query).await;
        assert_eq!(answer.status, 200, "{query} {}", answer.text);
        assert_eq!(references(&answer.json()), expected, "{query}");
        // Page by page it is the same.
        let mut walked = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = list(&shop, &format!("{query}&limit=1{cursor}")).await.json();
            walked.extend(references(&page));
            if page["has_more"] == false {
                break;
            }
            cursor = format!("&starting_after={}", page["data"][0]["id"].as_str().unwrap());
        }
        assert_eq!(walked, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_must_be_an_own_object() {
    let world = World::start().await;
    let (shop, ids) = shop_with(&world, 2).await;
    let (neighbour, others) = shop_with(&world, 1).await;
    let live = world.key_of(shop.account, Mode::Live, None).await;
    for bad in [
        others[0].as_str(),
        "inv_test_2222222222222222222222",
        "nonsense",
        "",
        &ids[0].replace("_test_", "_live_"),
    ] {
        for name in ["starting_after", "end"] {
            let answer = list(&shop, &format!("?{name}={bad}")).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_cursor"), "{name}={bad}");
        }
    }
    assert_eq!(list(&live, &format!("?start={}", ids[0])).await.code(), "invalid_cursor");
    let which = list(&shop, &format!("?start={}&end={}", ids[1], others[0])).await.faults();
    assert_eq!(which, [("invalid_cursor".to_owned(), "end".to_owned())]);
    let conflict = list(&shop, &format!("?start={}&starting_after={}", ids[0], ids[1])).await;
    assert_eq!((conflict.status, conflict.code().as_str()), (400, "conflicting_fields"));
    assert_eq!(list(&shop, &format!("?start={0}&starting_after={0}", ids[1])).await.status, 200);
    assert_eq!(references(&list(&neighbour, "").await.json()), ["r0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_query_are_told_at_once() {
    let world = World::start().await;
    let shop = world.merchant(Mode::Test).await;
    let query = "?limit=0&status=open&curency=PEN&currency=EUR&ktin=123&date=yesterday&created[gte]=x&invoice_id=%00&limit=5&invoice_id=";
    let mut faults = list(&shop, query).await.faults();
    faults.sort();
    let expected = [
        ("duplicate_field", "limit"),
        ("invalid_character", "invoice_id"),
        ("invalid_currency", "currency"),
        ("invalid_date", "date"),
        ("invalid_datetime", "created[gte]"),
        ("invalid_ktin", "ktin"),
        ("invalid_limit", "limit"),
        ("invalid_status", "status"),
        ("too_short", "invoice_id"),
        ("unknown_parameter", "curency"),
    ];
    assert_eq!(faults, expected.map(|(code, param)| (code.to_owned(), param.to_owned())));
    for limit in ["501", "-1", "+5", "1.0", "99999999999999999999", "", "%20"] {
        assert_eq!(list(&shop, &format!("?limit={limit}")).await.code(), "invalid_limit", "{limit}");
    }
}

/// 5,000 invoices are walked while 16 writers insert and amend: each that existed when the walk began is met
/// exactly once.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_meets_each_invoice_once_whatever_is_written_meanwhile() {
    let world = World::with(|settings| settings.database.connections = 20).await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create(&order("first")).await.status, 201);
    world.grow(&shop, 5_000).await;
    let existed: HashSet<String> = walk(&shop, "?limit=500").await.into_iter().collect();
    assert_eq!(existed.len(), 5_001);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let (shop, stop) = (shop.clone(), stop.clone());
            tokio::spawn(async move {
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    let body = order(&format!("w{writer}-{written}")).to_string();
                    let created = shop.patiently(Method::POST, INVOICES, Some(&body)).await;
                    assert_eq!(created.status, 201, "{}", created.text);
                    let path = format!("{INVOICES}/{}", created.json()["id"].as_str().unwrap());
                    let amended = shop.patiently(Method::PATCH, &path, Some(r#"{"currency":"USD"}"#)).await;
                    assert_eq!(amended.status, 200, "{}", amended.text);
                    written += 1;
                }
                written
            })
        })
        .collect();
    for query in ["?limit=100", "?limit=77", "?limit=100&created[gte]=2020-01-01T00:00:00"] {
        let walked = walk(&shop, query).await;
        let met: HashSet<String> = walked.iter().cloned().collect();
        assert_eq!(met.len(), walked.len(), "{query}: none twice");
        assert_eq!(existed.difference(&met).count(), 0, "{query}: none missed");
    }
    stop.store(true, Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    assert!(written >= 16, "the writers did write: {written}");
}

/// Ids, in the order of a walk by `Link`.
async fn walk(shop: &Merchant, query: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = format!("{INVOICES}{query}");
    loop {
        let page = shop.patiently(Method::GET, &path, None).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let data = page.json();
        ids.extend(data["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page
            .header("link")
            .strip_prefix("<https://api.kashio.test")
            .and_then(|rest| rest.split_once('>'))
        {
            Some((next, _)) => path = next.to_owned(),
            None => return ids,
        }
    }
}

impl Merchant {
    /// As a client should: 503 means that nothing was done, and to come again.
    async fn patiently(&self, method: Method, path: &str, body: Option<&str>) -> Answer {
        loop {
            let answer = self.call(method.clone(), path, &[], body).await;
            if answer.status != 503 {
                return answer;
            }
        }
    }
}

impl World {
    async fn lima_today(&self) -> String {
        let today = "select to_char(now() at time zone '-05:00', 'YYYY-MM-DD')";
        let today = today.replace("'-05:00'", "interval '-5 hours'");
        sqlx::query_scalar(sqlx::AssertSqlSafe(today)).fetch_one(&self.sql).await.unwrap()
    }

    /// Copies a merchant's first invoice so many times, each a few milliseconds older than the one before.
    pub async fn grow(&self, shop: &Merchant, count: i64) {
        let grown = sqlx::query(
            "insert into invoices (account_id, livemode, id, created, invoice_id, request_datetime, customer, size_qr,
                 ktin, token, late_fee_rule, content, currency, sub_total, expires, status, version)
             select account_id, livemode,
                    (lpad(to_hex((extract(epoch from created) * 1000)::bigint - n * 7), 12, '0')
                        || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid,
                    date_trunc('second', created - n * interval '7 ms'), 'grown-' || n, request_datetime,
                    case when n % 100 = 0 then '{\"document_id\": \"10203040\"}'::jsonb end, size_qr,
                    10000000000000 + n + (random() * 8e6)::bigint * 1000000,
                    left(translate(md5(n || '-' || random()), '01', 'xy'), 22), late_fee_rule, content,
                    case when n % 10 = 0 then 'USD' else 'PEN' end, sub_total, expires,
                    case n % 5 when 1 then 'voided' when 2 then 'expired' else 'pending' end, 1
             from invoices, generate_series(1, $2) n
             where account_id = $1 and invoice_id = 'first'",
        )
        .bind(shop.account.uuid())
        .bind(count)
        .execute(&self.sql)
        .await
        .unwrap();
        assert_eq!(grown.rows_affected(), u64::try_from(count).unwrap());
    }
}
