//! Files of the audit trail: whoever verifies one has it from somebody else.

use clade::audit::{Anchor, Checker, Line, PublicKey, Replay, SignedHead, open_line, seal_line};

use super::in_proportion;

/// Reads a line.
pub(crate) fn line(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    // Anchors and keys, which a person hands over with a trail.
    let _ = text.parse::<Anchor>();
    let _ = text.parse::<PublicKey>();
    let Ok(sealed) = open_line(input) else { return false };
    let again = written(&sealed.line);
    in_proportion(input, again.len(), 8);
    let read = open_line(again.trim_ascii_end()).unwrap();
    assert_eq!(read.claimed, read.actual);
    // Times are written in milliseconds, so a second writing loses nothing.
    assert_eq!(written(&read.line), again);
    true
}

fn written(line: &Line) -> Vec<u8> {
    let mut bytes = Vec::new();
    match line {
        Line::Header(header) => seal_line(header, &mut bytes),
        Line::Entry(entry) => seal_line(entry, &mut bytes),
        Line::Footer(footer) => seal_line(footer, &mut bytes),
    }
    .unwrap();
    bytes
}

/// Checks and replays the lines of a segment.
pub(crate) fn segment(input: &[u8]) -> bool {
    let (mut checker, mut replay) = (Checker::default(), Replay::default());
    checker.begin("audit-00000000000000000001.jsonl");
    for line in input.split(|byte| *byte == b'\n') {
        if let Some((Line::Entry(entry), _)) = checker.line(line) {
            replay.take(&entry);
        }
    }
    checker.end(b"");
    // Changed lines are replayed as well, as a person who examines them does.
    for line in input.split(|byte| *byte == b'\n') {
        if let Ok(sealed) = open_line(line)
            && let Line::Entry(entry) = sealed.line
        {
            replay.take(&entry);
        }
    }
    // Each line can be a finding, and the checker keeps this many.
    assert!(checker.findings.len() <= 1_000);
    checker.findings.iter().for_each(|finding| in_proportion(input, finding.problem.len(), 2));
    checker.entries > 0
}

/// Reads the head of a segment.
pub(crate) fn head(input: &[u8]) -> bool {
    let Ok(head) = SignedHead::parse(input) else { return false };
    assert_eq!(head.text(), input);
    let _ = head.check(&[]);
    true
}
