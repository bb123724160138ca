//! Pages of lists: whatever happens between two of them, an item that is there throughout comes exactly once, and every
//! way to find a page finds the same.

mod naive;

use std::collections::BTreeMap;

use clade::oci::{Digest, Platform};
use clade::processor::Options;
use clade::query::answer::{ImageItem, TagItem};
use clade::query::{Effort, Filter, Items, More, Page, Query, Sort};
use clade::record::ImageRecord;

use crate::support::{World, fold};
use naive::{happen, holds, key, random_filter, wanted};

const HISTORIES: u64 = 150;
const FACTS: usize = 120;
const SORTS: [Sort; 4] = [Sort::Name, Sort::Created, Sort::Newest, Sort::Outdated];

/// All pages of a list, with what happens before each but the first.
fn pages<T>(
    limit: usize,
    first: Page,
    mut page_of: impl FnMut(&Page) -> (Vec<T>, More),
    mut between: impl FnMut(),
) -> Vec<T> {
    let mut page = Page { limit: Some(limit), ..first };
    let mut items = Vec::new();
    loop {
        let (mut found, more) = page_of(&page);
        assert!(found.len() <= limit);
        page.seen += found.len() as u64;
        if let (Some(remaining), None) = (more.remaining, &more.next) {
            assert_eq!(remaining, 0);
        }
        items.append(&mut found);
        page.after = more.next;
        if page.after.is_none() {
            return items;
        }
        between();
    }
}

fn images(world: &World, filter: &Filter, page: &Page) -> (Vec<Digest>, More) {
    let images = Query::new(world.view.snapshot()).list_images(filter, page).unwrap();
    (images.iter().map(|item| item.digest).collect(), images.more().clone())
}

fn tags(world: &World, filter: &Filter, page: &Page) -> (Vec<TagItem>, More) {
    let tags = Query::new(world.view.snapshot()).list_tags(filter, page).unwrap();
    (tags.iter().collect(), tags.more().clone())
}

/// Looks at all that may match; walks in order; walks in order in small steps.
const EFFORTS: [Effort; 3] = [
    Effort { few: usize::MAX, examined: usize::MAX },
    Effort { few: 0, examined: usize::MAX },
    Effort { few: 0, examined: 3 },
];

fn with_worlds(test: impl Fn(&mut World, &mut fastrand::Rng, &mut i64)) {
    for seed in 0..HISTORIES {
        let run = || {
            let (mut random, mut second) = (fastrand::Rng::with_seed(seed), 0);
            // Now and then everything is laid out anew.
            let mut world = World::with(&Options { settle_changes: 7, ..Options::default() });
            // The orders are there from the beginning, so that every change has to keep them.
            for sort in SORTS {
                images(
                    &world,
                    &Filter::default(),
                    &Page { sort, limit: Some(1), effort: EFFORTS[1], ..Page::default() },
                );
            }
            for beginning in ["abcd", "0000"] {
                let _ = Query::new(world.view.snapshot()).images(beginning);
            }
            for _ in 0..FACTS {
                happen(&mut world, &mut random, &mut second);
            }
            world.process();
            test(&mut world, &mut random, &mut second);
        };
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
            panic!("seed {seed} fails");
        }
    }
}

#[test]
fn the_pages_of_a_list_are_the_list_in_order_in_whichever_way_they_are_found() {
    with_worlds(|world, random, second| {
        for round in 0..12 {
            happen(world, random, second);
            world.process();
            let filter = random_filter(random, &Query::new(world.view.snapshot()));
            let sort = SORTS[round % 4];
            let wanted = wanted(world, &filter, sort);
            let (whole, more) = images(world, &filter, &Page { sort, ..Page::default() });
            assert_eq!((&whole, more.next), (&wanted, None), "{filter:?} {sort:?}");
            for effort in EFFORTS {
                let limit = random.usize(1..9);
                let first = Page { sort, effort, ..Page::default() };
                let page_of = |page: &Page| {
                    let (found, more) = images(world, &filter, page);
                    let follow = wanted.len() as u64 - page.seen - found.len() as u64;
                    assert!(more.remaining.is_none_or(|told| told == follow), "{more:?} and not {follow}");
                    (found, more)
                };
                let found = pages(limit, first, page_of, || ());
                assert_eq!(found, wanted, "{filter:?} {sort:?} {effort:?} {limit}");
            }
        }
    });
}

