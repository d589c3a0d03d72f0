//! What the database refuses to whoever writes around the domain: steps that are not in the table of states,
//! changes to what was ordered, versions that do not follow, states without their facts.

use domain::invoice::Invoice;
use domain::invoice::draft::NewInvoice;
use domain::invoice::table::State;
use domain::payment::{Payment, PaymentState, Reason};
use sqlx::AssertSqlSafe;
use store::{Conflict, Error};

use crate::world::*;

/// An invoice that got where it is by its verbs.
async fn invoice_in(world: &World, state: State) -> Invoice {
    let new = NewInvoice {
        // Past, so that it can expire; a bank's time before it still pays.
        expires: (state == State::Expired).then(|| world.now().plus_seconds(-60)),
        ..full_order(&unique(state.as_str()))
    };
    let invoice = world.open_invoice(new).await;
    let did = match state {
        State::Pending => return invoice,
        State::Paid => world.pay(&invoice, invoice.created).await,
        State::Expired => world.expire(&invoice).await,
        State::Voided => world.void(&invoice).await,
    };
    let invoice = did.unwrap().invoice;
    assert_eq!(invoice.status.state(), state);
    invoice
}

fn full_order(reference: &str) -> NewInvoice {
    NewInvoice {
        request_datetime: domain::time::Moment::parse("2026-11-20T15:00:00").ok(),
        url_success: Some("https://tienda.pe/gracias".to_owned()),
        metadata: Some(domain::metadata::Verbatim {
            text: r#"{"a": 1}"#.to_owned(),
            canonical: r#"{"a":1}"#.to_owned(),
        }),
        ..order(reference)
    }
}

/// `update invoices set …` of one invoice, taken back at once: the constraint that refused it, if any.
async fn refused(world: &World, invoice: &Invoice, set: &str) -> Option<String> {
    let mut tx = world.sql.begin().await.unwrap();
    let statement = AssertSqlSafe(format!("update invoices set {set} where id = $1"));
    let update = sqlx::query(statement).bind(invoice.id.uuid());
    let outcome = update.execute(&mut *tx).await;
    tx.rollback().await.unwrap();
    match outcome {
        Ok(done) => {
            assert_eq!(done.rows_affected(), 1);
            None
        }
        Err(error) => {
            let refusal = error.as_database_error().expect("refused by the database");
            assert_eq!(refusal.code().as_deref(), Some("23514"), "{set}: {refusal}");
            Some(refusal.constraint().unwrap().to_owned())
        }
    }
}

