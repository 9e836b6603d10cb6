//! CRIU's configuration files: an option a line, without its dashes, and its value behind a space or
//! an equals sign.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::parse::{Given, Stop};

/// A configuration file and whether it must be there.
pub struct ConfigFile {
    path: PathBuf,
    required: bool,
}

/// The files that count, in the order in which they are read: later ones, and then the command
/// line, override earlier ones.
pub fn files(named: Option<&OsStr>, default_config: bool) -> Vec<ConfigFile> {
    let mut files = Vec::new();
    if default_config {
        files.push(optional(PathBuf::from("/etc/criu/default.conf")));
        if let Some(home) = env::var_os("HOME") {
            files.push(optional(PathBuf::from(home).join(".criu/default.conf")));
        }
    }
    files.extend(env::var_os("CRIU_CONFIG_FILE").map(|path| optional(path.into())));
    files.extend(named.map(|path| ConfigFile {
        path: path.into(),
        required: true,
    }));
    files
}

fn optional(path: PathBuf) -> ConfigFile {
    ConfigFile {
        path,
        required: false,
    }
}

/// Reads a file's options.
pub fn read(file: &ConfigFile) -> Result<Vec<Given>, Stop> {
    let path = file.path.display();
    match fs::read_to_string(&file.path) {
        Ok(text) => statements(&text).map_err(|what| Stop::Invalid(format!("{path}: {what}"))),
        Err(error) if error.kind() == ErrorKind::NotFound && !file.required => Ok(Vec::new()),
        Err(error) => Err(Stop::Invalid(format!("configuration file {path}: {error}"))),
    }
}

fn statements(text: &str) -> Result<Vec<Given>, String> {
    let mut given = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |what: String| format!("line {number}: {what}");
        let Some((name, value)) = statement(line).map_err(wrong)? else {
            continue;
        };
        let option = Given::from_statement(name, value.as_deref()).map_err(|stop| match stop {
            Stop::Usage(what) | Stop::Invalid(what) => wrong(what),
            Stop::Help | Stop::Version => wrong("not for a configuration file".into()),
        })?;
        given.push(option);
    }
    Ok(given)
}

/// The name and value of one line; none for an empty line or a comment.
fn statement(line: &str) -> Result<Option<(&str, Option<String>)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let (name, joined) = word.split_once('=').unzip();
    let name = name.unwrap_or(word);
    let (value, rest) = match (joined, rest.trim_start().strip_prefix('"')) {
        (Some(value), _) => (Some(value.to_owned()), rest),
        (None, Some(quoted)) => {
            let (value, rest) = unquote(quoted)?;
            (Some(value), rest)
        }
        (None, None) => {
            let rest = rest.split('#').next().unwrap_or_default().trim();
            let (value, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
            let value = (!value.is_empty()).then(|| value.replace("\\\"", "\""));
            (value, rest)
        }
    };
    match rest.split('#').next().unwrap_or_default().trim() {
        "" => Ok(Some((name, value))),
        excess => Err(format!(
            "nothing may follow the value of {name}, but {excess:?} does"
        )),
    }
}

/// The text up to the closing quote, in which `\"` is a quote, and what follows.
fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' if text[at + 1..].starts_with('"') => {
                value.push('"');
                characters.next();
            }
            other => value.push(other),
        }
    }
    Err("a quote is not closed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<(String, Option<String>)> {
        let statement = statement(line).unwrap();
        statement.map(|(name, value)| (name.to_owned(), value))
    }

    #[test]
    fn reads_switches_values_quotes_and_comments() {
        assert_eq!(parsed(""), None);
        assert_eq!(parsed("  # tcp-close"), None);
        assert_eq!(parsed("tcp-close"), Some(("tcp-close".into(), None)));
        assert_eq!(parsed("tcp-close # why"), Some(("tcp-close".into(), None)));
        let verbosity = Some(("verbosity".into(), Some("4".into())));
        assert_eq!(parsed("verbosity 4"), verbosity);
        assert_eq!(parsed("\tverbosity\t4 # loud"), verbosity);
        assert_eq!(parsed("verbosity=4 # loud"), verbosity);
        let external = Some(("external".into(), Some("mnt[/a]=b".into())));
        assert_eq!(parsed("external=mnt[/a]=b"), external);
        assert_eq!(parsed("external mnt[/a]=b"), external);
        let quoted = parsed(r#"lsm-profile "selinux:\"a b\"" # x"#);
        assert_eq!(
            quoted,
            Some(("lsm-profile".into(), Some(r#"selinux:"a b""#.into())))
        );
        assert_eq!(
            parsed(r#"log-file """#),
            Some(("log-file".into(), Some(String::new())))
        );
    }

    #[test]
    fn refuses_what_is_not_a_statement() {
        assert!(statement("log-file a b").is_err());
        assert!(statement("log-file=a b").is_err());
        assert!(statement("log-file \"a").is_err());
        assert!(statement("log-file \"a\" b").is_err());
        assert!(statements("tree\n").is_err());
        assert!(statements("no-such-option\n").is_err());
    }
}
