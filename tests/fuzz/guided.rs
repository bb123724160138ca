//! The targets under LLVM's fuzzer, which keeps every input that reaches new code and goes on from there: `make fuzz`.
//!
//! `guided.sh` builds it with the counters that the fuzzer needs. Without them it is an empty program.

#![cfg_attr(fuzzing, no_main)]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test states what it expects")]

#[cfg(fuzzing)]
mod corpus;
#[cfg(fuzzing)]
mod targets;

/// Returns the target that `CLADE_FUZZ` names.
#[cfg(fuzzing)]
fn target() -> &'static targets::Target {
    static TARGET: std::sync::OnceLock<&targets::Target> = std::sync::OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("CLADE_FUZZ").expect("CLADE_FUZZ names a target");
        targets::TARGETS.iter().find(|target| target.name == name).expect("CLADE_FUZZ names no target")
    })
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(
    init: {
        // The seeds lie beside the inputs that the fuzzer finds, in the folder that it is given.
        let folder = std::path::PathBuf::from(std::env::var("CLADE_FUZZ_CORPUS").unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        for (number, seed) in corpus::Corpus::of(target().name).seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
        }
    },
    |input: &[u8]| {
        let _ = (target().run)(input);
    }
);

#[cfg(not(fuzzing))]
fn main() {
    println!("`make fuzz` builds and runs it");
}
