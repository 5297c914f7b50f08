//! What a program that contains the worker says of its version, readable in its file without running it.

use crate::frame::PROTOCOL;

/// How a stamp begins.
pub const BEGINNING: &str = "deminer worker ";

/// This program's own: the version of Deminer, and that of what travels.
pub const OWN: &str = concat!("deminer worker ", env!("CARGO_PKG_VERSION"), ", protocol 2;");

/// The longest stamp.
const LONGEST: usize = 80;

// The number stands in a text, which cannot be made from a constant.
const _: () = assert!(PROTOCOL == 2, "the stamp names the protocol");

/// The version of Deminer, read from the stamp: so that the stamp is in every program that says it.
pub(crate) fn version() -> String {
    let own = std::hint::black_box(OWN);
    own[BEGINNING.len()..].split(',').next().unwrap_or_default().to_owned()
}

/// The stamp in a program's file; `None` where there is none.
pub fn of(file: &[u8]) -> Option<String> {
    let mut rest = file;
    loop {
        let at = find(rest, BEGINNING.as_bytes())?;
        rest = &rest[at..];
        let within = &rest[..rest.len().min(LONGEST)];
        let end = within.iter().position(|byte| *byte == b';');
        if let Some(stamp) = end.and_then(|end| std::str::from_utf8(&within[..=end]).ok())
            && is_stamp(stamp)
        {
            return Some(stamp.to_owned());
        }
        rest = &rest[BEGINNING.len()..];
    }
}

/// Where `wanted` begins in `bytes`.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == wanted[0]) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// Whether this is a version and the number of a protocol.
fn is_stamp(text: &str) -> bool {
    let parts = text
        .strip_prefix(BEGINNING)
        .and_then(|text| text.strip_suffix(';')?.split_once(", protocol "));
    let version = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
    parts.is_some_and(|(release, protocol)| {
        let numbered = !protocol.is_empty() && protocol.bytes().all(|byte| byte.is_ascii_digit());
        !release.is_empty() && release.bytes().all(version) && numbered
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_among_what_looks_like_one() {
        let rows: [(&str, &[u8], Option<&str>); 5] = [
            ("its own", OWN.as_bytes(), Some(OWN)),
            (
                "after its beginning",
                b"\x7fELFdeminer worker deminer worker 1.2.3-rc.1, protocol 12;\0",
                Some("deminer worker 1.2.3-rc.1, protocol 12;"),
            ),
            ("no number", b"deminer worker 1.2.3, protocol ;", None),
            ("not text", b"deminer worker \xff, protocol 1;", None),
            ("cut", b"deminer worker 1.2.3, proto", None),
        ];
        for (name, file, expected) in rows {
            assert_eq!(of(file).as_deref(), expected, "{name}");
        }
        assert_eq!(version(), env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn this_program_has_its_stamp() {
        let own = std::fs::read("/proc/self/exe").expect("its own file");
        assert!(find(&own, OWN.as_bytes()).is_some());
    }
}
