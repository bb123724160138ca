//! Trails that were written by earlier versions stay readable, and this one writes as it did.
//!
//! `tests/fixtures/audit/v1` is the proof of that. It is never written anew: another format gets a folder of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clade::audit::{Directory, Layout, PublicKey, SigningKey, Trail, Wanted, verify};
use clade::log::Stored;
use clade::record::Timestamp;

use super::{Copied, record};

fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audit").join(version)
}

/// A second after another, from a known one on.
fn second(n: i64) -> Timestamp {
    Timestamp::from_second(1_764_000_000 + n).unwrap()
}

/// A small trail that is the same each time.
fn write(dir: &Path) {
    let seed = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(seed.path(), [7; 32]).unwrap();
    let key = SigningKey::read(seed.path()).unwrap();
    let layout =
        Layout { segment_bytes: 12 << 10, segment_age: Duration::from_secs(60 * 60), signing_key: Some(key) };
    let mut trail = Trail::open(dir.to_owned(), layout, "a test").unwrap();
    let mut offsets = std::collections::HashMap::new();
    for n in 0..32 {
        let (of, record) = record(n, 2);
        let offset = offsets.entry(of).or_insert(0);
        let at = second(i64::try_from(n).unwrap());
        trail.record(of, &Stored { offset: *offset, timestamp: at.as_millisecond(), record }, at).unwrap();
        *offset += 1;
    }
    trail.flush().unwrap();
}

#[test]
fn a_trail_of_every_format_that_there_was_is_read_and_clean() {
    let key = PublicKey::read(&fixture("v1.pub")).unwrap();
    let wanted = Wanted { keys: vec![key], anchors: Vec::new() };
    let report = verify(&Directory(fixture("v1")), &wanted).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.entries, report.segments, report.signed), (32, 3, 2));
}

#[test]
fn what_is_written_today_is_to_the_byte_what_was() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let (written, fixture) = (Copied::of(dir.path()).0, fixture("v1"));
    if !fixture.exists() {
        std::fs::create_dir_all(&fixture).unwrap();
        for (name, content) in &written {
            std::fs::write(fixture.join(name), content).unwrap();
        }
    }
    for (name, content) in &written {
        let (found, expected) =
            (String::from_utf8_lossy(content), std::fs::read_to_string(fixture.join(name)).unwrap());
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(written.len(), std::fs::read_dir(&fixture).unwrap().count());
}
