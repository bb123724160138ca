//! A restart from the log beside one from snapshots.

use tempfile::TempDir;

use crate::child::{Run, Running, Task};
use crate::report::{Goal, all, best, cpu, goal, table};
use crate::settings::Settings;
use crate::{cluster, history};

/// A large history, processed, with snapshots of it.
pub(crate) struct Big {
    pub(crate) prefix: String,
    pub(crate) snapshots: TempDir,
}

impl Big {
    pub(crate) fn prepare(settings: &Settings) -> Self {
        let prefix = history::publish("big", settings.many_images);
        let snapshots = tempfile::tempdir().unwrap();
        let task = Task::Process { prefix: prefix.clone(), snapshots: Some(snapshots.path().to_owned()) };
        let mut child = Running::start(&task);
        // All of it was there before: what is restored is processed.
        child.wait_for("ready");
        child.end();
        Self { prefix, snapshots }
    }
}

impl Drop for Big {
    fn drop(&mut self) {
        cluster::delete_prefix(&self.prefix);
    }
}

pub(crate) fn run(settings: &Settings, big: &Big) {
    let (mut replayed, mut loaded): (Vec<Run>, Vec<Run>) = Default::default();
    let mut images = 0;
    for round in 0..settings.rounds {
        eprintln!("restart: round {}", round + 1);
        for (snapshots, runs) in [(None, &mut replayed), (Some(big.snapshots.path().to_owned()), &mut loaded)]
        {
            let mut child = Running::start(&Task::Restore { prefix: big.prefix.clone(), snapshots });
            let begun = child.wait_for("began");
            runs.push(begun.until(child.wait_for("ended")));
            let restored = child.end()["images"].as_u64().unwrap();
            assert!(images == 0 || images == restored, "{images} images before, {restored} now");
            images = restored;
        }
    }
    let row = |name: &str, runs: &[Run]| {
        let [client, broker] = cpu(best(runs), images);
        let seconds = format!("{:.2}", best(runs).seconds);
        vec![name.to_owned(), seconds, client, broker, all(runs.iter().map(|run| run.seconds), 2)]
    };
    table(
        &format!("Restart: all partitions with {images} images"),
        &["from", "s", "client CPU ns/image", "broker CPU ns/image", "rounds (s)"],
        &[row("the log", &replayed), row("snapshots", &loaded)],
    );
    let ratio = best(&replayed).seconds / best(&loaded).seconds;
    goal("restart, the log / snapshots", ratio, Goal::AtLeast(8.0));
}
