//! Draws the versions of a class over time: a bar for each, as long as it was current and as high as it has members.

use itertools::Itertools as _;
use maud::{Markup, html};

use super::text::many;
use crate::oci::Timestamp;
use crate::query::answer::{ClassStatus, VersionItem};

/// The size of a drawing in its own units; the sheet stretches it.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 40.0;
/// The least size of a bar that can be seen.
const LEAST: f64 = 2.0;
/// The part of the time before the last move that is drawn after it, at most, and the least of it in seconds.
const QUIET: i64 = 5;
const LEAST_QUIET: i64 = 7 * 24 * 60 * 60;

/// The span of time that drawings share, so that they can be compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    from: Timestamp,
    to: Timestamp,
}

impl Axis {
    /// From the first version of these classes until now; or until some time after the last one, if nothing has moved for long.
    pub(super) fn of<'a>(classes: impl Iterator<Item = &'a ClassStatus>, now: Timestamp) -> Self {
        let since = classes.flat_map(versions).filter_map(|(version, _)| version.since);
        let Some((from, last)) = since.minmax().into_option() else { return Self { from: now, to: now } };
        let all = last.as_second() - from.as_second();
        let later = Timestamp::from_second(last.as_second() + (all / QUIET).max(LEAST_QUIET)).unwrap_or(now);
        Self { from, to: later.min(now) }
    }

    /// The first and the last time.
    pub(super) fn ends(&self) -> (Timestamp, Timestamp) {
        (self.from, self.to)
    }

    #[allow(clippy::cast_precision_loss, reason = "a place in a drawing")]
    fn place(&self, time: Timestamp) -> f64 {
        let all = (self.to.as_second() - self.from.as_second()).max(1) as f64;
        let part = (time.as_second() - self.from.as_second()) as f64;
        (part / all).clamp(0.0, 1.0) * WIDTH
    }
}

/// All versions, the current one first.
pub(super) fn versions(of: &ClassStatus) -> impl Iterator<Item = (&VersionItem, bool)> {
    of.current.iter().map(|version| (version, true)).chain(of.history.iter().map(|version| (version, false)))
}

/// The drawing of a class. Versions of an unknown time are not in it.
#[allow(clippy::cast_precision_loss, reason = "a place in a drawing")]
pub(super) fn drawing(of: &ClassStatus, axis: Axis) -> Markup {
    let most = versions(of).map(|(version, _)| version.members).max().unwrap_or(0).max(1) as f64;
    let label = format!("{} from {} to {}", many(versions(of).count() as u64, "version"), axis.from, axis.to);
    html! {
        svg.timeline viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(label) {
            line x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            @for (version, is_current) in versions(of) {
                @if let Some(since) = version.since {
                    @let begin = axis.place(since);
                    // A version that came back is current until now.
                    @let end = if is_current { WIDTH } else { version.until.map_or(WIDTH, |until| axis.place(until)) };
                    @let height = (version.members as f64 / most * (HEIGHT - LEAST)).max(LEAST);
                    rect.now[is_current] x=(tenths(begin)) y=(tenths(HEIGHT - height)) width=(tenths((end - begin).max(LEAST) - 1.0)) height=(tenths(height)) {
                        title { (version.digest.short()) ": " (many(version.members, "image")) ", since " (since) }
                    }
                }
            }
        }
    }
}

fn tenths(place: f64) -> String {
    format!("{place:.1}")
}
