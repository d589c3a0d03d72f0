//! What is told: a line a round, a `ratio` a row, and a table with machine, commit and date.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::cpu::Used;
use crate::load::Figures;

/// How much more of the machine others may take in one half than in the other.
const BACKGROUND: f64 = 0.15;

/// A row of the table, round by round.
pub struct Measured {
    name: String,
    rounds: Vec<Round>,
    /// Rounds that told nothing, because others worked too.
    spoilt: u32,
}

#[derive(Clone, Copy)]
struct Round {
    reference: f64,
    ours: f64,
    p50: [Duration; 2],
    p99: [Duration; 2],
    /// Microseconds of processor for each answer: the reference's Postgres, our Postgres, our service.
    cpu: [f64; 3],
}

impl Measured {
    pub fn new(name: &str) -> Measured {
        Measured { name: name.to_owned(), rounds: Vec::new(), spoilt: 0 }
    }

    /// Takes a round in, and says how it went.
    pub fn add(&mut self, reference: &Figures, ours: &Figures, theirs_used: &Used, used: &Used) -> String {
        let each = |time: Duration, figures: &Figures| {
            time.as_secs_f64() * 1e6 / f64::from(u32::try_from(figures.answered.max(1)).unwrap_or(u32::MAX))
        };
        let round = Round {
            reference: reference.rate(),
            ours: ours.rate(),
            p50: [reference.percentile(500), ours.percentile(500)],
            p99: [reference.percentile(990), ours.percentile(990)],
            cpu: [each(theirs_used.postgres, reference), each(used.postgres, ours), each(used.service, ours)],
        };
        let is_spoilt = (theirs_used.background - used.background).abs() > BACKGROUND;
        if is_spoilt {
            self.spoilt += 1;
        } else {
            self.rounds.push(round);
        }
        format!(
            "{} {:.0}/s, reference {:.0}/s, ratio {:.2}, p99 {:.1} ms, CPU {:.0} + {:.0} µs{}",
            self.name,
            round.ours,
            round.reference,
            round.ours / round.reference,
            round.p99[1].as_secs_f64() * 1e3,
            round.cpu[1],
            round.cpu[2],
            if is_spoilt { ", spoilt by other programs" } else { "" }
        )
    }

    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn row(&self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "| {} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} | {:.0} + {:.0} | {} |",
            self.name,
            self.median(|round| round.reference),
            self.median(|round| round.ours),
            self.median(|round| round.ours / round.reference),
            self.median(|round| ms(round.p50[0])),
            self.median(|round| ms(round.p50[1])),
            self.median(|round| ms(round.p99[0])),
            self.median(|round| ms(round.p99[1])),
            self.median(|round| round.cpu[0]),
            self.median(|round| round.cpu[1]),
            self.median(|round| round.cpu[2]),
            self.rounds.len(),
        )
    }
}

/// Prints the ratios and writes the table.
pub fn write(all: &[Measured], how: &str) -> Outcome<()> {
    for measured in all {
        if measured.rounds.is_empty() {
            println!(
                "{}: other programs took too much of the machine in all {} rounds",
                measured.name, measured.spoilt
            );
        } else {
            println!("ratio {} {:.2}", measured.name, measured.median(|round| round.ours / round.reference));
        }
    }
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let now = said("date", &["-u", "+%Y-%m-%dT%H%M%SZ"]);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = said("uname", &["-sr"]);
    let rows: Vec<String> = all.iter().map(Measured::row).collect();
    let text = format!(
        "# {now}\n\nCommit {commit}, {cores} cores, {kernel}; {how}. Medians.\n\n\
         | row | reference/s | ours/s | ratio | its p50 ms | our p50 ms | its p99 ms | our p99 ms | its CPU µs | our CPU µs, \
         Postgres + service | rounds |\n|---|---|---|---|---|---|---|---|---|---|---|\n{}\n",
        rows.join("\n")
    );
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/results");
    fs::create_dir_all(folder)?;
    let file = format!("{folder}/{now}.md");
    fs::write(&file, &text)?;
    println!("\n{text}\n{file}");
    Ok(())
}
