//! clade on a real API server: `make bench-kubernetes`. `ONLY=labels` how long it takes to label every image of a class,
//! beside a bare loop that writes the same labels; `ONLY=memory` what the watcher takes, at first and after relists;
//! `ONLY=admission` what the webhook adds to the creation of a pod.
//!
//! CLADE_BENCH_IMAGES says with how many images; 10,000 and 100,000 without.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "a benchmark")]

mod admission;
#[path = "../../tests/it/certificate.rs"]
mod certificate;
mod cluster;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use clade::kubernetes::{Cluster, Labelled, ObjectLabels, Seen, Target as _, watch_labels};
use clade::oci::Digest;
use cluster::{Clade, Server, image};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// As many writes on their way at once as the labeler has.
const AT_ONCE: usize = 16;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|of| !of.starts_with("--")).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|of| of == name);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if wants("labels") {
        runtime.block_on(labels(images(10_000)));
    }
    if wants("memory") {
        runtime.block_on(memory(images(100_000)));
    }
    if wants("admission") {
        runtime.block_on(admission::admission(images(100_000)));
    }
}

fn images(default: usize) -> usize {
    std::env::var("CLADE_BENCH_IMAGES").map_or(default, |text| text.parse().unwrap())
}

/// The same labels by a bare loop, by a bare loop while clade's two watches are open and somebody reads them, and by clade.
async fn labels(images: usize) {
    let server = Server::begin();
    let cluster = server.cluster().await;
    server.create_images(&cluster, images).await;
    println!(
        "labels on {images} images, {AT_ONCE} writes at once; times, and the ratio to the bare loop beside the watches"
    );
    for round in 0..2 {
        let bare = bare(&cluster, images, round).await;
        let watches = open_watches(&cluster);
        let watched = self::bare(&cluster, images, round + 2).await;
        drop(watches);

        let dir = tempfile::tempdir().unwrap();
        let running = Clade::run(&server, dir.path());
        running.wait_for_images(images);
        server.declare("base", "base:latest");
        let begun = Instant::now();
        running.wait_for_labels(images).await;
        let clade = begun.elapsed();
        server.undeclare("base");
        running.wait_for_labels(2 * images).await;
        drop(running);
        println!(
            "  bare loop {:>6.2} s   beside the watches {:>6.2} s   clade {:>6.2} s   {:.2}",
            bare.as_secs_f64(),
            watched.as_secs_f64(),
            clade.as_secs_f64(),
            clade.as_secs_f64() / watched.as_secs_f64(),
        );
    }
}

/// How long a bare loop takes.
async fn bare(cluster: &Cluster, images: usize, round: usize) -> Duration {
    let wanted = ObjectLabels {
        labels: BTreeMap::from([("class.clade.dev/base".to_owned(), "current".to_owned())]),
        annotation: Some(format!("{{\"bare\":{round}}}")),
    };
    let standing = standing(cluster, images).await;
    let begun = Instant::now();
    write_all(cluster, &standing, &wanted).await;
    let took = begun.elapsed();
    write_all(cluster, &standing, &ObjectLabels::default()).await;
    took
}

/// What clade watches, read and thrown away.
fn open_watches(cluster: &Cluster) -> JoinSet<()> {
    let mut watches = JoinSet::new();
    let (out, mut seen) = mpsc::channel(16);
    watches.spawn(watch_labels(cluster.clone(), out));
    watches.spawn(async move { while seen.recv().await.is_some() {} });
    let (out, mut seen) = mpsc::channel(16);
    let (_told, catalog) = tokio::sync::watch::channel(std::sync::Arc::default());
    let cluster = cluster.clone();
    watches.spawn(async move {
        let _told = _told;
        drop(clade::kubernetes::watch(cluster, catalog, out, false).await);
    });
    watches.spawn(async move { while seen.recv().await.is_some() {} });
    watches
}

/// Every image as it stands.
async fn standing(cluster: &Cluster, images: usize) -> Vec<Labelled<Digest>> {
    let (out, mut seen) = mpsc::channel(16);
    let mut watch = JoinSet::new();
    watch.spawn(watch_labels(cluster.clone(), out));
    let mut standing: HashMap<Digest, Labelled<Digest>> = HashMap::new();
    while standing.len() < images {
        for seen in seen.recv().await.unwrap() {
            if let Seen::Object(image) = seen {
                standing.insert(image.target, image);
            }
        }
    }
    standing.into_values().collect()
}

async fn write_all(cluster: &Cluster, images: &[Labelled<Digest>], labels: &ObjectLabels) {
    let mut writes = JoinSet::new();
    for image in images {
        if writes.len() >= AT_ONCE {
            writes.join_next().await.unwrap().unwrap();
        }
        let (cluster, image, labels) = (cluster.clone(), image.clone(), labels.clone());
        writes.spawn(async move {
            image.target.write(&cluster, &image.uid, &labels).await.unwrap();
        });
    }
    while let Some(written) = writes.join_next().await {
        written.unwrap();
    }
}

/// What the watcher takes of memory.
async fn memory(images: usize) {
    let server = Server::begin();
    server.create_images(&server.cluster().await, images).await;
    println!(
        "memory of clade run --kubernetes with {images} Images of {} bytes each",
        image(1).to_string().len()
    );
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    running.wait_for_images(images);
    running.tell_memory("after the first list");
    for relist in 1..=3 {
        server.restart();
        running.wait_for_list(relist + 1);
        running.tell_memory(&format!("after relist {relist}"));
    }
}
