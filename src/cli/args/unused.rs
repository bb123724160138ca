//! Refuses options on commands that have no use for them. An option that is ignored misleads whoever gave it. The data
//! directory is none of them: people name it for all commands alike.

use clap::ArgMatches;
use clap::parser::ValueSource;

/// Options for questions and declarations that a process answers.
const OF_SERVERS: &[&str] = &["server", "token_file", "ca_file", "tls_server_name"];
/// Options of Apache Kafka.
const OF_KAFKA: &[&str] = &["kafka", "kafka_prefix", "kafka_config", "kafka_config_file"];
/// Options of traces.
const OF_TRACES: &[&str] = &["otlp", "otlp_ratio"];

/// The option of the command line that its command has no use for, if there is one, as a message. Variables of the
/// environment hold for all commands of a shell and are not refused.
pub(in crate::cli) fn unused(matches: &ArgMatches) -> Option<String> {
    let (name, matches) = matches.subcommand()?;
    let refused: &[&[&str]] = match name {
        "generate" | "token" | "crd" | "completion" => &[OF_SERVERS, OF_KAFKA, OF_TRACES],
        "demo" | "audit" => &[OF_SERVERS, OF_KAFKA, OF_TRACES],
        "log" => &[OF_SERVERS, OF_TRACES],
        "run" => &[OF_SERVERS, OF_KAFKA],
        "watch" | "process" | "serve" | "admit" | "label" | "rebuilder" | "topics" | "auditor" => {
            &[OF_SERVERS]
        }
        _ => &[],
    };
    let is_given = |option: &&&str| matches.value_source(option) == Some(ValueSource::CommandLine);
    let option = refused.iter().copied().flatten().find(is_given)?;
    let hint = match (name, OF_KAFKA.contains(option)) {
        ("run", true) => {
            "; on Apache Kafka its parts are clade watch, process, serve, admit, label, rebuilder and auditor"
        }
        _ => "",
    };
    Some(format!("clade {name} has no use for --{}: leave it out{hint}", option.replace('_', "-")))
}
