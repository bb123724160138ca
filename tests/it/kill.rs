//! A process that is really killed, at each step of its processors: afterwards everything is as if it had not been.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use clade::engine::Engine;
use clade::log::embedded;
use clade::oci::Digest;
use clade::processor::{self, Step};
use clade::record::{ClassificationRecord, TransitionRecord};
use clade::source::generated::{History, Shape};
use clade::source::line::Line;

use crate::oracle::Oracle;
use crate::support::{class, fold, transitions};
use crate::workers::{publisher, start};

mod anywhere;

const STEPS: [Step; 6] =
    [Step::Restored, Step::Read, Step::Concluded, Step::PartlyCommitted, Step::Committed, Step::Published];
const CHILD: &str = "kill::what_the_killed_process_does";

/// The child: takes a small history in, in parts, and is killed at the given step when it has come there so often.
#[test]
#[ignore = "run by the tests of this module, as a process of its own"]
fn what_the_killed_process_does() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let step = STEPS.into_iter().find(|step| format!("{step:?}") == variable("CLADE_KILL_AT"));
    let after: u32 = variable("CLADE_KILL_AFTER").parse().unwrap();
    let met = AtomicU32::new(0);
    let observer = move |_, at| {
        if Some(at) == step && met.fetch_add(1, Ordering::Relaxed) + 1 == after {
            let _ = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
            // The signal arrives before anything else happens in this thread.
            std::thread::park();
        }
    };
    take_in(Path::new(&variable("CLADE_KILL_DIR")), Arc::new(observer));
}

fn take_in(dir: &Path, observer: processor::Observer) {
    let engine = engine(dir, Some(2), observer);
    let mut publisher = publisher(&engine);
    publisher.apply_class(&class("os", "base/rhel7:latest", &[("os", "rhel7")])).unwrap();
    publisher.apply_class(&class("python", "lang/python:3.6", &[("lang", "python")])).unwrap();
    publisher.apply_group(&crate::support::group("os", "os")).unwrap();
    for (number, line) in History::new(Shape { seed: 3, images: 600, days: 120 }).enumerate() {
        let is_tag = matches!(line, Line::Tag(_));
        publisher.observe(clade::source::observe(line).unwrap()).unwrap();
        if is_tag && number % 100 == 0 {
            publisher.flush().unwrap();
            engine.catch_up(|_| {}).unwrap();
        }
    }
    publisher.flush().unwrap();
    engine.catch_up(|_| {}).unwrap();
}

fn engine(dir: &Path, partitions: Option<u16>, observer: processor::Observer) -> Engine {
    // Small parts, so that a commit has several.
    let processor =
        processor::Options { batch_records: 50, commit_images: 5, observer, ..Default::default() };
    let log = embedded::Options { partitions, ..embedded::Options::default() };
    start(dir, log, &processor)
}

/// What is on the log in the end; of the transitions, what they say of each image and class, one after another.
type Outputs = (BTreeMap<String, ClassificationRecord>, BTreeMap<(Digest, String), Vec<TransitionRecord>>);

fn outputs(dir: &Path) -> Outputs {
    let engine = engine(dir, None, Arc::new(|_, _| {}));
    engine.catch_up(|_| {}).unwrap();
    Oracle::of(&**engine.log()).check_outputs(&**engine.log());
    let mut by_image: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in transitions(&**engine.log()) {
        by_image.entry((event.digest, event.class.clone())).or_default().push(event);
    }
    let mut classifications: BTreeMap<String, ClassificationRecord> = fold(&**engine.log());
    for record in classifications.values_mut() {
        // Numbers that count what was published, which a publisher that starts again goes on counting.
        record.sequence = 0;
        let mut classes = record.classes.to_vec();
        classes.iter_mut().for_each(|member| member.generation = 0);
        record.classes = classes.into();
    }
    (classifications, by_image)
}

/// Runs the child; whether it was killed.
fn run_child(dir: &Path, step: Step, after: u32) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored"])
        .env("CLADE_KILL_DIR", dir)
        .env("CLADE_KILL_AT", format!("{step:?}"))
        .env("CLADE_KILL_AFTER", after.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success() || status.code().is_none(), "the child failed: {status}");
    !status.success()
}

#[test]
fn a_process_that_is_killed_at_any_step_leaves_what_an_undisturbed_one_does() {
    let undisturbed = tempfile::tempdir().unwrap();
    take_in(undisturbed.path(), Arc::new(|_, _| {}));
    let expected = outputs(undisturbed.path());
    assert!(expected.0.len() > 100 && expected.1.len() > 100, "a history in which something happens");
    for step in STEPS {
        let dir = tempfile::tempdir().unwrap();
        let mut killed = 0;
        // Killed again and again, each time later; then let through.
        for after in [1, 2, 3, 5, 8, 13] {
            killed += u32::from(run_child(dir.path(), step, after));
        }
        assert!(killed >= 2, "{step:?}: killed {killed} times");
        assert!(!run_child(dir.path(), step, u32::MAX));
        let found = outputs(dir.path());
        assert_eq!(found.0, expected.0, "{step:?}: classifications");
        assert_eq!(last(&found.1), last(&expected.1), "{step:?}: where the transitions lead");
    }
}

/// Where the transitions of each image in each class have led. How many there were on the way depends on how much of
/// the history was processed at once; that each goes on where the one before ended, the oracle has checked.
fn last(
    of: &BTreeMap<(Digest, String), Vec<TransitionRecord>>,
) -> BTreeMap<&(Digest, String), Option<clade::record::outdated::Standing>> {
    of.iter().map(|(image, events)| (image, events.last().and_then(|event| event.to))).collect()
}
