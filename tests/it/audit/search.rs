//! Questions about the entries of an object.

use std::io::Write as _;
use std::sync::Arc;

use clade::audit::{Directory, Entry, Question, search};
use clade::log::SharedLog;
use clade::log::memory::{Faults, MemoryLog};
use clade::oci::Digest;
use clade::record::Timestamp;

use super::{Copied, append, audit, entries, log_of, options, small};
use crate::support::digest;

/// All pages of an answer: the numbers of the entries.
fn pages(dir: &Directory, question: &Question) -> Vec<u64> {
    let (mut found, mut question) = (Vec::new(), question.clone());
    loop {
        let page = search(dir, &question).unwrap();
        assert!(page.lines.len() <= question.limit && page.damaged == 0);
        let seq = |line: &String| serde_json::from_str::<Entry>(line).unwrap().seq;
        found.extend(page.lines.iter().map(seq));
        let Some(next) = page.next else { return found };
        assert!(question.before.is_none_or(|before| next < before), "it goes on");
        question.before = Some(next);
    }
}

#[test]
fn the_pages_of_an_object_are_its_entries_from_the_newest_to_the_oldest() {
    let made = tempfile::tempdir().unwrap();
    // Times do not follow the order in which a trail is written.
    let memory = Arc::new(MemoryLog::new(3, Faults::none()));
    for number in 0..400 {
        memory.set_time(i64::try_from(number * 7_919 % 400).unwrap() * 1_000);
        append(&*memory, number..number + 1);
    }
    let log: SharedLog = memory;
    audit(&log, options(made.path(), small(None))).unwrap();
    assert!(Copied::of(made.path()).segments().len() > 5);
    let dir = Directory(made.path().to_owned());
    let all = entries(made.path());
    let middle = all[200].time;
    let rebuild = all.iter().find_map(|entry| entry.rebuild.clone());
    let class = |name: &str| Question { class: Some(name.to_owned()), ..Question::default() };
    let image = |image: Digest| Question { image: Some(image), ..Question::default() };
    let mut none = 0;
    for asked in [
        Question::default(),
        class("class-3"),
        class("class-"),
        class("nobody's \"class\""),
        image(digest("image-7")),
        image(digest("nobody's")),
        Question { class: Some("class-0".to_owned()), ..image(digest("image-7")) },
        Question { rebuild, ..Question::default() },
        Question { what: Some("image.*".to_owned()), ..class("class-3") },
        Question { what: Some("class.changed".to_owned()), ..Question::default() },
        Question { what: Some("class".to_owned()), ..Question::default() },
        Question { since: Some(middle), ..class("class-3") },
        Question { until: Some(middle), ..class("class-3") },
    ] {
        let is_meant = |entry: &&Entry| {
            asked.image.is_none_or(|image| entry.image == Some(image))
                && (asked.class.is_none() || entry.class == asked.class)
                && (asked.rebuild.is_none() || entry.rebuild == asked.rebuild)
                && asked.what.as_deref().is_none_or(|what| match what.split_once('*') {
                    Some((beginning, _)) => entry.what.starts_with(beginning),
                    None => entry.what == what,
                })
                && asked.since.is_none_or(|since| entry.time >= since)
                && asked.until.is_none_or(|until| entry.time <= until)
        };
        let wanted: Vec<u64> = all.iter().rev().filter(is_meant).map(|entry| entry.seq).collect();
        none += usize::from(wanted.is_empty());
        for limit in [1, 7, 1_000] {
            assert_eq!(pages(&dir, &Question { limit, ..asked.clone() }), wanted, "{asked:?} by {limit}");
        }
    }
    assert!(none < 6, "the questions are about nothing");
}

#[test]
fn a_line_that_was_changed_is_left_out_and_counted_and_one_that_is_being_written_is_not_there() {
    let made = tempfile::tempdir().unwrap();
    audit(&log_of(40), options(made.path(), small(None))).unwrap();
    let dir = Directory(made.path().to_owned());
    let question = Question { limit: 1_000, ..Question::default() };
    let before = search(&dir, &question).unwrap().lines;
    let last = Copied::of(made.path()).segments().pop().unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(made.path().join(&last)).unwrap();
    file.write_all(b"{\"seq\":1000,\"time\":").unwrap();
    assert_eq!(search(&dir, &question).unwrap().lines, before);
    let changed = before[3].replace("\"what\":\"", "\"what\":\"x");
    for segment in Copied::of(made.path()).segments() {
        let path = made.path().join(segment);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(&before[3], &changed)).unwrap();
    }
    let found = search(&dir, &question).unwrap();
    assert_eq!((found.lines.len(), found.damaged), (before.len() - 1, 1));
    let nowhere = Directory(made.path().join("nowhere"));
    assert!(search(&nowhere, &question).is_err());
    let later = Question { since: Some(Timestamp::MAX), ..question };
    assert_eq!(search(&dir, &later).unwrap().lines, [] as [&str; 0]);
}
