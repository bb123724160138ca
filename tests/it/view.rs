//! The two copies of a shard as readers see them.

use std::sync::Arc;

use clade::record::ProgressRecord;
use clade::shard::{Change, Shard};
use clade::view::{Replica, View};

use crate::support::image;

/// A replica of the only partition, and the view that it shows itself in.
fn replica() -> (Arc<View>, Replica) {
    let view = Arc::new(View::new(1));
    let replica = Replica::new(Arc::clone(&view), 0, Shard::new(0, 1));
    (view, replica)
}

/// Publishes one more image, as the batch of this number.
fn publish(replica: &mut Replica, number: u64) {
    let name = format!("image {number}");
    let change = Change::Image(Arc::new(image(&name, &["base", &name])));
    replica.shard().apply(&change).unwrap();
    replica.shard().drain();
    let progress = ProgressRecord { images: number, sequence: number, ..ProgressRecord::beginning(0, 1) };
    replica.publish(vec![change], progress);
}

/// Returns the number of images that readers see, and the offset up to which images were read.
fn seen(view: &Arc<View>) -> (usize, u64) {
    let snapshot = view.snapshot();
    let committed = snapshot.partition(0).unwrap();
    (committed.shard.index().len(), committed.progress.images)
}

/// `clade import` waits for this progress: once a shard had been laid out anew, it waited for ever.
#[test]
fn a_shard_that_was_laid_out_anew_is_shown_with_the_progress_of_its_last_batch() {
    let (view, mut replica) = replica();
    publish(&mut replica, 1);
    publish(&mut replica, 2);
    replica.settle();
    assert_eq!(seen(&view), (2, 2));
    publish(&mut replica, 3);
    assert_eq!(seen(&view), (3, 3));
}

#[test]
fn a_reader_that_holds_on_for_long_costs_a_clone_and_no_batch() {
    let (view, mut replica) = replica();
    publish(&mut replica, 1);
    let held = view.snapshot();
    assert_eq!(held.partition(0).unwrap().progress.images, 1);
    publish(&mut replica, 2);
    publish(&mut replica, 3);
    replica.settle();
    publish(&mut replica, 4);
    assert_eq!(seen(&view), (4, 4));
    assert_eq!(held.partition(0).unwrap().progress.images, 1);
}

#[test]
fn a_replica_whose_partition_has_a_newer_one_shows_nothing_more() {
    let (view, mut old) = replica();
    publish(&mut old, 1);
    let mut new = Replica::new(Arc::clone(&view), 0, Shard::new(0, 1));
    publish(&mut old, 2);
    old.settle();
    assert_eq!(seen(&view), (1, 1));
    publish(&mut new, 1);
    publish(&mut new, 2);
    publish(&mut old, 3);
    assert_eq!(seen(&view), (2, 2));
}
