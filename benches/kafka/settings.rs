//! How large a run is, from the environment.

use std::time::Duration;

/// Partitions of every topic that has several.
pub(crate) const PARTITIONS: u16 = 4;

/// How large a run is.
pub(crate) struct Settings {
    /// Images of the sections `throughput` and `latency`.
    pub(crate) images: u64,
    /// Images of the sections `restart` and `class`.
    pub(crate) many_images: u64,
    pub(crate) rounds: usize,
    /// How long one slice of the section `latency` is measured.
    pub(crate) slice: Duration,
    /// Inputs of one transaction of the baselines.
    pub(crate) transaction: usize,
}

impl Settings {
    /// `CLADE_BENCH_SCALE` (1), `CLADE_BENCH_ROUNDS` (3), `CLADE_BENCH_SLICE` (10 seconds) and
    /// `CLADE_BENCH_TRANSACTION` (as many inputs as clade commits at once).
    pub(crate) fn from_env() -> Self {
        let number = |name: &str, default: f64| -> f64 {
            std::env::var(name).map_or(default, |text| {
                text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
            })
        };
        let scale = number("CLADE_BENCH_SCALE", 1.0);
        assert!(scale > 0.0, "CLADE_BENCH_SCALE must be more than 0");
        let scaled = |images: f64| ((images * scale) as u64).max(2_000);
        let commit_images = clade::processor::Options::default().commit_images;
        Self {
            images: scaled(400_000.0),
            many_images: scaled(1_000_000.0),
            rounds: (number("CLADE_BENCH_ROUNDS", 3.0) as usize).max(1),
            slice: Duration::from_secs_f64(number("CLADE_BENCH_SLICE", 10.0)),
            transaction: number("CLADE_BENCH_TRANSACTION", commit_images as f64) as usize,
        }
    }

    /// For the head of the report.
    pub(crate) fn told(&self) -> String {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        format!(
            "{} images (restart, class: {}), {PARTITIONS} partitions, {} rounds, slices of {:.0} s, one broker beside the \
             clients on {} cores, load before: {}",
            self.images,
            self.many_images,
            self.rounds,
            self.slice.as_secs_f64(),
            std::thread::available_parallelism().map_or(0, usize::from),
            load.split(' ').next().unwrap_or_default()
        )
    }
}
