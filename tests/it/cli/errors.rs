//! What a command says that cannot do what it was asked for.

use std::path::PathBuf;
use std::process::Command;

use super::shell::Shell;

#[test]
fn every_kind_of_failure_has_its_exit_code_and_a_message_that_says_what_to_do() {
    let shell = Shell::new();
    let elsewhere = Shell::empty();
    for (shell, args, code, told) in [
        (&shell, &["get", "images", "--class", "absent"][..], 3, "`clade get classes` lists them"),
        (&shell, &["get", "images", "--group", "absent=x"], 3, "`clade get groups` lists them"),
        (
            &shell,
            &["get", "tags", "--group", "os=absent"],
            3,
            "class \"absent\" is not in group \"os\"; in it are base",
        ),
        (&shell, &["get", "images", "--class", "bsae"], 3, "did you mean \"base\"?"),
        (&shell, &["get", "classes", "--class", "base"], 2, "chosen by its name"),
        (&shell, &["get", "groups", "--limit", "1"], 2, "chosen by its name"),
        (
            &shell,
            &["explain", "no/such:tag"],
            3,
            "no tag, digest, image ID, beginning of a digest or chain ID",
        ),
        (&shell, &["get", "policies", "absent"], 3, "`clade get policies` lists them"),
        (&shell, &["delete", "policy", "absent"], 3, "policy \"absent\" not found"),
        (&shell, &["check", "php:7.1"], 2, "no policy is declared"),
        (&shell, &["delete", "class", "absent"], 3, "class \"absent\" not found"),
        (&shell, &["delete", "group", "a/b c?&"], 3, "group \"a/b c?&\" not found"),
        (&shell, &["get", "images", "--platform", "linux"], 2, "is not os/architecture"),
        (&shell, &["get", "images", "--state", "strange"], 2, "possible values"),
        (&shell, &["get", "images", "name"], 2, "explain"),
        (&shell, &["generate", "x", "--token-file", "x"], 2, "clade generate has no use for --token-file"),
        (&shell, &["run", "--kafka", "127.0.0.1:1"], 2, "clade watch, process, serve"),
        (&shell, &["--otlp", "http://127.0.0.1:1", "crd"], 2, "clade crd has no use for --otlp"),
        (&shell, &["import", "/no/such/file"], 1, "cannot read /no/such/file"),
        (
            &shell,
            &["import", "x", "--server", "http://127.0.0.1:1"],
            2,
            "--server (CLADE_SERVER) is for questions",
        ),
        (
            &shell,
            &["get", "tags", "--server", "127.0.0.1:1"],
            2,
            "write https://HOST:PORT or http://HOST:PORT",
        ),
        (&shell, &["rebuild", "show", "../../etc"], 3, "`clade rebuild list` shows them"),
        (&shell, &["rebuild", "--class", "base", "-l", "tier!=web"], 2, "say KEY=VALUE"),
        (&shell, &["subscribe", "outdated", "--follow"], 2, "start `clade run`"),
        (&shell, &["apply", "-f", "/no/such/file"], 1, "cannot read /no/such/file"),
        (&elsewhere, &["get", "images"], 3, "import something first"),
        (
            &elsewhere,
            &["--data-dir", "/dev/null/below", "import", "/dev/null"],
            1,
            "choose another with --data-dir",
        ),
    ] {
        let (found, message) = shell.fails(args);
        assert_eq!(found, code, "{args:?}: {message}");
        assert!(message.contains(told), "{args:?}: {message}");
    }
}

#[test]
fn a_filter_for_log_lines_that_is_none_is_told_and_stops_nobody() {
    let shell = Shell::new();
    for (filter, is_told) in [("clade=loud", true), ("", false), ("clade=debug,warn", false)] {
        let output =
            shell.command(&["import", &shell.path("registry")]).env("CLADE_LOG", filter).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{filter:?}: {told}");
        assert_eq!(told.contains("CLADE_LOG is no filter"), is_told, "{filter:?}: {told}");
    }
}

