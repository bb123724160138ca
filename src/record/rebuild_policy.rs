//! The rebuild policy of a class and the limits of a rebuild: how many builds, how fast, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::Timestamp;

/// The rebuild policy: what clade does about outdated images of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RebuildPolicy {
    /// The event that begins a rebuild.
    #[serde(default)]
    pub policy: RebuildTrigger,
    /// Seconds without a further outdated image before the rebuild begins. So a base that is pushed platform by
    /// platform, or twice in a row, causes one rebuild.
    #[serde(default = "default_settle_seconds")]
    #[schemars(range(max = 604_800), extend("format" = "int64"))]
    pub settle_seconds: u64,
    /// The priority. Among several rebuilds, the builds of the one with the higher priority begin first: a CVE fix
    /// before a routine one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// The limits: concurrent builds, failures, and the time window.
    #[serde(flatten)]
    pub limits: RebuildLimits,
}

/// The event that begins a rebuild.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RebuildTrigger {
    /// A rebuild begins on command only.
    #[default]
    Manual,
    /// A rebuild begins as soon as images of the class are outdated.
    OnOutdated,
}

/// The limits of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RebuildLimits {
    /// Builds of the rebuild that run at once in the whole cluster, at most.
    #[schemars(range(min = 1, max = 10_000), extend("format" = "int32"))]
    pub max_concurrent: u32,
    /// Builds of the rebuild that run at once in one namespace, at most. If absent, only `maxConcurrent` counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000), extend("format" = "int32"))]
    pub max_concurrent_per_namespace: Option<u32>,
    /// Failed targets after which no further build begins.
    #[schemars(range(min = 1), extend("format" = "int32"))]
    pub max_failures: u32,
    /// Retries of a failed build of one target, at most. Retries become ever less frequent; the other targets go on
    /// meanwhile.
    #[schemars(range(max = 10), extend("format" = "int32"))]
    pub retries: u32,
    /// Seconds after which a build that has not ended counts as failed.
    #[schemars(range(min = 1, max = 604_800), extend("format" = "int64"))]
    pub build_timeout_seconds: u64,
    /// The window in which builds may begin. If absent, builds may begin at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<RebuildWindow>,
}

impl Default for RebuildLimits {
    fn default() -> Self {
        Self {
            max_concurrent: 5,
            max_concurrent_per_namespace: None,
            max_failures: 3,
            retries: 1,
            build_timeout_seconds: 3_600,
            window: None,
        }
    }
}

/// Hours in which builds may begin, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RebuildWindow {
    /// The days on which the window opens. If empty, it opens every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
    /// The time of opening, `HH:MM` in UTC.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub start: String,
    /// The time of closing, `HH:MM` in UTC. A time not after `start` is on the next day.
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub end: String,
}

/// The days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

const WEEK: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
const DAY_MINUTES: i64 = 24 * 60;

fn default_settle_seconds() -> u64 {
    60
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

impl RebuildPolicy {
    /// Checks the limits. The error says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.limits.check().map_err(|problem| format!("spec.rebuild.{problem}"))
    }
}

impl RebuildLimits {
    /// Checks the limits. The error says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.max_concurrent == 0 || self.max_concurrent_per_namespace == Some(0) {
            return Err("maxConcurrent is 0: no build would ever begin; pause the rebuild instead".to_owned());
        }
        if self.max_failures == 0 {
            return Err("maxFailures is 0: say after how many failures it is to stop, from 1".to_owned());
        }
        if self.retries > 10 {
            return Err(format!("retries is {}: 10 at the most", self.retries));
        }
        if !(1..=604_800).contains(&self.build_timeout_seconds) {
            return Err("buildTimeoutSeconds must be from 1 to 604800, a week".to_owned());
        }
        self.window.as_ref().map_or(Ok(()), |window| window.minutes().map(drop))
    }

    /// Returns `true` if builds may begin at this moment.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.window.as_ref().is_none_or(|window| window.is_open(at))
    }
}

impl RebuildWindow {
    /// Returns `true` if the window is open at this moment; always `false` if the hours cannot be parsed.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let Ok((start, end)) = self.minutes() else { return false };
        let minute = at.as_second().div_euclid(60);
        let (day, now) = (minute.div_euclid(DAY_MINUTES), minute.rem_euclid(DAY_MINUTES));
        let closes = if end > start { end } else { end + DAY_MINUTES };
        let is_in = |day: i64, now: i64| self.opens_on(day) && (start..closes).contains(&now);
        // The window of yesterday may still be open.
        is_in(day, now) || is_in(day - 1, now + DAY_MINUTES)
    }

    /// Returns `true` if the window opens on this day. Days count from the Unix epoch, which was a Thursday.
    fn opens_on(&self, day: i64) -> bool {
        let number = usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0);
        self.days.is_empty() || self.days.contains(&WEEK[number])
    }

    /// Opening and closing time, in minutes of the day.
    fn minutes(&self) -> Result<(i64, i64), String> {
        let read = |name: &str, text: &str| {
            minute_of(text).ok_or_else(|| format!("window.{name} is {text:?}: say HH:MM, as 22:00, in UTC"))
        };
        Ok((read("start", &self.start)?, read("end", &self.end)?))
    }
}

fn minute_of(text: &str) -> Option<i64> {
    let is_number = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let (hour, minute) =
        text.split_once(':').filter(|(hour, minute)| is_number(hour) && is_number(minute))?;
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then(|| i64::from(hour) * 60 + i64::from(minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(days: &[Weekday], start: &str, end: &str, at: &str) -> bool {
        let window = RebuildWindow { days: days.to_vec(), start: start.to_owned(), end: end.to_owned() };
        window.is_open(at.parse().unwrap())
    }

    #[test]
    fn a_window_that_closes_on_the_next_day_belongs_to_the_day_on_which_it_opens() {
        // 2026-11-21 is a Saturday.
        let saturday = [Weekday::Sat];
        assert!(open(&saturday, "22:00", "06:00", "2026-11-21T22:00:00Z"));
        assert!(open(&saturday, "22:00", "06:00", "2026-11-22T05:59:59Z"));
        assert!(!open(&saturday, "22:00", "06:00", "2026-11-22T06:00:00Z"));
        assert!(!open(&saturday, "22:00", "06:00", "2026-11-21T05:00:00Z"), "that was Friday's");
        assert!(!open(&saturday, "22:00", "06:00", "2026-11-22T23:00:00Z"));
    }

    #[test]
    fn without_days_it_opens_every_day_and_equal_hours_are_a_whole_day() {
        assert!(open(&[], "01:00", "02:00", "2026-11-25T01:30:00Z"));
        assert!(!open(&[], "01:00", "02:00", "2026-11-25T02:00:00Z"));
        assert!(open(&[Weekday::Wed], "00:00", "00:00", "2026-11-25T23:59:59Z"));
        assert!(!open(&[Weekday::Wed], "00:00", "00:00", "2026-11-26T00:00:00Z"));
    }

    #[test]
    fn hours_that_cannot_be_read_are_told_and_never_open() {
        for text in ["24:00", "7:00", "", "07:60", "ab:cd", "+1:00"] {
            let window = RebuildWindow { days: Vec::new(), start: text.to_owned(), end: "06:00".to_owned() };
            let limits = RebuildLimits { window: Some(window), ..RebuildLimits::default() };
            let problem = limits.check().unwrap_err();
            assert!(problem.contains("window.start") && problem.contains("HH:MM"), "{problem}");
            assert!(!limits.is_open(Timestamp::UNIX_EPOCH));
        }
    }
}
