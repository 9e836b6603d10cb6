//! crit reads every image.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Judge, JudgeError};

/// Runs crit itself for each file in one interpreter, and prints one JSON object.
/// A file that crit cannot read ends it with the file's name and crit's own error.
const DECODE_ALL: &str = "\
import contextlib, io, json, sys
from crit.__main__ import main
decoded = {}
for path in sys.argv[1:]:
    output = path + '.json'
    sys.argv = ['crit', 'decode', '-i', path, '-o', output]
    try:
        status = main()
    except BaseException as error:
        sys.exit(f'{path}: {error!r}')
    if status:
        sys.exit(f'{path}: crit ended with {status}')
    with open(output) as file:
        decoded[path.rsplit('/', 1)[1]] = json.load(file)
json.dump(decoded, sys.stdout)
";

/// Images of pages, of files in memory, and of what ip(8), iptables-save(8), nft(8) and conntrack save.
const RAW: [&str; 11] = [
    "tmpfs-dev-",
    "pages-",
    "ifaddr-",
    "route-",
    "route6-",
    "rule-",
    "iptables-",
    "ip6tables-",
    "nftables-",
    "netns-ct-",
    "netns-exp-",
];

impl Judge {
    /// Decode one image.
    pub fn decode(&self, image: &Path) -> Result<Value, JudgeError> {
        let decoded = self.decode_files(&[image.to_owned()])?;
        Ok(decoded.into_values().next().expect("one file was given"))
    }

    /// Decode every image of a dump, by file name. Pages, and what other programs save, have no
    /// structure that crit could read.
    pub fn decode_all(&self, images: &Path) -> Result<BTreeMap<String, Value>, JudgeError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(images).expect("the images directory is readable") {
            let path = entry.expect("the images directory is readable").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let raw = RAW.iter().any(|kind| name.starts_with(kind));
            if (name.ends_with(".img") && !raw) || name == "stats-dump" {
                files.push(path);
            }
        }
        files.sort();
        self.decode_files(&files)
    }

    fn decode_files(&self, files: &[PathBuf]) -> Result<BTreeMap<String, Value>, JudgeError> {
        // crit writes next to what it reads: give it links in a folder of its own.
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let links: Vec<PathBuf> = files
            .iter()
            .map(|file| {
                let link = scratch
                    .path()
                    .join(file.file_name().expect("a file has a name"));
                let target = file.canonicalize().expect("the image exists");
                std::os::unix::fs::symlink(target, &link).expect("a link in a new folder");
                link
            })
            .collect();
        let refused = |log: String| JudgeError::Refused {
            verb: "crit decode".into(),
            log,
        };
        let output = self
            .python()
            .args(["-c", DECODE_ALL])
            .args(&links)
            .output()
            .map_err(|error| refused(error.to_string()))?;
        if !output.status.success() {
            return Err(refused(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| refused(error.to_string()))
    }

    /// The suite's own python, with its own modules.
    fn python(&self) -> Command {
        let mut command = self.command("usr/bin/python3");
        command.env("PYTHONHOME", self.path("usr"));
        command.env("PYTHONPATH", self.path("usr/lib/python3/dist-packages"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}
