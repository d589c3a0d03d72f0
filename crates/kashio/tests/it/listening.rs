//! `kashio listen`: a developer's machine is told everything, in order, whatever is away for a while. What it loses
//! here would be looked for in the developer's own code.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::account::Mode;
use domain::signature::WebhookSecret;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::sleep;

use crate::receiver::Receiver;
use crate::webhooks::until;
use crate::world::{Merchant, World, order};

/// An address that stays, and leads to another that may change, or to nobody.
struct Door {
    address: SocketAddr,
    leads_to: Arc<Mutex<Option<SocketAddr>>>,
    inside: Arc<Mutex<Vec<AbortHandle>>>,
    doorman: JoinHandle<()>,
}

impl Door {
    async fn to(target: SocketAddr) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (leads_to, inside) = (Arc::new(Mutex::new(Some(target))), Arc::<Mutex<Vec<_>>>::default());
        let (asked, kept) = (leads_to.clone(), inside.clone());
        let doorman = tokio::spawn(async move {
            while let Ok((mut guest, _)) = listener.accept().await {
                let target: Option<SocketAddr> = *asked.lock().unwrap();
                let Some(target) = target else { continue };
                let visit = tokio::spawn(async move {
                    let Ok(mut host) = TcpStream::connect(target).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut guest, &mut host).await;
                });
                kept.lock().unwrap().push(visit.abort_handle());
            }
        });
        Door { address, leads_to, inside, doorman }
    }

    /// Nobody is behind it; who was talking is interrupted.
    fn close(&self) {
        *self.leads_to.lock().unwrap() = None;
        self.inside.lock().unwrap().drain(..).for_each(|visit| visit.abort());
    }

    fn open(&self, target: SocketAddr) {
        *self.leads_to.lock().unwrap() = Some(target);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.doorman.abort();
    }
}

/// A `kashio listen` that ends with its owner.
struct Listening(Child);

impl Listening {
    fn start(shop: &Merchant, from: i64, api: &Door, receiver: &Door, secret: &str) -> Listening {
        let child = Command::new(env!("CARGO_BIN_EXE_kashio"))
            .arg("listen")
            .args(["--key", shop.key.expose(), "--from", &from.to_string(), "--secret", secret])
            .args(["--api", &format!("http://{}", api.address)])
            .args(["--forward-to", &format!("http://{}/hook", receiver.address)])
            .stdout(Stdio::null())
            .spawn();
        Listening(child.unwrap())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn sells(shop: &Merchant, numbers: std::ops::Range<usize>) {
    for number in numbers {
        assert_eq!(shop.create(&order(&number.to_string())).await.status, 201);
    }
}

/// Waits for the event of a number.
async fn heard(receiver: &Receiver, sequence: u64) {
    let newest = || receiver.all().last().map(|webhook| webhook.json()["sequence"].as_u64().unwrap());
    until("it was heard", async || newest() == Some(sequence)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_misses_nothing_though_the_api_and_his_own_server_come_and_go() {
    let mut world = World::working(|_| {}).await;
    let mut shop = world.merchant(Mode::Test).await;
    let receiver = Receiver::content().await;
    let his_server = receiver.url["http://".len()..].trim_end_matches("/hook").parse().unwrap();
    let (api, server) = (Door::to(world.running().public).await, Door::to(his_server).await);
    let secret = WebhookSecret::from_random(rand::random()).expose();
    sells(&shop, 0..5).await;
    let listening = Listening::start(&shop, 0, &api, &server, &secret);
    heard(&receiver, 5).await;

    // The API goes away while it is waited for, and comes back with news.
    api.close();
    world.restart().await;
    shop.base = world.url("");
    sells(&shop, 5..10).await;
    sleep(Duration::from_millis(700)).await;
    api.open(world.running().public);
    heard(&receiver, 10).await;

    // So does his own server.
    server.close();
    sells(&shop, 10..15).await;
    sleep(Duration::from_secs(1)).await;
    server.open(his_server);
    heard(&receiver, 15).await;

    // He goes home, and goes on where he was.
    drop(listening);
    sells(&shop, 15..20).await;
    let _listening = Listening::start(&shop, 15, &api, &server, &secret);
    heard(&receiver, 20).await;
    let mut got = receiver.all();
    // An event whose answer was cut off came again at once.
    got.dedup_by(|again, first| again.body == first.body);
    assert!(got.iter().all(|webhook| webhook.is_signed_by(&secret)));
    let told: Vec<_> = got.iter().map(|webhook| webhook.json()).collect();
    assert!(got.iter().zip(&told).all(|(webhook, event)| event["id"] == webhook.id()));
    let sequences: Vec<_> = told.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<_>>(), "every one, in order");
    let sold = told.iter().enumerate();
    assert!(
        sold.clone()
            .all(|(n, event)| event["data"]["invoice"]["invoice_id"].as_str() == Some(&n.to_string()))
    );
}
