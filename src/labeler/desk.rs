//! Decides which labels have to be written, and when. Pure: the caller passes the time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::class::Count;
use crate::kubernetes::{ImageLabels, Labelled, Seen};
use crate::oci::Digest;
use crate::record::{ClassificationRecord, State};
use crate::retry::Policy;

use super::labels::labels_of;

/// Delays before an image that could not be labelled is retried.
const RETRY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(300));

/// One image to label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) digest: Digest,
    pub(super) uid: String,
    pub(super) labels: Arc<ImageLabels>,
}

/// The wanted labels of each image, its present labels, and the images for which they differ.
#[derive(Default)]
pub(super) struct Desk {
    wanted: HashMap<Digest, Wanted>,
    standing: HashMap<Digest, Labelled>,
    none: Arc<ImageLabels>,
    counts: BTreeMap<String, Count>,
    /// `true` once every classification was read. Before, a missing classification may only be unread.
    is_complete: bool,
    queue: VecDeque<Digest>,
    queued: HashSet<Digest>,
    /// Images being written now.
    busy: HashSet<Digest>,
    /// Images that failed, with the number of failures and the time of the next attempt.
    failed: HashMap<Digest, (u32, Duration)>,
    again: BTreeSet<(Duration, Digest)>,
}

struct Wanted {
    /// The partition of the record. An image that moves between partitions stands in both for a while.
    partition: u16,
    sequence: u64,
    labels: Arc<ImageLabels>,
    states: Vec<(String, State)>,
}

impl Desk {
    /// Takes a classification from a partition; `None` means that the image is in no class any more.
    pub(super) fn classified(
        &mut self,
        partition: u16,
        digest: Digest,
        record: Option<&ClassificationRecord>,
    ) {
        // Partitions are read in any order: a deletion or an older record from another partition does not count.
        let is_older = |wanted: &Wanted| {
            wanted.partition != partition && record.is_none_or(|record| record.sequence < wanted.sequence)
        };
        if self.wanted.get(&digest).is_some_and(is_older) {
            return;
        }
        if let Some(before) = self.wanted.remove(&digest) {
            for (class, state) in before.states {
                if let Some(count) = self.counts.get_mut(&class) {
                    count.remove(state);
                }
            }
        }
        if let Some(record) = record {
            let states: Vec<_> =
                record.classes.iter().map(|class| (class.name.clone(), class.state)).collect();
            for (class, state) in &states {
                self.counts.entry(class.clone()).or_default().add(*state);
            }
            let labels = Arc::new(labels_of(record));
            self.wanted.insert(digest, Wanted { partition, sequence: record.sequence, labels, states });
        }
        self.look_at(digest);
    }

    /// Notes that every classification on the log was read.
    pub(super) fn complete(&mut self) {
        if !std::mem::replace(&mut self.is_complete, true) {
            let all: Vec<Digest> = self.standing.keys().copied().collect();
            all.into_iter().for_each(|digest| self.look_at(digest));
        }
    }

    /// Takes an observation of the server.
    pub(super) fn seen(&mut self, seen: Seen) {
        match seen {
            Seen::Image(image) => {
                let digest = image.digest;
                // Observations older than our own last write do not count.
                let is_old = self.standing.get(&digest).is_some_and(|known| {
                    known.uid == image.uid && known.resource_version > image.resource_version
                });
                if !is_old {
                    self.standing.insert(digest, image);
                    self.look_at(digest);
                }
            }
            Seen::Gone(digest) => self.forget(digest),
            Seen::Listed(listed) => {
                let gone: Vec<Digest> =
                    self.standing.keys().filter(|digest| !listed.contains(digest)).copied().collect();
                gone.into_iter().for_each(|digest| self.forget(digest));
            }
        }
    }

    /// Returns the next image to label; it is busy until [`Desk::done`] or [`Desk::failed`].
    pub(super) fn next(&mut self, now: Duration) -> Option<Job> {
        while let Some(due) = self.again.first().copied().filter(|(at, _)| *at <= now) {
            self.again.remove(&due);
            self.enqueue(due.1);
        }
        while let Some(digest) = self.queue.pop_front() {
            self.queued.remove(&digest);
            if let Some(job) = self.job(digest) {
                self.busy.insert(digest);
                return Some(job);
            }
        }
        None
    }

    /// The time of the next retry.
    pub(super) fn next_try(&self) -> Option<Duration> {
        self.again.first().map(|(at, _)| *at)
    }

    /// Notes that an image was labelled, with its present labels.
    pub(super) fn done(&mut self, image: Labelled) {
        let digest = image.digest;
        self.busy.remove(&digest);
        self.failed.remove(&digest);
        self.seen(Seen::Image(image));
        self.look_at(digest);
    }

    /// Notes that the object with this uid is gone.
    pub(super) fn gone(&mut self, digest: Digest, uid: &str) {
        self.busy.remove(&digest);
        if self.standing.get(&digest).is_some_and(|known| known.uid == uid) {
            self.forget(digest);
        }
        self.look_at(digest);
    }

    /// Notes that an image could not be labelled. Returns the number of failures and the time of the next attempt.
    pub(super) fn failed(&mut self, digest: Digest, now: Duration, chance: f64) -> (u32, Duration) {
        self.busy.remove(&digest);
        let times = self.failed.get(&digest).map_or(1, |(times, _)| times + 1);
        let wait = RETRY.wait(times, chance);
        self.failed.insert(digest, (times, now + wait));
        self.again.insert((now + wait, digest));
        (times, wait)
    }

