//! `clade wait`.

use std::time::{Duration, Instant};

use super::args::{StateArg, WaitArgs};
use super::error::CliError;
use super::progress;
use crate::api::{Client, ClientError};
use crate::query::answer::{ClassItem, ImageItem, List, Resolution};
use crate::record::State;

/// Pause between two questions.
const AGAIN: Duration = Duration::from_millis(500);

/// Waits until what the arguments say is so.
pub(super) fn wait(client: &Client, args: &WaitArgs) -> Result<(), CliError> {
    let subject = Subject::of(args)?;
    let deadline = Instant::now() + args.timeout;
    let waiting = progress::spinner("waiting");
    loop {
        let lacking = match subject.lacking(client) {
            Ok(None) => {
                waiting.finish();
                println!("{}: {}", args.what, subject.reached());
                return Ok(());
            }
            Ok(Some(lacking)) => lacking,
            Err(ClientError::NotFound(problem) | ClientError::NotYet(problem)) => problem,
            Err(error) => return Err(error.into()),
        };
        if client.is_here() {
            return Err(CliError::Usage(format!(
                "{lacking}; and nothing will change: no clade runs on this data directory. Start `clade run`, or ask one \
                 with --server"
            )));
        }
        if Instant::now() + AGAIN > deadline {
            return Err(CliError::Failed(format!("{lacking}, after {} s", args.timeout.as_secs())));
        }
        #[allow(clippy::disallowed_methods, reason = "a loop that asks again, with an end")]
        std::thread::sleep(AGAIN);
    }
}

/// The subject that a command waits for.
enum Subject<'a> {
    /// A condition of a class.
    Class { name: &'a str, condition: &'a str },
    /// A REF, whose images stand so in a class.
    Images { reference: &'a str, class: Option<&'a str>, state: Option<State> },
}

impl<'a> Subject<'a> {
    fn of(args: &'a WaitArgs) -> Result<Self, CliError> {
        let state = args.state.map(|state| match state {
            StateArg::Current => State::Current,
            StateArg::Outdated => State::Outdated,
        });
        let class = args.class.as_deref();
        match args.what.strip_prefix("class/") {
            Some(_) if class.is_some() || state.is_some() => Err(CliError::Usage(
                "--class and --state are for images; a class is waited for with --for Ready or --for Following".to_owned(),
            )),
            Some(name) => Ok(Self::Class { name, condition: args.condition.as_deref().unwrap_or("Ready") }),
            None if args.condition.is_some() => {
                Err(CliError::Usage("--for is for classes: write class/NAME".to_owned()))
            }
            None => Ok(Self::Images { reference: &args.what, class, state }),
        }
    }

    /// The thing that is not so yet; `None` if everything is.
    fn lacking(&self, client: &Client) -> Result<Option<String>, ClientError> {
        match self {
            Self::Class { name, condition } => {
                let classes: List<ClassItem> = client.get("/v1/classes", &[("name", name)])?;
                let found = classes.items.iter().flat_map(|class| &class.status.conditions);
                Ok(match found.into_iter().find(|of| of.kind == **condition) {
                    Some(of) if of.status == "True" => None,
                    Some(of) => Some(format!("class {name:?} is not {condition}: {}", of.message)),
                    None => Some(format!("class {name:?} says nothing of {condition}")),
                })
            }
            Self::Images { reference, class, state } => {
                let found: Resolution = client.get("/v1/resolve", &[("ref", reference)])?;
                let stands = |image: &ImageItem| {
                    image.classes.iter().any(|of| {
                        class.is_none_or(|class| of.name == class)
                            && state.is_none_or(|state| of.state == state)
                    })
                };
                let is_asked = class.is_some() || state.is_some();
                let lacking = found.images.iter().find(|image| is_asked && !stands(image));
                Ok(lacking.map(|image| {
                    let class = class.map_or("any class".to_owned(), |class| format!("class {class:?}"));
                    match state {
                        Some(state) => {
                            format!("{} ({}) is not {state} in {class}", image.digest, image.platform)
                        }
                        None => format!("{} ({}) is not in {class}", image.digest, image.platform),
                    }
                }))
            }
        }
    }

    fn reached(&self) -> String {
        match self {
            Self::Class { condition, .. } => (*condition).to_owned(),
            Self::Images { class: None, state: None, .. } => "known".to_owned(),
            Self::Images { class, state, .. } => {
                let state = state.map_or("a member".to_owned(), |state| state.to_string());
                class.map_or(state.clone(), |class| format!("{state} in {class}"))
            }
        }
    }
}
