//! Nothing in a trail can be changed, taken away, put in or moved unnoticed, and where it was done is told.

use clade::audit::{Anchor, Layout, PublicKey, Report, SigningKey, Wanted, verify};

use super::{Copied, audit, clean, events, log_of, options, small};

/// A trail with its newest head, as somebody has kept it elsewhere.
struct Kept {
    trail: Copied,
    wanted: Wanted,
}

impl Kept {
    fn of(many: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::generate().unwrap();
        let public: PublicKey = key.public();
        // Some dozens of segments, however many events there are.
        let of_events = small(None).segment_bytes.max(many * 20);
        let layout = Layout { segment_bytes: of_events, ..small(Some(key)) };
        audit(&log_of(many), options(dir.path(), layout)).unwrap();
        let (seq, hash, _) = clean(dir.path()).last.unwrap();
        assert_eq!(seq, many);
        let wanted = Wanted { keys: vec![public], anchors: vec![Anchor { seq, hash }] };
        let kept = Self { trail: Copied::of(dir.path()), wanted };
        let report = kept.verify(&kept.trail);
        assert_eq!(report.findings, []);
        assert_eq!(report.signed + 1, report.segments, "all but the newest are signed");
        kept
    }

    fn verify(&self, trail: &Copied) -> Report {
        verify(trail, &self.wanted).unwrap()
    }

    /// That something is found, first of all at this line of this file or the one behind it.
    fn assert_found(&self, trail: &Copied, file: &str, line: u64, what: &str) {
        let report = self.verify(trail);
        let Some(first) = report.findings.first() else { panic!("{what} at {file}:{line} was not noticed") };
        let segments = self.trail.segments();
        let at = segments.iter().position(|name| name == file);
        let next = at.and_then(|at| segments.get(at + 1));
        let head = file.replace(".jsonl", ".head.json");
        let is_here = first.file == file && (line..=line + 1).contains(&first.line);
        // Of the last line of a segment, the next one's first line tells, or the head beside it.
        let is_last = line + 1 >= lines(&self.trail.0[file]).len() as u64;
        let is_next = Some(&first.file) == next && first.line == 1 || first.file == head;
        assert!(is_here || is_last && is_next, "{what} at {file}:{line} was found at {first}");
    }
}

/// The lines, each with its line feed.
fn lines(file: &[u8]) -> Vec<&[u8]> {
    file.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The line, from 1, in which a byte stands.
fn line_of(file: &[u8], at: usize) -> u64 {
    1 + file[..at].iter().filter(|byte| **byte == b'\n').count() as u64
}

fn with_lines(trail: &Copied, file: &str, change: impl FnOnce(&mut Vec<&[u8]>)) -> Copied {
    let mut changed = trail.clone();
    let mut of = lines(&trail.0[file]);
    change(&mut of);
    changed.0.insert(file.to_owned(), of.concat());
    changed
}

#[test]
fn every_single_byte_of_a_small_trail_counts() {
    let kept = Kept::of(60);
    assert!(kept.trail.segments().len() >= 3);
    for (file, content) in &kept.trail.0 {
        let mut changed = kept.trail.clone();
        for at in 0..content.len() {
            let flip = 1 << (at % 8);
            changed.0.get_mut(file).unwrap()[at] ^= flip;
            kept.assert_found(&changed, file, line_of(content, at), "a byte changed");
            changed.0.get_mut(file).unwrap()[at] ^= flip;
        }
    }
}

#[test]
fn every_line_that_is_removed_repeated_moved_or_cut_is_found() {
    let kept = Kept::of(60);
    for file in kept.trail.segments() {
        let many = lines(&kept.trail.0[&file]).len();
        for line in 0..many {
            let number = line as u64 + 1;
            let removed = with_lines(&kept.trail, &file, |lines| {
                lines.remove(line);
            });
            kept.assert_found(&removed, &file, number, "a line removed");
            for other in 0..many {
                let twice = with_lines(&kept.trail, &file, |lines| lines.insert(line, lines[other]));
                // A line before itself is the line, and itself after it.
                let number = if other == line { number + 1 } else { number };
                kept.assert_found(&twice, &file, number, "a line put in");
                if other > line {
                    let swapped = with_lines(&kept.trail, &file, |lines| lines.swap(line, other));
                    kept.assert_found(&swapped, &file, number, "two lines swapped");
                }
            }
        }
        let content = &kept.trail.0[&file];
        for at in (0..content.len()).step_by(7) {
            let mut cut = kept.trail.clone();
            cut.0.get_mut(&file).unwrap().truncate(at);
            let line = if at == 0 { 0 } else { line_of(content, at) };
            kept.assert_found(&cut, &file, line, "a file cut off");
        }
    }
}

#[test]
fn files_that_are_removed_or_renamed_are_found() {
    let kept = Kept::of(60);
    for name in kept.trail.0.keys() {
        let mut removed = kept.trail.clone();
        let content = removed.0.remove(name).unwrap();
        assert_ne!(kept.verify(&removed).findings, [], "{name} removed");
        let renamed = name.replace("audit-0", "audit-1");
        removed.0.insert(renamed.clone(), content);
        assert_ne!(kept.verify(&removed).findings, [], "{name} renamed to {renamed}");
    }
}

/// Whoever has the files and no key can compute hashes anew. The heads that were signed say so, and the one kept elsewhere.
#[test]
fn a_trail_that_was_written_anew_is_found_by_its_signatures_and_by_a_head_kept_elsewhere() {
    let (kept, other) = (Kept::of(60), Kept::of(61));
    let problems: Vec<String> = kept.verify(&other.trail).findings.iter().map(ToString::to_string).collect();
    assert!(problems.iter().any(|problem| problem.contains("signed with another key")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("when its head was taken")), "{problems:?}");
    let unsigned = tempfile::tempdir().unwrap();
    audit(&log_of(60), options(unsigned.path(), small(None))).unwrap();
    let problems = kept.verify(&Copied::of(unsigned.path())).findings;
    assert!(problems.iter().any(|finding| finding.problem.contains("not signed")), "{problems:?}");
}

#[test]
fn that_the_end_is_missing_shows_against_a_head_kept_elsewhere_and_only_there() {
    let kept = Kept::of(60);
    let newest = kept.trail.segments().pop().unwrap();
    let cut = with_lines(&kept.trail, &newest, |lines| {
        lines.pop();
    });
    assert_eq!(verify(&cut, &Wanted::default()).unwrap().findings, []);
    let findings = kept.verify(&cut).findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].problem.contains("ends with entry 59, and had entry 60 once"), "{findings:?}");
}