fn facts_of(state: State) -> &'static str {
    match state {
        State::Paid => "paid_at = now(), payment_id = gen_random_uuid(), late_fee = 0",
        State::Pending | State::Expired | State::Voided => {
            "paid_at = null, payment_id = null, late_fee = null"
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trigger_and_the_domain_draw_the_same_table_of_states() {
    let world = World::new().await;
    for from in State::ALL {
        let invoice = invoice_in(&world, from).await;
        for to in State::ALL {
            let set = format!("status = '{}', version = version + 1, {}", to.as_str(), facts_of(to));
            let refusal = refused(&world, &invoice, &set).await;
            let expected = (!from.may_become(to)).then(|| "invoices_table_of_states".to_owned());
            assert_eq!(refusal, expected, "{from:?} → {to:?}");
        }
        let unknown = refused(&world, &invoice, "status = 'lost', version = version + 1").await;
        assert!(unknown.is_some(), "{from:?} → lost");
    }
}

/// Each column of the order, and another value for it.
const ORDERED: [(&str, &str); 16] = [
    ("account_id", "gen_random_uuid()"),
    ("livemode", "not livemode"),
    ("id", "gen_random_uuid()"),
    ("created", "created + interval '1 second'"),
    ("invoice_id", "invoice_id || 'x'"),
    ("request_datetime", "null"),
    ("customer", r#"'{"name": "Otro"}'"#),
    ("sub_merchant", "'{}'"),
    ("url_success", "null"),
    ("url_error", "'https://tienda.pe/error'"),
    // The same value in another spelling is another text.
    ("metadata", r#"'{"a":1}'"#),
    ("size_qr", "size_qr + 1"),
    ("ktin", "ktin + 1"),
    ("token", "token || 'x'"),
    ("late_fee_rule", r#"'{"kind": "percent_per_day", "percent_e4": 500}'"#),
    ("content", r"'\x00'"),
];

const CHANGING: [&str; 9] =
    ["currency", "sub_total", "due", "expires", "status", "version", "paid_at", "payment_id", "late_fee"];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ordered_never_changes() {
    let world = World::new().await;
    let pending = invoice_in(&world, State::Pending).await;
    for (column, other) in ORDERED {
        let set = format!("{column} = {other}, version = version + 1");
        let refusal = refused(&world, &pending, &set).await;
        assert_eq!(refusal.as_deref(), Some("invoices_order_is_final"), "{column}");
        // Not even along with a step of its own right.
        let set = format!("{set}, status = 'voided'");
        let refusal = refused(&world, &pending, &set).await;
        assert_eq!(refusal.as_deref(), Some("invoices_order_is_final"), "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_column_of_an_invoice_is_either_ordered_or_changing() {
    let world = World::new().await;
    let mut known: Vec<&str> = ORDERED.iter().map(|(column, _)| *column).collect();
    known.extend(CHANGING);
    known.sort_unstable();
    let columns: Vec<String> = sqlx::query_scalar(
        r#"select column_name::text from information_schema.columns
           where table_schema = 'public' and table_name = 'invoices' order by column_name collate "C""#,
    )
    .fetch_all(&world.sql)
    .await
    .unwrap();
    assert_eq!(columns, known, "a new column belongs to the trigger or to CHANGING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_follows_the_one_before() {
    let world = World::new().await;
    let pending = invoice_in(&world, State::Pending).await;
    for version in ["version", "version + 2", "version - 1", "0", "-1"] {
        for step in ["sub_total = 1", "status = 'voided'", "status = 'expired'"] {
            let set = format!("{step}, version = {version}");
            let refusal = refused(&world, &pending, &set).await;
            assert_eq!(refusal.as_deref(), Some("invoices_version_follows"), "{set}");
        }
    }
    let set = "sub_total = 1, version = version + 1";
    assert_eq!(refused(&world, &pending, set).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_paid_invoice_has_the_facts_of_a_payment_and_it_has_all_of_them() {
    let world = World::new().await;
    let pending = invoice_in(&world, State::Pending).await;
    let facts = ["paid_at = now()", "payment_id = gen_random_uuid()", "late_fee = 0"];
    for chosen in 0..8u8 {
        let some: String =
            (0..3).filter(|bit| chosen & (1 << bit) != 0).map(|bit| format!(", {}", facts[bit])).collect();
        for to in State::ALL {
            let set = format!("status = '{}', version = version + 1{some}", to.as_str());
            let complete = match to {
                State::Paid => chosen == 7,
                State::Pending | State::Expired | State::Voided => chosen == 0,
            };
            let expected = (!complete).then(|| "invoices_paid_facts_check".to_owned());
            assert_eq!(refused(&world, &pending, &set).await, expected, "{set}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_positive_and_of_a_known_currency() {
    let world = World::new().await;
    let pending = invoice_in(&world, State::Pending).await;
    for (set, constraint) in [
        ("sub_total = 0", "invoices_sub_total_check"),
        ("sub_total = -1", "invoices_sub_total_check"),
        ("currency = 'EUR'", "invoices_currency_check"),
        ("currency = 'pen'", "invoices_currency_check"),
    ] {
        let set = format!("{set}, version = version + 1");
        let refusal = refused(&world, &pending, &set).await;
        assert_eq!(refusal.as_deref(), Some(constraint), "{set}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_payment_of_a_superseded_invoice_is_a_conflict_and_writes_nothing() {
    let world = World::new().await;
    let earlier = invoice_in(&world, State::Expired).await;
    let reference = earlier.order.reference.as_str();
    let later = world.open_invoice(order(reference)).await;
    let rows = world.rows().await;

    let in_time = earlier.terms.expires.plus_seconds(-1);
    let paid = world.pay(&earlier, in_time).await;
    let conflict = matches!(paid, Err(Stop::Store(Error::Conflict(Conflict::InvoiceId))));
    assert!(conflict, "{:?}", paid.err());
    assert_eq!(world.rows().await, rows);

    // Once the later one is out of the way, the money finds its invoice.
    world.void(&later).await.unwrap();
    let paid = world.pay(&earlier, in_time).await.unwrap().invoice;
    assert_eq!(paid.status.state(), State::Paid);
}

/// Money that got where it is as its status says, of an invoice of its own.
async fn money_in(world: &World, state: PaymentState) -> Payment {
    let invoice = world.open_invoice(order(&unique(state.as_str()))).await;
    let took = world.bank_took(&invoice, invoice.created);
    let stamp = || world.store.stamp(world.now()).unwrap();
    let paid = invoice.pay(took.clone(), stamp()).unwrap();
    let kept = took.clone().keep(Reason::Duplicate, &invoice, stamp());
    let money = kept.payment.clone().unwrap();
    let changes = match state {
        PaymentState::Applied => vec![paid],
        PaymentState::Unapplied => vec![kept],
        PaymentState::Reversed => vec![kept, money.reverse(&invoice, stamp()).unwrap()],
        PaymentState::Returned => vec![kept, money.give_back("x".to_owned(), &invoice, stamp()).unwrap()],
    };
    let payment = changes.last().unwrap().payment.clone().unwrap();
    let save = world.store.transaction("test", move |tx| {
        let changes = changes.clone();
        Box::pin(async move {
            for change in changes {
                tx.save(&[change]).await?;
            }
            Ok::<_, Error>(())
        })
    });
    save.await.unwrap();
    assert_eq!(payment.status.state(), state);
    payment
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trigger_and_the_domain_let_money_take_the_same_steps() {
    let world = World::new().await;
    for from in PaymentState::ALL {
        let payment = money_in(&world, from).await;
        for to in PaymentState::ALL {
            let reason = match to {
                PaymentState::Unapplied | PaymentState::Returned => "'late'",
                PaymentState::Applied | PaymentState::Reversed => "null",
            };
            let set = format!(
                "update payments set status = '{}', reason = {reason} where id = '{}'",
                to.as_str(),
                payment.id.uuid()
            );
            let mut tx = world.sql.begin().await.unwrap();
            let done = sqlx::query(AssertSqlSafe(set)).execute(&mut *tx).await;
            tx.rollback().await.unwrap();
            let refused =
                done.err().map(|error| error.as_database_error().unwrap().constraint().unwrap().to_owned());
            let expected =
                (from != to && !from.may_become(to)).then(|| "payments_table_of_states".to_owned());
            assert_eq!(refused, expected, "{from:?} → {to:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bank_took_never_changes() {
    let world = World::new().await;
    let payment = money_in(&world, PaymentState::Unapplied).await;
    for set in [
        "amount = amount + 1",
        "currency = 'USD'",
        "channel = 'otro'",
        "operation_number = '9'",
        "paid_at = paid_at - interval '1 second'",
        "received_at = received_at + interval '1 second'",
        "livemode = not livemode",
        "invoice = gen_random_uuid()",
        "amount = amount + 1, status = 'applied', reason = null",
    ] {
        let statement = format!("update payments set {set} where id = '{}'", payment.id.uuid());
        let refused = world.try_execute(statement).await.unwrap_err();
        let refused = refused.as_database_error().unwrap().constraint().unwrap().to_owned();
        assert_eq!(refused, "payments_money_is_final", "{set}");
    }
}
