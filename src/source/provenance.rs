//! Reads the provenance that BuildKit attaches to an image (SLSA, versions 0.2 and 1): its materials are the bases of
//! all stages of the build. Which one the image is built on, only layers show.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use packageurl::PackageUrl;
use serde::Deserialize;

use crate::oci::Digest;
use crate::oci::document::{Descriptor, Manifest};
use crate::oci::lenient::{self, Entries};
use crate::record::Claim;
use crate::record::image::Evidence;

/// The longest statement that clade reads, in bytes.
pub const LONGEST_STATEMENT: u64 = 4 << 20;
/// Materials of one statement that become claims, at most.
const MOST_MATERIALS: usize = 32;

/// The annotation of an attestation manifest in an index: the image that it is about.
const SUBJECT: &str = "vnd.docker.reference.digest";
/// The annotation of a layer of an attestation manifest: the kind of its statement.
const PREDICATE: &str = "in-toto.io/predicate-type";
/// The beginning of the kinds that are provenance.
const PROVENANCE: &str = "https://slsa.dev/provenance/";
/// The image that reads the Dockerfile. It is a material of most builds and the base of none.
const FRONTEND: &str = "docker/dockerfile";

#[derive(Deserialize, Default)]
struct Statement {
    #[serde(default, deserialize_with = "lenient::field")]
    predicate: Predicate,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    /// Version 0.2.
    #[serde(default)]
    materials: Entries<Material>,
    /// Version 1.
    #[serde(default, deserialize_with = "lenient::field")]
    build_definition: BuildDefinition,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    #[serde(default)]
    resolved_dependencies: Entries<Material>,
}

#[derive(Deserialize)]
struct Material {
    #[serde(default, deserialize_with = "lenient::field")]
    uri: String,
    #[serde(default, deserialize_with = "lenient::texts")]
    digest: BTreeMap<String, String>,
}

/// Returns the image that an attestation manifest in an index is about.
pub fn subject(attestation: &Descriptor) -> Option<Digest> {
    attestation.annotations.get(SUBJECT)?.parse().ok()
}

/// Returns the layers of an attestation manifest that are provenance.
pub fn statements(attestation: &Manifest) -> impl Iterator<Item = &Descriptor> {
    let is_provenance = |layer: &&Descriptor| {
        layer.annotations.get(PREDICATE).is_some_and(|kind| kind.starts_with(PROVENANCE))
    };
    attestation.layers.good().filter(is_provenance)
}

/// Returns the images among the materials of a statement, as claims.
pub fn claims(statement: &[u8]) -> Vec<Claim> {
    let Ok(Statement { predicate }) = serde_json::from_slice::<Statement>(statement) else {
        return Vec::new();
    };
    let materials = predicate.materials.good().chain(predicate.build_definition.resolved_dependencies.good());
    materials.filter_map(claim).take(MOST_MATERIALS).collect()
}

fn claim(material: &Material) -> Option<Claim> {
    if material.uri.len() > Claim::LONGEST_NAME {
        return None;
    }
    let url = PackageUrl::from_str(&material.uri).ok().filter(|url| url.ty() == "docker")?;
    let repository = match url.namespace() {
        Some(namespace) => format!("{namespace}/{}", url.name()),
        None => url.name().to_owned(),
    };
    if repository == FRONTEND {
        return None;
    }
    let digest = material.digest.get("sha256").map(|hex| format!("sha256:{hex}"));
    let digest = digest.or_else(|| url.qualifiers().get("digest").map(ToString::to_string));
    // A digest of another kind, or none, tells no base.
    let digest =
        digest.map(|digest| digest.parse::<Digest>()).transpose().ok()?.map(|digest| digest.to_string());
    let name = match url.version() {
        Some(tag) => format!("{repository}:{tag}"),
        None => repository,
    };
    Some(Claim { evidence: Evidence::Provenance, name: Some(name), digest })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(statement: &serde_json::Value) -> Vec<(String, Option<String>)> {
        let claims = claims(statement.to_string().as_bytes());
        claims.into_iter().map(|claim| (claim.name.unwrap(), claim.digest)).collect()
    }

    fn material(uri: &str) -> serde_json::Value {
        json!({"uri": uri, "digest": {"sha256": "ab".repeat(32)}})
    }

    /// As `docker buildx build --provenance=mode=max` writes it.
    #[test]
    fn the_materials_of_both_versions_are_read() {
        let digest = Some(format!("sha256:{}", "ab".repeat(32)));
        let materials = json!([
            material("pkg:docker/docker/dockerfile@1"),
            material("pkg:docker/base@12?platform=linux%2Famd64"),
            material("pkg:docker/registry.example:5000/team/base@12?platform=linux%2Farm64"),
            material("https://github.com/example/app.git#main"),
        ]);
        let both = [
            ("base:12".to_owned(), digest.clone()),
            ("registry.example:5000/team/base:12".to_owned(), digest),
        ];
        let version_0 = json!({"predicateType": "https://slsa.dev/provenance/v0.2",
            "predicate": {"materials": materials}});
        assert_eq!(named(&version_0), both);
        let version_1 = json!({"predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {"buildDefinition": {"resolvedDependencies": materials}}});
        assert_eq!(named(&version_1), both);
    }

    #[test]
    fn a_base_that_was_named_by_its_digest_has_it_in_the_address() {
        let digest = format!("sha256:{}", "cd".repeat(32));
        let uri = format!("pkg:docker/base?digest={}&platform=linux%2Famd64", digest.replace(':', "%3A"));
        let statement = json!({"predicate": {"materials": [{"uri": uri}]}});
        assert_eq!(named(&statement), [("base".to_owned(), Some(digest))]);
    }

    #[test]
    fn a_digest_that_is_none_makes_no_claim_however_long_it_is() {
        let material = json!({"uri": "pkg:docker/base@12", "digest": {"sha256": "a".repeat(2_000_000)}});
        assert_eq!(named(&json!({"predicate": {"materials": [material]}})), []);
    }

    #[test]
    fn what_is_no_provenance_claims_nothing() {
        for statement in ["", "[]", "7", r#"{"predicate": 7}"#, r#"{"predicate": {"materials": [7, {}]}}"#] {
            assert_eq!(claims(statement.as_bytes()), []);
        }
        let many: Vec<_> = (0..1_000).map(|number| material(&format!("pkg:docker/base@{number}"))).collect();
        let statement = json!({"predicate": {"materials": many}});
        assert_eq!(claims(statement.to_string().as_bytes()).len(), MOST_MATERIALS);
    }
}
