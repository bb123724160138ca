//! The command line.

mod args;
mod client;
mod demo;
mod error;
mod get;
mod import;
mod manifests;
mod output;
mod progress;
mod run;
mod show;
mod stream;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};
use client::Client;
use error::CliError;

/// Runs the command line and returns the process's exit code.
pub fn main() -> ExitCode {
    let args = Args::parse();
    telemetry(args.verbose);
    match dispatch(args) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough of it.
        Err(CliError::ClosedOutput) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}

/// Log lines go to stderr; standard output is for answers.
fn telemetry(verbose: bool) {
    let default = if verbose { "clade=debug,info" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("CLADE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}

fn dispatch(args: Args) -> Result<(), CliError> {
    let dir = args.data_dir()?;
    match args.command {
        Command::Import(import) => import::import(&dir, &import),
        Command::Run(run) => run::run(&dir, &run),
        Command::Apply(apply) => manifests::apply(&Client::open_or_create(&dir)?, &apply),
        Command::Delete(delete) => manifests::delete(&Client::open(&dir)?, &delete),
        Command::Get(get) => get::get(&Client::open(&dir)?, &get),
        Command::Ancestors(asked) => get::related(&Client::open(&dir)?, "ancestors", &asked),
        Command::Descendants(asked) => get::related(&Client::open(&dir)?, "descendants", &asked),
        Command::Explain(asked) => show::explain(&Client::open(&dir)?, &asked),
        Command::Usage(asked) => show::usage(&Client::open(&dir)?, &asked),
        Command::Subscribe(subscribe) => stream::subscribe(&Client::open(&dir)?, &subscribe),
        Command::Export(export) => stream::export(&Client::open(&dir)?, &export),
        Command::Demo(demo) => demo::demo(&dir, args.data_dir.is_some(), &demo),
        Command::Generate(generate) => demo::generate(&generate),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "clade", &mut std::io::stdout());
            Ok(())
        }
    }
}
