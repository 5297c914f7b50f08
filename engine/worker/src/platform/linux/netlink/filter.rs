//! The few messages of nf_tables that a block needs (linux/netfilter/nf_tables.h): a table, its chains, sets, elements and
//! rules, written and read back.
//!
//! Numbers of nf_tables are in network order; what a register holds is in the order of the packet, or for a link's number
//! in the machine's own.

use rustix::net::netlink::NETFILTER;

use super::message::{Body, Malformed, Writer, attributes, find, number, text, wide};
use super::{ACK, Kernel, REQUEST, Refused};

/// `NFPROTO_INET`: IPv4 and IPv6 in one table.
const INET: u8 = 1;

/// `NFNL_SUBSYS_NFTABLES` and the frame of messages that are carried out together.
const SUBJECT: u16 = 10;
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;

/// `NLM_F_CREATE`, `NLM_F_EXCL`, `NLM_F_APPEND`.
const CREATE: u16 = 0x400;
const NEW: u16 = 0x200;
const APPEND: u16 = 0x800;

/// `NFT_MSG_*`.
mod verb {
    pub(super) const NEW_TABLE: u16 = 0;
    pub(super) const GET_TABLE: u16 = 1;
    pub(super) const DELETE_TABLE: u16 = 2;
    pub(super) const NEW_CHAIN: u16 = 3;
    pub(super) const GET_CHAIN: u16 = 4;
    pub(super) const NEW_RULE: u16 = 6;
    pub(super) const GET_RULE: u16 = 7;
    pub(super) const NEW_SET: u16 = 9;
    pub(super) const GET_SET: u16 = 10;
    pub(super) const NEW_ELEMENT: u16 = 12;
    pub(super) const GET_ELEMENT: u16 = 13;
    pub(super) const DELETE_ELEMENT: u16 = 14;
}

/// `NFT_SET_TIMEOUT`: elements go by the kernel's own timer.
const SET_TIMEOUT: u32 = 0x10;

/// `NFT_REG_1` and the register of verdicts.
const REGISTER: u32 = 1;
const VERDICT: u32 = 0;

/// Where a chain stands (`NF_INET_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::platform::linux) enum Hook {
    /// What comes to this host.
    Input = 1,
    /// What passes through.
    Forward = 2,
    /// What leaves this host.
    Output = 3,
}

/// What the elements of a set are; the number is the word of nft(8) for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::platform::linux) enum Key {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    Family = 2,
    /// IPv4 addresses.
    Four = 7,
    /// IPv6 addresses.
    Six = 8,
}

impl Key {
    const ALL: [Key; 3] = [Key::Family, Key::Four, Key::Six];

    fn bytes(self) -> u32 {
        match self {
            Key::Family => 1,
            Key::Four => 4,
            Key::Six => 16,
        }
    }
}

/// What is asked of a packet beside its bytes (`NFT_META_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::platform::linux) enum Meta {
    /// The number of the link that it came by.
    InputLink = 4,
    /// The number of the link that it leaves by.
    OutputLink = 5,
    /// Its family.
    Family = 15,
    /// What it carries.
    Carries = 16,
}

/// Which header bytes are of (`NFT_PAYLOAD_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::platform::linux) enum Header {
    /// IPv4 or IPv6.
    Network = 1,
    /// TCP, UDP, ICMP.
    Transport = 2,
}

/// How a register is compared (`NFT_CMP_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::platform::linux) enum Comparison {
    /// Equal.
    Equal = 0,
    /// At most.
    AtMost = 3,
    /// At least.
    AtLeast = 5,
}

/// One expression of a rule; each works on the one register that we use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::platform::linux) enum Expression {
    /// Loads what a packet is.
    Meta(Meta),
    /// Loads bytes of it.
    Payload { header: Header, offset: u32, length: u32 },
    /// Keeps only these bits.
    Mask(Vec<u8>),
    /// Ends the rule where the register is not so.
    Compare(Comparison, Vec<u8>),
    /// Ends the rule where the register is not in the set.
    In(String),
    /// Counts.
    Count,
    /// Lets the packet go on, as far as this table is concerned.
    Accept,
    /// Drops it.
    Drop,
}

