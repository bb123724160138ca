//! The encodings of text in files: with a byte order mark or without, in UTF-8 or in UTF-16 as Windows PowerShell
//! writes it.

use std::io::{BufRead, BufReader, Cursor, Read, Result};

/// Returns the text as UTF-8, without a byte order mark.
pub(super) fn utf8<'a>(mut reader: impl BufRead + 'a) -> Result<Box<dyn BufRead + 'a>> {
    let mut beginning = Vec::new();
    reader.by_ref().take(3).read_to_end(&mut beginning)?;
    let utf16 = |mark: usize, is_big: bool, reader, beginning: &[u8]| {
        let rest = Cursor::new(beginning[mark..].to_vec()).chain(reader);
        Box::new(BufReader::new(Utf16 { reader: rest, is_big, half: None, ready: Vec::new() }))
    };
    Ok(match beginning[..] {
        [0xef, 0xbb, 0xbf] => Box::new(reader),
        [0xff, 0xfe, ..] => utf16(2, false, reader, &beginning),
        [0xfe, 0xff, ..] => utf16(2, true, reader, &beginning),
        [b'{' | b'[', 0, ..] => utf16(0, false, reader, &beginning),
        [0, b'{' | b'[', ..] => utf16(0, true, reader, &beginning),
        _ => Box::new(Cursor::new(beginning).chain(reader)),
    })
}

/// Converts UTF-16 to UTF-8. Invalid units become the replacement character.
struct Utf16<R> {
    reader: R,
    is_big: bool,
    /// The first of two units that form one character.
    half: Option<u16>,
    /// The converted text that was not read yet.
    ready: Vec<u8>,
}

impl<R: Read> Utf16<R> {
    /// Reads the next unit. Returns `None` at the end.
    fn unit(&mut self) -> Result<Option<u16>> {
        let mut bytes = [0; 2];
        let mut read = 0;
        while read < 2 {
            match self.reader.read(&mut bytes[read..])? {
                0 => return Ok(None),
                more => read += more,
            }
        }
        Ok(Some(if self.is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }))
    }

    fn push(&mut self, units: &[u16]) {
        for character in char::decode_utf16(units.iter().copied()) {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.ready.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.ready.len() < buffer.len() {
            let Some(unit) = self.unit()? else {
                if let Some(half) = self.half.take() {
                    self.push(&[half]);
                }
                break;
            };
            match (self.half.take(), unit) {
                (None, 0xd800..=0xdbff) => self.half = Some(unit),
                (None, _) => self.push(&[unit]),
                (Some(half), _) => self.push(&[half, unit]),
            }
        }
        let read = self.ready.len().min(buffer.len());
        buffer[..read].copy_from_slice(&self.ready[..read]);
        self.ready.drain(..read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut text = String::new();
        utf8(bytes).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn text_is_the_same_with_every_byte_order_mark_and_without_one() {
        let text = "{\"name\": \"ä€𝄞\"}\n".repeat(3_000);
        let units = |mark: &str| -> Vec<u16> { mark.encode_utf16().chain(text.encode_utf16()).collect() };
        assert!(read(text.as_bytes()) == text);
        assert!(read(format!("\u{feff}{text}").as_bytes()) == text);
        for mark in ["\u{feff}", ""] {
            let little: Vec<u8> = units(mark).into_iter().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = units(mark).into_iter().flat_map(u16::to_be_bytes).collect();
            assert!(read(&little) == text && read(&big) == text, "with {mark:?}");
        }
    }

    #[test]
    fn what_is_shorter_than_a_mark_is_read_as_it_is() {
        for text in ["", "{", "{}"] {
            assert_eq!(read(text.as_bytes()), text);
        }
        assert_eq!(read(&[0xff, 0xfe, b'{', 0, 0x34, 0xd8]), "{\u{fffd}");
    }
}
