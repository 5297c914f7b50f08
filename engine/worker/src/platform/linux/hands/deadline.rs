//! Reads that the target can hold up for ever (its memory under userfaultfd(2), a file on its own FUSE mount) run on a
//! thread of their own and are waited for only so long.

use std::sync::mpsc;
use std::time::Duration;

use crate::query::HostError;

/// For a read of a process's memory.
pub(super) const MEMORY_MS: u64 = 5_000;

/// For a whole executable or file of at most [`crate::query::limits::DIGEST_BYTES`].
pub(super) const CONTENT_MS: u64 = 60_000;

/// Runs `read` and waits at most `limit_ms` for its value. What came too late is dropped; its thread ends with its call or
/// with the worker.
pub(super) fn within<T: Send + 'static>(
    limit_ms: u64,
    doing: &str,
    read: impl FnOnce() -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    let (give, take) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .spawn(move || {
            // Nobody takes it once the time is over.
            let _ = give.send(read());
        })
        .map_err(|error| super::failed(doing, &error))?;
    match take.recv_timeout(Duration::from_millis(limit_ms)) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(HostError::TimedOut {
            doing: doing.to_owned(),
            limit_ms,
        }),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(HostError::Failed {
            doing: doing.to_owned(),
            why: "the read ended without a value".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_hangs_is_given_up() {
        let (_never, hangs) = mpsc::channel::<()>();
        let answer = within(20, "read", move || Ok(hangs.recv().is_ok()));
        assert!(
            matches!(answer, Err(HostError::TimedOut { limit_ms: 20, .. })),
            "{answer:?}"
        );
        assert_eq!(within(5_000, "read", || Ok(7)), Ok(7));
    }
}
