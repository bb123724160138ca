//! Documents that tools print of images: `docker inspect`, `podman inspect`, `skopeo inspect`, `crane`.

use clade::oci::{Digest, LayerIdentity};
use serde_json::{Value, json};

use super::Bench;
use crate::support::digest;

fn inspected(name: &str, layers: &[&str]) -> Value {
    let layers: Vec<Digest> = layers.iter().map(|layer| digest(layer)).collect();
    json!({
        "Id": digest(name), "RepoTags": [format!("quay.io/team/{name}:1")],
        "RepoDigests": [format!("quay.io/mirror/{name}@{}", digest("of a registry"))], "Parent": "", "Comment": "",
        "Created": "2020-01-01T00:00:00Z", "Architecture": "arm64", "Variant": "v8", "Os": "linux", "Size": 1,
        "GraphDriver": {"Data": null, "Name": "overlay2"}, "RootFS": {"Type": "layers", "Layers": layers},
        "Config": {"Labels": {"org.opencontainers.image.base.name": "base:1"}},
    })
}

#[test]
fn what_docker_inspect_prints_is_its_images_by_id() {
    let all = json!([inspected("base", &["A"]), inspected("app", &["A", "B"])]);
    let one_by_one = format!("{}\n{}\n", inspected("base", &["A"]), inspected("app", &["A", "B"]));
    let pretty = serde_json::to_string_pretty(&all).unwrap();
    for content in [all.to_string(), pretty, one_by_one] {
        let imported = Bench::new().file("images.json", content).import();
        assert_eq!((imported.images(), imported.dead_letters()), (2, Vec::new()));
        assert_eq!(imported.query().images("quay.io/team/app:1").unwrap(), [digest("app")]);
        assert_eq!(imported.ancestors(&digest("app").to_string()), [digest("base")]);
        let explained = imported.query().explain("quay.io/team/app:1").unwrap().remove(0);
        assert_eq!(explained.image.platform.to_string(), "linux/arm64/v8");
        assert_eq!(explained.layer_identity, LayerIdentity::DiffId);
        assert_eq!(explained.claims.len(), 1);
    }
}

#[test]
fn podman_leaves_the_algorithm_of_an_id_out_and_containers_are_no_images() {
    let mut image = inspected("app", &["A"]);
    image["Id"] = json!(digest("app").hex());
    image["RepoTags"] = json!(["localhost/app:latest", "<none>:<none>", "Not A Name"]);
    let container = json!({"Id": digest("c").hex(), "State": {"Running": true}, "Image": digest("app")});
    let imported = Bench::new().file("x", json!([image, container, 7]).to_string()).import();
    assert_eq!(imported.query().images("localhost/app:latest").unwrap(), [digest("app")]);
    let letters = imported.dead_letters();
    assert_eq!(letters.len(), 3, "{letters:?}");
    let reasons: String = letters.iter().map(|(place, reason)| format!("{place} {reason}\n")).collect();
    assert!(reasons.contains("x:1[2] it is a container: `docker inspect` its image"), "{reasons}");
    assert!(reasons.contains("left out of RepoTags"), "{reasons}");
}

#[test]
fn what_skopeo_inspect_prints_is_an_image_by_the_digests_of_its_blobs() {
    let skopeo = |name: &str, layers: &[&str]| {
        let layers: Vec<Digest> = layers.iter().map(|layer| digest(layer)).collect();
        let data: Vec<Value> =
            layers.iter().map(|layer| json!({"MIMEType": "tar+gzip", "Digest": layer, "Size": 5})).collect();
        json!({"Name": "quay.io/team/app", "Digest": digest(name), "RepoTags": ["1", "2"], "Labels": null,
            "Created": "2020-01-01T00:00:00Z", "Architecture": "amd64", "Os": "linux", "Layers": layers,
            "LayersData": data, "Env": ["A=b"]})
    };
    let text = serde_json::to_string_pretty(&skopeo("base", &["A"])).unwrap()
        + "\n"
        + &serde_json::to_string_pretty(&skopeo("app", &["A", "B"])).unwrap();
    let imported = Bench::new().file("x", text).import();
    assert_eq!((imported.images(), imported.dead_letters()), (2, Vec::new()));
    assert_eq!(imported.ancestors(&digest("app").to_string()), [digest("base")]);
    let explained = imported.query().explain(&digest("app").to_string()).unwrap().remove(0);
    assert_eq!(explained.layer_identity, LayerIdentity::Blob);
    // These are all tags of the repository, not those of the image.
    assert_eq!(imported.counts.tags, 0);
}

const CONFIG: &str =
    r#"{"architecture":"s390x","os":"linux","rootfs":{"type":"layers","diff_ids":["DIFF"]}}"#;

fn config() -> String {
    CONFIG.replace("DIFF", &digest("diff").to_string())
}

fn manifest(config: &str) -> String {
    let config = Digest::of(config.as_bytes());
    let layer = digest("blob");
    format!(
        "{{\n  \"schemaVersion\": 2,\n  \"config\": {{\"digest\": \"{config}\"}},\n  \"layers\": [{{\"digest\": \
         \"{layer}\", \"size\": 3}}]\n}}\n"
    )
}

#[test]
fn a_manifest_alone_is_an_image_by_its_blobs_on_a_platform_that_it_does_not_say() {
    for manifest in [manifest(&config()), manifest(&config()).replace(['\n', ' '], "")] {
        let imported = Bench::new().file("manifest.json", &manifest).import();
        assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
        let image = Digest::of(manifest.as_bytes());
        let explained = imported.query().explain(&image.to_string()).unwrap().remove(0);
        assert_eq!(explained.image.platform.to_string(), "unknown/unknown");
        assert_eq!(explained.layer_identity, LayerIdentity::Blob);
    }
}

