//! `clade demo`, and the documents that show its output.

use super::shell::Shell;
use crate::documents::markdown::documents;

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

/// A block of a console in a document is what the demo prints.
#[test]
fn the_output_that_documents_show_is_the_demos_own() {
    let shell = Shell::empty();
    let told = shell.ok(&["demo"]);
    let mut blocks = 0;
    for document in documents() {
        for block in document.blocks().iter().filter(|block| block.language == "console") {
            assert!(
                told.contains(&block.text),
                "{}: this is not what the demo prints:\n{}",
                document.name,
                block.text
            );
            blocks += 1;
        }
    }
    assert!(blocks >= 6, "the documents show what clade prints");
}
