//! The protocol of the two copies under loom, which tries every order in which a writer and two readers can act.

use std::sync::Arc as Shared;

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::copies::{Copies, Copy, Slot};

/// A copy that remembers the steps done to it, and in whose layout it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Steps {
    batches: Vec<u32>,
    layout: u32,
}

#[derive(Debug, Clone)]
enum Step {
    Batch(u32),
    Settle,
}

impl Copy for Steps {
    type Step = Step;

    fn repeat(&mut self, step: Step) {
        match step {
            Step::Batch(number) => self.batches.push(number),
            Step::Settle => self.layout += 1,
        }
    }
}

/// Where readers look, in a form that loom can follow.
struct Place(Mutex<Shared<Steps>>);

impl Slot<Steps> for Place {
    fn load(&self) -> Shared<Steps> {
        Shared::clone(&self.0.lock().unwrap())
    }

    fn swap(&self, copy: Shared<Steps>) -> Shared<Steps> {
        std::mem::replace(&mut *self.0.lock().unwrap(), copy)
    }
}

/// A reader: what it sees only ever grows, and stays as it is while it is held.
fn read(place: &Place, looks: usize) {
    let mut before = Steps::default();
    for _ in 0..looks {
        let held = place.load();
        let seen = (*held).clone();
        thread::yield_now();
        assert_eq!(*held, seen, "it changed while it was held");
        assert!(seen.batches.starts_with(&before.batches), "{before:?} and then {seen:?}");
        assert!(seen.layout >= before.layout, "{before:?} and then {seen:?}");
        let are_all_there = (0..).zip(&seen.batches).all(|(expected, number)| expected == *number);
        assert!(are_all_there, "a batch is missing: {seen:?}");
        before = seen;
    }
}

/// The writer: does these steps, publishes each, and looks at what it has published.
fn write(place: &Place, steps: &[Step]) {
    let mut copies = Copies::new(Steps::default());
    let mut expected = Steps::default();
    for step in steps {
        // The time that a writer waits does not matter for correctness. Here it waits for one turn of the readers.
        let mut turns = 0;
        let mut wait = || {
            turns += 1;
            thread::yield_now();
            turns <= 1
        };
        copies.own(place, &mut wait).repeat(step.clone());
        copies.publish(place, step.clone());
        expected.repeat(step.clone());
        assert_eq!(*place.load(), expected);
    }
}

#[test]
fn in_every_order_of_writer_and_readers_each_publication_has_every_step_once() {
    let mut model = loom::model::Builder::new();
    // More switches find nothing that these do not, and take hours.
    model.preemption_bound = Some(3);
    model.check(|| {
        let place = Arc::new(Place(Mutex::new(Shared::default())));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let place = Arc::clone(&place);
                thread::spawn(move || read(&place, 2))
            })
            .collect();
        write(&place, &[Step::Batch(0), Step::Batch(1), Step::Settle, Step::Batch(2)]);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_copy_that_was_published_anew_owes_nothing() {
    loom::model(|| {
        let place = Arc::new(Place(Mutex::new(Shared::default())));
        let reader = {
            let place = Arc::clone(&place);
            thread::spawn(move || read(&place, 2))
        };
        let mut copies = Copies::new(Steps::default());
        copies.own(&*place, || true).repeat(Step::Batch(0));
        copies.publish_anew(&*place);
        copies.own(&*place, || false).repeat(Step::Batch(1));
        copies.publish(&*place, Step::Batch(1));
        assert_eq!(copies.own(&*place, || false).batches, [0, 1]);
        reader.join().unwrap();
    });
}
