//! The questions as `oc adm top images` answers them: it reads all images, builds a graph of their layers for the one call, and
//! walks through it. The images are in memory already, so what it costs to fetch them is left out.

use std::collections::HashMap;
use std::time::Instant;

use crate::history::Data;

/// The images by the chains that they end with: each image under the hash of all its layers.
struct Graph {
    by_chain: HashMap<u64, Vec<u32>>,
    /// The hashes of all beginnings of each image.
    chains: Vec<Vec<u64>>,
}

impl Graph {
    fn build(data: &Data) -> Self {
        let chain = |layers: &Vec<u32>| -> Vec<u64> {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            layers
                .iter()
                .map(|layer| {
                    hash = (hash ^ u64::from(*layer)).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
                    hash
                })
                .collect()
        };
        let chains: Vec<Vec<u64>> = data.layers.iter().map(chain).collect();
        let mut by_chain: HashMap<u64, Vec<u32>> = HashMap::with_capacity(chains.len());
        for (image, chains) in (0..).zip(&chains) {
            if let Some(last) = chains.last() {
                by_chain.entry(*last).or_default().push(image);
            }
        }
        Self { by_chain, chains }
    }

    /// For each image of a class: whether it is outdated.
    fn members(&self, versions: &[Vec<u32>]) -> HashMap<u32, bool> {
        let mut of_version: HashMap<u64, usize> = HashMap::new();
        for (number, images) in versions.iter().enumerate() {
            for image in images {
                if let Some(last) = self.chains[*image as usize].last() {
                    of_version.insert(*last, number);
                }
            }
        }
        let nearest =
            |chains: &Vec<u64>| chains.iter().rev().find_map(|chain| of_version.get(chain).copied());
        let members = (0..).zip(&self.chains).filter_map(|(image, chains)| Some((image, nearest(chains)?)));
        members.map(|(image, version)| (image, version + 1 < versions.len())).collect()
    }
}

/// The times of the questions that all answer.
pub(crate) fn times(data: &Data) -> Vec<String> {
    let timed = |question: &dyn Fn() -> usize| {
        let begun = Instant::now();
        assert!(std::hint::black_box(question()) > 0);
        format!("{:.0} ms", begun.elapsed().as_secs_f64() * 1_000.0)
    };
    let image = data.digests.len() as u32 - 1;
    vec![
        timed(&|| {
            let members = Graph::build(data).members(&data.versions[0]);
            let is_outdated =
                |images: &&Vec<u32>| images.iter().any(|image| members.get(image) == Some(&true));
            data.tags.values().filter(is_outdated).take(100).count()
        }),
        timed(&|| {
            let graph = Graph::build(data);
            data.versions.iter().map(|versions| graph.members(versions).len()).sum()
        }),
        timed(&|| {
            let graph = Graph::build(data);
            let base = *graph.chains[data.outdated_base() as usize].last().unwrap();
            graph.chains.iter().filter(|chains| chains.contains(&base)).take(100).count()
        }),
        timed(&|| {
            let graph = Graph::build(data);
            let chains = &graph.chains[image as usize];
            chains.iter().filter_map(|chain| graph.by_chain.get(chain)).map(Vec::len).sum()
        }),
    ]
}
