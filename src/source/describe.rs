//! Descriptions of what clade does not read, by the content.

use serde::de::IgnoredAny;

/// The first bytes of formats that are not text.
const MAGIC: [(&[u8], &str); 22] = [
    (b"BZh", "a file compressed with bzip2: unpack it first"),
    (b"\x04\x22\x4d\x18", "a file compressed with lz4: unpack it first"),
    (b"\x5d\x00\x00", "a file compressed with lzma: unpack it first"),
    (b"LZIP", "a file compressed with lzip: unpack it first"),
    (b"\x1f\x9d", "a file compressed with compress: unpack it first"),
    (b"\x1f\x8b", "a file compressed with gzip inside of another compression: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a file compressed with zstd inside of another compression: unpack it first"),
    (b"\xfd7zXZ\0", "a file compressed with xz inside of another compression: unpack it first"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"hsqs", "a squashfs file system, as Singularity images have"),
    (b"070701", "a cpio archive"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"!<arch>\n", "a Debian package or a library"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program for Windows"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"%PDF", "a document (PDF)"),
    (b"SQLite format 3\0", "an SQLite database"),
];

/// Words that show the JSON of other tools.
const OTHERS: [(&str, &str); 12] = [
    ("\"spdxVersion\"", "a bill of materials (SPDX)"),
    ("\"spdxId\"", "a bill of materials (SPDX)"),
    ("\"bomFormat\"", "a bill of materials (CycloneDX)"),
    ("\"artifacts\"", "a bill of materials (syft)"),
    ("\"predicateType\"", "an attestation (in-toto)"),
    ("\"payloadType\"", "a signed attestation (DSSE)"),
    (
        "\"fsLayers\"",
        "a manifest of Docker's schema 1, which has no config: push the image again with a current tool",
    ),
    ("\"ArtifactName\"", "a report of Trivy"),
    ("\"FromImageID\"", "what `buildah inspect` prints: import what `podman inspect` prints of the image"),
    (
        "\"createdatraw\"",
        "a list of `buildah images`, without layers: import what `podman inspect` prints of them",
    ),
    (
        "\"SharedSize\"",
        "a list of images without their layers: import what `docker inspect` or `podman inspect` prints of them",
    ),
    ("\"imageLayoutVersion\"", "the mark of an image layout: import the folder"),
];

/// Returns the description of a file that is no text, by its beginning.
pub(super) fn binary(beginning: &[u8]) -> Option<&'static str> {
    let known = MAGIC.iter().find(|(magic, _)| beginning.starts_with(magic)).map(|(_, what)| *what);
    known.or_else(|| beginning.contains(&0).then_some("a file that is no text"))
}

/// Returns the description of JSON by its beginning, if it is known to be that of another tool.
pub(super) fn known(text: &str) -> Option<&'static str> {
    OTHERS.iter().find(|(word, _)| text.contains(word)).map(|(_, what)| *what)
}

/// Returns the description of a file of JSON by its beginning.
pub(super) fn beginning(text: &str) -> String {
    let first = text.trim_start_matches(|c: char| c == '[' || c.is_whitespace());
    known(text).map_or_else(|| unknown(if first.is_empty() { text } else { first }), str::to_owned)
}

/// Returns the reason why a document in JSON is not read.
pub(super) fn document(json: &str) -> String {
    let has = |word: &str| json.contains(word);
    let what = if let Some(what) = known(json) {
        what.to_owned()
    } else if has("\"manifests\"") {
        "an image index alone: the manifests that it names are not in the file. Import the images themselves, as `skopeo \
         copy --all docker://NAME oci:FOLDER` gets them"
            .to_owned()
    } else if has("\"State\"") && has("\"Image\"") {
        "a container: `docker inspect` its image instead".to_owned()
    } else if has("\"Config\"") && has("\"Layers\"") {
        "the manifest of an archive of `docker save` alone: import the archive".to_owned()
    } else if has("\"GraphDriver\"") || has("\"Driver\"") {
        "a volume or a network: `docker inspect` images instead".to_owned()
    } else {
        unknown(json)
    };
    format!("it is {what}")
}

/// Returns the description of JSON that nobody knows, by its fields.
fn unknown(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'{') => {}
        Some(b'[') => return "an array in an array".to_owned(),
        _ => return "a value that is no object".to_owned(),
    }
    let names = names(json);
    match names.is_empty() {
        true => "an empty JSON object".to_owned(),
        false => format!("JSON of a kind that clade does not know, with the fields {}", names.join(", ")),
    }
}

/// Fields that are told of an unknown document.
const TOLD: usize = 5;

/// Returns the first fields of an object, which may be cut off.
fn names(json: &str) -> Vec<String> {
    struct Names<'a>(&'a mut Vec<String>);
    impl<'de> serde::de::Visitor<'de> for Names<'_> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while self.0.len() < TOLD
                && let Some(name) = map.next_key::<String>()?
            {
                self.0.push(name.chars().take(40).collect());
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }
    let mut names = Vec::new();
    let mut from = serde_json::Deserializer::from_str(json);
    // The error says that the object is cut off or longer than this, which does not matter.
    let _ = serde::Deserializer::deserialize_map(&mut from, Names(&mut names));
    names
}

/// Returns `true` for the description of a Helm chart, which has an `apiVersion` and no kind.
pub(super) fn is_chart(text: &str) -> bool {
    let has = |field: &str| text.lines().any(|line| line.starts_with(field));
    has("apiVersion:") && has("name:") && has("version:") && !has("kind:")
}

/// Returns the description of text that is neither JSON nor YAML of Kubernetes.
pub(super) fn text(text: &str) -> &'static str {
    let has = |field: &str| text.lines().any(|line| line.starts_with(field));
    if text.trim().is_empty() {
        "an empty file"
    } else if is_chart(text) {
        "the description of a Helm chart"
    } else if text.contains("{{") && has("kind:") {
        "a template of a Helm chart: `helm template` makes objects of it"
    } else if has("services:") {
        "a Compose file"
    } else if has("FROM ") || has("ARG ") {
        "a Dockerfile"
    } else if text.starts_with('<') {
        "HTML or XML"
    } else if has("---")
        || text.lines().find(|line| !line.starts_with('#')).is_some_and(|line| line.contains(": "))
    {
        "text that looks like YAML and has no kind"
    } else {
        "text that is neither JSON nor YAML"
    }
}
