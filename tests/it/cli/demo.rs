//! `clade demo`, and what the README shows of it.

use std::path::Path;

use super::shell::Shell;

#[test]
fn the_demo_tells_what_it_did_and_starts_over_only_in_its_own_directory() {
    let shell = Shell::empty();
    let told = shell.ok(&["demo", "--images", "1500"]);
    for expected in [
        "$ clade get classes",
        "openjdk8:outdated",
        "unknown by layers; claimed: base/rhel7:latest",
        "It is yours now:",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(shell.ok(&["get", "classes"]).contains("rhel7"));
    // How many transitions there were on the way depends on how much was processed at once; what they lead to does not.
    let answers = |told: &str| told.split_once("Which base images").unwrap().1.to_owned();
    let again = shell.run(&["demo", "--images", "1500"]);
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(!said.contains("WARN"), "nothing of the first demo is in the way: {said}");
    assert_eq!(
        answers(&String::from_utf8(again.stdout).unwrap()),
        answers(&told),
        "the same seed tells the same"
    );
    let other = Shell::new();
    // Whose it was once does not matter: there are images of somebody's own in it now.
    shell.ok(&["import", &shell.path("registry")]);
    for shell in [shell, other] {
        let (code, message) = shell.fails(&["demo"]);
        assert_eq!(code, 2);
        assert!(message.contains("has data that no demo wrote"), "{message}");
    }
}

/// What the README shows is what the demo prints.
#[test]
fn the_output_in_the_readme_is_the_demos_own() {
    let shell = Shell::empty();
    let told = shell.ok(&["demo"]);
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks: Vec<&str> =
        readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 4, "the README shows what clade prints");
    for block in blocks {
        assert!(told.contains(block), "this is not what the demo prints:\n{block}");
    }
}
