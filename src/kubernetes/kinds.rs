//! The kinds that are watched, and the conversion of their objects into observations.

use std::collections::HashSet;

use super::declared::{Declared, DeclaredClass, DeclaredPolicy};
use super::raw::{Kind, Raw};
use super::{ClassPolicy, ImageClass, ImageClassGroup, SOURCE};
use crate::declare::{ClassSpec, GroupSpec, PolicySpec};
use crate::observe::{Listing, Observation, ObservedTag};
use crate::openshift::observations;
use crate::record::DeadLetterRecord;

/// A kind that is watched.
pub(super) trait Watched: Kind + Sized {
    /// Converts an object into observations. The error says what is wrong with the object.
    fn observe(object: &Raw<Self>, declared: &Declared) -> Result<Vec<Observation>, String>;

    /// Returns the observation of what the status of an object that was just observed still knows. It comes before the others,
    /// and only from lists: a clade whose log is new begins with them.
    fn remembered(_name: &str, _declared: &Declared) -> Option<Observation> {
        None
    }

    /// Returns the observation of a deletion.
    fn gone(object: &Raw<Self>, declared: &Declared) -> Option<Observation>;

    /// Returns the observation that these are all objects.
    fn listing(keys: HashSet<String>, declared: &Declared) -> Listing;
}

/// Converts an object into observations; an invalid one becomes a dead letter.
pub(super) fn observe<K: Watched>(object: &Raw<K>, declared: &Declared) -> Vec<Observation> {
    K::observe(object, declared).unwrap_or_else(|problem| {
        let origin = format!("{SOURCE} {} {}", K::PLURAL, object.key());
        tracing::warn!(kind = K::KIND, object = object.key(), problem, "an object cannot be used");
        let reason = format!("{} {}: {problem}", K::KIND, object.key());
        let value = Some(object.json.get().as_bytes());
        vec![Observation::Unreadable(DeadLetterRecord::new(origin, Some(object.key()), reason, value))]
    })
}

macro_rules! kind {
    ($name:ident, $group:literal, $version:literal, $plural:literal) => {
        pub(super) struct $name;
        impl Kind for $name {
            const GROUP: &'static str = $group;
            const VERSION: &'static str = $version;
            const KIND: &'static str = stringify!($name);
            const PLURAL: &'static str = $plural;
        }
    };
}

kind!(Image, "image.openshift.io", "v1", "images");
kind!(ImageStream, "image.openshift.io", "v1", "imagestreams");
kind!(BuildConfig, "build.openshift.io", "v1", "buildconfigs");
kind!(Build, "build.openshift.io", "v1", "builds");

impl Kind for ImageClass {
    const GROUP: &'static str = "clade.dev";
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "ImageClass";
    const PLURAL: &'static str = "imageclasses";
}

impl Kind for ImageClassGroup {
    const GROUP: &'static str = "clade.dev";
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "ImageClassGroup";
    const PLURAL: &'static str = "imageclassgroups";
}

impl Kind for ClassPolicy {
    const GROUP: &'static str = "clade.dev";
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "ClassPolicy";
    const PLURAL: &'static str = "classpolicies";
}

fn source() -> String {
    SOURCE.to_owned()
}

impl Watched for Image {
    fn observe(object: &Raw<Self>, _: &Declared) -> Result<Vec<Observation>, String> {
        let mut seen = observations(Self::KIND, object.json.get())?;
        for observation in &mut seen {
            if let Observation::Image(image) = observation {
                image.sources = vec![source()];
            }
        }
        Ok(seen)
    }

    fn gone(object: &Raw<Self>, _: &Declared) -> Option<Observation> {
        let digest = object.metadata.name.as_ref()?.parse().ok()?;
        Some(Observation::ImageGoneFrom(source(), digest))
    }

    fn listing(keys: HashSet<String>, _: &Declared) -> Listing {
        Listing::Images(keys.iter().filter_map(|name| name.parse().ok()).collect())
    }
}

impl Watched for ImageStream {
    fn observe(object: &Raw<Self>, _: &Declared) -> Result<Vec<Observation>, String> {
        let mut tags = Vec::new();
        let mut others = Vec::new();
        for observation in observations(Self::KIND, object.json.get())? {
            match observation {
                Observation::Tag(tag) => tags.push(ObservedTag { source: Some(source()), ..tag }),
                other => others.push(other),
            }
        }
        // The facts about a tag come after the tag.
        others.insert(0, Observation::Repository { source: source(), repository: object.key(), tags });
        Ok(others)
    }

    fn gone(object: &Raw<Self>, _: &Declared) -> Option<Observation> {
        Some(Observation::Repository { source: source(), repository: object.key(), tags: Vec::new() })
    }

    fn listing(keys: HashSet<String>, _: &Declared) -> Listing {
        Listing::Repositories(keys)
    }
}

impl Watched for BuildConfig {
    fn observe(object: &Raw<Self>, _: &Declared) -> Result<Vec<Observation>, String> {
        let mut seen = observations(Self::KIND, object.json.get())?;
        for observation in &mut seen {
            if let Observation::BuildConfig(build_config) = observation {
                build_config.source = Some(source());
            }
        }
        Ok(seen)
    }

    fn gone(object: &Raw<Self>, _: &Declared) -> Option<Observation> {
        Some(Observation::BuildConfigGone(object.key()))
    }

