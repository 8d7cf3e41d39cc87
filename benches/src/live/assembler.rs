//! A few BPF instructions by name, enough for one small program. It checks nothing: the kernel
//! does.

/// A register.
#[derive(Clone, Copy, Debug)]
pub(super) struct R(pub(super) u8);

/// A program under way.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<u64>,
    /// Jumps to the place that [`Assembler::here`] will name.
    pending: Vec<(usize, &'static str)>,
}

/// Width of a load or a store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Width {
    U16,
    U32,
    U64,
}

impl Width {
    const fn bits(self) -> u8 {
        match self {
            Width::U32 => 0x00,
            Width::U16 => 0x08,
            Width::U64 => 0x18,
        }
    }
}

impl Assembler {
    fn put(&mut self, opcode: u8, to: R, from: R, offset: i16, immediate: i32) {
        let registers = u64::from(to.0 | from.0 << 4) << 8;
        let offset = u64::from(offset as u16) << 16;
        let immediate = u64::from(immediate as u32) << 32;
        self.code.push(u64::from(opcode) | registers | offset | immediate);
    }

    pub(super) fn set(&mut self, to: R, value: i32) {
        self.put(0xb7, to, R(0), 0, value);
    }

    pub(super) fn copy(&mut self, to: R, from: R) {
        self.put(0xbf, to, from, 0, 0);
    }

    pub(super) fn add(&mut self, to: R, value: i32) {
        self.put(0x07, to, R(0), 0, value);
    }

    pub(super) fn add_register(&mut self, to: R, from: R) {
        self.put(0x0f, to, from, 0, 0);
    }

    pub(super) fn multiply(&mut self, to: R, from: R) {
        self.put(0x2f, to, from, 0, 0);
    }

    pub(super) fn divide(&mut self, to: R, value: i32) {
        self.put(0x37, to, R(0), 0, value);
    }

    pub(super) fn modulo(&mut self, to: R, value: i32) {
        self.put(0x97, to, R(0), 0, value);
    }

    /// Network byte order; `bits` is 16 or 32.
    pub(super) fn big_endian(&mut self, to: R, bits: i32) {
        self.put(0xdc, to, R(0), 0, bits);
    }

    pub(super) fn load(&mut self, width: Width, to: R, from: R, offset: i16) {
        self.put(0x61 | width.bits(), to, from, offset, 0);
    }

    pub(super) fn store(&mut self, width: Width, to: R, offset: i16, from: R) {
        self.put(0x63 | width.bits(), to, from, offset, 0);
    }

    /// Address of the only value of an array map.
    pub(super) fn map_value(&mut self, to: R, map: i32) {
        const MAP_VALUE: u8 = 2;
        self.put(0x18, to, R(MAP_VALUE), 0, map);
        self.code.push(0);
    }

    pub(super) fn jump_if_less(&mut self, a: R, b: R, label: &'static str) {
        self.pending.push((self.code.len(), label));
        self.put(0xad, a, b, 0, 0);
    }

    pub(super) fn jump_if_greater(&mut self, a: R, b: R, label: &'static str) {
        self.pending.push((self.code.len(), label));
        self.put(0x2d, a, b, 0, 0);
    }

    pub(super) fn call(&mut self, helper: i32) {
        self.put(0x85, R(0), R(0), 0, helper);
    }

    pub(super) fn exit(&mut self) {
        self.put(0x95, R(0), R(0), 0, 0);
    }

    /// Names the present place; earlier jumps there are completed.
    pub(super) fn here(&mut self, label: &'static str) {
        let here = self.code.len();
        for (at, wanted) in std::mem::take(&mut self.pending) {
            match self.code.get_mut(at) {
                Some(jump) if wanted == label => *jump |= ((here - at - 1) as u64) << 16,
                _ => self.pending.push((at, wanted)),
            }
        }
    }

    /// The instructions.
    pub(super) fn finish(self) -> Vec<u64> {
        assert!(self.pending.is_empty(), "a jump leads nowhere");
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_laid_out_as_the_kernel_reads_them() {
        let mut code = Assembler::default();
        code.jump_if_less(R(1), R(2), "end");
        code.set(R(3), -1);
        code.store(Width::U16, R(7), 44, R(4));
        code.here("end");
        code.exit();
        let bytes: Vec<[u8; 8]> = code.finish().iter().map(|one| one.to_le_bytes()).collect();
        assert_eq!(bytes[0], [0xad, 0x21, 2, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[1], [0xb7, 0x03, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(bytes[2], [0x6b, 0x47, 44, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[3], [0x95, 0, 0, 0, 0, 0, 0, 0]);
    }
}
