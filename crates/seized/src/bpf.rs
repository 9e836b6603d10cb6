//! What a seccomp filter can answer: classic BPF, interpreted with values that
//! may be unknown.
//!
//! A branch on an unknown value is followed both ways, so the answers found
//! are all that are possible, and maybe some that are not. The program is the
//! target's: nothing in it is trusted, and what cannot be followed to its end
//! is no answer.

use zerocopy::FromBytes;

/// `struct sock_filter` (linux/filter.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes)]
#[repr(C)]
pub(crate) struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// The words of `struct seccomp_data` (linux/seccomp.h): number, architecture,
/// then low and high halves of the instruction pointer and the six arguments.
pub(crate) type Data = [Option<u32>; 16];

/// A value, `None` where it is not known.
type Word = Option<u32>;

/// Instructions followed in all ways together before we give up.
const BUDGET: u32 = 100_000;

// linux/bpf_common.h: class in bits 0 to 2, mode or operation in 4 to 7,
// source in bit 3.
const LD_W_ABS: u16 = 0x20;
const LD_W_LEN: u16 = 0x80;
const LD_IMM: u16 = 0x00;
const LD_MEM: u16 = 0x60;
const LDX_W_LEN: u16 = 0x81;
const LDX_IMM: u16 = 0x01;
const LDX_MEM: u16 = 0x61;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const RET_K: u16 = 0x06;
const RET_A: u16 = 0x16;
const TAX: u16 = 0x07;
const TXA: u16 = 0x87;
const JA: u16 = 0x05;
const CLASS: u16 = 0x07;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const SOURCE_X: u16 = 0x08;
const OPERATION: u16 = 0xf0;

/// One way through the program.
#[derive(Clone, Copy)]
struct State {
    pc: usize,
    a: Word,
    x: Word,
    memory: [Word; 16],
}

/// A program as the kernel gives it, `struct sock_filter` by `struct
/// sock_filter`.
pub(crate) fn parse(bytes: &[u8]) -> Vec<Instruction> {
    bytes
        .chunks_exact(size_of::<Instruction>())
        .filter_map(|bytes| Instruction::read_from_bytes(bytes).ok())
        .collect()
}

/// Whether every answer that `program` can give to `data` is `good`. What does
/// not end, or ends in an unknown answer, is not.
pub(crate) fn always(program: &[Instruction], data: &Data, good: impl Fn(u32) -> bool) -> bool {
    let mut ways = vec![State {
        pc: 0,
        a: Some(0),
        x: Some(0),
        memory: [Some(0); 16],
    }];
    let mut budget = BUDGET;
    while let Some(mut way) = ways.pop() {
        loop {
            let Some(left) = budget.checked_sub(1) else {
                return false;
            };
            budget = left;
            let Some(instruction) = program.get(way.pc) else {
                return false;
            };
            match way.step(instruction, data) {
                Some(Next::On) => {}
                Some(Next::Both(other)) => ways.push(other),
                Some(Next::Answer(answer)) if good(answer) => break,
                Some(Next::Answer(_)) | None => return false,
            }
        }
    }
    true
}

/// What an instruction leads to.
enum Next {
    On,
    /// The other way of a branch.
    Both(State),
    Answer(u32),
}

impl State {
    /// Carries out one instruction; `None` for one that seccomp does not have
    /// (`seccomp_check_filter`, kernel/seccomp.c), or an unknown answer.
    fn step(&mut self, instruction: &Instruction, data: &Data) -> Option<Next> {
        let Instruction { code, k, .. } = *instruction;
        self.pc += 1;
        match code {
            LD_W_ABS if k % 4 == 0 => self.a = *data.get(k as usize / 4)?,
            LD_W_LEN => self.a = Some(size_of::<[u32; 16]>() as u32),
            LDX_W_LEN => self.x = Some(size_of::<[u32; 16]>() as u32),
            LD_IMM => self.a = Some(k),
            LDX_IMM => self.x = Some(k),
            LD_MEM => self.a = *self.memory.get(k as usize)?,
            LDX_MEM => self.x = *self.memory.get(k as usize)?,
            ST => *self.memory.get_mut(k as usize)? = self.a,
            STX => *self.memory.get_mut(k as usize)? = self.x,
            TAX => self.x = self.a,
            TXA => self.a = self.x,
            RET_K => return Some(Next::Answer(k)),
            RET_A => return Some(Next::Answer(self.a?)),
            JA => self.pc = self.pc.checked_add(k as usize)?,
            _ if code & CLASS == ALU => self.a = self.compute(code, k)?,
            _ if code & CLASS == JMP => return self.branch(instruction),
            _ => return None,
        }
        Some(Next::On)
    }

