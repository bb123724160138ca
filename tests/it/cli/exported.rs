//! Versions of classes that one clade exports and another one imports.

use super::shell::Shell;

const HISTORY: &str = "{\"version_of\":\"openshift/base:latest\",\"since\":\"2019-06-01T00:00:00Z\",\
    \"digest\":\"sha256:1111111111111111111111111111111111111111111111111111111111111111\",\
    \"images\":[{\"digest\":\"sha256:1111111111111111111111111111111111111111111111111111111111111111\",\
    \"layer_identity\":\"blob\",\
    \"layers\":[\"sha256:2222222222222222222222222222222222222222222222222222222222222222\"]}]}\n";

#[test]
fn versions_go_from_one_clade_to_another_and_a_signature_shows_that_nobody_changed_them() {
    let shell = Shell::new();
    let file = |name: &str| shell.path(name);
    let (key, public, other) = (file("key.pem"), file("key.pem.pub"), file("other.pem"));
    shell.ok(&["audit", "keygen", &key]);
    shell.ok(&["audit", "keygen", &other]);
    std::fs::write(shell.path("history.jsonl"), HISTORY).unwrap();
    shell.ok(&["import", &file("history.jsonl")]);
    let exported = shell.ok(&["export", "versions", "--class", "base", "--signing-key", &key]);
    assert_eq!(exported.lines().count(), 5, "{exported}");
    std::fs::write(shell.path("signed.jsonl"), &exported).unwrap();

    // The same images, without the history.
    let fresh = Shell::new();
    fresh.ok(&["import", &file("signed.jsonl"), "--verify-key", &public]);
    let classes = fresh.json(&["get", "classes", "base", "-o", "json"]);
    let history = classes["items"][0]["status"]["history"].as_array().unwrap();
    let imported = history.iter().find(|version| version["origin"] == "history").unwrap();
    assert_eq!(imported["since"], "2019-06-01T00:00:00Z");

    let refuse = |name: &str, content: &str, key: &str, told: &str| {
        std::fs::write(shell.path(name), content).unwrap();
        let (code, refused) = fresh.fails(&["import", &file(name), "--verify-key", key]);
        assert_eq!(code, 1);
        assert!(refused.contains(told) && refused.contains(name), "{refused}");
    };
    refuse("changed.jsonl", &exported.replacen("2019-06-01", "2018-06-01", 1), &public, "changed");
    refuse("cut.jsonl", exported.split_once('\n').unwrap().1, &public, "changed");
    refuse("unsigned.jsonl", HISTORY, &public, "no signature");
    refuse("other.jsonl", &exported, &format!("{other}.pub"), "another key");
}
