//! Blocking addresses, cutting a host off, and taking both back; what is made is [`crate::platform::linux::wall`].
//!
//! Every change is one batch that the kernel makes whole or not at all. Before it is sent the rules are tried with our own
//! session; after it what is there is read back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rustix::io::Errno;

use super::protected;
use crate::action::{Done, Undo};
use crate::network::{Connection, Net, Network};
use crate::platform::linux::look::{network::network, uptime_ms, wall::may_ask};
use crate::platform::linux::netlink::filter::{self, Batch};
use crate::platform::linux::netlink::{Kernel, Refused};
use crate::platform::linux::wall::{self, BLOCK, BLOCK_SETS, ISOLATION, ISOLATION_SETS, Wall, WallError};
use crate::protect::{Facts, protected_address};
use crate::query::HostError;
use crate::text::Wide;

/// How often a change is begun anew because an element went by itself meanwhile.
const TRIES: u32 = 3;

/// A remainder shorter than this is none: the timer may end it at any moment.
const REMAINDER_MS: u64 = 1_000;

/// Blocks an address for a time.
pub(super) fn block(address: &str, for_s: u32) -> Result<Done, HostError> {
    let doing = format!("block {address}");
    let for_ms = milliseconds(for_s, &doing)?;
    let facts = Facts {
        network: Some(network()?.value),
        ..Facts::default()
    };
    if let Some(why) = protected_address(address, &facts) {
        return Err(protected(&doing, &why));
    }
    let Ok(parsed) = address.parse::<IpAddr>() else {
        return Err(protected(&doing, "it is no numeric address"));
    };
    let parsed = parsed.to_canonical();
    let session = facts.network.map(|network| network.session).unwrap_or_default();
    let mut kernel = filter::open().map_err(|refused| refused.host_error(&doing))?;
    let former = change(&mut kernel, &doing, |kernel, found| {
        let blocked = found.blocked.clone().unwrap_or_default();
        let left = blocked.get(&parsed).copied();
        if lasts(left, for_ms) {
            return Ok(Change::None);
        }
        let (set, key) = wall::element_of(parsed);
        let mut sets: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        for (set, key) in blocked
            .keys()
            .map(|address| wall::element_of(*address))
            .chain([(set, key.clone())])
        {
            sets.entry(set).or_default().push(key);
        }
        spares_session(&wall::block_rules(), &sets, &session, &doing)?;
        let mut batch = Batch::new(kernel);
        if !found.has(BLOCK) {
            wall::build(&mut batch, kernel, BLOCK, &BLOCK_SETS, &wall::block_rules());
        }
        if left.is_some() {
            batch.delete_element(kernel, BLOCK, set, &key);
        }
        batch.new_element(kernel, BLOCK, set, &key, for_ms);
        Ok(Change::Made(batch, left))
    })?;
    let Some(left) = former else { return Ok(Done::Already) };
    let now = Wall::read(&mut kernel).map_err(|error| error.host_error(&doing))?;
    let stands = now.blocked.as_ref().and_then(|blocked| blocked.get(&parsed).copied());
    if stands.is_none_or(|left| left > for_ms) {
        let why = "it was made, but it is not there with its end when it is read back".to_owned();
        return Err(HostError::Failed { doing, why });
    }
    Ok(Done::Changed {
        undo: Undo::Unblock {
            address: parsed.to_string(),
            was_until_ms: until(left),
        },
    })
}

