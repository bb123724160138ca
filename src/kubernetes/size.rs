//! Keeps the status of a class below what an API server stores: etcd refuses objects above 1.5 MB.

use super::class::{ClassVersion, VersionImage};

/// Digests of layers and chains in one status, at most: about 600 kB.
const MOST_DIGESTS: usize = 8_000;

/// The versions with as many of their digests as fit, the newest first. A version whose layers do not fit keeps its chains;
/// if they do not fit either, the current version is without them, and an earlier one is left out with all older ones.
pub(super) fn limited(
    mut current: Option<ClassVersion>,
    mut history: Vec<ClassVersion>,
) -> (Option<ClassVersion>, Vec<ClassVersion>) {
    let mut left = MOST_DIGESTS;
    if let Some(current) = &mut current
        && !fits(current, &mut left)
    {
        current.images.iter_mut().for_each(|image| image.chains.clear());
    }
    let end = history.iter_mut().position(|version| !fits(version, &mut left));
    history.truncate(end.unwrap_or(history.len()));
    (current, history)
}

/// Takes the version's digests off what is left, those of its layers only if all fit. Returns `false` if not even its chains
/// fit.
fn fits(version: &mut ClassVersion, left: &mut usize) -> bool {
    let count = |of: fn(&VersionImage) -> usize| version.images.iter().map(of).sum::<usize>();
    let (chains, layers) =
        (count(|image| image.chains.len()), count(|image| image.layers.len() + image.blobs.len()));
    let (is_whole, fits) = (chains + layers <= *left, chains <= *left);
    if !is_whole {
        for image in &mut version.images {
            image.layers.clear();
            image.blobs.clear();
        }
    }
    *left = match (is_whole, fits) {
        (true, _) => *left - chains - layers,
        (false, true) => *left - chains,
        (false, false) => 0,
    };
    fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::LayerIdentity;

    fn version(layers: usize) -> ClassVersion {
        let digests = vec![format!("sha256:{:064}", 0); layers];
        let image = VersionImage {
            image: digests.first().cloned().unwrap_or_default(),
            platform: "linux/amd64".to_owned(),
            layer_identity: LayerIdentity::Blob,
            chains: digests.clone(),
            layers: digests,
            blobs: Vec::new(),
        };
        ClassVersion { digest: String::new(), origin: None, since: None, until: None, images: vec![image] }
    }

    fn sizes(version: &ClassVersion) -> (usize, usize) {
        (version.images[0].chains.len(), version.images[0].layers.len())
    }

    #[test]
    fn usual_versions_are_whole() {
        let (current, history) = limited(Some(version(60)), vec![version(50); 10]);
        assert_eq!(current.as_ref().map(sizes), Some((60, 60)));
        assert!(history.len() == 10 && history.iter().all(|version| sizes(version) == (50, 50)));
    }

    #[test]
    fn what_does_not_fit_is_left_out_beginning_with_the_layers_of_the_oldest() {
        let (current, history) = limited(Some(version(1_000)), vec![version(1_500); 10]);
        assert_eq!(current.as_ref().map(sizes), Some((1_000, 1_000)));
        let found: Vec<_> = history.iter().map(sizes).collect();
        assert_eq!(found, [(1_500, 1_500), (1_500, 1_500)]);
        let (current, history) = limited(Some(version(100_000)), vec![version(1)]);
        assert_eq!((current.as_ref().map(sizes), history.len()), (Some((0, 0)), 0));
    }
}
