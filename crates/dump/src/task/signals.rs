//! Pending signals and signal actions (signal(7)).

use commensal_abi::Sigaction;
use commensal_images::messages::{SaEntry, SiginfoEntry, SignalQueueEntry};

/// SIGKILL and SIGSTOP have no action that could be set.
const WITHOUT_ACTION: [usize; 2] = [9, 19];

/// SIGSTOP, SIGTSTP, SIGTTIN and SIGTTOU.
const STOPPING: [i32; 4] = [SIGSTOP, 20, 21, 22];

/// SIGSTOP (signal(7)).
pub const SIGSTOP: i32 = 19;

/// The length of a `siginfo_t`, in bytes.
pub const SIGINFO_LEN: usize = 128;

/// The signal of a `siginfo_t`, whose first field it is.
pub const fn number(siginfo: &[u8; SIGINFO_LEN]) -> i32 {
    i32::from_le_bytes([siginfo[0], siginfo[1], siginfo[2], siginfo[3]])
}

/// The image of a queue of `siginfo_t`s.
///
/// What would stop a task that is `stopped` is left out: the SIGCONT that ends
/// its stop discards these signals, and a restore would trip over them.
pub fn queue(pending: &[[u8; SIGINFO_LEN]], stopped: bool) -> SignalQueueEntry {
    let kept = pending
        .iter()
        .filter(|siginfo| !(stopped && STOPPING.contains(&number(siginfo))));
    let signals = kept.map(|siginfo| SiginfoEntry {
        siginfo: siginfo.to_vec(),
    });
    SignalQueueEntry {
        signals: signals.collect(),
    }
}

/// The image of the actions, `actions[n]` that of signal n + 1.
pub fn actions(actions: &[Sigaction]) -> Vec<SaEntry> {
    let numbered = (1..).zip(actions);
    numbered
        .filter(|(signal, _)| !WITHOUT_ACTION.contains(signal))
        .map(|(_, action)| SaEntry {
            sigaction: action.handler,
            flags: action.flags,
            restorer: action.restorer,
            mask: action.mask,
            compat_sigaction: Some(false),
            mask_extended: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn siginfo(signal: i32) -> [u8; SIGINFO_LEN] {
        let mut siginfo = [0; SIGINFO_LEN];
        siginfo[..4].copy_from_slice(&signal.to_le_bytes());
        siginfo
    }

    #[test]
    fn a_stopped_task_has_no_stop_signals_pending() {
        let pending = [siginfo(10), siginfo(SIGSTOP), siginfo(20)];
        assert_eq!(queue(&pending, false).signals.len(), 3);
        let kept = queue(&pending, true).signals;
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].siginfo, pending[0]);
    }

    #[test]
    fn kill_and_stop_have_no_place_among_the_actions() {
        let all: Vec<_> = (1..=64)
            .map(|signal| Sigaction {
                handler: signal,
                ..Sigaction::default()
            })
            .collect();
        let entries = actions(&all);
        assert_eq!(entries.len(), 62);
        assert_eq!((entries[7].sigaction, entries[8].sigaction), (8, 10));
        assert_eq!((entries[16].sigaction, entries[17].sigaction), (18, 20));
    }
}
