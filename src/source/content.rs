//! The kinds of file that clade reads.

/// What a file holds, in the order in which it is best read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// JSON lines with declared bases: known first, an image is written once with what is claimed of it.
    Claims,
    /// JSON lines with images.
    Images,
    /// Kubernetes objects, images first.
    ImageObjects,
    /// Kubernetes objects.
    Objects,
    /// JSON lines with tags.
    Tags,
}
