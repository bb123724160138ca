//! Subscriptions as a library, over the log in memory; and the command on a real Apache Kafka.

mod kafka;

use std::collections::BTreeMap;
use std::time::Duration;

use clade::log::memory::{Faults, MemoryLog};
use clade::log::{Log, TopicPartition};
use clade::oci::Platform;
use clade::record::outdated::Standing;
use clade::record::{
    ClassificationRecord, Membership, Record, State, Timestamp, Topic, TransitionRecord, encode, tombstone,
};
use clade::subscribe::{Content, Event, Filter, Next, Start, SubscribeError, Subscription};
use proptest::prelude::*;

use crate::support::digest;

const PARTITIONS: u16 = 2;

fn platform() -> Platform {
    "linux/amd64".parse().unwrap()
}

/// The image with the classes given, each with its state; in none of them it is a tombstone.
fn classification(image: u8, sequence: u64, classes: &[(&str, State)]) -> Record {
    let of = digest(&format!("image {image}"));
    if classes.is_empty() {
        return tombstone::<ClassificationRecord>(of.to_string(), format!("{of}@{sequence}"));
    }
    let member = |(name, state): &(&str, State)| Membership {
        name: (*name).to_owned(),
        generation: 1,
        state: *state,
        version: digest(name),
        depth: 1,
        nearest: true,
    };
    let names = classes.iter().map(|(name, _)| (*name).to_owned()).collect();
    let record = ClassificationRecord {
        digest: of,
        sequence,
        platform: platform().into(),
        classes: classes.iter().map(member).collect::<Vec<_>>().into(),
        groups: BTreeMap::from([("os".to_owned(), names)]).into(),
    };
    encode(of.to_string(), &record).unwrap()
}

fn append(log: &dyn Log, topic: Topic, partition: u16, record: Record) {
    log.writer("test").unwrap().append(vec![(TopicPartition { topic, partition }, record)]).unwrap();
}

fn events(log: &dyn Log, of: Subscription) -> Vec<Event> {
    of.open(log).unwrap().collect::<Result<_, _>>().unwrap()
}

/// What a reader that keeps events by key has in the end.
fn kept(
    events: &[Event],
    mut kept: BTreeMap<String, ClassificationRecord>,
) -> BTreeMap<String, ClassificationRecord> {
    for event in events {
        match &event.content {
            Content::Classification(record) if !event.left => {
                kept.insert(event.key().to_owned(), (**record).clone());
            }
            _ => {
                kept.remove(event.key());
            }
        }
    }
    kept
}

/// The naive filter.
fn holds(filter: &Filter, record: &ClassificationRecord) -> bool {
    let in_group = |name: &String| match filter.group.as_deref() {
        None => true,
        Some("os") => record.groups["os"].contains(name),
        Some(other) => other == format!("os={name}"),
    };
    let state = |member: &Membership| filter.state.is_none_or(|state| member.state == state);
    let members = || record.classes.iter().filter(|member| state(member));
    filter.class.as_ref().is_none_or(|class| members().any(|member| member.name == *class))
        && (filter.group.is_none() || members().any(|member| in_group(&member.name)))
        && members().next().is_some()
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![Just(State::Current), Just(State::Outdated)]
}

proptest! {
    #[test]
    /// Also where the subscription goes on from any place with what an earlier one has told, and after compaction.
    #[test]
    fn what_a_filtered_subscription_leads_to_is_what_a_filter_of_everything_leads_to(
        steps in proptest::collection::vec(
            (0_u8..6, proptest::option::of(state()), proptest::option::of(state())), 1..60),
        class in proptest::option::of(prop_oneof![Just("one"), Just("two")]),
        group in proptest::option::of(prop_oneof![Just("os"), Just("os=one")]),
        state in proptest::option::of(state()),
        pause in 0_usize..60,
        compacts in any::<bool>(),
    ) {
        let filter = Filter { class: class.map(str::to_owned), group: group.map(str::to_owned), state, ..Filter::default() };
        let log = MemoryLog::new(PARTITIONS, Faults::none());
        let of = || Subscription::of(Topic::Classifications).filter(filter.clone());
        let (mut earlier, mut ends, mut full) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (number, (image, one, two)) in steps.iter().enumerate() {
            if number == pause {
                earlier = kept(&events(&log, of()), BTreeMap::new());
                for partition in 0..PARTITIONS {
                    ends.insert(partition, log.end(TopicPartition { topic: Topic::Classifications, partition }).unwrap());
                }
            }
            let classes: Vec<(&str, State)> =
                [("one", one), ("two", two)].into_iter().filter_map(|(name, state)| Some((name, (*state)?))).collect();
            let record = classification(*image, number as u64, &classes);
            match clade::record::decode::<ClassificationRecord>(&record).unwrap() {
                Some(value) => { full.insert(record.key.clone(), value); }
                None => { full.remove(&record.key); }
            }
            append(&log, Topic::Classifications, u16::from(*image) % PARTITIONS, record);
        }
        if compacts {
            log.compact();
        }
        full.retain(|_, record| filter.is_empty() || holds(&filter, record));
        prop_assert_eq!(&kept(&events(&log, of()), BTreeMap::new()), &full);
        let rest = events(&log, of().start(Start::Offsets(ends)));
        prop_assert_eq!(&kept(&rest, earlier), &full);
        // Nobody is told of anything else: what is in, or leaves once.
        for event in events(&log, of()) {
            let is_in = matches!(&event.content, Content::Classification(record) if holds(&filter, record));
            prop_assert!(filter.is_empty() || is_in != event.left);
        }
    }
}

