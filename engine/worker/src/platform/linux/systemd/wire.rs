//! D-Bus messages as bytes, only as far as a service manager is asked: method calls of strings, and what comes back.
//!
//! Little-endian, as we write it; a manager that answers in the other order is refused. Every length is held against the
//! bytes that are there before anything is made. Source: D-Bus Specification, "Message Protocol".

/// The longest message that is taken; the specification allows more.
pub(super) const MESSAGE_BYTES: usize = 16 << 20;

/// The fixed part of a message, up to and with the length of its header fields.
pub(super) const HEAD_BYTES: usize = 16;

const LITTLE_ENDIAN: u8 = b'l';
const VERSION: u8 = 1;

/// A message that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// It ends before it should.
    #[error("it ends too early")]
    Short,
    /// A length or a kind that the specification does not have, or one that passes our limits.
    #[error("it is not of the form of the specification")]
    Form,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A call: nobody calls us.
    Call,
    /// The answer to a call.
    Return,
    /// The refusal of a call.
    Error,
    /// Something that was not asked for.
    Signal,
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// What it is.
    pub(super) kind: Kind,
    /// The call that it answers; 0 for none.
    pub(super) reply_to: u32,
    /// The name of an error; empty where there is none.
    pub(super) error: Vec<u8>,
    /// The types of the body.
    pub(super) signature: Vec<u8>,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// A method call whose arguments are strings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// The object.
    pub(super) path: &'a [u8],
    /// The interface.
    pub(super) interface: &'a str,
    /// The method.
    pub(super) member: &'a str,
    /// The arguments.
    pub(super) arguments: &'a [&'a [u8]],
}

impl Call<'_> {
    /// The message with that number. Strings must be free of NUL, as names of units and objects are.
    pub(super) fn bytes(&self, serial: u32) -> Vec<u8> {
        let mut body = Writer::default();
        for argument in self.arguments {
            body.string(argument);
        }
        let body = body.bytes;
        let mut out = Writer::default();
        out.bytes.extend([LITTLE_ENDIAN, 1, 0, VERSION]);
        out.u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        out.u32(serial);
        let mut fields = Writer::default();
        fields.field(1, b'o', self.path);
        fields.field(2, b's', self.interface.as_bytes());
        fields.field(3, b's', self.member.as_bytes());
        fields.field(6, b's', b"org.freedesktop.systemd1");
        if !self.arguments.is_empty() {
            fields.field(8, b'g', &vec![b's'; self.arguments.len()]);
        }
        out.u32(u32::try_from(fields.bytes.len()).unwrap_or(u32::MAX));
        // The array of fields begins at byte 16, so its own alignment is that of the message.
        out.bytes.extend(fields.bytes);
        out.align(8);
        out.bytes.extend(body);
        out.bytes
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn align(&mut self, to: usize) {
        let end = self.bytes.len().next_multiple_of(to);
        self.bytes.resize(end, 0);
    }

    fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    fn string(&mut self, value: &[u8]) {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.bytes.extend(value);
        self.bytes.push(0);
    }

    /// One header field: a structure of its number and a variant.
    fn field(&mut self, number: u8, kind: u8, value: &[u8]) {
        self.align(8);
        self.bytes.extend([number, 1, kind, 0]);
        match kind {
            b'g' => {
                self.bytes.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
                self.bytes.extend(value);
                self.bytes.push(0);
            }
            _ => self.string(value),
        }
    }
}

/// How many bytes the whole message has, by its first [`HEAD_BYTES`].
///
/// # Errors
/// When it is no message, or longer than [`MESSAGE_BYTES`].
pub(super) fn length(head: &[u8]) -> Result<usize, WireError> {
    let mut reader = Reader::new(head);
    if reader.u8()? != LITTLE_ENDIAN {
        return Err(WireError::Form);
    }
    reader.skip(2)?;
    if reader.u8()? != VERSION {
        return Err(WireError::Form);
    }
    let body = reader.u32()? as usize;
    reader.u32()?;
    let fields = reader.u32()? as usize;
    if body > MESSAGE_BYTES || fields > MESSAGE_BYTES {
        return Err(WireError::Form);
    }
    let whole = (HEAD_BYTES + fields).next_multiple_of(8) + body;
    if whole > MESSAGE_BYTES {
        return Err(WireError::Form);
    }
    Ok(whole)
}

