//! Policies of what may run (docs/concepts.md, section 9): the rules one by one, and a naive version of all of them.

mod admission;
mod decisions;
mod oracle;
mod past;
mod rules;
