//! docs/concepts.md, section 8: coverage, and claims beside the proof of layers.

use clade::class::Coverage;
use clade::observe::Observation;
use clade::oci::{ChainId, Digest, LayerChain, LayerIdentity};
use clade::query::answer::{CoverageItem, CoverageReport};
use clade::query::{CoverageBy, Filter, Page};
use clade::record::Claim;
use clade::record::image::Evidence;

use crate::domain::explain;
use crate::support::{World, digest, image};

fn claiming(name: &str, layers: &[&str], claims: &[(Evidence, &str, Option<Digest>)]) -> Observation {
    let mut image = image(name, layers);
    let claim = |(evidence, name, digest): &(Evidence, &str, Option<Digest>)| Claim {
        evidence: *evidence,
        name: (!name.is_empty()).then(|| (*name).to_owned()),
        digest: digest.map(|digest| digest.to_string()),
    };
    image.claims = claims.iter().map(claim).collect();
    Observation::Image(Box::new(image))
}

fn in_repository(repository: &str, name: &str, layers: &[&str]) -> Observation {
    let mut image = image(name, layers);
    image.repositories = vec![repository.to_owned()];
    Observation::Image(Box::new(image))
}

/// What a new user meets: the base has moved before clade came.
fn first_day() -> World {
    let mut world = World::new();
    world
        .see(in_repository("base", "new base", &["B"]))
        .see(in_repository("shop/app", "new app", &["B", "X"]))
        .see(in_repository("shop/app", "old app", &["A", "X"]))
        .see(in_repository("shop/web", "old web", &["A", "Y"]))
        .see(in_repository("shop/web", "web plus", &["A", "Y", "Z"]))
        .see(claiming("tells", &["A", "V"], &[(Evidence::Label, "base:12", Some(digest("old base")))]))
        .tag("base:12", &["new base"])
        .class("base", "base:12");
    world
}

fn numbers(of: &CoverageItem) -> [u64; 5] {
    [of.images, of.member, of.known_base, of.claimed, of.unknown]
}

#[test]
fn every_image_is_covered_in_one_of_four_ways() {
    let mut world = first_day();
    let report = world.query().coverage(None);
    assert_eq!(numbers(&report.total), [6, 2, 1, 1, 2]);
    assert_eq!(report.parts, []);
    let claimed: Vec<_> = report.classes.iter().map(|of| (of.name.as_str(), of.claimed)).collect();
    assert_eq!(claimed, [("base", 1)]);
    for (image, coverage) in [
        ("new app", Coverage::Member),
        ("web plus", Coverage::KnownBase),
        ("tells", Coverage::Claimed),
        ("old app", Coverage::Unknown),
    ] {
        assert_eq!(explain(&mut world, image).coverage, coverage.as_str(), "{image}");
    }
}

#[test]
fn coverage_is_counted_by_repository_and_by_namespace() {
    let mut world = first_day();
    let by = |report: CoverageReport| -> Vec<(String, [u64; 5])> {
        report.parts.iter().map(|part| (part.name.clone(), numbers(part))).collect()
    };
    let repositories = by(world.query().coverage(Some(CoverageBy::Repository)));
    assert_eq!(
        repositories,
        [
            ("base".to_owned(), [1, 1, 0, 0, 0]),
            ("shop/app".to_owned(), [2, 1, 0, 0, 1]),
            ("shop/web".to_owned(), [2, 0, 1, 0, 1]),
            ("test".to_owned(), [1, 0, 0, 1, 0]),
        ]
    );
    let namespaces = by(world.query().coverage(Some(CoverageBy::Namespace)));
    assert_eq!(namespaces, [(String::new(), [2, 1, 0, 1, 0]), ("shop".to_owned(), [4, 1, 1, 0, 2])]);
}

#[test]
fn an_image_without_layers_is_covered_as_well() {
    let mut world = World::new();
    world.images(&[("empty", &[])]);
    assert_eq!(numbers(&world.query().coverage(None).total), [1, 0, 0, 0, 1]);
}

