//! `cargo bench -p bench --bench hot`: nanoseconds of the functions that every request goes through. For a figure that does not change
//! with the machine's load, `bench/instructions`.

#![allow(missing_docs, reason = "criterion's macros make public items without any")]
#![allow(clippy::expect_used, reason = "without its sample there is nothing to measure")]
#![allow(unreachable_pub, reason = "a program has no outside")]

use criterion::{Criterion, criterion_group, criterion_main};

#[path = "../src/hot.rs"]
mod hot;

fn functions(criterion: &mut Criterion) {
    for hot::Hot { name, call } in hot::all().expect("the sample is an invoice") {
        criterion.bench_function(name, |bencher| bencher.iter(&call));
    }
}

criterion_group!(benches, functions);
criterion_main!(benches);
