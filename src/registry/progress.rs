//! Says how far the first look at a registry is: at the pace of a large registry it takes hours, and until its end the
//! answers lack what it has not seen. This module is a target of its own, so that people see its lines by default.

use std::time::Duration;

use tokio::time::Instant;

/// The time to the first line. Each further line comes after twice as long, so that hours make few lines.
const FIRST: Duration = Duration::from_secs(10);
/// The longest time between two lines.
const LONGEST: Duration = Duration::from_secs(300);

/// The progress of the first look.
pub(super) struct Progress {
    begun: Instant,
    next: Instant,
    wait: Duration,
    /// `true` once a pass has read everything.
    is_over: bool,
}

/// The known entries of the registry.
pub(super) struct Totals {
    pub(super) repositories: usize,
    pub(super) tags: usize,
    pub(super) images: usize,
}

impl Progress {
    pub(super) fn new() -> Self {
        let begun = Instant::now();
        Self { begun, next: begun + FIRST, wait: FIRST, is_over: false }
    }

    /// The time of the next line; `None` after the first look.
    pub(super) fn next(&self) -> Option<Instant> {
        (!self.is_over).then_some(self.next)
    }

    /// Says how far the look is.
    pub(super) fn tell(&mut self, registry: &str, waiting: usize, totals: &Totals) {
        self.wait = (self.wait * 2).min(LONGEST);
        self.next = Instant::now() + self.wait;
        if waiting == 0 {
            // Between two passes. What the last one could not read was told with its reason.
            return;
        }
        let Totals { repositories, tags, images } = totals;
        tracing::info!(
            "the first look at {registry} goes on: {waiting} repositories wait, and {repositories} with {tags} tags and \
             {images} images are known"
        );
    }

    /// Says once that everything was read.
    pub(super) fn end(&mut self, registry: &str, totals: impl FnOnce() -> Totals) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let (Totals { repositories, tags, images }, seconds) = (totals(), self.begun.elapsed().as_secs());
        tracing::info!(
            "the first look at {registry} since the start is complete: {repositories} repositories, {tags} tags and {images} \
             images in {seconds} s"
        );
    }
}
