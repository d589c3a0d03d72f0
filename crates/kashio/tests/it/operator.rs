//! The operator's commands: an account and its keys, made without a console, and accepted by a running replica.

use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::world::World;

fn kashio(world: &World, arguments: &[&str]) -> (i32, Vec<Value>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kashio"))
        .args(arguments)
        .env("DATABASE_URL", world.database.url())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (output.status.code().unwrap(), lines, String::from_utf8(output.stderr).unwrap())
}

async fn accepted(world: &World, key: &str) -> bool {
    let authorization = format!("Bearer {key}");
    let answer = world.send(Method::GET, "/v1/payments", &[("authorization", &authorization)], None).await;
    assert!(matches!(answer.status, 200 | 401), "{}", answer.text);
    answer.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_makes_an_account_and_keys_rolls_and_revokes_them() {
    let world = World::start().await;
    let (code, made, _) = kashio(&world, &["account", "create", "--name", "Bodega", "--live", "--json"]);
    assert_eq!((code, made[0]["name"].as_str()), (0, Some("Bodega")));
    let account = made[0]["id"].as_str().unwrap();
    let (_, accounts, _) = kashio(&world, &["account", "list", "--json"]);
    assert_eq!(accounts[0]["id"], account);

    let (code, made, _) = kashio(
        &world,
        &["key", "create", "--account", account, "--mode", "live", "--name", "caja", "--json"],
    );
    assert_eq!(code, 0);
    let (id, secret) = (made[0]["id"].as_str().unwrap(), made[0]["secret"].as_str().unwrap());
    assert!(secret.starts_with("sk_live_"));
    assert!(accepted(&world, secret).await);

    let (code, rolled, _) = kashio(&world, &["key", "roll", id, "--overlap-seconds", "2", "--json"]);
    let next = rolled[0]["secret"].as_str().unwrap();
    assert_eq!(code, 0);
    assert!(accepted(&world, next).await && accepted(&world, secret).await, "both, while they overlap");
    let (_, keys, _) = kashio(&world, &["key", "list", "--account", account, "--json"]);
    assert_eq!(keys[1]["replaced_by"], rolled[0]["id"], "newest first");
    assert!(keys.iter().all(|key| key.get("secret").is_none()));

    let (code, _, _) = kashio(&world, &["key", "revoke", rolled[0]["id"].as_str().unwrap()]);
    assert_eq!(code, 0);
    for ended in [next, secret] {
        let began = Instant::now();
        while accepted(&world, ended).await {
            assert!(began.elapsed() < Duration::from_secs(5), "still accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let (_, keys, _) = kashio(&world, &["key", "list", "--account", account, "--json"]);
    let states: Vec<&str> = keys.iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["revoked", "expired"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_made_is_said() {
    let world = World::start().await;
    let (_, made, _) = kashio(&world, &["account", "create", "--name", "Bodega", "--json"]);
    let account = made[0]["id"].as_str().unwrap();
    let create =
        |mode| kashio(&world, &["key", "create", "--account", account, "--mode", mode, "--name", "x"]);
    let (code, _, why) = create("live");
    assert_eq!((code, why.contains("does not accept live keys")), (1, true), "{why}");
    for _ in 0..20 {
        assert_eq!(create("test").0, 0);
    }
    let (code, _, why) = create("test");
    assert_eq!((code, why.contains("20 keys")), (1, true), "{why}");
    assert_eq!(kashio(&world, &["key", "revoke", "key_test_2222222222222222222222"]).0, 1);
    assert_eq!(kashio(&world, &["key", "revoke", "key_1"]).0, 2);
    assert_eq!(kashio(&world, &["account", "create", "--name", ""]).0, 2);
}
