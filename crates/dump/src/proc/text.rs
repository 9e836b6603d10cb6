//! Walking through a text of /proc, byte by byte: names in it need not be UTF-8.

/// The lines of a text, without their newlines.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

/// The part of a text that has not been read yet.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// The start of a text.
    pub const fn new(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// Everything that is left.
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Passes exactly this byte.
    pub fn byte(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// Passes any number of spaces.
    pub fn spaces(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A hexadecimal number in lower case, without a prefix.
    pub fn hex(&mut self) -> Option<u64> {
        self.number(16, |byte| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        })
    }

    /// A decimal number without a sign.
    pub fn decimal(&mut self) -> Option<u64> {
        self.number(10, |byte| byte.is_ascii_digit().then(|| byte - b'0'))
    }

    /// As many digits as there are: at least one, and no more than fit.
    fn number(&mut self, radix: u64, digit: impl Fn(u8) -> Option<u8>) -> Option<u64> {
        let mut value: Option<u64> = None;
        while let Some((first, rest)) = self.0.split_first() {
            let Some(digit) = digit(*first) else { break };
            let shifted = value.unwrap_or(0).checked_mul(radix)?;
            value = Some(shifted.checked_add(digit.into())?);
            self.0 = rest;
        }
        value
    }
}
