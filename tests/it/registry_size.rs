//! A registry of many repositories that refuses some manifests for ever and fails now and then: what clade knows of it in
//! the end is right, and no start asks for what an earlier one has read. `make bench-registry` does it at its real size.

pub(crate) mod clade;
#[allow(dead_code, reason = "the benchmark uses the rest of it")]
pub(crate) mod made_up;

use clade::Clade;
use made_up::MadeUp;

/// One in 25 of the size that the benchmark has.
const REPOSITORIES: usize = 200;
const TAGS: usize = 8_000;

fn assert_right(clade: &Clade, registry: &MadeUp) {
    let (tags, images) = registry.truth();
    let known = clade.tags();
    let wrong: Vec<_> = tags.iter().filter(|(name, to)| known.get(*name) != Some(to)).take(3).collect();
    assert_eq!(wrong, [], "of {} tags", tags.len());
    let gone: Vec<_> = known.keys().filter(|name| !tags.contains_key(*name)).take(3).collect();
    assert_eq!(gone, [] as [&String; 0], "of {} known tags", known.len());
    assert!(clade.images() == images, "{} of {} images", clade.images().len(), images.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_registry_is_known_as_it_is_and_each_start_goes_on_where_the_last_one_stopped() {
    let registry = MadeUp::start(REPOSITORIES, TAGS).await;
    let clade = Clade::new();
    assert!(registry.refused() > 40);

    // Killed twice in the middle of the first look.
    for documents in [3_000, 6_000] {
        clade.run_until(&registry.address(), || registry.counts().documents > documents).await;
    }
    clade.passes(&registry, 1).await;
    assert_right(&clade, &registry);
    let again = registry.delivered_again();
    assert!(again.len() <= 2 * 32, "only repositories that were looked at are read again: {again:?}");

    // A start later costs what a pass costs: the lists, a request for each tag, and what is refused.
    let before = registry.counts();
    clade.passes(&registry, 1).await;
    let start = registry.counts() - before;
    assert!(start.heads <= TAGS as u64 + 2_000, "{start:?}");
    let again_before: u32 = again.values().sum();
    let again_now: u32 = registry.delivered_again().values().sum();
    // The indexes of which a part is refused.
    assert!(again_now - again_before <= 60, "{again_now} after {again_before}: {start:?}");

    // While clade was down, tags have moved, and tags and repositories have gone.
    let names = registry.repositories();
    let mut pushed = 0;
    for (number, name) in names.iter().enumerate() {
        match number % 25 {
            0 => pushed += u64::from(registry.push(name, &registry.tags(name)[0], 100_000)),
            1 if registry.tags(name).len() > 8 => {
                // Both tags of a version: its images are gone as well.
                registry.delete_tag(name, "1.0");
                registry.delete_tag(name, "build.0");
            }
            2 => registry.delete_repository(name),
            _ => {}
        }
    }
    assert!(pushed > 5);
    let before = registry.counts();
    clade.passes(&registry, 3).await;
    let changes = registry.counts() - before;
    assert_right(&clade, &registry);
    let documents = changes.documents;
    assert!((2 * pushed..2 * pushed + 60).contains(&documents), "{documents} for {pushed}: {changes:?}");
}
