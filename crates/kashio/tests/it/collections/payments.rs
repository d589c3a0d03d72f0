//! "This was paid": what is applied, what is refused, and what is kept because the bank has it already.

use futures_util::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_pays_its_invoice_and_is_answered_with_a_receipt() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("INV-1").await;
    let paid = scene.bank.pays(&invoice).await;
    let told = paid.answer.json();
    let number = text(&told, "operation_number");
    assert!(number.len() == 9 && number.bytes().all(|byte| byte.is_ascii_digit()), "{number}");
    let receipt = text(&told, "receipt");
    for line in ["Tienda", "ORDEN INV-1", "MONTO S/ 20.00", "PAGO REALIZADO", number, text(&invoice, "ktin")]
    {
        assert!(receipt.contains(line), "{line} is not in {receipt}");
    }
    let shown = scene.again(&invoice).await;
    assert_eq!((text(&shown, "status"), text(&shown, "payment")), ("paid", paid.payment().as_str()));
    assert_eq!(format!("{}Z", text(&shown, "paid_at")), text(&paid.said, "operated_at"));
    assert_eq!(shown["version"], 2);
    let money = scene.money(&paid.payment()).await;
    let received = money["received_at"].clone();
    assert_eq!(
        money,
        json!({
            "id": paid.payment(), "object": "payment", "livemode": true, "invoice": invoice["id"],
            "invoice_id": "INV-1", "ktin": invoice["ktin"], "amount": "20.00", "currency": "PEN", "channel": "bcp",
            "operation_number": paid.said["operation_number"], "paid_at": shown["paid_at"],
            "received_at": received, "status": "applied",
        })
    );
    assert_eq!(scene.kinds().await, ["invoice.created", "invoice.paid"]);
}

