//! Decides which objects have to be labelled, and when. Pure: the caller passes the time.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::kubernetes::{Labelled, ObjectLabels, Seen, Target};
use crate::retry::Policy;

/// Delays before an object that could not be labelled is retried.
const RETRY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(300));

/// The time for which labels that were written are expected to stay. Whoever takes them away sooner does so on purpose, such as a
/// controller that writes the whole object: each round of that waits longer. Longer than the longest delay.
const CALM: Duration = Duration::from_secs(600);

/// One object to label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job<T> {
    pub(super) target: T,
    pub(super) uid: String,
    pub(super) labels: Arc<ObjectLabels>,
}

/// The wanted labels of each object, its present labels, and the objects for which they differ.
pub(super) struct Desk<T> {
    wanted: HashMap<T, Arc<ObjectLabels>>,
    standing: HashMap<T, Labelled<T>>,
    none: Arc<ObjectLabels>,
    /// `true` once it was told of all wanted labels. Before, missing ones may only not have come yet.
    is_complete: bool,
    queue: VecDeque<T>,
    queued: HashSet<T>,
    /// Objects being written now.
    busy: HashSet<T>,
    /// Objects that failed, with the number of failures and the time of the next attempt.
    failed: HashMap<T, (u32, Duration)>,
    again: BTreeSet<(Duration, T)>,
    /// The labels that were written lately, when, and how often they have been taken away soon after.
    written: HashMap<T, Written>,
    /// The objects of `written` by the time of their writes.
    lately: VecDeque<(Duration, T)>,
}

struct Written {
    labels: Arc<ObjectLabels>,
    at: Duration,
    undone: u32,
}

impl<T: Target> Default for Desk<T> {
    fn default() -> Self {
        Self {
            wanted: HashMap::new(),
            standing: HashMap::new(),
            none: Arc::default(),
            is_complete: false,
            queue: VecDeque::new(),
            queued: HashSet::new(),
            busy: HashSet::new(),
            failed: HashMap::new(),
            again: BTreeSet::new(),
            written: HashMap::new(),
            lately: VecDeque::new(),
        }
    }
}

impl<T: Target> Desk<T> {
    /// Takes the labels that an object is to have; `None` means none at all.
    pub(super) fn want(&mut self, target: &T, labels: Option<Arc<ObjectLabels>>) {
        match labels {
            Some(labels) => drop(self.wanted.insert(target.clone(), labels)),
            None => drop(self.wanted.remove(target)),
        }
        self.look_at(target);
    }

    /// Takes the labels of all objects that are to have any.
    pub(super) fn want_these(&mut self, all: HashMap<T, Arc<ObjectLabels>>) {
        let before = std::mem::take(&mut self.wanted);
        let gone: Vec<T> = before.keys().filter(|target| !all.contains_key(target)).cloned().collect();
        gone.iter().for_each(|target| self.look_at(target));
        for (target, labels) in all {
            let is_same = before.get(&target) == Some(&labels);
            self.wanted.insert(target.clone(), labels);
            if !is_same {
                self.look_at(&target);
            }
        }
        self.complete();
    }

    /// Notes that it was told of all wanted labels.
    pub(super) fn complete(&mut self) {
        if !std::mem::replace(&mut self.is_complete, true) {
            let all: Vec<T> = self.standing.keys().cloned().collect();
            all.iter().for_each(|target| self.look_at(target));
        }
    }

    /// Takes an observation of the server.
    pub(super) fn seen(&mut self, seen: Seen<T>) {
        match seen {
            Seen::Object(object) => {
                // Observations older than our own last write do not count.
                let is_old = self.standing.get(&object.target).is_some_and(|known| {
                    known.uid == object.uid && known.resource_version > object.resource_version
                });
                if !is_old {
                    let target = object.target.clone();
                    self.standing.insert(target.clone(), object);
                    self.look_at(&target);
                }
            }
            Seen::Gone(target) => self.forget(&target),
            Seen::Listed(of, listed) => {
                let is_gone = |target: &&T| target.of() == of && !listed.contains(target);
                let gone: Vec<T> = self.standing.keys().filter(is_gone).cloned().collect();
                gone.iter().for_each(|target| self.forget(target));
            }
        }
    }

