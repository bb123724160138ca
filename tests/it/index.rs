//! The chain index against a list of images that is searched from the beginning for every answer.

use std::collections::{BTreeMap, BTreeSet};

use clade::index::{ChainIndex, Change, IndexError, MAX_LAYERS, NodeId};
use clade::oci::{Digest, LayerChain, LayerIdentity};
use proptest::prelude::*;

use crate::support::digest;

/// Every image and its chain.
type Model = BTreeMap<Digest, LayerChain>;

#[derive(Debug, Clone)]
enum Step {
    Insert(u8, LayerChain),
    Remove(u8),
    Pin(LayerChain),
    Unpin(usize),
    Settle,
}

fn chains() -> impl Strategy<Value = LayerChain> {
    let identity = prop_oneof![9 => Just(LayerIdentity::Blob), 1 => Just(LayerIdentity::DiffId)];
    // Three layers in every order and repetition: chains share beginnings all the time.
    (identity, prop::collection::vec(0..3_u8, 0..7)).prop_map(|(identity, layers)| {
        LayerChain::new(identity, layers.into_iter().map(|layer| digest(&format!("layer {layer}"))))
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..20_u8, chains()).prop_map(|(image, chain)| Step::Insert(image, chain)),
        4 => (0..20_u8).prop_map(Step::Remove),
        1 => chains().prop_map(Step::Pin),
        1 => any::<usize>().prop_map(Step::Unpin),
        1 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..60)
}

fn name(image: u8) -> Digest {
    digest(&format!("image {image}"))
}

#[derive(Default)]
struct Both {
    index: ChainIndex,
    model: Model,
    pins: Vec<(LayerChain, NodeId)>,
}

