//! Clients that vanish at any instant. A handler is dropped with its client; the database must not notice.
//! (A cancelled `begin` once handed out pooled connections in the middle of stale transactions:
//! launchbadge/sqlx#4393. This test stays for ever.)

use std::time::Duration;

use domain::account::Mode;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::world::{INVOICES, World, order};

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_resets_leave_no_connection_in_a_transaction() {
    let world = World::with(|settings| settings.database.connections = 4).await;
    let shop = world.merchant(Mode::Test).await;
    assert_eq!(shop.create(&order("warm")).await.status, 201);
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for batch in 0..50 {
        let resets = (0..40).map(|n| {
            let body = order(&format!("{batch}-{n}")).to_string();
            let key = if n % 2 == 0 { format!("idempotency-key: {batch}-{n}\r\n") } else { String::new() };
            let request = format!(
                "POST {INVOICES} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n{key}content-length: {}\r\n\r\n{body}",
                shop.authorization(),
                body.len()
            );
            let (address, wait) = (world.running().public, Duration::from_micros(random.random_range(0..40_000)));
            let cut = if n % 10 == 0 { random.random_range(0..request.len()) } else { request.len() };
            async move {
                let mut socket = TcpStream::connect(address).await.unwrap();
                socket.set_zero_linger().unwrap();
                // The server may be gone already: that is the point.
                let _ = socket.write_all(&request.as_bytes()[..cut]).await;
                sleep(wait).await;
            }
        });
        join_all(resets).await;
    }
    let in_transaction = "select count(*) from pg_stat_activity where datname = current_database()
         and pid <> pg_backend_pid() and state like 'idle in transaction%'
         and state_change < now() - interval '1 second'";
    for _ in 0..10 {
        assert_eq!(world.count(in_transaction).await, 0);
        sleep(Duration::from_millis(200)).await;
    }
    for n in 0..50 {
        assert_eq!(shop.create(&order(&format!("after-{n}"))).await.status, 201);
    }
    let invoices = world.count("select count(*) from invoices").await;
    assert_eq!(invoices, world.count("select count(*) from events").await);
    assert_eq!(invoices, world.count("select count(distinct invoice_id) from invoices").await);
    println!("{} of 2,000 arrived whole", invoices - 51);
    assert!(invoices > 200, "enough of the requests arrived whole: {invoices}");
}
