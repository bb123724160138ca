//! Lists as they are written.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::{Cut, Images, More, Tags};
use crate::query::answer::{
    API_VERSION, ClassItem, GroupItem, ImageItem, ListMetadata, PolicyItem, TagItem, WorkloadItem,
};

/// An item that has a name which no other of its list has.
pub trait Named {
    /// The name.
    fn name(&self) -> String;
}

impl Named for ImageItem {
    fn name(&self) -> String {
        self.digest.to_string()
    }
}

impl Named for TagItem {
    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Named for ClassItem {
    fn name(&self) -> String {
        self.metadata.name.clone()
    }
}

impl Named for GroupItem {
    fn name(&self) -> String {
        self.metadata.name.clone()
    }
}

impl Named for WorkloadItem {
    fn name(&self) -> String {
        self.key.clone()
    }
}

impl Named for PolicyItem {
    fn name(&self) -> String {
        self.metadata.name.clone()
    }
}

/// A page of a list.
pub trait Items {
    /// The items, each made when it is taken.
    fn items(&self) -> impl Iterator<Item = impl Serialize + Named>;
    /// The number of items.
    fn count(&self) -> usize;
    /// The rest of the list after the page.
    fn more(&self) -> &More;
}

impl Items for Images {
    fn items(&self) -> impl Iterator<Item = impl Serialize + Named> {
        self.iter()
    }

    fn count(&self) -> usize {
        self.order.len()
    }

    fn more(&self) -> &More {
        &self.more
    }
}

impl Items for Tags {
    fn items(&self) -> impl Iterator<Item = impl Serialize + Named> {
        self.iter()
    }

    fn count(&self) -> usize {
        self.order.len()
    }

    fn more(&self) -> &More {
        &self.more
    }
}

impl<T: Serialize + Named + Clone> Items for Cut<T> {
    fn items(&self) -> impl Iterator<Item = impl Serialize + Named> {
        self.items.iter().cloned()
    }

    fn count(&self) -> usize {
        self.items.len()
    }

    fn more(&self) -> &More {
        &self.more
    }
}

/// A page with its metadata. Its JSON is that of a [`List`](crate::query::answer::List) of the items.
pub struct Listed<I> {
    /// The position of the list, and how it goes on.
    pub metadata: ListMetadata,
    /// The items.
    pub page: I,
}

impl<I: Items> Serialize for Listed<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_struct("List", 4)?;
        list.serialize_field("apiVersion", API_VERSION)?;
        list.serialize_field("kind", "List")?;
        list.serialize_field("metadata", &self.metadata)?;
        list.serialize_field("items", &Sequence(&self.page))?;
        list.end()
    }
}

struct Sequence<'a, I>(&'a I);

impl<I: Items> Serialize for Sequence<'_, I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.items())
    }
}
