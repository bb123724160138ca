use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::record::{ObjectReference, ReferenceKind};

/// Tags and images by name. Tags that begin with `old` or `new` point at images on the earlier and the current version.
#[derive(Default)]
struct World {
    tags: BTreeMap<String, TagNow>,
    outdated: Vec<OutdatedTag>,
    aliases: BTreeMap<String, String>,
}

fn image(state: Option<State>) -> ImageNow {
    let version = |state: State| (state, Digest::of(state.to_string().as_bytes()));
    ImageNow { standing: state.map(version), in_group: true }
}

impl World {
    fn tag(mut self, name: &str, state: Option<State>, since: &str) -> Self {
        let since = format!("2026-01-01T{since}:00Z").parse().unwrap();
        self.tags.insert(name.to_owned(), TagNow { since, images: vec![image(state)] });
        self
    }

    fn current(self, name: &str) -> Self {
        self.tag(name, Some(State::Current), "12:00")
    }

    fn outdated(self, name: &str) -> Self {
        self.tag(name, Some(State::Outdated), "10:00")
    }

    fn outdated_tag(mut self, name: &str, layers: u32, bases: &[&str]) -> Self {
        self.outdated.push(OutdatedTag {
            name: name.to_owned(),
            image: Digest::of(name.as_bytes()),
            version: Digest::of(b"outdated"),
            layers,
            bases: bases.iter().map(|base| Digest::of(base.as_bytes())).collect(),
            in_group: true,
        });
        self
    }
}

impl Images for World {
    fn tag(&self, name: &str) -> Option<TagNow> {
        self.tags.get(name).cloned()
    }

    fn followed(&self, name: &str) -> Option<String> {
        self.aliases.get(name).cloned()
    }

    fn registries(&self) -> BTreeSet<String> {
        BTreeSet::from(["172.30.1.1:5000".to_owned()])
    }

    fn image(&self, digest: &Digest) -> Option<ImageNow> {
        (*digest == Digest::of(b"pinned")).then(|| image(Some(State::Outdated)))
    }

    fn outdated_tags(&self) -> Vec<OutdatedTag> {
        self.outdated.clone()
    }
}

fn stream(name: &str) -> ObjectReference {
    ObjectReference { kind: ReferenceKind::ImageStreamTag, name: format!("{name}:latest"), namespace: None }
}

/// A BuildConfig of namespace `ns` that builds the tag of its own name on another.
fn build(name: &str, on: &str) -> BuildConfigRecord {
    let mut record: BuildConfigRecord =
        serde_json::from_value(json!({"namespace": "ns", "name": name, "sequence": 1})).unwrap();
    record.builder = Some(stream(on));
    record.output = Some(stream(name));
    record
}

fn with_source(mut record: BuildConfigRecord, from: &str) -> BuildConfigRecord {
    record.source_images.push(stream(from));
    record
}

fn triggered(mut record: BuildConfigRecord) -> BuildConfigRecord {
    record.image_change_triggers = serde_json::from_value(json!([{}])).unwrap();
    record
}

fn request() -> RebuildRequest {
    serde_json::from_value(json!({"class": "base"})).unwrap()
}

fn plan_for(request: RebuildRequest, world: &World, build_configs: &[BuildConfigRecord]) -> Plan {
    Plan::make(
        request,
        Basis { generation: 1, revision: 2, current: None, since: None },
        build_configs,
        world,
    )
}

fn plan(world: &World, build_configs: &[BuildConfigRecord]) -> Plan {
    plan_for(request(), world, build_configs)
}

/// `wave name action`, one a target.
fn told(plan: &Plan) -> Vec<String> {
    let one = |of: &Planned| {
        let name = match &of.target {
            Target::BuildConfig { name, .. } | Target::Tag(name) => name,
        };
        format!("{} {name} {:?}", of.wave, of.action)
    };
    plan.targets.iter().map(one).collect()
}

fn problems(plan: &Plan) -> Vec<String> {
    let name = |of: &Problem| of.target.to_string().rsplit('/').next().unwrap_or_default().to_owned();
    plan.problems.iter().map(|of| format!("{} {:?}", name(of), of.kind)).collect()
}

fn all_outdated(names: &[&str]) -> World {
    names.iter().fold(World::default().current("ns/base:latest"), |world, name| {
        world.outdated(&format!("ns/{name}:latest"))
    })
}

