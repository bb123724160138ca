//! Random histories without faults: at every moment each answer is the oracle's.

use std::collections::BTreeSet;
use std::sync::Arc;

use clade::log::{TopicPartition, for_each};
use clade::query::{Filter, Page, Query, lineage};
use clade::record::{CatalogKey, CatalogRecord, ImageRecord, Topic, decode};
use clade::shard::{Change, Shard};

use crate::history::{publish, random_fact};
use crate::oracle::Oracle;
use crate::support::World;

/// Fewer, if `CLADE_SIM_HISTORIES` says so: where every mutant has to pass them.
const HISTORIES: u64 = 300;
const FACTS: usize = 60;

/// Runs histories by seed; a failure names the seed.
fn with_seeds(run: impl Fn(u64)) {
    let wanted = std::env::var("CLADE_SIM_HISTORIES").ok().map(|text| text.parse::<u64>().unwrap());
    for seed in 0..HISTORIES.min(wanted.unwrap_or(HISTORIES)) {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed))).is_err() {
            panic!("the history of seed {seed} fails");
        }
    }
}

#[test]
fn after_any_history_every_answer_is_the_one_of_the_oracle() {
    with_seeds(|seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut world, mut second) = (World::new(), 0);
        for _ in 0..FACTS {
            publish(&mut world.publisher, &random_fact(&mut random, &mut second)).unwrap();
            if random.u8(0..4) == 0 {
                world.process();
                check(&mut world);
            }
        }
        world.process();
        check(&mut world);
    });
}

fn check(world: &mut World) {
    let oracle = Oracle::of(&*world.log);
    oracle.check_outputs(&*world.log);
    let mut seen = BTreeSet::new();
    lineage::each(world.view.snapshot(), |line| {
        let bases: Vec<_> = line.bases.iter().map(|base| base.digest).collect();
        assert_eq!(bases, oracle.ancestors(&line.digest));
        assert_eq!(line.equivalents, oracle.equivalents(&line.digest));
        seen.insert(line.digest)
    });
    assert_eq!(seen, oracle.images.keys().copied().collect());
    for image in oracle.images.keys() {
        let query = Query::new(world.view.snapshot());
        let below = query.descendants(&image.to_string(), &Filter::default(), &Page::default()).unwrap();
        assert_eq!(below.iter().map(|item| item.digest).collect::<BTreeSet<_>>(), oracle.descendants(image));
    }
}

/// The shard alone: in which pieces its records come, and when it lays itself out anew, makes no difference.
#[test]
fn a_shard_comes_to_the_same_conclusions_however_its_records_are_divided_and_settled() {
    with_seeds(|seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut world, mut second) = (World::new(), 0);
        for _ in 0..FACTS {
            publish(&mut world.publisher, &random_fact(&mut random, &mut second)).unwrap();
        }
        world.process();
        let expected = Oracle::of(&*world.log).classifications();
        let mut found = 0;
        for partition in 0..world.log.partitions() {
            let mut shard = Shard::new(partition, world.log.partitions());
            for change in interleaved(&world, partition, &mut random) {
                shard.apply(&change).unwrap();
                if random.bool() {
                    match random.bool() {
                        true => drop(shard.drain()),
                        false => shard.catch_up(),
                    }
                    if random.bool() {
                        shard.settle();
                    }
                }
            }
            shard.drain();
            for image in shard.images() {
                assert_eq!(image.classification.map(|of| &**of), expected.get(&image.digest));
                found += usize::from(image.classification.is_some());
            }
        }
        assert_eq!(found, expected.len());
    });
}

/// The records of images and of the catalog, each in its order, mixed by chance.
fn interleaved(world: &World, partition: u16, random: &mut fastrand::Rng) -> Vec<Change> {
    let (mut images, mut catalog) = (Vec::new(), Vec::new());
    for_each(&*world.log, TopicPartition { topic: Topic::Images, partition }, |stored| {
        images.push(match decode::<ImageRecord>(&stored.record).unwrap() {
            Some(image) => Change::Image(Arc::new(image)),
            None => Change::ImageGone(stored.record.key.parse().unwrap()),
        });
    })
    .unwrap();
    for_each(&*world.log, TopicPartition { topic: Topic::Catalog, partition: 0 }, |stored| {
        let record = decode::<CatalogRecord>(&stored.record).unwrap().map(Arc::new);
        catalog.push(Change::Catalog(CatalogKey::parse(&stored.record.key).unwrap(), record));
    })
    .unwrap();
    let (mut images, mut catalog) = (images.into_iter().peekable(), catalog.into_iter().peekable());
    let mut all = Vec::new();
    while images.peek().is_some() || catalog.peek().is_some() {
        let first = if random.bool() { images.next().or_else(|| catalog.next()) } else { None };
        all.extend(first.or_else(|| catalog.next()).or_else(|| images.next()));
    }
    all
}
