use super::*;
use crate::engine::troubled::{Trouble, TroubledLog, wait_until};
use crate::log::TopicPartition;
use crate::record::{Topic, encode};

/// A supervised processor of the only partition of a log.
fn supervised(log: &TroubledLog, options: &Options) -> Supervised {
    start(0, log.shared(), Work::Process(None), options.clone(), Bell::default()).unwrap()
}

/// The log, and a supervised processor that another process has just fenced.
fn fenced() -> (TroubledLog, Supervised) {
    let log = TroubledLog::new(1);
    let of = supervised(&log, &Options::default());
    wait_until("it is restored", || of.has_restored());
    log.take_over(0);
    log.publish(0, "image");
    wait_until("it is fenced", || !of.has_restored());
    (log, of)
}

fn images(of: &Supervised) -> u64 {
    of.status().images
}

#[test]
fn a_worker_that_fails_is_restored_until_it_gets_through() {
    let (log, options) = (TroubledLog::new(1), Options::default());
    log.set(Trouble::Fail);
    let of = supervised(&log, &options);
    wait_until("it has failed twice", || log.asked() >= 2);
    assert!(!of.has_restored() && of.failure().is_none());
    log.set(Trouble::None);
    wait_until("it is restored", || of.has_restored());
    log.publish(0, "image");
    wait_until("it works", || images(&of) == 1);
    assert!(options.metrics.failures.get() >= 2);
}

#[test]
fn a_worker_that_fails_five_times_in_a_row_is_given_up_and_says_why() {
    let (log, options) = (TroubledLog::new(1), Options::default());
    log.set(Trouble::Fail);
    let of = supervised(&log, &options);
    wait_until("it is given up", || of.failure().is_some());
    assert_eq!(log.asked(), FAILURES);
    assert_eq!(of.failure(), Some((0, "cannot read the log: as the test wants it".to_owned())));
    wait_until("its thread ends", || of.has_ended());
    assert_eq!(log.asked(), FAILURES);
}

#[test]
fn work_that_was_done_between_failures_makes_them_count_anew() {
    let (log, options) = (TroubledLog::new(1), Options::default());
    let of = supervised(&log, &options);
    for name in ["one", "two"] {
        wait_until("it is restored", || of.has_restored());
        let before = log.asked();
        log.set(Trouble::Fail);
        // Whoever is fenced is restored, which fails now.
        log.take_over(0);
        log.publish(0, name);
        wait_until("it has failed four times", || log.asked() >= before + 3);
        log.set(Trouble::None);
    }
    log.publish(0, "three");
    wait_until("it works", || images(&of) == 3);
    assert_eq!(of.failure(), None);
    assert!(options.metrics.failures.get() > u64::from(FAILURES));
}

/// If it came back at once, two processes that both believe to have a partition would take it from one another for ever.
#[test]
fn a_worker_that_was_fenced_waits_before_it_takes_the_partition_back() {
    let (log, of) = fenced();
    let fenced = Instant::now();
    wait_until("it takes the partition back", || log.asked() == 2);
    // It was fenced a moment before that was seen.
    assert!(fenced.elapsed() > FENCED - Duration::from_millis(500), "{:?}", fenced.elapsed());
    wait_until("it works", || images(&of) == 1);
}

#[test]
fn a_worker_that_is_told_to_stop_while_it_waits_takes_nothing_back() {
    let (log, of) = fenced();
    let told = Instant::now();
    drop(of);
    assert!(told.elapsed() < FENCED, "it has waited to the end");
    assert_eq!(log.asked(), 1);
}

#[test]
fn what_does_not_pass_is_given_up_at_once() {
    let (log, options) = (TroubledLog::new(1), Options::default());
    let progress = ProgressRecord { sequence: 1, ..ProgressRecord::beginning(0, 8) };
    let to = TopicPartition { topic: Topic::Progress, partition: 0 };
    let record = encode("0".to_owned(), &progress).unwrap();
    log.shared().writer("test").unwrap().append(vec![(to, record)]).unwrap();
    let of = supervised(&log, &options);
    wait_until("it is given up", || of.failure().is_some());
    assert!(of.failure().unwrap().1.contains("8 partitions"));
    assert_eq!(options.metrics.failures.get(), 0);
}

#[test]
fn a_worker_that_panics_is_told_as_one_that_has_given_up() {
    let (log, options) = (TroubledLog::new(1), Options::default());
    log.set(Trouble::Panic);
    let of = supervised(&log, &options);
    wait_until("it is told", || of.failure().is_some());
    assert!(of.failure().unwrap().1.contains("panicked"));
}
