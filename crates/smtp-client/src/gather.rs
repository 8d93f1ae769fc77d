//! Gathering: which slices of what waits go out in one write.
use std::io::IoSlice;

use crate::session::Output;

/// How many slices go into one vectored write.
const SLICES: usize = 64;
/// How many there are of a message without dots: less to fill in.
const FEW_SLICES: usize = 8;
/// How many octets of small slices are gathered for one write.
const GATHER: usize = 16 * 1024;

/// What one write is given.
pub(crate) enum Gathered<'a> {
    Octets(&'a [u8]),
    Slices(&'a [IoSlice<'a>]),
}

/// Where small slices are gathered for one write.
#[derive(Default)]
pub(crate) struct Gatherer {
    gathered: Vec<u8>,
}

impl Gatherer {
    /// Calls `write` with what waits first. `vectored` says whether the stream takes slices.
    pub(crate) fn write<R>(
        &mut self,
        output: &Output,
        vectored: bool,
        write: impl FnOnce(Gathered<'_>) -> R,
    ) -> R {
        if output.count() <= FEW_SLICES {
            self.write_slices::<FEW_SLICES, R>(output, vectored, write)
        } else {
            self.write_slices::<SLICES, R>(output, vectored, write)
        }
    }

    fn write_slices<const MOST: usize, R>(
        &mut self,
        output: &Output,
        vectored: bool,
        write: impl FnOnce(Gathered<'_>) -> R,
    ) -> R {
        let mut slices = [IoSlice::new(&[]); MOST];
        let filled = output.slices(&mut slices);
        let slices = &slices[..filled];
        // Many small slices, of a text full of dots, would make many small writes.
        let small =
            filled == SLICES && slices.iter().map(|slice| slice.len()).sum::<usize>() < GATHER;
        if vectored && !small {
            return write(Gathered::Slices(slices));
        }
        if slices.len() == 1 || slices[0].len() >= GATHER {
            return write(Gathered::Octets(&slices[0]));
        }
        self.gathered.clear();
        output.gather(GATHER, &mut self.gathered);
        write(Gathered::Octets(&self.gathered))
    }
}
