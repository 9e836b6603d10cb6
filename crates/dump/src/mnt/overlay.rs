//! An overlay that a restore mounts anew (Documentation/filesystems/overlayfs.rst): it looks the
//! directories up by their names in its options, from its own root.

use rustix::fs::AtFlags;

use super::{Mount, Root};

/// The options that name directories.
const DIRECTORIES: [&[u8]; 5] = [
    b"lowerdir",
    b"lowerdir+",
    b"datadir+",
    b"upperdir",
    b"workdir",
];

/// What stands against mounting an overlay anew, whose paths the tree looks up from `root`. The
/// restore's root is taken to be ours.
pub fn against(mount: &Mount, root: &Root) -> Option<&'static str> {
    let options = &mount.fs_options;
    if options.contains(&b'\\') {
        return Some(
            "the name of one of its directories has characters that the images do not have",
        );
    }
    let mut directories = directories(options);
    let elsewhere = directories.any(|path| !path.starts_with(b"/") || !is_same(path, root));
    elsewhere.then_some(
        "the restore looks for its directories from outside, where their names lead to others or to \
         none",
    )
}

/// The names of directories among options; of several lower ones there are colons between.
fn directories(options: &[u8]) -> impl Iterator<Item = &[u8]> {
    let named = options.split(|byte| *byte == b',').filter_map(|option| {
        let equals = option.iter().position(|byte| *byte == b'=')?;
        let (name, value) = option.split_at(equals);
        DIRECTORIES.contains(&name).then(|| &value[1..])
    });
    let paths = named.flat_map(|value| value.split(|byte| *byte == b':'));
    paths.filter(|path| !path.is_empty())
}

/// Whether a path leads us to the same directory as the tree, or us alone: whoever made the mount
/// may have had another root then.
fn is_same(path: &[u8], root: &Root) -> bool {
    let of = |root: &Root| {
        root.stat(path, AtFlags::empty())
            .map(|stat| (stat.dev, stat.ino))
    };
    match (of(&Root::OURS), of(root)) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        (ours, Err(_)) => ours.is_ok(),
        (Err(_), Ok(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::mountinfo::parse;
    use super::*;

    fn is_refused(options: &str) -> bool {
        let line = format!("5 1 0:9 / /o rw - overlay overlay rw,{options}");
        against(&parse(line.as_bytes()).unwrap(), &Root::OURS).is_some()
    }

    #[test]
    fn all_directories_are_looked_for() {
        assert!(!is_refused(
            "lowerdir=/usr:/etc,upperdir=/var,workdir=/tmp,uuid=on"
        ));
        assert!(!is_refused("lowerdir+=/usr,datadir+=/etc"));
        assert!(!is_refused("lowerdir=/usr::/etc"));
        for there_is_none in [
            "lowerdir=/usr:/nowhere,upperdir=/var",
            "lowerdir=/usr,upperdir=/nowhere",
            "lowerdir+=/nowhere",
            "lowerdir=usr",
            r"lowerdir=/usr\054x",
        ] {
            assert!(is_refused(there_is_none), "{there_is_none}");
        }
    }
}
