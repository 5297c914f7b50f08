//! Netlink messages as bytes (netlink(7), linux/netlink.h): a header, a body, and attributes aligned to four bytes.

/// The bytes of a header: length, kind, flags, sequence number, port.
const HEADER: usize = 16;

/// The bytes of an attribute's header: length, kind.
const ATTRIBUTE: usize = 4;

/// `NLA_F_NESTED`: the attribute holds attributes.
const NESTED: u16 = 0x8000;

/// What of an attribute's kind is the kind: without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND: u16 = 0x3fff;

/// Messages to the kernel, one after the other.
#[derive(Debug, Default)]
pub(in crate::platform::linux) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Adds a message whose body `fill` writes.
    pub(in crate::platform::linux) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        fill: impl FnOnce(&mut Body<'_>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        fill(&mut Body { bytes: &mut self.bytes });
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// What was written.
    pub(in crate::platform::linux) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The body of a message, or of an attribute that holds attributes.
pub(in crate::platform::linux) struct Body<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Body<'_> {
    /// Adds bytes that are no attribute.
    pub(in crate::platform::linux) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.align();
    }

    /// Adds an attribute; a value is far shorter than the 65,531 bytes that fit.
    pub(in crate::platform::linux) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.open(kind, |body| body.bytes.extend_from_slice(value));
    }

    /// Adds a text, with the zero byte that ends it.
    pub(in crate::platform::linux) fn text(&mut self, kind: u16, value: &str) {
        self.open(kind, |body| {
            body.bytes.extend_from_slice(value.as_bytes());
            body.bytes.push(0);
        });
    }

    /// Adds a number in network order, as nf_tables has all of its own.
    pub(in crate::platform::linux) fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// Adds a number of 64 bits in network order.
    pub(in crate::platform::linux) fn wide(&mut self, kind: u16, value: u64) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// Adds an attribute that holds attributes.
    pub(in crate::platform::linux) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Body<'_>)) {
        self.open(kind | NESTED, fill);
    }

    fn open(&mut self, kind: u16, fill: impl FnOnce(&mut Body<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        fill(&mut Body { bytes: self.bytes });
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A message from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::platform::linux) struct Received<'a> {
    pub(in crate::platform::linux) kind: u16,
    pub(in crate::platform::linux) flags: u16,
    pub(in crate::platform::linux) sequence: u32,
    pub(in crate::platform::linux) body: &'a [u8],
}

/// Bytes that are not in the form of netlink(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::platform::linux) struct Malformed;

/// The messages of one datagram, in order.
pub(in crate::platform::linux) fn messages(mut bytes: &[u8]) -> Result<Vec<Received<'_>>, Malformed> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let header = bytes.get(..HEADER).ok_or(Malformed)?;
        let length = word(header, 0).and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| *length >= HEADER).ok_or(Malformed)?;
        found.push(Received {
            kind: half(header, 4).ok_or(Malformed)?,
            flags: half(header, 6).ok_or(Malformed)?,
            sequence: word(header, 8).ok_or(Malformed)?,
            body: bytes.get(HEADER..length).ok_or(Malformed)?,
        });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(found)
}

/// The attributes of a body, kind and value, in order.
pub(in crate::platform::linux) fn attributes(mut bytes: &[u8]) -> Result<Vec<(u16, &[u8])>, Malformed> {
    let mut found = Vec::new();
    while bytes.len() >= ATTRIBUTE {
        let length = half(bytes, 0).map_or(0, usize::from);
        let kind = half(bytes, 2).ok_or(Malformed)? & KIND;
        let value = bytes.get(ATTRIBUTE..length).ok_or(Malformed)?;
        found.push((kind, value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    match bytes.is_empty() {
        true => Ok(found),
        false => Err(Malformed),
    }
}

/// The last attribute of a kind.
pub(in crate::platform::linux) fn find<'a>(attributes: &[(u16, &'a [u8])], kind: u16) -> Option<&'a [u8]> {
    attributes
        .iter()
        .rev()
        .find(|(k, _)| *k == kind)
        .map(|(_, value)| *value)
}

/// A text, without the zero byte that ends it.
pub(in crate::platform::linux) fn text(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in network order.
pub(in crate::platform::linux) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// A number of 64 bits in network order.
pub(in crate::platform::linux) fn wide(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// 16 bits in the machine's own order.
pub(in crate::platform::linux) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_ne_bytes)
}

/// 32 bits in the machine's own order.
pub(in crate::platform::linux) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.message(7, 5, 9, |body| {
            body.raw(&[1, 0, 0, 10]);
            body.text(1, "table");
            body.nested(2, |body| {
                body.number(3, 0x0102_0304);
                body.wide(4, 86_400_000);
            });
        });
        writer.message(8, 0, 10, |_| {});
        let found = messages(writer.bytes()).expect("two");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].kind, found[0].flags, found[0].sequence), (7, 5, 9));
        assert_eq!((found[1].kind, found[1].body), (8, &b""[..]));
        let all = attributes(&found[0].body[4..]).expect("two");
        assert_eq!(find(&all, 1).map(text), Some(&b"table"[..]));
        let inner = attributes(find(&all, 2).expect("nested")).expect("two");
        assert_eq!(find(&inner, 3).and_then(number), Some(0x0102_0304));
        assert_eq!(find(&inner, 4).and_then(wide), Some(86_400_000));
        assert_eq!(find(&inner, 5), None);
    }

    #[test]
    fn what_is_cut_is_malformed() {
        let mut writer = Writer::default();
        writer.message(7, 5, 9, |body| body.text(1, "table"));
        for length in 1..writer.bytes().len() {
            assert_eq!(messages(&writer.bytes()[..length]), Err(Malformed), "{length} bytes");
        }
        let body = messages(writer.bytes()).expect("one")[0].body;
        for length in 1..body.len() - 2 {
            assert_eq!(attributes(&body[..length]), Err(Malformed), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_readers(bytes: Vec<u8>) {
            if let Ok(found) = messages(&bytes) {
                prop_assert!(found.len() <= bytes.len() / HEADER);
                for message in found {
                    let _ = attributes(message.body);
                }
            }
            if let Ok(found) = attributes(&bytes) {
                prop_assert!(found.len() <= bytes.len() / ATTRIBUTE);
            }
        }

        #[test]
        fn attributes_read_back(values: Vec<(u16, Vec<u8>)>) {
            let mut writer = Writer::default();
            writer.message(0, 0, 0, |body| {
                for (kind, value) in &values {
                    body.attribute(kind & KIND, value);
                }
            });
            let found = messages(writer.bytes()).expect("one");
            let read = attributes(found[0].body).expect("as written");
            let read: Vec<(u16, Vec<u8>)> = read.into_iter().map(|(kind, value)| (kind, value.to_vec())).collect();
            let written: Vec<(u16, Vec<u8>)> = values.into_iter().map(|(kind, value)| (kind & KIND, value)).collect();
            prop_assert_eq!(read, written);
        }
    }
}
