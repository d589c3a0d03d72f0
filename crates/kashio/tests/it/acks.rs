//! What was delivered is written down in groups: each as if it had come alone, and nothing of somebody else's.

use std::sync::Arc;
use std::time::Duration;

use domain::account::Mode;
use domain::delivery::Next;
use domain::time::Moment;
use store::deliveries::{Attempt, Claimed, Finished, Room};

use crate::webhooks::{events, miscounted, subscribe};
use crate::world::{World, order};

/// Nobody works in it: the story says when something happens.
async fn world() -> World {
    World::with(|settings| settings.webhooks.loopback = true).await
}

fn accepted() -> Attempt {
    let (at, took) = (Moment::from_unix(1_790_000_000), Duration::from_millis(5));
    let answer = b"gracias".to_vec();
    Attempt { at, took, status: Some(200), error: None, answer, gone: false, next: Next::Delivered }
}

async fn claim(world: &World) -> Vec<Claimed> {
    let room = Room { total: 100, each: 100, busy: Vec::new(), lease: Duration::from_secs(30) };
    world.running().store.claim_deliveries(room).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_together_is_written_as_if_each_had_come_alone() {
    let world = world().await;
    let store = &world.running().store;
    let (shop, neighbour) = (world.merchant(Mode::Test).await, world.merchant(Mode::Test).await);
    for (shop, name) in [(&shop, "a"), (&shop, "b"), (&neighbour, "c")] {
        subscribe(shop, &format!("https://tienda.pe/{name}")).await;
        shop.create(&order(name)).await;
    }
    store.sequence(100).await.unwrap();
    world
        .execute("update webhook_endpoints set failures = 3, failing_since = now() where url like '%/a'")
        .await;

    // One goes alone, one is taken over by somebody else meanwhile, the others go together.
    let mut claimed = claim(&world).await;
    assert_eq!(claimed.len(), 5, "two events for two endpoints, one for one");
    let alone = claimed.remove(0);
    assert_eq!(store.finish_delivery(&alone, accepted()).await.unwrap(), Finished::Yes);
    let late = claimed.remove(0);
    for taken_over in ["claimed_until = now()", "attempt = attempt + 1"] {
        let id = late.id.uuid();
        world.execute(&format!("update deliveries set {taken_over} where id = '{id}'")).await;
    }
    let together: Arc<[_]> = claimed.iter().chain([&late]).map(|one| (one.clone(), accepted())).collect();
    let written = store.finish_delivered(together.clone()).await.unwrap();
    assert_eq!(written, claimed.iter().map(|one| one.id).collect());
    assert!(store.finish_delivered(together).await.unwrap().is_empty(), "once is enough");

    assert_eq!(miscounted(&world).await, 0);
    let same = "select count(distinct row(number, duration_ms, status, error, answer)::text) from attempts";
    assert_eq!((world.count("select count(*) from attempts").await, world.count(same).await), (4, 1));
    assert_eq!(world.count("select count(*) from deliveries where status = 'delivered'").await, 4);
    assert_eq!(world.count("select count(*) from webhook_endpoints where failures > 0").await, 0);
    let told: Vec<_> = events(&shop).await.iter().map(|event| event["status"].clone()).collect();
    assert_eq!(
        told.iter().filter(|status| **status == "notified").count(),
        1,
        "one waits for its late delivery: {told:?}"
    );
    assert_eq!(events(&neighbour).await[0]["status"], "notified");
}
