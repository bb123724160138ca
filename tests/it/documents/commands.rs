//! Tests the commands that documents show: they exist, and their reference is the program's own help.

use super::help::{all, run};
use super::markdown::documents;
use super::{document, expect};

#[test]
fn the_reference_of_commands_is_the_programs_help() {
    let mut text = "# Commands\n\n<!-- Generated from the program: CLADE_BLESS=1 cargo test --test it documents -->\n\n\
                    Every command also takes the options of `clade` itself, which stand in the first section only: where data is, \
                    whom to\nask, Apache Kafka, OpenTelemetry. [Exit codes](exit-codes.md) and [environment \
                    variables](configuration.md) have pages of their own.\n"
        .to_owned();
    for help in all() {
        let name = std::iter::once("clade")
            .chain(help.words.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ");
        let level = if help.words.len() > 1 { "###" } else { "##" };
        text += &format!("\n{level} {name}\n\n```text\n{}```\n", help.own());
    }
    expect("docs/reference/cli.md", &text);
    assert!(String::from_utf8(run(&["completion", "bash"]).stdout).unwrap().contains("clade"));
}

/// Returns the command lines of a block of a shell: all lines of a script, and those behind `$` of a session.
fn lines_of(language: &str, text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let mut lines = Vec::new();
    let mut end: Option<String> = None;
    for line in text.lines() {
        // The content of a here-document is no command.
        if let Some(word) = &end {
            if line.trim() == word {
                end = None;
            }
            continue;
        }
        let line = match language {
            "sh" => line,
            _ => match line.strip_prefix("$ ") {
                Some(line) => line,
                None => continue,
            },
        };
        end = line.split_once("<<").map(|(_, rest)| {
            let word = rest.trim_start_matches('-').split_whitespace().next().unwrap_or_default();
            word.trim_matches('\'').to_owned()
        });
        lines.push(line.to_owned());
    }
    lines
}

/// Returns the arguments of each call of clade in a line.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut line = format!("{line} ");
    for operator in ["&&", "||", "$(", "| ", "; ", "& ", ") "] {
        line = line.replace(operator, "\n");
    }
    let words = |part: &str| -> Vec<String> {
        let command = part.split(" #").next().unwrap_or_default();
        let mut words = Vec::new();
        for word in command.split_whitespace() {
            // Redirections follow the arguments.
            if word.starts_with(['>', '<']) || word.starts_with("2>") {
                break;
            }
            words.push(word.trim_matches(['\'', '"']).to_owned());
        }
        words
    };
    line.lines()
        .map(words)
        .filter_map(|words| {
            let at = words.iter().position(|word| word == "clade")?;
            // Only variables, or a program that runs clade elsewhere, may stand before it.
            let is_called = words[..at].iter().all(|word| word.contains('='))
                || words[..at].ends_with(&["--".to_owned()]);
            is_called.then(|| words[at + 1..].to_vec())
        })
        .collect()
}

#[test]
fn every_command_line_that_a_document_shows_is_taken_by_the_program() {
    let mut seen = 0;
    for document in documents() {
        for block in
            document.blocks().iter().filter(|block| ["sh", "console", "text"].contains(&&*block.language))
        {
            for line in lines_of(&block.language, &block.text) {
                for call in calls(&line) {
                    let mut arguments: Vec<&str> = call.iter().map(String::as_str).collect();
                    if arguments.first() != Some(&"help") {
                        arguments.push("--help");
                    }
                    let output = run(&arguments);
                    let told = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{} shows {line:?}: {told}", document.name);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 60, "blocks of shells are marked in another way: {seen}");
}

#[test]
fn every_command_and_option_that_a_text_names_exists() {
    let helps = all();
    let options: String = helps.iter().map(|help| help.text.as_str()).collect();
    let is_option = |word: &str| {
        let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        options.match_indices(word).any(|(at, _)| is_end(&options[at + word.len()..]))
    };
    for document in documents() {
        for span in document.spans() {
            let span = span.replace("\\|", "|");
            let Some(words) =
                span.strip_prefix("clade ").or_else(|| span.starts_with("--").then_some(&*span))
            else {
                continue;
            };
            if !span.starts_with("--") {
                let first = words.split([' ', '|']).next().unwrap_or_default();
                let is_name = !first.is_empty() && first.bytes().all(|c| c.is_ascii_lowercase());
                let exists = first == "help" || helps.iter().any(|help| help.words == [first]);
                assert!(!is_name || exists, "{} names clade {first}", document.name);
            }
            for word in words.split_whitespace().filter(|word| word.starts_with("--")) {
                let name = word.split(['=', '`', ',', '|', ')']).next().unwrap_or_default();
                assert!(name == "--" || is_option(name), "{} names {name}", document.name);
            }
        }
    }
}

#[test]
fn every_exit_code_is_documented() {
    let source = std::fs::read_to_string(super::root().join("src/cli/error.rs")).unwrap();
    let (_, body) = source.split_once("fn exit_code").unwrap();
    let body = body.split("\n    }\n").next().unwrap();
    let codes: Vec<u8> = body
        .lines()
        .filter_map(|line| line.split_once("=> ")?.1.trim_end_matches(',').parse().ok())
        .collect();
    assert!(codes.contains(&0) && codes.contains(&4), "exit codes are written in another way: {codes:?}");
    let page = document("docs/reference/exit-codes.md");
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for code in codes {
        assert!(page.text.contains(&format!("\n| {code} | ")), "docs/reference/exit-codes.md lacks {code}");
        assert!(help.contains(&format!("{code} ")), "clade --help lacks {code}");
    }
}