    fn listing(keys: HashSet<String>, _: &Declared) -> Listing {
        Listing::BuildConfigs(keys)
    }
}

/// Parses the declaration of a class. The error says why the class cannot be followed.
fn read_class(object: &Raw<ImageClass>) -> Result<ClassSpec, String> {
    let class: ImageClass = serde_json::from_str(object.json.get()).map_err(|error| {
        format!(
            "this version of clade cannot read the declaration: {error}; upgrade clade, or change the class"
        )
    })?;
    let labels = class.metadata.labels.unwrap_or_default();
    let spec = ClassSpec {
        name: object.key(),
        labels,
        from: class.spec.from.into(),
        versions: class.spec.versions.unwrap_or_default(),
        rebuild: class.spec.rebuild.map(Box::new),
    };
    spec.check().map_err(|error| error.to_string())?;
    Ok(spec)
}

impl Watched for ImageClass {
    fn observe(object: &Raw<Self>, declared: &Declared) -> Result<Vec<Observation>, String> {
        let read = read_class(object);
        let status = object.status();
        declared.put_class(DeclaredClass {
            name: object.key(),
            generation: object.metadata.generation,
            status,
            from: read.as_ref().ok().map(|spec| spec.from.clone().into()),
            problem: read.as_ref().err().cloned(),
        });
        Ok(vec![Observation::Class(Box::new(read?))])
    }

    fn remembered(name: &str, declared: &Declared) -> Option<Observation> {
        let class = declared.class(name)?;
        Some(Observation::ClassHistory(class.name.clone(), super::remembered::versions(&class)))
    }

    fn gone(object: &Raw<Self>, declared: &Declared) -> Option<Observation> {
        declared.remove_class(&object.key());
        Some(Observation::ClassGone(object.key()))
    }

    fn listing(keys: HashSet<String>, declared: &Declared) -> Listing {
        declared.keep_classes(&keys);
        Listing::Classes(keys)
    }
}

impl Watched for ImageClassGroup {
    fn observe(object: &Raw<Self>, declared: &Declared) -> Result<Vec<Observation>, String> {
        let group: Self = serde_json::from_str(object.json.get()).map_err(|error| error.to_string())?;
        let selector = group.spec.selector.clone();
        declared.put_group(group);
        Ok(vec![Observation::Group(GroupSpec { name: object.key(), selector })])
    }

    fn gone(object: &Raw<Self>, declared: &Declared) -> Option<Observation> {
        declared.remove_group(&object.key());
        Some(Observation::GroupGone(object.key()))
    }

    fn listing(keys: HashSet<String>, declared: &Declared) -> Listing {
        declared.keep_groups(&keys);
        Listing::Groups(keys)
    }
}

/// A policy as its object states it. A field that this version of clade does not know makes the policy unreadable: it might
/// be the one that exempts somebody.
fn read_policy(object: &Raw<ClassPolicy>) -> Result<PolicySpec, String> {
    #[derive(serde::Deserialize)]
    struct Stated {
        spec: crate::record::ClassPolicy,
    }
    let stated: Stated = serde_json::from_str(object.json.get()).map_err(|error| {
        format!(
            "this version of clade cannot read the declaration: {error}; upgrade clade, or change the policy"
        )
    })?;
    let spec = PolicySpec { name: object.key(), policy: stated.spec };
    spec.check().map_err(|error| error.to_string())?;
    Ok(spec)
}

impl Watched for ClassPolicy {
    fn observe(object: &Raw<Self>, declared: &Declared) -> Result<Vec<Observation>, String> {
        let read = read_policy(object);
        declared.put_policy(DeclaredPolicy {
            name: object.key(),
            generation: object.metadata.generation,
            status: object.status(),
            problem: read.as_ref().err().cloned(),
        });
        Ok(vec![Observation::Policy(Box::new(read?))])
    }

    fn gone(object: &Raw<Self>, declared: &Declared) -> Option<Observation> {
        declared.remove_policy(&object.key());
        Some(Observation::PolicyGone(object.key()))
    }

    fn listing(keys: HashSet<String>, declared: &Declared) -> Listing {
        declared.keep_policies(&keys);
        Listing::Policies(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_of_a_later_version_is_told_in_the_status_and_not_followed() {
        let json = r#"{
            "metadata": {"name": "rhel9", "generation": 3},
            "spec": {"from": {"kind": "ImageStreamBranch", "name": "rhel9"}},
            "status": {"members": 7}
        }"#;
        let object: Raw<ImageClass> = serde_json::from_str(json).unwrap();
        let declared = Declared::default();
        let seen = observe(&object, &declared);
        assert!(matches!(&seen[..], [Observation::Unreadable(_)]), "{seen:?}");
        let class = declared.classes().remove(0);
        let problem = class.problem.unwrap();
        assert!(problem.contains("`ImageStreamBranch`") && problem.contains("upgrade clade"), "{problem}");
        assert_eq!((class.generation, class.status.members), (Some(3), Some(7)));
    }

    #[test]
    fn one_object_that_cannot_be_read_does_not_spoil_a_list() {
        let list = r#"[{"metadata": {"name": "a"}, "dockerImageLayers": 17}, {"metadata": {"name": "b"}}]"#;
        let objects: Vec<Raw<Image>> = serde_json::from_str(list).unwrap();
        let names: Vec<String> = objects.iter().map(Raw::key).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