/// How an invoice came to be not payable, the amount that is paid then, the code, and the reason.
const NOT_PAYABLE: [(&str, &str, &str, &str); 6] = [
    ("paid", "20.00", "already_paid", "duplicate"),
    ("late", "20.00", "expired", "late"),
    ("late and swept", "20.00", "expired", "late"),
    ("voided", "20.00", "voided", "voided"),
    ("superseded", "20.00", "expired", "superseded"),
    ("pending", "20.01", "amount_mismatch", "wrong_amount"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_payable_is_refused_and_recorded_or_kept_with_its_reason() {
    for (case, amount, code, reason) in NOT_PAYABLE {
        let scene = Scene::open().await;
        let invoice = scene.invoice("a").await;
        let mut at = now();
        match case {
            "paid" => drop(scene.other_bank().await.pays(&invoice).await),
            "late" => scene.run_out(1).await,
            "late and swept" => scene.expire(1).await,
            "voided" => scene.void(&invoice).await,
            "superseded" => {
                scene.expire(60).await;
                at = in_seconds(-120);
                scene.create(with(order("a"), "request_datetime", "2026-01-02T10:00:00")).await;
            }
            _ => {}
        }
        let (before, money_before) = (scene.again(&invoice).await, scene.all_money().await);
        let said = scene.bank.payment(text(&invoice, "ktin"), amount, &at);
        let refused = scene.bank.call("pay", said.clone()).await;
        assert_eq!(refused.code(), code, "{case}");
        let answer = refused.answer.json();
        assert!(answer.get("payment").is_none() && answer.get("operation_number").is_none(), "{case}");
        assert_eq!(scene.all_money().await, money_before, "{case}: nothing was taken");
        assert_eq!(scene.again(&invoice).await, before, "{case}");
        assert_eq!(scene.recorded().await.last().unwrap(), &("pay".into(), code.into()), "{case}");
        let again = scene.bank.call("pay", said.clone()).await;
        assert_eq!(again.answer.text, refused.answer.text, "{case}: a replay");

        // And then the bank has the money after all, under the same number.
        let kept = scene.bank.call("pay", with_cash(said.clone())).await;
        assert_eq!(kept.code(), "ok", "{case}");
        let again = scene.bank.call("pay", with_cash(said.clone())).await;
        assert_eq!(again.answer.text, kept.answer.text, "{case}: a replay");
        let delayed = scene.bank.call("pay", said).await;
        assert_eq!(delayed.answer.text, kept.answer.text, "{case}: what it had said before");
        let anew = scene.bank.payment(text(&invoice, "ktin"), amount, &at);
        assert_eq!(scene.bank.call("pay", with_cash(anew)).await.code(), "ok", "{case}: at once");

        let money = scene.money(&kept.payment()).await;
        assert_eq!((text(&money, "status"), text(&money, "reason")), ("unapplied", reason), "{case}");
        assert_eq!(money["invoice"], invoice["id"], "{case}");
        assert!(text(&kept.answer.json(), "receipt").contains("POR REVISAR"), "{case}");
        assert_eq!(scene.all_money().await.len(), money_before.len() + 2, "{case}");
        assert_eq!(scene.again(&invoice).await, before, "{case}: nothing was applied");
        let kinds = scene.kinds().await;
        assert_eq!(kinds[kinds.len() - 2..], ["payment.unapplied"; 2], "{case}");
        let event = scene.feed().await.pop().unwrap();
        assert_eq!(event["data"]["invoice"]["status"], before["status"], "{case}: as every reader saw it");
        assert_eq!(text(&event["data"]["payment"], "reason"), reason, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_a_week_old_waits_for_people() {
    let scene = Scene::open().await;
    let invoice = scene.invoice("a").await;
    let old = in_seconds(-7 * 86_400 - 60);
    let said = scene.bank.payment(text(&invoice, "ktin"), "20.00", &old);
    assert_eq!(scene.bank.call("pay", said.clone()).await.code(), "bad_request");
    assert_eq!(scene.all_money().await, []);
    assert_eq!(scene.bank.call("pay", with_cash(said)).await.code(), "ok");
    assert_eq!(scene.all_money().await, one("unapplied", "too_old"));
    assert_eq!(scene.again(&invoice).await["status"], "pending");
    let recorded = scene.recorded().await;
    assert_eq!(recorded, [("pay".into(), "bad_request".into()), ("pay".into(), "ok".into())]);
    let young = scene.bank.payment(text(&invoice, "ktin"), "20.00", &in_seconds(-7 * 86_400 + 60));
    assert_eq!(scene.bank.call("pay", young).await.code(), "ok");
    assert_eq!(scene.again(&invoice).await["status"], "paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_the_bank_decides_however_late_it_tells() {
    let scene = Scene::open().await;
    for (reference, swept) in [("noticed by nobody", false), ("swept", true)] {
        let invoice = scene.invoice(reference).await;
        if swept {
            scene.expire(60).await
        } else {
            scene.run_out(60).await
        };
        assert_eq!(scene.again(&invoice).await["status"], "expired");
        let ktin = text(&invoice, "ktin");
        let late = scene.bank.call("pay", scene.bank.payment(ktin, "20.00", &in_seconds(-30))).await;
        assert_eq!(late.code(), "expired", "{reference}");
        let in_time = scene.bank.call("pay", scene.bank.payment(ktin, "20.00", &in_seconds(-120))).await;
        assert_eq!(in_time.code(), "ok", "{reference}");
        assert_eq!(scene.again(&invoice).await["status"], "paid", "{reference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_banks_at_once_one_pays_and_the_other_is_a_duplicate() {
    let scene = Scene::open().await;
    let other = scene.other_bank().await;
    for round in 0..10 {
        let invoice = scene.invoice(&format!("r{round}")).await;
        let pays = [&scene.bank, &other].map(|bank| async {
            bank.call("pay", with_cash(bank.payment(text(&invoice, "ktin"), "20.00", &now()))).await.code()
        });
        assert_eq!(join_all(pays).await, ["ok", "ok"]);
    }
    let count = async |status: &str| {
        scene.all_money().await.iter().filter(|(is, reason)| format!("{is} {reason}") == status).count()
    };
    assert_eq!((count("applied ").await, count("unapplied duplicate").await), (10, 10));
    for round in 0..10 {
        let invoice = scene.invoice(&format!("s{round}")).await;
        let pays = [&scene.bank, &other].map(|bank| async {
            bank.call("pay", bank.payment(text(&invoice, "ktin"), "20.00", &now())).await.code()
        });
        let mut codes = join_all(pays).await;
        codes.sort();
        assert_eq!(codes, ["already_paid", "ok"]);
    }
    assert_eq!((count("applied ").await, count("unapplied duplicate").await), (20, 10));
}
