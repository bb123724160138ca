//! Markdown tables, and what was reached of what.

use crate::child::Run;

/// Prints a table; all columns but the first are figures.
pub(crate) fn table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    println!("\n### {title}\n");
    println!("| {} |", head.join(" | "));
    println!("|---|{}", "---:|".repeat(head.len() - 1));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}

/// What a ratio has to be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// Prints a line about a goal.
pub(crate) fn goal(what: &str, ratio: f64, goal: Goal) {
    let (told, is_met) = match goal {
        Goal::AtLeast(bound) => (format!(">= {bound}"), ratio >= bound),
        Goal::AtMost(bound) => (format!("<= {bound}"), ratio <= bound),
    };
    println!("- {what}: {ratio:.2} (goal {told}): {}", if is_met { "met" } else { "NOT met" });
}

/// Figures of all rounds, in their order.
pub(crate) fn all(figures: impl IntoIterator<Item = f64>, decimals: usize) -> String {
    let told: Vec<String> = figures.into_iter().map(|figure| format!("{figure:.decimals$}")).collect();
    told.join(", ")
}

/// Nanoseconds of CPU of the client and of the broker for each of so many records.
pub(crate) fn cpu(run: &Run, records: u64) -> [String; 2] {
    [run.client, run.broker].map(|nanoseconds| format!("{:.0}", nanoseconds as f64 / records as f64))
}

/// The fastest of several rounds.
pub(crate) fn best(runs: &[Run]) -> &Run {
    runs.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds)).unwrap()
}
