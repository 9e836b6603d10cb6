//! Values of options.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A path that is not empty.
pub(super) fn path(value: &OsStr) -> Result<PathBuf, String> {
    match value.is_empty() {
        true => Err("it is empty".into()),
        false => Ok(Path::new(value).to_owned()),
    }
}

/// A text.
pub(super) fn text(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| "it is not UTF-8".into())
}

/// A number in the range of its type.
pub(super) fn number<N: std::str::FromStr>(value: &OsStr) -> Result<N, String> {
    let text = text(value)?;
    text.trim()
        .parse()
        .map_err(|_| format!("{text:?} is not a number in range"))
}

/// What is no digit ends it, and may be at its beginning.
pub(super) fn leading_number(text: &[u8]) -> u32 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u32, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    })
}