#[test]
fn an_image_that_is_listed_throughout_comes_exactly_once_whatever_happens_between_two_pages() {
    with_worlds(|world, random, second| {
        for round in 0..8 {
            let filter = random_filter(random, &Query::new(world.view.snapshot()));
            let (sort, effort) = (SORTS[round % 4], EFFORTS[random.usize(0..3)]);
            let all = |world: &World| -> BTreeMap<Digest, String> {
                let all = Query::new(world.view.snapshot())
                    .list_images(&Filter::default(), &Page::default())
                    .unwrap();
                let listed = all.iter().filter(|item| holds(&filter, item));
                listed.filter_map(|item| Some((item.digest, key(sort, &filter, &item)?))).collect()
            };
            let mut throughout = all(world);
            let world = std::cell::RefCell::new(&mut *world);
            let first = Page { sort, effort, ..Page::default() };
            let page_of = |page: &Page| {
                // The class of the filter may have been deleted.
                let query = Query::new(world.borrow().view.snapshot());
                match query.list_images(&filter, page) {
                    Ok(found) => (found.iter().map(|item| item.digest).collect(), found.more().clone()),
                    Err(_) => (Vec::new(), More::default()),
                }
            };
            let found = pages(random.clone().usize(1..9), first, page_of, || {
                let mut world = world.borrow_mut();
                for _ in 0..random.u8(0..4) {
                    happen(&mut world, random, second);
                }
                world.process();
                let now = all(&world);
                throughout.retain(|digest, key| now.get(digest) == Some(key));
            });
            for digest in throughout.keys() {
                let times = found.iter().filter(|of| *of == digest).count();
                assert_eq!(times, 1, "{digest} {filter:?} {sort:?} {effort:?}");
            }
        }
    });
}

#[test]
fn the_pages_of_tags_are_the_tags_by_name_each_once_with_the_images_that_match() {
    with_worlds(|world, random, second| {
        for _ in 0..8 {
            happen(world, random, second);
            world.process();
            let filter = random_filter(random, &Query::new(world.view.snapshot()));
            let names = Filter {
                repository: filter.repository.clone(),
                namespace: filter.namespace.clone(),
                ..Filter::default()
            };
            let of_images = Filter { repository: None, namespace: None, ..filter.clone() };
            let (all, _) = tags(world, &Filter::default(), &Page::default());
            let wanted: Vec<TagItem> = all
                .into_iter()
                .filter(|tag| {
                    let (repository, _) = tag.name.rsplit_once(':').unwrap();
                    let mut image = tag.images.first().cloned().unwrap_or_else(nothing);
                    image.repositories = vec![repository.to_owned()];
                    holds(&names, &image)
                })
                .map(|mut tag| {
                    tag.images.retain(|image| holds(&of_images, image));
                    tag
                })
                .filter(|tag| of_images == Filter::default() || !tag.images.is_empty())
                .collect();
            let (whole, _) = tags(world, &filter, &Page::default());
            assert_eq!(whole, wanted, "{filter:?}");
            for effort in EFFORTS {
                let first = Page { effort, ..Page::default() };
                let found = pages(random.usize(1..5), first, |page| tags(world, &filter, page), || ());
                assert_eq!(found, wanted, "{filter:?} {effort:?}");
            }
        }
    });
}

/// An image that no tag resolves to.
fn nothing() -> ImageItem {
    ImageItem {
        digest: Digest::of(b"nothing"),
        image_id: None,
        platform: Platform::default(),
        created: None,
        repositories: Vec::new(),
        tags: Vec::new(),
        more_tags: 0,
        layers: 0,
        size: None,
        classes: Vec::new(),
        groups: BTreeMap::new(),
        descendants: None,
    }
}

#[test]
fn descendants_come_in_pages_too() {
    with_worlds(|world, random, _| {
        let mut all = images(world, &Filter::default(), &Page::default()).0;
        random.shuffle(&mut all);
        let records = fold::<ImageRecord>(&*world.log);
        for of in all.iter().take(4) {
            let list = |page: &Page| {
                let query = Query::new(world.view.snapshot());
                let images = query.descendants(&of.to_string(), &Filter::default(), page).unwrap();
                (images.iter().map(|item| item.digest).collect::<Vec<_>>(), images.more().clone())
            };
            let (whole, _) = list(&Page::default());
            let layers = |image: &Digest| records[&image.to_string()].chain().layers().to_vec();
            let above = layers(of);
            let is_below = |image: &&Digest| {
                let layers = layers(image);
                !above.is_empty() && layers.len() > above.len() && layers.starts_with(&above)
            };
            let mut wanted: Vec<Digest> = all.iter().filter(is_below).copied().collect();
            let mut found = whole.clone();
            wanted.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, wanted, "{of}");
            for effort in EFFORTS {
                let first = Page { effort, ..Page::default() };
                assert_eq!(pages(2, first, list, || ()), whole, "{of} {effort:?}");
            }
        }
    });
}

#[test]
fn an_image_is_found_by_the_beginning_of_its_digest_and_of_its_image_id() {
    with_worlds(|world, random, second| {
        happen(world, random, second);
        world.process();
        let all =
            Query::new(world.view.snapshot()).list_images(&Filter::default(), &Page::default()).unwrap();
        for item in all.iter() {
            let query = Query::new(world.view.snapshot());
            let hex = item.digest.hex();
            assert_eq!(query.images(&hex).unwrap(), [item.digest]);
            assert!(query.images(&hex[..20]).is_ok_and(|found| found == [item.digest]));
            if let Some(image_id) = item.image_id {
                assert_eq!(query.images(&image_id.to_string()).unwrap(), [item.digest]);
                assert_eq!(query.images(&image_id.hex()[..12]).unwrap(), [item.digest]);
            }
        }
    });
}
