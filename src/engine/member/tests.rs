use super::*;
use crate::engine::troubled::{Trouble, TroubledLog, wait_until};

fn member<'a>(log: &TroubledLog, options: &'a Options) -> Member<'a> {
    Member {
        monitor: Monitor::start(log.shared(), options.metrics.clone(), None).unwrap(),
        log: log.shared(),
        options,
        owned: BTreeSet::new(),
        processors: BTreeMap::new(),
        leaving: Vec::new(),
    }
}

fn are_restored(member: &Member<'_>, partitions: &[u16]) -> bool {
    let restored = member.status().into_iter().filter(|of| of.restored).map(|of| of.partition);
    restored.eq(partitions.iter().copied())
}

#[test]
fn a_member_processes_what_it_is_given_and_nothing_else() {
    let (log, options) = (TroubledLog::new(3), Options::default());
    let mut member = member(&log, &options);
    member.start_owned().unwrap();
    assert_eq!(member.status(), []);
    member.take(Change::Gained(vec![0, 2]));
    member.start_owned().unwrap();
    wait_until("both are restored", || are_restored(&member, &[0, 2]));
    log.publish(2, "image");
    wait_until("it is processed", || member.offsets() == [(0, 0), (2, 1)]);
    member.start_owned().unwrap();
    assert_eq!(log.asked(), 2, "what runs is not started again");
}

#[test]
fn a_partition_that_is_lost_is_stopped_and_told_of_no_longer() {
    let (log, options) = (TroubledLog::new(2), Options::default());
    let mut member = member(&log, &options);
    member.take(Change::Gained(vec![0, 1]));
    member.start_owned().unwrap();
    wait_until("both are restored", || are_restored(&member, &[0, 1]));
    member.take(Change::Lost(vec![0]));
    member.start_owned().unwrap();
    assert_eq!(member.status().iter().map(|of| of.partition).collect::<Vec<_>>(), [1]);
    wait_until("it has ended", || {
        member.start_owned().unwrap();
        member.leaving.is_empty()
    });
    assert_eq!(log.asked(), 2);
}

/// Two processors of one partition in one process would fence each other.
#[test]
fn a_partition_that_comes_back_waits_until_its_old_processor_has_ended() {
    let (log, options) = (TroubledLog::new(1), Options::default());
    log.set(Trouble::Hold);
    let mut member = member(&log, &options);
    member.take(Change::Gained(vec![0]));
    member.start_owned().unwrap();
    wait_until("it restores", || log.asked() == 1);
    // A rebalance waits for nobody, even while the processor can be told nothing.
    member.take(Change::Lost(vec![0]));
    member.take(Change::Gained(vec![0]));
    member.start_owned().unwrap();
    assert!(member.processors.is_empty() && member.leaving.len() == 1);
    assert!(member.status().iter().all(|of| !of.restored), "nobody processes it");
    log.set(Trouble::None);
    wait_until("the next is restored", || {
        member.start_owned().unwrap();
        are_restored(&member, &[0])
    });
    assert_eq!(log.asked(), 2);
}
