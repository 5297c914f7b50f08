//! The files of dpkg's database (dpkg(1), deb-conffiles(5)), as bytes.

use crate::platform::linux::look::digest::Md5Sum;

/// One divert of dpkg-divert(1): what other packages than `by` ship as `from` lies at `to`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Diversion<'a> {
    pub(super) from: &'a [u8],
    pub(super) to: &'a [u8],
    /// `:` for the local administrator.
    pub(super) by: &'a [u8],
}

/// The paths of `PACKAGE.list`, `/.` left out.
pub(super) fn parse_list(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(bytes).filter(|line| line.starts_with(b"/") && *line != b"/.")
}

/// The digests of `PACKAGE.md5sums`, each with its path without the first `/`.
pub(super) fn parse_md5sums(bytes: &[u8]) -> impl Iterator<Item = (Md5Sum, &[u8])> {
    lines(bytes).filter_map(|line| {
        let sum = md5(line.get(..32)?)?;
        let path = line[32..]
            .strip_prefix(b"  ")
            .or_else(|| line[32..].strip_prefix(b" *"))?;
        Some((
            sum,
            path.strip_prefix(b"./")
                .or_else(|| path.strip_prefix(b"/"))
                .unwrap_or(path),
        ))
    })
}

/// The configuration files of `status`: package, path, digest.
pub(super) fn parse_conffiles(status: &[u8]) -> Vec<(&[u8], &[u8], Md5Sum)> {
    let mut files = Vec::new();
    let mut package: &[u8] = b"";
    let mut inside = false;
    for line in status.split(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"Package:") {
            package = name.trim_ascii();
        }
        if !line.starts_with(b" ") {
            inside = line.starts_with(b"Conffiles:");
            continue;
        }
        let mut words = line.trim_ascii().split(|byte| *byte == b' ');
        if let (true, Some(path), Some(sum)) = (inside, words.next(), words.next().and_then(md5)) {
            files.push((package, path, sum));
        }
    }
    files
}

/// The diversions.
pub(super) fn parse_diversions(bytes: &[u8]) -> Vec<Diversion<'_>> {
    let lines: Vec<&[u8]> = lines(bytes).collect();
    lines
        .chunks_exact(3)
        .map(|three| Diversion {
            from: three[0],
            to: three[1],
            by: three[2],
        })
        .collect()
}

/// The package that a file of the database is of: `libc6` of `libc6:amd64.list`.
pub(super) fn package_of(file: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = file.iter().rposition(|byte| *byte == b'.')?;
    let name = file[..dot].split(|byte| *byte == b':').next()?;
    Some((name, &file[dot + 1..]))
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn md5(text: &[u8]) -> Option<Md5Sum> {
    if text.len() != 32 {
        return None;
    }
    let mut sum = [0; 16];
    for (byte, pair) in sum.iter_mut().zip(text.chunks(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn captured_lines() {
        let list = b"/.\n/bin\n/bin/cat\n\n/usr/share/a b\n";
        let expected: Vec<&[u8]> = vec![b"/bin", b"/bin/cat", b"/usr/share/a b"];
        assert_eq!(parse_list(list).collect::<Vec<_>>(), expected);

        let sums = b"cc3493ecd2d09837ffdcc3e25fdfff18  usr/bin/a b\n11a06baf8245fd8d690b99024d228c1f  ./x\nshort  y\n";
        let told: Vec<(u8, &[u8])> = parse_md5sums(sums).map(|(sum, path)| (sum[0], path)).collect();
        assert_eq!(told, [(0xcc, &b"usr/bin/a b"[..]), (0x11, &b"x"[..])]);

        let status = b"Package: adduser\nConffiles:\n /etc/adduser.conf cc3493ecd2d09837ffdcc3e25fdfff18\n \
            /etc/old 11a06baf8245fd8d690b99024d228c1f obsolete\n /etc/new newconffile\nDescription: x\n \
            /etc/no 11a06baf8245fd8d690b99024d228c1f\n\nPackage: b\n";
        let told: Vec<(&[u8], &[u8])> = parse_conffiles(status).iter().map(|(p, f, _)| (*p, *f)).collect();
        assert_eq!(
            told,
            [(&b"adduser"[..], &b"/etc/adduser.conf"[..]), (b"adduser", b"/etc/old")]
        );

        let diverted = Diversion {
            from: b"/bin/sh",
            to: b"/bin/sh.distrib",
            by: b"dash",
        };
        assert_eq!(parse_diversions(b"/bin/sh\n/bin/sh.distrib\ndash\n/cut\n"), [diverted]);
        assert_eq!(package_of(b"libc6:amd64.list"), Some((&b"libc6"[..], &b"list"[..])));
        assert_eq!(
            package_of(b"python3.11.md5sums"),
            Some((&b"python3.11"[..], &b"md5sums"[..]))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_list(&bytes).count(), parse_md5sums(&bytes).count(), package_of(&bytes));
            let _ = (parse_conffiles(&bytes), parse_diversions(&bytes));
        }

        #[test]
        fn sums_read_back(sum: [u8; 16], path in proptest::collection::vec(proptest::char::range('a', 'z'), 1..20)) {
            let path: String = path.into_iter().collect();
            let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
            let line = format!("{hex}  {path}\n");
            let told: Vec<(Md5Sum, &[u8])> = parse_md5sums(line.as_bytes()).collect();
            prop_assert_eq!(told, vec![(sum, path.as_bytes())]);
        }
    }
}
