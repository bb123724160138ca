//! Taking one data set in with one contender, and asking it.

use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use clade::index::ChainIndex;
use serde::{Deserialize, Serialize};

use crate::contenders::{Index, Maps, Tree};
use crate::data::Data;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Maps,
    Tree,
    Clade,
}

impl Contender {
    pub(crate) const ALL: [Self; 3] = [Self::Maps, Self::Tree, Self::Clade];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Maps => "maps",
            Self::Tree => "tree",
            Self::Clade => "clade",
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Maps => "the proposal's two maps",
            Self::Tree => "one node a layer",
            Self::Clade => "clade's chain index",
        })
    }
}

impl FromStr for Contender {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|of| of.name() == text).ok_or_else(|| text.to_owned())
    }
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    images: usize,
    layers: f64,
    /// Images a second.
    inserts: f64,
    removes: Option<f64>,
    /// Bytes an image: by the system's account and by its own.
    resident: f64,
    counted: Option<f64>,
    descendants: usize,
    /// Nanoseconds an image: right after the inserts, and once settled; with its digest, and its number alone.
    descent: f64,
    walk: Option<f64>,
    settled_descent: Option<f64>,
    settled_walk: Option<f64>,
    settled_resident: Option<f64>,
    settling: Option<f64>,
    /// Nanoseconds an image asked about.
    ancestry: f64,
}

impl Figures {
    pub(crate) fn best_of(self, other: Self) -> Self {
        let faster = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a.max(b));
        let lower = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a.min(b));
        Self {
            inserts: self.inserts.max(other.inserts),
            removes: faster(self.removes, other.removes),
            resident: self.resident.min(other.resident),
            descent: self.descent.min(other.descent),
            walk: lower(self.walk, other.walk),
            settled_walk: lower(self.settled_walk, other.settled_walk),
            settled_descent: lower(self.settled_descent, other.settled_descent),
            settled_resident: lower(self.settled_resident, other.settled_resident),
            settling: lower(self.settling, other.settling),
            ancestry: self.ancestry.min(other.ancestry),
            ..self
        }
    }
}

pub(crate) fn run(contender: Contender, data: &Data) -> Figures {
    match contender {
        Contender::Maps => measure::<Maps>(data),
        Contender::Tree => measure::<Tree>(data),
        Contender::Clade => measure::<ChainIndex>(data),
    }
}

fn measure<I: Index>(data: &Data) -> Figures {
    let images = data.images.len();
    let an_image = |bytes: usize| bytes as f64 / images as f64;
    let base = data.popular_base;
    let before = resident();
    let begun = Instant::now();
    let mut index = I::default();
    for (number, image) in data.images.iter().enumerate() {
        index.insert(image, data.layers(number));
    }
    let inserts = images as f64 / begun.elapsed().as_secs_f64();
    let resident_after = an_image(resident() - before);
    let counted = index.bytes().map(an_image);
    let (descendants, descent) = descend(&index, data, base);
    let walk = walk(&index, data, base);
    let ancestry = ascend(&index, data);
    let begun = Instant::now();
    let is_settled = index.settle();
    let settling = is_settled.then(|| begun.elapsed().as_secs_f64());
    let settled_descent = is_settled.then(|| descend(&index, data, base).1);
    let settled_walk = self::walk(&index, data, base).filter(|_| is_settled);
    let settled_resident = index.bytes().filter(|_| is_settled).map(an_image);
    let begun = Instant::now();
    let removed = data.images.iter().filter(|image| index.remove(image)).count();
    let removes = (removed == images).then(|| images as f64 / begun.elapsed().as_secs_f64());
    Figures {
        images,
        layers: (0..images).map(|image| data.layers(image).len()).sum::<usize>() as f64 / images as f64,
        inserts,
        removes,
        resident: resident_after,
        counted,
        descendants,
        descent,
        walk,
        settled_descent,
        settled_walk,
        settled_resident,
        settling,
        ancestry,
    }
}

/// Walks the popular base's descendants until it has taken long enough to tell; nanoseconds an image.
fn descend(index: &impl Index, data: &Data, base: usize) -> (usize, f64) {
    let mut best = f64::MAX;
    let mut count = 0;
    for _ in 0..5 {
        let (mut images, mut sum) = (0, 0_u64);
        let begun = Instant::now();
        index.descendants(&data.images[base], data.layers(base), |image| {
            images += 1;
            sum = sum.wrapping_add(u64::from(image.as_bytes()[0]));
        });
        std::hint::black_box(sum);
        best = best.min(begun.elapsed().as_nanos() as f64 / images as f64);
        count = images;
    }
    (count, best)
}

/// The same without the digests.
fn walk(index: &impl Index, data: &Data, base: usize) -> Option<f64> {
    (0..5)
        .filter_map(|_| {
            let begun = Instant::now();
            let images = std::hint::black_box(index.count(&data.images[base]))?;
            Some(begun.elapsed().as_nanos() as f64 / images as f64)
        })
        .min_by(f64::total_cmp)
}

fn ascend(index: &impl Index, data: &Data) -> f64 {
    let asked = data.images.len().min(100_000);
    let mut sum = 0_u64;
    let begun = Instant::now();
    for (number, image) in data.images[..asked].iter().enumerate() {
        index.ancestors(image, data.layers(number), |above| {
            sum = sum.wrapping_add(u64::from(above.as_bytes()[0]));
        });
    }
    std::hint::black_box(sum);
    begun.elapsed().as_nanos() as f64 / asked as f64
}

/// The memory of this process, in bytes (proc(5), `statm`).
pub(crate) fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

pub(crate) fn print(title: &str, figures: &[Option<Figures>]) {
    let Some(first) = figures.iter().flatten().next() else { return };
    println!(
        "\n{title}: {} images of {:.1} layers, in no order; the most popular base has {} descendants",
        first.images, first.layers, first.descendants
    );
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header([
        "",
        "inserts/s",
        "removes/s",
        "B/image resident",
        "counted",
        "settled",
        "ns/descendant",
        "number alone",
        "settled",
        "number alone",
        "ns/image's ancestors",
        "s to settle",
    ]);
    let told = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.1}"));
    let rate = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.0}"));
    for (contender, figures) in Contender::ALL.iter().zip(figures) {
        let Some(of) = figures else { continue };
        table.add_row([
            contender.to_string(),
            rate(Some(of.inserts)),
            rate(of.removes),
            rate(Some(of.resident)),
            rate(of.counted),
            rate(of.settled_resident),
            told(Some(of.descent)),
            told(of.walk),
            told(of.settled_descent),
            told(of.settled_walk),
            rate(Some(of.ancestry)),
            told(of.settling),
        ]);
    }
    println!("{table}");
}