/// Cuts the host off for a time, but for our session and what is to be kept reachable.
pub(super) fn isolate(for_s: u32, keep: &[Net]) -> Result<Done, HostError> {
    let doing = "cut the host off".to_owned();
    let for_ms = milliseconds(for_s, &doing)?;
    let network = network()?.value;
    let rules = wall::isolation_rules(&network.session, keep);
    knows_session(&network, keep, &doing)?;
    let mut sets: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for (set, key) in wall::active() {
        sets.entry(set).or_default().push(key);
    }
    spares_session(&rules, &sets, &network.session, &doing)?;
    let mut kernel = filter::open().map_err(|refused| refused.host_error(&doing))?;
    let former = change(&mut kernel, &doing, |kernel, found| {
        let left = found.isolated.filter(|left| *left > 0);
        let same = found.is_isolated_by(&rules);
        if lasts(left, for_ms) && same {
            return Ok(Change::None);
        }
        let mut batch = Batch::new(kernel);
        if found.has(ISOLATION) && !same {
            batch.delete_table(kernel, ISOLATION);
        }
        if !found.has(ISOLATION) || !same {
            wall::build(&mut batch, kernel, ISOLATION, &ISOLATION_SETS, &rules);
        }
        for (set, key) in wall::active() {
            if left.is_some() && same {
                batch.delete_element(kernel, ISOLATION, set, &key);
            }
            batch.new_element(kernel, ISOLATION, set, &key, for_ms.max(left.unwrap_or(0)));
        }
        Ok(Change::Made(batch, left))
    })?;
    let Some(left) = former else { return Ok(Done::Already) };
    let now = Wall::read(&mut kernel).map_err(|error| error.host_error(&doing))?;
    if now.isolated.is_none_or(|left| left == 0) {
        let why = "it was made, but it is not there when it is read back".to_owned();
        return Err(HostError::Failed { doing, why });
    }
    Ok(Done::Changed {
        undo: Undo::EndIsolation {
            was_until_ms: until(left),
        },
    })
}

/// Lets an address pass again; one that was blocked before already is blocked until its former end. The last one takes
/// the table with it.
pub(super) fn unblock(address: &str, was_until_ms: Option<Wide>) -> Result<Done, HostError> {
    let doing = format!("unblock {address}");
    let Ok(parsed) = address.parse::<IpAddr>() else {
        return Err(protected(&doing, "it is no numeric address"));
    };
    let parsed = parsed.to_canonical();
    let (set, key) = wall::element_of(parsed);
    take_back(&doing, |kernel, found| {
        let blocked = found.blocked.clone().unwrap_or_default();
        let mut batch = Batch::new(kernel);
        match (blocked.get(&parsed), remainder(was_until_ms)) {
            (None, _) if !found.is_left_over(BLOCK) => return Ok(Change::None),
            (Some(left), Some(remainder)) if *left <= remainder => return Ok(Change::None),
            (Some(_), Some(remainder)) => {
                batch.delete_element(kernel, BLOCK, set, &key);
                batch.new_element(kernel, BLOCK, set, &key, remainder);
            }
            (Some(_), None) if blocked.len() > 1 => batch.delete_element(kernel, BLOCK, set, &key),
            _ => batch.delete_table(kernel, BLOCK),
        }
        Ok(Change::Made(batch, blocked.get(&parsed).copied()))
    })
}

/// Lets all packets pass again; where the host was cut off before already, at its former end.
pub(super) fn end_isolation(was_until_ms: Option<Wide>) -> Result<Done, HostError> {
    take_back("end the isolation", |kernel, found| {
        let Some(left) = found.isolated else {
            return Ok(Change::None);
        };
        let mut batch = Batch::new(kernel);
        match remainder(was_until_ms) {
            Some(remainder) if left > 0 && left <= remainder => return Ok(Change::None),
            Some(remainder) if left > 0 => {
                for (set, key) in wall::active() {
                    batch.delete_element(kernel, ISOLATION, set, &key);
                    batch.new_element(kernel, ISOLATION, set, &key, remainder);
                }
            }
            _ => batch.delete_table(kernel, ISOLATION),
        }
        Ok(Change::Made(batch, (left > 0).then_some(left)))
    })
}

