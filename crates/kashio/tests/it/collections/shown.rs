//! What merchants see of the money: lists, CSV for the treasury, events in the feed and by webhook, and invoices that
//! expire by themselves.

use std::time::{Duration, Instant};

use super::*;
use crate::receiver::Receiver;
use crate::webhooks::subscribe;

const PAYMENTS: &str = "/v1/payments/payments";

async fn listed(scene: &Scene, query: &str) -> Vec<String> {
    let page = scene.read(&format!("{PAYMENTS}?{query}")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let rows = page.json()["data"].as_array().unwrap().clone();
    rows.iter().map(|row| text(row, "operation_number").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_listed_by_what_treasuries_ask_for() {
    let scene = Scene::open().await;
    let other = scene.other_bank().await;
    let day = written(midnight().plus_seconds(-1));
    let mut told = Vec::new();
    let a = scene.invoice("a").await;
    told.push(scene.bank.call("pay", scene.bank.payment(text(&a, "ktin"), "20.00", &day)).await);
    let b = scene.invoice("b").await;
    told.push(other.call("pay", other.payment(text(&b, "ktin"), "20.00", &written(midnight()))).await);
    told.push(scene.pays_cash(&b, "20.00").await);
    let reversed = scene.pays_cash(&a, "5.00").await;
    assert_eq!(scene.bank.reverses(&reversed).await.code(), "ok");
    told.push(reversed);
    let numbers: Vec<&str> = told.iter().map(|told| text(&told.said, "operation_number")).collect();
    let of = |places: &[usize]| places.iter().map(|place| numbers[*place].to_owned()).collect::<Vec<_>>();
    assert_eq!(listed(&scene, "").await, of(&[3, 2, 1, 0]), "newest first");
    let date = midnight().lima_day().date();
    assert_eq!(listed(&scene, &format!("date={date}")).await, of(&[1]), "a day of Lima, by the bank's time");
    let before = midnight().plus_seconds(-1).lima_day().date();
    assert_eq!(listed(&scene, &format!("date={before}")).await, of(&[0]));
    let hour_ago = in_seconds(-3_600);
    assert_eq!(listed(&scene, &format!("received[gte]={hour_ago}")).await.len(), 4, "all came just now");
    assert_eq!(listed(&scene, &format!("received[lt]={hour_ago}")).await.len(), 0);
    assert_eq!(listed(&scene, "channel=bbva").await, of(&[1]));
    assert_eq!(listed(&scene, "status=unapplied").await, of(&[2]));
    assert_eq!(listed(&scene, "status=APPLIED,reversed").await, of(&[3, 1, 0]));
    assert_eq!(listed(&scene, "status=returned").await.len(), 0);
    assert_eq!(listed(&scene, &format!("operation_number={}", numbers[1])).await, of(&[1]));
    assert_eq!(listed(&scene, &format!("invoice={}", text(&a, "id"))).await, of(&[3, 0]));
    let both = format!("channel=bcp&status=applied&date={before}&invoice={}", text(&a, "id"));
    assert_eq!(listed(&scene, &both).await, of(&[0]));
    let stranger = scene.world.merchant(Mode::Live).await;
    assert_eq!(stranger.call(Method::GET, PAYMENTS, &[], None).await.json()["data"], json!([]));
    let one = format!("{PAYMENTS}/{}", told[0].payment());
    assert_eq!(stranger.call(Method::GET, &one, &[], None).await.status, 404);
    for bad in
        ["from=1", "status=paid", "date=today", "invoice=1", "channel=BCP", "starting_after=pay_live_1"]
    {
        assert_eq!(scene.read(&format!("{PAYMENTS}?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_both_ways() {
    let scene = Scene::open().await;
    let mut all = Vec::new();
    for number in 0..5 {
        all.push(scene.bank.pays(&scene.invoice(&number.to_string()).await).await.payment());
    }
    all.reverse();
    let ids = |page: &Answer| -> Vec<String> {
        page.json()["data"].as_array().unwrap().iter().map(|row| text(row, "id").to_owned()).collect()
    };
    for mut path in [format!("{PAYMENTS}?limit=2"), format!("{PAYMENTS}?limit=2&channel=bcp")] {
        let mut walked = Vec::new();
        loop {
            let page = scene.read(&path).await;
            walked.extend(ids(&page));
            assert_eq!(page.json()["has_more"], !page.header("link").is_empty());
            let Some(next) = page.header("link").strip_prefix("<https://api.kashio.test") else { break };
            path = next.strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        }
        assert_eq!(walked, all);
    }
    let up = scene.read(&format!("{PAYMENTS}?limit=2&ending_before={}", all[3])).await;
    assert_eq!((ids(&up), &up.json()["has_more"]), (all[1..3].to_vec(), &json!(true)));
    let alias = scene.read(&format!("{PAYMENTS}?start={}&limit=500", all[2])).await;
    assert_eq!(ids(&alias), all[3..]);
    let other = scene.world.merchant(Mode::Live).await;
    let path = format!("{PAYMENTS}?starting_after={}", all[0]);
    assert_eq!(
        other.call(Method::GET, &path, &[], None).await.faults(),
        [("invalid_cursor".into(), "starting_after".into())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spreadsheet_shows_the_same_rows() {
    let scene = Scene::open().await;
    let accented = scene.create(with(order("000-año \"1\", b"), "amount", "1234.50")).await;
    let formula = scene.create(with(order("=1+1"), "amount", "3.00")).await;
    scene.bank.pays(&accented).await;
    scene.bank.pays(&formula).await;
    scene.pays_cash(&formula, "3.00").await;
    let csv =
        scene.shop.call(Method::GET, &format!("{PAYMENTS}?limit=2"), &[("accept", "text/csv")], None).await;
    assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(csv.header("x-has-more"), "true");
    assert!(csv.header("link").contains("starting_after="));
    let all = scene.shop.call(Method::GET, PAYMENTS, &[("accept", "text/csv")], None).await;
    let table = all.text.strip_prefix('\u{feff}').expect("a byte order mark");
    let lines: Vec<&str> = table.split("\r\n").collect();
    assert_eq!(lines.len(), 5, "{table}");
    let names: Vec<&str> = lines[0].split(',').map(|name| name.trim_matches('"')).collect();
    let rows = scene.read(PAYMENTS).await.json()["data"].as_array().unwrap().clone();
    for (row, line) in rows.iter().zip(&lines[1..]) {
        let cell = |name: &&str| match &row[*name] {
            Value::Null => String::new(),
            Value::String(text) if text.starts_with('=') => format!("'{text}"),
            Value::String(text) => text.replace('"', "\"\""),
            other => other.to_string(),
        };
        let wanted: Vec<String> = names.iter().map(|name| format!("\"{}\"", cell(name))).collect();
        assert_eq!(**line, wanted.join(","));
    }
    let kept = scene
        .shop
        .call(Method::GET, &format!("{PAYMENTS}?status=unapplied"), &[("accept", "text/csv")], None)
        .await;
    assert_eq!(kept.text.lines().count(), 2, "the filters hold");
    assert!(kept.text.contains("\"duplicate\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_told_in_the_feed_and_by_webhook_in_the_version_of_each() {
    let scene = Scene::of(World::working(|_| {}).await).await;
    let receiver = Receiver::content().await;
    subscribe(&scene.shop, &receiver.url).await;
    scene.world.execute("update accounts set version_pin = '1.0.1'").await;
    let invoice = scene.invoice("a").await;
    let paid = scene.bank.pays(&invoice).await;
    scene.pays_cash(&invoice, "20.00").await;
    assert_eq!(scene.bank.reverses(&paid).await.code(), "ok");
    let kinds = ["invoice.created", "invoice.paid", "payment.unapplied", "invoice.payment_reversed"];
    assert_eq!(scene.kinds().await, kinds);
    let got = receiver.count(4).await;
    scene.feed().await;
    for (version, amount, status) in [("1.0.0", json!("20.00"), "paid"), ("1.0.1", json!(20.0), "PAID")] {
        let headers = [("kashio-version", version)];
        let feed = scene.shop.call(Method::GET, "/v1/payments/events?after=1", &headers, None).await.json();
        let told = &feed["data"][0]["data"];
        assert_eq!((&told["invoice"]["status"], &told["invoice"]["amount"]), (&json!(status), &amount));
        assert_eq!((&told["payment"]["status"], &told["payment"]["amount"]), (&json!("applied"), &amount));
        assert_eq!(told["payment"]["id"], json!(paid.payment()));
        assert_eq!(told["invoice"]["payment"], told["payment"]["id"]);
        assert_eq!(told["url"], format!("//invoices/{}", text(&invoice, "id")));
        let taken = &feed["data"][2]["data"];
        assert_eq!(taken["payment"]["status"], "reversed", "as it was then");
        assert!(taken["invoice"].get("payment").is_none());
    }
    let hook = got.iter().map(|one| one.json()).find(|told| told["type"] == "invoice.paid").unwrap();
    assert_eq!(hook["data"]["invoice"]["status"], "PAID");
    assert_eq!(hook["data"]["payment"]["amount"], json!(20.0));
    assert_eq!(hook["data"]["payment"]["status"], "applied");
    let kept = got.iter().map(|one| one.json()).find(|told| told["type"] == "payment.unapplied").unwrap();
    assert_eq!(kept["data"]["payment"]["reason"], "duplicate");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_out_is_stored_and_told_once_within_a_second_or_two() {
    let scene = Scene::of(World::working(|_| {}).await).await;
    let mut other = kashio::serve::start(&scene.world.settings).await.unwrap();
    other.add_worker(&scene.world.settings).unwrap();
    let soon = in_seconds(2);
    let mut invoices = Vec::new();
    for number in 0..5 {
        let wish = with(order(&number.to_string()), "expiration_datetime", soon.as_str());
        invoices.push(scene.create(wish).await);
    }
    let due = Moment::parse_zoned(&soon).unwrap();
    while Moment::parse_zoned(&now()).unwrap() < due {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for invoice in &invoices {
        assert_eq!(scene.again(invoice).await["status"], "expired", "for every reader at once");
    }
    let began = Instant::now();
    until("all are stored", async || {
        scene.world.count("select count(*) from invoices where status = 'expired'").await == 5
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let kinds = scene.kinds().await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "invoice.expired").count(), 5, "{kinds:?}");
    assert_eq!(scene.again(&invoices[0]).await["version"], 2);
    other.stop(Duration::ZERO).await;
}