    /// Returns the next object to label; it is busy until [`Desk::done`] or [`Desk::failed`].
    pub(super) fn next(&mut self, now: Duration) -> Option<Job<T>> {
        self.calm_down(now);
        while self.again.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, target)) = self.again.pop_first()
        {
            self.enqueue(target);
        }
        while let Some(target) = self.queue.pop_front() {
            self.queued.remove(&target);
            if let Some(job) = self.job(&target) {
                self.busy.insert(target);
                return Some(job);
            }
        }
        None
    }

    /// The time of the next retry.
    pub(super) fn next_try(&self) -> Option<Duration> {
        self.again.first().map(|(at, _)| *at)
    }

    /// Notes that an object was labelled, with its present labels.
    pub(super) fn done(&mut self, object: Labelled<T>, now: Duration) {
        let target = object.target.clone();
        let before = self.written.remove(&target).filter(|of| *of.labels == object.labels);
        let undone = before.map_or(0, |of| of.undone.saturating_add(1));
        let wanted = self.wanted.get(&target).filter(|wanted| ***wanted == object.labels);
        let labels = wanted.map_or_else(|| Arc::new(object.labels.clone()), Arc::clone);
        self.written.insert(target.clone(), Written { labels, at: now, undone });
        self.lately.push_back((now, target.clone()));
        self.busy.remove(&target);
        self.failed.remove(&target);
        self.seen(Seen::Object(object));
        self.look_at(&target);
    }

    /// Notes that the object with this uid is gone.
    pub(super) fn gone(&mut self, target: &T, uid: &str) {
        self.busy.remove(target);
        if self.standing.get(target).is_some_and(|known| known.uid == uid) {
            self.forget(target);
        }
        self.look_at(target);
    }

    /// Notes that an object could not be labelled. Returns the number of failures and the time of the next attempt.
    pub(super) fn failed(&mut self, target: &T, now: Duration, chance: f64) -> (u32, Duration) {
        self.busy.remove(target);
        let times = self.failed.get(target).map_or(1, |(times, _)| times + 1);
        let wait = RETRY.wait(times, chance);
        self.failed.insert(target.clone(), (times, now + wait));
        self.again.insert((now + wait, target.clone()));
        (times, wait)
    }

    /// Returns `true` if an object could be written now.
    pub(super) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The number of objects that wait to be labelled.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.busy.len() + self.again.len()
    }

    /// Returns `true` if it was told of all wanted labels.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Forgets writes that nobody has undone in time.
    fn calm_down(&mut self, now: Duration) {
        while self.lately.front().is_some_and(|(at, _)| *at + CALM <= now)
            && let Some((at, target)) = self.lately.pop_front()
        {
            if self.written.get(&target).is_some_and(|of| of.at == at) {
                self.written.remove(&target);
            }
        }
    }

    fn forget(&mut self, target: &T) {
        self.standing.remove(target);
        self.written.remove(target);
        if let Some((_, at)) = self.failed.remove(target) {
            self.again.remove(&(at, target.clone()));
        }
    }

    fn job(&self, target: &T) -> Option<Job<T>> {
        let standing = self.standing.get(target)?;
        let labels = self.wanted.get(target).unwrap_or(&self.none);
        let differs = standing.labels != **labels;
        differs.then(|| Job { target: target.clone(), uid: standing.uid.clone(), labels: Arc::clone(labels) })
    }

    fn look_at(&mut self, target: &T) {
        let is_put_off =
            self.failed.get(target).is_some_and(|(_, at)| self.again.contains(&(*at, target.clone())));
        if !self.is_complete || is_put_off || self.busy.contains(target) {
            return;
        }
        let Some(job) = self.job(target) else { return };
        // The first time they are written at once: somebody may have been wrong.
        let undone = self.written.get(target).filter(|of| of.undone > 0 && *of.labels == *job.labels);
        match undone {
            Some(of) => {
                let at = of.at + RETRY.wait(of.undone, 1.0);
                self.failed.insert(target.clone(), (of.undone, at));
                self.again.insert((at, target.clone()));
            }
            None => self.enqueue(target.clone()),
        }
    }

    fn enqueue(&mut self, target: T) {
        if self.queued.insert(target.clone()) {
            self.queue.push_back(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::oci::Digest;

    const NOW: Duration = Duration::from_secs(100);

    fn digest() -> Digest {
        Digest::of(b"app")
    }

    fn labels(state: &str) -> ObjectLabels {
        let labels = BTreeMap::from([("class.clade.dev/rhel7".to_owned(), state.to_owned())]);
        ObjectLabels { labels, annotation: None }
    }

    fn want(desk: &mut Desk<Digest>, state: &str) {
        desk.want(&digest(), Some(Arc::new(labels(state))));
    }

    fn standing(version: u64, labels: ObjectLabels) -> Labelled<Digest> {
        Labelled { target: digest(), uid: "1".to_owned(), resource_version: version, labels }
    }

    fn complete() -> Desk<Digest> {
        let mut desk = Desk::default();
        desk.complete();
        desk
    }

    #[test]
    fn nothing_is_taken_away_before_every_classification_was_read() {
        let mut desk = Desk::default();
        desk.seen(Seen::Object(standing(1, labels("current"))));
        assert_eq!(desk.next(NOW), None);
        want(&mut desk, "current");
        desk.complete();
        assert_eq!(desk.next(NOW), None, "it stands there already");
        desk.want(&digest(), None);
        assert_eq!(*desk.next(NOW).unwrap().labels, ObjectLabels::default());
    }

    #[test]
    fn an_image_is_written_once_at_a_time_and_again_if_it_has_changed_meanwhile() {
        let mut desk = complete();
        want(&mut desk, "current");
        assert_eq!(desk.next(NOW), None, "there is no object yet");
        desk.seen(Seen::Object(standing(1, ObjectLabels::default())));
        let job = desk.next(NOW).unwrap();
        want(&mut desk, "outdated");
        assert_eq!(desk.next(NOW), None, "it is being written");
        desk.done(standing(2, (*job.labels).clone()), NOW);
        let again = desk.next(NOW).unwrap();
        assert_eq!(*again.labels, labels("outdated"));
        desk.done(standing(3, (*again.labels).clone()), NOW);
        // An older observation of the server does not count.
        desk.seen(Seen::Object(standing(1, ObjectLabels::default())));
        assert_eq!((desk.next(NOW), desk.waiting()), (None, 0));
    }

    #[test]
    fn one_that_fails_is_tried_again_later_and_holds_nobody_up() {
        let mut desk = complete();
        want(&mut desk, "current");
        desk.seen(Seen::Object(standing(1, ObjectLabels::default())));
        let mut waits = Vec::new();
        let mut now = NOW;
        for _ in 0..12 {
            let job = desk.next(now).unwrap();
            let (_, wait) = desk.failed(&job.target, now, 1.0);
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
        want(&mut desk, "current");
        desk.seen(Seen::Object(standing(1, ObjectLabels::default())));
        let job = desk.next(NOW).unwrap();
        let successor = Labelled { uid: "2".to_owned(), ..standing(5, ObjectLabels::default()) };
        desk.seen(Seen::Object(successor));
        desk.gone(&job.target, &job.uid);
        assert_eq!(desk.next(NOW).unwrap().uid, "2");
        desk.seen(Seen::Listed((), HashSet::new()));
        desk.gone(&digest(), "2");
        assert_eq!((desk.next(NOW), desk.waiting()), (None, 0));
    }

    #[test]
    fn all_wanted_labels_at_once_write_what_differs_and_take_away_what_is_wanted_no_more() {
        let (other, same) = (Digest::of(b"other"), Digest::of(b"same"));
        let mut desk = Desk::default();
        for (target, now) in
            [(digest(), labels("current")), (other, labels("current")), (same, labels("current"))]
        {
            desk.seen(Seen::Object(Labelled { target, ..standing(1, now) }));
        }
        let wanted = |all: &[(Digest, &str)]| {
            all.iter().map(|(target, state)| (*target, Arc::new(labels(state)))).collect::<HashMap<_, _>>()
        };
        let written = |desk: &mut Desk<Digest>| {
            let mut written = BTreeMap::new();
            while let Some(job) = desk.next(NOW) {
                let now = Labelled { target: job.target, ..standing(2, (*job.labels).clone()) };
                written.insert(job.target, now.labels.clone());
                desk.done(now, NOW);
            }
            written
        };
        assert_eq!(written(&mut desk), BTreeMap::new(), "nothing is known to be wanted yet");
        desk.want_these(wanted(&[(digest(), "outdated"), (same, "current")]));
        let expected = BTreeMap::from([(digest(), labels("outdated")), (other, ObjectLabels::default())]);
        assert_eq!(written(&mut desk), expected);
        desk.want_these(wanted(&[(digest(), "outdated"), (same, "current")]));
        assert_eq!(written(&mut desk), BTreeMap::new());
    }

    #[test]
    fn labels_that_somebody_takes_away_again_and_again_are_written_ever_more_rarely() {
        let mut desk = complete();
        want(&mut desk, "current");
        let (mut now, mut waits, mut version) = (NOW, Vec::new(), 1);
        for _ in 0..8 {
            desk.seen(Seen::Object(standing(version, ObjectLabels::default())));
            let due = desk.next_try().unwrap_or(now).max(now);
            waits.push((due - now).as_secs());
            now = due;
            let job = desk.next(now).unwrap();
            desk.done(standing(version + 1, (*job.labels).clone()), now);
            version += 2;
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32]);
        // Other labels are written at once.
        want(&mut desk, "outdated");
        let job = desk.next(now).unwrap();
        desk.done(standing(version, (*job.labels).clone()), now);
        // After a calm time they are, too.
        now += CALM;
        desk.seen(Seen::Object(standing(version + 1, ObjectLabels::default())));
        assert!(desk.next(now).is_some());
        desk.done(standing(version + 2, labels("outdated")), now);
        assert_eq!((desk.written.len(), desk.written[&digest()].undone), (1, 0));
    }
}