/// Removes tables of ours that hold nothing back any more; one that is not ours stays.
pub(super) fn tidy() -> Result<(), HostError> {
    let doing = "remove what is left of a block";
    // Where the kernel has no tables at all, or does not let us see them, none was made by us.
    if !rustix::process::geteuid().is_root() || !may_ask() {
        return Ok(());
    }
    let mut kernel = filter::open().map_err(|refused| refused.host_error(doing))?;
    let tidied = change(&mut kernel, doing, |kernel, found| {
        let mut batch = Batch::new(kernel);
        let left_over: Vec<&str> = [BLOCK, ISOLATION]
            .into_iter()
            .filter(|table| found.is_left_over(table))
            .collect();
        for table in &left_over {
            batch.delete_table(kernel, table);
        }
        Ok(match left_over.is_empty() {
            true => Change::None,
            false => Change::Made(batch, None),
        })
    });
    match tidied {
        Ok(_) | Err(HostError::Protected { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is to be done with what was found.
enum Change {
    /// Nothing: it is so already.
    None,
    /// This; with the milliseconds that were left of what is replaced.
    Made(Batch, Option<u64>),
}

/// Reads what is there, decides, and has it carried out; begins anew where an element went by itself meanwhile. Gives what
/// was left before; `None` where nothing was to be done.
fn change(
    kernel: &mut Kernel,
    doing: &str,
    decide: impl Fn(&mut Kernel, &Wall) -> Result<Change, HostError>,
) -> Result<Option<Option<u64>>, HostError> {
    let said = |error: WallError| error.host_error(doing);
    for _ in 0..TRIES {
        let found = Wall::read(kernel).map_err(said)?;
        let (batch, left) = match decide(kernel, &found)? {
            Change::None => return Ok(None),
            Change::Made(batch, left) => (batch, left),
        };
        match batch.carry_out(kernel) {
            Ok(()) => return Ok(Some(left)),
            Err(Refused::Errno(Errno::NOENT)) if Wall::read(kernel).map_err(said)?.elements() != found.elements() => {}
            Err(refused) => return Err(said(refused.into())),
        }
    }
    Err(Refused::Restless.host_error(doing))
}

/// A change that takes something back. Where it was never made, or ended by itself, there is nothing to do.
fn take_back(doing: &str, decide: impl Fn(&mut Kernel, &Wall) -> Result<Change, HostError>) -> Result<Done, HostError> {
    let mut kernel = filter::open().map_err(|refused| refused.host_error(doing))?;
    Ok(match change(&mut kernel, doing, decide)? {
        Some(Some(_)) => Done::Changed { undo: Undo::None },
        Some(None) | None => Done::Gone,
    })
}

/// An element without a time would never go.
fn milliseconds(for_s: u32, doing: &str) -> Result<u64, HostError> {
    match for_s {
        0 => Err(protected(doing, "what does not end by itself is never made")),
        for_s => Ok(u64::from(for_s) * 1000),
    }
}

/// Whether what is there needs no renewal: half of the time at least is left.
fn lasts(left: Option<u64>, for_ms: u64) -> bool {
    left.is_some_and(|left| left.saturating_mul(2) >= for_ms)
}

fn until(left: Option<u64>) -> Option<Wide> {
    left.map(|left| Wide(uptime_ms().saturating_add(left)))
}

fn remainder(was_until_ms: Option<Wide>) -> Option<u64> {
    let remainder = was_until_ms?.0.saturating_sub(uptime_ms());
    (remainder > REMAINDER_MS).then_some(remainder)
}

fn knows_session(network: &Network, keep: &[Net], doing: &str) -> Result<(), HostError> {
    let facts = Facts {
        network: Some(network.clone()),
        ..Facts::default()
    };
    match crate::protect::protected_session(keep, &facts) {
        Some(why) => Err(protected(doing, &why)),
        None => Ok(()),
    }
}

fn spares_session(
    rules: &[wall::Planned],
    sets: &BTreeMap<&str, Vec<Vec<u8>>>,
    session: &[Connection],
    doing: &str,
) -> Result<(), HostError> {
    match wall::cuts_off(rules, sets, session) {
        Some(why) => Err(protected(doing, &why)),
        None => Ok(()),
    }
}
