//! The kinds of file that clade reads.

/// The content of a file, in the best order to read files in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// JSON lines with declared bases. They come first, so that each image is written once, together with its claims.
    Claims,
    /// JSON lines with images.
    Images,
    /// Documents, of which the first is an Image object.
    ImageObjects,
    /// An archive of images in a tar.
    Archive,
    /// Other documents: objects of Kubernetes, and what tools print of images.
    Objects,
    /// A page of docker-library/repo-info, an image-info file of dotnet/versions, or a clone of either.
    Histories,
    /// JSON lines with tags.
    Tags,
    /// JSON lines with versions of classes. They come last: a class must know its current version.
    Versions,
}
