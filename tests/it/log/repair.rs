//! Saves what can be read of a damaged embedded log.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use clade::log::LogError;
use clade::log::embedded::{EmbeddedLog, Options, Restoring, Salvaged, check, salvage};

use super::damaged::{Content, damage, make, read_all, text};
use super::{IMAGES, append, open, put};

const FILE: &str = "log.redb";
const PAGE: usize = 4096;

/// Makes a log in `to` of what can be read of the one in `from`.
fn repair(from: &Path, to: &Path) -> Result<Vec<Salvaged>, LogError> {
    let mut restoring = Restoring::begin(to)?;
    let found = salvage(from, "test", &mut |piece| restoring.take(piece), |_, _| {})?;
    restoring.finish(|_, _| {})?;
    Ok(found.partitions)
}

fn records(content: &Content) -> usize {
    content.iter().map(|(.., records)| records.len()).sum()
}

/// Checks that the log in `dir` has nothing but records of `expected`, each at its place, and that no offset can be given
/// twice. Returns the number of records.
fn has_nothing_else(dir: &Path, expected: &Content, at: &str) -> usize {
    assert_eq!(check(dir, "test", |_, _| {}).unwrap().many(), 0, "{at}");
    let found = read_all(&EmbeddedLog::open(dir, Options::default()).unwrap()).unwrap();
    for ((of, end, found), (_, was, written)) in found.iter().zip(expected) {
        assert!(found.iter().all(|record| written.contains(record)), "{at}: {of} has what was not written");
        assert!(end >= was, "{at}: {of} gives offsets twice");
    }
    records(&found)
}

#[test]
fn a_log_that_is_whole_loses_nothing() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = make(dir.path());
    let before = std::fs::read(dir.path().join(FILE)).unwrap();
    let found = repair(dir.path(), to.path()).unwrap();
    assert!(found.iter().all(|part| part.lost == Some(0)), "{found:?}");
    assert!(read_all(&EmbeddedLog::open(to.path(), Options::default()).unwrap()).unwrap() == expected);
    assert!(std::fs::read(dir.path().join(FILE)).unwrap() == before, "the damaged file stays as it is");
    let again = repair(dir.path(), to.path()).unwrap_err().to_string();
    assert!(again.contains("is there already"), "{again}");
}

#[test]
fn of_a_damaged_log_everything_is_saved_that_is_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let expected = make(dir.path());
    let whole = std::fs::read(dir.path().join(FILE)).unwrap();
    let (mut refused, mut saved, mut all) = (0, 0, 0);
    for seed in 0..150 {
        let mut bytes = whole.clone();
        let done = damage(&mut bytes, &mut fastrand::Rng::with_seed(seed));
        let at = format!("seed {seed}: {done}");
        let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join(FILE), &bytes).unwrap();
        let repaired = catch_unwind(AssertUnwindSafe(|| repair(dir.path(), to.path())));
        match repaired.unwrap_or_else(|_| panic!("{at}: it panics")) {
            Ok(found) => {
                let kept = has_nothing_else(to.path(), &expected, &at);
                let told: u64 = found.iter().map(|part| part.records).sum();
                assert_eq!(told, kept as u64, "{at}");
                if found.iter().all(|part| part.lost == Some(0)) {
                    assert_eq!(kept, records(&expected), "{at}: records are lost, and nothing is said");
                }
                (saved, all) = (saved + kept, all + records(&expected));
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(FILE), "{at}: {error}");
                assert!(!to.path().join(FILE).exists(), "{at}: a log is left behind");
            }
        }
        assert!(std::fs::read(dir.path().join(FILE)).unwrap() == bytes, "{at}: the damaged file is changed");
    }
    assert!(refused < 60, "{refused} of 150 are refused: they are cut off, or have lost their first page");
    assert!(saved * 100 > all * 90, "{saved} of {all} records are saved");
}

#[test]
fn a_page_of_zeros_costs_the_blocks_on_it_and_no_others() {
    let random = &mut fastrand::Rng::with_seed(7);
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1).unwrap();
    for part in 0..40 {
        append(
            &log,
            clade::log::TopicPartition { partition: 0, ..IMAGES },
            (0..20).map(|_| put(&format!("key {part}"), &text(random, 300))).collect(),
        );
    }
    let expected = read_all(&log).unwrap();
    drop(log);
    let whole = std::fs::read(dir.path().join(FILE)).unwrap();
    let mut losses = Vec::new();
    // The first page has redb's roots. Without it, nothing can be found.
    for page in 1..whole.len() / PAGE {
        let mut bytes = whole.clone();
        bytes[page * PAGE..(page + 1) * PAGE].fill(0);
        let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join(FILE), &bytes).unwrap();
        let Ok(found) = repair(dir.path(), to.path()) else { continue };
        let kept = has_nothing_else(to.path(), &expected, &format!("page {page}"));
        let lost: u64 = found.iter().filter_map(|part| part.lost).sum();
        if lost > 0 {
            losses.push(lost);
            assert_eq!(kept as u64 + lost, 800, "page {page}");
        }
    }
    // A block of twenty has pages of its own. Few pages are branches, which stand above more.
    let of_leaves = losses.iter().filter(|lost| **lost <= 20).count();
    assert!(of_leaves > 50 && losses.len() - of_leaves <= 3, "{losses:?}");
}