#[test]
fn a_base_is_rebuilt_before_what_is_built_on_it_and_a_diamond_once() {
    let world = all_outdated(&["a", "b", "c", "d", "e"]);
    let configs = [
        build("e", "d"),
        with_source(build("d", "b"), "c"),
        build("c", "a"),
        build("b", "a"),
        build("a", "base"),
        build("elsewhere", "other"),
    ];
    let plan = plan(&world, &configs);
    assert_eq!(told(&plan), ["1 a Build", "2 b Build", "2 c Build", "3 d Build", "4 e Build"]);
    assert_eq!((plan.cost.builds, plan.cost.waves, plan.problems.len()), (5, 4, 0));
    let d = &plan.targets[3];
    assert_eq!(d.after.len(), 2);
    assert_eq!((d.reason.input.as_str(), d.reason.state), ("ns/b:latest", Some(State::Outdated)));
}

#[test]
fn what_is_current_is_built_only_when_everything_is_asked_for_or_its_base_is_rebuilt() {
    let world = all_outdated(&["b"]).current("ns/a:latest").current("ns/c:latest");
    let configs = [build("a", "base"), build("b", "base"), build("c", "b")];
    assert_eq!(told(&plan(&world, &configs)), ["1 b Build", "2 c Build"]);
    let all = plan_for(RebuildRequest { all: true, ..request() }, &world, &configs);
    assert_eq!(told(&all), ["1 a Build", "1 b Build", "2 c Build"]);
}

#[test]
fn a_live_trigger_on_what_the_plan_rebuilds_is_left_to_build() {
    let world = all_outdated(&["a", "b", "c"]);
    let mut paused = triggered(build("c", "a"));
    paused.image_change_triggers[0].paused = true;
    let configs = [triggered(build("a", "base")), triggered(build("b", "a")), paused];
    let plan = plan(&world, &configs);
    assert_eq!(told(&plan), ["1 a Build", "2 b Trigger", "2 c Build"], "nothing in the plan moves base");
    assert_eq!((plan.cost.builds, plan.cost.triggered), (2, 1));
}

#[test]
fn cycles_are_told_with_everybody_in_them_and_what_hangs_on_them_is_not_built() {
    let world = all_outdated(&["a", "b", "c", "d", "self"]);
    let configs = [
        build("a", "base"),
        with_source(build("b", "a"), "c"),
        build("c", "b"),
        build("d", "c"),
        with_source(build("self", "a"), "self"),
    ];
    let plan = plan(&world, &configs);
    assert_eq!(told(&plan), ["1 a Build"]);
    assert_eq!(problems(&plan), ["b Cycle", "c Cycle", "self Cycle", "d BaseNotRebuilt"]);
    assert!(plan.problems[0].message.contains("ns/b, ns/c"), "{}", plan.problems[0].message);
    assert!(plan.problems[2].message.contains("its own output"));
}

#[test]
fn a_base_that_is_missing_or_stays_outdated_is_told_and_nothing_is_built_on_it() {
    let world = all_outdated(&["old", "onold", "lost", "pinned"]);
    let mut pinned = build("pinned", "base");
    let digest = Digest::of(b"pinned");
    pinned.builder = Some(ObjectReference {
        kind: ReferenceKind::ImageStreamImage,
        name: format!("base@{digest}"),
        namespace: None,
    });
    let lost = with_source(build("lost", "nowhere"), "base");
    let plan = plan(&world, &[build("onold", "old"), lost, pinned]);
    assert_eq!(told(&plan), [""; 0]);
    assert_eq!(problems(&plan), ["lost MissingBase", "onold OutdatedBase", "pinned OutdatedBase"]);
}

#[test]
fn files_taken_from_an_image_count_by_time_as_layers_do_not_show_them() {
    let world = all_outdated(&[])
        .current("ns/tools:latest")
        .tag("ns/before:latest", None, "11:00")
        .tag("ns/after:latest", None, "13:00")
        .tag("ns/plain:latest", None, "09:00");
    let configs =
        [with_source(build("before", "plain"), "tools"), with_source(build("after", "plain"), "tools")];
    let plan = plan(&world, &configs);
    assert_eq!(told(&plan), ["1 before Build"]);
    assert!(plan.targets[0].reason.message.contains("ns/tools:latest has moved"));
}

