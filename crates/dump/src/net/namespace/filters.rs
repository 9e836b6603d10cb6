//! Packet filters that the programs which save them cannot write so that a restore could read it.

use std::fs;

use commensal_sys::Pid;

use super::{programs, refusal};
use crate::{Refusal, Result};

/// The tables of the older interface that are in use, for each program that saves them.
const LEGACY_TABLES: [(&str, &str); 2] = [
    (programs::LEGACY[0], "ip_tables_names"),
    (programs::LEGACY[1], "ip6_tables_names"),
];

/// What is refused of the packet filters of our thread's namespace.
///
/// # Errors
///
/// Where nft(8) fails.
pub fn check(root: Pid) -> Result<Vec<Refusal>> {
    let ruleset = programs::ruleset()?;
    let foreign = foreign(&String::from_utf8_lossy(&ruleset)).map(|extension| {
        refusal(
            root,
            &format!("in a network namespace with a rule of iptables with \"{extension}\""),
            "nft(8) cannot write it in a way that the restore could read",
            "delete the rule before the dump, or make it with iptables-legacy",
        )
    });
    let unsaved = LEGACY_TABLES.iter().filter(|(program, tables)| {
        let tables = fs::read_to_string(format!("/proc/thread-self/net/{tables}"));
        tables.is_ok_and(|tables| !tables.is_empty()) && !programs::is_there(program, "-V")
    });
    let unsaved = unsaved.map(|(program, tables)| {
        refusal(
            root,
            &format!("in a network namespace with a packet filter of the older kind ({tables})"),
            &format!("it is saved by the program {program}, which cannot be run"),
            "install iptables",
        )
    });
    Ok(foreign.into_iter().chain(unsaved).collect())
}

/// The first extension of iptables in the output of `nft list ruleset` that is no expression of
/// nftables.
fn foreign(ruleset: &str) -> Option<String> {
    // Comments and names of interfaces are in quotes, and may be anything.
    let unquoted = ruleset.lines().flat_map(|line| line.split('"').step_by(2));
    unquoted.into_iter().find_map(|text| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let found = words
            .windows(3)
            .find(|words| words[0] == "xt" && ["match", "target"].contains(&words[1]));
        found.map(|words| words.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nft_cannot_write_is_found() {
        let rules = "chain c {\n\ttcp dport 1 counter packets 0 bytes 0 redirect to :97\n";
        assert_eq!(foreign(rules), None);
        assert_eq!(foreign("accept comment \"xt match recent\"\n"), None);
        let rules = format!("{rules}\txt match recent counter packets 0 bytes 0\n");
        assert_eq!(foreign(&rules).as_deref(), Some("xt match recent"));
        let target = "counter packets 0 bytes 0 xt target AUDIT";
        assert_eq!(foreign(target).as_deref(), Some("xt target AUDIT"));
    }
}
