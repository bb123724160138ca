//! Commands on a data directory whose log is damaged, and the check of one.

use std::path::Path;
use std::process::Output;

use clade::log::embedded::block::Opener;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::shell::Shell;
use crate::support::digest;

const FILE: &str = "data/log.redb";

/// Changes a byte of every block of the log that has this text in a record, and removes snapshots, so that everybody reads it.
pub(super) fn damage(shell: &Shell, text: &str) {
    change(shell, text);
    let _ = std::fs::remove_dir_all(shell.path("data/snapshots"));
}

/// Changes a byte of every block of the log that has this text in a record.
pub(super) fn change(shell: &Shell, text: &str) {
    let blocks = blocks_with(Path::new(&shell.path(FILE)), text);
    assert!(!blocks.is_empty(), "{text} is not found");
    let mut bytes = std::fs::read(shell.path(FILE)).unwrap();
    for block in blocks {
        let is_block = |at: &usize| bytes[*at..].starts_with(&block);
        let places: Vec<usize> = (0..bytes.len()).filter(is_block).collect();
        assert!(!places.is_empty(), "a block is not found");
        places.iter().for_each(|at| bytes[at + block.len() - 1] ^= 1);
    }
    std::fs::write(shell.path(FILE), bytes).unwrap();
}

fn blocks_with(path: &Path, text: &str) -> Vec<Vec<u8>> {
    let table: TableDefinition<'_, (u8, u16, u64), &[u8]> = TableDefinition::new("blocks");
    let database = Database::open(path).unwrap();
    let table = database.begin_read().unwrap().open_table(table).unwrap();
    let mut opener = Opener::default();
    let mut has_text = |place, block: &[u8]| {
        let mut entries = opener.open(place, block).unwrap().entries();
        entries.any(|entry| entry.unwrap().1.bytes.windows(text.len()).any(|found| found == text.as_bytes()))
    };
    let rows = table.iter().unwrap().map(Result::unwrap);
    let rows = rows.filter(|(place, block)| has_text(place.value(), block.value()));
    rows.map(|(_, block)| block.value().to_vec()).collect()
}

fn texts(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_log_that_is_whole_is_told_so_and_is_not_changed() {
    let shell = Shell::new();
    let before = std::fs::read(shell.path(FILE)).unwrap();
    let told = shell.ok(&["log", "check"]);
    assert!(told.contains("images[") && told.contains(&format!("whole: {} bytes", before.len())), "{told}");
    let told = shell.json(&["log", "check", "-o", "json"]);
    assert_eq!((&told["whole"], &told["damages"]), (&true.into(), &serde_json::json!([])));
    let images = told["partitions"].as_array().unwrap().iter().filter(|row| row["topic"] == "images");
    let records: u64 = images.map(|row| row["records"].as_u64().unwrap()).sum();
    assert!(records >= 8, "{told}");
    assert!(std::fs::read(shell.path(FILE)).unwrap() == before, "a check changes the file");
}

#[test]
fn a_log_that_a_killed_process_has_left_is_whole() {
    let shell = Shell::new();
    drop(shell.serve(&["--from", &shell.path("registry")]));
    let before = std::fs::read(shell.path(FILE)).unwrap();
    assert!(shell.ok(&["log", "check"]).contains("whole:"));
    assert!(std::fs::read(shell.path(FILE)).unwrap() == before, "a check changes the file");
}

#[test]
fn a_damaged_record_is_listed_with_its_place_and_no_command_answers_from_it() {
    let shell = Shell::new();
    damage(&shell, &digest("app1conf").to_string());
    let (code, out, told) = texts(shell.run(&["log", "check"]));
    assert_eq!(code, 1, "{told}");
    let is_listed =
        |line: &str| line.starts_with("damaged: images[") && line.contains("its checksum is another");
    assert!(out.lines().any(is_listed), "{out}");
    assert!(told.contains("damages; put a backup of log.redb in its place"), "{told}");
    let (code, out, _) = texts(shell.run(&["log", "check", "-o", "json"]));
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found["whole"]), (1, &false.into()));
    assert!(
        found["damages"].as_array().unwrap().iter().any(|damage| damage["topic"] == "images"
            && damage["partition"].is_u64()
            && damage["offset"].is_u64()),
        "{found}"
    );
    let (code, told) = shell.fails(&["get", "images"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains(&shell.path(FILE)) && told.contains("the block of records "), "{told}");
    assert!(told.contains("`clade log check --data-dir ") && !told.contains("panicked"), "{told}");
}

