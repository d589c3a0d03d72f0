//! What it costs others when strangers guess at keys: noise, sound keys that nobody has, and a working merchant's key with
//! a wrong secret. In each round they come from seven addresses that nobody has seen, and from the merchant's own: looked
//! up and hashed at first, withheld once each has failed twenty times.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use domain::account::Mode;
use domain::key::{ALPHABET, KeyKind, SecretKey};
use http_body_util::Full;
use hyper::Method;
use rand::Rng;
use rand::distr::Alphanumeric;
use tokio::runtime::Builder;

use crate::cpu::used_by;
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
        let reads = || load::run_open(&ground, Ask::Get, 16, READS, time);
        let (without, without_used) = used_by(&ground, reads()).await?;
        let guessing =
            Guessing { port: ground.port, known: ground.key.clone(), round: u8::try_from(round)?, time };
        let both = async {
            // On a thread of their own: what guessing takes is not to be in the way of who reads.
            let guesses = tokio::task::spawn_blocking(move || {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(guessing.all())
            });
            Ok((reads().await?, guesses.await??))
        };
        let ((with, answers), with_used) = used_by(&ground, both).await?;
        let [without, with] = [without, with].map(|reads| reads.percentile(990).as_secs_f64());
        let remark = figure.add_unless_spoilt(with / without, [&without_used, &with_used]);
        println!(
            "round {round} of {rounds}: p99 {:.2} ms, {:.2} ms while {:.0} wrong keys/s were answered {answers}{remark}",
            without * 1e3,
            with * 1e3,
            ratio(answers.all(), answers.took.as_secs_f64()),
        );
    }
    Ok(figure)
}

/// How often guesses were answered so.
struct Answers {
    refused: usize,
    withheld: usize,
    busy: usize,
    took: Duration,
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

/// What guesses are made with.
struct Guessing {
    port: u16,
    known: String,
    round: u8,
    time: Duration,
}

impl Guessing {
    async fn all(self) -> Outcome<Answers> {
        let mut wires = Vec::new();
        for number in 0..64 {
            let address = match number % 8 {
                0 => Ipv4Addr::LOCALHOST,
                other => Ipv4Addr::new(127, 0, self.round, other),
            };
            wires.push(load::connect_from(address, self.port).await?);
        }
        let began = Instant::now();
        let statuses = load::at_pace(wires, GUESSES, self.time, async |wire, turn, _| {
            let key = wrong_key(turn, &self.known).ok_or("the key is none")?;
            let request = load::request(Method::GET, "/v1/payments", &key).body(Full::default())?;
            let (status, _) = load::send(wire, request).await?;
            Ok(status.as_u16())
        })
        .await?;
        let count = |wanted| statuses.iter().filter(|&&status| status == wanted).count();
        let (refused, withheld, busy) = (count(401), count(429), count(503));
        let answers = Answers { refused, withheld, busy, took: began.elapsed() };
        if answers.all() < statuses.len() {
            return Err(
                format!("{} wrong keys were answered otherwise", statuses.len() - answers.all()).into()
            );
        }
        Ok(answers)
    }
}

/// By turns noise, a key that nobody has, and the known one with another secret.
fn wrong_key(turn: usize, known: &str) -> Option<String> {
    let mint = |start: Vec<u8>| {
        let (kind, mut bytes) = (KeyKind::Merchant(Mode::Test), start.into_iter());
        Some(SecretKey::mint(kind, || bytes.next().unwrap_or_else(rand::random)).expose().to_owned())
    };
    match turn % 3 {
        0 => {
            let noise = rand::rng().sample_iter(Alphanumeric).take(50).map(char::from);
            Some("sk_test_".chars().chain(noise).collect())
        }
        1 => mint(Vec::new()),
        _ => mint(letters(SecretKey::parse(known)?.public_id())?),
    }
}

/// The bytes that these letters of a key are made of.
fn letters(text: &str) -> Option<Vec<u8>> {
    let number = |byte: u8| u8::try_from(ALPHABET.iter().position(|&letter| letter == byte)?).ok();
    text.bytes().map(number).collect()
}
