//! The executable. Everything is in the library beside it, where the tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    kashio::cli::run()
}
