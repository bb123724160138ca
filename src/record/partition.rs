//! Computes the partition of an image.

use murmur2::{KAFKA_SEED, murmur2};

use crate::oci::{Digest, LayerChain};

/// Returns the partition of everything about this image. The first non-empty layer decides, so images that can be
/// related share a partition. An image without layers is related to nothing, so its own digest decides.
///
/// The hash is Apache Kafka's own (`murmur2 & 0x7fffffff % partitions`), so a client in any language finds the
/// partition by hashing the layer's text as it would a key.
pub fn partition_of(image: &Digest, chain: &LayerChain, partitions: u16) -> u16 {
    let text = chain.first().unwrap_or(image).text();
    let hash = murmur2(&text, KAFKA_SEED) & 0x7fff_ffff;
    // The remainder is smaller than a u16.
    u16::try_from(hash % u32::from(partitions.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::LayerIdentity;

    /// The vectors of Apache Kafka's `UtilsTest.testMurmur2`.
    #[test]
    fn the_hash_is_the_one_of_apache_kafka() {
        for (key, hash) in
            [("21", -973_932_308_i32), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
        {
            assert_eq!(murmur2(key.as_bytes(), KAFKA_SEED).cast_signed(), hash);
        }
    }

    #[test]
    fn images_that_share_the_first_layer_share_the_partition() {
        let (a, b, c) = (Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c"));
        let chain = |layers: &[Digest]| LayerChain::new(LayerIdentity::Blob, layers.iter().copied());
        assert_eq!(partition_of(&b, &chain(&[a, b]), 64), partition_of(&c, &chain(&[a]), 64));
    }

    #[test]
    fn an_image_without_layers_has_a_partition_of_its_own_digest() {
        let none = LayerChain::new(LayerIdentity::Blob, []);
        let spread: std::collections::BTreeSet<_> =
            (0..100_u8).map(|n| partition_of(&Digest::of(&[n]), &none, 8)).collect();
        assert_eq!(spread.len(), 8);
    }
}
