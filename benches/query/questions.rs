//! The questions to clade.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::history::Data;
use crate::process::Clade;

/// Questions of a kind, and pages of a list.
const TIMES: usize = 300;
const PAGES: usize = 60;

/// Asks each kind of question, and prints a row for each.
pub(crate) fn ask_all(clade: &Clade, data: &Data) {
    let digests: Vec<String> =
        data.some(TIMES).map(|image| data.digests[image as usize].to_string()).collect();
    let tags: Vec<&String> = data
        .tags
        .iter()
        .filter(|(_, images)| !images.is_empty())
        .map(|(name, _)| name)
        .step_by((data.tags.len() / TIMES).max(1))
        .take(TIMES)
        .collect();
    let base = data.digests[data.outdated_base() as usize];
    let of = |path: &str| digests.iter().map(|digest| format!("{path}{digest}")).collect::<Vec<_>>();
    points(clade, "explain", &of("/v1/explain?ref="));
    points(clade, "ancestors", &of("/v1/ancestors?ref="));
    points(
        clade,
        "resolve a tag",
        &tags.iter().map(|tag| format!("/v1/resolve?ref={tag}")).collect::<Vec<_>>(),
    );
    points(
        clade,
        "an image by the beginning of its digest",
        &digests.iter().map(|of| format!("/v1/images/{}", &of[7..23])).collect::<Vec<_>>(),
    );
    points(clade, "classes with their counts", &vec!["/v1/classes".to_owned(); 50]);
    for (name, path) in [
        ("images by name", "/v1/images".to_owned()),
        ("images, the newest first", "/v1/images?sort=-created".to_owned()),
        ("members of rhel7", "/v1/images?class=rhel7".to_owned()),
        ("outdated ones of rhel7, the longest first", "/v1/images?class=rhel7&sort=outdated".to_owned()),
        ("images without a tag, outdated for a month", "/v1/images?tagged=false&outdatedFor=30d".to_owned()),
        ("tags", "/v1/tags".to_owned()),
        ("tags on an outdated version of rhel7", "/v1/tags?class=rhel7&state=outdated".to_owned()),
        ("descendants of a version of rhel7", format!("/v1/descendants?ref={base}")),
    ] {
        pages(clade, name, &path);
    }
    points(clade, "usage of rhel7", &vec!["/v1/usage?class=rhel7".to_owned(); 5]);
    points(clade, "coverage", &vec!["/v1/coverage".to_owned(); 5]);
}

fn points(clade: &Clade, name: &str, paths: &[String]) {
    let mut connection = clade.connect();
    let mut times = Vec::new();
    for path in paths {
        let begun = Instant::now();
        connection.get(path);
        times.push(begun.elapsed());
    }
    report(name, &times);
}

fn pages(clade: &Clade, name: &str, path: &str) {
    let mut connection = clade.connect();
    let (mut times, mut token) = (Vec::new(), String::new());
    let separator = if path.contains('?') { '&' } else { '?' };
    for _ in 0..PAGES {
        let begun = Instant::now();
        let page = connection.get(&format!("{path}{separator}limit=100{token}"));
        times.push(begun.elapsed());
        let page: Value = serde_json::from_slice(&page).unwrap();
        let Some(next) = page["metadata"]["continue"].as_str() else { break };
        token = format!("&continue={next}");
    }
    report(&format!("page of 100: {name}"), &times);
}

fn report(name: &str, times: &[Duration]) {
    // The first one may wait until an order is built.
    let (first, rest) = times.split_first().unwrap();
    let mut sorted = rest.to_vec();
    sorted.sort_unstable();
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1_000.0);
    let at = |percent: usize| millis(sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]);
    let rate = rest.len() as f64 / rest.iter().sum::<Duration>().as_secs_f64();
    println!("| {name} | {} | {} | {} | {rate:.0} |", millis(*first), at(50), at(99));
}

/// Pages of the past: the first waits until the log is read.
pub(crate) fn past(clade: &Clade) {
    let now = jiff::Timestamp::now();
    pages(clade, "members of rhel7, as they were", &format!("/v1/images?class=rhel7&at={now}"));
}

/// All members of a class, as lines.
pub(crate) fn stream(clade: &Clade) {
    let (before, begun) = (clade.memory(), Instant::now());
    let (lines, bytes) = clade.connect().lines("/v1/images?class=rhel7");
    let took = begun.elapsed().as_secs_f64();
    println!(
        "all members of rhel7 as lines: {lines} in {took:.1} s, {:.0} a second, {:.0} MB/s; memory {before} MiB before, {} MiB after",
        lines as f64 / took,
        bytes as f64 / took / 1e6,
        clade.memory()
    );
}
