//! What must hold for the readers of package databases, whatever the bytes are.

use super::dpkg::{package_of, parse_conffiles, parse_diversions, parse_list, parse_md5sums};
use crate::fuzzing::line_count;

/// The containers of rpm and what they hold: headers are of the file, in number and in bytes no more than it can hold.
pub fn rpm(bytes: &[u8]) {
    super::rpm::fuzzing::containers(bytes);
}

/// The texts of dpkg: no more is told than the lines that say it.
pub fn dpkg(bytes: &[u8]) {
    let lines = line_count(bytes);
    assert!(parse_list(bytes).all(|path| path.starts_with(b"/")));
    assert!(parse_list(bytes).count() <= lines);
    assert!(parse_md5sums(bytes).count() <= lines);
    assert!(parse_conffiles(bytes).len() <= lines);
    assert!(parse_diversions(bytes).len() <= lines / 3);
    if let Some((package, kind)) = package_of(bytes) {
        assert!(package.len() + kind.len() < bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rpm_holds(bytes: Vec<u8>) {
            rpm(&bytes);
        }

        #[test]
        fn dpkg_holds(bytes: Vec<u8>, text in "([0-9a-f]{32}|  | \\*|\\./|/|/a|\n|Package: a|Conffiles:| /etc/a|\\.list|:amd64){0,30}") {
            dpkg(&bytes);
            dpkg(text.as_bytes());
        }
    }
}