#[test]
fn a_buildconfig_that_is_held_is_told_and_so_is_what_waits_for_it() {
    let world = all_outdated(&["a", "b"]);
    let mut held = build("a", "base");
    held.paused = true;
    let plan = plan(&world, &[held, build("b", "a")]);
    assert_eq!(problems(&plan), ["b BaseNotRebuilt", "a Paused"].map(str::to_owned).to_vec());
}

#[test]
fn pull_specs_of_the_internal_registry_are_image_streams() {
    let world = all_outdated(&["a"]);
    let mut config = build("a", "base");
    config.builder = Some(ObjectReference {
        kind: ReferenceKind::DockerImage,
        name: "image-registry.openshift-image-registry.svc:5000/ns/base:latest".to_owned(),
        namespace: None,
    });
    assert_eq!(told(&plan(&world, &[config])), ["1 a Build"]);
}

#[test]
fn filters_choose_by_namespace_and_label_and_a_reference_that_cannot_be_read_is_told() {
    let world = all_outdated(&["a", "b"]);
    let mut labelled = build("a", "base");
    labelled.labels.insert("tier".to_owned(), "web".to_owned());
    let mut bad = with_source(build("b", "base"), "base");
    bad.source_images[0].name = "no tag".to_owned();
    let configs = [labelled, bad];
    let only =
        |request: serde_json::Value| plan_for(serde_json::from_value(request).unwrap(), &world, &configs);
    let web = only(json!({"class": "base", "selector": {"matchLabels": {"tier": "web"}}}));
    assert_eq!((told(&web), problems(&web)), (vec!["1 a Build".to_owned()], Vec::new()));
    assert!(only(json!({"class": "base", "namespace": "elsewhere"})).targets.is_empty());
    assert_eq!(problems(&plan(&world, &configs)), ["b BadReference"]);
}

#[test]
fn tags_that_nobody_here_builds_are_named_and_told_of_in_the_order_of_their_layers() {
    let world = all_outdated(&["a"])
        .outdated_tag("ns/a:latest", 3, &[])
        .outdated_tag("quay.io/acme/shop:1", 9, &["quay.io/acme/php:7", "docker.io/x"])
        .outdated_tag("quay.io/acme/php:7", 5, &[]);
    let configs = [build("a", "base")];
    let without = plan(&world, &configs);
    assert_eq!(without.others, ["quay.io/acme/php:7", "quay.io/acme/shop:1"]);
    assert_eq!((without.cost.notified, without.cost.other_tags), (0, 2));
    let with = plan_for(RebuildRequest { notify: true, ..request() }, &world, &configs);
    assert_eq!(told(&with), ["1 a Build", "1 quay.io/acme/php:7 Notify", "2 quay.io/acme/shop:1 Notify"]);
}

#[test]
fn without_what_is_done_the_rest_closes_up() {
    let world = all_outdated(&["a", "b", "c"]);
    let plan = plan(&world, &[build("a", "base"), build("b", "a"), build("c", "b")]);
    let done = plan.targets[0].target.clone();
    let rest = plan.clone().without(|target| (*target == done).then_some(true));
    assert_eq!(told(&rest), ["1 b Build", "2 c Build"]);
    assert!(rest.targets[0].after.is_empty());
    assert_eq!((rest.cost.builds, rest.cost.waves), (2, 2));
    let none = plan.without(|target| (*target == done).then_some(false));
    assert_eq!(told(&none), [""; 0]);
    assert_eq!(problems(&none), ["b BaseNotRebuilt", "c BaseNotRebuilt"]);
    assert_eq!((none.cost.builds, none.cost.waves), (0, 0));
}

#[test]
fn an_outdated_image_is_never_passed_over_whatever_is_known_of_its_base() {
    let world = all_outdated(&["silent", "foreign", "deleted", "rebased"])
        .tag("ns/elsewhere:latest", None, "11:00")
        .current("ns/tools:latest");
    let mut silent = build("silent", "base");
    silent.builder = None;
    let mut foreign = build("foreign", "base");
    foreign.builder = Some(ObjectReference {
        kind: ReferenceKind::DockerImage,
        name: "registry.example.com/ubi9:latest".to_owned(),
        namespace: None,
    });
    let mut mixed = with_source(foreign.clone(), "tools");
    mixed.name = "mixed".to_owned();
    let configs = [silent, foreign, mixed, build("deleted", "nowhere"), build("rebased", "elsewhere")];
    let plan = plan(&world, &configs);
    assert_eq!(told(&plan), ["1 mixed Build", "1 rebased Build"]);
    assert_eq!(problems(&plan), ["deleted MissingBase", "foreign UnknownBase", "silent UnknownBase"]);
    assert!(plan.problems[1].message.contains("registry.example.com/ubi9:latest"), "{:?}", plan.problems);
}

