//! A client of one connection that stays open.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
    address: String,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::with_capacity(1 << 18, stream), address: address.to_owned() }
    }

    /// The body of an answer, which must be well.
    pub(crate) fn get(&mut self, path: &str) -> Vec<u8> {
        let (status, length) = self.begin(path, "application/json");
        let mut body = vec![0; length.unwrap_or_else(|| panic!("{path}: no length"))];
        self.reader.read_exact(&mut body).unwrap();
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// The number of lines of an answer in chunks, and of its bytes.
    pub(crate) fn lines(&mut self, path: &str) -> (u64, u64) {
        assert_eq!(self.begin(path, "application/x-ndjson"), (200, None), "{path}");
        let (mut lines, mut bytes, mut chunk) = (0, 0, Vec::new());
        loop {
            let mut size = String::new();
            self.reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            chunk.resize(size + 2, 0);
            self.reader.read_exact(&mut chunk).unwrap();
            if size == 0 {
                return (lines, bytes);
            }
            bytes += size as u64;
            lines += chunk[..size].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }

    fn begin(&mut self, path: &str, accept: &str) -> (u16, Option<usize>) {
        let host = &self.address;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: {accept}\r\n\r\n");
        self.reader.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = None;
        loop {
            line.clear();
            self.reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                return (status, length);
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = Some(value.trim().parse().unwrap());
            }
        }
    }
}
