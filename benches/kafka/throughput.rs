//! How many images a second: read, read and written again, the same in transactions, and clade.

use clade::record::Topic;

use crate::child::{Run, Running, Task};
use crate::replay::Replay;
use crate::report::{Goal, all, best, cpu, goal, table};
use crate::settings::{PARTITIONS, Settings};
use crate::watch::Watch;
use crate::{bare, cluster, copy, history};

/// What clade finds when its time begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Everything, and nothing of it processed: its time begins when the group gives it the partitions.
    Nothing,
    /// Catalog and tags are processed, and the process was stopped while the images were written.
    Catalog,
    /// The same without a catalog: no image is in a class.
    NoClass,
}

/// The rounds of one contender.
#[derive(Default)]
struct Rounds {
    runs: Vec<Run>,
    /// Records that it read and wrote in the time, and transactions.
    read: u64,
    written: u64,
    transactions: u64,
}

impl Rounds {
    fn add(&mut self, run: Run, [read, written, transactions]: [u64; 3]) {
        self.runs.push(run);
        (self.read, self.written, self.transactions) = (read, written, transactions);
    }

    fn row(&self, name: &str, images: u64) -> Vec<String> {
        let (best, rate) = (best(&self.runs), |run: &Run| images as f64 / run.seconds);
        let an_image = |records: u64| format!("{:.2}", records as f64 / images as f64);
        let [client, broker] = cpu(best, images);
        let each = match self.transactions {
            0 => "-".to_owned(),
            transactions => (images / transactions).to_string(),
        };
        let rounds = all(self.runs.iter().map(rate), 0);
        let (read, written) = (an_image(self.read), an_image(self.written));
        vec![name.to_owned(), format!("{:.0}", rate(best)), client, broker, read, written, each, rounds]
    }

    /// Images a second, at best.
    fn rate(&self, images: u64) -> f64 {
        images as f64 / best(&self.runs).seconds
    }
}

/// All of them, in the order of the table.
#[derive(Default)]
struct Contenders {
    read: Rounds,
    rewrite: Rounds,
    transactions: Rounds,
    one_thread: Rounds,
    replay: Rounds,
    going_on: Rounds,
    from_nothing: Rounds,
    no_class: Rounds,
}

impl Contenders {
    fn rows(&self, transaction: usize) -> [(String, &Rounds); 8] {
        [
            ("a: read".to_owned(), &self.read),
            ("b: read, write the same".to_owned(), &self.rewrite),
            (format!("c: b in transactions of {transaction}, a thread a partition"), &self.transactions),
            (format!("c: b in transactions of {transaction}, one thread"), &self.one_thread),
            ("c: the same, writing what d going on writes".to_owned(), &self.replay),
            ("d: clade, going on (catalog and tags known)".to_owned(), &self.going_on),
            ("d: clade, from nothing (images, tags, catalog)".to_owned(), &self.from_nothing),
            ("d: clade, going on, no image in a class".to_owned(), &self.no_class),
        ]
    }
}

/// A published history, whose topics are copied for each round.
pub(crate) struct Source {
    pub(crate) prefix: String,
    pub(crate) images: u64,
}

impl Source {
    pub(crate) fn prepare(settings: &Settings) -> Self {
        let prefix = history::publish("source", settings.images);
        let mut images = 0;
        copy::each(&cluster::name(&prefix, Topic::Images), |_| images += 1);
        Self { prefix, images }
    }
}

/// Returns clade's best rate, in images a second.
pub(crate) fn run(settings: &Settings, source: &Source) -> f64 {
    let images = source.images;
    let inputs = cluster::fresh_prefix("inputs");
    copy::topic(&source.prefix, &inputs, Topic::Images);
    let from = cluster::name(&inputs, Topic::Images);
    let mut contenders = Contenders::default();
    for round in 0..settings.rounds {
        eprintln!("throughput: round {}", round + 1);
        let [produced, threads, single, progress] = ["b", "c", "c1", "c-progress"].map(cluster::fresh_topic);
        let transactions = |to: &str, by_partition| {
            Task::Transactions(bare::Transactions {
                from: from.clone(),
                to: to.to_owned(),
                progress: progress.clone(),
                records: settings.transaction,
                by_partition,
                on_and_on: false,
            })
        };
        let mut tasks = [
            (Task::Consume { topic: from.clone() }, 0, &mut contenders.read),
            (Task::Produce { from: from.clone(), to: produced.clone() }, images, &mut contenders.rewrite),
            (transactions(&threads, true), images, &mut contenders.transactions),
            (transactions(&single, false), images, &mut contenders.one_thread),
        ];
        for (task, written, rounds) in &mut tasks {
            let mut child = Running::start(task);
            let begun = child.wait_for("began");
            let run = begun.until(child.wait_for("ended"));
            let told = child.end();
            rounds.add(run, [images, *written, told["transactions"].as_u64().unwrap_or(0)]);
        }
        for start in [Start::Catalog, Start::Nothing, Start::NoClass] {
            let (run, counts, prefix) = process(source, start);
            let rounds = match start {
                Start::Catalog => &mut contenders.going_on,
                Start::Nothing => &mut contenders.from_nothing,
                Start::NoClass => &mut contenders.no_class,
            };
            rounds.add(run, counts);
            if start == Start::Catalog {
                let (run, counts) = replay(&from, &prefix, images, settings);
                contenders.replay.add(run, counts);
            }
            cluster::delete_prefix(&prefix);
        }
        cluster::delete(&[produced, threads, single, progress]);
    }
    cluster::delete_prefix(&inputs);
    tell(&contenders, images, settings)
}

