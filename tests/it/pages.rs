//! Pages of lists: whatever happens between two of them, an item that is there throughout comes exactly once, and every
//! way to find a page finds the same.

use std::collections::BTreeMap;

use clade::observe::Observation;
use clade::oci::{Digest, Platform, Timestamp};
use clade::processor::Options;
use clade::query::answer::{ClassStanding, ImageItem, TagItem};
use clade::query::{Effort, Filter, Items, More, Page, Query, Sort};
use clade::record::{ImageRecord, State, TagImage};

use crate::support::{SOURCE, World, class, fold, image};

const HISTORIES: u64 = 150;
const FACTS: usize = 120;
const IMAGES: u8 = 60;
const REPOSITORIES: [&str; 6] =
    ["app", "shop/app", "shop/web", "shop2/app", "quay.io/team/app", "quay.io/team/web"];
const SORTS: [Sort; 4] = [Sort::Name, Sort::Created, Sort::Newest, Sort::Outdated];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Digests of which many share their first bytes.
fn digest_of(number: u8) -> Digest {
    format!(
        "sha256:{:02x}{}{number:02x}{}",
        number % 3,
        "0".repeat(6),
        format!("{:02x}", number.reverse_bits()).repeat(27)
    )
    .parse()
    .unwrap()
}

/// Something happens: an image comes, changes or goes, a tag moves, a class is declared or deleted.
fn happen(world: &mut World, random: &mut fastrand::Rng, second: &mut i64) {
    let number = random.u8(0..IMAGES);
    match random.u8(0..20) {
        0..=11 => {
            let mut layers = vec![["A", "B"][usize::from(number % 2)]];
            layers.extend(["C", "D", "E", "F"].iter().take(usize::from(number) % 4));
            let own = format!("own {number}");
            if !number.is_multiple_of(5) {
                layers.push(&own);
            }
            let mut made = image("", &layers);
            made.digest = digest_of(number);
            // Told late, or told otherwise.
            made.config_digest = (random.u8(0..4) > 0).then(|| Digest::of(&[number, random.u8(1..3)]));
            made.created = (!number.is_multiple_of(7)).then(|| at(i64::from(random.u8(0..5)) * 1_000));
            let count = usize::from(random.u8(0..3));
            let repositories = random.choose_multiple(REPOSITORIES, count);
            made.repositories = repositories.into_iter().map(str::to_owned).collect();
            made.repositories.sort();
            if number.is_multiple_of(6) {
                made.platform = Platform::new("linux", "arm64");
            }
            world.see(Observation::Image(Box::new(made)));
        }
        12 => {
            world.see(Observation::ImageGoneFrom(SOURCE.to_owned(), digest_of(number)));
        }
        13..=17 => {
            *second += 60;
            let images: Vec<TagImage> = (0..random.u8(1..3))
                .map(|of| TagImage { digest: digest_of(number.wrapping_add(of) % IMAGES), platform: None })
                .collect();
            let target = if images.len() == 1 { images[0].digest } else { Digest::of(&[number, 0]) };
            let item = clade::record::TagItem { since: at(*second), digest: Some(target), images };
            world.see(Observation::Tag(clade::observe::ObservedTag {
                source: None,
                repository: REPOSITORIES[random.usize(0..REPOSITORIES.len())].to_owned(),
                tag: format!("v{}", random.u8(0..4)),
                items: vec![item],
                complete: false,
            }));
        }
        18 => {
            let (name, tag) = (format!("class{}", random.u8(0..3)), format!("app:v{}", random.u8(0..4)));
            world.publisher.apply_class(&class(&name, &tag, &[])).unwrap();
        }
        _ => drop(world.publisher.delete_class(&format!("class{}", random.u8(0..3)))),
    }
}

