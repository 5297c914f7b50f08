//! Bytes that came from a host, in the one lossless written form that Deminer uses everywhere.
//!
//! A name, an argument or a line may be any bytes. Written down (plan, journal, screen) they are text in which a
//! backslash, every byte that is not printable and every byte that is not UTF-8 stand as `\\` and `\xNN`. The form can
//! be read back exactly, carries no control character, no direction mark and no invisible letter.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes from a host: an argument, a line, a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HostBytes(Vec<u8>);

/// A path on a host, in the host's own bytes; a space is written `\x20`, so that no path looks like two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HostPath(Vec<u8>);

/// A number of up to 64 bits that is written as a string, so that no reader of JSON can round it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wide(pub u64);

/// A SHA-256, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// A written form that cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A backslash that starts neither `\\` nor `\xNN`.
    #[error("bad escape at byte {0}: expected `\\\\` or `\\xNN`")]
    Escape(usize),
    /// Not 64 hexadecimal digits.
    #[error("expected 64 hexadecimal digits, found {0} characters")]
    Digest(usize),
    /// Not a whole number of at most 64 bits.
    #[error("expected a whole number, found `{0}`")]
    Number(String),
}

impl HostBytes {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as the host gave them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl HostPath {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as the host gave them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path for a call of the operating system.
    #[cfg(unix)]
    pub fn as_path(&self) -> &std::path::Path {
        use std::os::unix::ffi::OsStrExt;
        std::path::Path::new(std::ffi::OsStr::from_bytes(&self.0))
    }

    /// The directory that holds it; `None` for `/` and for a bare name.
    pub fn parent(&self) -> Option<HostPath> {
        let at = self.0.iter().rposition(|b| *b == b'/')?;
        match (at, self.0.len()) {
            (0, 1) => None,
            (0, _) => Some(HostPath::new(&b"/"[..])),
            _ => Some(HostPath::new(&self.0[..at])),
        }
    }

    /// The last component; empty for `/`.
    pub fn file_name(&self) -> &[u8] {
        match self.0.iter().rposition(|b| *b == b'/') {
            Some(at) => &self.0[at + 1..],
            None => &self.0,
        }
    }

    /// This directory's entry of that name.
    pub fn join(&self, name: &[u8]) -> HostPath {
        let mut bytes = self.0.clone();
        if bytes.last() != Some(&b'/') {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        HostPath(bytes)
    }

    /// Whether it is `dir` or lies below it, by whole components.
    pub fn is_below(&self, dir: &HostPath) -> bool {
        let dir = dir.0.strip_suffix(b"/").unwrap_or(&dir.0);
        self.0
            .strip_prefix(dir)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

impl From<&str> for HostPath {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl From<&str> for HostBytes {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

/// Letters that a terminal may draw from right to left; escaped, since they reorder what stands beside them.
fn runs_right_to_left(c: char) -> bool {
    matches!(u32::from(c), 0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFF | 0x10800..=0x10FFF | 0x1E800..=0x1EFFF)
}

/// Writes bytes in the one lossless form; `escape_space` for paths.
fn write_escaped(bytes: &[u8], escape_space: bool, out: &mut dyn fmt::Write) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.write_str("\\\\")?,
                ' ' if escape_space => out.write_str("\\x20")?,
                ' '..='~' => out.write_char(c)?,
                _ if c.is_alphanumeric() && !runs_right_to_left(c) => out.write_char(c)?,
                _ => {
                    let mut buffer = [0; 4];
                    for byte in c.encode_utf8(&mut buffer).bytes() {
                        write!(out, "\\x{byte:02x}")?;
                    }
                }
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// Reads the written form back.
fn unescape(text: &str) -> Result<Vec<u8>, TextError> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        match bytes.get(at + 1) {
            Some(b'\\') => {
                out.push(b'\\');
                at += 2;
            }
            Some(b'x') => {
                let digits = bytes.get(at + 2..at + 4).and_then(|d| std::str::from_utf8(d).ok());
                let byte = digits
                    .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|d| u8::from_str_radix(d, 16).ok())
                    .ok_or(TextError::Escape(at))?;
                out.push(byte);
                at += 4;
            }
            _ => return Err(TextError::Escape(at)),
        }
    }
    Ok(out)
}

impl From<HostPath> for HostBytes {
    fn from(path: HostPath) -> Self {
        HostBytes::new(path.as_bytes())
    }
}

impl From<&HostPath> for HostBytes {
    fn from(path: &HostPath) -> Self {
        HostBytes::new(path.as_bytes())
    }
}

impl fmt::Display for HostBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(&self.0, false, f)
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(&self.0, true, f)
    }
}

impl FromStr for HostBytes {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        unescape(text).map(Self)
    }
}

