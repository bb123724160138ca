//! The arguments of `clade check`.

use std::path::PathBuf;

use super::Format;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
An IMAGE is a file or folder if there is one of that name (an OCI layout, an archive of docker save, a folder of skopeo
copy), and a tag or digest otherwise. clade judges a file by its layers, also if no source has reported it.

The policies are those of --policy, or else all that are declared. Which namespaces and pods they select does not matter
here, and neither does their action: clade says what each would find.

Exit codes: 0 allowed or exempt, 5 violating, 6 unknown (0 where a policy has onUnknown: Allow).

Examples:
  clade check registry.example.com/shop/web:1.4
  clade check build/image.tar --policy policy.yaml
  clade check oci-layout/ --policy policy.yaml -o json")]
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