/// A chain as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::platform::linux) struct Chain {
    pub(in crate::platform::linux) name: Vec<u8>,
    /// Hook and priority; `None` for a chain that only other chains lead to.
    pub(in crate::platform::linux) base: Option<(u32, i32)>,
}

/// A set as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::platform::linux) struct Set {
    pub(in crate::platform::linux) name: Vec<u8>,
    /// `None` for a kind that we never make.
    pub(in crate::platform::linux) key: Option<Key>,
    /// Whether its elements go by themselves.
    pub(in crate::platform::linux) expires: bool,
}

/// An element as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::platform::linux) struct Element {
    pub(in crate::platform::linux) key: Vec<u8>,
    /// Milliseconds until the kernel removes it; `None` where it never does.
    pub(in crate::platform::linux) left_ms: Option<u64>,
}

/// A rule as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::platform::linux) struct Rule {
    pub(in crate::platform::linux) chain: Vec<u8>,
    /// What it does; `None` where something in it is none of ours.
    pub(in crate::platform::linux) expressions: Option<Vec<Expression>>,
    /// What its comment says; empty where it has none.
    pub(in crate::platform::linux) comment: Vec<u8>,
    /// Packets and bytes that it counted.
    pub(in crate::platform::linux) counted: (u64, u64),
}

/// Changes that the kernel makes together or not at all.
pub(in crate::platform::linux) struct Batch {
    writer: Writer,
    first: u32,
    last: u32,
}

/// The conversation about nf_tables.
///
/// # Errors
/// When this kernel has none.
pub(in crate::platform::linux) fn open() -> Result<Kernel, Refused> {
    Kernel::open(Some(NETFILTER))
}

impl Batch {
    /// Nothing yet.
    pub(in crate::platform::linux) fn new(kernel: &mut Kernel) -> Self {
        let first = kernel.next();
        let mut writer = Writer::default();
        writer.message(BEGIN, REQUEST, first, |body| body.raw(&frame()));
        Self {
            writer,
            first,
            last: first,
        }
    }

