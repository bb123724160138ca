//! Tests that the documents describe the program, and that everything that they name exists.
//!
//! `CLADE_BLESS=1 cargo test --test it documents` writes the generated pages anew; `git diff` then shows the changes.

use std::path::Path;

mod commands;
mod examples;
pub(crate) mod help;
mod lines;
mod links;
pub(crate) mod markdown;
pub(crate) mod reference;

use markdown::{Document, documents};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares with a file of the repository that is generated from the program.
fn expect(path: &str, found: &str) {
    let path = root().join(path);
    if std::env::var_os("CLADE_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{} is not what the program has become; `CLADE_BLESS=1 cargo test --test it documents` writes it",
        path.display()
    );
}

fn document(path: &str) -> Document {
    documents().into_iter().find(|document| document.name == path).unwrap_or_else(|| panic!("{path}"))
}

#[test]
fn the_first_pages_are_short() {
    for name in ["README.md", "ARCHITECTURE.md"] {
        let lines = document(name).text.lines().count();
        assert!(lines <= 150, "{name} has {lines} lines; details belong into docs/");
    }
}

#[test]
fn the_summary_lists_every_page() {
    let summary = document("docs/SUMMARY.md");
    for page in documents() {
        let Some(name) = page.name.strip_prefix("docs/").filter(|name| *name != "SUMMARY.md") else {
            continue;
        };
        assert!(summary.text.contains(&format!("]({name})")), "docs/SUMMARY.md lacks {name}");
    }
}

#[test]
fn every_decision_has_its_parts_and_stands_in_the_index() {
    let mut index = "# Decisions\n\nEach page has one decision: its status, context, decision and consequences. A decision is never \
                     rewritten; a new one replaces it.\n\n| number | decision | status |\n|---|---|---|\n"
        .to_owned();
    let decisions = documents().into_iter().filter(|page| page.name.starts_with("docs/decisions/0"));
    for page in decisions {
        let file = page.name.trim_start_matches("docs/decisions/");
        let title = page.text.lines().next().unwrap_or_default();
        let (number, title) = title.trim_start_matches("# ").split_once(": ").unwrap_or_default();
        assert!(number.len() == 4 && file.starts_with(number), "{}: the title has the number", page.name);
        let status = page.text.lines().find_map(|line| line.strip_prefix("Status: "));
        let status = status.unwrap_or_else(|| panic!("{} has no status", page.name));
        assert!(status == "accepted" || status.starts_with("replaced by ["), "{}: {status}", page.name);
        for part in ["## Context", "## Decision", "## Consequences"] {
            assert!(page.text.lines().any(|line| line == part), "{} lacks {part}", page.name);
        }
        index += &format!("| {number} | [{title}]({file}) | {status} |\n");
    }
    expect("docs/decisions/README.md", &index);
}

#[test]
fn every_topic_stands_in_the_table_of_topics() {
    let table = document("topics/README.md");
    for topic in clade::record::Topic::ALL {
        assert!(
            table.text.contains(&format!("| [{topic}]({topic}.yaml) |")),
            "topics/README.md lacks {topic}"
        );
    }
}

#[test]
fn every_term_of_the_glossary_stands_there_once() {
    let concepts = document("docs/concepts.md");
    let (_, glossary) = concepts.text.split_once("## 11. Glossary").unwrap();
    let terms: Vec<&str> =
        glossary.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).skip(1).collect();
    let mut sorted = terms.clone();
    sorted.sort_by_key(|term| term.to_lowercase());
    sorted.dedup();
    assert!(terms.len() >= 40 && terms == sorted, "the glossary is sorted and without repeats: {terms:?}");
}
