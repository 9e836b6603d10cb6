//! `/proc/sysvipc/shm`, `msg` and `sem` (sysvipc(7)): the objects of the reader's namespace.

use std::fs;

use commensal_images::messages::IpcDescEntry;
use commensal_sys::Pid;

use crate::userns::{Gid, Owner, Uid, Users};
use crate::{Error, Place, Result, proc};

/// One object: its columns by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: u32,
    columns: Vec<(String, String)>,
}

/// All objects of a kind.
///
/// # Errors
///
/// Where the table cannot be read, or has another form.
pub fn rows(kind: &str) -> Result<Vec<Row>> {
    let path = format!("/proc/sysvipc/{kind}");
    let text = fs::read_to_string(&path).map_err(|source| Error::Proc {
        path: path.clone(),
        source,
    })?;
    parse(&text, kind).ok_or_else(|| proc::unexpected(path, text.as_bytes()))
}

fn parse(text: &str, kind: &str) -> Option<Vec<Row>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_whitespace().collect();
    let id = match kind {
        "msg" => "msqid".to_owned(),
        _ => format!("{kind}id"),
    };
    lines
        .map(|line| {
            let values = line.split_whitespace().map(str::to_owned);
            let columns: Vec<_> = names
                .iter()
                .map(|&name| name.to_owned())
                .zip(values)
                .collect();
            let (_, value) = columns.iter().find(|(name, _)| *name == id)?;
            Some(Row {
                id: value.parse().ok()?,
                columns,
            })
        })
        .collect()
}

impl Row {
    /// A column that is a number, negative ones as their 32-bit pattern.
    ///
    /// # Errors
    ///
    /// Where there is no such column, or it is no number.
    pub fn number(&self, name: &str) -> Result<u64> {
        self.read(name, |value| {
            value
                .parse()
                .ok()
                .or_else(|| value.parse::<i32>().ok().map(|key| u64::from(key as u32)))
        })
    }

    /// Key, owner and permissions.
    ///
    /// # Errors
    ///
    /// As [`Row::number`]; refused where it belongs to one of whom `users` know nothing.
    pub fn desc(&self, (root, users): (Pid, &Users)) -> Result<IpcDescEntry> {
        let number = |name| self.number(name).map(|value| value as u32);
        let owner = |user, group| {
            let (uid, gid) = (Uid::told(number(user)?), Gid::told(number(group)?));
            let known = users.owner(Owner { uid, gid });
            let what = format!("with the System V object {} of its IPC namespace", self.id);
            known.map_err(|unmapped| Error::from(unmapped.refuse(what, Place::Task { pid: root })))
        };
        let ((uid, gid), (cuid, cgid)) = (owner("uid", "gid")?, owner("cuid", "cgid")?);
        Ok(IpcDescEntry {
            id: self.id,
            key: number("key")?,
            uid,
            gid,
            cuid,
            cgid,
            mode: self.read("perms", |value| u32::from_str_radix(value, 8).ok())?,
        })
    }

    fn read<T>(&self, name: &str, value: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let column = self.columns.iter().find(|(column, _)| column == name);
        column
            .and_then(|(_, text)| value(text))
            .ok_or_else(|| proc::unexpected("/proc/sysvipc", name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_columns_of_their_head() {
        let text = "       key      semid perms      nsems   uid   gid  cuid  cgid\n\
                    -559038737         3  1600          2    10    11    12    13\n";
        let rows = parse(text, "sem").unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].number("nsems").unwrap(), 2);
        let root = Pid::new(1).unwrap();
        let desc = rows[0].desc((root, &Users::OURS)).unwrap();
        assert_eq!((desc.id, desc.key, desc.mode), (3, 0xdead_beef, 0o1600));
        assert_eq!((desc.uid, desc.gid, desc.cuid, desc.cgid), (10, 11, 12, 13));
        assert!(rows[0].number("size").is_err());
        let users = Users::with_maps("0 0 100", "0 10 2");
        let desc = rows[0].desc((root, &users));
        assert!(matches!(desc, Err(Error::Refused(_))), "{desc:?}");
        let users = Users::with_maps("0 10 100", "0 10 100");
        let desc = rows[0].desc((root, &users)).unwrap();
        assert_eq!((desc.uid, desc.gid, desc.cuid, desc.cgid), (0, 1, 2, 3));
    }

    #[test]
    fn a_table_without_its_head_is_refused() {
        assert_eq!(parse("", "shm"), None);
        assert_eq!(parse("key\n1\n", "msg"), None);
    }
}
