//! Makes inputs from seeds: changed bytes, pieces of other seeds, JSON with other values and members, and deep nesting.

use fastrand::Rng;
use serde_json::Value;

use crate::corpus::Corpus;

/// Bytes of an input, at most.
const LONGEST: usize = 1 << 20;

const TOKENS: &[&str] = &[
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "9223372036854775807",
    "0.1",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "\u{10ffff}",
    "sha256:",
    "sha512:",
    "@",
    ":",
    "/",
    "=",
    ",",
    "\n",
    "\r\n",
    "---\n",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "%00",
    "&",
    "+",
    "1970-01-01T00:00:00Z",
    "-009999-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "99999999999999d",
    "0x",
    "\0",
];

/// Pairs that can be put around anything, over and over again.
const SHELLS: &[(&str, &str)] = &[
    ("[", "]"),
    ("{\"a\":", "}"),
    ("{\"items\":[", "]}"),
    ("{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[", "]}"),
    ("{\"kind\":\"ImageList\",\"items\":[", "]}"),
    ("{\"kind\":\"ImageListListList\",\"items\":[", "]}"),
    ("{\"manifests\":[", "]}"),
    ("{\"spec\":", "}"),
    ("- ", ""),
    ("{a: ", "}"),
    ("(", ")"),
];

/// Makes an input from a seed.
pub(crate) fn input(random: &mut Rng, corpus: &Corpus) -> Vec<u8> {
    let mut input = seed(random, corpus).to_vec();
    for _ in 0..random.usize(1..6) {
        match random.u8(0..24) {
            0..=3 => change_json(random, corpus, &mut input),
            4..=6 => flip(random, &mut input),
            7..=9 => insert_token(random, &mut input),
            10..=11 => cut(random, &mut input),
            12..=13 => repeat(random, &mut input),
            14..=15 => splice(random, corpus, &mut input),
            16 => input.truncate(random.usize(0..=input.len())),
            17 => nest(random, &mut input),
            18..=19 => change_number(random, &mut input),
            20..=21 => insert_bytes(random, &mut input),
            _ => set(random, &mut input),
        }
    }
    input.truncate(LONGEST);
    input
}

fn seed<'a>(random: &mut Rng, corpus: &'a Corpus) -> &'a [u8] {
    &corpus.seeds[random.usize(0..corpus.seeds.len())]
}

/// Returns a range of the input.
fn range(random: &mut Rng, input: &[u8]) -> std::ops::Range<usize> {
    let from = random.usize(0..=input.len());
    // Most ranges are short.
    let most = if random.u8(0..4) == 0 { input.len() - from } else { (input.len() - from).min(16) };
    from..from + random.usize(0..=most)
}

fn flip(random: &mut Rng, input: &mut [u8]) {
    if !input.is_empty() {
        let at = random.usize(0..input.len());
        input[at] ^= 1 << random.u8(0..8);
    }
}

