//! Random histories of images in many repositories, random filters, and the lists that they should lead to, told from the items
//! alone.

use clade::observe::Observation;
use clade::oci::{Digest, Platform, Timestamp};
use clade::query::answer::{ClassStanding, ImageItem};
use clade::query::{Filter, Page, Query, Sort};
use clade::record::{State, TagImage};

use crate::support::{SOURCE, World, class, image};

const IMAGES: u8 = 60;
const REPOSITORIES: [&str; 6] =
    ["app", "shop/app", "shop/web", "shop2/app", "quay.io/team/app", "quay.io/team/web"];

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
pub(super) fn happen(world: &mut World, random: &mut fastrand::Rng, second: &mut i64) {
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

pub(super) fn random_filter(random: &mut fastrand::Rng, query: &Query) -> Filter {
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
pub(super) fn holds(filter: &Filter, item: &ImageItem) -> bool {
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
pub(super) fn key(sort: Sort, filter: &Filter, item: &ImageItem) -> Option<String> {
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
pub(super) fn wanted(world: &World, filter: &Filter, sort: Sort) -> Vec<Digest> {
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
