//! Who may speak, and what is no sound message.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_speaks_for_its_channel_only_and_the_console_for_none() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let ktin = text(&invoice, "ktin");
    let inquiry = with(scene.bank.inquiry(ktin, &now()), "channel", "bbva");
    let payment = with(scene.bank.payment(ktin, "20.00", &now()), "channel", "bbva");
    let reversal = with(scene.bank.reversal(&payment, "automatic"), "channel", "bbva");
    for (verb, said) in [("inquire", inquiry), ("pay", payment), ("reverse", reversal)] {
        let told = scene.bank.call(verb, said.clone()).await;
        assert_eq!((told.answer.status, told.answer.code().as_str()), (403, "channel_not_allowed"));
        let path = format!("/internal/v1/collections/{verb}");
        let said = with(said, "channel", "bcp");
        let console = scene.console.call(Method::POST, &path, &[], Some(&said)).await;
        assert_eq!((console.status, console.code().as_str()), (403, "insufficient_role"));
        let nobody = scene.world.send_inside(Method::POST, &path, &[], Some(&said.to_string())).await;
        assert_eq!(nobody.status, 401);
    }
    assert_eq!(scene.recorded().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_so_is_a_bad_request_recorded_and_without_effect() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let ktin = text(&invoice, "ktin");
    let sound = with_cash(scene.bank.payment(ktin, "20.00", &now()));
    let naive = now().trim_end_matches('Z').to_owned();
    let year = 365 * domain::time::DAY_SECONDS;
    let mut bad = vec![
        with(sound.clone(), "operated_at", naive.clone()),
        with(sound.clone(), "operated_at", "yesterday"),
        with(sound.clone(), "operated_at", "9999-12-31T23:59:59Z"),
        with(without(sound.clone(), "cash_taken"), "operated_at", "0001-01-01T00:00:00Z"),
        with(sound.clone(), "agreement", "1".repeat(41)),
        with(sound.clone(), "trace_id", "1".repeat(65)),
        with(sound.clone(), "operated_at", in_seconds(310)),
        with(sound.clone(), "operated_at", in_seconds(year)),
        with(without(sound.clone(), "cash_taken"), "operated_at", in_seconds(-year)),
        with(without(sound.clone(), "cash_taken"), "operated_at", in_seconds(-604_860)),
        with(sound.clone(), "operation_number", "1234567890123"),
        with(sound.clone(), "operation_number", ""),
        with(sound.clone(), "operation_number", 7),
        with(sound.clone(), "operation_number", "año"),
        with(sound.clone(), "currency", "USD"),
        with(sound.clone(), "currency", "EUR"),
        with(sound.clone(), "cash_taken", "yes"),
        with(sound.clone(), "ktin", ""),
    ];
    for amount in ["20.001", "-20.00", "0", "0.00", "1e3", "", "020.00", "1000000000.00", "20,00"] {
        bad.push(with(sound.clone(), "amount", amount));
    }
    for field in ["channel", "agreement", "ktin", "operation_number", "operated_at", "amount", "currency"] {
        bad.push(without(sound.clone(), field));
    }
    for said in &bad {
        let told = scene.bank.call("pay", said.clone()).await;
        assert_eq!(told.code(), "bad_request", "{said}");
        assert!(told.answer.json().get("payment").is_none(), "{said}");
    }
    let inquiry = with(scene.bank.inquiry(ktin, &now()), "operated_at", naive.clone());
    assert_eq!(scene.bank.call("inquire", inquiry).await.code(), "bad_request");
    let inquiry = scene.bank.inquiry(ktin, &in_seconds(310));
    assert_eq!(scene.bank.call("inquire", inquiry).await.code(), "bad_request");
    let reversal = scene.bank.reversal(&sound, "automatic");
    for said in [
        with(reversal.clone(), "original_operated_at", naive),
        with(reversal.clone(), "original_operated_at", in_seconds(310)),
        with(reversal.clone(), "kind", "both"),
        without(reversal.clone(), "kind"),
        without(reversal.clone(), "original_operation_number"),
        without(reversal, "original_operated_at"),
    ] {
        assert_eq!(scene.bank.call("reverse", said.clone()).await.code(), "bad_request", "{said}");
    }
    let recorded = scene.recorded().await;
    assert_eq!(recorded.len(), bad.len() + 8);
    assert!(recorded.iter().all(|(_, code)| code == "bad_request"));
    let blamed = scene.world.count("select count(*) from collections where fault is not null").await;
    assert_eq!(blamed, recorded.len() as i64, "each with its fault");
    assert_eq!(scene.all_money().await, []);
    assert_eq!(scene.kinds().await, ["invoice.created"]);
    // None of them holds the key: once the message is sound, it is taken.
    assert_eq!(scene.bank.call("pay", sound).await.code(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_five_minutes_ahead_and_an_offset_are_fine() {
    let scene = Scene::open().await;
    let (a, b) = (scene.invoice("a").await, scene.invoice("b").await);
    let ahead = scene.bank.payment(text(&a, "ktin"), "20.00", &scene.world.bank_time(290).await);
    assert_eq!(scene.bank.call("pay", ahead).await.code(), "ok");
    let lima = Moment::parse_zoned(&now()).unwrap().plus_seconds(-5 * 3_600);
    let said = scene.bank.payment(text(&b, "ktin"), "20.00", &format!("{lima}-05:00"));
    assert_eq!(scene.bank.call("pay", said).await.code(), "ok");
    let paid = format!("{}Z", text(&scene.again(&b).await, "paid_at"));
    assert_eq!(paid, written(lima.plus_seconds(5 * 3_600)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_of_this_edition_is_an_error() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let sound = scene.bank.payment(text(&invoice, "ktin"), "20.00", &now());
    let told = scene.bank.call("pay", with(sound.clone(), "monto", "20.00")).await;
    assert_eq!(
        (told.answer.status, told.answer.faults()),
        (400, vec![("unknown_field".into(), "monto".into())])
    );
    let told = scene.bank.call("pay", json!([sound])).await;
    assert_eq!(told.answer.status, 400);
    assert_eq!(scene.recorded().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_channel_takes_nothing_new_but_what_was_taken() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    scene.set_channel("bcp", json!({ "name": "Banco de Crédito", "open": false })).await;
    let shown = scene.console.get("/internal/v1/channels/bcp").await.json();
    assert_eq!(
        shown,
        json!({
            "object": "channel", "id": "bcp", "name": "Banco de Crédito", "open": false, "reversal_days": 0,
        })
    );
    assert_eq!(scene.inquires(&invoice).await.code(), "channel_closed");
    let refused = scene.pays(&invoice, "20.00").await;
    assert_eq!(refused.code(), "channel_closed");
    assert_eq!(scene.all_money().await, []);
    let taken = scene.bank.call("pay", with_cash(refused.said)).await;
    assert_eq!(taken.code(), "ok", "the payer has paid");
    assert_eq!(scene.again(&invoice).await["status"], "paid");
    assert_eq!(scene.bank.reverses(&taken).await.code(), "ok", "never reverse");
    scene.set_channel("bcp", json!({ "open": true })).await;
    assert_eq!(scene.inquires(&invoice).await.code(), "ok", "with the next call");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_channel_is_no_page_and_a_bad_one_no_name() {
    let scene = Scene::open().await;
    assert_eq!(scene.console.get("/internal/v1/channels/bcp").await.status, 404);
    let put = async |id: &str, settings: Value| {
        let path = format!("/internal/v1/channels/{id}");
        scene.console.call(Method::PUT, &path, &[], Some(&settings)).await.faults()
    };
    let fault = |code: &str, param: &str| vec![(code.to_owned(), param.to_owned())];
    assert_eq!(put("BCP", json!({})).await, fault("invalid_channel", "id"));
    assert_eq!(put("bcp", json!({ "abierto": true })).await, fault("unknown_field", "abierto"));
    assert_eq!(put("bcp", json!({ "reversal_days": -1 })).await.len(), 1);
    assert_eq!(put("bcp", json!({ "open": "no" })).await.len(), 1);
}
