//! What the caller of a dump says of mounts.

/// How the mounts of a mount namespace of the tree's own are saved, beside those that are external
/// by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountChoices {
    /// Mount points that are left out (CRIU's `--skip-mnt`).
    pub skip: Vec<String>,
    /// Names of file systems that the restore may mount though nothing is known of them; `all` is
    /// every one (CRIU's `--enable-fs`).
    pub file_systems: Vec<String>,
    /// Whether mounts that we have, too, are external without being named; the restore then finds
    /// them by our path (CRIU's `--external mnt[]`).
    pub find_external: bool,
    /// Whether these may be shared with us (CRIU's `--enable-external-sharing`).
    pub external_sharing: bool,
    /// Whether these may be slaves of ours (CRIU's `--enable-external-masters`).
    pub external_masters: bool,
}

impl MountChoices {
    /// Whether the mount at this point is left out.
    pub fn skips(&self, point: &[u8]) -> bool {
        self.skip.iter().any(|skip| skip.as_bytes() == point)
    }

    /// Whether the restore may mount a file system of this name.
    pub fn allows(&self, fs_type: &[u8]) -> bool {
        let mut names = self.file_systems.iter();
        names.any(|name| name == "all" || name.as_bytes() == fs_type)
    }
}
