//! Archives of images, as Docker, podman and skopeo save them.

use clade::oci::{Digest, LayerIdentity};
use serde_json::{Value, json};

use super::packed::{gzip, xz, zstd};
use super::{Bench, Imported};
use crate::support::digest;

/// A tar archive in the making.
pub(super) struct Archive(tar::Builder<Vec<u8>>);

impl Archive {
    pub(super) fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    pub(super) fn file(mut self, name: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        self.0.append_data(&mut header, name, content).unwrap();
        self
    }

    pub(super) fn json(self, name: &str, content: &Value) -> Self {
        self.file(name, content.to_string().as_bytes())
    }

    fn link(mut self, name: &str, to: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        self.0.append_link(&mut header, name, to).unwrap();
        self
    }

    /// Adds a blob of an image layout.
    fn blob(self, content: &Value) -> (Self, Value) {
        let text = content.to_string();
        let digest = Digest::of(text.as_bytes());
        let descriptor = json!({"mediaType": content["mediaType"], "digest": digest, "size": text.len()});
        (self.file(&format!("blobs/sha256/{}", digest.hex()), text.as_bytes()), descriptor)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn config(layers: &[&str]) -> Value {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| digest(layer)).collect();
    let labels = json!({"org.opencontainers.image.base.name": "base:1"});
    json!({"architecture": "arm64", "os": "linux", "created": "2020-01-01T00:00:00Z", "config": {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}})
}

/// Returns the ID of the image with this config.
fn id(config: &Value) -> Digest {
    Digest::of(config.to_string().as_bytes())
}

/// Saves a base and an application as `docker save` did before it wrote image layouts: the manifest comes last.
pub(super) fn saved() -> Vec<u8> {
    let (base, app) = (config(&["A"]), config(&["A", "B"]));
    let path = |config: &Value| format!("{}.json", id(config).hex());
    Archive::new()
        .file("1111/VERSION", b"1.0")
        .json("1111/json", &json!({"id": "1111"}))
        .file("1111/layer.tar", &[7; 70_000])
        .link("2222/layer.tar", "../1111/layer.tar")
        .json(&path(&base), &base)
        .json(&path(&app), &app)
        .json(
            "manifest.json",
            &json!([
                {"Config": path(&base), "RepoTags": ["quay.io/team/base:1"], "Layers": ["1111/layer.tar"]},
                {"Config": path(&app), "RepoTags": ["quay.io/team/app:1", "quay.io/team/app:latest"],
                    "Layers": ["1111/layer.tar", "2222/layer.tar"]},
            ]),
        )
        .json("repositories", &json!({"quay.io/team/app": {"1": "2222"}}))
        .finish()
}

fn check_saved(imported: &Imported) {
    assert_eq!((imported.images(), imported.dead_letters()), (2, Vec::new()));
    let app = id(&config(&["A", "B"]));
    assert_eq!(imported.query().images("quay.io/team/app:latest").unwrap(), [app]);
    assert_eq!(imported.ancestors("quay.io/team/app:1"), [id(&config(&["A"]))]);
    let explained = imported.query().explain(&app.to_string()).unwrap().remove(0);
    assert_eq!(explained.layer_identity, LayerIdentity::DiffId);
    assert_eq!(explained.image.platform.to_string(), "linux/arm64");
    assert_eq!(explained.claims.len(), 1);
}

#[test]
fn an_archive_of_docker_save_is_its_images_by_id_with_their_tags_whatever_compresses_it() {
    let plain = saved();
    for content in [plain.clone(), gzip(&plain), zstd(&plain), xz(&plain)] {
        check_saved(&Bench::new().file("anything", content).import());
    }
}

#[test]
fn an_archive_that_is_a_layout_as_well_is_read_by_its_index() {
    let app = config(&["A", "B"]);
    let (archive, stored) = Archive::new().blob(&app);
    let layers: Vec<Value> =
        ["A", "B"].iter().map(|layer| json!({"digest": digest(layer), "size": 1})).collect();
    let manifest = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "config": stored, "layers": layers});
    let (archive, mut described) = archive.blob(&manifest);
    let digest = described["digest"].clone();
    described["annotations"] =
        json!({"io.containerd.image.name": "docker.io/team/app:1", "org.opencontainers.image.ref.name": "1"});
    let archive = archive
        .json("index.json", &json!({"schemaVersion": 2, "manifests": [described]}))
        .json("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}))
        .json(
            "manifest.json",
            &json!([{"Config": format!("blobs/sha256/{}", id(&app).hex()), "RepoTags": ["team/app:1"],
            "Layers": ["a", "b"]}]),
        );
    let imported = Bench::new().file("app.tar", archive.finish()).import();
    assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
    let found = imported.query().images("docker.io/team/app:1").unwrap();
    assert_eq!(serde_json::to_value(&found).unwrap(), json!([digest]));
}

