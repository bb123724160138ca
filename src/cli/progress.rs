//! Shows the progress of long work on stderr: a bar on a terminal, a line now and then elsewhere.

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Interval of lines where there is no terminal. Shorter work needs none.
const LINES: Duration = Duration::from_secs(2);

/// The progress of one piece of work.
pub(super) struct Progress {
    bar: ProgressBar,
    what: &'static str,
    is_shown: bool,
    told: Cell<Instant>,
}

/// Progress in bytes.
pub(super) fn bytes(total: u64, what: &'static str) -> Progress {
    Progress::new(total, what, "{msg:12} [{bar:36}] {bytes}/{total_bytes} {bytes_per_sec}")
}

/// Progress in items.
pub(super) fn count(total: u64, what: &'static str) -> Progress {
    Progress::new(total, what, "{msg:12} [{bar:36}] {human_pos}/{human_len} {per_sec}")
}

/// Progress of work that takes a moment.
pub(super) fn spinner(what: &'static str) -> Progress {
    let spinner = Progress::new(0, what, "{spinner} {msg}");
    spinner.bar.enable_steady_tick(Duration::from_millis(100));
    spinner
}

impl Progress {
    fn new(total: u64, what: &'static str, template: &str) -> Self {
        let is_shown = std::io::stderr().is_terminal();
        let bar = if is_shown { ProgressBar::new(total) } else { ProgressBar::hidden() };
        bar.set_length(total);
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self {
            bar: bar.with_style(style.progress_chars("=> ")).with_message(what),
            what,
            is_shown,
            told: Cell::new(Instant::now()),
        }
    }

    /// Adds work that is done.
    pub(super) fn add(&self, done: u64) {
        self.bar.inc(done);
        self.tell();
    }

    /// Sets the work that is done, and the total.
    pub(super) fn set(&self, done: u64, of: u64) {
        self.bar.set_length(of);
        self.bar.set_position(done);
        self.tell();
    }

    /// Removes the bar: all is done.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }

    fn tell(&self) {
        if self.is_shown || self.told.get().elapsed() < LINES {
            return;
        }
        self.told.set(Instant::now());
        let (done, of) = (self.bar.position(), self.bar.length().unwrap_or(0).max(1));
        eprintln!("{}: {} %", self.what, (done * 100 / of).min(100));
    }
}