/// The tree is walked in another way than image by image; both must agree.
#[test]
fn the_count_of_all_images_is_the_sum_of_the_single_ones() {
    let mut random = fastrand::Rng::with_seed(20);
    for _ in 0..50 {
        let mut world = World::new();
        for number in 0..random.usize(1..60) {
            let depth = random.usize(0..6);
            let layers: Vec<String> = (0..depth).map(|at| format!("{at} {}", random.u8(0..2))).collect();
            let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
            world.images(&[(&format!("image {number}"), &layers)]);
        }
        world.tag("base:12", &["image 0"]).class("base", "base:12");
        let query = world.query();
        let mut single = [0; 4];
        let images = world.query().list_images(&Filter::default(), &Page::default()).unwrap();
        for image in images.iter() {
            let told = query.explain(&image.digest.to_string()).unwrap().remove(0).coverage;
            let at = Coverage::ALL.iter().position(|coverage| coverage.as_str() == told).unwrap();
            single[at] += 1;
        }
        let all = query.coverage(None).total;
        assert_eq!([all.member, all.known_base, all.claimed, all.unknown], single);
        assert_eq!(all.images, single.iter().sum::<u64>());
    }
}

#[test]
fn a_beginning_of_several_images_at_which_none_ends_is_an_unknown_base_that_a_class_can_adopt() {
    let mut world = World::new();
    let says = (Evidence::Label, "vendor/os:9", None);
    world
        .see(claiming("one", &["A", "B", "1"], &[says]))
        .see(claiming("two", &["A", "B", "2"], &[says]))
        .images(&[("three", &["A", "3"]), ("alone", &["Z", "1"])])
        // A known image, and what is built on it.
        .images(&[("base", &["K"]), ("k1", &["K", "1"]), ("k2", &["K", "2"])]);
    let chain = |layers: &[&str]| -> Digest {
        let chain = LayerChain::new(LayerIdentity::Blob, layers.iter().map(|layer| digest(layer)));
        *chain.last().unwrap().digest()
    };
    let bases = world.query().unknown_bases(2, 10);
    let told: Vec<_> = bases.iter().map(|base| (base.chain_id, base.layers, base.images)).collect();
    assert_eq!(told, [(chain(&["A"]), 1, 3), (chain(&["A", "B"]), 2, 2)]);
    assert_eq!(bases[1].claims[0].name.as_deref(), Some("vendor/os:9"));
    assert_eq!(bases[1].claims[0].images, 2);
    assert_eq!(world.query().unknown_bases(3, 10).len(), 1);
    assert_eq!(world.query().unknown_bases(2, 1).len(), 1);

    world.adopt("os", chain(&["A", "B"]));
    for image in ["one", "two"] {
        assert_eq!(world.state(image, "os"), Some((clade::record::State::Current, chain(&["A", "B"]))));
        assert_eq!(explain(&mut world, image).image.classes[0].origin, clade::record::Origin::Adopted);
    }
    assert_eq!(world.state("three", "os"), None);
    let left: Vec<_> = world.query().unknown_bases(2, 10).iter().map(|base| base.layers).collect();
    assert_eq!(left, [1], "what a class follows is no longer unknown");
}

#[test]
fn a_class_can_adopt_a_chain_before_any_image_has_it_and_keeps_it_when_all_are_gone() {
    let mut world = World::new();
    let chain = LayerChain::new(LayerIdentity::Blob, [digest("A"), digest("B")]).last().unwrap();
    world.adopt("os", *chain.digest()).process();
    let following = |world: &mut World| world.class_item("os").status.conditions[1].reason.clone();
    assert_eq!(following(&mut world), "NotFound");
    world.images(&[("one", &["A", "B", "1"])]);
    assert_eq!(world.state("one", "os").map(|(state, _)| state), Some(clade::record::State::Current));
    assert_eq!(following(&mut world), "Following");
    world.see(crate::support::image_gone("one")).process().images(&[("late", &["A", "B", "2"])]);
    assert_eq!(world.state("late", "os").map(|(state, _)| state), Some(clade::record::State::Current));
}

