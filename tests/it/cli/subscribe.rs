//! `clade subscribe`, of a data directory and of a process that runs.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use super::shell::{Running, Shell};

/// The events of a subscription.
fn subscribed(shell: &Shell, args: &[&str]) -> Vec<Value> {
    let told = shell.ok(&[&["subscribe"], args].concat());
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_subscription_is_filtered_begins_anywhere_and_speaks_cloudevents() {
    let shell = Shell::new();
    let all = subscribed(&shell, &["outdated"]);
    let ids = |events: &[Value]| events.iter().map(|event| event["id"].clone()).collect::<Vec<_>>();
    let outdated = subscribed(&shell, &["outdated", "--class", "base", "--state", "outdated"]);
    assert!(!outdated.is_empty() && outdated.len() < all.len());
    assert!(outdated.iter().all(|event| event["data"]["to"]["state"] == "outdated" || event["left"] == true));
    let group = subscribed(&shell, &["outdated", "--group", "os=base"]);
    assert_eq!(ids(&group), ids(&all));
    let app1 = subscribed(&shell, &["outdated", "--repository", "shop/app1", "--namespace", "shop"]);
    assert!(
        !app1.is_empty()
            && app1.iter().all(|event| event["data"]["tags"][0] == "shop/app1:1"
                || event["data"]["tags"][0] == "shop/app1:latest")
    );
    assert_eq!(ids(&subscribed(&shell, &["outdated", "--from", "2h"])), ids(&all));
    let last = all.last().unwrap();
    let place = format!("{}:{}", last["partition"], last["offset"]);
    let rest = subscribed(&shell, &["outdated", "--from", &place]);
    assert!(
        rest.contains(last)
            && rest.iter().all(|event| event["partition"] != last["partition"]
                || event["offset"].as_u64() >= last["offset"].as_u64())
    );

    let events = subscribed(&shell, &["classifications", "-o", "cloudevents"]);
    let plain = subscribed(&shell, &["classifications"]);
    for (event, plain) in events.iter().zip(&plain) {
        for (name, expected) in [
            ("specversion", json!("1.0")),
            ("source", json!("/clade/classifications")),
            ("datacontenttype", json!("application/json")),
            ("subject", plain["key"].clone()),
            ("id", plain["id"].clone()),
            ("type", plain["type"].clone()),
            ("time", plain["time"].clone()),
            ("data", plain["data"].clone()),
            ("offset", json!(plain["offset"].to_string())),
        ] {
            assert_eq!(event[name], expected, "{name}: {event}");
        }
        let is_legal = |name: &String| {
            name == "data" || name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        assert!(event.as_object().unwrap().keys().all(is_legal), "{event}");
    }
    assert_eq!(events.len(), plain.len());
    assert!(subscribed(&shell, &["catalog", "--class", "base"]).len() >= 4);
    assert_eq!(subscribed(&shell, &["rebuilds", "--class", "base", "--namespace", "shop"]), [] as [Value; 0]);

    // A running process is asked in the same way.
    let running = shell.serve(&[]);
    assert_eq!(ids(&subscribed(&shell, &["outdated", "--group", "os"])), ids(&all));
    let mut follower =
        shell.command(&["subscribe", "outdated", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    for event in &all {
        assert_eq!(&serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap(), event);
    }
    assert!(Running(follower).stop(), "Ctrl-C is a good end");
    assert!(running.stop());
}

#[test]
fn a_subscription_that_makes_no_sense_says_what_to_ask_for_instead() {
    let shell = Shell::new();
    for (args, told) in [
        (&["classifications", "--repository", "shop/app1"][..], "can be filtered by class, group, state"),
        (&["dead-letters", "--class", "base"], "it takes no filter"),
        (&["catalog", "--state", "outdated"], "can be filtered by class"),
        (&["outdated", "--from", "yesterday"], "how long ago as 2h"),
        (&["outdated", "--from", "2999-01-01T00:00:00Z"], "in the future"),
        (&["outdated", "--from", "77:0"], "has no partition 77"),
        (&["outdated", "--from", "0:999999"], "has no offset 999999 yet"),
        (&["outdated", "--consumer-group", "mine", "--follow"], "name the cluster with --kafka"),
    ] {
        let (code, message) = shell.fails(&[&["subscribe"], args].concat());
        assert!(code == 2 && message.contains(told), "{args:?}: {code} {message}");
    }
}
