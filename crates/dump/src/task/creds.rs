//! The credentials of a thread (credentials(7), capabilities(7)).

use commensal_images::messages::CredsEntry;

use crate::proc::Status;
use crate::userns::{Unmapped, Users};

/// The image of what `status` says and of the securebits, which only the
/// thread itself knows. Supplementary groups that `users` have no id for are left out.
///
/// # Errors
///
/// Where `users` have no id for another one.
pub fn entry(status: &Status, securebits: u32, users: &Users) -> Result<CredsEntry, Unmapped> {
    let [uid, euid, suid, fsuid] = status.uid.map(|uid| users.uid(uid));
    let [gid, egid, sgid, fsgid] = status.gid.map(|gid| users.gid(gid));
    let groups = status.groups.iter().flat_map(|gid| users.gid(*gid));
    Ok(CredsEntry {
        uid: uid?,
        gid: gid?,
        euid: euid?,
        egid: egid?,
        suid: suid?,
        sgid: sgid?,
        fsuid: fsuid?,
        fsgid: fsgid?,
        cap_inh: words(status.cap_inheritable),
        cap_prm: words(status.cap_permitted),
        cap_eff: words(status.cap_effective),
        cap_bnd: words(status.cap_bounding),
        cap_amb: words(status.cap_ambient),
        secbits: securebits,
        groups: groups.collect(),
        lsm_profile: None,
        lsm_sockcreate: None,
        apparmor_data: None,
        no_new_privs: status.no_new_privs.then_some(1),
    })
}

/// A capability set as the image has it: two words, the lower first.
fn words(set: u64) -> Vec<u32> {
    vec![set as u32, (set >> 32) as u32]
}