#[test]
fn a_class_that_was_deleted_and_declared_again_finds_its_chain_and_so_do_two_classes_at_once() {
    let mut world = World::new();
    let chain = LayerChain::new(LayerIdentity::Blob, [digest("A"), digest("B")]).last().unwrap();
    world.adopt("os", *chain.digest()).process();
    world.publisher.delete_class("os").unwrap();
    world.process().images(&[("one", &["A", "B", "1"])]).process();
    world.adopt("os", *chain.digest()).adopt("same", *chain.digest());
    for class in ["os", "same"] {
        assert_eq!(world.state("one", class).map(|(state, _)| state), Some(clade::record::State::Current));
    }
    let late = LayerChain::new(LayerIdentity::Blob, [digest("L")]).last().unwrap();
    world
        .adopt("late", *late.digest())
        .adopt("later", *late.digest())
        .process()
        .images(&[("two", &["L", "2"])]);
    for class in ["late", "later"] {
        assert_eq!(
            world.state("two", class).map(|(state, _)| state),
            Some(clade::record::State::Current),
            "{class}"
        );
    }
}

#[test]
fn a_chain_in_a_declaration_must_be_one_and_is_in_no_namespace() {
    for (name, namespace) in [("php:7", None), ("sha256:12", None), (&*digest("A").to_string(), Some("shop"))]
    {
        let from = serde_json::json!({"kind": "Chain", "name": name, "namespace": namespace});
        let spec = clade::declare::ClassSpec {
            from: serde_json::from_value(from).unwrap(),
            ..crate::support::class("os", "os:1", &[])
        };
        assert!(spec.check().unwrap_err().to_string().contains("spec.from.n"), "{name}");
    }
}

#[test]
fn a_digest_in_a_claim_says_which_base_it_was_however_the_tag_has_moved() {
    let mut world = first_day();
    let by_layers = |world: &mut World, image: &str| {
        explain(world, image).claims.iter().map(|of| of.by_layers.clone()).collect::<Vec<_>>()
    };
    assert_eq!(by_layers(&mut world, "tells"), ["unknown"], "the tag points elsewhere now");
    world.see(in_repository("elsewhere", "old base", &["A"]));
    assert_eq!(by_layers(&mut world, "tells"), ["proven"]);
    world.see(claiming("lies", &["C", "V"], &[(Evidence::Label, "base:12", Some(digest("old base")))]));
    assert_eq!(by_layers(&mut world, "lies"), ["not-proven"]);
}

#[test]
fn a_claim_is_compared_with_versions_whose_images_are_gone() {
    let mut world = World::new();
    world
        .images(&[("v1", &["A"]), ("v2", &["B"])])
        .tag("base:12", &["v1"])
        .class("base", "base:12")
        .process()
        .tag("base:12", &["v2"])
        .process()
        .see(crate::support::image_gone("v1"))
        .see(claiming("app", &["A", "X"], &[(Evidence::Annotation, "base:12", Some(digest("v1")))]))
        .see(claiming("lies", &["Z", "X"], &[(Evidence::Annotation, "base:12", Some(digest("v1")))]));
    assert_eq!(explain(&mut world, "app").claims[0].by_layers, "proven");
    assert_eq!(explain(&mut world, "lies").claims[0].by_layers, "not-proven");
}

#[test]
fn a_chain_id_in_a_label_is_compared_with_the_chains_of_the_image() {
    let chain = |layers: &[&str]| -> ChainId {
        LayerChain::new(LayerIdentity::Blob, layers.iter().map(|layer| digest(layer))).last().unwrap()
    };
    let mut world = World::new();
    let claim = |layers: &[&str]| (Evidence::ChainLabel, "", Some(*chain(layers).digest()));
    world.see(claiming("child", &["A", "B", "C"], &[claim(&["A", "B"])])).see(claiming(
        "other",
        &["A", "C"],
        &[claim(&["A", "B"])],
    ));
    assert_eq!(explain(&mut world, "child").claims[0].by_layers, "proven");
    assert_eq!(explain(&mut world, "other").claims[0].by_layers, "unknown");
}

#[test]
fn the_verdict_names_a_declared_base_before_the_materials_of_the_build() {
    let mut world = World::new();
    let (declared, material) =
        ((Evidence::Label, "base:12", None), (Evidence::Provenance, "golang:1.25", None));
    world.see(claiming("both", &["A"], &[material, declared])).see(claiming(
        "materials",
        &["B"],
        &[material],
    ));
    assert_eq!(explain(&mut world, "both").verdict, "unknown by layers; claimed: base:12");
    assert_eq!(explain(&mut world, "materials").verdict, "unknown by layers; built with golang:1.25");
}
