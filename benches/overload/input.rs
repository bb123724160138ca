//! Input without end, of which it is known what clade has to make: JSON lines in a folder that `clade run --from` looks at.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clade::oci::Digest;
use clade::record::Timestamp;
use serde_json::json;
use tokio::time::Instant;

const BASES: usize = 20;
const GROUPS: usize = 4;
/// Applications, each with one tag that moves to its newest image.
const APPLICATIONS: usize = 5_000;
/// Layers of a base, and of each image built on it beside these.
const LAYERS: (usize, usize) = (4, 7);
/// A base gets a new version with each tenth file.
const FILES_A_VERSION: usize = 10;
/// One image in so many is built on the version before.
const STALE: usize = 7;
/// 2026-01-01T00:00:00Z
const BEGIN: i64 = 1_767_225_600;

/// An image that was put in: its base, and the base's version.
#[derive(Clone, Copy)]
struct Built {
    base: usize,
    version: usize,
}

/// A file that clade has not taken in whole.
struct File {
    path: PathBuf,
    /// The images of this file and of all before it.
    images: u64,
    /// Applications' images of all files before it.
    before: u64,
    put: Instant,
}

/// All that was put in.
pub(crate) struct Input {
    dir: PathBuf,
    files: usize,
    built: Vec<Built>,
    /// The current version of each base.
    versions: Vec<usize>,
    waiting: VecDeque<File>,
    known: u64,
    /// For each file, the time until clade had all of its images.
    pub(crate) took: Vec<Duration>,
}

/// The image with this number.
pub(crate) fn digest(number: u64) -> Digest {
    Digest::of(format!("image {number}").as_bytes())
}

fn base_digest(base: usize, version: usize) -> Digest {
    Digest::of(format!("base {base} {version}").as_bytes())
}

pub(crate) fn class(base: usize) -> String {
    format!("base-{base:02}")
}

fn layers(base: usize, version: usize) -> Vec<Digest> {
    // The first layer never changes, as a distribution's root rarely does.
    let of = |layer: usize| {
        if layer == 0 { format!("root {base}") } else { format!("base {base} {version} {layer}") }
    };
    (0..LAYERS.0).map(|layer| Digest::of(of(layer).as_bytes())).collect()
}

impl Input {
    pub(crate) fn new(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        Self {
            dir: dir.to_owned(),
            files: 0,
            built: Vec::new(),
            versions: vec![0; BASES],
            waiting: VecDeque::new(),
            known: 0,
            took: Vec::new(),
        }
    }

    /// The classes, one a base, and the groups.
    pub(crate) fn declarations() -> String {
        let mut text = String::new();
        for base in 0..BASES {
            let (name, group) = (class(base), base % GROUPS);
            let _ = write!(
                text,
                "apiVersion: clade.dev/v1alpha1\nkind: ImageClass\nmetadata: {{name: {name}, labels: {{team: t{group}}}}}\n\
                 spec: {{from: {{kind: DockerImage, name: 'registry.example.com/base/{base}:1'}}}}\n---\n"
            );
        }
        for group in 0..GROUPS {
            let _ = write!(
                text,
                "apiVersion: clade.dev/v1alpha1\nkind: ImageClassGroup\nmetadata: {{name: team-{group}}}\n\
                 spec: {{selector: {{matchLabels: {{team: t{group}}}}}}}\n---\n"
            );
        }
        text
    }

    /// Applications' images that were put in.
    pub(crate) fn built(&self) -> u64 {
        self.built.len() as u64
    }

    /// Those of them that clade surely has. A sum over partitions says little about the newest ones.
    pub(crate) fn known(&self) -> u64 {
        self.known
    }

    /// All images that were put in, bases included.
    pub(crate) fn images(&self) -> u64 {
        self.built() + self.versions.iter().map(|version| *version as u64 + 1).sum::<u64>()
    }

