//! A bank's connector, as stories need one: it has a service key for its channel, and numbers its operations.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::account::Mode;
use domain::key::{KeyKind, Role, SecretKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::contract::Listener;
use crate::world::{Answer, Console, Merchant, World, send};

/// The agreement that banks of stories have, in soles.
pub const AGREEMENT: &str = "000001";

/// A connector.
#[derive(Clone)]
pub struct Bank {
    pub channel: String,
    key: String,
    client: reqwest::Client,
    base: String,
}

/// What a bank was answered, and what it had said.
#[derive(Clone)]
pub struct Told {
    pub said: Value,
    pub answer: Answer,
}

impl Told {
    /// The result's code.
    pub fn code(&self) -> String {
        assert_eq!(self.answer.status, 200, "{}", self.answer.text);
        self.answer.json()["result"]["code"].as_str().unwrap().to_owned()
    }

    /// The payment's id.
    pub fn payment(&self) -> String {
        self.answer.json()["payment"].as_str().unwrap_or_else(|| panic!("{}", self.answer.text)).to_owned()
    }

    pub fn quote(&self) -> String {
        self.answer.json()["quote_id"].as_str().unwrap_or_else(|| panic!("{}", self.answer.text)).to_owned()
    }
}

impl World {
    /// A bank whose key is for `channel`.
    pub async fn bank(&self, channel: &str) -> Bank {
        let secret = SecretKey::mint(KeyKind::Service, rand::random);
        self.add_service_key(&secret, Role::parse("collector", Some(channel)).unwrap()).await;
        Bank {
            channel: channel.to_owned(),
            key: secret.expose().to_owned(),
            client: self.client.clone(),
            base: format!("http://{}", self.running().internal),
        }
    }

    /// The database's time, `seconds` from now, as banks write it.
    pub async fn bank_time(&self, seconds: i64) -> String {
        let at = self.running().store.clock().now().plus_seconds(seconds);
        format!("{at}Z")
    }
}

impl Bank {
    /// The same bank before another replica.
    pub fn at(&self, internal: SocketAddr) -> Bank {
        Bank { base: format!("http://{internal}"), ..self.clone() }
    }

    /// The merchant's payers can pay here, beside where they could before.
    pub async fn serves(&self, console: &Console, shop: &Merchant) {
        let path = format!("/internal/v1/accounts/{}", shop.account.text(Mode::Test));
        let account = console.get(&path).await.json();
        let mut channels = account["collection_channels"].as_array().cloned().unwrap_or_default();
        channels.push(json!({ "channel": self.channel, "agreement_number": AGREEMENT, "currency": "PEN" }));
        let wish = json!({ "collection_channels": channels });
        let changed = console.call(Method::PATCH, &path, &[], Some(&wish)).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
    }

    /// A number that no operation of the stories has.
    pub fn number() -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        format!("{:06}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub async fn call(&self, verb: &str, said: Value) -> Told {
        let url = format!("{}/internal/v1/collections/{verb}", self.base);
        let authorization = format!("Bearer {}", self.key);
        let headers = [("authorization", authorization.as_str())];
        let body = said.to_string();
        let answer = send(&self.client, Listener::Internal, Method::POST, &url, &headers, Some(&body)).await;
        Told { said, answer }
    }

    /// The same without a look into the API document, which takes longer than the answer. As banks do, it says again
    /// what was not answered.
    pub async fn call_unchecked(&self, verb: &str, said: &Value) -> Value {
        let url = format!("{}/internal/v1/collections/{verb}", self.base);
        loop {
            let request = self.client.post(&url).header("authorization", format!("Bearer {}", self.key));
            let answer = request.body(said.to_string()).send().await.unwrap();
            match answer.status().as_u16() {
                503 => continue,
                status => assert_eq!(status, 200),
            }
            return answer.json().await.unwrap();
        }
    }

    /// Says it until it is answered, as banks do: when the service is overloaded, nothing was done.
    pub async fn insists(&self, verb: &str, said: Value) -> Told {
        loop {
            let told = self.call(verb, said.clone()).await;
            if told.answer.status != 503 {
                return told;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// An inquiry about a ktin; the bank's time is that of this machine's database.
    pub fn inquiry(&self, ktin: &str, at: &str) -> Value {
        json!({
            "channel": self.channel, "agreement": AGREEMENT, "ktin": ktin, "operated_at": at,
            "operation_number": Bank::number(), "trace_id": "c",
        })
    }

    /// A payment of an amount.
    pub fn payment(&self, ktin: &str, amount: &str, at: &str) -> Value {
        json!({
            "channel": self.channel, "agreement": AGREEMENT, "ktin": ktin, "operated_at": at,
            "operation_number": Bank::number(), "amount": amount, "currency": "PEN", "trace_id": "p",
        })
    }

    /// The reversal of a payment that was said so.
    pub fn reversal(&self, payment: &Value, kind: &str) -> Value {
        json!({
            "channel": self.channel, "agreement": payment["agreement"], "ktin": payment["ktin"],
            "original_operation_number": payment["operation_number"],
            "original_operated_at": payment["operated_at"], "operation_number": Bank::number(), "kind": kind,
            "trace_id": "r",
        })
    }

    /// Pays what an invoice asks for, now.
    pub async fn pays(&self, invoice: &Value) -> Told {
        let (ktin, amount) = (invoice["ktin"].as_str().unwrap(), invoice["amount"].as_str().unwrap());
        let told = self.call("pay", self.payment(ktin, amount, &now())).await;
        assert_eq!(told.code(), "ok", "{}", told.answer.text);
        told
    }

    /// Takes a payment back, as a bank's machine does.
    pub async fn reverses(&self, paid: &Told) -> Told {
        self.call("reverse", self.reversal(&paid.said, "automatic")).await
    }
}

/// This machine's time: its database has the same.
pub fn now() -> String {
    #[expect(clippy::disallowed_methods, reason = "a bank has its own clock")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seconds = i64::try_from(since.as_secs()).unwrap();
    format!("{}Z", domain::time::Moment::from_unix(seconds))
}
