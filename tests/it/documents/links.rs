//! Tests that paths, links and anchors lead somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::markdown::{documents, files};
use super::root;

/// The folders that a path in a text begins with.
const FOLDERS: [&str; 7] = ["src/", "tests/", "docs/", "topics/", "deploy/", "benches/", "examples/"];
/// Words that stand for something else in a path.
const PLACEHOLDERS: [&str; 4] = ["NAME", "NNNN", "DIR", "SEQ"];

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let documents = documents();
    for document in &documents {
        let dir = Path::new(&document.name).parent().unwrap();
        for link in document.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if path.is_empty() { PathBuf::from(&document.name) } else { normal(&dir.join(path)) };
            assert!(root().join(&target).exists(), "{} links to {link}, which is not there", document.name);
            if anchor.is_empty() {
                continue;
            }
            let name = target.display().to_string();
            let of = documents.iter().find(|document| document.name == name);
            let of = of.unwrap_or_else(|| panic!("{}: {link} leads into no document", document.name));
            assert!(
                of.anchors().iter().any(|found| found == anchor),
                "{}: {link} leads to no heading; there are {:?}",
                document.name,
                of.anchors()
            );
        }
    }
}

/// Returns the path without `..` and `.`.
fn normal(path: &Path) -> PathBuf {
    let mut parts: Vec<&std::ffi::OsStr> = Vec::new();
    for part in path {
        match part.to_str() {
            Some("..") => {
                parts.pop();
            }
            Some(".") => {}
            _ => parts.push(part),
        }
    }
    parts.iter().collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    let sources = sources();
    for document in documents() {
        // A decision that was replaced may name deleted files.
        if document.text.contains("Status: replaced") {
            continue;
        }
        for span in document.spans() {
            for path in paths_in(&span) {
                let dir = root().join(&document.name).parent().unwrap().to_owned();
                let is_there =
                    [root().to_owned(), root().join("src"), dir].iter().any(|of| of.join(&path).exists());
                let is_source = !path.contains('/') && sources.contains(path.as_str());
                assert!(is_there || is_source, "{} names {path}, which is not there", document.name);
            }
        }
    }
}

#[test]
fn every_path_that_a_comment_names_exists() {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        files(&root().join(folder), &mut found);
    }
    let sections = sections();
    for file in found.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for comment in text.lines().filter_map(|line| line.trim_start().strip_prefix("//")) {
            let shown = file.display();
            for path in paths_in(comment).into_iter().filter(|path| path.contains('/') || is_page(path)) {
                // A file of the same folder, or of the module above it, may have a short name.
                let mut from: Vec<&Path> = file.ancestors().take_while(|dir| *dir != root()).collect();
                from.push(root());
                let is_there = from.iter().any(|dir| dir.join(&path).exists());
                assert!(is_there || root().join("src").join(&path).exists(), "{shown} names {path}");
            }
            if let Some((_, rest)) = comment.split_once("docs/concepts.md, section") {
                let cited = rest.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
                for number in cited {
                    assert!(sections.contains(number), "{shown} cites section {number} of the concepts");
                }
            }
        }
    }
}

/// Returns the numbers of the sections of the concepts.
fn sections() -> BTreeSet<String> {
    let concepts = super::document("docs/concepts.md");
    let headings = concepts.text.lines().filter_map(|line| line.strip_prefix("## "));
    headings.filter_map(|title| Some(title.split_once(". ")?.0.to_owned())).collect()
}

/// Returns `true` for a document at the root.
fn is_page(path: &str) -> bool {
    path.strip_suffix(".md").is_some_and(|name| name.bytes().all(|c| c.is_ascii_uppercase()))
}

/// Returns the names of the source files.
fn sources() -> BTreeSet<String> {
    let mut found = Vec::new();
    for folder in ["src", "tests/it", "examples"] {
        files(&root().join(folder), &mut found);
    }
    found.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

/// Returns the words of a text that are paths of this repository.
fn paths_in(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-./{},*".contains(c);
    let mut paths = Vec::new();
    for word in text.split([' ', '`', '(', ')', '"', '\'', '[', ']', '<', '>', ';', '=', '→', '\u{2014}']) {
        let word = word.trim_end_matches([':', ',', '.', '?']).trim_start_matches("./");
        if word.is_empty() || !word.chars().all(is_part) || word.contains('*') {
            continue;
        }
        if PLACEHOLDERS.iter().any(|placeholder| word.contains(placeholder)) {
            continue;
        }
        let is_inside = FOLDERS.iter().any(|folder| word.starts_with(folder));
        let is_file = word.ends_with(".rs") && !word.starts_with('.');
        if is_inside || is_file || is_page(word) {
            paths.extend(alternatives(word));
        }
    }
    paths
}

/// Returns one path for each name in braces.
fn alternatives(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?))) {
        Some((head, (names, tail))) => names.split(',').map(|name| format!("{head}{name}{tail}")).collect(),
        None => vec![path.to_owned()],
    }
}

#[test]
fn paths_are_found_in_texts() {
    let found = paths_in(
        "see `tests/it/{a,b}.rs`, src/cli.rs; (README.md) topics/NAME.yaml https://x/docs/y.md 1/2 go.",
    );
    assert_eq!(found, ["tests/it/a.rs", "tests/it/b.rs", "src/cli.rs", "README.md"]);
}
