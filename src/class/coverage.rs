//! Counts images by what is known of their beginnings. A count of outdated images says little beside many unknown ones.

/// The knowledge of the beginning of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coverage {
    /// The image is a member of a class.
    Member,
    /// Some known image is its beginning, and no class follows that.
    KnownBase,
    /// Only claims name a base.
    Claimed,
    /// Nothing is known.
    Unknown,
}

/// Images by their coverage. The four numbers add up to all images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Covered {
    /// Members of a class.
    pub member: u64,
    /// Images on a known image that no class follows.
    pub known_base: u64,
    /// Images with claims alone.
    pub claimed: u64,
    /// The others.
    pub unknown: u64,
}

impl Coverage {
    /// All, from the best known to the least.
    pub const ALL: [Self; 4] = [Self::Member, Self::KnownBase, Self::Claimed, Self::Unknown];

    /// The word of answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::KnownBase => "known-base",
            Self::Claimed => "claimed",
            Self::Unknown => "unknown",
        }
    }
}

impl Covered {
    /// Adds one image.
    pub fn add(&mut self, coverage: Coverage) {
        *self.place(coverage) += 1;
    }

    /// Adds the images of another count.
    pub fn add_all(&mut self, other: Self) {
        for coverage in Coverage::ALL {
            *self.place(coverage) += other.of(coverage);
        }
    }

    /// The number of images with this coverage.
    pub fn of(mut self, coverage: Coverage) -> u64 {
        *self.place(coverage)
    }

    fn place(&mut self, coverage: Coverage) -> &mut u64 {
        match coverage {
            Coverage::Member => &mut self.member,
            Coverage::KnownBase => &mut self.known_base,
            Coverage::Claimed => &mut self.claimed,
            Coverage::Unknown => &mut self.unknown,
        }
    }
}
