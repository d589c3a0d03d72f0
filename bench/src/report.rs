//! What is told: a line a round, a `ratio` a row, and a table with machine, commit and date.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::cpu::Used;
use crate::load::Figures;
use crate::{Outcome, plot};

/// Said of a round that told nothing.
const SPOILT: &str = ", spoilt by other programs";

/// What is wanted of a figure (`must`, `goal`, and what would be a wonder), and whether more is better.
pub struct Wanted {
    pub name: &'static str,
    pub levels: [f64; 3],
    pub more_is_better: bool,
}

const fn at_least(name: &'static str, levels: [f64; 3]) -> Wanted {
    Wanted { name, levels, more_is_better: true }
}

const fn at_most(name: &'static str, levels: [f64; 3]) -> Wanted {
    Wanted { name, levels, more_is_better: false }
}

/// From the design page on performance.
const WANTED: &[Wanted] = &[
    at_least("create_16", [0.7, 1.1, 1.5]),
    at_least("create_64", [0.7, 1.2, 3.0]),
    at_least("create_256", [0.7, 2.0, 5.0]),
    at_most("create_64_cpu", [430.0, 270.0, 70.0]),
    at_most("create_64_p99", [1.5, 0.8, 0.4]),
    at_most("create_open_p99", [1.5, 0.8, 0.4]),
    at_most("create_1_p50_gap", [2.0, 0.7, 0.3]),
    at_least("replay_64", [0.25, 0.35, 0.6]),
    at_least("get_64", [0.3, 0.45, 0.7]),
    at_least("list_64", [0.3, 0.5, 0.8]),
    at_least("authenticated", [0.9, 0.98, 1.0]),
    at_most("wrong_keys", [3.0, 1.5, 1.1]),
    at_most("inquire_p99", [300.0, 25.0, 10.0]),
    at_most("pay_p99", [300.0, 25.0, 10.0]),
    at_least("webhooks", [0.2, 0.4, 0.7]),
    at_most("told_p50", [1_000.0, 20.0, 8.0]),
    at_most("told_p99", [2_000.0, 100.0, 30.0]),
    at_least("create_while_webhooks", [0.4, 0.6, 0.75]),
    at_least("dead_endpoint", [0.9, 0.97, 1.0]),
    at_most("memory_idle", [60.0, 25.0, 15.0]),
    at_most("memory_connections", [150.0, 60.0, 40.0]),
    at_most("memory_posts", [250.0, 100.0, 70.0]),
    at_most("start", [1_000.0, 200.0, 50.0]),
    at_most("list_first_page", [1.5, 1.2, 1.05]),
    at_most("list_deep_page", [1.5, 1.2, 1.05]),
    at_least("create_among", [0.7, 0.9, 0.97]),
];

impl Wanted {
    fn of(name: &str) -> Option<&'static Wanted> {
        WANTED.iter().find(|wanted| wanted.name == name)
    }

    /// How far a value is: 1 is the level itself, more is better.
    pub fn reached(&self, value: f64, level: f64) -> f64 {
        if self.more_is_better { value / level } else { level / value }
    }
}

/// A figure, a value for each round.
pub struct Figure {
    pub name: String,
    unit: &'static str,
    values: Vec<f64>,
    /// Rounds that told nothing, because others worked too.
    spoilt: u32,
}

impl Figure {
    pub fn new(name: &str, unit: &'static str) -> Figure {
        Figure { name: name.to_owned(), unit, values: Vec::new(), spoilt: 0 }
    }

    /// One that is measured once.
    pub fn of(name: &str, unit: &'static str, value: f64) -> Figure {
        Figure { name: name.to_owned(), unit, values: vec![value], spoilt: 0 }
    }

