//! The command line.

mod args;
mod client;
mod demo;
mod error;
mod generate;
mod get;
mod import;
mod kafka;
mod manifests;
mod output;
mod progress;
mod run;
mod services;
mod show;
mod status;
mod stream;
mod topics;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Ask, Command};
use error::CliError;

use crate::api::Client;

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
    let cluster = args.kafka.config()?;
    match args.command {
        Command::Import(import) => match cluster {
            Some(cluster) => import::publish(cluster, &import),
            None => import::import(&dir, &import),
        },
        Command::Run(run) => run::run(&dir, &run),
        Command::Watch(watch) => services::watch(args.kafka.required()?, &watch),
        Command::Process(process) => services::process(args.kafka.required()?, &process),
        Command::Serve(serve) => services::serve(args.kafka.required()?, &serve),
        Command::Topics(asked) => topics::topics(args.kafka.required()?, &asked),
        Command::Apply(apply) => {
            let client = client::of(args.server.as_deref(), cluster, || client::open_or_create(&dir))?;
            manifests::apply(&client, &apply)
        }
        Command::Delete(delete) => {
            let client = client::of(args.server.as_deref(), cluster, || client::open(&dir))?;
            manifests::delete(&client, &delete)
        }
        Command::Ask(asked) => {
            ask(&client::of(args.server.as_deref(), cluster, || client::open(&dir))?, asked)
        }
        Command::Demo(demo) => demo::demo(args.data_dir, &demo),
        Command::Generate(generate) => generate::generate(&generate),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "clade", &mut std::io::stdout());
            Ok(())
        }
    }
}

fn ask(client: &Client, asked: Ask) -> Result<(), CliError> {
    match asked {
        Ask::Get(get) => get::get(client, &get),
        Ask::Ancestors(asked) => get::related(client, "ancestors", &asked),
        Ask::Descendants(asked) => get::related(client, "descendants", &asked),
        Ask::Explain(asked) => show::explain(client, &asked),
        Ask::Usage(asked) => show::usage(client, &asked),
        Ask::Status(asked) => status::status(client, &asked),
        Ask::Subscribe(subscribe) => stream::subscribe(client, &subscribe),
        Ask::Export(export) => stream::export(client, &export),
    }
}
