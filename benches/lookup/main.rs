//! Look-ups of one image by its digest, by the number of partitions: `make bench-lookup`.
//!
//! The directory names the partition of an image. Beside it stands the way without one, which asks one partition after another,
//! and the look-up of a digest that no image has, for which every partition has to be asked. All in one run, interleaved; the
//! table shows the best of the rounds.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that fails should stop")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use clade::oci::{Digest, LayerIdentity, Platform};
use clade::query::Query;
use clade::record::{ImageRecord, Layer, ProgressRecord, partition_of};
use clade::shard::{Change, Shard};
use clade::view::{Replica, View};

const PARTITIONS: [u16; 3] = [1, 16, 256];
const IMAGES: u32 = 200_000;
const LOOKUPS: u32 = 100_000;
const ROUNDS: usize = 5;
/// Steps through the images in an order that no cache foresees: prime to their number.
const STRIDE: u32 = 104_729;

fn main() {
    let images: Vec<ImageRecord> = (0..IMAGES).map(image).collect();
    let views: Vec<Arc<View>> = PARTITIONS.iter().map(|partitions| view(&images, *partitions)).collect();
    let known = |step: u32| images[(step.wrapping_mul(STRIDE) % IMAGES) as usize].digest;
    let unknown = |step: u32| Digest::of(format!("nobody's {step}").as_bytes());
    let mut best = [[0.0_f64; 4]; PARTITIONS.len()];
    for _ in 0..ROUNDS {
        for (view, best) in views.iter().zip(&mut best) {
            let locate = |digest: Digest| view.snapshot().locate(&digest).is_some();
            let in_turn =
                |digest: Digest| view.snapshot().shards().any(|shard| shard.index().image(&digest).is_some());
            let explain = |digest: Digest| Query::new(view.snapshot()).explain(&digest.to_string()).is_ok();
            let measured = [
                rate(LOOKUPS, |step| locate(known(step)), true),
                rate(LOOKUPS, |step| explain(known(step)), true),
                rate(LOOKUPS / 10, |step| in_turn(known(step)), true),
                rate(LOOKUPS / 10, |step| locate(unknown(step)), false),
            ];
            best.iter_mut().zip(measured).for_each(|(best, measured)| *best = best.max(measured));
        }
    }
    println!("look-ups a second of {IMAGES} images, one thread, best of {ROUNDS} rounds");
    println!(
        "| partitions | by the directory | clade explain | one partition after another | of an unknown digest |"
    );
    println!("|---|---|---|---|---|");
    for (partitions, [located, explained, in_turn, unknown]) in PARTITIONS.iter().zip(best) {
        println!("| {partitions} | {located:.0} | {explained:.0} | {in_turn:.0} | {unknown:.0} |");
    }
}

fn rate(times: u32, lookup: impl Fn(u32) -> bool, expected: bool) -> f64 {
    let begun = Instant::now();
    for step in 0..times {
        assert_eq!(black_box(lookup(step)), expected);
    }
    f64::from(times) / begun.elapsed().as_secs_f64()
}

/// An image on one of a hundred bases of three layers, with two layers of its own.
fn image(number: u32) -> ImageRecord {
    let layer = |name: String| Layer { digest: Digest::of(name.as_bytes()), diff_id: None, size: None };
    let base = number % 100;
    let layers = (0..3).map(|at| layer(format!("base {base} {at}")));
    let own = (0..2).map(|at| layer(format!("own {number} {at}")));
    ImageRecord {
        digest: Digest::of(&number.to_be_bytes()),
        sequence: u64::from(number),
        platform: Platform::default(),
        repositories: vec![format!("team/app-{}", number % 5_000)],
        media_type: None,
        config_digest: None,
        created: None,
        layer_identity: LayerIdentity::Blob,
        layers: layers.chain(own).collect(),
        sources: Vec::new(),
        imported: false,
        claims: Vec::new(),
    }
}

fn view(images: &[ImageRecord], partitions: u16) -> Arc<View> {
    let mut shards: Vec<Shard> = (0..partitions).map(|partition| Shard::new(partition, partitions)).collect();
    for image in images {
        let partition = partition_of(&image.digest, &image.chain(), partitions);
        shards[usize::from(partition)].apply(&Change::Image(Arc::new(image.clone()))).unwrap();
    }
    let view = Arc::new(View::new(partitions));
    for (partition, mut shard) in (0..).zip(shards) {
        shard.catch_up();
        let mut replica = Replica::new(Arc::clone(&view), partition, shard);
        replica.publish_restored(ProgressRecord::beginning(partition, partitions));
    }
    view
}
