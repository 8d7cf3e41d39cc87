//! Reads an input as a script: numbers and choices off its front, zeros behind its end.
//!
//! Small changes of the bytes are small changes of the script, so that a mutating fuzzer gets on.

/// What is left of an input.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Begins at the first byte.
    pub fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// The next two bytes as a number.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// The next four bytes as a number.
    pub fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    /// One of these, by the next byte.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// The next bytes, `count` at most.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_off_the_front_and_zeros_behind_the_end() {
        let mut input = Input::new(&[1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((input.byte(), input.u16(), input.pick(&[7, 8, 9])), (1, 0x0203, 8));
        assert_eq!(input.bytes(1), [5]);
        assert_eq!(input.clone().rest(), [6, 7]);
        assert_eq!((input.u32(), input.is_empty(), input.byte()), (0x0607_0000, true, 0));
    }
}