fn set(random: &mut Rng, input: &mut [u8]) {
    if !input.is_empty() {
        let at = random.usize(0..input.len());
        input[at] = *random.choice([0, 1, 0x7f, 0x80, 0xff, b'"', b'\\', b'{', b'\n', b'9'].iter()).unwrap();
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if input.len() + bytes.len() <= LONGEST {
        input.splice(at..at, bytes.iter().copied());
    }
}

fn insert_token(random: &mut Rng, input: &mut Vec<u8>) {
    let replaced = range(random, input);
    input.drain(replaced.clone());
    insert(input, replaced.start, TOKENS[random.usize(0..TOKENS.len())].as_bytes());
}

fn insert_bytes(random: &mut Rng, input: &mut Vec<u8>) {
    let at = random.usize(0..=input.len());
    let bytes: Vec<u8> = (0..random.usize(1..9)).map(|_| random.u8(..)).collect();
    insert(input, at, &bytes);
}

fn cut(random: &mut Rng, input: &mut Vec<u8>) {
    let gone = range(random, input);
    input.drain(gone);
}

fn repeat(random: &mut Rng, input: &mut Vec<u8>) {
    let piece = input[range(random, input)].to_vec();
    let times = if random.u8(0..8) == 0 { random.usize(0..2_000) } else { random.usize(0..4) };
    let at = random.usize(0..=input.len());
    insert(input, at, &piece.repeat(times));
}

fn splice(random: &mut Rng, corpus: &Corpus, input: &mut Vec<u8>) {
    let other = seed(random, corpus);
    let piece = &other[range(random, other)];
    let at = random.usize(0..=input.len());
    insert(input, at, piece);
}

fn nest(random: &mut Rng, input: &mut Vec<u8>) {
    let (open, close) = SHELLS[random.usize(0..SHELLS.len())];
    let most = LONGEST / 2 / (open.len() + close.len());
    let times = [10, 120, 130, 3_000, most][random.usize(0..5)].min(most);
    let whole = [open.repeat(times).as_bytes(), input, close.repeat(times).as_bytes()].concat();
    *input = whole;
}

/// Replaces a run of digits by another number.
fn change_number(random: &mut Rng, input: &mut Vec<u8>) {
    let digits: Vec<usize> = (0..input.len()).filter(|at| input[*at].is_ascii_digit()).collect();
    let Some(at) = random.choice(digits) else { return };
    let end = (at..input.len()).find(|end| !input[*end].is_ascii_digit()).unwrap_or(input.len());
    let numbers = [
        "0",
        "1",
        "255",
        "65535",
        "65536",
        "4294967295",
        "4294967296",
        "9223372036854775808",
        "18446744073709551615",
    ];
    input.splice(at..end, numbers[random.usize(0..numbers.len())].bytes());
}

/// Changes some value in the JSON, or its members or items.
fn change_json(random: &mut Rng, corpus: &Corpus, input: &mut Vec<u8>) {
    let line_at = input.iter().rposition(|byte| *byte == b'\n').filter(|at| *at + 1 < input.len());
    let begin = line_at.map_or(0, |at| at + 1);
    // The JSON is a whole document of several lines, or the last line.
    let (begin, mut value) = match serde_json::from_slice::<Value>(input) {
        Ok(value) => (0, value),
        Err(_) => match serde_json::from_slice::<Value>(&input[begin..]) {
            Ok(value) => (begin, value),
            Err(_) => return,
        },
    };
    let other = serde_json::from_slice::<Value>(seed(random, corpus)).unwrap_or(Value::Null);
    let donor = pick(random, &mut other.clone()).clone();
    let picked = pick(random, &mut value);
    match random.u8(0..9) {
        0 => *picked = Value::Null,
        1 => *picked = donor,
        2 => *picked = Value::from(u64::MAX),
        3 => *picked = Value::from(""),
        4 => *picked = Value::Array(vec![picked.take()]),
        5 => *picked = Value::from("x".repeat(random.usize(0..5_000))),
        6 => {
            if let Value::Object(members) = picked
                && let Some(name) = random.choice(members.keys().cloned().collect::<Vec<_>>())
            {
                members.remove(&name);
            }
        }
        7 => {
            if let Value::Array(items) = picked
                && let Some(item) = items.last().cloned()
            {
                items.extend(std::iter::repeat_n(item, random.usize(1..300)));
            }
        }
        _ => {
            if let Value::Object(members) = picked {
                members.insert(format!("{}", random.u8(..)), donor);
            }
        }
    }
    input.truncate(begin);
    serde_json::to_writer(&mut *input, &value).unwrap();
}

/// Returns a value somewhere in this one.
fn pick<'a>(random: &mut Rng, value: &'a mut Value) -> &'a mut Value {
    let children = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    if children == 0 || random.u8(0..5) == 0 {
        return value;
    }
    let at = random.usize(0..children);
    match value {
        Value::Array(items) => pick(random, &mut items[at]),
        Value::Object(members) => pick(random, members.values_mut().nth(at).unwrap()),
        _ => unreachable!("only these have children"),
    }
}