fn random_filter(random: &mut fastrand::Rng, query: &Query) -> Filter {
    let mut filter = Filter::default();
    let mut is_wanted = |one_in: u8| random.u8(0..one_in) == 0;
    let (class, state, platform, tagged) = (is_wanted(4), is_wanted(4), is_wanted(5), is_wanted(5));
    let (repository, namespace, created, outdated) = (is_wanted(4), is_wanted(6), is_wanted(5), is_wanted(6));
    if class {
        let classes = query.list_classes(None).unwrap();
        filter.class = classes.first().map(|class| class.metadata.name.clone());
    }
    filter.state = state.then(|| *random.choice(&[State::Current, State::Outdated]).unwrap());
    filter.platform = platform.then(|| "linux/arm64".to_owned());
    filter.tagged = tagged.then(|| random.bool());
    let pick =
        |random: &mut fastrand::Rng, among: &[&str]| Some(among[random.usize(0..among.len())].to_owned());
    if repository {
        filter.repository = pick(random, &["shop/app", "shop*", "shop/*", "quay.io/team/web", "none", "*"]);
    }
    if namespace {
        filter.namespace = pick(random, &["shop", "shop*", "quay.io/team", "quay*"]);
    }
    if created {
        filter.created_after = Some(at(i64::from(random.u8(0..3)) * 1_000));
        filter.created_before = random.bool().then(|| at(i64::from(random.u8(1..5)) * 1_000));
    }
    filter.outdated_before = outdated.then(|| at(i64::from(random.u8(0..100)) * 60));
    filter
}

/// The conditions of a filter, told from the item alone.
fn holds(filter: &Filter, item: &ImageItem) -> bool {
    let name_holds = |asked: &Option<String>, name: &str| match asked
        .as_deref()
        .map(|asked| (asked, asked.strip_suffix('*')))
    {
        None => true,
        Some((_, Some(beginning))) => name.starts_with(beginning),
        Some((asked, None)) => name == asked,
    };
    let namespace = |name: &str| name.rfind('/').map_or(String::new(), |slash| name[..slash].to_owned());
    let standing_holds = |of: &&ClassStanding| {
        filter.class.as_ref().is_none_or(|class| of.name == *class)
            && filter.state.is_none_or(|state| of.state == state)
            && filter
                .outdated_before
                .is_none_or(|before| of.outdated_since.is_some_and(|since| since < before))
    };
    let about_classes = filter.class.is_some() || filter.state.is_some() || filter.outdated_before.is_some();
    let about_names = filter.repository.is_some() || filter.namespace.is_some();
    (!about_classes || item.classes.iter().any(|of| standing_holds(&of)))
        && filter
            .platform
            .as_ref()
            .is_none_or(|platform| item.platform.to_string().starts_with(platform.as_str()))
        && filter.tagged.is_none_or(|tagged| item.tags.is_empty() != tagged)
        && (!about_names
            || item.repositories.iter().any(|name| {
                name_holds(&filter.repository, name) && name_holds(&filter.namespace, &namespace(name))
            }))
        && filter.created_after.is_none_or(|after| item.created.is_some_and(|created| created > after))
        && filter.created_before.is_none_or(|before| item.created.is_some_and(|created| created < before))
}

/// The key of an item in an order; `None` if the list does not have it.
fn key(sort: Sort, filter: &Filter, item: &ImageItem) -> Option<String> {
    let matching = |name: &&String| {
        let alone = ImageItem { repositories: vec![(*name).clone()], ..item.clone() };
        let names = Filter {
            repository: filter.repository.clone(),
            namespace: filter.namespace.clone(),
            ..Filter::default()
        };
        holds(&names, &alone)
    };
    let second = |time: Option<Timestamp>| time.map_or(-1, Timestamp::as_second);
    Some(match sort {
        Sort::Name => {
            format!("{} {}", item.repositories.iter().find(matching).map_or("", |name| name), item.digest)
        }
        Sort::Created | Sort::Newest => format!("{:08} {}", second(item.created) + 1, item.digest),
        Sort::Outdated => {
            let meant =
                item.classes.iter().filter(|of| filter.class.as_ref().is_none_or(|class| of.name == *class));
            format!("{:08} {}", meant.filter_map(|of| of.outdated_since).min()?.as_second(), item.digest)
        }
    })
}

/// The list as it should be, made from all images.
fn wanted(world: &World, filter: &Filter, sort: Sort) -> Vec<Digest> {
    let all = Query::new(world.view.snapshot()).list_images(&Filter::default(), &Page::default()).unwrap();
    let listed = all.iter().filter(|item| holds(filter, item));
    let mut keyed: Vec<(String, Digest)> =
        listed.filter_map(|item| Some((key(sort, filter, &item)?, item.digest))).collect();
    keyed.sort();
    if sort == Sort::Newest {
        keyed.reverse();
    }
    keyed.into_iter().map(|(_, digest)| digest).collect()
}

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
                .filter(|tag| of_images.is_empty() || !tag.images.is_empty())
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
        classes: Vec::new(),
        groups: BTreeMap::new(),
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
