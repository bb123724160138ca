//! The help of every command, as the program prints it.

use std::process::{Command, Output};

/// One command and its help.
pub(super) struct Help {
    /// The words behind `clade`.
    pub(super) words: Vec<String>,
    pub(super) text: String,
}

/// Returns the program without the variables of the environment that it would show or obey.
pub(crate) fn clade(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
    command.args(arguments).env_remove("COLUMNS");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CLADE_") || name.starts_with("OTEL_")) {
            command.env_remove(name);
        }
    }
    command
}

pub(super) fn run(arguments: &[&str]) -> Output {
    clade(arguments).output().unwrap()
}

/// Returns the help of the program and of all its commands, in the order in which the program lists them.
pub(super) fn all() -> Vec<Help> {
    let mut helps = Vec::new();
    walk(Vec::new(), &mut helps);
    assert!(helps.len() > 30, "commands are listed in another way: {}", helps.len());
    helps
}

fn walk(words: Vec<String>, helps: &mut Vec<Help>) {
    let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    arguments.push("--help");
    let output = run(&arguments);
    assert!(output.status.success(), "clade {arguments:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let text: String = text.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    let commands = commands(&text);
    helps.push(Help { words: words.clone(), text });
    for command in commands {
        walk([words.clone(), vec![command]].concat(), helps);
    }
}

/// Returns the names in the section "Commands:".
fn commands(help: &str) -> Vec<String> {
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let name = |line: &str| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned);
    listed.filter_map(name).filter(|name| !name.is_empty() && name != "help").collect()
}

/// Options that every command has: they stand once, at the program itself.
const COMMON: [&str; 8] = [
    "--data-dir",
    "--server",
    "--token-file",
    "--ca-file",
    "--tls-server-name",
    "--verbose",
    "--help",
    "--version",
];
const COMMON_SECTIONS: [&str; 2] = ["Apache Kafka:", "OpenTelemetry:"];

impl Help {
    /// Returns the help without the options that every command has.
    pub(super) fn own(&self) -> String {
        if self.words.is_empty() {
            return self.text.clone();
        }
        let (mut kept, mut is_kept, mut is_section_kept) = (String::new(), true, true);
        for line in self.text.lines() {
            if !line.is_empty() && !line.starts_with(' ') {
                is_section_kept = !COMMON_SECTIONS.contains(&line);
                is_kept = true;
            } else if let Some(option) = option(line) {
                is_kept = !COMMON.contains(&option);
            }
            if is_section_kept && (is_kept || line.is_empty()) {
                kept += line;
                kept.push('\n');
            }
        }
        while kept.contains("\n\n\n") {
            kept = kept.replace("\n\n\n", "\n\n");
        }
        // The first entry of a section, or every entry, may be left out.
        kept = kept.replace("Options:\n\n ", "Options:\n ").replace("Options:\n\n", "");
        let kept = kept.trim_end();
        kept.strip_suffix("Options:").unwrap_or(kept).trim_end().to_owned() + "\n"
    }
}

/// Returns the long name of the option whose entry a line begins.
fn option(line: &str) -> Option<&str> {
    let entry = line.trim_start();
    if line.len() - entry.len() > 6 || !entry.starts_with('-') {
        return None;
    }
    entry.split([' ', ',']).find(|word| word.starts_with("--"))
}
