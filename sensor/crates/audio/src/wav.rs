//! Where samples go: a WAV file, or a stream of one.

use std::fmt;
use std::io::{self, Seek, Write};

use hound::{SampleFormat, WavSpec, WavWriter};

/// Stereo frames that one WAV file holds: its sizes have 32 bits, and count a header too.
pub(crate) const FRAMES_MAX: u64 = (u32::MAX as u64 - 256) / 4;

/// Takes a recording.
pub trait Sink {
    /// Takes frames of a left and a right sample each, which follow those before.
    ///
    /// # Errors
    /// They could not be written.
    fn frames(&mut self, frames: &[[i16; 2]]) -> io::Result<()>;
}

/// A WAV file: 16 bits, stereo.
pub struct Wav<W: Write + Seek> {
    out: WavWriter<W>,
}

impl<W: Write + Seek> fmt::Debug for Wav<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wav").field("frames", &self.out.duration()).finish()
    }
}

impl<W: Write + Seek> Wav<W> {
    /// Begins a file of so many frames a second.
    ///
    /// # Errors
    /// The head could not be written.
    pub fn new(out: W, rate: u32) -> io::Result<Self> {
        WavWriter::new(out, spec(rate)).map(|out| Self { out }).map_err(plain)
    }

    /// Writes what is left, and how long the file has become.
    ///
    /// # Errors
    /// It could not be written.
    pub fn finish(self) -> io::Result<()> {
        self.out.finalize().map_err(plain)
    }
}

impl<W: Write + Seek> Sink for Wav<W> {
    fn frames(&mut self, frames: &[[i16; 2]]) -> io::Result<()> {
        for sample in frames.as_flattened() {
            self.out.write_sample(*sample).map_err(plain)?;
        }
        Ok(())
    }
}

/// A WAV file whose head cannot be written at the end, because it has gone already (a pipe): its
/// length says "unknown".
#[derive(Debug)]
pub struct Streamed<W> {
    out: W,
}

impl<W: Write> Streamed<W> {
    /// Begins a stream of so many frames a second.
    ///
    /// # Errors
    /// The head could not be written.
    pub fn new(mut out: W, rate: u32) -> io::Result<Self> {
        out.write_all(&spec(rate).into_header_for_infinite_file())?;
        Ok(Self { out })
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// It could not be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Sink for Streamed<W> {
    fn frames(&mut self, frames: &[[i16; 2]]) -> io::Result<()> {
        frames
            .as_flattened()
            .iter()
            .try_for_each(|sample| self.out.write_all(&sample.to_le_bytes()))
    }
}

fn spec(rate: u32) -> WavSpec {
    let (channels, bits_per_sample, sample_format) = (2, 16, SampleFormat::Int);
    WavSpec { channels, sample_rate: rate, bits_per_sample, sample_format }
}

fn plain(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const FRAMES: [[i16; 2]; 3] = [[1, -2], [i16::MAX, i16::MIN], [0, 5]];

    #[test]
    fn a_file_is_read_back() {
        let mut file = Vec::new();
        let mut wav = Wav::new(Cursor::new(&mut file), 16_000).unwrap();
        wav.frames(&FRAMES).unwrap();
        wav.finish().unwrap();
        let mut read = hound::WavReader::new(&file[..]).unwrap();
        assert_eq!((read.spec(), read.duration()), (spec(16_000), 3));
        let samples: Vec<i16> = read.samples().map(Result::unwrap).collect();
        assert_eq!(samples, FRAMES.as_flattened());
    }

    #[test]
    fn a_stream_has_the_same_samples_behind_its_head() {
        let (mut file, mut stream) = (Vec::new(), Vec::new());
        let mut wav = Wav::new(Cursor::new(&mut file), 8000).unwrap();
        wav.frames(&FRAMES).unwrap();
        wav.finish().unwrap();
        let mut streamed = Streamed::new(&mut stream, 8000).unwrap();
        streamed.frames(&FRAMES).unwrap();
        streamed.finish().unwrap();
        assert!(stream.starts_with(b"RIFF"));
        assert_eq!(stream[stream.len() - 12..], file[file.len() - 12..]);
    }
}
