//! Which places of a host are remarkable: temporary ones, and directories that hide by a dot.

use deminer_worker::text::HostPath;

use crate::trace::Limits;

/// The remarkable places, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// Directories where files do not stay.
    pub(crate) temporary: Vec<HostPath>,
    /// Names with a dot that ordinary tools make.
    pub(crate) usual_hidden: Vec<Vec<u8>>,
}

impl Places {
    /// Those of every host, for whoever was given no list.
    pub(crate) fn usual() -> Places {
        Places::of(&Limits::default())
    }

    /// Those of a search.
    pub(crate) fn of(limits: &Limits) -> Places {
        let mut temporary = limits.roots.clone();
        temporary.extend(["/run/shm", "/run/user", "/run/lock"].map(HostPath::from));
        let usual = limits.usual_hidden_names.iter();
        Places {
            temporary,
            usual_hidden: usual.map(|name| name.clone().into_bytes()).collect(),
        }
    }

    /// Whether it lies in a temporary place.
    pub(crate) fn is_temporary(&self, path: &HostPath) -> bool {
        self.temporary.iter().any(|place| path.is_below(place))
    }

    /// Whether a directory on its way starts with a dot, and not with one of the usual names.
    pub(crate) fn is_hidden(&self, path: &HostPath) -> bool {
        let Some(directory) = path.parent() else { return false };
        directory
            .as_bytes()
            .split(|b| *b == b'/')
            .any(|name| name.first() == Some(&b'.') && !self.usual_hidden.iter().any(|usual| usual == name))
    }

    /// Whether it lies in a temporary or a hidden place.
    pub(crate) fn is_remarkable(&self, path: &HostPath) -> bool {
        self.is_temporary(path) || self.is_hidden(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarkable_places() {
        let places = Places {
            temporary: vec!["/tmp".into(), "/dev/shm".into()],
            usual_hidden: vec![b".cargo".to_vec()],
        };
        let rows = [
            ("/tmp/x", true),
            ("/tmpfiles/x", false),
            ("/dev/shm/.k/kw", true),
            ("/usr/local/lib/.sysd/sysd", true),
            ("/home/u/.cargo/bin/x", false),
            ("/home/u/.cargo/.x/y", true),
            ("/home/u/.hidden", false),
            ("/usr/bin/top", false),
            ("", false),
        ];
        for (path, expected) in rows {
            assert_eq!(places.is_remarkable(&path.into()), expected, "{path}");
        }
    }
}
