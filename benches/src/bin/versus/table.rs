//! The comparison as a table, for people, and as CSV, for programs.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::dumper::{Dumper, Program};
use crate::error::Error;
use crate::figures::{Comparison, Figure, millis};

/// Prints the table, in Markdown: medians, with the least and the most in brackets.
pub fn print(rows: &[Comparison], programs: &[Program]) -> Result<(), Error> {
    println!(
        "| target | frozen: CRIU | commensal | ratio | total: CRIU | commensal | ratio | memory: CRIU | commensal |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        println!(
            "| {} | {} | {} | {} | {} |",
            row.case.name(),
            pair(row.frozen(Dumper::Criu), row.frozen(Dumper::Commensal)),
            pair(row.total(Dumper::Criu), row.total(Dumper::Commensal)),
            mebibytes(row.memory(Dumper::Criu)),
            mebibytes(row.memory(Dumper::Commensal)),
        );
    }
    println!(
        "\nTimes in ms: the median of {} dumps each, taken in turn, and in brackets the least and \
         the most.\nMemory is the dumper's largest resident set.",
        rows.first().map_or(0, |row| row.costs(Dumper::Criu).len())
    );
    for program in programs {
        println!("{}", program.version()?);
    }
    let kernel = rustix::system::uname();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "Linux {}, {cores} cores, load {}",
        kernel.release().to_string_lossy(),
        fs::read_to_string("/proc/loadavg")
            .unwrap_or_default()
            .trim()
    );
    Ok(())
}

/// Two figures and how many times the second is smaller.
fn pair(criu: Figure, commensal: Figure) -> String {
    let ratio = criu.median / commensal.median;
    format!("{criu} | {commensal} | **{ratio:.1}**")
}

fn mebibytes(figure: Figure) -> String {
    format!("{:.0} MiB", figure.most)
}

/// Writes every dump as one line.
pub fn write_csv(path: &Path, rows: &[Comparison]) -> Result<(), Error> {
    let file = File::create(path).map_err(Error::file(path))?;
    csv(BufWriter::new(file), rows).map_err(Error::file(path))
}

fn csv(mut out: impl Write, rows: &[Comparison]) -> std::io::Result<()> {
    writeln!(out, "thing,amount,program,frozen_ms,total_ms,memory_bytes")?;
    for row in rows {
        for dumper in [Dumper::Criu, Dumper::Commensal] {
            for cost in row.costs(dumper) {
                writeln!(
                    out,
                    "{},{},{},{:.3},{:.3},{}",
                    row.case.thing.name(),
                    row.case.amount,
                    dumper.name(),
                    millis(cost.frozen),
                    millis(cost.total),
                    cost.memory
                )?;
            }
        }
    }
    out.flush()
}
