//! The lock as rules of iptables, through its programs: iptables has no other
//! stable interface.

use std::ffi::CString;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::super::address::{Connection, Endpoint};

/// As in the table of nftables: packets that CRIU's restore sends itself.
const RESTORE_MARK: &str = "0xC114";
const PROGRAMS: [&str; 2] = ["iptables", "ip6tables"];
const HOOKS: [&str; 2] = ["INPUT", "OUTPUT"];

/// A chain of ours that both hooks jump to.
pub struct Chain {
    name: String,
    programs: Vec<&'static str>,
}

impl Chain {
    /// A chain with this name; made with its first rule.
    pub fn new(name: String) -> Self {
        Self {
            name,
            programs: Vec::new(),
        }
    }

    /// Drops the packets of these connections from now on.
    pub fn hold(&mut self, connections: &[Connection]) -> io::Result<()> {
        for (program, connections) in by_program(connections) {
            let mut rules = Vec::new();
            if !self.programs.contains(&program) {
                self.programs.push(program);
                rules.push(format!("-N {}", self.name));
                rules.extend(HOOKS.map(|hook| format!("-I {hook} -j {}", self.name)));
            }
            for (source, destination) in connections.iter().flat_map(|c| directions(c)) {
                rules.push(format!("-A {} {}", self.name, rule(source, destination)));
            }
            apply(program, &rules)?;
        }
        Ok(())
    }

    /// Removes the chain.
    pub fn remove(self) -> io::Result<()> {
        for program in &self.programs {
            let mut rules: Vec<_> = HOOKS
                .map(|hook| format!("-D {hook} -j {}", self.name))
                .into();
            rules.extend(["-F", "-X"].map(|verb| format!("{verb} {}", self.name)));
            apply(program, &rules)?;
        }
        Ok(())
    }
}

/// What removes a chain of this name after us.
pub fn undo_command(name: &str) -> CString {
    let undo = |program: &str| {
        let unhook = HOOKS
            .map(|hook| format!("{program} -w -D {hook} -j {name};"))
            .concat();
        format!("{unhook} {program} -w -F {name}; {program} -w -X {name};")
    };
    let command = PROGRAMS.map(undo).concat();
    CString::new(command).expect("our names have no NUL")
}

/// Inserts the rules that CRIU's restore deletes, one for each direction.
pub fn insert_for_restore(connections: &[Connection]) -> io::Result<()> {
    for (program, connections) in by_program(connections) {
        let inserts = connections.iter().flat_map(|connection| {
            let hooks = HOOKS.into_iter().zip(directions(connection));
            hooks.map(|(hook, (source, destination))| {
                let rule = rule(source, destination);
                format!("-I {hook} -m mark ! --mark {RESTORE_MARK} {rule}")
            })
        });
        apply(program, &inserts.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// The connections that each program's rules are for, where there are any.
fn by_program(connections: &[Connection]) -> Vec<(&'static str, Vec<&Connection>)> {
    let is_ipv6 = |c: &&Connection| c.peer.ip.is_ipv6();
    let (ipv6, ipv4): (Vec<_>, Vec<_>) = connections.iter().partition(is_ipv6);
    let [v4_program, v6_program] = PROGRAMS;
    let both = [(v4_program, ipv4), (v6_program, ipv6)];
    both.into_iter()
        .filter(|(_, some)| !some.is_empty())
        .collect()
}

/// Incoming packets, then outgoing ones: each its source and its destination.
fn directions(connection: &Connection) -> [(&Endpoint, &Endpoint); 2] {
    let Connection { local, peer } = connection;
    [(peer, local), (local, peer)]
}

fn rule(source: &Endpoint, destination: &Endpoint) -> String {
    format!(
        "--protocol tcp --source {} --sport {} --destination {} --dport {} -j DROP",
        source.ip, source.port, destination.ip, destination.port
    )
}

/// Makes all changes in one step, or none.
fn apply(program: &str, rules: &[String]) -> io::Result<()> {
    let mut child = Command::new(format!("{program}-restore"))
        .args(["--wait", "--noflush"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let script = format!("*filter\n{}\nCOMMIT\n", rules.join("\n"));
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let written = stdin.write_all(script.as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    if output.status.success() {
        return written;
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{program}-restore: {}",
        reason.trim()
    )))
}
