//! Draws the versions of a class over time: a bar for each, as long as it was current and as high as it has members.

use itertools::Itertools as _;
use maud::{Markup, html};

use super::look::Look;
use super::words::many;
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

/// The span of time that drawings share, so that they can be compared; `None` if no version has a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis(Option<(Timestamp, Timestamp)>);

impl Axis {
    /// From the first version of these classes until now; or until some time after the last one, if nothing has moved for long.
    pub(super) fn of<'a>(classes: impl Iterator<Item = &'a ClassStatus>, now: Timestamp) -> Self {
        let since = classes.flat_map(versions).filter_map(|(version, _)| version.since);
        let ends = since.minmax().into_option().map(|(from, last)| {
            let quiet = ((last.as_second() - from.as_second()) / QUIET).max(LEAST_QUIET);
            let later = Timestamp::from_second(last.as_second() + quiet).unwrap_or(now);
            (from, later.min(now))
        });
        Self(ends)
    }

    /// The first and the last time.
    pub(super) fn ends(&self) -> Option<(Timestamp, Timestamp)> {
        self.0
    }
}

#[allow(clippy::cast_precision_loss, reason = "a place in a drawing")]
fn place((from, to): (Timestamp, Timestamp), time: Timestamp) -> f64 {
    let all = (to.as_second() - from.as_second()).max(1) as f64;
    let part = (time.as_second() - from.as_second()) as f64;
    (part / all).clamp(0.0, 1.0) * WIDTH
}

/// All versions, the current one first.
pub(super) fn versions(of: &ClassStatus) -> impl Iterator<Item = (&VersionItem, bool)> {
    of.current.iter().map(|version| (version, true)).chain(of.history.iter().map(|version| (version, false)))
}

/// The time since which the current version is current. Nobody knows when an earlier one came back.
pub(super) fn moved(of: &ClassStatus, look: &Look) -> Markup {
    html! {
        @if let Some(current) = &of.current {
            @match (current.until, current.since) {
                (Some(_), _) => { "rolled back" }
                (None, Some(since)) => { (look.ago(since)) }
                (None, None) => { "unknown" }
            }
        }
    }
}

/// The drawing of a class. Versions of an unknown time are not in it.
pub(super) fn drawing(of: &ClassStatus, axis: Axis, look: &Look) -> Markup {
    let most = versions(of).map(|(version, _)| version.members).max().unwrap_or(0).max(1);
    let drawn = versions(of).filter(|(version, _)| version.since.is_some()).count() as u64;
    let Some(ends) = axis.ends().filter(|_| drawn > 0) else {
        return html! { span.faint { "Nobody knows the times of its versions." } };
    };
    let label = format!(
        "{}, {} on the current one",
        many(drawn, "version"),
        many(of.members - of.outdated.min(of.members), "image")
    );
    html! {
        svg.timeline viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(label) {
            line x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            @for (version, is_current) in versions(of) {
                @if let Some(since) = version.since {
                    (bar(version, is_current, (place(ends, since), version.until.map_or(WIDTH, |until| place(ends, until))), most, look))
                }
            }
        }
    }
}

/// A bar as long as the version was current, as far as anybody knows, and as high as it has members.
#[allow(clippy::cast_precision_loss, reason = "a place in a drawing")]
fn bar(version: &VersionItem, is_current: bool, (begin, end): (f64, f64), most: u64, look: &Look) -> Markup {
    let height = (version.members as f64 / most as f64 * (HEIGHT - LEAST)).max(LEAST);
    let told = format!("{}: {}", version.digest.short(), many(version.members, "image"));
    html! {
        rect.now[is_current] x=(tenths(begin)) y=(tenths(HEIGHT - height)) width=(tenths((end - begin).max(LEAST) - 1.0)) height=(tenths(height)) {
            title { (told) @if let Some(since) = version.since { ", since " (since) } @if look.at().is_none() && is_current { ", current" } }
        }
    }
}

fn tenths(place: f64) -> String {
    format!("{place:.1}")
}
