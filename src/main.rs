//! The binary `clade`.

fn main() -> std::process::ExitCode {
    clade::cli::main()
}