impl FromStr for HostPath {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        unescape(text).map(Self)
    }
}

impl fmt::Display for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Wide {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        text.parse()
            .map(Wide)
            .map_err(|_| TextError::Number(text.chars().take(32).collect()))
    }
}

/// Reads a map in which no key stands twice: of two values nobody could tell which one was meant.
pub(crate) fn each_once<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    struct EachOnce<K, V>(PhantomData<(K, V)>);

    impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> de::Visitor<'de> for EachOnce<K, V> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut read = BTreeMap::new();
            while let Some((key, value)) = map.next_entry()? {
                if read.insert(key, value).is_some() {
                    return Err(de::Error::custom("a key stands twice in a map"));
                }
            }
            Ok(read)
        }
    }

    deserializer.deserialize_map(EachOnce(PhantomData))
}

impl From<u64> for Wide {
    fn from(number: u64) -> Self {
        Wide(number)
    }
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        use sha2::Digest as _;
        Digest(sha2::Sha256::digest(bytes).into())
    }

    /// The first 16 of its hexadecimal digits, as people are shown it.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        let bad = || TextError::Digest(text.len());
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Digest(digest))
    }
}

macro_rules! written_as_string {
    ($($name:ident: $what:literal, $pattern:literal;)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "description": $what, "pattern": $pattern})
            }
        }
    )*};
}

written_as_string! {
    HostBytes: "bytes from a host; what is not printable is written \\xNN", ".*";
    HostPath: "a path on a host; what is not printable, and a space, is written \\xNN", ".*";
    Wide: "a whole number of up to 64 bits, as a string", "^[0-9]{1,20}$";
    Digest: "a SHA-256 in hexadecimal digits", "^[0-9a-f]{64}$";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn written_forms() {
        let rows: [(&str, &[u8], &str); 6] = [
            ("plain", b"/usr/bin/top -c", "/usr/bin/top -c"),
            ("backslash", b"a\\b", "a\\\\b"),
            ("terminal escape", b"\x1b[2J", "\\x1b[2J"),
            ("not UTF-8", b"a\xffb", "a\\xffb"),
            ("letters stay", "挖矿".as_bytes(), "挖矿"),
            ("direction mark", "a\u{202e}b".as_bytes(), "a\\xe2\\x80\\xaeb"),
        ];
        for (name, bytes, text) in rows {
            assert_eq!(HostBytes::new(bytes).to_string(), text, "{name}");
        }
        assert_eq!(HostPath::from("/var/tmp/. /x").to_string(), "/var/tmp/.\\x20/x");
    }

    #[test]
    fn bad_escapes_are_refused() {
        for text in ["\\", "\\x", "\\x1", "\\xg0", "\\n", "\\x+1"] {
            assert!(text.parse::<HostBytes>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_form_is_lossless_and_harmless(bytes: Vec<u8>) {
            let text = HostBytes::new(bytes.clone()).to_string();
            prop_assert!(!text.chars().any(|c| c.is_control()));
            let back: HostBytes = text.parse().expect("own form reads back");
            prop_assert_eq!(back.as_bytes(), &bytes[..]);
            let path: HostPath = HostPath::new(bytes.clone()).to_string().parse().expect("own form reads back");
            prop_assert_eq!(path.as_bytes(), &bytes[..]);
        }
    }
}
