//! The sysctls of a network namespace, in the order in which CRIU's images
//! have them (ip-sysctl in the kernel's documentation).

use std::fs;

use commensal_images::messages::{NetnsEntry, SysctlEntry, SysctlType};

use crate::userns::{Gid, Unmapped, Users};

const IPV4: [&str; 30] = [
    "accept_local",
    "accept_redirects",
    "accept_source_route",
    "arp_accept",
    "arp_announce",
    "arp_filter",
    "arp_ignore",
    "arp_notify",
    "bootp_relay",
    "disable_policy",
    "disable_xfrm",
    "force_igmp_version",
    "forwarding",
    "igmpv2_unsolicited_report_interval",
    "igmpv3_unsolicited_report_interval",
    "log_martians",
    "medium_id",
    "promote_secondaries",
    "proxy_arp",
    "proxy_arp_pvlan",
    "route_localnet",
    "rp_filter",
    "secure_redirects",
    "send_redirects",
    "shared_media",
    "src_valid_mark",
    "tag",
    "ignore_routes_with_linkdown",
    "drop_gratuitous_arp",
    "drop_unicast_in_l2_multicast",
];

const IPV6: [&str; 42] = [
    "accept_dad",
    "accept_ra",
    "accept_ra_defrtr",
    "accept_ra_from_local",
    "accept_ra_min_hop_limit",
    "accept_ra_mtu",
    "accept_ra_pinfo",
    "accept_ra_rt_info_max_plen",
    "accept_ra_rtr_pref",
    "accept_redirects",
    "accept_source_route",
    "autoconf",
    "dad_transmits",
    "disable_ipv6",
    "drop_unicast_in_l2_multicast",
    "drop_unsolicited_na",
    "force_mld_version",
    "force_tllao",
    "forwarding",
    "hop_limit",
    "ignore_routes_with_linkdown",
    "keep_addr_on_down",
    "max_addresses",
    "max_desync_factor",
    "mldv1_unsolicited_report_interval",
    "mldv2_unsolicited_report_interval",
    "mtu",
    "ndisc_notify",
    "optimistic_dad",
    "proxy_ndp",
    "regen_max_retry",
    "router_probe_interval",
    "router_solicitation_delay",
    "router_solicitation_interval",
    "router_solicitations",
    STABLE_SECRET,
    "suppress_frag_ndisc",
    "temp_prefered_lft",
    "temp_valid_lft",
    "use_oif_addrs_only",
    "use_optimistic",
    "use_tempaddr",
];

/// The only one that is no number; it cannot be read before it is set.
const STABLE_SECRET: &str = "stable_secret";

/// `net.ipv4.ping_group_range` where no group may ping.
const NO_GROUP: [&str; 2] = ["1", "0"];

/// The settings of our thread's namespace, for a tree with these `users`.
///
/// # Errors
///
/// Where they have no id for a group that may ping.
pub fn of_namespace(users: &Users) -> Result<NetnsEntry, Unmapped> {
    let (def_conf4, def_conf6) = of_interface("default");
    let (all_conf4, all_conf6) = of_interface("all");
    Ok(NetnsEntry {
        def_conf4,
        all_conf4,
        def_conf6,
        all_conf6,
        unix_conf: vec![number("net/unix/max_dgram_qlen")],
        ipv4_sysctl: vec![ping_groups(users)?],
        ..NetnsEntry::default()
    })
}

/// The settings of one interface, of IPv4 and IPv6. One that this kernel does
/// not have is in the list without a value.
pub fn of_interface(name: &str) -> (Vec<SysctlEntry>, Vec<SysctlEntry>) {
    let of = |version: &str, setting: &str| {
        let path = format!("net/{version}/conf/{name}/{setting}");
        match setting {
            STABLE_SECRET => text(&path),
            _ => number(&path),
        }
    };
    let v4 = IPV4.iter().map(|setting| of("ipv4", setting));
    let v6 = IPV6.iter().map(|setting| of("ipv6", setting));
    (v4.collect(), v6.collect())
}

fn read(path: &str) -> Option<String> {
    let value = fs::read_to_string(format!("/proc/sys/{path}")).ok()?;
    Some(value.trim_end().to_owned())
}

fn number(path: &str) -> SysctlEntry {
    SysctlEntry {
        r#type: SysctlType::Ctl32.into(),
        iarg: read(path).and_then(|value| value.parse().ok()),
        sarg: None,
    }
}

fn text(path: &str) -> SysctlEntry {
    SysctlEntry {
        r#type: SysctlType::CtlStr.into(),
        iarg: None,
        sarg: read(path).map(String::into_bytes),
    }
}

fn ping_groups(users: &Users) -> Result<SysctlEntry, Unmapped> {
    let mut entry = text("net/ipv4/ping_group_range");
    let value = entry.sarg.take().unwrap_or_default();
    let value = String::from_utf8_lossy(&value);
    let groups = value.split_whitespace();
    if value.is_empty() || groups.clone().eq(NO_GROUP) {
        return Ok(entry);
    }
    let groups = groups.flat_map(str::parse).map(Gid::told);
    let groups: Vec<_> = groups
        .map(|gid| users.gid(gid).map(|gid| gid.to_string()))
        .collect::<Result<_, _>>()?;
    entry.sarg = Some(groups.join("\t").into_bytes());
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_kernels_values() {
        let (v4, _) = of_interface("lo");
        let at = IPV4.iter().position(|name| *name == "forwarding").unwrap();
        let value = fs::read_to_string("/proc/sys/net/ipv4/conf/lo/forwarding").unwrap();
        assert_eq!(v4[at].iarg, value.trim().parse().ok());
        let (none, _) = of_interface("no such interface");
        assert!(none.iter().all(|entry| entry.iarg.is_none()));
        assert_eq!(none.len(), v4.len());
    }
}
