//! The base, language and framework images, version by version.

use super::registry::{Plan, platform};
use crate::oci::Digest;

/// One version of a stream.
#[derive(Clone)]
pub(super) struct Version {
    /// Digest of the image index; none for a single platform.
    pub(super) index: Option<Digest>,
    pub(super) images: Vec<Built>,
}

/// One platform's image.
#[derive(Clone)]
pub(super) struct Built {
    pub(super) architecture: &'static str,
    pub(super) digest: Digest,
    pub(super) layers: Vec<Digest>,
}

/// A stream as it stands on a day.
pub(super) struct Stream {
    pub(super) plan: &'static Plan,
    /// The version before the current one, and that one.
    pub(super) versions: Vec<Version>,
    /// The day on which it is published next.
    pub(super) due: u32,
}

impl Stream {
    pub(super) fn current(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// The image for amd64 of the current version or, for a build with an old cache, of the one before.
    pub(super) fn image_for_build(&self, is_stale: bool) -> Option<&Built> {
        let version = if is_stale { self.versions.first() } else { self.versions.last() };
        version?.images.first()
    }

    /// Adds a version; only the last two are kept.
    pub(super) fn publish(&mut self, version: Version) {
        if self.versions.len() > 1 {
            self.versions.remove(0);
        }
        self.versions.push(version);
    }
}

/// Digests that nobody else gets: of the seed and a number.
pub(super) struct Digests {
    seed: u64,
    next: u64,
}

impl Digests {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    pub(super) fn next(&mut self) -> Digest {
        self.next += 1;
        let mut content = [0; 16];
        content[..8].copy_from_slice(&self.seed.to_le_bytes());
        content[8..].copy_from_slice(&self.next.to_le_bytes());
        Digest::of(&content)
    }

    /// An image of these layers and so many more.
    pub(super) fn build(&mut self, architecture: &'static str, below: &[Digest], more: usize) -> Built {
        let mut layers = below.to_vec();
        layers.extend((0..more).map(|_| self.next()));
        Built { architecture, digest: self.next(), layers }
    }

    /// A version of `plan` on `parent`, with the same number of own layers for each platform.
    pub(super) fn version(&mut self, plan: &Plan, parent: Option<&Version>, more: usize) -> Version {
        let below = |architecture: &str| {
            parent.and_then(|parent| parent.images.iter().find(|image| image.architecture == architecture))
        };
        let images: Vec<Built> = plan
            .architectures
            .iter()
            .map(|architecture| {
                let below = below(architecture).map_or(&[][..], |image| &image.layers);
                self.build(architecture, below, more)
            })
            .collect();
        Version { index: (images.len() > 1).then(|| self.next()), images }
    }
}

impl Built {
    pub(super) fn platform(&self) -> crate::oci::Platform {
        platform(self.architecture)
    }
}