#[test]
fn a_layout_in_an_archive_is_read_also_below_a_folder_and_names_its_images_by_the_archive() {
    for root in ["", "./", "images/alpine/"] {
        let config = config(&["A"]);
        let manifest =
            json!({"config": {"digest": id(&config)}, "layers": [{"digest": digest("a"), "size": 1}]});
        let blob = |value: &Value| format!("{root}blobs/sha256/{}", id(value).hex());
        let index = json!({"manifests": [{"digest": id(&manifest),
            "annotations": {"org.opencontainers.image.ref.name": "3"}}]});
        let archive = Archive::new()
            .json(&blob(&config), &config)
            .file(&format!("{root}blobs/sha256/{}", digest("a").hex()), b"\x1f\x8b layer")
            .json(&blob(&manifest), &manifest)
            .json(&format!("{root}index.json"), &index)
            .json(&format!("{root}oci-layout"), &json!({}));
        let imported = Bench::new().file("alpine.oci.tar.zst", zstd(&archive.finish())).import();
        assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()), "{root}");
        assert_eq!(imported.query().images("alpine:3").unwrap(), [id(&manifest)], "{root}");
    }
}

#[test]
fn one_bad_image_of_an_archive_costs_no_other_and_each_has_a_reason() {
    let good = config(&["A"]);
    let path = format!("{}.json", id(&good).hex());
    let wrong = format!("{}.json", digest("other").hex());
    let manifest = json!([
        {"Config": wrong, "RepoTags": ["a:1"], "Layers": ["1"]},
        {"Config": "absent.json", "RepoTags": ["a:1"], "Layers": ["1"]},
        "nothing",
        {"Config": "text.json", "Layers": []},
        {"Config": path, "RepoTags": ["no repository:1", "good:1", "<none>:<none>"], "Layers": ["1"]},
    ]);
    let archive = Archive::new()
        .json(&path, &good)
        .json(&wrong, &good)
        .json("text.json", &json!({"text": 1}))
        .json("manifest.json", &manifest);
    let imported = Bench::new().file("some.tar", archive.finish()).import();
    assert_eq!(imported.query().images("good:1").unwrap(), [id(&good)]);
    let reasons: Vec<String> = imported.dead_letters().into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(reasons.len(), 5, "{reasons:#?}");
    for told in ["changed or damaged", "has no absent.json", "invalid type", "no rootfs", "RepoTags"] {
        assert!(reasons.iter().any(|reason| reason.contains(told)), "{told}: {reasons:#?}");
    }
}

#[test]
fn an_archive_that_is_cut_off_says_so_and_so_does_one_with_a_damaged_header() {
    let whole = saved();
    let mut damaged = whole.clone();
    damaged[512 + 512] ^= 1;
    for content in [whole[..30_000].to_vec(), gzip(&whole)[..200].to_vec(), damaged] {
        let imported = Bench::new().file("a.tar", content).import();
        let letters = imported.dead_letters();
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert!(letters[0].1.contains("cut off or damaged"), "{letters:?}");
    }
}

/// Go and Python write long names and large sizes in extended headers of their own.
#[test]
fn extended_headers_of_an_archive_are_read() {
    let config = config(&["A"]);
    let long = format!("{}/{}.json", "d".repeat(300), id(&config).hex());
    let manifest = json!([{"Config": long, "RepoTags": ["a:1"], "Layers": ["1"]}]).to_string();
    let mut builder = tar::Builder::new(Vec::new());
    let pax = |text: &str| format!("{} {text}\n", text.len() + 1 + 2 + 1).into_bytes();
    let mut entry = |kind: u8, name: &str, told: u64, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_path(name).unwrap();
        header.set_size(told);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    };
    let layer = [b'x'; 5_000];
    let size = pax("size=5000");
    entry(b'x', "pax", size.len() as u64, &size);
    // The size of the extended header counts, not this one.
    entry(b'0', "layer.tar", 0, &[]);
    let mut content = builder.into_inner().unwrap();
    content.truncate(content.len() - 1024);
    content.extend_from_slice(&layer);
    content.resize(content.len().next_multiple_of(512), 0);
    content.extend(Archive::new().json(&long, &config).file("manifest.json", manifest.as_bytes()).finish());
    let imported = Bench::new().file("a.tar", content).import();
    assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
}