impl Message {
    /// Reads one whole message.
    ///
    /// # Errors
    /// When it is none, or its header has another form.
    pub(super) fn read(bytes: &[u8]) -> Result<Message, WireError> {
        let whole = length(bytes.get(..HEAD_BYTES).ok_or(WireError::Short)?)?;
        let bytes = bytes.get(..whole).ok_or(WireError::Short)?;
        let mut reader = Reader::new(bytes);
        reader.skip(1)?;
        let kind = match reader.u8()? {
            1 => Kind::Call,
            2 => Kind::Return,
            3 => Kind::Error,
            4 => Kind::Signal,
            _ => return Err(WireError::Form),
        };
        reader.skip(10)?;
        let end = reader.array_end(8)?;
        let mut message = Message {
            kind,
            reply_to: 0,
            error: Vec::new(),
            signature: Vec::new(),
            body: Vec::new(),
        };
        while reader.at < end {
            reader.align(8)?;
            let number = reader.u8()?;
            let kind = reader.signature()?.to_vec();
            match (number, &kind[..]) {
                (4, b"s") => message.error = reader.string()?.to_vec(),
                (5, b"u") => message.reply_to = reader.u32()?,
                (8, b"g") => message.signature = reader.signature()?.to_vec(),
                (_, b"s" | b"o") => drop(reader.string()?),
                (_, b"u") => drop(reader.u32()?),
                (_, b"g") => drop(reader.signature()?),
                _ => return Err(WireError::Form),
            }
        }
        if reader.at != end {
            return Err(WireError::Form);
        }
        reader.align(8)?;
        message.body = reader.rest().to_vec();
        Ok(message)
    }
}

