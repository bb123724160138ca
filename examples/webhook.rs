//! Receives what `clade run --sink` and `clade rebuilder --sink` send, and verifies the signature: webhook ADDRESS SECRET_FILE
//!
//! ```sh
//! cargo run --example webhook -- 127.0.0.1:8080 secret
//! clade run --kubernetes --sink http://127.0.0.1:8080 --sink-secret-file secret
//! ```
//!
//! The signature is that of Standard Webhooks, version 1 (<https://www.standardwebhooks.com>): an HMAC-SHA256 of the event's
//! ID, the time in seconds and the body. A receiver also refuses old requests, and drops IDs that it has seen.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use hmac_sha256::HMAC;
use serde_json::Value;

/// Older and younger requests are refused, in seconds: a stranger may have recorded one.
const TOLERANCE: u64 = 300;
/// A larger body is refused, in bytes.
const LARGEST: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: webhook ADDRESS SECRET_FILE".into());
    };
    let key = key(std::fs::read_to_string(file)?.trim())?;
    let listener = TcpListener::bind(address)?;
    say(&format!("listening on http://{}", listener.local_addr()?))?;
    for stream in listener.incoming() {
        if let Err(error) = answer(stream?, &key) {
            say(&format!("a request failed: {error}"))?;
        }
    }
    Ok(())
}

/// The key in a secret: `whsec_` and Base64, or the bytes themselves.
fn key(secret: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(match secret.strip_prefix("whsec_") {
        Some(encoded) => BASE64.decode(encoded.as_bytes())?,
        None => secret.as_bytes().to_vec(),
    })
}

fn answer(stream: TcpStream, key: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut reader = BufReader::new(&stream);
    let mut headers = HashMap::new();
    let mut line = String::new();
    reader.read_line(&mut line)?;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length: usize = headers.get("content-length").ok_or("there is no content-length")?.parse()?;
    if length > LARGEST {
        return Err("the body is too large".into());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let status = match verified(&headers, &body, key) {
        Ok(()) => {
            let event: Value = serde_json::from_slice(&body)?;
            // Here a receiver starts a build. It answers first: clade waits for 15 seconds.
            let data = &event["data"];
            say(&format!("rebuild {} (class {}): {}", data["tag"], data["class"], data["reason"]))?;
            "202 Accepted"
        }
        Err(problem) => {
            say(&format!("refused: {problem}"))?;
            "401 Unauthorized"
        }
    };
    write!(&stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    Ok(())
}

/// Returns an error unless a holder of the secret has signed these bytes a short time ago.
fn verified(headers: &HashMap<String, String>, body: &[u8], key: &[u8]) -> Result<(), String> {
    let header = |name: &str| headers.get(name).ok_or(format!("there is no {name}"));
    let (id, time) = (header("webhook-id")?, header("webhook-timestamp")?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_secs();
    let sent: u64 = time.parse().map_err(|_| "webhook-timestamp is no number".to_owned())?;
    if now.abs_diff(sent) > TOLERANCE {
        return Err("the request is too old, or a clock is wrong".to_owned());
    }
    let mut message = format!("{id}.{time}.").into_bytes();
    message.extend_from_slice(body);
    // The header may have several signatures, of an old and a new key.
    let signed = header("webhook-signature")?.split(' ').any(|signature| {
        let decoded = signature.strip_prefix("v1,").and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let signature: Option<[u8; 32]> = decoded.and_then(|bytes| bytes.try_into().ok());
        // This comparison takes the same time wherever the two differ.
        signature.is_some_and(|signature| HMAC::verify(&message, key, &signature))
    });
    if signed { Ok(()) } else { Err("the signature is wrong".to_owned()) }
}

fn say(text: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}
