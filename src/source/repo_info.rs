//! A page of docker-library/repo-info: one tag of one of Docker's official images at one moment, as `repos/*/remote/*.md`
//! has it.
//!
//! The page names layers by their blobs and says no diff IDs.

use super::history;
use super::line::{ImageLine, LayerLine, Line, ManifestLine, TagLine};
use crate::observe::Observation;
use crate::oci::reference::has_host;
use crate::oci::{Digest, Platform, Reference};
use crate::record::Timestamp;

/// The media type of a layer that is a statement about the image, so that the whole is no image.
const STATEMENT: &str = "application/vnd.in-toto";

/// Returns `true` for the beginning of such a page.
pub(super) fn is_page(text: &str) -> bool {
    text.starts_with("## `") && text.contains("\n$ docker pull ")
}

/// Returns the observations from a page, the images first; each may be an error. The tag pointed there at `seen`.
pub(super) fn read(page: &str, seen: Timestamp) -> Vec<Result<Observation, String>> {
    let (name, sections) = match sections(page) {
        Ok(read) => read,
        Err(problem) => return vec![Err(problem)],
    };
    let Some((index, images)) = sections.split_first() else {
        return vec![Err("the page names no digest (`docker pull NAME@DIGEST`)".to_owned())];
    };
    let repository = full_name(&name.repository);
    // A tag without platforms is its one image.
    let images = if images.is_empty() { std::slice::from_ref(index) } else { images };
    let mut seen_images = Vec::new();
    let mut manifests = Vec::new();
    for image in images {
        if image.is_statement || image.platform.as_ref().is_some_and(Platform::is_unknown) {
            seen_images.push(Ok(Observation::NotAnImage("attestation")));
            continue;
        }
        manifests.push(ManifestLine { platform: image.platform.clone(), digest: image.digest });
        let line = ImageLine {
            repository: repository.clone(),
            digest: image.digest,
            platform: image.platform.clone().unwrap_or_default(),
            media_type: None,
            config_digest: image.image_id,
            created: None,
            layers: image.layers.clone(),
            diff_ids: Vec::new(),
        };
        seen_images.push(history::observation(Line::Image(line)));
    }
    let tag = TagLine {
        seen,
        repository,
        tag: name.tag.unwrap_or_else(|| "latest".to_owned()),
        event: "set".to_owned(),
        index_digest: Some(index.digest),
        manifests,
    };
    seen_images.push(history::observation(Line::Tag(tag)));
    seen_images
}

/// The name as a registry source of Docker Hub gives it.
fn full_name(repository: &str) -> String {
    let path = Reference::familiar(repository);
    match path.contains('/') {
        _ if has_host(path) => path.to_owned(),
        true => format!("docker.io/{path}"),
        false => format!("docker.io/library/{path}"),
    }
}

/// A part of a page: the tag, or one of its platforms.
struct Section {
    platform: Option<Platform>,
    digest: Digest,
    image_id: Option<Digest>,
    layers: Vec<LayerLine>,
    is_statement: bool,
}

fn sections(page: &str) -> Result<(Reference, Vec<Section>), String> {
    let (mut name, mut sections) = (None, Vec::<Section>::new());
    let (mut platform, mut is_code) = (None, false);
    for (number, line) in (1..).zip(page.lines()) {
        let at = |problem: &dyn std::fmt::Display| format!("line {number}: {problem}");
        if line.starts_with("```") {
            is_code = !is_code;
        } else if let Some(pulled) = line.strip_prefix("$ docker pull ").filter(|_| is_code) {
            let digest = pulled.rsplit_once('@').map_or(pulled, |(_, digest)| digest);
            let digest = digest.trim().parse().map_err(|error| at(&error))?;
            let (image_id, layers, is_statement) = (None, Vec::new(), false);
            sections.push(Section { platform: platform.take(), digest, image_id, layers, is_statement });
        } else if is_code {
            // A Dockerfile may have any text.
        } else if let Some(heading) = line.strip_prefix("### ") {
            let (_, text) = heading.split_once("` - ").ok_or_else(|| at(&"no platform"))?;
            platform = Some(platform_of(text).ok_or_else(|| at(&format!("{text:?} is no platform")))?);
        } else if let Some(heading) = line.strip_prefix("## ") {
            if name.is_some() {
                return Err(at(&"a second tag in one page"));
            }
            name = Some(heading.trim().trim_matches('`').parse::<Reference>().map_err(|error| at(&error))?);
        } else if let Some(section) = sections.last_mut() {
            let text = line.trim();
            if let Some(id) = text.strip_prefix("-\tImage ID: ") {
                section.image_id = id.trim_matches('`').parse().ok();
            } else if let Some(layer) = text.strip_prefix("-\t`sha256:") {
                let digest = format!("sha256:{}", layer.trim_end_matches('`'));
                let digest = digest.parse().map_err(|error| at(&error))?;
                section.layers.push(LayerLine { digest, size: None });
            } else if let Some(size) = text.strip_prefix("Size: ") {
                if let Some(layer) = section.layers.last_mut() {
                    layer.size = bytes(size);
                }
            } else if text.strip_prefix("MIME: ").is_some_and(|media_type| media_type.starts_with(STATEMENT))
            {
                section.is_statement = true;
            }
        }
    }
    let name = name.ok_or_else(|| "the page has no heading with a tag".to_owned())?;
    Ok((name, sections))
}

/// The platform in a heading, as `linux; arm variant v7` or `windows version 10.0.17763.1; amd64`.
fn platform_of(text: &str) -> Option<Platform> {
    let (os, architecture) = text.trim().split_once("; ")?;
    let (os, version) = os.split_once(" version ").map_or((os, None), |(os, version)| (os, Some(version)));
    let (architecture, variant) = architecture
        .split_once(" variant ")
        .map_or((architecture, None), |(architecture, variant)| (architecture, Some(variant)));
    let parts = [Some(os), version, Some(architecture), variant];
    (!parts.into_iter().flatten().any(|part| part.is_empty() || part.contains(' '))).then(|| Platform {
        variant: variant.map(Into::into),
        os_version: version.map(Into::into),
        ..Platform::new(os, architecture)
    })
}

/// The number in `28.2 MB (28232590 bytes)`.
fn bytes(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once('(')?;
    rest.split_once(" bytes")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_read_with_its_variant_and_version() {
        let read = |text| platform_of(text).map(|platform| platform.to_string());
        assert_eq!(read("linux; amd64").as_deref(), Some("linux/amd64"));
        assert_eq!(read("linux; arm variant v7").as_deref(), Some("linux/arm/v7"));
        assert_eq!(
            read("windows version 10.0.17763.1; amd64").as_deref(),
            Some("windows/amd64:10.0.17763.1"),
        );
        for text in ["linux", "linux; ", "linux; arm v7", " version 1; amd64"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_those_of_docker_hub() {
        for (name, full) in [
            ("debian", "docker.io/library/debian"),
            ("docker.io/library/debian", "docker.io/library/debian"),
            ("team/app", "docker.io/team/app"),
            ("quay.io/team/app", "quay.io/team/app"),
        ] {
            assert_eq!(full_name(name), full);
        }
    }
}
