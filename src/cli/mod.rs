//! The command line: parses arguments, runs the command, and prints its answer.

mod args;
mod audit;
mod backup;
mod check;
mod client;
mod copying;
mod coverage;
mod demo;
mod error;
mod generate;
mod get;
mod import;
mod kafka;
mod list;
mod log;
mod manifests;
mod moment;
mod otlp;
mod output;
mod patience;
mod plain;
mod policy_test;
mod progress;
mod rebuild;
mod run;
mod secret;
mod services;
mod show;
mod signed;
mod status;
mod stream;
mod template;
mod token;
mod topics;
mod wait;
mod workloads;

pub use manifests::objects;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Args, Ask, Command, PolicyCommand};
use client::Here;
use error::CliError;
use patience::once_it_is_time;

use crate::api::Client;
use crate::kubernetes;
use crate::log::kafka::Config;
use crate::telemetry::Telemetry;

/// Runs the command line and returns the process's exit code.
pub fn main() -> ExitCode {
    let (args, unused) = parse();
    log_to_stderr(args.verbose);
    keep_files_private();
    match unused.map_or(Ok(()), |problem| Err(CliError::Usage(problem))).and_then(|()| dispatch(args)) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has closed it, which is no error.
        Err(CliError::ClosedOutput) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", plain::plain_lines(&error.to_string()));
            error.exit_code()
        }
    }
}

/// Parses the arguments, and says which option its command has no use for. Under the name `kubectl-clade` the program is a plugin of kubectl and calls itself as that
/// does.
fn parse() -> (Args, Option<String>) {
    let called = std::env::args_os().next().unwrap_or_default();
    let is_plugin = Path::new(&called).file_stem().is_some_and(|name| name == "kubectl-clade");
    let command = if is_plugin { Args::command().bin_name("kubectl clade") } else { Args::command() };
    let matches = command.get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    (args, args::unused(&matches))
}

/// Files that clade makes are for its user and group: names of images and who commands what are nobody else's business.
/// A stricter mask of the user stays.
fn keep_files_private() {
    let mask = rustix::process::umask(rustix::fs::Mode::RWXO | rustix::fs::Mode::WGRP);
    rustix::process::umask(mask | rustix::fs::Mode::RWXO | rustix::fs::Mode::WGRP);
}

