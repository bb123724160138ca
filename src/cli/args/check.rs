//! The arguments of `clade check` and `clade policy`.

use std::path::PathBuf;

use clap::Subcommand;

use super::Format;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
An IMAGE that begins with ./, ../ or / is a file or folder (an OCI layout, an archive of docker save, a folder of skopeo
copy), anything else a tag or digest. clade judges a file by its layers, also if no source has reported it.

The policies are those of --policy, or else all that are declared. Which namespaces and pods they select does not matter
here, and neither does their action: clade says what each would find.

Exit codes: 0 allowed or exempt, 5 violating, 6 unknown (0 where a policy has onUnknown: Allow).

Examples:
  clade check registry.example.com/shop/web:1.4
  clade check ./build/image.tar --policy policy.yaml
  clade check ./oci-layout/ --policy policy.yaml -o json")]
pub(in crate::cli) struct VerdictArgs {
    /// Images to judge
    #[arg(required = true, value_name = "IMAGE")]
    pub(in crate::cli) images: Vec<String>,
    /// A file with policies to judge by, instead of the declared ones; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) policy: Option<PathBuf>,
    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PolicyArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: PolicyCommand,
}

/// The commands about policies.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PolicyCommand {
    /// Judge what runs, without any effect
    Test(PolicyTestArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It judges the workloads that clade follows (clade get workloads), whatever the action of a policy is, and lists those that are
not allowed. Exit codes: 0, or 5 if a workload violates a policy.

Examples:
  clade policy test -f policy.yaml
  clade policy test -f policy.yaml --since 30d
  clade policy test --namespace shop -o json")]
pub(in crate::cli) struct PolicyTestArgs {
    /// A file with policies, instead of the declared ones; - for standard input
    #[arg(short, long = "filename", value_name = "FILE")]
    pub(in crate::cli) filename: Option<PathBuf>,
    /// Judge this namespace only
    #[arg(long, value_name = "NAMESPACE")]
    pub(in crate::cli) namespace: Option<String>,
    /// Judge what runs and began at this time of RFC 3339 or later, or since this span of time ago (30d), as it would have been judged
    /// when it began
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) since: Option<String>,
    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
}