impl Both {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Insert(image, chain) => {
                let inserted = self.index.insert(name(*image), chain).unwrap();
                let expected = match self.model.insert(name(*image), chain.clone()) {
                    None => Change::Added,
                    Some(before) if before.layers().is_empty() && chain.layers().is_empty() => {
                        Change::Unchanged
                    }
                    Some(before) if before == *chain => Change::Unchanged,
                    Some(_) => Change::Moved,
                };
                assert_eq!(inserted.change, expected);
            }
            Step::Remove(image) => {
                let removed = self.index.remove(&name(*image)).is_some();
                assert_eq!(removed, self.model.remove(&name(*image)).is_some());
            }
            Step::Pin(chain) => {
                self.pins.extend(self.index.pin(chain).unwrap().map(|node| (chain.clone(), node)));
            }
            Step::Unpin(which) => {
                if !self.pins.is_empty() {
                    let (_, node) = self.pins.swap_remove(which % self.pins.len());
                    self.index.unpin(node);
                }
            }
            Step::Settle => {
                let renumbering = self.index.settle();
                for (_, node) in &mut self.pins {
                    *node = renumbering.node(*node);
                }
            }
        }
    }

    fn images_with(&self, holds: impl Fn(&LayerChain) -> bool) -> BTreeSet<Digest> {
        self.model.iter().filter(|(_, chain)| holds(chain)).map(|(image, _)| *image).collect()
    }

    fn at(&self, nodes: impl Iterator<Item = NodeId>) -> BTreeSet<Digest> {
        let images = nodes.flat_map(|node| self.index.images_at(node));
        images.map(|image| *self.index.digest(image)).collect()
    }

    /// Everything that can be asked is what the model says.
    fn check(&self) {
        assert_eq!(self.index.len(), self.model.len());
        let all: BTreeSet<Digest> = self.index.images().map(|image| *self.index.digest(image)).collect();
        assert_eq!(all, self.images_with(|_| true));
        for (image, chain) in &self.model {
            self.check_image(image, chain);
        }
        for (chain, node) in &self.pins {
            assert_eq!(self.index.find(chain), Some(*node), "a pinned chain stays");
        }
    }

    fn check_image(&self, image: &Digest, chain: &LayerChain) {
        let Some(node) = self.index.node(self.index.image(image).unwrap()) else {
            assert!(chain.layers().is_empty());
            return;
        };
        let same_kind = |other: &LayerChain| other.identity() == chain.identity();
        let is_below = |other: &LayerChain| same_kind(other) && other.layers().starts_with(chain.layers());
        let is_above = |other: &LayerChain| {
            same_kind(other)
                && !other.layers().is_empty()
                && other.layers().len() < chain.layers().len()
                && chain.layers().starts_with(other.layers())
        };
        assert_eq!(self.index.layers(node), chain.layers());
        assert_eq!(self.index.identity(node), chain.identity());
        assert_eq!(self.index.depth(node) as usize, chain.layers().len());
        assert_eq!(self.at(std::iter::once(node)), self.images_with(|other| other == chain), "equivalents");
        assert_eq!(self.at(self.index.ancestors(node)), self.images_with(is_above), "ancestors");
        let depths: Vec<u32> = self.index.ancestors(node).map(|above| self.index.depth(above)).collect();
        assert!(depths.is_sorted_by(|a, b| a > b), "nearest first");
        let below: Vec<_> = self.index.subtree_images(node).collect();
        let digests: BTreeSet<Digest> = below.iter().map(|image| *self.index.digest(*image)).collect();
        assert_eq!(digests.len(), below.len(), "no descendant twice");
        assert_eq!(digests, self.images_with(is_below), "descendants");
        assert_eq!(self.index.count(node) as usize, below.len());
        for (depth, id) in (1..).zip(chain.chain_ids()) {
            // Under one ID there may be a chain of blobs and one of diff IDs, of the same texts.
            let position = self.index.find_chain(&id).unwrap();
            assert_eq!(position.depth, depth);
            assert_eq!(self.index.layers(position.node)[..depth as usize], chain.layers()[..depth as usize]);
        }
        // The tree is compressed: a node is there for an image, for a pin, or because it divides.
        for above in self.index.ancestors(node) {
            let is_needed = self.index.images_at(above).next().is_some()
                || self.pins.iter().any(|(_, pinned)| *pinned == above)
                || self.index.children(above).count() > 1;
            assert!(is_needed, "a node that nobody needs");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_answers_as_a_list_of_all_images_does_after_any_history(steps in steps()) {
        let mut both = Both::default();
        for step in &steps {
            both.take(step);
            both.check();
        }
    }

    #[test]
    fn an_index_from_which_everything_was_taken_out_is_empty_and_holds_on_to_nothing(steps in steps()) {
        let mut both = Both::default();
        for step in &steps {
            both.take(step);
        }
        for (_, node) in both.pins.drain(..) {
            both.index.unpin(node);
        }
        let model = std::mem::take(&mut both.model);
        for image in model.keys() {
            both.index.remove(image);
        }
        prop_assert!(both.index.is_empty());
        for chain in model.values() {
            prop_assert_eq!(both.index.find(chain), None);
            prop_assert!(chain.chain_ids().all(|id| both.index.find_chain(&id).is_none()));
        }
        both.index.settle();
        prop_assert_eq!(both.index.memory().segments, 0);
    }
}

#[test]
fn an_image_with_more_layers_than_the_index_takes_is_refused_and_changes_nothing() {
    let mut index = ChainIndex::default();
    let layers =
        |count: usize| LayerChain::new(LayerIdentity::Blob, (0..count).map(|n| digest(&n.to_string())));
    assert_eq!(
        index.insert(name(1), &layers(MAX_LAYERS + 1)).unwrap_err(),
        IndexError::TooManyLayers(MAX_LAYERS + 1)
    );
    assert!(index.is_empty());
    index.insert(name(1), &layers(MAX_LAYERS)).unwrap();
    index.insert(name(2), &layers(MAX_LAYERS / 2)).unwrap();
    let node = index.node(index.image(&name(2)).unwrap()).unwrap();
    assert_eq!(index.count(node), 2);
}

#[test]
fn numbers_and_layers_of_images_that_are_gone_are_used_again() {
    let mut index = ChainIndex::default();
    let mut taken = Vec::new();
    for round in 0..20_u32 {
        for image in 0..100_u8 {
            let layers = (0..5).map(|layer| digest(&format!("{round} {image} {layer}")));
            index.insert(name(image), &LayerChain::new(LayerIdentity::Blob, layers)).unwrap();
        }
        taken.push(index.memory().total());
        (0..100).for_each(|image| assert!(index.remove(&name(image)).is_some()));
    }
    // How full the tables get depends on the seed of their hash.
    assert!(taken[19] < taken[1] * 3 / 2, "it grows although nothing stays: {taken:?}");
}
