//! Lists in parts and in the user's own form, and commands that wait.

use std::time::{Duration, Instant};

use serde_json::json;

use super::shell::Shell;
use crate::support::digest;

#[test]
fn a_list_that_was_cut_says_how_many_follow_and_a_whole_one_says_nothing() {
    let shell = Shell::new();
    let output = shell.run(&["get", "images", "--limit", "3", "-o", "name"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "these are the first 3; there are 5 more\n");
    let output = shell.run(&["get", "images", "--limit", "8", "-o", "name"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 8);
    assert!(output.stderr.is_empty());
}

#[test]
fn lists_take_conditions_on_names_tags_and_time() {
    let shell = Shell::new();
    let names = |args: &[&str]| {
        let mut all = vec!["get", "images", "-o", "custom-columns=REPOSITORY:.repositories[0]"];
        all.extend(args);
        shell.ok(&all).lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--repository", "shop/app*"]), ["shop/app1", "shop/app1", "shop/app2", "shop/app3"]);
    assert_eq!(names(&["--namespace", "openshift", "--tagged"]), ["openshift/base"]);
    assert_eq!(names(&["--namespace", "openshift", "--untagged"]).len(), 2);
    assert_eq!(
        names(&["--created-after", "2020-01-01T00:00:00Z"]),
        [] as [&str; 0],
        "no source tells their time"
    );
    // The class moved away from the base of the first two at the second second, and from that of the third one second later.
    let longest = names(&["--sort-by", "outdated", "--outdated-for", "1d"]);
    assert_eq!(longest.len(), 5);
    assert!(longest[..3].iter().all(|name| name == "openshift/base" || name == "shop/app1"), "{longest:?}");
    let (code, told) = shell.fails(&["get", "images", "--repository", "a*b"]);
    assert!(code == 2 && told.contains("a single *"), "{told}");
    let (code, told) = shell.fails(&["get", "images", "--outdated-for", "soon"]);
    assert!(code == 2 && told.contains("write a span of time"), "{told}");
}

#[test]
fn an_answer_can_have_the_form_that_its_reader_wants() {
    let shell = Shell::new();
    let told = shell.ok(&[
        "get",
        "tags",
        "-o",
        r#"jsonpath={range .items[*]}{.name} {.images[0].layers}{"\n"}{end}"#,
    ]);
    assert_eq!(told.lines().next(), Some("openshift/base:latest 2"));
    assert_eq!(shell.ok(&["get", "classes", "-o", "jsonpath={.items[*].status.members}"]), "7\n");
    let columns = "custom-columns=NAME:.metadata.name,MEMBERS:.status.members,OWNER:.spec.owner";
    assert_eq!(
        shell.ok(&["get", "classes", "-o", columns]),
        "NAME   MEMBERS   OWNER\nbase   7         <none>\n"
    );
    for (output, problem) in [
        ("jsonpath={.items[", "closing brace"),
        ("custom-columns=NAME", "write HEADER:PATH"),
        ("xml", "write table"),
    ] {
        let (code, told) = shell.fails(&["get", "classes", "-o", output]);
        assert!(code == 2 && told.contains(problem), "{told}");
    }
}

#[test]
fn a_command_waits_until_an_image_is_known_and_a_member() {
    let shell = Shell::new();
    assert_eq!(
        shell.ok(&["wait", "shop/app3:latest", "--class", "base", "--state", "current"]),
        "shop/app3:latest: current in base\n"
    );
    let (code, told) = shell.fails(&["wait", "shop/other:latest", "--class", "base"]);
    assert!(code == 2 && told.contains("nothing will change"), "{told}");
    let _running = shell.serve(&["--from", &shell.path("registry")]);
    let begun = Instant::now();
    let (code, told) = shell.fails(&["wait", "shop/new:1", "--timeout", "1s"]);
    assert!(code == 1 && told.contains("not found"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let waiting = std::thread::scope(|scope| {
        let waiting = scope
            .spawn(|| shell.ok(&["wait", &digest("new").to_string(), "--class", "base", "--timeout", "2m"]));
        let layers = ["A", "X", "new"].map(|layer| json!({ "digest": digest(layer) }));
        let line = json!({ "repository": "shop/new", "digest": digest("new"), "layers": layers });
        std::fs::write(shell.path("registry/new.jsonl"), line.to_string()).unwrap();
        waiting.join().unwrap()
    });
    assert_eq!(waiting, format!("{}: a member in base\n", digest("new")));
    assert_eq!(shell.ok(&["wait", "class/base", "--for", "Following"]), "class/base: Following\n");
    for (args, problem) in [
        (
            &["wait", "class/base", "--for", "Nonsense", "--timeout", "1s"][..],
            "possible values: Ready, Following",
        ),
        (&["wait", "class/base", "--class", "base"][..], "are for images"),
        (&["wait", "shop/app1:1", "--for", "Ready"][..], "write class/NAME"),
    ] {
        assert!(shell.fails(args).1.contains(problem), "{args:?}");
    }
}

#[test]
fn a_list_can_be_asked_for_as_it_was() {
    let shell = Shell::new();
    let questions: [&[&str]; 5] = [
        &["get", "tags", "--class", "base", "--state", "outdated"],
        &["get", "images", "-o", "json"],
        &["get", "classes", "-o", "yaml"],
        &["usage", "--class", "base"],
        &["explain", "shop/app1:latest"],
    ];
    let of = |at: &str, question: &[&str]| {
        let output = shell.run(&[question, &["--at", at]].concat());
        assert!(output.status.success(), "{question:?} {output:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("as of 20"));
        String::from_utf8(output.stdout).unwrap()
    };
    std::thread::park_timeout(Duration::from_millis(5));
    let then = clade::oci::Timestamp::now().to_string();
    std::thread::park_timeout(Duration::from_secs(1));
    let before = questions.map(|question| of(&then, question));
    shell.ok(&["delete", "class", "base"]);
    assert_eq!(questions.map(|question| of(&then, question)), before);
    assert!(before[1].contains("\"at\": \""), "{}", before[1]);
    let (code, _) = shell.fails(&["usage", "--class", "base"]);
    assert_eq!(code, 3);

    for (at, status, problem) in [
        ("2999-01-01T00:00:00Z", 2, "is not over, or has just been: leave the time out for the present"),
        ("900d", 1, "nothing was on the log yet; ask for a later time"),
        ("yesterday", 2, "write a time (2026-01-31T00:00:00Z) or the time since then (7d)"),
    ] {
        let (code, told) = shell.fails(&["get", "tags", "--at", at]);
        assert!(code == status && told.contains(problem), "{at}: {code} {told}");
    }
}
