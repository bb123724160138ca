//! clade: which container images are built on what, and is it the current version?

pub mod class;
pub mod index;
pub mod log;
pub mod oci;
pub mod record;
