//! The private world's network: its loopback up, with two addresses that look like somebody else's.

use std::io;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// rtnetlink(7): set a link's flags, add an address; ask for an answer.
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_CREATE_EXCL: u16 = 0x400 | 0x200;
const NLMSG_ERROR: u16 = 2;
const IFF_UP: u32 = 1;
const IFA_LOCAL: u16 = 2;
/// The loopback is the first link of every network namespace.
const LOOPBACK: u32 = 1;

/// Brings the loopback up.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn loopback_up() -> io::Result<()> {
    let mut body = vec![0; 4];
    body.extend_from_slice(&LOOPBACK.to_ne_bytes());
    body.extend_from_slice(&IFF_UP.to_ne_bytes());
    body.extend_from_slice(&IFF_UP.to_ne_bytes());
    ask(RTM_NEWLINK, 0, &body)
}

/// Gives the loopback an address.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn add_address(address: [u8; 4]) -> io::Result<()> {
    // ifaddrmsg: family, prefix length, flags, scope, link; then one attribute.
    let mut body = vec![2, 32, 0, 0];
    body.extend_from_slice(&LOOPBACK.to_ne_bytes());
    body.extend_from_slice(&8u16.to_ne_bytes());
    body.extend_from_slice(&IFA_LOCAL.to_ne_bytes());
    body.extend_from_slice(&address);
    ask(RTM_NEWADDR, NLM_F_CREATE_EXCL, &body)
}

fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend_from_slice(&(16 + body.len() as u32).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
    message.extend_from_slice(&1u32.to_ne_bytes());
    message.extend_from_slice(&0u32.to_ne_bytes());
    message.extend_from_slice(body);
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 256];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    let word = |at: usize| {
        answer
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(i32::from_ne_bytes)
    };
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    match word(16) {
        Some(0) if kind == NLMSG_ERROR && length >= 20 => Ok(()),
        Some(error) if kind == NLMSG_ERROR => Err(io::Error::from_raw_os_error(-error)),
        _ => Err(io::Error::other("the kernel's answer is not one of rtnetlink")),
    }
}