pub(crate) fn transition(image: &str, from: Option<State>, to: Option<State>, tags: &[&str]) -> Record {
    let standing = |state| Standing { state, version: digest("version") };
    let record = TransitionRecord {
        id: digest(&format!("{image} {from:?} {to:?} {tags:?}")),
        digest: digest(image),
        platform: platform().into(),
        class: "os".to_owned(),
        from: from.map(standing),
        to: to.map(standing),
        current: None,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        more_tags: 0,
    };
    encode(record.digest.to_string(), &record).unwrap()
}

#[test]
fn a_transition_leaves_the_state_or_the_repository_that_was_asked_for() {
    let log = MemoryLog::new(1, Faults::none());
    let (current, outdated) = (Some(State::Current), Some(State::Outdated));
    for (from, to, tags) in [
        (None, current, &["shop/app:1"][..]),
        (current, outdated, &["shop/app:1", "shop/app:2"]),
        (outdated, current, &["shop/other:1"]),
        (current, None, &[]),
    ] {
        append(&log, Topic::Outdated, 0, transition("app", from, to, tags));
    }
    let told = |filter| {
        let events = events(&log, Subscription::of(Topic::Outdated).filter(filter));
        events.into_iter().map(|event| (event.offset, event.left)).collect::<Vec<_>>()
    };
    assert_eq!(told(Filter { state: outdated, ..Filter::default() }), [(1, false), (2, true)]);
    let shop = Filter { repository: Some("shop/app".to_owned()), ..Filter::default() };
    assert_eq!(told(shop), [(0, false), (1, false), (2, true)]);
    let namespace = Filter { namespace: Some("shop".to_owned()), ..Filter::default() };
    assert_eq!(told(namespace), [(0, false), (1, false), (2, false), (3, true)]);
    assert_eq!(told(Filter { class: Some("other".to_owned()), ..Filter::default() }), []);
}

#[test]
fn a_subscription_begins_at_a_moment_and_follows_what_comes() {
    let log = MemoryLog::new(1, Faults::none());
    let append = |second: i64, image| {
        log.set_time(second * 1000);
        append(&log, Topic::Outdated, 0, transition(image, None, Some(State::Current), &[]));
    };
    append(10, "a");
    append(20, "b");
    let at = |second| Start::At(Timestamp::from_second(second).unwrap());
    let of = || Subscription::of(Topic::Outdated);
    let offsets =
        |start| events(&log, of().start(start)).iter().map(|event| event.offset).collect::<Vec<_>>();
    assert_eq!(offsets(at(10)), [0, 1]);
    assert_eq!(offsets(at(11)), [1]);
    assert_eq!(offsets(at(21)), [] as [u64; 0]);
    assert_eq!(offsets(Start::End), [] as [u64; 0]);
    let future = at(Timestamp::now().as_second() + 60);
    assert!(matches!(of().start(future).open(&log), Err(SubscribeError::Usage(_))));
    let mut following = of().start(Start::End).follow(true).open(&log).unwrap();
    assert_eq!(following.next_within(Duration::ZERO).unwrap(), Next::Quiet);
    append(30, "c");
    let next = following.next_within(Duration::from_secs(60)).unwrap();
    assert!(matches!(next, Next::Event(event) if event.offset == 2 && event.time.as_second() == 30));
}

#[test]
fn what_cannot_be_read_is_passed_on_with_its_bytes() {
    let log = MemoryLog::new(1, Faults::none());
    let record = Record { key: String::new(), value: Some(b"no JSON".to_vec()), headers: Vec::new() };
    append(&log, Topic::Outdated, 0, record);
    let filter = Filter { class: Some("os".to_owned()), ..Filter::default() };
    let event = events(&log, Subscription::of(Topic::Outdated).filter(filter)).remove(0);
    assert!(matches!(event.content, Content::Unreadable(_)));
    let told = serde_json::to_value(event.cloud_event()).unwrap();
    assert_eq!((&told["data_base64"], &told["id"]), (&"bm8gSlNPTg==".into(), &"outdated[0]@0".into()));
}
