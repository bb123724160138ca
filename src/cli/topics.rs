//! `clade topics`.

use std::sync::Arc;

use super::args::{TopicsArgs, TopicsCommand};
use super::error::CliError;
use super::progress;
use crate::log::kafka::{Admin, Config, KafkaLog};
use crate::log::{Log as _, SharedLog};
use crate::publisher::{Migrated, Publisher};
use crate::record::{Timestamp, Topic};
use crate::topics::{self, Plan, Wanted};

pub(super) fn topics(config: Config, args: &TopicsArgs) -> Result<(), CliError> {
    if args.command == TopicsCommand::Migrate {
        return migrate(config, args);
    }
    let wanted = Wanted { partitions: args.partitions, replication: args.replication_factor };
    let admin = Admin::open(config)?;
    let plan = topics::plan(&wanted, &admin.find()?);
    match args.command {
        TopicsCommand::Plan | TopicsCommand::Migrate => show(&plan, &admin),
        TopicsCommand::Apply => {
            admin.create(&plan.missing)?;
            for missing in &plan.missing {
                println!("topic/{} created", admin.name(missing.topic));
            }
            let left = Plan { missing: Vec::new(), ..plan };
            return refuse_unusable(&left);
        }
        TopicsCommand::Check => {
            show(&plan, &admin);
            return refuse_unusable(&plan);
        }
    }
    Ok(())
}

fn show(plan: &Plan, admin: &Admin) {
    for missing in &plan.missing {
        let settings: Vec<String> =
            missing.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        println!(
            "+ {}: to be created, {} partitions, {}",
            admin.name(missing.topic),
            missing.partitions,
            settings.join(" ")
        );
    }
    for difference in &plan.differences {
        println!("! {difference}");
    }
    if plan.missing.is_empty() && plan.differences.is_empty() {
        println!("all {} topics are as they should be", Topic::ALL.len());
    }
}

fn refuse_unusable(plan: &Plan) -> Result<(), CliError> {
    for difference in &plan.differences {
        eprintln!("warning: {difference}");
    }
    if plan.is_unusable() {
        return Err(CliError::Failed("clade cannot run on these topics; see above".to_owned()));
    }
    Ok(())
}

/// Copies all records into topics with another prefix, and creates those that are missing.
fn migrate(config: Config, args: &TopicsArgs) -> Result<(), CliError> {
    let Some(prefix) = args.to_prefix.as_deref().filter(|prefix| *prefix != config.prefix) else {
        return Err(CliError::Usage(
            "say where to: --to-prefix TEXT, another prefix than the topics have".to_owned(),
        ));
    };
    let new = config.with_prefix(prefix);
    let old = KafkaLog::open(config)?;
    let admin = Admin::open(new.clone())?;
    let partitions = args.partitions.unwrap_or_else(|| old.partitions());
    let wanted = Wanted { partitions: Some(partitions), replication: args.replication_factor };
    let plan = topics::plan(&wanted, &admin.find()?);
    admin.create(&plan.missing)?;
    refuse_unusable(&Plan { missing: Vec::new(), ..plan })?;
    let log: SharedLog = Arc::new(KafkaLog::open_when_created(new)?);
    let waiting = progress::spinner("copying");
    let migrated = Publisher::migrate(&old, &log, Timestamp::now)?;
    waiting.finish();
    let Migrated { images, tags, catalog, classifications } = migrated;
    eprintln!(
        "copied {images} images, {tags} tags, {catalog} records of the catalog and {classifications} classifications; \
         start everything with --kafka-prefix {prefix}"
    );
    Ok(())
}
