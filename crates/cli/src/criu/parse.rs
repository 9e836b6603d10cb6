//! Reading arguments as getopt_long(3) does: options before and after the command, short ones
//! in clusters and with attached values, long ones abbreviated.
//!
//! clap has none of these together, and no table that configuration files could share.

use std::ffi::{OsStr, OsString};

use lexopt::{Arg, Parser};

use super::settings::Settings;
use super::table::{Argument, Meaning, Row, TABLE};

/// Why parsing ended the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `--help` was given.
    Help,
    /// `--version` was given.
    Version,
    /// An option has a value that it cannot have.
    Invalid(String),
    /// The arguments are not a command line.
    Usage(String),
}

/// One option as it was given.
#[derive(Clone)]
pub struct Given {
    row: &'static Row,
    negated: bool,
    value: Option<OsString>,
}

/// A command line, read but not carried out.
pub struct Parsed {
    /// The options in their order, or what is wrong with them.
    pub options: Result<Vec<Given>, Stop>,
    /// The first argument that is no option.
    pub command: Option<OsString>,
    /// How many arguments follow the command that are no options.
    pub excess: usize,
    /// `--help` or `-h` is among the arguments.
    pub help: bool,
    /// The file of `--config`.
    pub config: Option<OsString>,
    /// Whether the default configuration files count.
    pub default_config: bool,
}

/// Reads a command line without the program's name.
pub fn command_line(args: &[OsString]) -> Parsed {
    let mut words = Vec::new();
    let options = read(args, &mut words);
    let given = options.as_deref().unwrap_or_default();
    let named = |name: &str| given.iter().rev().find(|option| option.row.long == name);
    let config = named("config").and_then(|option| option.value.clone());
    Parsed {
        help: args.iter().any(|arg| arg == "--help" || arg == "-h"),
        default_config: config.is_none() && named("no-default-config").is_none(),
        config,
        command: words.first().cloned(),
        excess: words.len().saturating_sub(1),
        options,
    }
}

/// Carries out the options that were given.
pub fn apply(options: Vec<Given>, settings: &mut Settings) -> Result<(), Stop> {
    for option in options {
        option.apply(settings)?;
    }
    Ok(())
}

/// Reads options into the result and all else into `words`. After an error the words of the
/// rest are still read, as well as can be: they tell which program the error is for.
fn read(args: &[OsString], words: &mut Vec<OsString>) -> Result<Vec<Given>, Stop> {
    let mut parser = Parser::from_args(args);
    parser.set_short_equals(false);
    let mut given = Vec::new();
    let mut first_error = None;
    loop {
        let option = match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Value(word))) => {
                words.push(word);
                continue;
            }
            Ok(Some(Arg::Short(short))) => find_short(short),
            Ok(Some(Arg::Long(name))) => find_long(name),
            Err(error) => Err(Stop::Usage(error.to_string())),
        };
        match option.and_then(|(row, negated)| take_value(&mut parser, row, negated)) {
            Ok(option) => given.push(option),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        None => Ok(given),
        Some(error) => Err(error),
    }
}

fn take_value(parser: &mut Parser, row: &'static Row, negated: bool) -> Result<Given, Stop> {
    let value = match row.argument {
        Argument::None => None,
        Argument::Optional => parser.optional_value(),
        Argument::Required => match parser.value() {
            Ok(value) => Some(value),
            Err(error) => return Err(Stop::Usage(error.to_string())),
        },
    };
    Ok(Given {
        row,
        negated,
        value,
    })
}

fn find_short(short: char) -> Result<(&'static Row, bool), Stop> {
    TABLE
        .iter()
        .find(|row| row.short == Some(short))
        .map(|row| (row, false))
        .ok_or_else(|| Stop::Usage(format!("unknown option -{short}")))
}

/// The row that `name` is the long name of, or an unambiguous beginning of it; and whether it is
/// the form with `no-`.
fn find_long(name: &str) -> Result<(&'static Row, bool), Stop> {
    let names = || {
        TABLE
            .iter()
            .flat_map(|row| row.names().map(move |(full, no)| (full, row, no)))
    };
    if let Some((_, row, negated)) = names().find(|(full, ..)| full == name) {
        return Ok((row, negated));
    }
    let mut beginnings = names().filter(|(full, ..)| full.starts_with(name));
    match (beginnings.next(), beginnings.next()) {
        (Some((_, row, negated)), None) => Ok((row, negated)),
        (Some(_), Some(_)) => Err(Stop::Usage(format!("option --{name} is ambiguous"))),
        (None, _) => Err(Stop::Usage(format!("unknown option --{name}"))),
    }
}

impl Given {
    /// The option of a configuration file: `name` without dashes.
    pub fn from_statement(name: &str, value: Option<&str>) -> Result<Self, Stop> {
        let (row, negated) = find_long(name)?;
        match (row.argument, value) {
            (Argument::None, Some(_)) => {
                Err(Stop::Usage(format!("option --{name} takes no value")))
            }
            (Argument::Required, None) => {
                Err(Stop::Usage(format!("option --{name} needs a value")))
            }
            _ => Ok(Self {
                row,
                negated,
                value: value.map(OsString::from),
            }),
        }
    }

    fn apply(self, settings: &mut Settings) -> Result<(), Stop> {
        let value = self.value.as_deref();
        let result = match self.row.meaning {
            Meaning::Stop(ref stop) => return Err(stop.clone()),
            Meaning::Switch(set) => {
                set(settings, !self.negated);
                Ok(())
            }
            Meaning::Value(set) => set(settings, value.unwrap_or_default()),
            Meaning::Optional(set) => set(settings, value),
            Meaning::Elsewhere => Ok(()),
            Meaning::Missing(reason) => {
                settings.set_missing(self.row.long, (!self.negated).then_some(reason));
                Ok(())
            }
        };
        result.map_err(|reason| {
            let value = value.unwrap_or(OsStr::new("")).display().to_string();
            Stop::Invalid(format!(
                "invalid argument for --{}: {value}: {reason}",
                self.row.long
            ))
        })
    }
}