    pub fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    /// Takes in what a round came to, unless other programs spoilt it: a remark on that for its line.
    pub fn add_unless_spoilt(&mut self, value: f64, [one, other]: [&Used; 2]) -> &'static str {
        if one.is_like(other) {
            self.values.push(value);
            ""
        } else {
            self.spoilt += 1;
            SPOILT
        }
    }

    pub fn median(&self) -> f64 {
        median(self.values.clone())
    }

    /// What is wanted of it.
    pub fn wanted(&self) -> Option<&'static Wanted> {
        Wanted::of(&self.name)
    }

    fn row(&self) -> String {
        let value = self.median();
        let levels = self.wanted().map_or_else(
            || "| | | ".to_owned(),
            |wanted| {
                let level = |level: &f64| {
                    let mark = if wanted.reached(value, *level) >= 1.0 { " ✓" } else { "" };
                    format!("| {level}{mark} ")
                };
                wanted.levels.iter().map(level).collect()
            },
        );
        format!("| {} | {value:.2} {} {levels}| {} |", self.name, self.unit, self.values.len())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

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
        let is_spoilt = !used.is_like(theirs_used);
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
            if is_spoilt { SPOILT } else { "" }
        )
    }

    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure).collect())
    }

    /// What the table's rows have goals for.
    pub fn figures(&self) -> Vec<Figure> {
        let of = |name: &str, unit, figure: &dyn Fn(&Round) -> f64| Figure {
            name: name.to_owned(),
            unit,
            values: self.rounds.iter().map(figure).collect(),
            spoilt: self.spoilt,
        };
        let mut figures = vec![of(&self.name, "", &|round| round.ours / round.reference)];
        if self.name == "create_1" {
            let gap = |round: &Round| (round.p50[1].as_secs_f64() - round.p50[0].as_secs_f64()) * 1e3;
            figures.push(of("create_1_p50_gap", "ms", &gap));
        }
        if self.name == "create_64" {
            let p99 = |round: &Round| round.p99[1].as_secs_f64() / round.p99[0].as_secs_f64();
            figures.push(of("create_64_p99", "", &p99));
            figures.push(of("create_64_cpu", "µs", &|round| round.cpu[1] + round.cpu[2]));
        }
        figures
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

/// Prints the ratios, and writes the table and its plot.
pub fn write(all: &[Measured], figures: Vec<Figure>, how: &str) -> Outcome<()> {
    let (figures, silent): (Vec<Figure>, Vec<Figure>) =
        figures.into_iter().partition(|figure| !figure.values.is_empty());
    for Figure { name, spoilt, .. } in silent {
        println!("{name}: other programs took too much of the machine in all {spoilt} rounds");
    }
    for figure in &figures {
        println!("ratio {} {:.2}", figure.name, figure.median());
    }
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let commit = said("git", &["describe", "--always", "--dirty"]);
    let now = said("date", &["-u", "+%Y-%m-%dT%H%M%SZ"]);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = said("uname", &["-sr"]);
    let processor = fs::read_to_string("/proc/cpuinfo")?;
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let processor = processor.trim_start_matches(['\t', ' ', ':']);
    let mut text =
        format!("# {now}\n\nCommit {commit}, {cores} cores ({processor}), {kernel}; {how}. Medians.\n");
    if !all.is_empty() {
        text += "\n| row | reference/s | ours/s | ratio | its p50 ms | our p50 ms | its p99 ms | our p99 ms | its CPU µs \
                 | our CPU µs, Postgres + service | rounds |\n|---|---|---|---|---|---|---|---|---|---|---|\n";
        for measured in all {
            text += &format!("{}\n", measured.row());
        }
    }
    text += "\n| figure | value | must | goal | moonshot | rounds |\n|---|---|---|---|---|---|\n";
    for figure in &figures {
        text += &format!("{}\n", figure.row());
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/results");
    fs::create_dir_all(folder)?;
    let file = format!("{folder}/{now}.md");
    text += &format!("\n![Each figure against its goal]({now}.svg)\n");
    fs::write(&file, &text)?;
    plot::draw(format!("{folder}/{now}.svg").as_ref(), &figures)?;
    println!("\n{text}\n{file}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(background: f64) -> Used {
        Used { service: Duration::ZERO, postgres: Duration::ZERO, load: Duration::ZERO, background }
    }

    #[test]
    fn a_round_that_others_spoilt_says_nothing() {
        let mut figure = Figure::new("webhooks", "");
        assert_eq!(figure.add_unless_spoilt(0.5, [&half(0.02), &half(0.16)]), "");
        assert_eq!(figure.add_unless_spoilt(0.9, [&half(0.02), &half(0.18)]), SPOILT);
        assert_eq!(figure.add_unless_spoilt(0.1, [&half(0.40), &half(0.02)]), SPOILT);
        assert_eq!((figure.values, figure.spoilt), (vec![0.5], 2));
    }
}
