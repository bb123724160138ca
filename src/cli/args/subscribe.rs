//! The arguments of `clade subscribe`.

use clap::ValueEnum;

use super::StateArg;
use crate::record::{State, Topic};
use crate::subscribe::{Filter, Form};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Filters: classifications take --class, --group, --state; outdated these, --repository and --namespace; rebuilds --class
and --namespace; catalog --class. What leaves a filter is told once more, with \"left\": true.

Examples:
  clade subscribe outdated --class rhel7 --state outdated --from 24h
  clade subscribe classifications --group os=rhel7 -o cloudevents --follow
  clade subscribe outdated --kafka kafka:9092 --consumer-group alerts --follow")]
pub(in crate::cli) struct SubscribeArgs {
    /// The topic to subscribe to
    pub(in crate::cli) topic: Subscribed,
    /// Only events of this class
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) class: Option<String>,
    /// Only events of classes of this group, as os or os=rhel7
    #[arg(long, value_name = "GROUP[=CLASS]")]
    pub(in crate::cli) group: Option<String>,
    /// Only events of images in this state in that class, or in any class
    #[arg(long, value_enum)]
    pub(in crate::cli) state: Option<StateArg>,
    /// Only events of images with a tag of this repository
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) repository: Option<String>,
    /// Only events of images with a tag of this namespace, or targets built in it
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) namespace: Option<String>,
    /// Start position: beginning, end, a time, a time span ago as 2h, or PARTITION:OFFSET,…
    #[arg(long, default_value = "beginning", value_name = "WHERE")]
    pub(in crate::cli) from: String,
    /// Wait for further events until interrupted
    #[arg(long, short)]
    pub(in crate::cli) follow: bool,
    /// Share the partitions with the other members of this consumer group, and continue at its committed offsets;
    /// at-least-once delivery
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) consumer_group: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    pub(in crate::cli) output: FormArg,
}

impl SubscribeArgs {
    /// The filter from the arguments.
    pub(in crate::cli) fn filter(&self) -> Filter {
        Filter {
            class: self.class.clone(),
            group: self.group.clone(),
            state: self.state.map(|state| match state {
                StateArg::Current => State::Current,
                StateArg::Outdated => State::Outdated,
            }),
            repository: self.repository.clone(),
            namespace: self.namespace.clone(),
        }
    }
}

/// The topics that can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Subscribed {
    /// The classification of each image
    Classifications,
    /// Images that entered or left a class, or became outdated or current in it
    Outdated,
    /// Rebuilds and their targets
    Rebuilds,
    /// Classes, their versions, and groups
    Catalog,
    /// Workloads: the images that each of them runs
    Workloads,
    /// What policies say of workloads that they do not simply allow
    Decisions,
    /// Pods that the admission webhook did not simply allow
    Admissions,
    /// Inputs that could not be read, and the reasons
    DeadLetters,
}

impl Subscribed {
    /// The topic.
    pub(in crate::cli) fn topic(self) -> Topic {
        match self {
            Self::Classifications => Topic::Classifications,
            Self::Outdated => Topic::Outdated,
            Self::Rebuilds => Topic::Rebuilds,
            Self::Catalog => Topic::Catalog,
            Self::Workloads => Topic::Workloads,
            Self::Decisions => Topic::Decisions,
            Self::Admissions => Topic::Admissions,
            Self::DeadLetters => Topic::DeadLetters,
        }
    }
}

/// The output formats of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(in crate::cli) enum FormArg {
    /// The data with its topic, partition and offset
    #[default]
    Plain,
    /// CloudEvents 1.0, structured JSON
    Cloudevents,
}

impl From<FormArg> for Form {
    fn from(form: FormArg) -> Self {
        match form {
            FormArg::Plain => Self::Plain,
            FormArg::Cloudevents => Self::CloudEvents,
        }
    }
}