    fn add(&mut self, kernel: &mut Kernel, verb: u16, flags: u16, fill: impl FnOnce(&mut Body<'_>)) {
        self.last = kernel.next();
        self.writer
            .message(kind(verb), REQUEST | ACK | flags, self.last, |body| {
                body.raw(&[INET, 0, 0, 0]);
                fill(body);
            });
    }

    /// A table, which must not be there yet.
    pub(in crate::platform::linux) fn new_table(&mut self, kernel: &mut Kernel, table: &str) {
        self.add(kernel, verb::NEW_TABLE, CREATE | NEW, |body| {
            body.text(1, table);
            body.number(2, 0);
        });
    }

    /// The end of a table, with all in it.
    pub(in crate::platform::linux) fn delete_table(&mut self, kernel: &mut Kernel, table: &str) {
        self.add(kernel, verb::DELETE_TABLE, 0, |body| body.text(1, table));
    }

    /// A chain that the kernel asks of every packet at a hook.
    pub(in crate::platform::linux) fn new_chain(
        &mut self,
        kernel: &mut Kernel,
        table: &str,
        name: &str,
        hook: Hook,
        priority: i32,
    ) {
        const ACCEPT: u32 = 1;
        self.add(kernel, verb::NEW_CHAIN, CREATE | NEW, |body| {
            body.text(1, table);
            body.text(3, name);
            body.nested(4, |hooked| {
                hooked.number(1, hook as u32);
                hooked.number(2, priority.cast_unsigned());
            });
            body.number(5, ACCEPT);
            body.text(7, "filter");
        });
    }

    /// A set whose elements go by themselves.
    pub(in crate::platform::linux) fn new_set(&mut self, kernel: &mut Kernel, table: &str, name: &str, key: Key) {
        self.add(kernel, verb::NEW_SET, CREATE | NEW, |body| {
            body.text(1, table);
            body.text(2, name);
            body.number(3, SET_TIMEOUT);
            body.number(4, key as u32);
            body.number(5, key.bytes());
            // Tells the sets of one batch apart.
            body.number(10, key as u32);
        });
    }

    /// An element, for so long.
    pub(in crate::platform::linux) fn new_element(
        &mut self,
        kernel: &mut Kernel,
        table: &str,
        set: &str,
        key: &[u8],
        for_ms: u64,
    ) {
        self.add(kernel, verb::NEW_ELEMENT, CREATE | NEW, |body| {
            element(body, table, set, key, Some(for_ms));
        });
    }

    /// The end of an element.
    pub(in crate::platform::linux) fn delete_element(
        &mut self,
        kernel: &mut Kernel,
        table: &str,
        set: &str,
        key: &[u8],
    ) {
        self.add(kernel, verb::DELETE_ELEMENT, 0, |body| {
            element(body, table, set, key, None);
        });
    }

    /// A rule at the end of a chain.
    pub(in crate::platform::linux) fn new_rule(
        &mut self,
        kernel: &mut Kernel,
        table: &str,
        chain: &str,
        expressions: &[Expression],
        comment: &str,
    ) {
        self.add(kernel, verb::NEW_RULE, CREATE | APPEND, |body| {
            rule(body, table, chain, expressions, comment);
        });
    }

    /// Has the kernel carry it out, all of it or nothing.
    ///
    /// # Errors
    /// When the kernel refused: then nothing was changed. When it gave no answer: then nobody knows.
    pub(in crate::platform::linux) fn carry_out(mut self, kernel: &mut Kernel) -> Result<(), Refused> {
        if self.last == self.first {
            return Ok(());
        }
        let last = kernel.next();
        self.writer.message(END, REQUEST, last, |body| body.raw(&frame()));
        kernel.carry_out(self.writer.bytes(), self.first, last)
    }
}

/// Whether there is a table of this name.
///
/// # Errors
/// When the kernel does not tell.
pub(in crate::platform::linux) fn has_table(kernel: &mut Kernel, table: &str) -> Result<bool, Refused> {
    let mut found = false;
    kernel.dump(
        kind(verb::GET_TABLE),
        |body| body.raw(&[INET, 0, 0, 0]),
        |body| {
            found |= fields(body).is_ok_and(|all| is_of(&all, 1, table));
        },
    )?;
    Ok(found)
}

/// The chains of a table, by name.
///
/// # Errors
/// When the kernel does not tell.
pub(in crate::platform::linux) fn chains(kernel: &mut Kernel, table: &str) -> Result<Vec<Chain>, Refused> {
    let mut found = all(kernel, verb::GET_CHAIN, table, |_| (), |body| read_chain(body, table))?;
    found.sort();
    Ok(found)
}

/// The sets of a table, by name.
///
/// # Errors
/// When the kernel does not tell.
pub(in crate::platform::linux) fn sets(kernel: &mut Kernel, table: &str) -> Result<Vec<Set>, Refused> {
    let mut found = all(
        kernel,
        verb::GET_SET,
        table,
        |body| body.text(1, table),
        |body| read_set(body, table),
    )?;
    found.sort();
    Ok(found)
}

/// The elements of a set, by key.
///
/// # Errors
/// When the kernel does not tell.
pub(in crate::platform::linux) fn elements(
    kernel: &mut Kernel,
    table: &str,
    set: &str,
) -> Result<Vec<Element>, Refused> {
    let fill = |body: &mut Body<'_>| {
        body.text(1, table);
        body.text(2, set);
    };
    let lists = all(kernel, verb::GET_ELEMENT, table, fill, read_elements)?;
    let mut found: Vec<Element> = lists.into_iter().flatten().collect();
    found.sort();
    Ok(found)
}

