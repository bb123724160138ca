//! A registry's history, made up from a seed: for the demo, for benchmarks and for trying things out.
//!
//! Base images move every few weeks, language images follow within days and frameworks within a week; applications are
//! built on whatever was current, or on what a build cache still had. The figures (10.7 layers an image, 3.6 of them
//! new with it) are those of the registries that clade is designed for. The same seed gives the same history.

mod registry;
mod stream;

use std::collections::VecDeque;

use super::line::{ClaimLine, ImageLine, LayerLine, Line, ManifestLine, TagLine};
use crate::oci::Digest;
use crate::record::Timestamp;
use registry::{CONFIG_ONLY, ROLLED_BACK, SQUASHED, STREAMS};
use stream::{Built, Digests, Stream, Version};

/// What decides a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The seed.
    pub seed: u64,
    /// How many images.
    pub images: u64,
    /// Over how many days. The fewer, the fewer versions of the bases and the more images on each.
    pub days: u32,
}

/// Builds that an application's tags still list.
const KEPT_BUILDS: u32 = 3;
/// Images that an application has on the average.
const BUILDS: u64 = 10;
/// 2025-01-01T00:00:00Z
const BEGIN: i64 = 1_735_689_600;
const DAY: i64 = 86_400;

/// The lines of a history in order of time.
pub struct History {
    shape: Shape,
    random: fastrand::Rng,
    digests: Digests,
    streams: Vec<Stream>,
    /// By application: the stream that it is built on, and how many builds it has had.
    applications: Vec<(usize, u32)>,
    day: u32,
    /// Seconds of the day that have passed: no two events of a tag share a moment.
    second: i64,
    images: u64,
    lines: VecDeque<Line>,
}

impl History {
    /// The history of this shape.
    pub fn new(shape: Shape) -> Self {
        let streams = STREAMS.iter().map(|plan| Stream { plan, versions: Vec::new(), due: 0 }).collect();
        Self {
            shape,
            random: fastrand::Rng::with_seed(shape.seed),
            digests: Digests::new(shape.seed),
            streams,
            applications: Vec::new(),
            day: 0,
            second: 0,
            images: 0,
            lines: VecDeque::new(),
        }
    }

    /// What happens on one day.
    fn live(&mut self) {
        self.second = 0;
        for number in 0..self.streams.len() {
            if self.streams[number].due <= self.day {
                self.publish(number);
            }
        }
        let at = |part: u32| self.shape.days * part / 100;
        let (squashed, config_only, rolled_back) =
            (self.day == at(20), self.day == at(40), self.day == at(60));
        if squashed {
            self.squash();
        }
        if config_only {
            self.copy_with_other_config();
        }
        if rolled_back {
            self.roll_back();
        }
        let target = self.shape.images * u64::from(self.day + 1) / u64::from(self.shape.days.max(1));
        while self.images < target {
            self.build_application();
        }
        self.day += 1;
    }

    /// A new version of a stream; whoever is built on it follows.
    fn publish(&mut self, number: usize) {
        let plan = self.streams[number].plan;
        let more = self.random.usize(plan.layers.0..=plan.layers.1);
        let parent = plan.parent.and_then(|parent| self.streams[parent].current());
        let version = self.digests.version(plan, parent, more);
        for image in &version.images {
            self.image(plan.repository, image);
        }
        self.set(plan.repository, plan.tag.to_owned(), &version);
        let jitter = plan.period / 4;
        self.streams[number].due = self.day + self.random.u32(plan.period - jitter..=plan.period + jitter);
        self.streams[number].publish(version);
        for child in self.streams.iter_mut().filter(|stream| stream.plan.parent == Some(number)) {
            if !child.versions.is_empty() {
                child.due = child.due.min(self.day + self.random.u32(1..=child.plan.delay));
            }
        }
    }

