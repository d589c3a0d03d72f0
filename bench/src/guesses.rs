//! What it costs others when strangers guess at keys: noise, sound keys that nobody has, and the key of somebody who is at
//! work with another secret. They come from eight addresses, of which one is his.

use std::net::Ipv4Addr;
use std::time::Duration;

use domain::account::Mode;
use domain::key::{KeyKind, SecretKey};
use http_body_util::Full;
use hyper::Method;
use rand::Rng;
use rand::distr::Alphanumeric;

use crate::ground::Ground;
use crate::load::{self, Ask};
use crate::report::Figure;
use crate::{Outcome, ratio};

/// Wrong keys a second.
const GUESSES: f64 = 1_000.0;
/// Reads a second of the merchant whose p99 counts.
const READS: f64 = 500.0;

/// p99 of a merchant's reads while keys are guessed ÷ without.
pub async fn measure(rounds: u32, time: Duration) -> Outcome<Figure> {
    let ground = Ground::lay("serve", None).await?;
    let mut figure = Figure::new("wrong_keys", "");
    for round in 1..=rounds {
        let without = load::run_open(&ground, Ask::Get, 16, READS, time).await?.percentile(990);
        let reads = load::run_open(&ground, Ask::Get, 16, READS, time);
        let (with, answers) = tokio::try_join!(reads, guesses(&ground, time))?;
        let with = with.percentile(990);
        println!(
            "round {round} of {rounds}: p99 {:.2} ms, {:.2} ms while {:.0} wrong keys/s were answered {answers}",
            without.as_secs_f64() * 1e3,
            with.as_secs_f64() * 1e3,
            ratio(answers.all(), time.as_secs_f64()),
        );
        figure.add(with.as_secs_f64() / without.as_secs_f64());
    }
    Ok(figure)
}

/// How often guesses were answered so.
struct Answers {
    refused: usize,
    withheld: usize,
    busy: usize,
}

impl Answers {
    fn all(&self) -> usize {
        self.refused + self.withheld + self.busy
    }
}

impl std::fmt::Display for Answers {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "401 {} times, 429 {} times, 503 {} times", self.refused, self.withheld, self.busy)
    }
}

async fn guesses(ground: &Ground, time: Duration) -> Outcome<Answers> {
    let mut wires = Vec::new();
    for number in 0..64 {
        wires.push(load::connect_from(Ipv4Addr::new(127, 0, 0, 1 + number % 8), ground.port).await?);
    }
    let statuses = load::at_pace(wires, GUESSES, time, async |wire, turn, _| {
        let key = wrong_key(turn, &ground.key).ok_or("the key is none")?;
        let request = load::request(Method::GET, "/v1/payments", &key).body(Full::default())?;
        let (status, _) = load::send(wire, request).await?;
        Ok(status.as_u16())
    })
    .await?;
    let count = |wanted| statuses.iter().filter(|&&status| status == wanted).count();
    let answers = Answers { refused: count(401), withheld: count(429), busy: count(503) };
    if answers.all() < statuses.len() {
        return Err(format!("{} wrong keys were answered otherwise", statuses.len() - answers.all()).into());
    }
    Ok(answers)
}

/// By turns noise, a key that nobody has, and the known one with another secret.
fn wrong_key(turn: usize, known: &str) -> Option<String> {
    let mint = |mut start: std::vec::IntoIter<u8>| {
        let kind = KeyKind::Merchant(Mode::Test);
        Some(SecretKey::mint(kind, || start.next().unwrap_or_else(rand::random)).expose().to_owned())
    };
    match turn % 3 {
        0 => {
            let noise = rand::rng().sample_iter(Alphanumeric).take(50).map(char::from);
            Some("sk_test_".chars().chain(noise).collect())
        }
        1 => mint(Vec::new().into_iter()),
        _ => mint(letters(SecretKey::parse(known)?.public_id())?.into_iter()),
    }
}

/// The bytes that these letters of a key are made of.
fn letters(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let number = |byte: u8| u8::try_from(LETTERS.iter().position(|&letter| letter == byte)?).ok();
    text.bytes().map(number).collect()
}
