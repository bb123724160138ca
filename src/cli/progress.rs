//! Bars on a terminal, a line now and then elsewhere. Both on stderr.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over so many bytes.
pub(super) fn bytes(total: u64, what: &'static str) -> ProgressBar {
    bar(total, what, "{msg:12} [{bar:36}] {bytes}/{total_bytes} {bytes_per_sec}")
}

/// A bar over so many things.
pub(super) fn count(total: u64, what: &'static str) -> ProgressBar {
    bar(total, what, "{msg:12} [{bar:36}] {human_pos}/{human_len} {per_sec}")
}

/// Something that takes a moment.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, target()).with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

fn bar(total: u64, what: &'static str, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target())
        .with_style(style.progress_chars("=> "))
        .with_message(what)
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
