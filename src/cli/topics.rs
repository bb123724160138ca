//! `clade topics`.

use super::args::{TopicsArgs, TopicsCommand};
use super::error::CliError;
use crate::log::kafka::{Admin, Config};
use crate::record::Topic;
use crate::topics::{self, Plan, Wanted};

pub(super) fn topics(config: Config, args: &TopicsArgs) -> Result<(), CliError> {
    let wanted = Wanted { partitions: args.partitions, replication: args.replication_factor };
    let admin = Admin::open(config)?;
    let plan = topics::plan(&wanted, &admin.find()?);
    match args.command {
        TopicsCommand::Plan => show(&plan, &admin),
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
