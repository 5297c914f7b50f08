//! What must hold for the containers of rpm and the headers in them, whatever the bytes are.

use std::ops::ControlFlow;

use super::{Broken, Sink, bdb, header, ndb, sqlite};

/// A database before its log.
const BEFORE_LOG: &[u8] = include_bytes!("fixtures/wal.sqlite");

/// Reads bytes as each container, as the log of one, and as a header.
pub(in crate::platform::linux::look::packages) fn containers(bytes: &[u8]) {
    let none: &[u8] = &[];
    let room = bytes.len().max(BEFORE_LOG.len() + bytes.len());
    headers(room, |sink| sqlite::headers(bytes, none, sink));
    headers(room, |sink| sqlite::headers(BEFORE_LOG, bytes, sink));
    headers(room, |sink| ndb::headers(bytes, sink));
    headers(room, |sink| bdb::headers(bytes, sink));
    package(bytes);
}

fn headers(room: usize, read: impl FnOnce(&mut Sink<'_>) -> Result<(), Broken>) {
    let mut most = 0;
    let mut take = |_: u32, header: &[u8]| {
        most = most.max(header.len());
        package(header);
        ControlFlow::Continue(())
    };
    let _ = read(&mut Sink::new(&mut take));
    assert!(most <= room, "a header of {most} bytes out of {room}");
}

fn package(header: &[u8]) {
    let Some(package) = header::parse(header) else { return };
    assert!(package.name.len() <= header.len());
    for file in &package.files {
        assert!(file.path().len() <= header.len());
    }
}
