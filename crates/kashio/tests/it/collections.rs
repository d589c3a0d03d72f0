//! Collections, line by line as the internal API document has them: what banks ask and tell, what they are answered, and
//! what merchants see of it. Here are the actors; each story has its place below.

use domain::account::Mode;
use domain::time::Moment;
use reqwest::Method;
use serde_json::{Value, json};

use crate::bank::{AGREEMENT, Bank, Told, now};
use crate::webhooks::{events, until};
use crate::world::{Answer, Console, INVOICES, Merchant, World, order};

mod inquiries;
mod messages;
mod payments;
mod played;
mod quotes;
mod replays;
mod reversals;
mod shown;

/// A shop whose payers can pay at a bank, and whoever else it takes.
struct Scene {
    world: World,
    console: Console,
    bank: Bank,
    shop: Merchant,
}

impl Scene {
    async fn open() -> Scene {
        Scene::of(World::start().await).await
    }

    async fn of(world: World) -> Scene {
        let (console, bank) = (world.console().await, world.bank("bcp").await);
        let shop = world.merchant(Mode::Live).await;
        bank.serves(&console, &shop).await;
        Scene { world, console, bank, shop }
    }

    /// Another bank, at which the same can be paid.
    async fn other_bank(&self) -> Bank {
        let other = self.world.bank("bbva").await;
        other.serves(&self.console, &self.shop).await;
        other
    }

    /// An order of 20 soles.
    async fn invoice(&self, reference: &str) -> Value {
        self.create(order(reference)).await
    }

    async fn create(&self, order: Value) -> Value {
        let made = self.shop.create(&order).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()
    }

    /// The order as it is now.
    async fn again(&self, invoice: &Value) -> Value {
        self.shop.get(text(invoice, "id")).await.json()
    }

    async fn amend(&self, invoice: &Value, wish: Value) -> Value {
        let path = format!("{INVOICES}/{}", text(invoice, "id"));
        let amended = self.shop.call(Method::PATCH, &path, &[], Some(&wish.to_string())).await;
        assert_eq!(amended.status, 200, "{}", amended.text);
        amended.json()
    }

    async fn void(&self, invoice: &Value) {
        let path = format!("{INVOICES}/{}", text(invoice, "id"));
        assert_eq!(self.shop.call(Method::DELETE, &path, &[], None).await.status, 200);
    }

    /// What a payment is now.
    async fn money(&self, id: &str) -> Value {
        self.read(&format!("/v1/payments/payments/{id}")).await.json()
    }

    /// Status and reason of all money that there is, oldest first.
    async fn all_money(&self) -> Vec<(String, String)> {
        let rows: Vec<(String, Option<String>)> =
            sqlx::query_as("select status, reason from payments order by id")
                .fetch_all(&self.world.sql)
                .await
                .unwrap();
        rows.into_iter().map(|(status, reason)| (status, reason.unwrap_or_default())).collect()
    }

    async fn read(&self, path: &str) -> Answer {
        self.shop.call(Method::GET, path, &[], None).await
    }

    /// The results of everything that was recorded, in the order of arrival.
    async fn recorded(&self) -> Vec<(String, String)> {
        sqlx::query_as("select verb, code from collections order by id")
            .fetch_all(&self.world.sql)
            .await
            .unwrap()
    }

    /// The kinds of all events so far, in their order.
    async fn kinds(&self) -> Vec<String> {
        sqlx::query_scalar("select type from events order by position")
            .fetch_all(&self.world.sql)
            .await
            .unwrap()
    }

    /// The feed, once every event so far is in it.
    async fn feed(&self) -> Vec<Value> {
        self.world.running().store.sequence(1_000).await.unwrap();
        let written = self.kinds().await.len();
        let mut feed = Vec::new();
        until("every event is in the feed", async || {
            feed = events(&self.shop).await;
            feed.len() == written
        })
        .await;
        feed
    }

    async fn set_channel(&self, channel: &str, settings: Value) {
        let path = format!("/internal/v1/channels/{channel}");
        let put = self.console.call(Method::PUT, &path, &[], Some(&settings)).await;
        assert_eq!(put.status, 200, "{}", put.text);
    }

    async fn set_account(&self, settings: Value) {
        let path = format!("/internal/v1/accounts/{}", self.shop.account.text(Mode::Test));
        let changed = self.console.call(Method::PATCH, &path, &[], Some(&settings)).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    }

    /// Time goes on for invoices: columns are set as no verb would.
    async fn rewrite_invoices(&self, columns: &str) {
        for statement in [
            "alter table invoices disable trigger user".to_owned(),
            format!("update invoices set {columns}"),
            "alter table invoices enable trigger user".to_owned(),
        ] {
            self.world.execute(&statement).await;
        }
    }

    /// The time of every invoice was over so many seconds ago; nobody has stored that yet.
    async fn run_out(&self, seconds_ago: i64) {
        self.rewrite_invoices(&format!(
            "expires = date_trunc('second', now()) - interval '{seconds_ago} s',
             due = least(due, date_trunc('second', now()) - interval '{seconds_ago} s')"
        ))
        .await;
    }

    /// The same, and the expiry duty has been there.
    async fn expire(&self, seconds_ago: i64) {
        self.run_out(seconds_ago).await;
        while self.world.running().store.expire_due(100).await.unwrap() {}
    }

    /// Every quote was told so many seconds earlier.
    async fn age_quotes(&self, seconds: i64) {
        let back = format!("interval '{seconds} s'");
        self.world
            .execute(&format!("update quotes set created = created - {back}, expires = expires - {back}"))
            .await;
    }

    async fn inquires(&self, invoice: &Value) -> Told {
        self.bank.call("inquire", self.bank.inquiry(text(invoice, "ktin"), &now())).await
    }

    /// Pays an amount now.
    async fn pays(&self, invoice: &Value, amount: &str) -> Told {
        self.bank.call("pay", self.bank.payment(text(invoice, "ktin"), amount, &now())).await
    }

    /// The same, and the bank has the money already.
    async fn pays_cash(&self, invoice: &Value, amount: &str) -> Told {
        self.bank.call("pay", with_cash(self.bank.payment(text(invoice, "ktin"), amount, &now()))).await
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn with(mut said: Value, field: &str, value: impl Into<Value>) -> Value {
    said[field] = value.into();
    said
}

fn without(mut said: Value, field: &str) -> Value {
    said.as_object_mut().unwrap().remove(field);
    said
}

fn with_cash(said: Value) -> Value {
    with(said, "cash_taken", true)
}

/// So many seconds from now, as banks write it.
fn in_seconds(seconds: i64) -> String {
    written(Moment::parse_zoned(&now()).unwrap().plus_seconds(seconds))
}

fn written(moment: Moment) -> String {
    format!("{moment}Z")
}

/// A midnight of Lima that is more than a day ago and less than three.
fn midnight() -> Moment {
    Moment::parse_zoned(&now()).unwrap().lima_day().start().plus_seconds(-domain::time::DAY_SECONDS)
}

fn one(status: &str, reason: &str) -> Vec<(String, String)> {
    vec![(status.to_owned(), reason.to_owned())]
}
