//! "What is owed?": whose invoices a bank can see, and what it is told of them.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_inquiry_is_answered_with_the_debt_and_a_quote() {
    let scene = Scene::open().await;
    let mut wish = order("INV-1");
    wish["due_datetime"] = json!(in_seconds(3_600));
    wish["expiration_datetime"] = json!(in_seconds(7_200));
    wish["customer"] = json!({ "name": "Juana Pérez", "email": "juana@example.pe" });
    let invoice = scene.create(wish).await;
    let told = scene.inquires(&invoice).await;
    assert_eq!(told.code(), "ok");
    let zoned = |field: &str| format!("{}Z", text(&invoice, field));
    let debt = json!({
        "ktin": invoice["ktin"], "invoice": invoice["id"], "description": "Tienda INV-1",
        "customer_name": "Juana Pérez", "issued": zoned("created"), "due": zoned("due_datetime"),
        "sub_total": "20.00", "late_fee": "0.00", "fees": "0.00", "total": "20.00", "currency": "PEN",
        "expires": zoned("expiration_datetime"),
    });
    assert_eq!(told.answer.json()["debts"], json!([debt]));
    assert!(told.quote().starts_with("quo_live_"));
    let life = "select extract(epoch from expires - created)::bigint from quotes";
    assert_eq!(scene.world.count(life).await, 600, "ten minutes");
    let plain = scene.invoice("INV-2").await;
    let debt = scene.inquires(&plain).await.answer.json()["debts"][0].clone();
    assert!(debt.get("due").is_none() && debt.get("customer_name").is_none(), "absent is left out: {debt}");
    assert_eq!(scene.kinds().await, ["invoice.created"; 2], "asking changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agreement_can_not_see_is_an_unknown_code() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let ktin = text(&invoice, "ktin");
    let unknown = || ("unknown_code".to_owned(), "unknown_code".to_owned());
    let asks = async |ktin: &str, agreement: &str| {
        let said = with(scene.bank.inquiry(ktin, &now()), "agreement", agreement);
        let told = scene.bank.call("inquire", said).await;
        assert_eq!((&told.answer.json()["debts"], told.answer.json().get("quote_id")), (&json!([]), None));
        let paid = with(scene.bank.payment(ktin, "20.00", &now()), "agreement", agreement);
        let paid = scene.bank.call("pay", with_cash(paid)).await;
        assert_eq!(paid.code(), "unknown_code");
        let reversed = scene.bank.call("reverse", scene.bank.reversal(&paid.said, "automatic")).await;
        (told.code(), reversed.code())
    };
    let last = ktin.as_bytes()[ktin.len() - 1];
    let mistyped = format!("{}{}", &ktin[..ktin.len() - 1], (last - b'0' + 1) % 10);
    assert_eq!(asks("263264817050", AGREEMENT).await, unknown(), "a number that nobody has");
    assert_eq!(asks(&mistyped, AGREEMENT).await, unknown(), "a mistyped number");
    assert_eq!(asks("1", AGREEMENT).await, unknown());
    assert_eq!(asks("mi recibo", AGREEMENT).await, unknown());
    assert_eq!(asks(ktin, "000002").await, unknown(), "an agreement of nobody");
    let stranger = scene.world.merchant(Mode::Live).await;
    let unlisted = stranger.create(&order("a")).await.json();
    assert_eq!(asks(text(&unlisted, "ktin"), AGREEMENT).await, unknown(), "an account that lists it not");
    let test = scene.world.key_of(scene.shop.account, Mode::Test, None).await;
    scene
        .set_account(json!({ "collection_channels": [
        { "channel": "bcp", "agreement_number": AGREEMENT, "currency": "PEN" },
    ] }))
        .await;
    let played = test.create(&order("a")).await.json();
    assert_eq!(asks(text(&played, "ktin"), AGREEMENT).await, unknown(), "a test is no debt");
    let mut dollars = order("dollars");
    dollars["currency"] = json!("USD");
    let dollars = scene.create(dollars).await;
    // A reversal is kept all the same: what was quoted before an amendment of the currency might come after it.
    let recorded = ("unknown_code".to_owned(), "reversal_recorded".to_owned());
    assert_eq!(asks(text(&dollars, "ktin"), AGREEMENT).await, recorded, "another currency");
    let other = scene.world.bank("bbva").await;
    let told = other.call("inquire", other.inquiry(ktin, &now())).await;
    assert_eq!(told.code(), "unknown_code", "the agreement is another bank's");
    assert_eq!(scene.inquires(&invoice).await.code(), "ok");
    let kept = scene.world.count("select count(*) from collections where code = 'unknown_code'").await;
    assert_eq!(kept, 24, "all is kept for support");
    assert_eq!(scene.all_money().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_paid_is_told_so() {
    let scene = Scene::open().await;
    let (paid, voided, late) =
        (scene.invoice("paid").await, scene.invoice("voided").await, scene.invoice("late").await);
    scene.bank.pays(&paid).await;
    scene.void(&voided).await;
    assert_eq!(scene.inquires(&paid).await.code(), "already_paid");
    assert_eq!(scene.inquires(&voided).await.code(), "voided");
    scene.run_out(1).await;
    assert_eq!(scene.inquires(&late).await.code(), "expired", "before anybody has stored it");
    scene.expire(1).await;
    let told = scene.inquires(&late).await;
    assert_eq!((told.code().as_str(), &told.answer.json()["debts"]), ("expired", &json!([])));
    assert_eq!(scene.world.count("select count(*) from quotes").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn blanks_between_the_digits_are_the_payers() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let ktin = text(&invoice, "ktin");
    let spaced = format!("{} {} {}", &ktin[..4], &ktin[4..8], &ktin[8..]);
    let told = scene.bank.call("inquire", scene.bank.inquiry(&spaced, &now())).await;
    assert_eq!(told.code(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn invoices_of_a_disabled_account_can_still_be_paid() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let path = format!("/internal/v1/accounts/{}/disable", scene.shop.account.text(Mode::Test));
    assert_eq!(scene.console.write(&path).await.status, 200);
    assert_eq!(scene.inquires(&invoice).await.code(), "ok");
    scene.bank.pays(&invoice).await;
    assert_eq!(scene.all_money().await, one("applied", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_late_fee_is_that_of_the_moment_in_whole_centimos() {
    let scene = Scene::open().await;
    // 0.05 % of 33.33 a day, three days begun: 0.049995, half up.
    scene.set_account(json!({ "late_fee": { "kind": "percent_per_day", "percent": "0.05" } })).await;
    let invoice = scene.create(with(order("a"), "amount", "33.33")).await;
    // The rule is the invoice's own from now on.
    scene.set_account(json!({ "late_fee": { "kind": "none" } })).await;
    let day = domain::time::DAY_SECONDS;
    let today = Moment::parse_zoned(&now()).unwrap().lima_day().start();
    let due = today.plus_seconds(-2 * day - 60);
    scene.rewrite_invoices(&format!("due = '{}'", written(due))).await;
    let told = scene.inquires(&invoice).await.answer.json()["debts"][0].clone();
    assert_eq!((text(&told, "late_fee"), text(&told, "total")), ("0.05", "33.38"));
    assert_eq!((text(&told, "sub_total"), text(&told, "due")), ("33.33", written(due).as_str()));
    // The bank took it two days ago, when one day had begun: 0.016665, half up.
    scene.age_quotes(601).await;
    let then = written(today.plus_seconds(-2 * day));
    let short = scene.bank.call("pay", scene.bank.payment(text(&invoice, "ktin"), "33.38", &then)).await;
    assert_eq!(short.code(), "amount_mismatch");
    let paid = scene.bank.call("pay", scene.bank.payment(text(&invoice, "ktin"), "33.35", &then)).await;
    assert_eq!(paid.code(), "ok");
    let shown = scene.again(&invoice).await;
    assert_eq!((text(&shown, "late_fee"), text(&shown, "amount")), ("0.02", "33.35"), "frozen");
    assert_eq!(format!("{}Z", text(&shown, "paid_at")), then);
}