#[test]
fn a_page_of_zeros_is_reported_where_it_changes_records_and_nothing_panics() {
    let shell = Shell::new();
    let records = |shell: &Shell| {
        let told = shell.json(&["log", "check", "-o", "json"]);
        let rows = told["partitions"].as_array().unwrap();
        rows.iter().map(|row| row["records"].as_u64().unwrap()).sum::<u64>()
    };
    let (expected, mut reported) = (records(&shell), 0);
    let whole = std::fs::read(shell.path(FILE)).unwrap();
    for page in 0..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0);
        if bytes == whole {
            continue;
        }
        std::fs::write(shell.path(FILE), bytes).unwrap();
        let (code, _, told) = texts(shell.run(&["log", "check"]));
        assert!(!told.contains("panicked"), "page {page}: {told}");
        match code {
            0 => {
                assert_eq!(
                    records(&shell),
                    expected,
                    "page {page}: records are missing, and nothing is said"
                );
            }
            1 => reported += 1,
            code => panic!("page {page}: {code} {told}"),
        }
        assert!(page > 0 || code == 1, "without its first page a file is no log");
    }
    assert!(reported > 1, "the records stand on pages");
}

#[test]
fn a_log_that_was_cut_off_to_nothing_is_damaged_and_not_absent() {
    let shell = Shell::new();
    std::fs::write(shell.path(FILE), "").unwrap();
    for command in [&["get", "images"][..], &["import", &shell.path("registry")], &["log", "check"]] {
        let (code, out, told) = texts(shell.run(command));
        assert_eq!(code, 1, "{command:?}: {told}");
        assert!((out + &told).contains("it is empty"), "{command:?}: {told}");
    }
}

#[test]
fn a_log_is_not_checked_while_clade_runs_on_it_nor_if_there_is_none() {
    let shell = Shell::new();
    let running = shell.serve(&[]);
    let (code, told) = shell.fails(&["log", "check"]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains(&format!("process {} (clade run)", running.0.id())), "{told}");
    assert!(running.stop());
    let (code, told) = Shell::empty().fails(&["log", "check"]);
    assert!(code == 3 && told.contains("there is no data in"), "{told}");
    let (code, told) = shell.fails(&["log", "check", "--kafka", "127.0.0.1:1"]);
    assert!(code == 2 && told.contains("clade log works on a data directory"), "{told}");
}

#[test]
fn what_can_be_read_of_a_damaged_log_is_saved_and_the_sources_give_the_rest_again() {
    let shell = Shell::new();
    let answers = |dir: &str| shell.ok(&["get", "images", "-o", "wide", "--data-dir", dir]);
    let (whole, data, saved) = (answers(&shell.path("data")), shell.path("data"), shell.path("saved"));
    damage(&shell, &digest("app1conf").to_string());
    let damaged = std::fs::read(shell.path(FILE)).unwrap();
    let found = shell.json(&["log", "repair", &saved, "-o", "json"]);
    let lost = |row: &serde_json::Value| row["lost"].as_u64().unwrap();
    let rows = found["partitions"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["topic"] == "images" && lost(row) >= 1), "{found}");
    assert!(std::fs::read(shell.path(FILE)).unwrap() == damaged, "the damaged log is changed");
    assert!(shell.ok(&["log", "check", "--data-dir", &saved]).contains("whole:"));
    let left = shell.ok(&["get", "images", "-o", "name", "--data-dir", &saved]);
    // A block has several images.
    assert!(left.lines().count() < whole.lines().count() - 1, "{left}");
    shell.ok(&["import", &shell.path("registry"), "--data-dir", &saved]);
    assert_eq!(answers(&saved), whole, "as before");
    // A directory that has a log is refused, and a directory without one has nothing to repair.
    let (code, told) = shell.fails(&["log", "repair", &saved, "--data-dir", &data]);
    assert!(code == 1 && told.contains("is there already"), "{code} {told}");
    let nothing = shell.path("nothing");
    let (code, told) = shell.fails(&["log", "repair", &shell.path("other"), "--data-dir", &nothing]);
    assert!(code == 3 && told.contains("nothing"), "{code} {told}");
}
