//! `kashio config …`: what the program would run with, and whether it would run.

use std::path::Path;

use clap::Subcommand;

use crate::Failure;
use crate::config;

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Say whether the program would start with it.
    Check,
    /// Every setting with where it came from; secrets are masked.
    Show {
        /// JSON, one object per line.
        #[arg(long)]
        json: bool,
    },
}

/// Runs `kashio config …`. `check` has loaded the settings already, or failed.
#[expect(clippy::print_stdout, reason = "what the operator asked for")]
pub(super) fn run(file: Option<&Path>, command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check => {
            let settings = config::load(file)?;
            settings.check_start()?;
            println!("the configuration is sound");
        }
        ConfigCommand::Show { json } => {
            for setting in config::show(file)? {
                if json {
                    let line = serde_json::to_string(&setting);
                    println!("{}", line.map_err(|error| Failure::failed("config show", error))?);
                } else {
                    let value = format!("{} = {}", setting.name, setting.value);
                    println!("{value:<60}  # {}", setting.from);
                }
            }
        }
    }
    Ok(())
}
