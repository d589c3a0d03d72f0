//! Random histories: banks say everything in any order, more than once and late, to two replicas at once, while the
//! merchant changes his mind. Whatever happened, the money is where the answers say, and the books balance.
//!
//! A short form for every day and a long one: `KASHIO_LONG=1`. A seed that failed is tried again with `KASHIO_SEED`.

#![expect(clippy::print_stdout, reason = "the seed and the figures are worth reading")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::account::Mode;
use domain::invoice::table::State;
use domain::time::Moment;
use futures_util::future::join_all;
use kashio::serve::{self, Running};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bank::{Bank, Told, now};
use crate::keys_under_load::either;
use crate::world::{Answer, INVOICES, Merchant, World, order};

/// Callers who are busy at the same time.
const AT_ONCE: usize = 12;

/// How finely the time of a history is divided.
const SPAN: i32 = 10_000;

/// A seed of today's, or the one that is to be tried again.
pub fn seed(story: &str) -> u64 {
    let given = std::env::var("KASHIO_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("{story}: seed {seed}");
    seed
}

/// A service of two replicas, two banks, and a shop at which payers of both can pay.
pub struct Town {
    pub world: World,
    pub other: Running,
    pub banks: [Bank; 2],
    pub shop: Merchant,
}

impl Town {
    pub async fn start() -> Town {
        let world = World::with(|settings| settings.database.connections = 12).await;
        let other = serve::start(&world.settings).await.unwrap();
        let banks = [world.bank("bcp").await, world.bank("bbva").await];
        let shop = Town::shop(&world, &banks).await;
        Town { world, other, banks, shop }
    }

    async fn shop(world: &World, banks: &[Bank; 2]) -> Merchant {
        let shop = world.merchant(Mode::Live).await;
        for bank in banks {
            bank.serves(&world.console().await, &shop).await;
        }
        shop
    }

    /// A bank before one of the replicas.
    pub fn bank(&self, bank: usize, replica: bool) -> Bank {
        let at = if replica { self.other.internal } else { self.world.running().internal };
        self.banks[bank].at(at)
    }

    /// The shop before one of the replicas.
    pub fn shop_at(&self, replica: bool) -> Merchant {
        let base = if replica { format!("http://{}", self.other.public) } else { self.world.url("") };
        Merchant { base, ..self.shop.clone() }
    }
}

/// A merchant asks until he is answered: when the service is overloaded, nothing was done.
pub async fn asks(shop: &Merchant, method: &Method, path: &str, body: Option<&str>) -> Answer {
    loop {
        let answer = shop.call(method.clone(), path, &[], body).await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What somebody sends.
#[derive(Clone)]
enum Message {
    /// A bank: its place, the verb, what it says.
    Bank(usize, &'static str, Value),
    Amend(String, Value),
    /// Its time is over in two seconds.
    RunOut(String),
    Void(String),
    /// The reference once more, by a clock of the merchant's.
    Reissue(String, u32),
    /// The expiry duty.
    Sweep,
}

/// One operation of a bank: what it will say of it.
#[derive(Clone)]
struct Operation {
    bank: usize,
    pay: Value,
    reverse: Option<Value>,
}

/// Messages, each at its place in the time that there is: from 0 to [`SPAN`] and a little beyond.
#[derive(Default)]
struct Schedule(Vec<(i32, Message)>);

impl Schedule {
    /// A message at about some time: possibly twice at once, again a little later, and again when nobody expects it.
    fn send(&mut self, at: i32, message: Message, random: &mut StdRng) {
        if random.random_bool(0.3) {
            self.0.push((at, message.clone()));
        }
        if random.random_bool(0.2) {
            self.0.push((at + random.random_range(0..SPAN / 50), message.clone()));
        }
        if random.random_bool(0.1) {
            self.0.push((random.random_range(at..SPAN * 3 / 2), message.clone()));
        }
        self.0.push((at, message));
    }

    fn in_order(mut self) -> Vec<Message> {
        self.0.sort_by_key(|(at, _)| *at);
        self.0.into_iter().map(|(_, message)| message).collect()
    }
}

/// What banks heard so far.
#[derive(Default)]
struct Heard {
    /// The newest quote for a ktin.
    quotes: Mutex<HashMap<(usize, String), String>>,
    /// Every answer `ok` to a payment, by its operation: there is to be one.
    receipts: Mutex<HashMap<(usize, String), HashSet<String>>>,
    codes: Mutex<BTreeMap<String, usize>>,
}

impl Town {
    /// Everything is sent, by a few callers at once, each to either replica.
    async fn happens(&self, messages: &[Message], heard: &Heard, seed: u64) {
        let next = AtomicUsize::new(0);
        let callers = (0..AT_ONCE).map(async |_| {
            while let Some((place, message)) = {
                let place = next.fetch_add(1, Ordering::Relaxed);
                messages.get(place).map(|message| (place, message))
            } {
                self.sends(message, heard, StdRng::seed_from_u64(seed ^ place as u64)).await;
            }
        });
        join_all(callers).await;
    }

    async fn sends(&self, message: &Message, heard: &Heard, mut random: StdRng) {
        let replica = random.random();
        let write = async |method: Method, path: &str, body: Option<Value>| {
            let body = body.map(|body| body.to_string());
            let answer = asks(&self.shop_at(replica), &method, path, body.as_deref()).await;
            assert!(matches!(answer.status, 200 | 201 | 409), "{}", answer.text);
        };
        match message {
            Message::Bank(bank, verb, said) => {
                let mut said = said.clone();
                let about = (*bank, said["ktin"].as_str().unwrap().to_owned());
                if *verb == "pay" && random.random() {
                    let quote = heard.quotes.lock().unwrap().get(&about).cloned();
                    said["quote_id"] = json!(quote);
                }
                let told = self.bank(*bank, replica).insists(verb, said).await;
                heard.note(*bank, verb, &told);
            }
            Message::Amend(id, wish) => {
                write(Method::PATCH, &format!("{INVOICES}/{id}"), Some(wish.clone())).await;
            }
            Message::RunOut(id) => {
                let soon = Moment::parse_zoned(&now()).unwrap().plus_seconds(2);
                let wish = json!({ "expiration_datetime": soon.to_string() });
                write(Method::PATCH, &format!("{INVOICES}/{id}"), Some(wish)).await;
            }
            Message::Void(id) => write(Method::DELETE, &format!("{INVOICES}/{id}"), None).await,
            Message::Reissue(reference, clock) => {
                let mut wish = order(reference);
                wish["request_datetime"] = json!(format!("2026-02-01T10:00:{clock:02}"));
                write(Method::POST, INVOICES, Some(wish)).await;
            }
            Message::Sweep => drop(self.world.running().store.expire_due(20).await.unwrap()),
        }
    }
}

impl Heard {
    fn note(&self, bank: usize, verb: &str, told: &Told) {
        let code = told.code();
        *self.codes.lock().unwrap().entry(format!("{verb} {code}")).or_default() += 1;
        if verb == "inquire" && code == "ok" {
            let ktin = told.said["ktin"].as_str().unwrap().to_owned();
            self.quotes.lock().unwrap().insert((bank, ktin), told.quote());
        }
        if verb == "pay" && code == "ok" {
            let number = told.said["operation_number"].as_str().unwrap().to_owned();
            let mut receipts = self.receipts.lock().unwrap();
            let of_it = receipts.entry((bank, number)).or_default();
            of_it.insert(told.answer.text.clone());
            assert_eq!(of_it.len(), 1, "two answers to one payment: {of_it:?}");
        }
    }
}

/// A bank's clock: a little behind, or ahead, so that what runs out meanwhile is paid in time or late.
fn about_now(random: &mut StdRng) -> String {
    let ahead = random.random_range(-120..120);
    format!("{}Z", Moment::parse_zoned(&now()).unwrap().plus_seconds(ahead))
}

impl Operation {
    /// A payment of an amount, and perhaps its reversal.
    fn of(town: &Town, ktin: &str, amount: &str, reverse: Option<&str>, random: &mut StdRng) -> Operation {
        let bank = random.random_range(0..2);
        let mut pay = town.banks[bank].payment(ktin, amount, &about_now(random));
        pay["cash_taken"] = json!(random.random::<bool>());
        let reverse = reverse.map(|kind| town.banks[bank].reversal(&pay, kind));
        Operation { bank, pay, reverse }
    }

    fn number(&self) -> &str {
        self.pay["operation_number"].as_str().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_said_in_whatever_order_answers_and_books_agree() {
    let (wanted, began) = (either(1_000, 20_000), Instant::now());
    let town = Town::start().await;
    let seed = seed("histories");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut schedule, mut operations) = (Schedule::default(), Vec::new());
    for count in 0.. {
        if schedule.0.len() >= wanted {
            break;
        }
        let reference = format!("h{count}");
        let made = town.shop.create(&order(&reference)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        let (id, ktin) = (made["id"].as_str().unwrap(), made["ktin"].as_str().unwrap());
        for _ in 0..random.random_range(1..5) {
            let amount = *["20.00", "20.00", "25.00", "30.00", "19.99"].choose(&mut random).unwrap();
            let kind =
                *[None, Some("automatic"), Some("automatic"), Some("manual")].choose(&mut random).unwrap();
            let operation = Operation::of(&town, ktin, amount, kind, &mut random);
            let at = random.random_range(0..SPAN);
            let bank = operation.bank;
            if random.random_bool(0.7) {
                let asked = town.banks[bank].inquiry(ktin, &about_now(&mut random));
                schedule.send(at - SPAN / 100, Message::Bank(bank, "inquire", asked), &mut random);
            }
            schedule.send(at, Message::Bank(bank, "pay", operation.pay.clone()), &mut random);
            if let Some(reverse) = &operation.reverse {
                // Mostly after it, at times before.
                let at = at + random.random_range(-SPAN / 50..SPAN / 10);
                schedule.send(at, Message::Bank(bank, "reverse", reverse.clone()), &mut random);
            }
            operations.push(operation);
        }
        for _ in 0..random.random_range(0..4) {
            let message = match random.random_range(0..10) {
                0..3 => {
                    let amount = *["20.00", "25.00", "30.00"].choose(&mut random).unwrap();
                    Message::Amend(id.to_owned(), json!({ "amount": amount }))
                }
                3 => Message::Amend(id.to_owned(), json!({ "currency": "USD" })),
                4 => Message::Void(id.to_owned()),
                5..7 => Message::RunOut(id.to_owned()),
                7 => Message::Reissue(reference.clone(), random.random_range(0..60)),
                _ => Message::Sweep,
            };
            schedule.send(random.random_range(0..SPAN), message, &mut random);
        }
    }
    let (messages, heard) = (schedule.in_order(), Heard::default());
    town.happens(&messages, &heard, seed).await;

    // Once more in order, to one who listens: what a bank is told last is what is so.
    for operation in &operations {
        let bank = &town.banks[operation.bank];
        let mut last = bank.insists("pay", operation.pay.clone()).await;
        if let Some(reverse) = &operation.reverse {
            bank.insists("reverse", reverse.clone()).await;
            last = bank.insists("pay", operation.pay.clone()).await;
        }
        heard.note(operation.bank, "pay", &last);
        let standing = town.standing(operation.number()).await;
        assert_eq!(usize::from(last.code() == "ok"), standing.len(), "{}", last.answer.text);
    }
    books_balance(&town.world).await;
    let count = messages.len() + operations.len();
    println!("{count} messages about {} operations in {:?}", operations.len(), began.elapsed());
    println!("{:?}", heard.codes.into_inner().unwrap());
    town.other.stop(Duration::ZERO).await;
}

impl Town {
    /// The status of money that stands, by the bank's number.
    async fn standing(&self, number: &str) -> Vec<String> {
        let standing =
            "select status from payments where operation_number = $1 and status in ('applied', 'unapplied')";
        sqlx::query_scalar(standing).bind(number).fetch_all(&self.world.sql).await.unwrap()
    }
}

/// A plan for one invoice: in each phase one payment of what is owed, taken back in all phases but perhaps the last, and
/// payments of another amount besides. In whatever order a phase's messages come, it ends the same.
struct Plan(Vec<Vec<Operation>>);

impl Plan {
    fn of(town: &Town, ktin: &str, phases: usize, random: &mut StdRng) -> Plan {
        let mut plan = Vec::new();
        for phase in 0..phases {
            let is_taken_back = phase + 1 < phases || random.random_bool(0.3);
            let reverse = is_taken_back.then_some("automatic");
            let mut operations = vec![Operation::of(town, ktin, "20.00", reverse, random)];
            for _ in 0..random.random_range(0..2) {
                let reverse = random.random_bool(0.3).then_some("automatic");
                operations.push(Operation::of(town, ktin, "20.01", reverse, random));
            }
            plan.push(operations);
        }
        Plan(plan)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replayed_reordered_and_delayed_histories_end_as_the_orderly_one() {
    const PHASES: usize = 3;
    let (invoices, began) = (either(25, 500), Instant::now());
    let mut town = Town::start().await;
    let seed = seed("disorder");
    let mut ends = Vec::new();
    for is_orderly in [true, false] {
        // The same plans both times, for a shop of its own.
        let mut random = StdRng::seed_from_u64(seed);
        town.shop = Town::shop(&town.world, &town.banks).await;
        let (mut plans, mut ids) = (Vec::new(), Vec::new());
        for number in 0..invoices {
            let made = town.shop.create(&order(&format!("p{number}"))).await.json();
            plans.push(Plan::of(&town, made["ktin"].as_str().unwrap(), PHASES, &mut random));
            ids.push(made["id"].as_str().unwrap().to_owned());
        }
        let (heard, mut delayed) = (Heard::default(), Vec::new());
        let mut sent = 0;
        for phase in 0..PHASES {
            let mut schedule = Schedule(std::mem::take(&mut delayed));
            for operation in plans.iter().flat_map(|plan| &plan.0[phase]) {
                let bank = operation.bank;
                let pay = Message::Bank(bank, "pay", operation.pay.clone());
                let reverse = operation.reverse.clone().map(|said| Message::Bank(bank, "reverse", said));
                if is_orderly {
                    for message in [Some(pay), reverse].into_iter().flatten() {
                        town.sends(&message, &heard, StdRng::seed_from_u64(0)).await;
                    }
                    continue;
                }
                for message in [Some(pay), reverse].into_iter().flatten() {
                    schedule.send(random.random_range(0..SPAN), message.clone(), &mut random);
                    if random.random_bool(0.3) {
                        delayed.push((random.random_range(0..SPAN), message));
                    }
                }
            }
            let messages = schedule.in_order();
            sent += messages.len();
            town.happens(&messages, &heard, seed ^ phase as u64).await;
        }
        let mut end = Vec::new();
        for (plan, id) in plans.iter().zip(&ids) {
            let mut standing = Vec::new();
            for operation in plan.0.iter().flatten() {
                standing.push(town.standing(operation.number()).await);
            }
            end.push((town.shop.get(id).await.json()["status"].clone(), standing));
        }
        ends.push(end);
        println!("{sent} messages in disorder, {:?}", heard.codes.into_inner().unwrap());
    }
    for (number, (orderly, disturbed)) in ends[0].iter().zip(&ends[1]).enumerate() {
        assert_eq!(orderly, disturbed, "invoice {number}");
    }
    assert!(ends[0].iter().any(|(status, _)| status == "paid"));
    books_balance(&town.world).await;
    println!("{invoices} invoices in {:?}", began.elapsed());
    town.other.stop(Duration::ZERO).await;
}

/// What must be so of the books, whatever happened: states and versions follow one another, each change has its event,
/// nothing was paid that was neither stored nor quoted, and all money is where invoices say. No late fees in these stories.
pub async fn books_balance(world: &World) {
    let quoted: Vec<(Uuid, String, i64)> =
        sqlx::query_as("select invoice, currency, sub_total + late_fee + fees from quotes")
            .fetch_all(&world.sql)
            .await
            .unwrap();
    let mut asked: HashSet<(Uuid, String, i64)> = quoted.into_iter().collect();
    type Event = (Uuid, String, sqlx::types::Json<Value>, Option<Uuid>);
    let events: Vec<Event> =
        sqlx::query_as("select invoice, type, facts, payment from events order by position")
            .fetch_all(&world.sql)
            .await
            .unwrap();
    let mut books: HashMap<Uuid, (State, i64)> = HashMap::new();
    let mut told: HashMap<Uuid, Vec<String>> = HashMap::new();
    for (invoice, kind, facts, payment) in events {
        let next = State::parse(facts["status"].as_str().unwrap()).unwrap();
        let version = facts["version"].as_i64().unwrap();
        let before = books.get(&invoice).copied();
        if let Some(payment) = payment {
            told.entry(payment).or_default().push(kind.clone());
        }
        if kind.starts_with("payment.") {
            assert_eq!(before.map(|(_, version)| version), Some(version), "{kind} changes no invoice");
            continue;
        }
        let currency = facts["currency"].as_str().unwrap().to_owned();
        let amount = facts["sub_total"].as_i64().unwrap() + facts["late_fee"].as_i64().unwrap_or(0);
        match before {
            None => assert_eq!((kind.as_str(), version, next), ("invoice.created", 1, State::Pending)),
            Some((state, before)) => {
                assert!(state.may_become(next), "{kind}: {state:?} → {next:?}");
                assert_eq!(version, before + 1, "{kind}: a change without its event");
            }
        }
        if kind == "invoice.paid" {
            let is_asked = asked.contains(&(invoice, currency.clone(), amount));
            assert!(is_asked, "{amount} {currency} was neither stored nor quoted");
        } else {
            asked.insert((invoice, currency, amount));
        }
        books.insert(invoice, (next, version));
    }
    let invoices: Vec<(Uuid, String, i32)> =
        sqlx::query_as("select id, status, version from invoices").fetch_all(&world.sql).await.unwrap();
    for (id, status, version) in invoices {
        let last = (State::parse(&status).unwrap(), i64::from(version));
        assert_eq!(books.get(&id), Some(&last), "the last event says what is stored");
    }
    let payments: Vec<(Uuid, String)> =
        sqlx::query_as("select id, status from payments").fetch_all(&world.sql).await.unwrap();
    for (id, status) in payments {
        let kinds: Vec<&str> = told[&id].iter().map(String::as_str).collect();
        let wanted: &[&[&str]] = match status.as_str() {
            "applied" => &[&["invoice.paid"]],
            "unapplied" => &[&["payment.unapplied"]],
            _ => &[&["invoice.paid", "invoice.payment_reversed"], &["payment.unapplied", "payment.reversed"]],
        };
        assert!(wanted.contains(&kinds.as_slice()), "{status}: {kinds:?}");
    }
    let twice = "select count(*) from (select from payments group by channel, operation_number, ktin having count(*) > 1) twice";
    assert_eq!(world.count(twice).await, 0, "one operation, one payment");
    let apart = "
        select count(*) from (
            select account_id, livemode, currency, sum(amount) as sum from payments where status = 'applied'
            group by 1, 2, 3) applied
        full join (
            select account_id, livemode, currency, sum(sub_total + late_fee)::numeric as sum from invoices
            where status = 'paid' group by 1, 2, 3) paid using (account_id, livemode, currency)
        where applied.sum is distinct from paid.sum";
    assert_eq!(world.count(apart).await, 0, "the sum of applied payments is that of paid invoices");
}
