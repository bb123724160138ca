//! The binary `clade`.

/// A processor takes and gives back some forty small pieces of memory for each image, and librdkafka's threads give back
/// what others took: half of its time was the system's allocator. With mimalloc's feature `override` librdkafka has it too.
/// The library leaves the choice to its user.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    clade::main()
}
