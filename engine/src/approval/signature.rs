//! What a signature of `ssh-keygen -Y sign` says of itself (`PROTOCOL.sshsig` of OpenSSH). Whether it is true is for
//! ssh-keygen to say, see [`super::keygen`]. Pure.

use crate::base64_text;

/// What an approval is signed for: a signature for files or mail is none for a plan.
pub const NAMESPACE: &str = "deminer-approval";

/// What signatures of the head of a run's journals are made for: no such one passes for an approval.
pub const HEAD_NAMESPACE: &str = "deminer-head";

/// The bytes of a signature file.
pub(super) const BYTES: usize = 64 << 10;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// What a signature is for; `None` where the bytes are no signature of this form.
pub(crate) fn namespace(file: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(file.get(..BYTES.min(file.len()))?).ok()?;
    let body = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let digits: Vec<u8> = body.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let blob = base64_text::decoded(&digits)?;
    let rest = blob.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_first_chunk()?;
    if u32::from_be_bytes(*version) != VERSION {
        return None;
    }
    let (_key, rest) = string(rest)?;
    let (namespace, rest) = string(rest)?;
    let (_reserved, rest) = string(rest)?;
    let (_hash, rest) = string(rest)?;
    let (_signature, rest) = string(rest)?;
    rest.is_empty().then(|| namespace.to_vec())
}

/// A string of the SSH protocol (RFC 4251, section 5), and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(version: u32, parts: &[&[u8]], tail: &[u8]) -> Vec<u8> {
        let mut blob = MAGIC.to_vec();
        blob.extend(version.to_be_bytes());
        for part in parts {
            blob.extend((part.len() as u32).to_be_bytes());
            blob.extend_from_slice(part);
        }
        blob.extend_from_slice(tail);
        let digits = base64_text::unpadded(&blob);
        let lines: Vec<&str> = digits
            .as_bytes()
            .chunks(70)
            .map(|line| std::str::from_utf8(line).expect("letters"))
            .collect();
        format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")).into_bytes()
    }

    const PARTS: [&[u8]; 5] = [b"key", b"file", b"", b"sha512", b"signature"];

    #[test]
    fn forms() {
        let whole = written(1, &PARTS, b"");
        let cut = whole[..whole.len() - 30].to_vec();
        let rows: [(&str, Vec<u8>, bool); 7] = [
            ("whole", whole, true),
            ("another version", written(2, &PARTS, b""), false),
            ("a part less", written(1, &PARTS[..4], b""), false),
            ("bytes behind", written(1, &PARTS, b"x"), false),
            (
                "a part that is longer than all",
                written(1, &[], b"\xff\xff\xff\xff"),
                false,
            ),
            ("cut", cut, false),
            ("none", Vec::new(), false),
        ];
        for (name, file, is_one) in rows {
            let expected = is_one.then(|| b"file".to_vec());
            assert_eq!(namespace(&file), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_namespace_is_read_back(said: Vec<u8>) {
            let file = written(1, &[b"key", &said, b"", b"sha512", b"signature"], b"");
            prop_assert_eq!(namespace(&file), Some(said));
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            prop_assert_eq!(namespace(&bytes), None);
        }
    }
}
