//! Prints which images of a class are outdated, and which no longer are: subscribe DIR|HOST:PORT CLASS
//!
//! With a data directory that no other process has open, it prints everything until now. With Apache Kafka, it continues.
//!
//! ```sh
//! cargo run --example subscribe -- kafka:9092 rhel7
//! ```

use std::error::Error;
use std::io::Write as _;
use std::path::Path;

use clade::log::Log;
use clade::log::embedded::{EmbeddedLog, Options};
use clade::log::kafka::{Config, KafkaLog};
use clade::record::{State, Topic};
use clade::subscribe::{Content, Filter, Subscription};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(place), Some(class)) = (arguments.next(), arguments.next()) else {
        return Err("usage: subscribe DIR|HOST:PORT CLASS".into());
    };
    if Path::new(&place).is_dir() {
        print(&EmbeddedLog::open(Path::new(&place), Options::default())?, class, false)
    } else {
        print(&KafkaLog::open(Config::new(&place, ""))?, class, true)
    }
}

fn print(log: &dyn Log, class: String, follow: bool) -> Result<(), Box<dyn Error>> {
    let filter = Filter { class: Some(class), state: Some(State::Outdated), ..Filter::default() };
    let events = Subscription::of(Topic::Outdated).filter(filter).follow(follow).open(log)?;
    let mut output = std::io::stdout().lock();
    for event in events {
        let event = event?;
        if event.left {
            // The image is current again, has left the class, or is gone.
            writeln!(output, "{} is not outdated any more", event.key())?;
        } else if let Content::Transition(transition) = &event.content {
            writeln!(output, "{} is outdated: {}", transition.digest, transition.tags.join(","))?;
        }
    }
    Ok(())
}