#[test]
fn an_import_counts_the_images_and_tags_that_it_has_read_and_names_the_files_that_it_has_not() {
    let shell = Shell::empty();
    let registry = shell.dir.path().join("registry");
    std::fs::write(registry.join("class.yaml"), "kind: ImageClass\nmetadata: {name: x}\n").unwrap();
    let import = || {
        let output = shell.command(&["import", &shell.path("registry")]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    // Two tags have moved or lie in several partitions, which makes more records than tags.
    let told = import();
    assert!(told.contains("read 8 images, 6 tags, 0 build configs\n"), "{told}");
    assert!(
        told.contains(
            "class.yaml is passed over: it is a declaration of an ImageClass: use `clade apply -f`"
        )
    );
    let again = import();
    assert!(again.contains("read 8 images, 6 tags, 0 build configs\n"), "{again}");
    assert!(again.contains("wrote what is new: 0 records of images, 0 of tags"), "{again}");
}

#[test]
fn a_thousand_classes_and_more_are_applied_at_once() {
    let shell = Shell::new();
    let class = |n: usize| {
        format!(
            "---\napiVersion: clade.dev/v1alpha1\nkind: ImageClass\nmetadata: {{name: c{n}}}\nspec: {{from: {{kind: \
             DockerImage, name: 'shop/app1:{n}'}}}}\n"
        )
    };
    std::fs::write(shell.path("many.yaml"), (0..1_200).map(class).collect::<String>()).unwrap();
    let applied = shell.ok(&["apply", "-f", &shell.path("many.yaml")]);
    assert_eq!(applied.lines().count(), 1_200);
    let array = r#"[{"apiVersion": "clade.dev/v1alpha1", "kind": "ImageClass", "metadata": {"name": "in-array"},
        "spec": {"from": {"kind": "DockerImage", "name": "shop/app1:1"}}}]"#;
    std::fs::write(shell.path("array.json"), array).unwrap();
    assert!(shell.ok(&["apply", "-f", &shell.path("array.json")]).contains("/in-array created"));
}

#[test]
fn a_manifest_with_a_mistake_changes_nothing_and_says_where_it_is() {
    let shell = Shell::new();
    let class = |name: &str, spec: &str| {
        format!(
            "apiVersion: clade.dev/v1alpha1\nkind: ImageClass\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"
        )
    };
    let good = class("good", "{from: {kind: DockerImage, name: 'x:1'}}");
    for (bad, told) in [
        (class("-bad-", "{from: {kind: DockerImage, name: 'x:1'}}"), "cannot be a label"),
        (class("bad", "{from: {kind: Pod, name: 'x:1'}}"), "unknown variant `Pod`"),
        (class("bad", "{form: {kind: DockerImage, name: 'x:1'}}"), "unknown field `form`"),
        (class("bad", "{from: {kind: ImageStreamTag, name: x}}"), "must be STREAM:TAG"),
        (class("bad", "{from: {kind: ImageStreamImage, name: 'x:1'}}"), "must be STREAM@sha256:DIGEST"),
        (class("good", "{from: {kind: DockerImage, name: 'y:1'}}"), "declared twice"),
        (good.replace("v1alpha1", "v7"), "clade.dev/v7"),
        ("kind: [".to_owned(), "is not YAML"),
        (String::new(), ""),
    ] {
        let file = shell.dir.path().join("bad.yaml");
        std::fs::write(&file, good.clone() + &bad).unwrap();
        if told.is_empty() {
            assert_eq!(
                shell.ok(&["apply", "-f", &file.display().to_string()]),
                "imageclass.clade.dev/good created\n"
            );
            continue;
        }
        let (code, message) = shell.fails(&["apply", "-f", &file.display().to_string()]);
        assert!(code != 0 && message.contains(told), "{told}: {code} {message}");
        assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n", "after {told}");
    }
}

/// The largest file that the shell allows (`ulimit -f`, in blocks of 512 bytes or 1,024) stands for a disk that is full.
#[test]
fn a_disk_that_is_full_is_a_clear_end_and_the_next_import_a_clean_start() {
    let shell = Shell::empty();
    let history = PathBuf::from(shell.path("history"));
    shell.ok(&["generate", &history.display().to_string(), "--images", "5000"]);
    let script = format!(
        "trap '' XFSZ; ulimit -f 4096; exec {} import {}",
        env!("CARGO_BIN_EXE_clade"),
        history.display()
    );
    let output =
        Command::new("sh").args(["-c", &script]).env("CLADE_DATA_DIR", shell.path("data")).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("File too large"), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    shell.ok(&["import", &history.display().to_string()]);
    let after = shell.ok(&["export", "lineage"]);
    let undisturbed = Shell::empty();
    undisturbed.ok(&["import", &history.display().to_string()]);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&after), sorted(&undisturbed.ok(&["export", "lineage"])));
}
