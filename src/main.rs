//! The binary `clade`.

/// A processor allocates and frees some forty small pieces of memory for each image, and librdkafka's threads free
/// memory that others allocated: half of its time was spent in the system's allocator. With mimalloc's feature
/// `override` librdkafka uses it too. The library leaves the choice to its user.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    clade::main()
}
