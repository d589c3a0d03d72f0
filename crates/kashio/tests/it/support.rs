//! Support's day: "I paid and it does not show", "I paid twice". One search box, a timeline, and money that two people
//! decide about.

use domain::account::Mode;
use domain::collection::{ReversalKind, Said, Verb};
use domain::id::PaymentId;
use domain::ktin::Ktin;
use domain::money::{Amount, Currency};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use store::collections::Call;

use crate::receiver::Receiver;
use crate::webhooks::{subscribe, until};
use crate::world::{Answer, Console, INVOICES, Merchant, World, order};

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}: {value}")).to_owned()
}

/// A bank that speaks for itself, and hears which payment its call was about.
struct Bank<'w> {
    world: &'w World,
    mode: Mode,
}

impl Bank<'_> {
    async fn call(&self, verb: Verb, ktin: &str, number: &str, more: Said) -> (&'static str, String) {
        let said = Said {
            agreement: Some("000001".to_owned()),
            ktin: Some(Ktin::parse(ktin).unwrap_or_else(|| Ktin::mistyped(ktin))),
            number: Some(number.to_owned()),
            at: Some(self.world.running().store.clock().now()),
            ..more
        };
        let (channel, mode) = ("bcp".to_owned(), self.mode);
        let call = Call { verb, channel, mode, needs_agreement: false, said, fault: None };
        let collected = self.world.running().store.collect(call, |outcome| {
            let payment = outcome.payment.as_ref();
            payment.map(|payment| payment.id.text(payment.owner.mode).into_bytes()).unwrap_or_default()
        });
        let collected = collected.await.unwrap();
        (collected.code.as_str(), String::from_utf8(collected.body.to_vec()).unwrap())
    }

    async fn takes(&self, ktin: &str, number: &str, amount: &str) -> (&'static str, String) {
        let said = Said {
            amount: Some(Amount::parse(amount).unwrap()),
            currency: Some(Currency::Pen),
            cash_taken: true,
            ..Said::default()
        };
        self.call(Verb::Pay, ktin, number, said).await
    }
}

/// A shop, a bank that took money for nothing, and two operators.
struct Case {
    world: World,
    shop: Merchant,
    ana: Console,
    luis: Console,
}

impl Case {
    async fn new() -> Case {
        let world = World::start().await;
        let (shop, console) = (world.merchant(Mode::Live).await, world.console().await);
        let (ana, luis) = (console.of("ana"), console.of("luis"));
        Case { world, shop, ana, luis }
    }

    fn bank(&self) -> Bank<'_> {
        Bank { world: &self.world, mode: self.shop.mode }
    }

    async fn invoice(&self, invoice_id: &str, amount: &str) -> Value {
        let mut wish = order(invoice_id);
        wish["amount"] = json!(amount);
        let made = self.shop.create(&wish).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()
    }

    /// Money of an amount that nobody asked for.
    async fn unapplied(&self, amount: &str) -> String {
        let number = format!("{:012}", rand::random::<u32>());
        let owed = self.invoice(&format!("owed {number}"), "7777.00").await;
        let (code, payment) = self.bank().takes(&text(&owed, "ktin"), &number, amount).await;
        assert_eq!(code, "ok");
        payment
    }

    /// The sum of applied payments, and that of the amounts of paid invoices.
    async fn sums_agree(&self) -> bool {
        let difference =
            "select (select coalesce(sum(amount), 0)::bigint from payments where status = 'applied')
            - (select coalesce(sum(sub_total + late_fee), 0)::bigint from invoices where status = 'paid')";
        self.world.count(difference).await == 0
    }

    async fn events(&self) -> Vec<String> {
        let told = "select type from events where type <> 'invoice.created' order by position";
        sqlx::query_scalar(told).fetch_all(&self.world.sql).await.unwrap()
    }

    async fn acts(&self, object: &str) -> Vec<(String, String)> {
        let audit = self.ana.get(&format!("/internal/v1/audit?object={object}")).await.json();
        let rows = audit["data"].as_array().unwrap().iter().rev();
        rows.map(|row| (text(row, "actor"), text(row, "action"))).collect()
    }
}

async fn apply(console: &Console, payment: &str, invoice: &str) -> Answer {
    let path = format!("/internal/v1/payments/{payment}/apply");
    console.call(Method::POST, &path, &[], Some(&json!({ "invoice": invoice }))).await
}

async fn give_back(console: &Console, payment: &str, reason: &str) -> Answer {
    let path = format!("/internal/v1/payments/{payment}/return");
    console.call(Method::POST, &path, &[], Some(&json!({ "reason": reason }))).await
}

