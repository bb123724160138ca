//! Shares what pods have in common.

use std::collections::HashSet;
use std::sync::Arc;

use super::object::Shape;

/// Shapes that nobody uses any more are looked for when there are so many more than after the last look.
const SLACK: usize = 1_024;

/// The shapes in use, each once.
#[derive(Debug, Default)]
pub(super) struct Interner {
    shapes: HashSet<Arc<Shape>>,
    /// The number of shapes at which those out of use are forgotten.
    sweep_at: usize,
}

impl Interner {
    pub(super) fn share(&mut self, shape: Shape) -> Arc<Shape> {
        if let Some(known) = self.shapes.get(&shape) {
            return Arc::clone(known);
        }
        if self.shapes.len() >= self.sweep_at {
            self.shapes.retain(|shape| Arc::strong_count(shape) > 1);
            self.sweep_at = self.shapes.len() * 2 + SLACK;
        }
        let shape = Arc::new(shape);
        self.shapes.insert(Arc::clone(&shape));
        shape
    }
}
