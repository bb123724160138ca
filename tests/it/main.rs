//! Everything that is tested from outside, in one binary: it links once. One module a subject, in alphabetical order.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test states what it expects")]

mod api;
mod audit;
mod classes;
mod cli;
mod cluster;
mod collector;
mod convergence;
mod coverage;
mod deploy;
mod documents;
mod domain;
mod faults;
mod history;
mod identities;
mod index;
mod kafka;
mod kill;
mod kubernetes;
mod listing;
mod log;
mod migrate;
mod neighbours;
mod oracle;
mod pages;
mod past;
mod processor;
mod real_data;
mod real_events;
mod rebuild;
mod registry;
mod registry_answers;
mod registry_size;
mod simulation;
mod snapshot;
mod sources;
mod spans;
mod status;
mod subscribe;
mod support;
mod tidy;
mod topics;
mod versions;
mod view;
mod workers;
