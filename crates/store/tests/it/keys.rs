//! API keys: found by the name that is no secret, with the account they speak for; replicas hear of changes.

use std::collections::HashSet;

use domain::account::{Account, Mode, Owner};
use domain::id::KeyId;
use domain::key::{KeyKind, Scope, SecretKey};
use domain::late_fee::LateFee;
use domain::time::Moment;
use store::Error;
use store::keys::{NewKey, Phc};

use crate::world::*;

fn mint(mode: Mode) -> SecretKey {
    SecretKey::mint(KeyKind::Merchant(mode), rand::random)
}

/// Keeps a key whose hash is only told to be one.
async fn add(world: &World, owner: Owner, name: &'static str, secret: &SecretKey) -> KeyId {
    let id = KeyId::new(world.store.clock().unix_millis(), &rand::random());
    let secret = secret.clone();
    world
        .store
        .transaction::<(), Error, _>("add_key", move |tx| {
            let secret = secret.clone();
            Box::pin(async move {
                let phc = Phc(format!("$argon2id$of {name}"));
                tx.add_key(&NewKey::unrestricted(id, owner, name, secret, phc)).await
            })
        })
        .await
        .unwrap();
    id
}

async fn changed_lately(world: &World) -> HashSet<KeyId> {
    let keys = world.store.keys_changed_lately().await.unwrap();
    keys.iter().map(|key| key.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_with_its_account() {
    let mut world = World::new().await;
    world.account = Account {
        name: "Bodega Rosita".to_owned(),
        version_pin: Some("1.0.1".to_owned()),
        default_expiration_seconds: 3_600,
        customer_required: true,
        late_fee: LateFee::PercentPerDay { percent_e4: 500 },
        live_enabled: false,
        disabled_at: Some(Moment::from_unix(1_700_000_000)),
        ..world.account
    };
    world.put_account(&world.account).await;
    for mode in [Mode::Test, Mode::Live] {
        let secret = mint(mode);
        let owner = world.owner_in(mode);
        let id = add(&world, owner, "caja", &secret).await;
        let found = world.store.key(secret.public_id()).await.unwrap().unwrap();
        assert_eq!(found.id, id);
        assert_eq!(found.owner, owner);
        assert_eq!(found.account, world.account);
        assert_eq!(found.public_id, secret.public_id());
        assert_eq!(found.name, "caja");
        assert_eq!(found.phc.0, "$argon2id$of caja");
        assert!(found.scopes.is_none());
        assert_eq!((found.last_used_at, found.expires_at, found.revoked_at), (None, None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_key_has_finds_nothing() {
    let world = World::new().await;
    let secret = mint(Mode::Test);
    add(&world, world.owner(), "caja", &secret).await;
    let name = secret.public_id();
    for other in [mint(Mode::Test).public_id(), "", "%", &name[..11], secret.expose()] {
        assert!(world.store.key(other).await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_table_holds_the_secret() {
    let world = World::new().await;
    let secret = mint(Mode::Test);
    add(&world, world.owner(), "caja", &secret).await;
    let row: String = sqlx::query_scalar("select to_jsonb(api_keys)::text from api_keys")
        .fetch_one(&world.sql)
        .await
        .unwrap();
    assert!(row.contains(secret.public_id()));
    let hidden = &secret.expose()[secret.shown_prefix().len()..];
    for start in 0..hidden.len() - 8 {
        assert!(!row.contains(&hidden[start..start + 8]), "part of the secret is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_and_ends_are_read_and_a_strange_scope_is_corrupt() {
    let world = World::new().await;
    let secret = mint(Mode::Test);
    add(&world, world.owner(), "caja", &secret).await;
    world
        .execute(
            "update api_keys set scopes = '{invoices:read,test:write}', last_used_at = to_timestamp(1),
             expires_at = to_timestamp(2), revoked_at = to_timestamp(3)",
        )
        .await;
    let found = world.store.key(secret.public_id()).await.unwrap().unwrap();
    assert_eq!(found.scopes, Some(vec![Scope::InvoicesRead, Scope::TestWrite]));
    assert_eq!(found.last_used_at, Some(Moment::from_unix(1)));
    assert_eq!(found.expires_at, Some(Moment::from_unix(2)));
    assert_eq!(found.revoked_at, Some(Moment::from_unix(3)));

    world.execute("update api_keys set scopes = '{}'").await;
    let found = world.store.key(secret.public_id()).await.unwrap().unwrap();
    assert_eq!(found.scopes, Some(Vec::new()), "no scope is not every scope");

    world.execute("update api_keys set scopes = '{everything}'").await;
    let found = world.store.key(secret.public_id()).await.unwrap().unwrap();
    assert_eq!(found.scopes, Some(Vec::new()), "a scope that this program does not know grants nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_added_again_stays_as_it_was() {
    let world = World::new().await;
    let secret = mint(Mode::Test);
    let first = add(&world, world.owner(), "first", &secret).await;
    add(&world, world.owner(), "second", &secret).await;
    add(&world, world.owner_in(Mode::Live), "third", &secret).await;
    let found = world.store.key(secret.public_id()).await.unwrap().unwrap();
    assert_eq!((found.id, found.name.as_str()), (first, "first"));
    assert_eq!(found.owner, world.owner());
    assert_eq!(world.count("select count(*) from api_keys").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_hear_of_keys_and_accounts_that_changed_lately_and_of_no_others() {
    let world = World::new().await;
    let neighbour = shop("Bodega Carmen");
    world.put_account(&neighbour).await;
    let stranger = Owner { account: neighbour.id, mode: Mode::Test };
    let test = add(&world, world.owner(), "test", &mint(Mode::Test)).await;
    let live = add(&world, world.owner_in(Mode::Live), "live", &mint(Mode::Live)).await;
    let other = add(&world, stranger, "other", &mint(Mode::Test)).await;
    assert_eq!(changed_lately(&world).await, HashSet::from([test, live, other]));

    // Well beyond the overlap of 40 seconds, and well within it.
    let age = async |seconds: u32| {
        for table in ["accounts", "api_keys"] {
            world
                .execute(format!("update {table} set changed_at = now() - interval '{seconds} seconds'"))
                .await;
        }
    };
    age(30).await;
    assert_eq!(changed_lately(&world).await, HashSet::from([test, live, other]));
    age(50).await;
    assert_eq!(changed_lately(&world).await, HashSet::new());

    let disabled = Account { disabled_at: Some(world.now()), ..world.account.clone() };
    world.put_account(&disabled).await;
    assert_eq!(changed_lately(&world).await, HashSet::from([test, live]));
    for key in world.store.keys_changed_lately().await.unwrap() {
        assert_eq!(key.account, disabled);
    }

    age(50).await;
    world.execute("update api_keys set revoked_at = now(), changed_at = now() where name = 'other'").await;
    let heard = world.store.keys_changed_lately().await.unwrap();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].id, other);
    assert!(heard[0].revoked_at.is_some());
}