    fn operand(&self, code: u16, k: u32) -> Word {
        if code & SOURCE_X == 0 {
            Some(k)
        } else {
            self.x
        }
    }

    /// The outer `None` is for an operation that there is not, or a division
    /// by zero, which ends a filter with 0: to us, no answer.
    fn compute(&self, code: u16, k: u32) -> Option<Word> {
        let (Some(a), Some(b)) = (self.a, self.operand(code, k)) else {
            return Some(None);
        };
        Some(Some(match code & OPERATION {
            0x00 => a.wrapping_add(b),
            0x10 => a.wrapping_sub(b),
            0x20 => a.wrapping_mul(b),
            0x30 => a.checked_div(b)?,
            0x40 => a | b,
            0x50 => a & b,
            0x60 => a.checked_shl(b).unwrap_or(0),
            0x70 => a.checked_shr(b).unwrap_or(0),
            0x80 => a.wrapping_neg(),
            0xa0 => a ^ b,
            _ => return None,
        }))
    }

    fn branch(&mut self, instruction: &Instruction) -> Option<Next> {
        let Instruction { code, jt, jf, k } = *instruction;
        let (yes, no) = (self.pc + usize::from(jt), self.pc + usize::from(jf));
        let (Some(a), Some(b)) = (self.a, self.operand(code, k)) else {
            self.pc = yes;
            return Some(Next::Both(Self { pc: no, ..*self }));
        };
        let holds = match code & OPERATION {
            0x10 => a == b,
            0x20 => a > b,
            0x30 => a >= b,
            0x40 => a & b != 0,
            _ => return None,
        };
        self.pc = if holds { yes } else { no };
        Some(Next::On)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn op(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
        Instruction { code, jt, jf, k }
    }

    const ALLOW: u32 = 0x7fff_0000;
    const JEQ: u16 = 0x15;

    /// Allows call 11; call 3 where its first argument is 7; nothing else.
    const PROGRAM: [Instruction; 7] = [
        op(LD_W_ABS, 0, 0, 0),
        op(JEQ, 3, 0, 11),
        op(JEQ, 0, 3, 3),
        op(LD_W_ABS, 0, 0, 16),
        op(JEQ, 0, 1, 7),
        op(RET_K, 0, 0, ALLOW),
        op(RET_K, 0, 0, 0),
    ];

    fn allows(nr: u32, argument: Option<u32>) -> bool {
        let mut data = [None; 16];
        data[0] = Some(nr);
        data[4] = argument;
        always(&PROGRAM, &data, |answer| answer == ALLOW)
    }

    #[test]
    fn known_values_are_followed() {
        assert!(allows(11, None));
        assert!(allows(3, Some(7)));
        assert!(!allows(3, Some(8)));
        assert!(!allows(4, None));
    }

    #[test]
    fn an_unknown_value_goes_both_ways() {
        assert!(!allows(3, None));
        let both_good = [
            op(LD_W_ABS, 0, 0, 16),
            op(JEQ, 1, 0, 7),
            op(RET_K, 0, 0, ALLOW),
            op(RET_K, 0, 0, ALLOW),
        ];
        assert!(always(&both_good, &[None; 16], |answer| answer == ALLOW));
    }

    #[test]
    fn arithmetic_and_memory() {
        let program = [
            op(LD_IMM, 0, 0, 6),
            op(ST, 0, 0, 3),
            op(LDX_MEM, 0, 0, 3),
            op(0x24, 0, 0, 7), // mul k
            op(0x1c, 0, 0, 0), // sub x
            op(RET_A, 0, 0, 0),
        ];
        assert!(always(&program, &[None; 16], |answer| answer == 36));
    }

    #[test]
    fn nothing_that_runs_off_or_explodes_is_good() {
        let yes = |_| true;
        assert!(!always(&[], &[None; 16], yes));
        assert!(!always(&[op(JA, 0, 0, u32::MAX)], &[None; 16], yes));
        assert!(!always(&[op(LD_W_ABS, 0, 0, 64)], &[None; 16], yes));
        assert!(!always(&[op(0x34, 0, 0, 0)], &[Some(1); 16], yes));
        // Each branch doubles the ways.
        let mut program = vec![op(LD_W_ABS, 0, 0, 16)];
        program.extend([op(JEQ, 0, 0, 1); 60]);
        program.push(op(RET_K, 0, 0, ALLOW));
        assert!(!always(&program, &[None; 16], yes));
    }

    proptest::proptest! {
        #[test]
        fn any_program_ends_without_a_panic(bytes: Vec<u8>, known in 0u32..2000) {
            let mut data = [None; 16];
            data[0] = Some(known);
            always(&parse(&bytes), &data, |answer| answer == ALLOW);
        }
    }
}