fn is(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_apply_money_that_paid_nothing() {
    let case = Case::new().await;
    let (first, second) = (case.invoice("first", "20.00").await, case.invoice("second", "20.00").await);
    let ktin = text(&first, "ktin");
    case.bank().takes(&ktin, "1", "20.00").await;
    let (code, payment) = case.bank().takes(&ktin, "2", "20.00").await;
    assert_eq!(code, "ok", "paid twice, and kept");
    let target = text(&second, "id");

    let proposed = apply(&case.ana, &payment, &target).await;
    assert_eq!(proposed.status, 202, "{}", proposed.text);
    let shown = proposed.json();
    for (field, value) in [
        ("object", "proposal"),
        ("payment", &payment),
        ("action", "apply"),
        ("invoice", &target),
        ("proposed_by", "ana"),
    ] {
        assert_eq!(shown[field], value);
    }
    assert_ne!(shown["created"], shown["lapses_at"]);
    is(&apply(&case.ana, &payment, &target).await, 409, "second_actor_required");
    assert_eq!(text(&case.shop.get(&target).await.json(), "status"), "pending", "nothing is done yet");

    let done = apply(&case.luis, &payment, &target).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let money = done.json();
    assert_eq!((text(&money, "id"), text(&money, "status")), (payment.clone(), "applied".to_owned()));
    assert_eq!((text(&money, "invoice"), text(&money, "invoice_id")), (target.clone(), "second".to_owned()));
    assert_eq!(text(&money, "ktin"), ktin, "what the payer typed stays");
    let paid = case.shop.get(&target).await.json();
    assert_eq!((text(&paid, "status"), text(&paid, "payment")), ("paid".to_owned(), payment.clone()));

    assert_eq!(case.events().await, ["invoice.paid", "payment.unapplied", "payment.applied", "invoice.paid"]);
    let acts = case.acts(&payment).await;
    let expected = [("ana", "propose_apply"), ("luis", "apply_payment")];
    assert_eq!(acts, expected.map(|(who, what)| (who.to_owned(), what.to_owned())));
    assert!(case.sums_agree().await);
    assert_eq!(case.world.count("select count(*) from payment_proposals").await, 0);
    is(&apply(&case.ana, &payment, &target).await, 409, "payment_not_unapplied");
    is(&give_back(&case.ana, &payment, "x").await, 409, "payment_not_unapplied");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_give_money_back() {
    let case = Case::new().await;
    let payment = case.unapplied("20.00").await;
    let proposed = give_back(&case.ana, &payment, "  pagado dos veces ").await;
    assert_eq!(proposed.status, 202, "{}", proposed.text);
    assert_eq!(text(&proposed.json(), "reason"), "pagado dos veces");
    is(&give_back(&case.ana, &payment, "pagado dos veces").await, 409, "second_actor_required");
    let other = give_back(&case.luis, &payment, "monto errado").await;
    assert_eq!((other.status, other.json()["proposed_by"].as_str()), (202, Some("luis")), "another reason");
    is(&give_back(&case.luis, &payment, "monto errado").await, 409, "second_actor_required");
    let done = give_back(&case.ana, &payment, " monto errado").await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(
        (text(&done.json(), "status"), text(&done.json(), "reason")),
        ("returned".to_owned(), "monto errado".to_owned())
    );
    assert_eq!(case.events().await, ["payment.unapplied", "payment.returned"]);
    let actions: Vec<String> = case.acts(&payment).await.into_iter().map(|(_, action)| action).collect();
    assert_eq!(actions, ["propose_return", "propose_return", "return_payment"]);
    let audit = case.ana.get(&format!("/internal/v1/audit?object={payment}")).await.text;
    assert!(!audit.contains("monto errado"), "words about people are not in the log: {audit}");
    assert!(case.sums_agree().await);

    // What was given back can not be applied.
    let invoice = text(&case.invoice("late", "20.00").await, "id");
    is(&apply(&case.ana, &payment, &invoice).await, 409, "payment_not_unapplied");
    assert_eq!(text(&case.shop.get(&invoice).await.json(), "status"), "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_lapses_and_another_one_takes_its_place() {
    let case = Case::new().await;
    let payment = case.unapplied("20.00").await;
    let (one, two) = (case.invoice("one", "20.00").await, case.invoice("two", "20.00").await);
    let (one, two) = (text(&one, "id"), text(&two, "id"));
    assert_eq!(apply(&case.ana, &payment, &one).await.status, 202);
    // Whoever names another invoice proposes it, and what was proposed before is proposed no more.
    let replaced = apply(&case.luis, &payment, &two).await;
    assert_eq!((replaced.status, replaced.json()["proposed_by"].as_str()), (202, Some("luis")));
    assert_eq!(apply(&case.luis, &payment, &one).await.status, 202, "also by the same person");
    is(&apply(&case.luis, &payment, &one).await, 409, "second_actor_required");

    let age = |seconds: i64| {
        format!("update payment_proposals set created = now() - {seconds} * interval '1 second'")
    };
    case.world.execute(&age(86_401)).await;
    let lapsed = apply(&case.ana, &payment, &one).await;
    assert_eq!((lapsed.status, lapsed.json()["proposed_by"].as_str()), (202, Some("ana")), "a new one");
    case.world.execute(&age(86_401)).await;
    assert_eq!(apply(&case.ana, &payment, &one).await.status, 202, "nor does it stand for its own");
    case.world.execute(&age(86_390)).await;
    assert_eq!(apply(&case.luis, &payment, &one).await.status, 200);
    assert!(case.sums_agree().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_decisions_at_once_one_wins() {
    let case = Case::new().await;
    for round in 0..4 {
        let payment = case.unapplied("20.00").await;
        let invoice = text(&case.invoice(&format!("round {round}"), "20.00").await, "id");
        assert_eq!(apply(&case.ana, &payment, &invoice).await.status, 202);
        assert_eq!(give_back(&case.ana, &payment, "doble").await.status, 202);
        let third = case.luis.of("rosa");
        let (applied, also, returned, too) = tokio::join!(
            apply(&case.luis, &payment, &invoice),
            apply(&third, &payment, &invoice),
            give_back(&case.luis, &payment, "doble"),
            give_back(&third, &payment, "doble"),
        );
        let all = [applied, also, returned, too];
        assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1, "{all:?}");
        for lost in all.iter().filter(|answer| answer.status != 200) {
            is(lost, 409, "payment_not_unapplied");
        }
        assert!(case.sums_agree().await);
    }
    let told = "select count(*) from events where type in ('payment.applied', 'payment.returned')";
    assert_eq!(case.world.count(told).await, 4);

    // Two payments for one invoice.
    let invoice = text(&case.invoice("wanted", "20.00").await, "id");
    let payments = [case.unapplied("20.00").await, case.unapplied("20.00").await];
    for payment in &payments {
        assert_eq!(apply(&case.ana, payment, &invoice).await.status, 202);
    }
    let all = join_all(payments.iter().map(|payment| apply(&case.luis, payment, &invoice))).await;
    let mut statuses: Vec<u16> = all.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    is(all.iter().find(|answer| answer.status == 409).unwrap(), 409, "invoice_already_paid");
    assert!(case.sums_agree().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_pays_only_what_it_is_the_money_of() {
    let case = Case::new().await;
    let payment = case.unapplied("20.00").await;
    let paid = case.invoice("paid", "20.00").await;
    case.bank().takes(&text(&paid, "ktin"), "9", "20.00").await;
    let voided = text(&case.invoice("voided", "20.00").await, "id");
    case.shop.call(Method::DELETE, &format!("{INVOICES}/{voided}"), &[], None).await;
    let mut dollars = order("dollars");
    dollars["currency"] = json!("USD");
    let neighbour = case.world.merchant(Mode::Live).await;
    let test = case.world.key_of(case.shop.account, Mode::Test, None).await;
    let id = |answer: Answer| text(&answer.json(), "id");
    let nobodys = "inv_live_2Lx8hVvQ4nRkTz7WmYb3Cd".to_owned();
    for (invoice, status, code, param) in [
        (text(&paid, "id"), 409, "invoice_already_paid", ""),
        (voided, 409, "invoice_voided", ""),
        (text(&case.invoice("other amount", "20.01").await, "id"), 409, "payment_mismatch", "amount"),
        (id(case.shop.create(&dollars).await), 409, "payment_mismatch", "amount"),
        (id(neighbour.create(&order("theirs")).await), 409, "payment_mismatch", "invoice"),
        (id(test.create(&order("test")).await), 409, "payment_mismatch", "invoice"),
        (nobodys.clone(), 404, "not_found", "invoice"),
        ("INV-1".to_owned(), 404, "not_found", "invoice"),
    ] {
        let refused = apply(&case.ana, &payment, &invoice).await;
        assert_eq!(
            (refused.status, refused.faults()),
            (status, vec![(code.to_owned(), param.to_owned())]),
            "{invoice}"
        );
    }
    let good = text(&case.invoice("good", "20.00").await, "id");
    for unknown in ["pay_live_2Lx8hVvQ4nRkTz7WmYb3Cd", "pay_live_", "x", &payment.replace("live", "test")] {
        let refused = apply(&case.ana, unknown, &good).await;
        assert_eq!((refused.status, refused.faults()), (404, vec![("not_found".to_owned(), String::new())]));
        is(&give_back(&case.ana, unknown, "x").await, 404, "not_found");
    }
    let unreasoned = apply(&case.ana.without_reason(), &payment, &good).await;
    assert_eq!(unreasoned.faults(), [("required".to_owned(), "X-Reason".to_owned())]);
    let unreasoned = give_back(&case.ana.without_reason(), &payment, "x").await;
    assert_eq!(unreasoned.faults(), [("required".to_owned(), "X-Reason".to_owned())]);
    let at = |verb| format!("/internal/v1/payments/{payment}/{verb}");
    for (verb, body, code, param) in [
        ("apply", json!({}), "required", "invoice"),
        ("apply", json!({ "invoice": 1 }), "invalid_type", "invoice"),
        ("apply", json!({ "invoice": good, "amount": "1" }), "unknown_field", "amount"),
        ("return", json!({}), "required", "reason"),
        ("return", json!({ "reason": "  " }), "required", "reason"),
        ("return", json!({ "reason": "x".repeat(501) }), "too_long", "reason"),
    ] {
        let refused = case.ana.call(Method::POST, &at(verb), &[], Some(&body)).await;
        assert_eq!((refused.status, refused.faults()), (400, vec![(code.to_owned(), param.to_owned())]));
    }
    assert_eq!(case.world.count("select count(*) from payment_proposals").await, 0);

    // What was right when it was proposed is judged again when it is confirmed.
    assert_eq!(apply(&case.ana, &payment, &good).await.status, 202);
    case.shop.call(Method::DELETE, &format!("{INVOICES}/{good}"), &[], None).await;
    is(&apply(&case.luis, &payment, &good).await, 409, "invoice_voided");
    assert!(case.sums_agree().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_invoice_is_paid_unless_its_reference_is_open_again() {
    let case = Case::new().await;
    let expire = async |id: &str| {
        let uuid = domain::id::InvoiceId::parse(id, Mode::Live).unwrap().uuid();
        let expire =
            format!("update invoices set status = 'expired', version = version + 1 where id = '{uuid}'");
        assert_eq!(case.world.execute(&expire).await, 1);
    };
    let payment = case.unapplied("20.00").await;
    let old = text(&case.invoice("again", "20.00").await, "id");
    assert_eq!(apply(&case.ana, &payment, &old).await.status, 202);
    expire(&old).await;
    let mut other = order("again");
    other["request_datetime"] = json!("2026-01-02T10:00:00");
    let new = text(&case.shop.create(&other).await.json(), "id");
    assert_ne!(new, old);
    for operator in [&case.ana, &case.luis] {
        let refused = apply(operator, &payment, &old).await;
        is(&refused, 409, "invoice_id_conflict");
        assert_eq!(refused.json()["error"][0]["existing_id"], new);
    }
    case.shop.call(Method::DELETE, &format!("{INVOICES}/{new}"), &[], None).await;
    assert_eq!(apply(&case.luis, &payment, &old).await.status, 200, "nobody else has the reference");
    assert_eq!(text(&case.shop.get(&old).await.json(), "status"), "paid");
    assert!(case.sums_agree().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_its_key_is_no_confirmation() {
    let case = Case::new().await;
    let payment = case.unapplied("20.00").await;
    let invoice = text(&case.invoice("one", "20.00").await, "id");
    let (path, body) = (format!("/internal/v1/payments/{payment}/apply"), json!({ "invoice": invoice }));
    let send = async |who: &Console, key: &str| {
        who.call(Method::POST, &path, &[("idempotency-key", key)], Some(&body)).await
    };
    let first = send(&case.ana, "one").await;
    let again = send(&case.ana, "one").await;
    assert_eq!((again.status, &again.text, again.was_replayed()), (202, &first.text, true));
    is(&send(&case.luis, "one").await, 422, "idempotency_key_reused");
    let done = send(&case.luis, "two").await;
    let again = send(&case.luis, "two").await;
    assert_eq!((done.status, again.status, &again.text), (200, 200, &done.text));
    assert_eq!(case.acts(&payment).await.len(), 2);
}

async fn search(console: &Console, wanted: &str) -> Vec<Value> {
    let query: String =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("q", wanted).finish();
    let answer = console.get(&format!("/internal/v1/search?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["has_more"], false);
    answer.json()["data"].as_array().unwrap().clone()
}

/// What was found: kind, id and why.
fn found(hits: &[Value]) -> Vec<(String, String, String)> {
    hits.iter().map(|hit| (text(hit, "kind"), text(hit, "id"), text(hit, "matched"))).collect()
}

fn told(invoice_id: &str, phone: &str) -> Value {
    let mut order = order(invoice_id);
    order["customer"] = json!({
        "email": "Rosa.Quispe@Tienda.pe", "phone": phone, "document_type": "DNI", "document_id": "01234567",
    });
    order
}

#[tokio::test(flavor = "multi_thread")]
async fn support_finds_what_it_is_told_in_every_account_and_mode() {
    let world = World::working(|_| {}).await;
    let console = world.console().await;
    let live = world.merchant(Mode::Live).await;
    let test = world.key_of(live.account, Mode::Test, None).await;
    let neighbour = world.merchant(Mode::Live).await;
    let mut all = Vec::new();
    for shop in [&live, &test, &neighbour] {
        all.push(shop.create(&told("P-1001", "+51999666123")).await.json());
    }
    let other = live.create(&told("P-2002", "+51911111111")).await.json();
    let newest_first = |matched: &str, some: &[&Value]| {
        let hit = |invoice: &&Value| ("invoice".to_owned(), text(invoice, "id"), matched.to_owned());
        some.iter().rev().map(hit).collect::<Vec<_>>()
    };
    let three = [&all[0], &all[1], &all[2]];
    let ktin = text(&all[1], "ktin");
    let spaced = format!(" {} {}  {}", &ktin[..4], &ktin[4..8], &ktin[8..]);
    for (wanted, expected) in [
        ("P-1001", newest_first("invoice_id", &three)),
        ("+51999666123", newest_first("phone", &three)),
        ("51999666123", newest_first("phone", &three)),
        ("01234567", newest_first("document", &[&all[0], &all[1], &all[2], &other])),
        ("rosa.quispe@TIENDA.pe", newest_first("email", &[&all[0], &all[1], &all[2], &other])),
        (&ktin, newest_first("ktin", &[&all[1]])),
        (&spaced, newest_first("ktin", &[&all[1]])),
        (&text(&all[2], "token"), newest_first("token", &[&all[2]])),
        (&text(&all[1], "id"), newest_first("id", &[&all[1]])),
        (&text(&all[0], "id"), newest_first("id", &[&all[0]])),
    ] {
        assert_eq!(found(&search(&console, wanted).await), expected, "{wanted}");
    }
    let shown = &search(&console, &ktin).await[0];
    assert_eq!(
        (&shown["livemode"], &shown["account"]),
        (&json!(false), &json!(live.account.text(Mode::Test)))
    );
    for field in ["invoice_id", "status", "amount", "currency", "created"] {
        assert_eq!(shown[field], all[1][field], "{field}");
    }

    for nothing in ["P-9", "p-1001", "inv_live_2222222222222222222222", "260001000000", "'; --", "%", "_"] {
        assert_eq!(search(&console, nothing).await, Vec::<Value>::new(), "{nothing}");
    }
    for missing in ["", "?q=", "?q=%20%20"] {
        let refused = console.get(&format!("/internal/v1/search{missing}")).await;
        assert_eq!((refused.status, refused.faults()), (400, vec![("required".into(), "q".into())]));
    }
    let long = console.get(&format!("/internal/v1/search?q={}", "x".repeat(201))).await;
    assert_eq!(long.faults(), [("too_long".to_owned(), "q".to_owned())]);
    let unknown = console.get("/internal/v1/search?q=x&limit=5").await;
    assert_eq!(unknown.faults(), [("unknown_parameter".to_owned(), "limit".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_that_is_found_by_two_names_is_found_once() {
    let world = World::start().await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let mut order = told("01234567", "+51999666123");
    order["amount"] = json!("12.00");
    let made = shop.create(&order).await.json();
    let hits = search(&console, "01234567").await;
    assert_eq!(found(&hits), [("invoice".to_owned(), text(&made, "id"), "invoice_id".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn support_finds_objects_of_every_kind_by_their_ids() {
    let world = World::working(|_| {}).await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    let receiver = Receiver::content().await;
    let (endpoint, _) = subscribe(&shop, &receiver.url).await;
    shop.create(&order("one")).await;
    receiver.count(1).await;
    let read = async |path: &str| shop.call(Method::GET, path, &[], None).await.json()["data"][0].clone();
    let event = read("/v1/payments/events?after=0").await;
    let delivery = read(&format!("/v1/payments/webhook_endpoints/{endpoint}/deliveries")).await;
    let account = shop.account.text(Mode::Test);
    let keys = console.get(&format!("/internal/v1/accounts/{account}/keys")).await.json();
    let key = text(&keys["data"][0], "id");
    for (kind, id) in [
        ("webhook_endpoint", endpoint.clone()),
        ("event", text(&event, "id")),
        ("delivery", text(&delivery, "id")),
        ("account", account.clone()),
        ("key", key),
    ] {
        let hits = search(&console, &id).await;
        assert_eq!(found(&hits), [(kind.to_owned(), id.clone(), "id".to_owned())]);
        assert_eq!(text(&hits[0], "account"), account);
        let elsewhere = id.replace("_test_", "_live_");
        assert_eq!(search(&console, &elsewhere).await.len(), usize::from(kind == "account"), "{elsewhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn support_finds_what_banks_said() {
    let case = Case::new().await;
    let test = case.world.key_of(case.shop.account, Mode::Test, None).await;
    let live = case.invoice("one", "20.00").await;
    let sandbox = test.create(&order("one")).await.json();
    let bank = case.bank();
    let (code, payment) = bank.takes(&text(&live, "ktin"), "000123", "20.00").await;
    assert_eq!(code, "ok");
    let rehearsal = Bank { world: &case.world, mode: Mode::Test };
    let (_, other) = rehearsal.takes(&text(&sandbox, "ktin"), "000123", "20.00").await;
    let refused =
        Said { amount: Amount::parse("20.00").ok(), currency: Some(Currency::Pen), ..Said::default() };
    assert_eq!(bank.call(Verb::Pay, &text(&live, "ktin"), "000124", refused.clone()).await.0, "already_paid");
    assert_eq!(bank.call(Verb::Pay, "260001000000", "000125", refused).await.0, "unknown_code");
    let tombstone = Said {
        kind: Some(ReversalKind::Automatic),
        original_number: Some("000126".to_owned()),
        ..Said::default()
    };
    let reversed = bank.call(Verb::Reverse, &text(&sandbox, "ktin"), "000127", tombstone.clone()).await;
    assert_eq!(reversed.0, "unknown_code", "banks do not see test invoices");
    let fresh = case.invoice("two", "20.00").await;
    assert_eq!(
        bank.call(Verb::Reverse, &text(&fresh, "ktin"), "000128", tombstone).await.0,
        "reversal_recorded"
    );

    let hits = search(&case.ana, "000123").await;
    let money: Vec<_> = hits.iter().filter(|hit| hit["kind"] == "payment").collect();
    let mut ids: Vec<String> = money.iter().map(|hit| text(hit, "id")).collect();
    ids.sort();
    let mut expected = vec![payment.clone(), other];
    expected.sort();
    assert_eq!(ids, expected, "in both modes");
    assert_eq!(hits.len(), 4, "and the messages that brought it: {hits:?}");
    let shown = money.iter().find(|hit| text(hit, "id") == payment).unwrap();
    assert_eq!(text(shown, "invoice"), text(&live, "id"));
    assert_eq!(
        (text(shown, "status"), text(shown, "channel"), text(shown, "operation_number")),
        ("applied".to_owned(), "bcp".to_owned(), "000123".to_owned())
    );
    assert_eq!((text(shown, "amount"), text(shown, "currency")), ("20.00".to_owned(), "PEN".to_owned()));
    assert_eq!(found(&search(&case.ana, &payment).await)[0].2, "id");

    let summary = async |number: &str| {
        let hits = search(&case.ana, number).await;
        let of = |hit: &Value| (text(hit, "kind"), text(hit, "verb"), text(hit, "code"));
        hits.iter().map(of).collect::<Vec<_>>()
    };
    let message = |verb: &str, code: &str| ("collection".to_owned(), verb.to_owned(), code.to_owned());
    assert_eq!(summary("000124").await, [message("pay", "already_paid")]);
    assert_eq!(summary("000125").await, [message("pay", "unknown_code")]);
    let tombstones = [message("reverse", "reversal_recorded"), message("reverse", "unknown_code")];
    assert_eq!(summary("000126").await, tombstones, "by the number on the payer's slip");
    assert_eq!(summary("000128").await, tombstones[..1]);
    let nobodys = &search(&case.ana, "2600 0100 0000").await;
    assert_eq!((nobodys.len(), &nobodys[0]["matched"]), (1, &json!("ktin")), "what he typed by mistake");
    assert!(nobodys[0].get("account").is_none() && nobodys[0].get("invoice").is_none());
    let id = text(&nobodys[0], "id");
    assert_eq!(
        found(&search(&case.ana, &id).await),
        [("collection".to_owned(), id.clone(), "id".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_hits_are_enough() {
    let world = World::start().await;
    let (console, shop) = (world.console().await, world.merchant(Mode::Test).await);
    for number in 0..101 {
        shop.create(&told(&format!("n-{number}"), "+51999666123")).await;
    }
    let answer = console.get("/internal/v1/search?q=01234567").await.json();
    let hits = answer["data"].as_array().unwrap();
    assert_eq!((hits.len(), &answer["has_more"]), (100, &json!(true)));
    assert_eq!(hits[0]["invoice_id"], "n-100", "newest first");
    assert!(hits.iter().all(|hit| hit["invoice_id"] != "n-0"));
}

fn kinds(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| text(entry, "kind")).collect()
}

async fn timeline(console: &Console, invoice: &str) -> Vec<Value> {
    let answer = console.get(&format!("/internal/v1/invoices/{invoice}/timeline")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let entries = answer.json()["data"].as_array().unwrap().clone();
    assert!(entries.windows(2).all(|pair| text(&pair[0], "at") <= text(&pair[1], "at")), "oldest first");
    entries
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_tells_what_happened_in_its_order() {
    let world = World::working(|_| {}).await;
    let console = world.console().await;
    let shop = world.merchant(Mode::Live).await;
    let receiver =
        Receiver::start(|number| (if number == 1 { 500 } else { 200 }, std::time::Duration::ZERO)).await;
    let (endpoint, _) = subscribe(&shop, &receiver.url).await;
    let invoice = shop.create(&order("long life")).await.json();
    let (id, ktin) = (text(&invoice, "id"), text(&invoice, "ktin"));
    receiver.count(1).await;
    let bank = Bank { world: &world, mode: Mode::Live };
    assert_eq!(bank.call(Verb::Inquire, &ktin, "1", Said::default()).await.0, "ok");
    let base = format!("/internal/v1/accounts/{}/live/invoices/{id}", shop.account.text(Mode::Test));
    let ana = console.of("ana");
    let changed = ana.call(Method::PATCH, &base, &[], Some(&json!({ "amount": "25.00" }))).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let again = json!({ "amount": "26.00" }).to_string();
    shop.call(Method::PATCH, &format!("{INVOICES}/{id}"), &[], Some(&again)).await;
    let refused =
        Said { amount: Amount::parse("1.00").ok(), currency: Some(Currency::Pen), ..Said::default() };
    assert_eq!(bank.call(Verb::Pay, &ktin, "2", refused).await.0, "amount_mismatch");
    let (_, payment) = bank.takes(&ktin, "3", "26.00").await;
    let reversal = Said {
        kind: Some(ReversalKind::Automatic),
        original_number: Some("3".to_owned()),
        ..Said::default()
    };
    assert_eq!(bank.call(Verb::Reverse, &ktin, "4", reversal).await.0, "ok");
    // Every event was told, the first one at the second attempt.
    until("every event was delivered", async || {
        world.count("select count(*) from deliveries where status = 'delivered'").await == 5
    })
    .await;

    let entries = timeline(&console, &id).await;
    let is_told = |entry: &&Value| entry["kind"] != "delivery_attempt";
    let story: Vec<Value> = entries.iter().filter(is_told).cloned().collect();
    assert_eq!(
        kinds(&story),
        [
            "created",
            "inquired",
            "quoted",
            "updated",
            "act",
            "updated",
            "pay",
            "pay",
            "paid",
            "reverse",
            "payment_reversed"
        ]
    );
    let versions: Vec<&Value> =
        story.iter().map(|entry| &entry["version"]).filter(|v| !v.is_null()).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5]);
    assert_eq!((&story[1]["code"], &story[1]["operation_number"]), (&json!("ok"), &json!("1")));
    assert_eq!(text(&story[2], "amount"), "20.00");
    assert!(text(&story[2], "quote_id").starts_with("quo_live_"));
    assert_eq!((text(&story[3], "by"), text(&story[3], "amount")), ("ana".to_owned(), "25.00".to_owned()));
    assert_eq!(
        (text(&story[4], "by"), text(&story[4], "action")),
        ("ana".to_owned(), "update_invoice".to_owned())
    );
    assert_eq!(text(&story[4], "reason"), "prueba");
    assert!(story[5].get("by").is_none(), "the merchant did that himself");
    assert_eq!((&story[6]["code"], &story[6]["cash_taken"]), (&json!("amount_mismatch"), &json!(false)));
    assert_eq!((&story[7]["code"], &story[7]["cash_taken"]), (&json!("ok"), &json!(true)));
    assert_eq!((text(&story[7], "payment"), text(&story[8], "payment")), (payment.clone(), payment));
    assert_eq!(
        (text(&story[8], "status"), text(&story[8], "channel")),
        ("paid".to_owned(), "bcp".to_owned())
    );
    assert_eq!(text(&story[9], "original_operation_number"), "3");
    assert_eq!(text(&story[10], "status"), "pending");

    let attempts: Vec<&Value> = entries.iter().filter(|entry| !is_told(entry)).collect();
    assert_eq!(attempts.len(), 6);
    assert!(attempts.iter().all(|attempt| text(attempt, "endpoint") == endpoint));
    let first: Vec<&&Value> =
        attempts.iter().filter(|attempt| attempt["event"] == story[0]["event"]).collect();
    let numbers: Vec<&Value> = first.iter().map(|attempt| &attempt["attempt"]).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!((&first[0]["response_status"], &first[1]["response_status"]), (&json!(500), &json!(200)));
    assert!(attempts.iter().all(|attempt| attempt["duration_ms"].is_number()));
    let place = |wanted: &Value| entries.iter().position(|entry| entry == wanted).unwrap();
    for attempt in &attempts {
        let event = story.iter().find(|entry| entry["event"] == attempt["event"]).unwrap();
        assert!(place(event) < place(attempt), "an event is told after it happened");
    }

    for unknown in [id.replace("live", "test"), "inv_live_2222222222222222222222".to_owned(), "x".to_owned()]
    {
        let answer = console.get(&format!("/internal/v1/invoices/{unknown}/timeline")).await;
        is(&answer, 404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_tells_who_decided_about_money() {
    let case = Case::new().await;
    let first = case.invoice("first", "20.00").await;
    let target = text(&case.invoice("second", "20.00").await, "id");
    let ktin = text(&first, "ktin");
    case.bank().takes(&ktin, "1", "20.00").await;
    let (_, applied) = case.bank().takes(&ktin, "2", "20.00").await;
    let (_, returned) = case.bank().takes(&ktin, "3", "20.00").await;
    for operator in [&case.ana, &case.luis] {
        assert!(apply(operator, &applied, &target).await.status < 300);
        assert!(give_back(operator, &returned, "pagó tres veces").await.status < 300);
    }
    let story = timeline(&case.ana, &target).await;
    assert_eq!(kinds(&story), ["created", "act", "payment.applied", "paid", "act"]);
    assert_eq!(
        (text(&story[1], "by"), text(&story[1], "action")),
        ("ana".to_owned(), "propose_apply".to_owned())
    );
    assert_eq!((text(&story[2], "by"), text(&story[3], "by")), ("luis".to_owned(), "luis".to_owned()));
    assert_eq!(text(&story[2], "status"), "applied");
    let story = timeline(&case.ana, &text(&first, "id")).await;
    let back = story.iter().find(|entry| entry["kind"] == "payment.returned").unwrap();
    assert_eq!((text(back, "by"), text(back, "reason")), ("luis".to_owned(), "pagó tres veces".to_owned()));
    let actions = |payment: &str| {
        let of = |entry: &&Value| entry["object"] == payment;
        story.iter().filter(of).map(|entry| text(entry, "action")).collect::<Vec<_>>()
    };
    assert_eq!(actions(&returned), ["propose_return", "return_payment"]);
    assert_eq!(actions(&applied), ["propose_apply", "apply_payment"], "also what became of it elsewhere");
    assert!(PaymentId::parse(&applied, Mode::Live).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_keeps_its_newest_thousand() {
    let case = Case::new().await;
    let invoice = case.invoice("asked for", "20.00").await;
    case.world
        .execute(&format!(
            "insert into collections (id, livemode, verb, channel, received_at, code, body, is_judged, ktin)
             select gen_random_uuid(), true, 'inquire', 'bcp', now() + n * interval '1 second', 'ok', '', false, {}
             from generate_series(1, 1000) n",
            text(&invoice, "ktin")
        ))
        .await;
    let path = format!("/internal/v1/invoices/{}/timeline", text(&invoice, "id"));
    let answer = case.ana.get(&path).await.json();
    let entries = answer["data"].as_array().unwrap();
    assert_eq!((entries.len(), &answer["has_more"]), (1_000, &json!(true)));
    assert!(entries.iter().all(|entry| entry["kind"] == "inquired"), "its creation is left out");
}
