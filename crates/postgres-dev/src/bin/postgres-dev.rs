//! The tests' shared Postgres by hand: `url` starts it and prints a superuser URL, `stop` stops it
//! (the last step of `.ci/run`); `hold <dir>` keeps a cluster of one's own until it is killed.
#![allow(clippy::print_stdout)]

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use postgres_dev::{Cluster, Durability, Error, shared};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["url"] => told(shared::url()),
        ["hold", dir] => match Cluster::start(Path::new(dir), Durability::None) {
            Ok(cluster) => {
                println!("{}", cluster.url("postgres"));
                loop {
                    thread::park();
                }
            }
            Err(error) => told(Err::<&str, _>(error)),
        },
        ["stop"] => told(shared::stop().map(|ran| if ran { "stopped" } else { "did not run" })),
        _ => {
            eprintln!("usage: postgres-dev url | stop | hold <dir>");
            ExitCode::from(2)
        }
    }
}

fn told(answer: Result<impl std::fmt::Display, Error>) -> ExitCode {
    match answer {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("postgres-dev: {error}");
            ExitCode::FAILURE
        }
    }
}
