//! From an image's record to what follows from it, as a reader sees it: clade beside a bare client that writes the same
//! image again.

use std::sync::Arc;
use std::time::Duration;

use clade::record::Topic;

use crate::child::{Point, Run, Running, Task};
use crate::generator::{Seen, Template, latencies, templates};
use crate::report::{Goal, all, goal, table};
use crate::settings::Settings;
use crate::throughput::Source;
use crate::{bare, cluster, copy};

/// Events a second where there is little to do.
const LOW: f64 = 400.0;
const WARM_UP: Duration = Duration::from_secs(2);
/// So many are measured, after so many in which caches and the broker's just-in-time compiler come to rest.
const SLICES: usize = 3;
const UNMEASURED: usize = 2;

/// The slices of one contender.
#[derive(Default)]
struct Slices {
    /// Sorted, one list a slice.
    seen: Vec<Vec<Duration>>,
    runs: Vec<Run>,
}

impl Slices {
    fn add(&mut self, (mut seen, run): (Seen, Run)) {
        seen.latencies.sort_unstable();
        self.seen.push(seen.latencies);
        self.runs.push(run);
    }

    /// In milliseconds, over all slices.
    fn percentile(&self, percent: usize) -> f64 {
        let mut all = self.seen.concat();
        all.sort_unstable();
        percentile(&all, percent)
    }

    fn row(&self, name: &str) -> Vec<String> {
        let images: usize = self.seen.iter().map(Vec::len).sum();
        let an_image = |cpu: fn(&Run) -> u64| {
            format!("{:.0}", self.runs.iter().map(cpu).sum::<u64>() as f64 / images as f64)
        };
        let (client, broker) = (an_image(|run| run.client), an_image(|run| run.broker));
        let slices = |percent| all(self.seen.iter().map(|seen| percentile(seen, percent)), 1);
        let told = |percent| format!("{:.1}", self.percentile(percent));
        vec![name.to_owned(), told(50), told(90), told(99), client, broker, slices(50), slices(99)]
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1e3
}

/// `most` is the rate that clade has reached with the machine for itself and the broker, in images a second. Beside the
/// sender and the reader it is less: that much is sent once, to see how much of it clade can take, and half of this is
/// half load.
pub(crate) fn run(settings: &Settings, source: &Source, most: f64) {
    let templates = Arc::new(templates(source));
    eprintln!("latency: {most:.0} images/s, to see how many clade takes");
    let (all_seen, _) = clade_slice(settings, source, &templates, most);
    println!("\nOf {most:.0} images/s sent, clade beside their sender takes {:.0} images/s.", all_seen.rate);
    for rate in [LOW, (all_seen.rate / 2.0).round()] {
        let [mut bare, mut clade] = [Slices::default(), Slices::default()];
        for slice in 0..UNMEASURED + SLICES {
            eprintln!("latency: {rate} images/s, slice {}", slice + 1);
            let (bare_seen, clade_seen) =
                (bare_slice(settings, &templates, rate), clade_slice(settings, source, &templates, rate));
            if slice >= UNMEASURED {
                bare.add(bare_seen);
                clade.add(clade_seen);
            }
        }
        let head = [
            "contender",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "client CPU ns/image",
            "broker CPU ns/image",
            "p50 of slices",
            "p99 of slices",
        ];
        table(
            &format!("Latency at {rate} images/s"),
            &head,
            &[bare.row("bare: write the same and the progress, commit at once"), clade.row("clade process")],
        );
        for (percent, bound) in [(50, 1.3), (99, 1.5)] {
            let ratio = clade.percentile(percent) / bare.percentile(percent);
            goal(&format!("latency at {rate}/s, p{percent}, clade / bare"), ratio, Goal::AtMost(bound));
        }
    }
}

fn bare_slice(settings: &Settings, templates: &Arc<Vec<Template>>, rate: f64) -> (Seen, Run) {
    let [from, to, progress] = ["latency-in", "latency-out", "latency-progress"].map(cluster::fresh_topic);
    let child = Running::start(&Task::Transactions(bare::Transactions {
        from: from.clone(),
        to: to.clone(),
        progress: progress.clone(),
        records: settings.transaction,
        by_partition: true,
        on_and_on: true,
    }));
    let slice = measure(child, templates, [&from, &to], rate, settings.slice);
    cluster::delete(&[from, to, progress]);
    slice
}

fn clade_slice(
    settings: &Settings,
    source: &Source,
    templates: &Arc<Vec<Template>>,
    rate: f64,
) -> (Seen, Run) {
    let prefix = cluster::fresh_prefix("latency");
    for topic in [Topic::Tags, Topic::Catalog] {
        copy::topic(&source.prefix, &prefix, topic);
    }
    let child = Running::start(&Task::Process { prefix: prefix.clone(), snapshots: None });
    let topics = [Topic::Images, Topic::Classifications].map(|topic| cluster::name(&prefix, topic));
    let slice = measure(child, templates, [&topics[0], &topics[1]], rate, settings.slice);
    cluster::delete_prefix(&prefix);
    slice
}

fn measure(
    mut child: Running,
    templates: &Arc<Vec<Template>>,
    topics: [&str; 2],
    rate: f64,
    measured: Duration,
) -> (Seen, Run) {
    child.wait_for("ready");
    let (mut begun, mut ended): (Option<Point>, Option<Point>) = (None, None);
    let seen = latencies(templates, topics, rate, [WARM_UP, measured], |is_end| {
        *(if is_end { &mut ended } else { &mut begun }) = Some(child.now());
    });
    child.end();
    (seen, begun.unwrap().until(ended.unwrap()))
}
