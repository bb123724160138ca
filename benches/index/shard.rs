//! What a change of a class costs in a shard of a million images.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use clade::index::NodeId;
use clade::oci::{ChainId, Digest, LayerChain, LayerIdentity, Platform};
use clade::record::catalog::{Following, ImageChain};
use clade::record::{
    CatalogRecord, ClassRecord, ImageRecord, Layer, ObjectReference, ReferenceKind, Timestamp, VersionRecord,
};
use clade::shard::{Change, Shard};

use crate::data::Data;
use crate::measure::resident;

pub(crate) fn run(data: &Data) {
    let before = resident();
    let begun = Instant::now();
    let mut shard = Shard::new(0, 1);
    for number in 0..data.images.len() {
        shard.apply(&Change::Image(Arc::new(image(data, number)))).unwrap();
    }
    shard.catch_up();
    let taken = begun.elapsed().as_secs_f64();
    let images = data.images.len();
    println!(
        "\na shard of {images} images: {:.0} images/s taken in, {} bytes an image resident (index, platform, \
         repositories, classification)",
        images as f64 / taken,
        (resident() - before) / images
    );
    let index = shard.index();
    let node = |number: usize| index.node(index.image(&data.images[number]).unwrap());
    let mut bases: Vec<(u32, NodeId, usize)> =
        (0..images).filter_map(|number| node(number).map(|node| (index.count(node), node, number))).collect();
    bases.sort_unstable();
    bases.dedup_by_key(|(_, node, _)| *node);
    let mut chosen: Vec<(u32, usize)> = Vec::new();
    for (count, _, number) in bases.iter().rev() {
        // From the most popular base down to a single image, each some ten times smaller than the one before.
        if chosen.last().is_none_or(|(before, _)| *count * 8 <= *before) {
            chosen.push((*count, *number));
        }
    }
    println!("a class created over it, then deleted:");
    for (members, number) in chosen.into_iter().rev() {
        let name = format!("class-{number}");
        let (created, effects) = timed(&mut shard, &class(&name, data, number));
        assert_eq!(effects, members as usize);
        let (deleted, effects) = timed(&mut shard, &gone(&name));
        assert_eq!(effects, members as usize);
        let a_member = |seconds: f64| seconds * 1e9 / f64::from(members);
        println!(
            "  {members:>7} members: created in {:>9.3} ms ({:.0} ns a member), deleted in {:>9.3} ms",
            created * 1e3,
            a_member(created),
            deleted * 1e3
        );
    }
    let unknown = ChainId::from(Digest::of(b"the chain of no image"));
    let begun = Instant::now();
    assert!(shard.index().find_chain(&unknown).is_none());
    println!(
        "a chain ID that is none's, looked for among all: {:.0} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );
}

fn timed(shard: &mut Shard, changes: &[Change]) -> (f64, usize) {
    let begun = Instant::now();
    for change in changes {
        shard.apply(change).unwrap();
    }
    let effects = shard.drain().len();
    (begun.elapsed().as_secs_f64(), effects)
}

fn image(data: &Data, number: usize) -> ImageRecord {
    ImageRecord {
        digest: data.images[number],
        sequence: number as u64,
        platform: Platform::default(),
        repositories: vec![format!("team/app-{}", number % 50_000)],
        media_type: None,
        config_digest: None,
        created: None,
        layer_identity: LayerIdentity::Blob,
        layers: data
            .layers(number)
            .iter()
            .map(|layer| Layer { digest: *layer, diff_id: None, size: None })
            .collect(),
        sources: Vec::new(),
        imported: false,
        claims: Vec::new(),
    }
}

fn class(name: &str, data: &Data, number: usize) -> [Change; 2] {
    let layers: Vec<Digest> = data.layers(number).to_vec();
    let chain_id = LayerChain::new(LayerIdentity::Blob, layers.iter().copied()).last().unwrap();
    let digest = data.images[number];
    let chain = ImageChain {
        digest,
        platform: Platform::default(),
        layer_identity: LayerIdentity::Blob,
        layers,
        chain_id,
        blobs: Vec::new(),
    };
    let version = VersionRecord {
        class: name.to_owned(),
        number: 0,
        digest,
        origin: clade::record::Origin::Observed,
        tag: None,
        since: Some(Timestamp::UNIX_EPOCH),
        built: None,
        images: vec![chain],
    };
    let class = ClassRecord {
        name: name.to_owned(),
        sequence: 1,
        generation: 1,
        labels: BTreeMap::new(),
        from: ObjectReference { kind: ReferenceKind::DockerImage, name: name.to_owned(), namespace: None },
        version_sources: clade::record::VersionSources::default(),
        versions: 1,
        current: Some(0),
        revision: 1,
        rebuild: None,
        following: Following { ready: true, reason: "Following".to_owned(), message: String::new() },
    };
    [CatalogRecord::ImageClassVersion(version), CatalogRecord::ImageClass(class)]
        .map(|record| Change::Catalog(record.key(), Some(Arc::new(record))))
}

fn gone(name: &str) -> [Change; 1] {
    [Change::Catalog(clade::record::CatalogKey::Class(name.to_owned()), None)]
}
