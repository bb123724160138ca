//! Tests the promises of ARCHITECTURE.md about the source itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

mod tiers;

use tiers::{CLIENTS, IMPORTS, IMPURE, PURE};

const MOST_LINES: usize = 400;

struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the files below `src`, without comments; `lib.rs` and `main.rs` belong to no module.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    let source = |path: PathBuf| {
        let inside = path.strip_prefix(root().join("src")).unwrap().to_owned();
        let module = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = |line: &&str| !line.trim_start().starts_with("//");
        Source { path, module, text: text.lines().filter(code).collect::<Vec<_>>().join("\n") }
    };
    let sources: Vec<Source> = paths
        .into_iter()
        .map(source)
        .filter(|source| source.module != "lib" && source.module != "main")
        .collect();
    assert!(sources.len() > 50, "the source is somewhere else");
    sources
}

#[test]
fn every_module_imports_only_from_the_tiers_above_it() {
    let allowed: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    for (number, (module, imports)) in IMPORTS.iter().enumerate() {
        let above: Vec<&str> = IMPORTS[..number].iter().map(|(module, _)| *module).collect();
        assert!(imports.iter().all(|import| above.contains(import)), "{module} imports from below");
    }
    for source in sources() {
        let imports =
            allowed.get(source.module.as_str()).unwrap_or_else(|| panic!("{} has no tier", source.module));
        for (_, rest) in
            source.text.match_indices("crate::").map(|(at, found)| source.text.split_at(at + found.len()))
        {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let is_inside = name == source.module;
            assert!(
                is_inside || imports.contains(&name.as_str()),
                "{} imports crate::{name}: {} may import {imports:?} only",
                source.path.display(),
                source.module
            );
        }
    }
}

/// Returns the units of a folder, each with the units that it names. A unit is a file, or a folder as a whole.
fn neighbours(folder: &Path, of_root: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut paths = Vec::new();
    files(folder, &mut paths);
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let unit_of = |path: &Path| {
        let first = path.strip_prefix(folder).unwrap().components().next().unwrap();
        first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
    };
    let units: BTreeSet<String> = paths.iter().map(|path| unit_of(path)).collect();
    for path in paths.iter().filter(|path| path.parent() == Some(folder)) {
        let text = std::fs::read_to_string(path).unwrap();
        // Tests at the end of a file name the file itself by `super`.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let unit = unit_of(path);
        if unit == "mod" || unit == "main" || unit == "lib" {
            continue;
        }
        let named = names.entry(unit.clone()).or_default();
        for (at, prefix) in text.match_indices(of_root) {
            let rest = &text[at + prefix.len()..];
            let group =
                rest.strip_prefix('{').and_then(|group| group.split_once("};")).map(|(group, _)| group);
            let paths = group.map_or_else(|| vec![rest], |group| group.split(',').map(str::trim).collect());
            for path in paths {
                let name: String =
                    path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if units.contains(&name) && name != unit {
                    named.insert(name);
                }
            }
        }
    }
    names
}

/// Returns a way from a unit back to itself, if there is one.
fn circle(names: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(at: &str, way: &mut Vec<String>, names: &BTreeMap<String, BTreeSet<String>>) -> bool {
        way.push(at.to_owned());
        for next in names.get(at).into_iter().flatten() {
            if *next == way[0] || (!way.contains(next) && walk(next, way, names)) {
                return true;
            }
        }
        way.pop();
        false
    }
    names.keys().find_map(|start| {
        let mut way = Vec::new();
        walk(start, &mut way, names).then_some(way)
    })
}

#[test]
fn no_circle_stands_between_the_files_of_a_folder() {
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    for source in sources() {
        folders.extend(source.path.parent().map(Path::to_owned));
    }
    for folder in folders.iter().filter(|folder| **folder != root().join("src")) {
        let found = circle(&neighbours(folder, "super::"));
        assert!(found.is_none(), "{}: {}", folder.display(), found.unwrap_or_default().join(" -> "));
    }
    let benches = std::fs::read_dir(root().join("benches")).unwrap().map(|entry| entry.unwrap().path());
    for bench in benches.filter(|path| path.is_dir()) {
        let found = circle(&neighbours(&bench, "crate::"));
        assert!(found.is_none(), "{}: {}", bench.display(), found.unwrap_or_default().join(" -> "));
    }
}

#[test]
fn the_code_map_of_the_architecture_has_every_module_in_the_order_of_the_tiers() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, map) = page.split_once("## Code map").unwrap();
    let (map, _) = map.split_once("\n## ").unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let named: Vec<&str> = rows.map(|(module, _)| module).collect();
    let modules: Vec<&str> = IMPORTS.iter().map(|(module, _)| *module).collect();
    assert_eq!(named, modules);
}

#[test]
fn pure_modules_know_no_file_no_clock_no_thread_and_no_chance() {
    for source in sources().iter().filter(|source| PURE.contains(&source.module.as_str())) {
        for impure in IMPURE {
            assert!(!source.text.contains(impure), "{} uses {impure}", source.path.display());
        }
    }
}

#[test]
fn each_client_library_is_used_in_one_module() {
    let sources = sources();
    for (library, home) in CLIENTS {
        let uses = |source: &&Source| {
            let is_named =
                [";", " as "].iter().any(|end| source.text.contains(&format!("use {library}{end}")));
            is_named || source.text.contains(&format!("{library}::"))
        };
        let users: Vec<&Source> = sources.iter().filter(uses).collect();
        assert!(!users.is_empty(), "nobody uses {library}: take it out of Cargo.toml");
        for source in users {
            assert_eq!(source.module, *home, "{} uses {library}", source.path.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_one_can_take_in() {
    let mut paths = Vec::new();
    for dir in ["src", "tests", "benches", "examples"] {
        files(&root().join(dir), &mut paths);
    }
    for path in paths {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        // Tests are read one at a time.
        let most = if path.starts_with(root().join("src")) { MOST_LINES } else { 600 };
        assert!(lines <= most, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    files(&root().join("tests"), &mut paths);
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! ") || path.ends_with("main.rs") || path.ends_with("tests.rs"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn no_merge_has_left_its_marks() {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches", "deploy", "topics", "docs", "examples"] {
        every_file(&root().join(folder), &mut paths);
    }
    let documents = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    paths.extend(
        documents.filter(|path| path.extension().is_some_and(|of| of == "md" || of == "yml" || of == "toml")),
    );
    for path in paths {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let is_marked = text.lines().any(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> "));
        assert!(!is_marked, "{}", path.display());
    }
}

fn every_file(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { every_file(&path, found) } else { found.push(path) }
    }
}