    fn build_application(&mut self) {
        let is_new = self.applications.is_empty() || self.random.u64(0..BUILDS) == 0;
        let number = if is_new {
            let stream = self.weighted_stream();
            self.applications.push((stream, 0));
            self.applications.len() - 1
        } else {
            // Some are built more often than others.
            let among = 0..self.applications.len();
            self.random.usize(among.clone()).min(self.random.usize(among))
        };
        let (stream, builds) = self.applications[number];
        let is_stale = self.random.u32(0..100) < 15;
        let more = self.random.usize(1..=6);
        let Some(below) = self.streams[stream].image_for_build(is_stale) else { return };
        let image = self.digests.build(below.architecture, &below.layers, more);
        let repository = registry::application(number);
        self.image(&repository, &image);
        let version = Version { index: None, images: vec![image] };
        self.set(&repository, format!("v{}", builds + 1), &version);
        self.set(&repository, "latest".to_owned(), &version);
        if builds >= KEPT_BUILDS {
            self.gone(&repository, format!("v{}", builds + 1 - KEPT_BUILDS));
        }
        self.applications[number].1 += 1;
    }

    fn weighted_stream(&mut self) -> usize {
        let mut drawn = self.random.u32(0..100);
        for (number, stream) in self.streams.iter().enumerate() {
            match drawn.checked_sub(stream.plan.weight) {
                Some(rest) => drawn = rest,
                None => return number,
            }
        }
        0
    }

    fn squash(&mut self) {
        let (repository, tag) = SQUASHED;
        let image = self.digests.build("amd64", &[], 1);
        let base = STREAMS[0].repository.to_owned() + ":" + STREAMS[0].tag;
        self.lines.push_back(Line::Claim(ClaimLine { digest: image.digest, declared_base: base }));
        self.image(repository, &image);
        self.set(repository, tag.to_owned(), &Version { index: None, images: vec![image] });
    }

    fn copy_with_other_config(&mut self) {
        let (repository, tag, of) = CONFIG_ONLY;
        let Some(below) = self.streams[of].image_for_build(false).cloned() else { return };
        let image = self.digests.build(below.architecture, &below.layers, 0);
        self.image(repository, &image);
        self.set(repository, tag.to_owned(), &Version { index: None, images: vec![image] });
    }

    fn roll_back(&mut self) {
        let stream = &mut self.streams[ROLLED_BACK];
        if stream.versions.len() > 1 {
            stream.versions.swap(0, 1);
            let (plan, version) = (stream.plan, stream.versions[1].clone());
            self.set(plan.repository, plan.tag.to_owned(), &version);
        }
    }

    /// The moment of the next event.
    fn now(&mut self) -> Timestamp {
        self.second += 1;
        let second = BEGIN + i64::from(self.day) * DAY + self.second.min(DAY - 1);
        Timestamp::from_second(second).unwrap_or_default()
    }

    fn image(&mut self, repository: &str, image: &Built) {
        let created = self.now();
        let size = |layer: &Digest| {
            1_000 + u64::from(u16::from_le_bytes([layer.as_bytes()[0], layer.as_bytes()[1]]))
        };
        let layers =
            image.layers.iter().map(|layer| LayerLine { digest: *layer, size: Some(size(layer)) }).collect();
        self.lines.push_back(Line::Image(ImageLine {
            repository: repository.to_owned(),
            digest: image.digest,
            platform: image.platform(),
            media_type: None,
            config_digest: None,
            created: Some(created),
            layers,
            diff_ids: Vec::new(),
        }));
        self.images += 1;
    }

    fn set(&mut self, repository: &str, tag: String, version: &Version) {
        let manifest =
            |image: &Built| ManifestLine { platform: Some(image.platform()), digest: image.digest };
        let manifests = version.images.iter().map(manifest).collect();
        self.tag(repository, tag, "set", version.index, manifests);
    }

    fn gone(&mut self, repository: &str, tag: String) {
        self.tag(repository, tag, "gone", None, Vec::new());
    }

    fn tag(
        &mut self,
        repository: &str,
        tag: String,
        event: &str,
        index_digest: Option<Digest>,
        manifests: Vec<ManifestLine>,
    ) {
        let seen = self.now();
        let (repository, event) = (repository.to_owned(), event.to_owned());
        self.lines.push_back(Line::Tag(TagLine { seen, repository, tag, event, index_digest, manifests }));
    }
}

impl Iterator for History {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        while self.lines.is_empty() {
            if self.day >= self.shape.days {
                return None;
            }
            self.live();
        }
        self.lines.pop_front()
    }
}

#[cfg(test)]
mod tests;
