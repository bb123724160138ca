//! A generated history, as lines for clade and as numbers for the others.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use clade::oci::Digest;
use clade::source::generated::{History, Shape};
use clade::source::line::Line;

/// Classes with the tags that they follow.
pub(crate) const CLASSES: [(&str, &str); 7] = [
    ("rhel7", "base/rhel7:latest"),
    ("debian9", "base/debian:stretch"),
    ("alpine37", "base/alpine:3.7"),
    ("ubuntu1604", "base/ubuntu:16.04"),
    ("openjdk8", "lang/openjdk:8"),
    ("nodejs8", "lang/nodejs:8"),
    ("python36", "lang/python:3.6"),
];

/// The questions that all three answer.
pub(crate) const SAME: [&str; 4] = [
    "100 tags on an outdated version of rhel7",
    "how many images are on each class, and how many outdated",
    "100 descendants of a version of rhel7",
    "ancestors of an image",
];

/// The history.
pub(crate) struct Data {
    pub(crate) digests: Vec<Digest>,
    /// The layers of each image, numbered.
    pub(crate) layers: Vec<Vec<u32>>,
    pub(crate) repositories: Vec<String>,
    /// The present images of each tag.
    pub(crate) tags: BTreeMap<String, Vec<u32>>,
    pub(crate) moves: u64,
    /// The versions of each class, oldest first, each with its images.
    pub(crate) versions: Vec<Vec<Vec<u32>>>,
}

impl Data {
    pub(crate) fn generate(images: u64, into: &Path) -> Self {
        std::fs::create_dir_all(into).unwrap();
        let file = |name: &str| BufWriter::new(File::create(into.join(name)).unwrap());
        let (mut image_lines, mut tag_lines) = (file("images.jsonl"), file("tags.jsonl"));
        let (mut numbers, mut layer_numbers) = (HashMap::new(), HashMap::new());
        let mut data = Self {
            digests: Vec::new(),
            layers: Vec::new(),
            repositories: Vec::new(),
            tags: BTreeMap::new(),
            moves: 0,
            versions: vec![Vec::new(); CLASSES.len()],
        };
        for line in History::new(Shape { seed: 7, images, days: 365 }) {
            let to = match &line {
                Line::Image(image) => {
                    numbers.insert(image.digest, data.digests.len() as u32);
                    data.digests.push(image.digest);
                    data.repositories.push(image.repository.clone());
                    let mut number = |layer: &Digest| {
                        let next = layer_numbers.len() as u32;
                        *layer_numbers.entry(*layer).or_insert(next)
                    };
                    data.layers.push(image.layers.iter().map(|layer| number(&layer.digest)).collect());
                    &mut image_lines
                }
                Line::Tag(tag) => {
                    let name = format!("{}:{}", tag.repository, tag.tag);
                    let images: Vec<u32> =
                        tag.manifests.iter().filter_map(|of| numbers.get(&of.digest).copied()).collect();
                    if let Some(class) = CLASSES.iter().position(|(_, followed)| *followed == name) {
                        data.versions[class].push(images.clone());
                    }
                    data.moves += 1;
                    data.tags.insert(name, images);
                    &mut tag_lines
                }
                Line::Claim(_) | Line::Version(_) => continue,
            };
            serde_json::to_writer(&mut *to, &line).unwrap();
            to.write_all(b"\n").unwrap();
        }
        image_lines.flush().unwrap();
        tag_lines.flush().unwrap();
        data
    }

    /// Some images, from all over the history.
    pub(crate) fn some(&self, count: usize) -> impl Iterator<Item = u32> {
        let step = (self.digests.len() / count).max(1);
        (0..self.digests.len() as u32).step_by(step).take(count)
    }

    /// The last version of the first class but one: an outdated one.
    pub(crate) fn outdated_base(&self) -> u32 {
        let versions = &self.versions[0];
        versions[versions.len().saturating_sub(2)][0]
    }
}
