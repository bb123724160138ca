//! A list of images. Each is made when it is written: all of them at once take more memory than the index itself.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::Query;
use super::answer::{API_VERSION, ImageItem};
use super::filter::Filter;
use super::items::image_item;
use super::reference::RefError;
use crate::index::ImageId;
use crate::shard::ImageView;

/// Images of an index, in order. Its JSON is that of a [`List`](super::answer::List) of them.
pub struct Images {
    query: Query,
    order: Vec<(u16, ImageId)>,
}

impl Query {
    /// The first images that match the filter, by repository and digest; at most `limit` of them.
    pub fn list_images(self, filter: &Filter, limit: usize) -> Result<Images, RefError> {
        let compiled = self.check(filter)?;
        let mut found = Vec::new();
        for shard in self.shards() {
            let add = |image: ImageView<'_>| {
                if compiled.holds(&image) {
                    found.push((Arc::clone(&image.repositories), image.digest, shard.partition(), image.id));
                }
            };
            match compiled.class() {
                // The members of a class are found without a scan over all images.
                Some(class) => shard.members(class).for_each(add),
                None => shard.images().for_each(add),
            }
        }
        if limit < found.len() {
            found.select_nth_unstable(limit);
            found.truncate(limit);
        }
        found.sort_unstable();
        let order = found.into_iter().map(|(_, _, partition, id)| (partition, id)).collect();
        Ok(Images { query: self, order })
    }
}

impl Images {
    /// The images.
    pub fn iter(&self) -> impl Iterator<Item = ImageItem> {
        self.order.iter().filter_map(|(partition, id)| {
            let shard = self.query.shard(usize::from(*partition))?;
            Some(image_item(shard, &shard.view(*id)))
        })
    }
}

impl Serialize for Images {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_struct("List", 3)?;
        list.serialize_field("apiVersion", API_VERSION)?;
        list.serialize_field("kind", "List")?;
        list.serialize_field("items", &Items(self))?;
        list.end()
    }
}

struct Items<'a>(&'a Images);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}