/// The rules of a table, in order within each chain.
///
/// # Errors
/// When the kernel does not tell.
pub(in crate::platform::linux) fn rules(kernel: &mut Kernel, table: &str) -> Result<Vec<Rule>, Refused> {
    let fill = |body: &mut Body<'_>| body.text(1, table);
    all(kernel, verb::GET_RULE, table, fill, |body| read_rule(body, table))
}

/// Everything of one kind; a kernel that does not choose by table gives those of others too, which are passed by.
fn all<T>(
    kernel: &mut Kernel,
    verb: u16,
    table: &str,
    fill: impl Fn(&mut Body<'_>),
    read: impl Fn(&[u8]) -> Result<Option<T>, Malformed>,
) -> Result<Vec<T>, Refused> {
    let mut found = Vec::new();
    let mut malformed = false;
    debug_assert!(!table.is_empty(), "everything of ours is in a table");
    let fill = |body: &mut Body<'_>| {
        body.raw(&[INET, 0, 0, 0]);
        fill(body);
    };
    kernel.dump(kind(verb), fill, |body| match read(body) {
        Ok(one) => found.extend(one),
        Err(Malformed) => malformed = true,
    })?;
    match malformed {
        true => Err(Refused::Malformed),
        false => Ok(found),
    }
}

fn kind(verb: u16) -> u16 {
    SUBJECT << 8 | verb
}

/// `nfgenmsg` of a frame: no family, and which subject.
fn frame() -> [u8; 4] {
    let [high, low] = SUBJECT.to_be_bytes();
    [0, 0, high, low]
}

fn element(body: &mut Body<'_>, table: &str, set: &str, key: &[u8], for_ms: Option<u64>) {
    body.text(1, table);
    body.text(2, set);
    body.nested(3, |list| {
        list.nested(1, |element| {
            element.nested(1, |data| data.attribute(1, key));
            if let Some(for_ms) = for_ms {
                element.wide(4, for_ms);
            }
        });
    });
}

fn rule(body: &mut Body<'_>, table: &str, chain: &str, expressions: &[Expression], comment: &str) {
    body.text(1, table);
    body.text(2, chain);
    body.nested(4, |list| {
        for expression in expressions {
            list.nested(1, |one| write_expression(one, expression));
        }
    });
    // A comment as nft(8) writes and shows it: kind 0, its length, a text with its zero byte.
    let mut data = vec![0, u8::try_from(comment.len() + 1).unwrap_or(u8::MAX)];
    data.extend_from_slice(comment.as_bytes());
    data.push(0);
    body.attribute(7, &data);
}

fn write_expression(body: &mut Body<'_>, expression: &Expression) {
    let value = |body: &mut Body<'_>, kind: u16, bytes: &[u8]| body.nested(kind, |data| data.attribute(1, bytes));
    let verdict = |body: &mut Body<'_>, code: u32| {
        body.number(1, VERDICT);
        body.nested(2, |data| data.nested(2, |verdict| verdict.number(1, code)));
    };
    let name = match expression {
        Expression::Meta(_) => "meta",
        Expression::Payload { .. } => "payload",
        Expression::Mask(_) => "bitwise",
        Expression::Compare(..) => "cmp",
        Expression::In(_) => "lookup",
        Expression::Count => "counter",
        Expression::Accept | Expression::Drop => "immediate",
    };
    body.text(1, name);
    body.nested(2, |body| match expression {
        Expression::Meta(meta) => {
            body.number(1, REGISTER);
            body.number(2, *meta as u32);
        }
        Expression::Payload { header, offset, length } => {
            body.number(1, REGISTER);
            body.number(2, *header as u32);
            body.number(3, *offset);
            body.number(4, *length);
        }
        Expression::Mask(mask) => {
            body.number(1, REGISTER);
            body.number(2, REGISTER);
            body.number(3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
            value(body, 4, mask);
            value(body, 5, &vec![0; mask.len()]);
        }
        Expression::Compare(comparison, bytes) => {
            body.number(1, REGISTER);
            body.number(2, *comparison as u32);
            value(body, 3, bytes);
        }
        Expression::In(set) => {
            body.text(1, set);
            body.number(2, REGISTER);
        }
        Expression::Count => {
            body.wide(1, 0);
            body.wide(2, 0);
        }
        Expression::Accept => verdict(body, 1),
        Expression::Drop => verdict(body, 0),
    });
}

