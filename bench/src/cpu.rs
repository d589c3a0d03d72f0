//! Who used the processor: the service, Postgres, whoever loads them, and everybody else.

use std::fs;
use std::future::Future;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::ground::Ground;

/// A tick of `/proc`: `USER_HZ` is 100 wherever Linux runs.
const TICK: Duration = Duration::from_millis(10);

/// How much more of the machine others may take in one half of a round than in the other.
const BACKGROUND: f64 = 0.15;

/// Processor time so far.
pub struct Usage {
    at: Instant,
    service: u64,
    postgres: u64,
    load: u64,
    all: u64,
}

/// Processor time of a stretch.
pub struct Used {
    pub service: Duration,
    pub postgres: Duration,
    /// Those who load or receive: this process.
    pub load: Duration,
    /// Of the whole machine, what programs that belong to no measurement took: 0 to 1.
    pub background: f64,
}

impl Used {
    /// Whether a round says anything whose halves these are: others left as much of the machine to the one as to the other.
    pub fn is_like(&self, other: &Used) -> bool {
        (self.background - other.background).abs() <= BACKGROUND
    }
}

/// What was done, and what that took.
pub async fn used_by<T>(ground: &Ground, work: impl Future<Output = Outcome<T>>) -> Outcome<(T, Used)> {
    let before = Usage::now(ground)?;
    let done = work.await?;
    Ok((done, Usage::now(ground)?.since(&before)))
}

impl Usage {
    /// Reads `/proc`.
    pub fn now(ground: &Ground) -> Outcome<Usage> {
        Usage::of(ground, ground.service_pid())
    }

    /// The same with another process in the service's place.
    pub fn of(ground: &Ground, service: u32) -> Outcome<Usage> {
        let mut postgres = times(ground.postgres_pid())?.iter().sum();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            // Who ends meanwhile is counted by his parent.
            if parent(pid) == Some(ground.postgres_pid()) {
                postgres += times(pid).map(|[user, system, ..]| user + system).unwrap_or_default();
            }
        }
        let [user, system, ..] = times(service)?;
        let machine = fs::read_to_string("/proc/stat")?;
        let fields = machine.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let fields: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
        // user nice system idle iowait irq softirq: everything but idle and iowait.
        let all = [0, 1, 2, 5, 6].iter().filter_map(|at| fields.get(*at)).sum();
        let load = times(std::process::id())?.iter().sum();
        Ok(Usage { at: Instant::now(), service: user + system, postgres, load, all })
    }

    /// What was used since.
    pub fn since(&self, earlier: &Usage) -> Used {
        let (service, postgres) =
            (self.service - earlier.service, self.postgres.saturating_sub(earlier.postgres));
        let load = self.load - earlier.load;
        let others = (self.all - earlier.all).saturating_sub(service + postgres + load);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let ticks = |ticks: u64| TICK * u32::try_from(ticks).unwrap_or(u32::MAX);
        let whole = (self.at - earlier.at).as_secs_f64() * f64::from(u32::try_from(cores).unwrap_or(1));
        Used {
            service: ticks(service),
            postgres: ticks(postgres),
            load: ticks(load),
            background: ticks(others).as_secs_f64() / whole,
        }
    }
}

/// utime, stime, cutime, cstime (proc(5)), in ticks.
fn times(pid: u32) -> Outcome<[u64; 4]> {
    let fields = stat(pid).ok_or_else(|| format!("process {pid} has ended"))?;
    let field = |at: usize| fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(0);
    Ok([11, 12, 13, 14].map(field))
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// The fields behind the program's name, which may hold anything but `)`.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split_whitespace().map(str::to_owned).collect())
}
