//! The table.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::check::Found;
use crate::load::{Phase, Sample};
use crate::probes::Asked;

/// The moment from which memory is compared: by then all buffers have their size.
const WARM: Duration = Duration::from_secs(120);

/// What is left in the end.
pub(crate) struct Total {
    /// Time from the end of the load until all input was taken in.
    pub(crate) took: Duration,
    /// MiB after that, and after a restart.
    pub(crate) after: u64,
    pub(crate) restarted: u64,
    pub(crate) found: [Found; 2],
}

fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1_000.0;
    if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

fn times(asked: &Asked) -> String {
    format!("{} ms", asked.times().map(millis).join(" / "))
}

fn others(asked: &Asked) -> String {
    let told: Vec<String> =
        asked.others.iter().map(|(outcome, times)| format!("{times} {outcome}")).collect();
    let told = if told.is_empty() { "all".to_owned() } else { format!("but {}", told.join(", ")) };
    format!("{} of {}: {told}", asked.answered(), asked.all())
}

impl Phase {
    /// The sample from which memory is compared, and the last one.
    fn compared(&self) -> Option<(Sample, Sample)> {
        let from = if self.length > 2 * WARM { WARM } else { self.length / 5 };
        Some((*self.samples.iter().find(|sample| sample.at >= from)?, *self.samples.last()?))
    }

    fn taken_in(&self) -> String {
        let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) else {
            return "-".to_owned();
        };
        let rate = (last.images - first.images) as f64 / (last.at - first.at).as_secs_f64();
        format!("{rate:.0} of {:.0}", self.put as f64 / self.length.as_secs_f64())
    }

    fn age(&self) -> String {
        let mut took = self.took.clone();
        took.sort_unstable();
        let at = |index: usize| took.get(index).copied().unwrap_or_default().as_secs_f64();
        format!("{:.1} / {:.1} s", at(took.len() / 2), at(took.len().saturating_sub(1)))
    }

    fn memory(&self) -> String {
        let Some((from, to)) = self.compared() else { return "-".to_owned() };
        format!("{} MiB at {} s, {} MiB at the end", from.memory, from.at.as_secs(), to.memory)
    }

    fn memory_an_image(&self) -> String {
        let Some((from, to)) = self.compared() else { return "-".to_owned() };
        let grown = (to.memory as f64 - from.memory as f64) * 1_024.0;
        format!("{:.1} KiB", grown / (to.images - from.images).max(1) as f64)
    }

    fn strangers(&self, tell: impl Fn(&crate::strangers::Counts) -> String) -> String {
        self.strangers.as_deref().map_or_else(|| "-".to_owned(), tell)
    }
}

fn of(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Prints a column for each phase.
pub(crate) fn phases(phases: &[Phase]) {
    let row = |name: &str, cell: &dyn Fn(&Phase) -> String| {
        let cells: Vec<String> = phases.iter().map(cell).collect();
        println!("| {name} | {} |", cells.join(" | "));
    };
    row("", &|phase| format!("{}, {} s", phase.name, phase.length.as_secs()));
    println!("|---|{}", "---|".repeat(phases.len()));
    row("images taken in a second, of those put in", &Phase::taken_in);
    row("from a file's arrival to all of its images in the index, p50 / max", &Phase::age);
    row("point question, p50 / p99 / max", &|phase| times(&phase.results.points));
    row("answered", &|phase| others(&phase.results.points));
    row("`/healthz`, p50 / p99 / max", &|phase| times(&phase.results.healthy));
    row("answered", &|phase| others(&phase.results.healthy));
    row("`/readyz`, p50 / p99 / max", &|phase| times(&phase.results.ready));
    row("ready", &|phase| others(&phase.results.ready));
    row("list of 1,000 images, p50 / p99 / max", &|phase| times(&phase.results.lists));
    row("answered", &|phase| others(&phase.results.lists));
    row("memory", &Phase::memory);
    row("the most of it", &|phase| {
        format!("{} MiB", phase.samples.iter().map(|sample| sample.memory).max().unwrap_or_default())
    });
    row("its growth for each new image", &Phase::memory_an_image);
    row("open files, most", &|phase| {
        phase.samples.iter().map(|sample| sample.files).max().unwrap_or_default().to_string()
    });
    row("CPU of clade", &|phase| format!("{:.2} cores", phase.cpu / phase.length.as_secs_f64()));
    row("followers served at once, refusals, MiB of events", &|phase| {
        phase.strangers(|counts| {
            let (most, refused, events) = (&counts.most_following, &counts.follow_refused, &counts.events);
            format!("{}, {}, {}", of(most), of(refused), of(events) >> 20)
        })
    });
    row("followers cut off", &|phase| phase.strangers(|counts| of(&counts.follow_ended).to_string()));
    row("lists begun for readers that do not read, and refused", &|phase| {
        phase.strangers(|counts| format!("{}, {}", of(&counts.lists_begun), of(&counts.lists_refused)))
    });
    row("idle connections closed", &|phase| phase.strangers(|counts| of(&counts.idle_closed).to_string()));
    row("attempts to connect that failed", &|phase| {
        phase.strangers(|counts| of(&counts.unconnected).to_string())
    });
}

/// Prints what is left in the end.
pub(crate) fn total(total: &Total) {
    let Total { took, after, restarted, found } = total;
    println!(
        "\nAll input was taken in {:.1} s after the load ended. Memory was {after} MiB then, and {restarted} MiB after a restart.\n",
        took.as_secs_f64()
    );
    println!("| | images | tags | lost | wrong | invented | known after |\n|---|---|---|---|---|---|---|");
    for (name, found) in ["after the load", "after a kill and a restart"].iter().zip(found) {
        let Found { images, tags, lost, wrong, invented, after } = found;
        let after = after.as_secs_f64();
        println!("| {name} | {images} | {tags} | {lost} | {wrong} | {invented} | {after:.1} s |");
    }
    assert!(found.iter().all(|found| found.differences() == 0), "see the table");
}
