//! What is taken in.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clade::index::ChainIndex;
use clade::oci::{Digest, LayerChain, LayerIdentity};
use clade::source::generated::{History, Shape};
use clade::source::line::{ImageLine, Line};

/// The data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// Ten copies of the real images, each with digests of its own.
    Real,
    /// A million generated images; few versions of the bases, so that one has more than 250,000 descendants.
    Generated,
}

const COPIES: u8 = 10;
const GENERATED: u64 = 1_000_000;
const DAYS: u32 = 45;
const SEED: u64 = 7;

impl Set {
    pub(crate) const ALL: [Self; 2] = [Self::Real, Self::Generated];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Generated => "generated",
        }
    }

    fn file(self) -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name())
    }

    pub(crate) fn is_there(self) -> bool {
        self == Self::Generated || real_images().exists()
    }
}

impl FromStr for Set {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|set| set.name() == text).ok_or_else(|| text.to_owned())
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "ten salted copies of the real images",
            Self::Generated => "a million generated images",
        })
    }
}

/// Images and their non-empty layers.
#[derive(Default)]
pub(crate) struct Data {
    pub(crate) images: Vec<Digest>,
    /// The image with the most descendants.
    pub(crate) popular_base: usize,
    ends: Vec<usize>,
    layers: Vec<Digest>,
}

impl Data {
    /// Makes the set and keeps it in a file: a child that made it itself would have freed memory left over from that,
    /// and what an index takes of it would not show.
    pub(crate) fn prepare(set: Set) {
        let data = match set {
            Set::Real => Self::real(),
            Set::Generated => Self::generated(),
        }
        .shuffled();
        let mut file = BufWriter::new(File::create(set.file()).unwrap());
        file.write_all(&(data.images.len() as u64).to_le_bytes()).unwrap();
        file.write_all(&(data.layers.len() as u64).to_le_bytes()).unwrap();
        file.write_all(&(data.find_popular_base() as u64).to_le_bytes()).unwrap();
        for (image, end) in data.images.iter().zip(&data.ends) {
            file.write_all(image.as_bytes()).unwrap();
            file.write_all(&(*end as u64).to_le_bytes()).unwrap();
        }
        for layer in &data.layers {
            file.write_all(layer.as_bytes()).unwrap();
        }
        file.flush().unwrap();
    }

    /// The set as it was prepared.
    pub(crate) fn load(set: Set) -> Self {
        let mut file = BufReader::new(File::open(set.file()).unwrap());
        let images = number(&mut file);
        let layers = number(&mut file);
        let popular_base = number(&mut file);
        let mut data = Self {
            images: Vec::with_capacity(images),
            popular_base,
            ends: Vec::with_capacity(images),
            layers: Vec::with_capacity(layers),
        };
        for _ in 0..images {
            data.images.push(Digest::from_bytes(bytes(&mut file)));
            data.ends.push(number(&mut file));
        }
        data.layers.extend((0..layers).map(|_| Digest::from_bytes(bytes(&mut file))));
        data
    }

    fn find_popular_base(&self) -> usize {
        let mut index = ChainIndex::default();
        for (number, image) in self.images.iter().enumerate() {
            index.insert_layers(*image, LayerIdentity::Blob, self.layers(number)).unwrap();
        }
        let count = |image: &usize| {
            index.node(index.image(&self.images[*image]).unwrap()).map_or(0, |node| index.count(node))
        };
        (0..self.images.len()).max_by_key(count).unwrap()
    }

    pub(crate) fn layers(&self, image: usize) -> &[Digest] {
        let begin = image.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.layers[begin..self.ends[image]]
    }

    fn push(&mut self, image: Digest, layers: impl IntoIterator<Item = Digest>) {
        self.images.push(image);
        self.layers.extend_from_slice(LayerChain::new(LayerIdentity::Blob, layers).layers());
        self.ends.push(self.layers.len());
    }

    fn real() -> Self {
        let file = File::open(real_images()).unwrap();
        let lines = BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines();
        let images: Vec<ImageLine> =
            lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        let mut data = Self::default();
        let mut seen = std::collections::HashSet::new();
        for image in images.iter().filter(|image| seen.insert(image.digest)) {
            for copy in 0..COPIES {
                data.push(
                    salted(&image.digest, copy),
                    image.layers.iter().map(|layer| salted(&layer.digest, copy)),
                );
            }
        }
        data
    }

    fn generated() -> Self {
        let mut data = Self::default();
        for line in History::new(Shape { seed: SEED, images: GENERATED, days: DAYS }) {
            if let Line::Image(image) = line {
                data.push(image.digest, image.layers.iter().map(|layer| layer.digest));
            }
        }
        data
    }

    /// In no order: a registry that is listed does not tell bases before what is built on them.
    fn shuffled(self) -> Self {
        let mut order: Vec<usize> = (0..self.images.len()).collect();
        fastrand::Rng::with_seed(SEED).shuffle(&mut order);
        let mut shuffled = Self::default();
        for image in order {
            shuffled.images.push(self.images[image]);
            shuffled.layers.extend_from_slice(self.layers(image));
            shuffled.ends.push(shuffled.layers.len());
        }
        shuffled
    }
}

fn bytes<const N: usize>(file: &mut impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).unwrap();
    bytes
}

fn number(file: &mut impl Read) -> usize {
    usize::try_from(u64::from_le_bytes(bytes(file))).unwrap()
}

fn salted(digest: &Digest, copy: u8) -> Digest {
    let mut bytes = *digest.as_bytes();
    for byte in &mut bytes {
        *byte ^= copy.wrapping_mul(0x3b);
    }
    Digest::from_bytes(bytes)
}

fn real_images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/images.jsonl.gz")
}
