//! What is compared.

use std::collections::HashMap;

use clade::index::{ChainIndex, ImageId};
use clade::oci::{Digest, LayerChain, LayerIdentity};

/// Something that knows what is built on what.
pub(crate) trait Index: Default {
    fn insert(&mut self, image: &Digest, layers: &[Digest]);
    /// Calls `visit` with every image that contains all layers of this one.
    fn descendants(&self, image: &Digest, layers: &[Digest], visit: impl FnMut(&Digest));
    /// Calls `visit` with every image whose layers are a proper prefix of these.
    fn ancestors(&self, image: &Digest, layers: &[Digest], visit: impl FnMut(&Digest));
    /// Walks the same images without looking at their digests, if it can.
    fn count(&self, _image: &Digest) -> Option<usize> {
        None
    }
    /// Lays itself out anew, if it can.
    fn settle(&mut self) -> bool {
        false
    }
    /// Takes the image out, if it can.
    fn remove(&mut self, _image: &Digest) -> bool {
        false
    }
    /// The bytes that it says it takes.
    fn bytes(&self) -> Option<usize> {
        None
    }
}

/// The proposal's design told naively: chain IDs as texts, each with the images that contain it, and again with those
/// that end there.
#[derive(Default)]
pub(crate) struct Maps {
    chain_index: HashMap<String, Vec<String>>,
    last_chain_index: HashMap<String, Vec<String>>,
}

impl Maps {
    fn chains(layers: &[Digest]) -> Vec<String> {
        LayerChain::new(LayerIdentity::Blob, layers.iter().copied())
            .chain_ids()
            .map(|id| id.to_string())
            .collect()
    }
}

impl Index for Maps {
    fn insert(&mut self, image: &Digest, layers: &[Digest]) {
        let chains = Self::chains(layers);
        let image = image.to_string();
        if let Some(last) = chains.last() {
            self.last_chain_index.entry(last.clone()).or_default().push(image.clone());
        }
        for chain in chains {
            self.chain_index.entry(chain).or_default().push(image.clone());
        }
    }

    fn descendants(&self, _: &Digest, layers: &[Digest], mut visit: impl FnMut(&Digest)) {
        let last = Self::chains(layers).pop().unwrap();
        for image in &self.chain_index[&last] {
            visit(&image.parse().unwrap());
        }
    }

    fn ancestors(&self, _: &Digest, layers: &[Digest], mut visit: impl FnMut(&Digest)) {
        for chain in Self::chains(layers).iter().rev().skip(1) {
            for image in self.last_chain_index.get(chain).into_iter().flatten() {
                visit(&image.parse().unwrap());
            }
        }
    }
}

/// A tree with a node for each layer.
#[derive(Default)]
pub(crate) struct Tree {
    nodes: Vec<TreeNode>,
    children: HashMap<(u32, Digest), u32, foldhash::fast::RandomState>,
    node_of: HashMap<Digest, u32, foldhash::fast::RandomState>,
}

#[derive(Default)]
struct TreeNode {
    parent: u32,
    children: Vec<u32>,
    images: Vec<Digest>,
}

impl Index for Tree {
    fn insert(&mut self, image: &Digest, layers: &[Digest]) {
        if self.nodes.is_empty() {
            self.nodes.push(TreeNode::default());
        }
        let mut at = 0;
        for layer in layers {
            let next = u32::try_from(self.nodes.len()).unwrap();
            let child = *self.children.entry((at, *layer)).or_insert(next);
            if child == next {
                self.nodes.push(TreeNode { parent: at, ..TreeNode::default() });
                self.nodes[at as usize].children.push(child);
            }
            at = child;
        }
        self.nodes[at as usize].images.push(*image);
        self.node_of.insert(*image, at);
    }

    fn descendants(&self, image: &Digest, _: &[Digest], mut visit: impl FnMut(&Digest)) {
        let mut open = vec![self.node_of[image]];
        while let Some(node) = open.pop() {
            let node = &self.nodes[node as usize];
            node.images.iter().for_each(&mut visit);
            open.extend_from_slice(&node.children);
        }
    }

    fn ancestors(&self, image: &Digest, _: &[Digest], mut visit: impl FnMut(&Digest)) {
        let mut at = self.nodes[self.node_of[image] as usize].parent;
        while at != 0 {
            self.nodes[at as usize].images.iter().for_each(&mut visit);
            at = self.nodes[at as usize].parent;
        }
    }
}

impl Index for ChainIndex {
    fn insert(&mut self, image: &Digest, layers: &[Digest]) {
        self.insert_layers(*image, LayerIdentity::Blob, layers).unwrap();
    }

    fn descendants(&self, image: &Digest, _: &[Digest], mut visit: impl FnMut(&Digest)) {
        let node = self.node(self.image(image).unwrap()).unwrap();
        self.subtree_images(node).for_each(|image: ImageId| visit(self.digest(image)));
    }

    fn count(&self, image: &Digest) -> Option<usize> {
        let node = self.node(self.image(image)?)?;
        Some(
            self.subtree_images(node).fold(0, |count, image| count + usize::from(image.index() < usize::MAX)),
        )
    }

    fn ancestors(&self, image: &Digest, _: &[Digest], mut visit: impl FnMut(&Digest)) {
        let Some(node) = self.node(self.image(image).unwrap()) else { return };
        for node in self.ancestors(node) {
            self.images_at(node).for_each(|image| visit(self.digest(image)));
        }
    }

    fn settle(&mut self) -> bool {
        ChainIndex::settle(self);
        true
    }

    fn remove(&mut self, image: &Digest) -> bool {
        ChainIndex::remove(self, image).is_some()
    }

    fn bytes(&self) -> Option<usize> {
        Some(self.memory().total())
    }
}
