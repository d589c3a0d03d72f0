//! What fuzzing kept is replayed: inputs picked by hand, inputs that reached something new, and whatever once broke
//! a rule. `fuzz/run` looks for more.

use std::fs;
use std::panic;
use std::path::Path;

#[path = "../../../../fuzz/checks.rs"]
mod checks;

#[test]
fn bodies_hold_their_rules() {
    replay("body", checks::body);
}

#[test]
fn deciding_headers_hold_their_rules() {
    replay("authorization", checks::authorization);
}

#[test]
fn queries_and_cursors_hold_their_rules() {
    replay("cursor", checks::cursor);
}

#[test]
fn decimals_hold_their_rules() {
    replay("decimal", checks::decimal);
}

#[test]
fn dates_hold_their_rules() {
    replay("date", checks::date);
}

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let inputs: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    let breaks_a_rule = |path: &&_| {
        let input = fs::read(path).unwrap();
        panic::catch_unwind(|| check(&input)).is_err()
    };
    let broken: Vec<_> = inputs.iter().filter(breaks_a_rule).collect();
    assert!(broken.is_empty(), "broken, for the reasons above, by {broken:#?}");
}
