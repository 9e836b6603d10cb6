//! `criu --help`.

use super::check::Feature;
use super::table::{Argument, Meaning, Row, TABLE};

/// Prints what there is, and how each option is dealt with.
pub fn print() {
    println!(
        "\
Usage:
  criu dump -t PID [-D DIR] [OPTIONS]    checkpoint a process tree
  criu pre-dump -t PID -D DIR [OPTIONS]  save its memory while it runs, for a later dump
  criu dedup -D DIR [OPTIONS]            give back what earlier images have twice
  criu check [--feature NAME] [OPTIONS]  check whether the kernel has what is needed
  criu COMMAND [OPTIONS]                 any other command, by the criu that --criu-bin PATH
                                         or COMMENSAL_CRIU_BIN names

This is commensal, with the command line of CRIU {}. Options mean what criu(8) says.
",
        super::CRIU_VERSION
    );
    let missing = |row: &&Row| matches!(row.meaning, Meaning::Missing(_));
    let elsewhere = |row: &&Row| matches!(row.meaning, Meaning::Elsewhere);
    list(
        "Carried out:",
        TABLE.iter().filter(|row| !missing(row) && !elsewhere(row)),
    );
    list(
        "Accepted, without a meaning for a dump:",
        TABLE.iter().filter(elsewhere),
    );
    list(
        "Refused by a dump, not supported yet:",
        TABLE.iter().filter(missing),
    );
    println!("Features of check --feature:");
    for feature in Feature::ALL {
        println!("  {}", feature.name);
    }
}

fn list<'a>(title: &str, rows: impl Iterator<Item = &'a Row>) {
    println!("{title}");
    for row in rows {
        let short = row
            .short
            .map_or("    ".to_owned(), |short| format!("-{short}, "));
        let no = if row.negatable { "[no-]" } else { "" };
        let value = match row.argument {
            Argument::None => "",
            Argument::Optional => "[=VALUE]",
            Argument::Required => " VALUE",
        };
        println!("  {short}--{no}{}{value}", row.long);
    }
    println!();
}