#[test]
fn a_buildconfig_whose_source_somebody_uploads_is_left_to_them() {
    let world = all_outdated(&["a", "b"]);
    let mut uploaded = build("a", "base");
    uploaded.binary = true;
    let plan = plan(&world, &[uploaded, triggered(build("b", "a"))]);
    assert_eq!(problems(&plan), ["b BaseNotRebuilt", "a BinarySource"]);
}

#[test]
fn a_trigger_is_waited_for_by_what_it_watches() {
    let world = all_outdated(&["x", "y", "d"]);
    let d = triggered(with_source(build("d", "x"), "y"));
    let plan = plan(&world, &[build("x", "base"), build("y", "base"), d]);
    assert_eq!(told(&plan), ["1 x Build", "1 y Build", "2 d Trigger"]);
    let d = &plan.targets[2];
    assert_eq!((d.after.len(), d.triggered_by.len()), (2, 1));
    assert_eq!(d.triggered_by[0], plan.targets[0].target);
    let x = plan.targets[0].target.clone();
    let rest = plan.without(|target| (*target == x).then_some(true));
    assert_eq!(told(&rest), ["1 y Build", "2 d Build"], "nothing moves x any more");
}

#[test]
fn everything_asked_for_is_never_less_than_what_is_outdated() {
    let world = all_outdated(&["a"]);
    // It patches the base in place.
    let patch = build("base", "base");
    let configs = [patch, build("a", "base")];
    assert_eq!(told(&plan(&world, &configs)), ["1 a Build"]);
    let all = plan_for(RebuildRequest { all: true, ..request() }, &world, &configs);
    assert_eq!((told(&all), problems(&all)), (vec!["1 a Build".to_owned()], vec!["base Cycle".to_owned()]));
}

#[test]
fn of_a_large_cycle_some_are_named_and_the_others_counted() {
    let names: Vec<String> = (0..30).map(|number| format!("c{number:02}")).collect();
    let world =
        names.iter().fold(all_outdated(&[]), |world, name| world.outdated(&format!("ns/{name}:latest")));
    let on = |number: usize| &names[(number + 1) % names.len()];
    let mut configs: Vec<BuildConfigRecord> =
        names.iter().enumerate().map(|(number, name)| build(name, on(number))).collect();
    configs[0].source_images.push(stream("base"));
    let plan = plan(&world, &configs);
    assert_eq!(plan.problems.len(), 30);
    assert!(plan.problems[0].message.ends_with("ns/c09 and 20 more"), "{}", plan.problems[0].message);
}

#[test]
fn a_build_on_an_alias_comes_after_the_one_that_pushes_what_the_alias_follows() {
    let mut world = all_outdated(&["php", "app"]).outdated("ns/lts:latest");
    world.aliases.insert("ns/lts:latest".to_owned(), "ns/php:latest".to_owned());
    let made = plan(&world, &[build("php", "base"), build("app", "lts")]);
    assert_eq!(told(&made), ["1 php Build", "2 app Build"]);
    // Two that follow one another lead nowhere.
    world.aliases.insert("ns/php:latest".to_owned(), "ns/lts:latest".to_owned());
    plan(&world, &[build("app", "lts")]);
}

#[test]
fn a_pull_spec_of_the_own_registry_by_its_address_is_the_tag_of_a_stream() {
    let mut app = build("app", "php");
    let pull_spec = "172.30.1.1:5000/ns/php:latest".to_owned();
    app.builder =
        Some(ObjectReference { kind: ReferenceKind::DockerImage, name: pull_spec, namespace: None });
    let made = plan(&all_outdated(&["php", "app"]), &[build("php", "base"), app]);
    assert_eq!(told(&made), ["1 php Build", "2 app Build"]);
}
