//! Asks the HTTP API of a running clade which tags sit on an outdated version of a class: ask http://HOST:PORT CLASS
//!
//! It uses nothing of clade: the API is HTTP and JSON, so any language will do.
//!
//! ```sh
//! cargo run --example ask -- http://127.0.0.1:7878 rhel7
//! ```

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(class)) = (arguments.next(), arguments.next()) else {
        return Err("usage: ask http://HOST:PORT CLASS".into());
    };
    let (status, body) = get(&url, &format!("/v1/tags?class={class}&state=outdated"))?;
    let answer: Value = serde_json::from_str(&body)?;
    if status != 200 {
        // Every error has a sentence for people; 503 means "ask again soon".
        return Err(format!("{status}: {}", answer["detail"].as_str().unwrap_or_default()).into());
    }
    let mut output = std::io::stdout().lock();
    for tag in answer["items"].as_array().into_iter().flatten() {
        writeln!(output, "{}", tag["name"].as_str().unwrap_or_default())?;
    }
    Ok(())
}

/// The status and the body of an answer.
fn get(url: &str, path: &str) -> Result<(u16, String), Box<dyn Error>> {
    let host = url.strip_prefix("http://").ok_or("the address begins with http://")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(host)?;
    // With HTTP 1.0 the server closes the connection at the end of the answer.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer has no end of its head")?;
    let status = head.split(' ').nth(1).ok_or("the answer has no status")?.parse()?;
    Ok((status, body.to_owned()))
}