/// Takes values out of a body, each at its own alignment.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the beginning.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    fn skip(&mut self, count: usize) -> Result<(), WireError> {
        self.take(count).map(drop)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(count).ok_or(WireError::Form)?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError::Short)?;
        self.at = end;
        Ok(taken)
    }

    /// Passes the padding in front of a value.
    pub(super) fn align(&mut self, to: usize) -> Result<(), WireError> {
        self.skip(self.at.next_multiple_of(to) - self.at)
    }

    fn rest(self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.take(1)?[0])
    }

    /// A number of 32 bits.
    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.align(4)?;
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A number of 64 bits.
    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.align(8)?;
        let bytes = self.take(8)?;
        let mut number = [0; 8];
        number.copy_from_slice(bytes);
        Ok(u64::from_le_bytes(number))
    }

    /// A truth value, of 32 bits.
    pub(super) fn bool(&mut self) -> Result<bool, WireError> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Form),
        }
    }

    /// A string or an object's path.
    pub(super) fn string(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.u32()? as usize;
        let text = self.take(length)?;
        match self.u8()? {
            0 => Ok(text),
            _ => Err(WireError::Form),
        }
    }

    /// The types of what follows.
    pub(super) fn signature(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::from(self.u8()?);
        let text = self.take(length)?;
        match self.u8()? {
            0 => Ok(text),
            _ => Err(WireError::Form),
        }
    }

    /// Where an array ends whose elements have that alignment; the first element comes next.
    pub(super) fn array_end(&mut self, alignment: usize) -> Result<usize, WireError> {
        let length = self.u32()? as usize;
        self.align(alignment)?;
        let end = self.at.checked_add(length).ok_or(WireError::Form)?;
        if end > self.bytes.len() {
            return Err(WireError::Short);
        }
        Ok(end)
    }

    /// Whether an array goes on.
    pub(super) fn is_before(&self, end: usize) -> bool {
        self.at < end
    }

    /// An array of strings.
    pub(super) fn strings(&mut self) -> Result<Vec<&'a [u8]>, WireError> {
        let end = self.array_end(4)?;
        let mut all = Vec::new();
        while self.is_before(end) {
            all.push(self.string()?);
        }
        match self.at == end {
            true => Ok(all),
            false => Err(WireError::Form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message as a manager makes it: the fields reply serial and signature, then the body.
    fn answer(reply_to: u32, signature: &[u8], body: &[u8]) -> Vec<u8> {
        let mut fields = Writer::default();
        fields.bytes.extend([5, 1, b'u', 0]);
        fields.u32(reply_to);
        fields.field(8, b'g', signature);
        let mut out = Writer::default();
        out.bytes.extend([LITTLE_ENDIAN, 2, 1, VERSION]);
        out.u32(body.len() as u32);
        out.u32(7);
        out.u32(fields.bytes.len() as u32);
        out.bytes.extend(fields.bytes);
        out.align(8);
        out.bytes.extend(body);
        out.bytes
    }

    #[test]
    fn a_call_is_what_the_specification_says() {
        let call = Call {
            path: b"/org/freedesktop/systemd1",
            interface: "org.freedesktop.systemd1.Manager",
            member: "GetUnit",
            arguments: &[b"a.service"],
        };
        let bytes = call.bytes(3);
        assert_eq!(length(&bytes[..HEAD_BYTES]), Ok(bytes.len()));
        assert_eq!(&bytes[..4], b"l\x01\0\x01");
        assert_eq!(&bytes[8..12], &3u32.to_le_bytes());
        let read = Message::read(&bytes).expect("ours");
        assert_eq!(
            (read.kind, read.reply_to, &read.signature[..]),
            (Kind::Call, 0, &b"s"[..])
        );
        assert_eq!(Reader::new(&read.body).string(), Ok(&b"a.service"[..]));
    }

    #[test]
    fn an_answer_is_read() {
        let mut body = Writer::default();
        body.u32(0);
        let at = body.bytes.len();
        for text in [&b"/a"[..], b"", b"/b.conf"] {
            body.string(text);
        }
        let length = (body.bytes.len() - at) as u32;
        body.bytes[..4].copy_from_slice(&length.to_le_bytes());
        let bytes = answer(9, b"as", &body.bytes);
        let read = Message::read(&bytes).expect("well formed");
        assert_eq!((read.kind, read.reply_to), (Kind::Return, 9));
        let strings = Reader::new(&read.body).strings().expect("well formed");
        assert_eq!(strings, [&b"/a"[..], b"", b"/b.conf"]);
        for cut in 0..bytes.len() {
            assert_eq!(Message::read(&bytes[..cut]), Err(WireError::Short), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let good = answer(1, b"s", b"\x01\0\0\0a\0");
        type Row = (&'static str, fn(&mut Vec<u8>));
        let rows: [Row; 5] = [
            ("the other byte order", |bytes| bytes[0] = b'B'),
            ("another version", |bytes| bytes[3] = 2),
            ("an unknown kind", |bytes| bytes[1] = 9),
            ("a body without end", |bytes| bytes[4..8].fill(0xff)),
            ("fields without end", |bytes| bytes[12..16].fill(0xff)),
        ];
        for (name, alter) in rows {
            let mut bytes = good.clone();
            alter(&mut bytes);
            assert!(Message::read(&bytes).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0usize..80, byte: u8) {
            let _ = Message::read(&bytes);
            let mut like = answer(1, b"as", b"\x06\0\0\0\x01\0\0\0a\0");
            let place = at % like.len();
            like[place] = byte;
            if let Ok(message) = Message::read(&like) {
                prop_assert!(message.body.len() <= like.len());
                let _ = Reader::new(&message.body).strings();
                let _ = Reader::new(&message.body).string();
                let _ = Reader::new(&message.body).bool();
            }
            let _ = Reader::new(&bytes).strings();
            let _ = Reader::new(&bytes).signature();
        }
    }
}