/// The attributes behind `nfgenmsg`.
fn fields(body: &[u8]) -> Result<Vec<(u16, &[u8])>, Malformed> {
    attributes(body.get(4..).ok_or(Malformed)?)
}

fn is_of(all: &[(u16, &[u8])], kind: u16, name: &str) -> bool {
    find(all, kind).map(text) == Some(name.as_bytes())
}

pub(super) fn read_chain(body: &[u8], table: &str) -> Result<Option<Chain>, Malformed> {
    let all = fields(body)?;
    if body.first() != Some(&INET) || !is_of(&all, 1, table) {
        return Ok(None);
    }
    let base = match find(&all, 4) {
        None => None,
        Some(hook) => {
            let hook = attributes(hook)?;
            let number = |kind| find(&hook, kind).and_then(number).ok_or(Malformed);
            Some((number(1)?, number(2)?.cast_signed()))
        }
    };
    let name = text(find(&all, 3).ok_or(Malformed)?).to_vec();
    Ok(Some(Chain { name, base }))
}

pub(super) fn read_set(body: &[u8], table: &str) -> Result<Option<Set>, Malformed> {
    let all = fields(body)?;
    if body.first() != Some(&INET) || !is_of(&all, 1, table) {
        return Ok(None);
    }
    let number = |kind| find(&all, kind).and_then(number);
    let (kind, length) = (number(4), number(5));
    Ok(Some(Set {
        name: text(find(&all, 2).ok_or(Malformed)?).to_vec(),
        key: Key::ALL
            .into_iter()
            .find(|key| kind == Some(*key as u32) && length == Some(key.bytes())),
        expires: number(3) == Some(SET_TIMEOUT),
    }))
}

pub(super) fn read_elements(body: &[u8]) -> Result<Option<Vec<Element>>, Malformed> {
    let all = fields(body)?;
    let Some(list) = find(&all, 3) else { return Ok(None) };
    let elements = attributes(list)?.into_iter().filter(|(kind, _)| *kind == 1);
    let read = elements.map(|(_, element)| {
        let all = attributes(element)?;
        let key = attributes(find(&all, 1).ok_or(Malformed)?)?;
        // One without an end of its own has that of its set; a set of ours has none.
        let left_ms = find(&all, 5).or_else(|| find(&all, 4)).map(wide);
        Ok(Element {
            key: find(&key, 1).ok_or(Malformed)?.to_vec(),
            left_ms: left_ms.map(|left| left.ok_or(Malformed)).transpose()?,
        })
    });
    read.collect::<Result<Vec<_>, _>>().map(Some)
}

pub(super) fn read_rule(body: &[u8], table: &str) -> Result<Option<Rule>, Malformed> {
    let all = fields(body)?;
    if body.first() != Some(&INET) || !is_of(&all, 1, table) {
        return Ok(None);
    }
    let mut expressions = Some(Vec::new());
    let mut counted = (0, 0);
    for (kind, element) in attributes(find(&all, 4).unwrap_or_default())? {
        if kind != 1 {
            return Err(Malformed);
        }
        let element = attributes(element)?;
        let name = text(find(&element, 1).ok_or(Malformed)?);
        let data = attributes(find(&element, 2).unwrap_or_default())?;
        if name == b"counter" {
            let wide = |kind| find(&data, kind).and_then(wide).unwrap_or(0);
            counted = (wide(2), wide(1));
        }
        match (read_expression(name, &data), &mut expressions) {
            (Some(one), Some(all)) => all.push(one),
            (None, _) => expressions = None,
            (_, None) => {}
        }
    }
    Ok(Some(Rule {
        chain: text(find(&all, 2).ok_or(Malformed)?).to_vec(),
        expressions,
        comment: find(&all, 7).and_then(comment).unwrap_or_default().to_vec(),
        counted,
    }))
}