#[test]
fn each_of_a_thousand_random_manipulations_is_detected_and_located() {
    let many = events(2_000);
    let kept = Kept::of(many);
    let mut random = fastrand::Rng::with_seed(11);
    let files: Vec<String> = kept.trail.0.keys().cloned().collect();
    let segments = kept.trail.segments();
    let mut changed = kept.trail.clone();
    for _ in 0..1_000 {
        let is_byte = random.bool();
        let file = &files[random.usize(..files.len())];
        let file = if is_byte { file } else { &segments[random.usize(..segments.len())] };
        let content = &kept.trail.0[file];
        let (line, what) = if is_byte {
            let at = random.usize(..content.len());
            changed.0.get_mut(file).unwrap()[at] ^= random.u8(1..);
            (line_of(content, at), "a byte changed")
        } else {
            let mut of = lines(content);
            let at = random.usize(..of.len());
            let other = random.usize(..of.len());
            let what = match random.u8(..4) {
                0 => {
                    of.remove(at);
                    "a line removed"
                }
                1 if at != other => {
                    of.insert(at, of[other]);
                    "a line put in"
                }
                2 if at != other => {
                    of.swap(at, other);
                    "two lines swapped"
                }
                _ => {
                    of.truncate(at);
                    "a file cut off"
                }
            };
            let content = of.concat();
            let line = if what == "two lines swapped" { at.min(other) } else { at } as u64;
            let line = if content.is_empty() { 0 } else { line + 1 };
            changed.0.insert(file.clone(), content);
            (line, what)
        };
        kept.assert_found(&changed, file, line, what);
        changed.0.insert(file.clone(), content.clone());
    }
    println!(
        "1,000 manipulations of {many} events in {} segments: each found where it was made",
        segments.len()
    );
}

#[test]
fn a_trail_that_nobody_has_signed_is_not_verified_by_a_key() {
    let dir = tempfile::tempdir().unwrap();
    audit(&log_of(200), options(dir.path(), small(None))).unwrap();
    assert_eq!(clean(dir.path()).signed_to, None);
    let wanted = Wanted { keys: vec![SigningKey::generate().unwrap().public()], anchors: Vec::new() };
    let only_open = |trail: &Copied| {
        let last = trail.segments().last().unwrap().clone();
        Copied(
            trail.0.iter().filter(|(name, _)| **name == last).map(|(n, b)| (n.clone(), b.clone())).collect(),
        )
    };
    for trail in [Copied::of(dir.path()), only_open(&Copied::of(dir.path()))] {
        let report = verify(&trail, &wanted).unwrap();
        let found =
            report.findings.iter().any(|of| of.problem.contains("anybody may have written all of this"));
        assert!(found, "{:?}", report.findings);
    }
    let kept = Kept::of(200);
    let report = kept.verify(&kept.trail);
    assert!(
        report.signed_to.unwrap() < report.last.unwrap().0,
        "the newest entries are signed by nobody yet"
    );
}