    /// Files that clade has not taken in whole.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Puts a file with this many new images there. The first one has the bases.
    pub(crate) fn put(&mut self, count: usize) {
        let mut lines = String::new();
        if self.files == 0 {
            (0..BASES).for_each(|base| self.base(&mut lines, base));
        } else if self.files.is_multiple_of(FILES_A_VERSION) {
            let base = self.files / FILES_A_VERSION % BASES;
            self.versions[base] += 1;
            self.base(&mut lines, base);
        }
        for _ in 0..count {
            let number = self.built.len();
            let base = number % BASES;
            let age = usize::from((number / BASES).is_multiple_of(STALE));
            let version = self.versions[base].saturating_sub(age);
            self.built.push(Built { base, version });
            let own = (0..LAYERS.1).map(|layer| Digest::of(format!("own {number} {layer}").as_bytes()));
            let layers: Vec<Digest> = layers(base, version).into_iter().chain(own).collect();
            let repository = format!("registry.example.com/app/{}", number % APPLICATIONS);
            self.image(&mut lines, &repository, "latest", digest(number as u64), &layers);
        }
        let (hidden, path) =
            (self.dir.with_extension("next"), self.dir.join(format!("{:06}.jsonl", self.files)));
        std::fs::write(&hidden, lines).unwrap();
        std::fs::rename(hidden, &path).unwrap();
        self.files += 1;
        let (images, before) = (self.images(), self.built() - count as u64);
        self.waiting.push_back(File { path, images, before, put: Instant::now() });
    }

    fn base(&self, lines: &mut String, base: usize) {
        let version = self.versions[base];
        let repository = format!("registry.example.com/base/{base}");
        self.image(lines, &repository, "1", base_digest(base, version), &layers(base, version));
    }

    fn image(&self, lines: &mut String, repository: &str, tag: &str, digest: Digest, layers: &[Digest]) {
        let seen = Timestamp::from_second(BEGIN + i64::try_from(self.files).unwrap()).unwrap();
        let layers: Vec<_> = layers.iter().map(|layer| json!({"digest": layer, "size": 1_000_000})).collect();
        let image = json!({"repository": repository, "digest": digest, "created": seen, "layers": layers});
        let moved = json!({"seen": seen, "repository": repository, "tag": tag, "event": "set",
            "manifests": [{"digest": digest}]});
        let _ = writeln!(lines, "{image}\n{moved}");
    }

    /// Removes the files that are taken in, as far as clade's number of images tells.
    pub(crate) fn taken(&mut self, images: u64) {
        while let Some(file) = self.waiting.pop_front_if(|file| file.images <= images) {
            self.known = file.before;
            self.took.push(file.put.elapsed());
            std::fs::remove_file(file.path).unwrap();
        }
    }

    /// The class of each image, the version of the base in it, and `true` if that is the current one.
    pub(crate) fn truth(&self) -> HashMap<Digest, (String, Digest, bool)> {
        let standing = |base: usize, version: usize| {
            (class(base), base_digest(base, version), version == self.versions[base])
        };
        let built =
            (0..).zip(&self.built).map(|(number, of)| (digest(number), standing(of.base, of.version)));
        let versions = self.versions.iter().enumerate();
        let bases = versions.flat_map(|(base, last)| (0..=*last).map(move |version| (base, version)));
        built
            .chain(bases.map(|(base, version)| (base_digest(base, version), standing(base, version))))
            .collect()
    }

    /// The image of each tag, by the tag's full name.
    pub(crate) fn tags(&self) -> HashMap<String, Digest> {
        let latest = (0..self.built.len()).map(|number| {
            (format!("registry.example.com/app/{}:latest", number % APPLICATIONS), digest(number as u64))
        });
        let bases = self.versions.iter().enumerate().map(|(base, version)| {
            (format!("registry.example.com/base/{base}:1"), base_digest(base, *version))
        });
        latest.chain(bases).collect()
    }
}