/// Reads the images, and writes what clade has written under a prefix.
fn replay(images: &str, prefix: &str, count: u64, settings: &Settings) -> (Run, [u64; 3]) {
    let to = [cluster::fresh_topic("c-classifications"), cluster::fresh_topic("c-outdated")];
    let mut child = Running::start(&Task::Replay(Replay {
        inputs: Some(images.to_owned()),
        from: [Topic::Classifications, Topic::Outdated].map(|topic| cluster::name(prefix, topic)),
        offsets: [const { [0; PARTITIONS as usize] }; 2].map(Vec::from),
        to: to.clone(),
        images: settings.transaction,
    }));
    let begun = child.wait_for("began");
    let run = begun.until(child.wait_for("ended"));
    let told = child.end();
    cluster::delete(&to);
    let number = |name: &str| told[name].as_u64().unwrap();
    (run, [count, number("records"), number("transactions")])
}

fn tell(contenders: &Contenders, images: u64, settings: &Settings) -> f64 {
    let rows = contenders.rows(settings.transaction).map(|(name, rounds)| rounds.row(&name, images));
    let head = [
        "contender",
        "images/s",
        "client CPU ns/image",
        "broker CPU ns/image",
        "records read/image",
        "written/image",
        "images/transaction",
        "rounds (images/s)",
    ];
    table(&format!("Throughput: {images} images"), &head, &rows);
    println!(
        "Counted: a, b, c and d going on from the first record to the last commit, all clients connected before; d from \
         nothing from the group's assignment on, connecting and restoring included, until its progress is seen at the \
         ends of images, tags and catalog.\n"
    );
    let an_image = |records: u64| records as f64 / images as f64;
    let baseline = contenders.transactions.rate(images).max(contenders.one_thread.rate(images));
    let (clade, written) = (contenders.going_on.rate(images), an_image(contenders.going_on.written));
    let (bound, replayed) = (Goal::AtLeast(0.8), contenders.replay.rate(images));
    goal("throughput, d going on / c, in images", clade / baseline, bound);
    goal("throughput, d going on / c, in records written", clade * written / baseline, bound);
    goal("throughput, d going on / c writing the same records", clade / replayed, bound);
    let from_nothing = contenders.from_nothing.rate(images) / baseline;
    println!(
        "- for understanding: d from nothing / c in images {from_nothing:.2}, in records read {:.2}; d without any class / c \
         {:.2}",
        from_nothing * an_image(contenders.from_nothing.read),
        contenders.no_class.rate(images) / baseline
    );
    clade
}

/// Clade's rate alone, in images a second, for whoever asks for nothing else.
pub(crate) fn rate(source: &Source) -> f64 {
    let (run, _, prefix) = process(source, Start::Catalog);
    cluster::delete_prefix(&prefix);
    source.images as f64 / run.seconds
}

/// Clade on new topics; with its run, the records that it read and wrote and its transactions, and the topics' prefix.
fn process(source: &Source, start: Start) -> (Run, [u64; 3], String) {
    let prefix = cluster::fresh_prefix("d");
    let copy = |topic| copy::topic(&source.prefix, &prefix, topic);
    copy(Topic::Tags);
    if start != Start::NoClass {
        copy(Topic::Catalog);
    }
    if start == Start::Nothing {
        copy(Topic::Images);
    }
    let mut watch = Watch::start(&prefix);
    let mut child = Running::start(&Task::Process { prefix: prefix.clone(), snapshots: None });
    let begun = if start == Start::Nothing {
        child.wait_for("began")
    } else {
        child.wait_for("ready");
        // So that nothing is fetched ahead.
        child.signal("-STOP");
        copy(Topic::Images);
        let now = child.now();
        child.signal("-CONT");
        now
    };
    let ends = |topic| cluster::ends(&cluster::name(&prefix, topic));
    // Copies are written without transactions, so that an end is the offset behind the last record.
    let (images, tags, catalog) = (ends(Topic::Images), ends(Topic::Tags), ends(Topic::Catalog)[0]);
    let ended = watch.until(|progress| {
        let partition = usize::from(progress.partition);
        progress.images >= images[partition]
            && progress.tags >= tags[partition]
            && (progress.catalog >= catalog)
    });
    let run = begun.until(child.at(ended));
    let told = child.end();
    let number = |name: &str| told[name].as_u64().unwrap();
    drop(watch);
    let [classifications, transitions] =
        [Topic::Classifications, Topic::Outdated].map(|topic| count(&cluster::name(&prefix, topic)));
    let others = match start {
        Start::Nothing => tags.iter().sum::<u64>() + u64::from(PARTITIONS) * catalog,
        _ => 0,
    };
    (run, [source.images + others, classifications + transitions, number("transactions")], prefix)
}

fn count(topic: &str) -> u64 {
    let mut records = 0;
    copy::each(topic, |_| records += 1);
    records
}