/// The text of a comment in user data.
fn comment(data: &[u8]) -> Option<&[u8]> {
    match data {
        [0, length, rest @ ..] => rest.get(..usize::from(*length)).map(text),
        _ => None,
    }
}

fn read_expression(name: &[u8], data: &[(u16, &[u8])]) -> Option<Expression> {
    let number = |kind| find(data, kind).and_then(number);
    let value = |kind| {
        let data = attributes(find(data, kind)?).ok()?;
        find(&data, 1).map(<[u8]>::to_vec)
    };
    let on_register = |kind: u16| number(kind) == Some(REGISTER) || number(kind) == Some(REGISTER_AS_TOLD);
    match name {
        b"meta" if on_register(1) => [Meta::InputLink, Meta::OutputLink, Meta::Family, Meta::Carries]
            .into_iter()
            .find(|meta| number(2) == Some(*meta as u32))
            .map(Expression::Meta),
        b"payload" if on_register(1) => Some(Expression::Payload {
            header: [Header::Network, Header::Transport]
                .into_iter()
                .find(|header| number(2) == Some(*header as u32))?,
            offset: number(3)?,
            length: number(4)?,
        }),
        b"bitwise" if on_register(1) && on_register(2) => {
            let plain = value(5)?.iter().all(|byte| *byte == 0) && number(6).unwrap_or(0) == 0;
            plain.then(|| value(4)).flatten().map(Expression::Mask)
        }
        b"cmp" if on_register(1) => [Comparison::Equal, Comparison::AtMost, Comparison::AtLeast]
            .into_iter()
            .find(|comparison| number(2) == Some(*comparison as u32))
            .and_then(|comparison| Some(Expression::Compare(comparison, value(3)?))),
        b"lookup" if on_register(2) && number(5).unwrap_or(0) == 0 => {
            let set = text(find(data, 1)?);
            String::from_utf8(set.to_vec()).ok().map(Expression::In)
        }
        b"counter" => Some(Expression::Count),
        b"immediate" if number(1) == Some(VERDICT) => {
            let data = attributes(find(data, 2)?).ok()?;
            let verdict = attributes(find(&data, 2)?).ok()?;
            match find(&verdict, 1).and_then(super::message::number)? {
                0 => Some(Expression::Drop),
                1 => Some(Expression::Accept),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `NFT_REG32_00`: the same register, as a kernel may tell it that counts them by four bytes.
const REGISTER_AS_TOLD: u32 = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::message::messages;
    use super::*;

    fn written(fill: impl FnOnce(&mut Body<'_>)) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.message(0, 0, 0, |body| {
            body.raw(&[INET, 0, 0, 0]);
            fill(body);
        });
        messages(writer.bytes()).expect("one")[0].body.to_vec()
    }

    fn every_expression() -> Vec<Expression> {
        vec![
            Expression::Meta(Meta::InputLink),
            Expression::Meta(Meta::OutputLink),
            Expression::Meta(Meta::Family),
            Expression::Meta(Meta::Carries),
            Expression::Payload {
                header: Header::Network,
                offset: 12,
                length: 4,
            },
            Expression::Payload {
                header: Header::Transport,
                offset: 2,
                length: 2,
            },
            Expression::Mask(vec![255, 255, 0, 0]),
            Expression::Compare(Comparison::Equal, vec![6]),
            Expression::Compare(Comparison::AtLeast, vec![0, 67]),
            Expression::Compare(Comparison::AtMost, vec![0, 68]),
            Expression::In("four".to_owned()),
            Expression::Count,
            Expression::Accept,
            Expression::Drop,
        ]
    }

    #[test]
    fn rules_read_back() {
        let expressions = every_expression();
        let body = written(|body| rule(body, "t", "input", &expressions, "what it is for"));
        let found = read_rule(&body, "t").expect("as written").expect("of this table");
        assert_eq!(found.expressions.as_ref(), Some(&expressions));
        assert_eq!(
            (&*found.chain, &*found.comment),
            (&b"input"[..], &b"what it is for"[..])
        );
        assert_eq!(read_rule(&body, "another"), Ok(None));
    }

    #[test]
    fn what_is_none_of_ours_is_said() {
        type Write = fn(&mut Body<'_>);
        let rows: [(&str, Write); 4] = [
            ("another expression", |body| {
                body.text(1, "masq");
                body.nested(2, |_| {});
            }),
            ("another verdict", |body| {
                body.text(1, "immediate");
                body.nested(2, |body| {
                    body.number(1, VERDICT);
                    body.nested(2, |data| data.nested(2, |verdict| verdict.number(1, u32::MAX - 2)));
                });
            }),
            ("not in a set", |body| {
                body.text(1, "lookup");
                body.nested(2, |body| {
                    body.text(1, "four");
                    body.number(2, REGISTER);
                    body.number(5, 1);
                });
            }),
            ("another register", |body| {
                body.text(1, "meta");
                body.nested(2, |body| {
                    body.number(1, 2);
                    body.number(2, Meta::Family as u32);
                });
            }),
        ];
        for (name, write) in rows {
            let body = written(|body| {
                body.text(1, "t");
                body.text(2, "input");
                body.nested(4, |list| list.nested(1, write));
            });
            let found = read_rule(&body, "t").expect("well formed").expect("of this table");
            assert_eq!(found.expressions, None, "{name}");
        }
    }

    #[test]
    fn chains_and_sets_read_back() {
        let chain = written(|body| {
            body.text(1, "t");
            body.text(3, "forward");
            body.nested(4, |hook| {
                hook.number(1, Hook::Forward as u32);
                hook.number(2, (-200i32).cast_unsigned());
            });
        });
        let expected = Chain {
            name: b"forward".to_vec(),
            base: Some((2, -200)),
        };
        assert_eq!(read_chain(&chain, "t"), Ok(Some(expected)));
        let set = |flags: u32, length: u32| {
            written(|body| {
                body.text(1, "t");
                body.text(2, "four");
                body.number(3, flags);
                body.number(4, Key::Four as u32);
                body.number(5, length);
            })
        };
        let read = |flags, length| {
            let set = read_set(&set(flags, length), "t").expect("well formed").expect("ours");
            (set.key, set.expires)
        };
        assert_eq!(read(SET_TIMEOUT, 4), (Some(Key::Four), true));
        assert_eq!(read(0, 4), (Some(Key::Four), false));
        assert_eq!(read(SET_TIMEOUT, 8), (None, true));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_readers(bytes: Vec<u8>) {
            let _ = read_chain(&bytes, "t");
            let _ = read_set(&bytes, "t");
            let _ = read_rule(&bytes, "t");
            if let Ok(Some(found)) = read_elements(&bytes) {
                prop_assert!(found.len() <= bytes.len());
            }
        }

        /// Bytes that are attributes of the right table, so that the reader comes further.
        #[test]
        fn no_attributes_break_the_readers(parts: Vec<(u16, Vec<u8>)>, inner: Vec<(u16, Vec<u8>)>) {
            let body = written(|body| {
                body.text(1, "t");
                body.text(2, "input");
                for (kind, value) in &parts {
                    body.attribute(kind % 12, value);
                }
                body.nested(4, |list| list.nested(1, |one| {
                    one.text(1, "cmp");
                    one.nested(2, |data| for (kind, value) in &inner {
                        data.attribute(kind % 7, value);
                    });
                }));
            });
            let _ = read_chain(&body, "t");
            let _ = read_set(&body, "t");
            let _ = read_rule(&body, "t");
            let _ = read_elements(&body);
        }

        #[test]
        fn elements_read_back(keys: Vec<([u8; 4], u64)>) {
            for (key, for_ms) in keys {
                let body = written(|body| element(body, "t", "four", &key, Some(for_ms)));
                let expected = Element { key: key.to_vec(), left_ms: Some(for_ms) };
                prop_assert_eq!(read_elements(&body), Ok(Some(vec![expected])));
            }
        }
    }
}