#[test]
fn a_config_alone_is_an_image_by_its_id() {
    let imported = Bench::new().file("config.json", config()).import();
    let explained = imported.query().explain(&Digest::of(config().as_bytes()).to_string()).unwrap().remove(0);
    assert_eq!(explained.image.platform.to_string(), "linux/s390x");
    assert_eq!(explained.layer_identity, LayerIdentity::DiffId);
}

#[test]
fn a_manifest_and_its_config_in_one_file_are_one_image() {
    let (config, manifest) = (config(), manifest(&config()));
    let text = format!("{manifest}{config}\n");
    let imported = Bench::new().file("both", text).import();
    assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
    let image = Digest::of(manifest.trim_end().as_bytes());
    let explained = imported.query().explain(&image.to_string()).unwrap().remove(0);
    assert_eq!(explained.image.platform.to_string(), "linux/s390x");
    assert_eq!(explained.layer_identity, LayerIdentity::DiffId);
}

#[test]
fn a_manifest_and_its_config_in_two_files_are_one_image() {
    let config = config();
    let manifest = manifest(&config);
    let reformatted = config.replace(',', ",\n\t").replace(':', ": ").replace("sha256: ", "sha256:");
    // As builders write it; with the line feed of a tool; as `skopeo inspect --config` formats it; and more than once.
    for configs in [
        vec![config.clone()],
        vec![format!("{config}\n")],
        vec![reformatted.clone()],
        vec![config, reformatted],
    ] {
        for name in ["a manifest", "manifest behind"] {
            let bench = Bench::new();
            for (at, config) in configs.iter().enumerate() {
                bench.file(&format!("config {at}"), config);
            }
            let imported =
                bench.file(name, &manifest).lines("line", &[super::image_line("x", &["X"])]).import();
            assert_eq!((imported.images(), imported.dead_letters()), (2, Vec::new()), "{configs:?}");
            let image = Digest::of(manifest.as_bytes());
            let explained = imported.query().explain(&image.to_string()).unwrap().remove(0);
            assert_eq!(explained.image.platform.to_string(), "linux/s390x");
            assert_eq!(explained.layer_identity, LayerIdentity::DiffId);
        }
    }
}

#[test]
fn a_config_of_another_image_is_an_image_of_its_own() {
    let other = config().replace("s390x", "arm64");
    let imported = Bench::new().file("m", manifest(&config())).file("c", &other).import();
    assert_eq!((imported.images(), imported.dead_letters()), (2, Vec::new()));
    let explained = imported.query().explain(&Digest::of(other.as_bytes()).to_string()).unwrap().remove(0);
    assert_eq!(explained.image.platform.to_string(), "linux/arm64");
}

#[test]
fn a_dead_letter_of_a_document_names_the_file_that_has_it() {
    let bad = config().replace("\"architecture\":\"s390x\"", "\"created\":7,\"architecture\":\"s390x\"");
    let bad = bad.replace(&digest("diff").to_string(), "no digest");
    let letters = Bench::new().file("manifest", manifest(&bad)).file("config", &bad).import().dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].0, "manifest:1");
    assert!(letters[0].1.contains("the config sha256:"), "{letters:?}");
}

#[test]
fn a_manifest_does_not_take_away_what_is_known_of_its_image() {
    let bench = Bench::new();
    let (config, manifest) = (config(), manifest(&config()));
    bench.file("both", format!("{}{config}\n", manifest.trim_end()));
    drop(bench.import());
    bench.file("both", manifest.trim_end());
    let imported = bench.import();
    let image = Digest::of(manifest.trim_end().as_bytes());
    let explained = imported.query().explain(&image.to_string()).unwrap().remove(0);
    assert_eq!(explained.image.platform.to_string(), "linux/s390x");
    assert_eq!(explained.layer_identity, LayerIdentity::DiffId);
}

#[test]
fn an_index_alone_says_that_its_manifests_are_elsewhere() {
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"digest": digest("a"), "platform": {"os": "linux", "architecture": "amd64"}}]});
    let letters = Bench::new().file("index.json", index.to_string()).import().dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(
        letters[0].1.contains("an image index alone") && letters[0].1.contains("skopeo copy"),
        "{letters:?}"
    );
}

#[test]
fn a_folder_that_skopeo_copied_is_an_image() {
    let (config, manifest) = (config(), manifest(&config()));
    let blob = |content: &str| format!("alpine/{}", Digest::of(content.as_bytes()).hex());
    let bench = Bench::new();
    bench
        .file("alpine/version", "Directory Transport Version: 1.1\n")
        .file("alpine/manifest.json", &manifest);
    let imported = bench.file(&blob(&config), &config).file("alpine/abc", "layer").import();
    assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
    let image = Digest::of(manifest.as_bytes());
    let explained = imported.query().explain(&image.to_string()).unwrap().remove(0);
    assert_eq!(explained.layer_identity, LayerIdentity::DiffId);
    assert_eq!(explained.image.platform.to_string(), "linux/s390x");
}

#[test]
fn a_folder_that_skopeo_has_synchronised_says_its_tag() {
    let (config, manifest) = (config(), manifest(&config()));
    let bench = Bench::new();
    bench
        .file("app:1.2/version", "Directory Transport Version: 1.1\n")
        .file("app:1.2/manifest.json", &manifest)
        .file(&format!("app:1.2/{}", Digest::of(config.as_bytes()).hex()), &config);
    let imported = bench.import();
    assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
    assert_eq!(imported.query().images("app:1.2").unwrap(), [Digest::of(manifest.as_bytes())]);
}
