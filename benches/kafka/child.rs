//! One contender in a process of its own, and what the parent reads off it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{bare, cluster, process, replay};

/// What a child does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Reads a topic to its end.
    Consume { topic: String },
    /// Reads a topic to its end and writes the same into another.
    Produce { from: String, to: String },
    /// The same in transactions.
    Transactions(bare::Transactions),
    /// What `clade process` runs.
    Process { prefix: String, snapshots: Option<PathBuf> },
    /// Restores the processors of all partitions.
    Restore { prefix: String, snapshots: Option<PathBuf> },
    /// Writes once more what a processor has written.
    Replay(replay::Replay),
}

/// Carries the task out. The parent ends it by closing its standard input.
pub(crate) fn run(task: &Task) {
    let told = match task {
        Task::Consume { topic } => bare::consume(topic),
        Task::Produce { from, to } => bare::produce(from, to),
        Task::Transactions(task) => bare::transactions(task),
        Task::Process { prefix, snapshots } => process::run(prefix, snapshots.as_deref()),
        Task::Restore { prefix, snapshots } => process::restore(prefix, snapshots.as_deref()),
        Task::Replay(task) => replay::replay(task),
    };
    println!("{told}");
}

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// A moment of a run.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) at: Instant,
    /// Nanoseconds of CPU since each process began.
    client: u64,
    broker: u64,
}

/// What lay between two moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    /// Nanoseconds of CPU.
    pub(crate) client: u64,
    pub(crate) broker: u64,
}

impl Running {
    pub(crate) fn start(task: &Task) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", &serde_json::to_string(task).unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// Waits until the child says the word.
    pub(crate) fn wait_for(&mut self, word: &str) -> Point {
        while self.line() != word {}
        self.now()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let bytes = self.output.read_line(&mut line).unwrap();
        assert!(bytes > 0, "a child has failed; see above");
        line.trim_end().to_owned()
    }

    /// This moment.
    pub(crate) fn now(&self) -> Point {
        self.at(Instant::now())
    }

    /// A moment that is just past.
    pub(crate) fn at(&self, at: Instant) -> Point {
        Point { at, client: cpu(self.child.id()), broker: cpu(cluster::broker()) }
    }

    /// Stops the process where it is, or lets it go on.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill {signal}");
    }

    /// Lets the child end and returns what it tells last.
    pub(crate) fn end(mut self) -> Value {
        drop(self.input.take());
        loop {
            if let Ok(told @ Value::Object(_)) = serde_json::from_str(&self.line()) {
                assert!(self.child.wait().unwrap().success(), "a child has failed; see above");
                return told;
            }
        }
    }
}

impl Point {
    pub(crate) fn until(self, end: Self) -> Run {
        Run {
            seconds: (end.at - self.at).as_secs_f64(),
            client: end.client - self.client,
            broker: end.broker - self.broker,
        }
    }
}

/// User and system time of a process, in nanoseconds (proc(5), `stat`, fields 14 and 15).
fn cpu(pid: u32) -> u64 {
    /// Linux counts in hundredths of a second wherever a program can see it (time(7), `USER_HZ`).
    const TICK: u64 = 10_000_000;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name of the program stands in brackets and may have blanks in it.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    (ticks(14) + ticks(15)) * TICK
}
