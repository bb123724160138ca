//! Bases that moved before clade came: a registry says only where tags point now.

use serde_json::Value;

use super::{Clade, Registry, eventually, ok, script};

/// A registry whose base has moved, and the digest that it had before. `kept` is another tag that still points there.
fn moved(kept: Option<&str>) -> (Registry, String) {
    let registry = Registry::start(&[], "");
    let at = format!("docker://{}/base/os:latest", registry.address);
    let inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &at];
    let old = ok(std::process::Command::new("skopeo").args(inspect)).trim().to_owned();
    if let Some(kept) = kept {
        registry.skopeo("copy", &["base/os:latest", kept]);
    }
    ok(script("fill.sh").args([&registry.address, "move"]));
    (registry, old)
}

/// Pushes team/app:1 once more, with annotations that name its base.
pub(super) fn push_with_claim(registry: &Registry, tag: &str, base: &str, digest: &str) {
    let dir = registry.dir.path().join(tag.replace([':', '/'], "-"));
    let skopeo = |from: &str, to: &str| {
        ok(std::process::Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"])
            .args([from, to]));
    };
    let local = format!("dir:{}", dir.display());
    skopeo(&format!("docker://{}/team/app:1", registry.address), &local);
    let path = dir.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    manifest["annotations"] = serde_json::json!({
        "org.opencontainers.image.base.name": base, "org.opencontainers.image.base.digest": digest,
    });
    std::fs::write(&path, manifest.to_string()).unwrap();
    skopeo(&local, &format!("docker://{}/{tag}", registry.address));
}

fn images(clade: &Clade) -> Vec<String> {
    let digest = |image: &Value| image["digest"].as_str().unwrap().to_owned();
    clade.items("get images").iter().map(digest).collect()
}

const ON_THE_OLD_BASE: [&str; 3] = ["team/app:1", "team/app:zstd", "team/attested:1"];

#[test]
#[ignore = "needs a registry: make test"]
fn an_old_base_is_known_by_the_digest_that_images_claim_and_that_the_registry_still_has() {
    let (registry, old) = moved(None);
    let source = format!("http://{}", registry.address);
    let mut clade = Clade::watching(&["--registry", &source, "--registry-poll", "1"]);
    clade.declare_base(&registry.address);
    eventually("the new base", || clade.tags("--class os") == ["base/os:latest"]);
    let coverage: Value = serde_json::from_str(&clade.ask("coverage -o json")).unwrap();
    assert_eq!(coverage["total"]["member"], 1, "{coverage}");

    // A claim about another registry's tag, and one about an image elsewhere, change nothing.
    push_with_claim(&registry, "team/lies:1", "elsewhere.example/base/os:latest", &old);
    let base = format!("{}/base/os:latest", registry.address);
    let app = images(&clade)[0].clone();
    push_with_claim(&registry, "team/lies:2", &base, &app);
    eventually("the lies", || clade.tags("").contains(&"team/lies:2".to_owned()));
    assert_eq!(clade.tags("--class os --state outdated"), [""; 0]);

    push_with_claim(&registry, "team/tells:1", &base, &old);
    let outdated =
        [&ON_THE_OLD_BASE[..2], &["team/attested:1", "team/lies:1", "team/lies:2", "team/tells:1"]].concat();
    eventually("all that is built on the old base", || clade.tags("--class os --state outdated") == outdated);
    assert!(images(&clade).contains(&old), "the old base itself is known");
    let explained = clade.ask(&format!("explain {}/team/app:1", registry.address));
    assert!(
        explained.contains("a version by claims of images") && explained.contains(" at least"),
        "{explained}"
    );

    // A restart reads it again, and so do later passes.
    let dir = std::mem::replace(&mut clade.dir, tempfile::tempdir().unwrap());
    drop(clade);
    let mut clade = Clade { dir, process: None };
    clade.watch(&["--registry", &source, "--registry-poll", "1"]);
    let requests = registry.log_bytes();
    let asked = || registry.requests(requests).iter().filter(|asked| asked.contains("/tags/list")).count();
    eventually("three more passes", || asked() >= 15);
    assert_eq!(clade.tags("--class os --state outdated"), outdated);
    assert!(images(&clade).contains(&old));
}

#[test]
#[ignore = "needs a registry: make test"]
fn an_old_base_is_known_by_the_other_tags_of_its_repository() {
    let (registry, _) = moved(Some("base/os:1.0"));
    let clade =
        Clade::watching(&["--registry", &format!("http://{}", registry.address), "--registry-poll", "1"]);
    let class = format!(
        "apiVersion: clade.dev/v1alpha1\nkind: ImageClass\nmetadata: {{name: os}}\nspec:\n  from: {{kind: DockerImage, \
         name: '{}/base/os:latest'}}\n  versions: {{tags: ['1.*']}}\n",
        registry.address
    );
    clade.ask(&format!("apply -f {}", clade.write("class.yaml", &class)));
    let outdated = [&["base/os:1.0"], &ON_THE_OLD_BASE[..]].concat();
    eventually("all that is built on the old base", || clade.tags("--class os --state outdated") == outdated);
    assert_eq!(clade.tags("--class os --state current"), ["base/os:latest"]);
    let explained = clade.ask(&format!("explain {}/team/app:1", registry.address));
    assert!(explained.contains("a version by the pattern of the class"), "{explained}");
}