    /// Returns `true` if an image could be written now.
    pub(super) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The number of images that wait to be labelled.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.busy.len() + self.again.len()
    }

    /// The number of images in each class.
    pub(super) fn counts(&self) -> &BTreeMap<String, Count> {
        &self.counts
    }

    /// Returns `true` if the counts cover everything on the log.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn forget(&mut self, digest: Digest) {
        self.standing.remove(&digest);
        if let Some((_, at)) = self.failed.remove(&digest) {
            self.again.remove(&(at, digest));
        }
    }

    fn job(&self, digest: Digest) -> Option<Job> {
        let standing = self.standing.get(&digest)?;
        let labels = self.wanted.get(&digest).map_or(&self.none, |wanted| &wanted.labels);
        let differs = standing.labels != **labels;
        differs.then(|| Job { digest, uid: standing.uid.clone(), labels: Arc::clone(labels) })
    }

    fn look_at(&mut self, digest: Digest) {
        let has_failed = self.failed.get(&digest).is_some_and(|(_, at)| self.again.contains(&(*at, digest)));
        if self.is_complete && !has_failed && !self.busy.contains(&digest) && self.job(digest).is_some() {
            self.enqueue(digest);
        }
    }

    fn enqueue(&mut self, digest: Digest) {
        if self.queued.insert(digest) {
            self.queue.push_back(digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn digest() -> Digest {
        Digest::of(b"app")
    }

    fn record(state: &str) -> ClassificationRecord {
        serde_json::from_value(serde_json::json!({
            "digest": digest(), "sequence": 1, "platform": {"os": "linux", "architecture": "amd64"},
            "classes": [{
                "name": "rhel7", "generation": 1, "state": state, "version": digest(), "depth": 3, "nearest": true
            }],
        }))
        .unwrap()
    }

    fn standing(version: u64, labels: ImageLabels) -> Labelled {
        Labelled { digest: digest(), uid: "1".to_owned(), resource_version: version, labels }
    }

    fn complete() -> Desk {
        let mut desk = Desk::default();
        desk.complete();
        desk
    }

    #[test]
    fn nothing_is_taken_away_before_every_classification_was_read() {
        let mut desk = Desk::default();
        desk.seen(Seen::Image(standing(1, labels_of(&record("current")))));
        assert_eq!(desk.next(NOW), None);
        desk.classified(0, digest(), Some(&record("current")));
        desk.complete();
        assert_eq!(desk.next(NOW), None, "it stands there already");
        desk.classified(0, digest(), None);
        assert_eq!(*desk.next(NOW).unwrap().labels, ImageLabels::default());
    }

    #[test]
    fn an_image_is_written_once_at_a_time_and_again_if_it_has_changed_meanwhile() {
        let mut desk = complete();
        desk.classified(0, digest(), Some(&record("current")));
        assert_eq!(desk.next(NOW), None, "there is no object yet");
        desk.seen(Seen::Image(standing(1, ImageLabels::default())));
        let job = desk.next(NOW).unwrap();
        desk.classified(0, digest(), Some(&record("outdated")));
        assert_eq!(desk.next(NOW), None, "it is being written");
        desk.done(standing(2, (*job.labels).clone()));
        let again = desk.next(NOW).unwrap();
        assert_eq!(*again.labels, labels_of(&record("outdated")));
        desk.done(standing(3, (*again.labels).clone()));
        // An older observation of the server does not count.
        desk.seen(Seen::Image(standing(1, ImageLabels::default())));
        assert_eq!((desk.next(NOW), desk.waiting()), (None, 0));
    }

    #[test]
    fn one_that_fails_is_tried_again_later_and_holds_nobody_up() {
        let mut desk = complete();
        desk.classified(0, digest(), Some(&record("current")));
        desk.seen(Seen::Image(standing(1, ImageLabels::default())));
        let mut waits = Vec::new();
        let mut now = NOW;
        for _ in 0..12 {
            let job = desk.next(now).unwrap();
            let (_, wait) = desk.failed(job.digest, now, 1.0);
            assert_eq!(desk.next(now), None);
            assert_eq!(desk.next_try(), Some(now + wait));
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn an_object_that_is_gone_is_forgotten_and_its_successor_is_labelled() {
        let mut desk = complete();
        desk.classified(0, digest(), Some(&record("current")));
        desk.seen(Seen::Image(standing(1, ImageLabels::default())));
        let job = desk.next(NOW).unwrap();
        let successor = Labelled { uid: "2".to_owned(), ..standing(5, ImageLabels::default()) };
        desk.seen(Seen::Image(successor));
        desk.gone(job.digest, &job.uid);
        assert_eq!(desk.next(NOW).unwrap().uid, "2");
        desk.seen(Seen::Listed(HashSet::new()));
        desk.gone(digest(), "2");
        assert_eq!((desk.next(NOW), desk.waiting()), (None, 0));
    }

    #[test]
    fn an_image_that_went_to_another_partition_is_not_taken_back_by_the_first() {
        let mut desk = complete();
        let later = ClassificationRecord { sequence: 2, ..record("outdated") };
        desk.classified(0, digest(), Some(&record("current")));
        desk.classified(1, digest(), Some(&later));
        desk.classified(0, digest(), None);
        assert_eq!(desk.counts()["rhel7"], Count { members: 1, outdated: 1 });
        // The same if the second partition is read first.
        desk.classified(0, digest(), Some(&record("current")));
        desk.classified(0, digest(), None);
        assert_eq!(desk.counts()["rhel7"], Count { members: 1, outdated: 1 });
        desk.classified(1, digest(), None);
        assert_eq!(desk.counts()["rhel7"], Count::default());
    }
}