/// Log lines go to stderr; standard output is for answers.
fn log_to_stderr(verbose: bool) {
    // kube logs each request that found no server, which the caller of the request logs already. The user's filter
    // follows and has precedence.
    let quiet = |filter: &str| format!("kube_client::client::builder=off,{filter}");
    // The first look at a registry can take hours, and a new form of a large log minutes: people want to see how far it is.
    let default = if verbose {
        "clade=debug,info"
    } else {
        "warn,clade::registry::progress=info,clade::log::embedded::upgrade=info"
    };
    let asked = std::env::var("CLADE_LOG").ok();
    let filter = tracing_subscriber::EnvFilter::try_new(quiet(asked.as_deref().unwrap_or(default)));
    let filter = filter.unwrap_or_else(|error| {
        eprintln!(
            "clade: CLADE_LOG is no filter ({error}), as clade=debug,warn would be; going on with {default}"
        );
        tracing_subscriber::EnvFilter::new(quiet(default))
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}

fn dispatch(args: Args) -> Result<(), CliError> {
    let cluster = args.kafka.config()?.filter(|_| args.command.is_for_clusters());
    let mut telemetry = Telemetry::default();
    let exporting = args.otlp.start(args.command.service(), cluster.as_ref(), &mut telemetry)?;
    let outcome = run_command(args, cluster, &telemetry);
    if let Some(exporting) = exporting {
        exporting.close();
    }
    outcome
}

fn run_command(args: Args, cluster: Option<Config>, telemetry: &Telemetry) -> Result<(), CliError> {
    let dir = args.data_dir()?;
    let token = args.token_file.as_deref().map(|path| secret::read("the token", path)).transpose()?;
    let server = client::server(&args, token.clone())?;
    let here = |command| Here { dir: &dir, command, token, telemetry };
    match args.command {
        Command::Import(_) if server.is_some() => Err(CliError::Usage(
            "clade import writes into a data directory, or with --kafka to a cluster; --server (CLADE_SERVER) is for questions \
             and declarations"
                .to_owned(),
        )),
        Command::Import(import) => match cluster {
            Some(cluster) => import::publish(cluster, &import, telemetry),
            None => import::import(&dir, &import, telemetry),
        },
        Command::Run(run) => run::run(&dir, &run, telemetry),
        Command::Watch(watch) => services::watch(args.kafka.required()?, &watch, telemetry),
        Command::Process(process) => services::process(args.kafka.required()?, &process, telemetry),
        Command::Serve(serve) => services::serve(args.kafka.required()?, &serve, telemetry),
        Command::Admit(admit) => services::admit(args.kafka.required()?, &admit, telemetry),
        Command::Label(label) => services::label(args.kafka.required()?, &label, telemetry),
        Command::Rebuilder(rebuilder) => services::rebuilder(args.kafka.required()?, &rebuilder, telemetry),
        Command::Auditor(auditor) => services::auditor(args.kafka.required()?, &dir, &auditor, telemetry),
        Command::Audit(asked) => audit::audit(&dir, &asked),
        Command::Backup(_) if cluster.is_some() && server.is_none() => Err(CliError::Usage(
            "clade backup copies the log of a data directory; the brokers of Apache Kafka replicate their topics, and MirrorMaker \
             copies them to another cluster: leave --kafka (CLADE_KAFKA) out"
                .to_owned(),
        )),
        Command::Backup(asked) => backup::backup(server, here("backup"), &asked),
        Command::Log(_) if cluster.is_some() => Err(CliError::Usage(
            "clade log works on a data directory; the brokers of Apache Kafka check their own files: leave --kafka \
             (CLADE_KAFKA) out"
                .to_owned(),
        )),
        Command::Log(asked) => log::log(&dir, &asked),
        Command::Topics(asked) => topics::topics(args.kafka.required()?, &asked),
        Command::Apply(apply) => {
            let client = client::of(server, cluster, || here("apply").open_or_create())?;
            manifests::apply(&client, &apply)
        }
        Command::Delete(delete) => {
            let client = client::of(server, cluster, || here("delete").open())?;
            manifests::delete(&client, &delete)
        }
        Command::Rebuild(asked) => {
            rebuild::rebuild(&client::of(server, cluster, || here("rebuild").open())?, &asked)
        }
        Command::Ask(Ask::Subscribe(asked)) if server.is_none() && cluster.is_some() => {
            stream::subscribe_on(args.kafka.required()?, &asked)
        }
        Command::Ask(asked) => {
            let client = client::of(server, cluster, || here(asked.name()).open())?;
            // Nothing is printed before there is an answer.
            once_it_is_time(|| ask(&client, &asked))
        }
        Command::Demo(demo) => demo::demo(args.data_dir, &demo),
        Command::Token(asked) => token::token(&asked),
        Command::Generate(generate) => generate::generate(&generate),
        Command::Crd => output::documents(&kubernetes::definitions().map_err(CliError::failed)?),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "clade", &mut std::io::stdout());
            Ok(())
        }
    }
}

fn ask(client: &Client, asked: &Ask) -> Result<(), CliError> {
    match asked {
        Ask::Get(get) => get::get(client, get),
        Ask::Ancestors(asked) => get::related(client, "ancestors", asked, None),
        Ask::Descendants(asked) => {
            get::related(client, "descendants", &asked.related, asked.direct.then_some(true))
        }
        Ask::Explain(asked) => show::explain(client, asked),
        Ask::Usage(asked) => show::usage(client, asked),
        Ask::Coverage(asked) => coverage::coverage(client, asked),
        Ask::Check(asked) => check::check(client, asked),
        Ask::Policy(asked) => match &asked.command {
            PolicyCommand::Test(asked) => policy_test::test(client, asked),
        },
        Ask::Status(asked) => status::status(client, asked),
        Ask::Wait(asked) => wait::wait(client, asked),
        Ask::Subscribe(subscribe) => stream::subscribe(client, subscribe),
        Ask::Export(export) => stream::export(client, export),
    }
}
