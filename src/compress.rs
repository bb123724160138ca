//! zstd, for archives that are read and for blocks of the embedded log.

use std::io::{BufRead, Read, Result};

use zstd::bulk::{Compressor, Decompressor};

/// Of the levels of zstd the one that costs least and still codes digests, which are hexadecimal, in half of their length.
const LEVEL: i32 = 1;

/// Reads what a file of zstd holds. `window` bounds the memory of it, as a power of two in bytes.
pub fn reader<'a>(file: impl BufRead + 'a, window: u32) -> Result<Box<dyn Read + 'a>> {
    let mut decoder = zstd::Decoder::with_buffer(file)?;
    decoder.window_log_max(window)?;
    Ok(Box::new(decoder))
}

/// Compresses blocks, one after another, with memory that it takes when it begins the first.
#[derive(Default)]
pub struct Packer(Option<Compressor<'static>>);

impl Packer {
    /// The bytes, compressed.
    pub fn pack(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let compressor = match &mut self.0 {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(LEVEL)?),
        };
        compressor.compress(bytes)
    }
}

/// The opposite of [`Packer`].
#[derive(Default)]
pub struct Unpacker(Option<Decompressor<'static>>);

impl Unpacker {
    /// Replaces what `out` holds with what was compressed, and takes no memory for more than `len` bytes. Fails if it is more.
    pub fn unpack(&mut self, bytes: &[u8], len: usize, out: &mut Vec<u8>) -> Result<()> {
        let decompressor = match &mut self.0 {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        out.clear();
        out.reserve_exact(len);
        decompressor.decompress_to_buffer(bytes, out)?;
        Ok(())
    }
}
