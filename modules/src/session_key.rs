//! By which key our own session came in, as sshd logged it: that key is never to be taken out.

use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{Coverage, HostFacts, Span};
use deminer_worker::text::{HostPath, Wide};

use crate::questions;

/// Where sshd's lines go on Debian and on RHEL.
const LOGS: [&str; 2] = ["/var/log/auth.log", "/var/log/secure"];

/// The end of a log that is read.
const TAIL_BYTES: u32 = 4 << 20;

/// The fingerprint of the key; `None` where no log tells, or it was no key.
pub(crate) async fn own(host: &dyn HostView, facts: &HostFacts) -> Result<Option<String>, ModuleError> {
    for log in LOGS {
        let path = HostPath::from(log);
        let Some(size) = questions::size(host, &path).await? else {
            continue;
        };
        let from = Wide(size.saturating_sub(u64::from(TAIL_BYTES)));
        let span = Span {
            from,
            bytes: TAIL_BYTES,
        };
        let seen = questions::spans(host, path, vec![span]).await;
        // Not to know it is no gap in what is seen of the intruder.
        let file = questions::or_gap(seen, "log", &mut Coverage::whole(), || None)?;
        let text = file.and_then(|file| file.spans.into_iter().next()).unwrap_or_default();
        if let Some(key) = accepted(text.as_bytes(), &facts.own_chain) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The key of the last `sshd[PID]: Accepted publickey for ... ssh2: KIND SHA256:...` of one of these processes.
pub(crate) fn accepted(text: &[u8], pids: &[u32]) -> Option<String> {
    let lines = text.split(|b| *b == b'\n').rev();
    lines.filter_map(|line| key_of(line, pids)).next()
}

fn key_of(line: &[u8], pids: &[u32]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let (head, said) = line.split_once("]: Accepted publickey for ")?;
    let (program, pid) = head.rsplit_once('[')?;
    let program = program.rsplit([' ', '\t']).next()?;
    let pid: u32 = pid.parse().ok()?;
    let key = said.rsplit(' ').find(|word| word.starts_with("SHA256:"))?;
    (program.starts_with("sshd") && pids.contains(&pid)).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_line_of_our_session() {
        let text = "Nov  2 09:00:01 web-3 sshd[812]: Accepted publickey for root from 192.0.2.7 port 4022 ssh2: RSA SHA256:old\n\
            2026-11-25T21:00:00+00:00 web-3 sshd-session[812]: Accepted publickey for root from 192.0.2.7 port 4023 ssh2: ED25519 SHA256:own\n\
            Nov  2 09:00:02 web-3 sshd[813]: Accepted publickey for root from 192.0.2.9 port 4024 ssh2: ED25519 SHA256:other\n\
            Nov  2 09:00:03 web-3 x[812]: Accepted publickey for root from 192.0.2.9 port 4024 ssh2: ED25519 SHA256:forged\n\
            Nov  2 09:00:03 web-3 sshd[812]: Accepted password for root from 192.0.2.9 port 4024 ssh2\n";
        assert_eq!(accepted(text.as_bytes(), &[1, 812]).as_deref(), Some("SHA256:own"));
        assert_eq!(accepted(text.as_bytes(), &[1]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(text: Vec<u8>) {
            let _ = accepted(&text, &[1]);
        }
    }
}
