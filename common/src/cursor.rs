//! Bounded reads from a frame: the only way in which the walk sees bytes.
//!
//! A cursor hands out copies of fixed size and never panics. It does not know any protocol.

/// A frame whose bytes can be read at any offset.
///
/// The kernel program implements this over its packet pointers, user space over slices.
pub trait Cursor {
    /// Most blocks of [`crate::fingerprint::BLOCK`] bytes that one fingerprint reads. The kernel
    /// needs a small bound, because its verifier follows every round of a loop.
    const BLOCKS_MAX: usize = 65_536 / crate::fingerprint::BLOCK;

    /// The `N` bytes at offset `at`, or `None` if any of them cannot be reached.
    ///
    /// In the kernel only the linear part of a frame can be reached: `None` may come before
    /// [`Cursor::len`].
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]>;

    /// Bytes in the whole frame.
    fn len(&self) -> usize;

    /// The same number. The kernel's cursor makes its verifier forget how the number came about:
    /// ways that meet again here are then followed once and not once for each of them.
    #[inline(always)]
    fn forget(&self, number: usize) -> usize {
        number
    }

    /// Whether the frame has no byte at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Cursor for &[u8] {
    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.get(at..)?.first_chunk::<N>().copied()
    }

    #[inline(always)]
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stop_at_the_end() {
        let frame: &[u8] = &[1, 2, 3, 4];
        assert_eq!(frame.load::<2>(2), Some([3, 4]));
        assert_eq!(frame.load::<2>(3), None);
        assert_eq!(frame.load::<0>(4), Some([]));
        assert_eq!(frame.load::<1>(usize::MAX), None);
        assert_eq!(Cursor::len(&frame), 4);
        assert!(!Cursor::is_empty(&frame));
    }
}
