//! Blocks and isolations of the simulated host, which end by its own clock, and throttled processes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::state::{HeldSocket, State};
use crate::action::{Done, ProcessTarget, Scheduling, ThreadScheduling, Undo};
use crate::network::{Connection, Net, Network};
use crate::protect::{Facts, protected_address, protected_session};
use crate::query::{Blocked, Blocks, Coverage, Dropped, HostError, Observed, Peer};
use crate::text::Wide;

/// What holds packets back.
#[derive(Debug, Default)]
pub(super) struct Wall {
    /// Until when each address is blocked, in milliseconds since boot; `None` where there is no table.
    blocked: Option<BTreeMap<IpAddr, u64>>,
    /// Until when the host is cut off, and what is kept reachable; `None` where there is no table.
    isolated: Option<(u64, Vec<Net>)>,
    /// Packets that were dropped on their way out.
    dropped: u64,
}

impl Wall {
    /// What is left of each block.
    fn left(&self, now_ms: u64) -> BTreeMap<IpAddr, u64> {
        let blocked = self.blocked.iter().flatten();
        let left = blocked.map(|(address, until)| (*address, until.saturating_sub(now_ms)));
        left.filter(|(_, left)| *left > 0).collect()
    }

    /// What is left of the isolation.
    fn isolated(&self, now_ms: u64) -> Option<u64> {
        let left = self.isolated.as_ref()?.0.saturating_sub(now_ms);
        (left > 0).then_some(left)
    }

    /// The tables that are there, whatever they still hold.
    pub(super) fn tables(&self) -> Vec<String> {
        let blocked = self.blocked.as_ref().map(|_| "inet deminer".to_owned());
        let isolated = self.isolated.as_ref().map(|_| "inet deminer_isolation".to_owned());
        blocked.into_iter().chain(isolated).collect()
    }
}

fn end(peer: &Peer) -> Option<SocketAddr> {
    let address: IpAddr = peer.address.parse().ok()?;
    Some(SocketAddr::new(address.to_canonical(), peer.port))
}

impl State {
    pub(super) fn network(&self) -> Network {
        let chain = self.own_chain();
        let connected = |socket: &HeldSocket| {
            let remote = end(socket.about.remote.as_ref()?)?;
            let local = end(&socket.about.local)?;
            (socket.about.state() == "established" && !remote.ip().is_loopback())
                .then_some(Connection { local, remote })
        };
        let held = |wanted: &dyn Fn(u32) -> bool| -> Vec<Connection> {
            let sockets = self.sockets.iter();
            let sockets = sockets.filter(|socket| socket.owners.iter().any(|pid| wanted(*pid)));
            sockets.filter_map(connected).collect()
        };
        let lets_in = |pid: u32| {
            let process = self.living(pid);
            process.is_some_and(|process| process.comm().as_bytes().starts_with(b"sshd"))
        };
        let named = self.sockets.iter().filter_map(|socket| end(&socket.about.local));
        let named = named
            .map(|end| end.ip())
            .filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
        Network {
            own: named.chain(self.world.addresses.iter().copied()).collect(),
            gateways: self.world.gateways.clone(),
            resolvers: self.world.resolvers.clone(),
            session: held(&|pid| pid != 1 && chain.contains(&pid)),
            logins: held(&lets_in)
                .into_iter()
                .map(|connection| connection.remote.ip())
                .collect(),
        }
    }

    fn network_facts(&self) -> Facts {
        Facts {
            network: Some(self.network()),
            ..Facts::default()
        }
    }

    /// Whether this kernel, and this worker, can block at all.
    fn can_block(&self, doing: &str) -> Result<(), HostError> {
        if !self.world.nftables {
            return Err(HostError::Unsupported {
                doing: doing.to_owned(),
                why: "this kernel has no nf_tables, or not all of it that is needed".to_owned(),
            });
        }
        match self.world.worker_uid {
            0 => Ok(()),
            _ => Err(super::acts::denied(doing)),
        }
    }

    pub(super) fn blocks(&mut self) -> Result<Observed<Blocks>, HostError> {
        self.can_block("ask what is blocked")?;
        let now_ms = self.uptime_ms;
        let left = self.wall.left(now_ms);
        let held_back = |socket: &&HeldSocket| {
            let remote = socket.about.remote.as_ref().and_then(end);
            let tries = socket
                .owners
                .iter()
                .any(|pid| self.living(*pid).is_some_and(|p| p.is_active()));
            tries && remote.is_some_and(|remote| left.contains_key(&remote.ip()))
        };
        // Whoever is connected to a blocked address sends something between two looks.
        let more = self.sockets.iter().filter(held_back).count() as u64;
        self.wall.dropped += more;
        let addresses = left.into_iter().map(|(address, left)| Blocked {
            address: address.to_string(),
            left_ms: Wide(left),
        });
        Ok(Observed {
            value: Blocks {
                addresses: addresses.collect(),
                isolated_ms: self.wall.isolated(now_ms).map(Wide),
                dropped: Dropped {
                    output: Wide(self.wall.dropped),
                    ..Dropped::default()
                },
                tables: self.wall.tables(),
            },
            coverage: Coverage::whole(),
        })
    }

    pub(super) fn block(&mut self, address: &str, for_s: u32) -> Result<Done, HostError> {
        let doing = format!("block {address}");
        self.can_block(&doing)?;
        let why = protected_address(address, &self.network_facts()).or_else(|| endless(for_s));
        let parsed = address.parse::<IpAddr>().map(|address| address.to_canonical());
        let parsed = match (why, parsed) {
            (None, Ok(parsed)) => parsed,
            (why, _) => return Err(protected(&doing, why.unwrap_or_default())),
        };
        let (now_ms, for_ms) = (self.uptime_ms, u64::from(for_s) * 1000);
        let left = self.wall.left(now_ms).get(&parsed).copied();
        if left.is_some_and(|left| left * 2 >= for_ms) {
            return Ok(Done::Already);
        }
        let until = now_ms.saturating_add(for_ms);
        self.wall.blocked.get_or_insert_default().insert(parsed, until);
        Ok(Done::Changed {
            undo: Undo::Unblock {
                address: parsed.to_string(),
                was_until_ms: left.map(|left| Wide(now_ms + left)),
            },
        })
    }

    pub(super) fn isolate(&mut self, for_s: u32, keep: &[Net]) -> Result<Done, HostError> {
        let doing = "cut the host off";
        self.can_block(doing)?;
        if let Some(why) = protected_session(keep, &self.network_facts()).or_else(|| endless(for_s)) {
            return Err(protected(doing, why));
        }
        let (now_ms, for_ms) = (self.uptime_ms, u64::from(for_s) * 1000);
        let left = self.wall.isolated(now_ms);
        let same = self.wall.isolated.as_ref().is_some_and(|(_, kept)| kept == keep);
        if same && left.is_some_and(|left| left * 2 >= for_ms) {
            return Ok(Done::Already);
        }
        let until = now_ms.saturating_add(for_ms.max(left.unwrap_or(0)));
        self.wall.isolated = Some((until, keep.to_vec()));
        Ok(Done::Changed {
            undo: Undo::EndIsolation {
                was_until_ms: left.map(|left| Wide(now_ms + left)),
            },
        })
    }

    pub(super) fn unblock(&mut self, address: &str, was_until_ms: Option<Wide>) -> Result<Done, HostError> {
        self.can_block("unblock")?;
        let now_ms = self.uptime_ms;
        let Ok(parsed) = address.parse::<IpAddr>() else {
            return Err(protected("unblock", "it is no numeric address".to_owned()));
        };
        let left = self.wall.left(now_ms);
        let Some(blocked) = &mut self.wall.blocked else {
            return Ok(Done::Gone);
        };
        let was = was_until_ms.map(|until| until.0).filter(|until| *until > now_ms);
        blocked.retain(|address, _| left.contains_key(address));
        let found = blocked.remove(&parsed).is_some();
        if let Some(until) = was.filter(|_| found) {
            blocked.insert(parsed, until);
        }
        if blocked.is_empty() {
            self.wall.blocked = None;
        }
        Ok(done(found))
    }

    pub(super) fn end_isolation(&mut self, was_until_ms: Option<Wide>) -> Result<Done, HostError> {
        self.can_block("end the isolation")?;
        let now_ms = self.uptime_ms;
        let found = self.wall.isolated(now_ms).is_some();
        let was = was_until_ms
            .map(|until| until.0)
            .filter(|until| *until > now_ms && found);
        self.wall.isolated = match (self.wall.isolated.take(), was) {
            (Some((_, keep)), Some(until)) => Some((until, keep)),
            _ => None,
        };
        Ok(done(found))
    }

    /// Removes tables that hold nothing back any more.
    pub(super) fn tidy_wall(&mut self) {
        let now_ms = self.uptime_ms;
        if self.wall.left(now_ms).is_empty() {
            self.wall.blocked = None;
        }
        if self.wall.isolated(now_ms).is_none() {
            self.wall.isolated = None;
        }
    }

    pub(super) fn throttle(&mut self, target: &ProcessTarget) -> Result<Done, HostError> {
        let doing = format!("throttle process {}", target.pid);
        if !self.is_there(target, &doing)? {
            return Ok(Done::Gone);
        }
        if !self.set_throttled(target.pid, true) {
            return Ok(Done::Already);
        }
        let thread = ThreadScheduling {
            tid: target.pid,
            nice: 0,
            cpus: format!("0-{}", self.world.cpus.saturating_sub(1)),
        };
        Ok(Done::Changed {
            undo: Undo::Unthrottle {
                process: Box::new(target.clone()),
                former: Scheduling::Threads { threads: vec![thread] },
            },
        })
    }

    pub(super) fn unthrottle(&mut self, target: &ProcessTarget) -> Result<Done, HostError> {
        let doing = format!("unthrottle process {}", target.pid);
        Ok(done(
            self.is_there(target, &doing)? && self.set_throttled(target.pid, false),
        ))
    }

    /// Whether that changed something.
    fn set_throttled(&mut self, pid: u32, throttled: bool) -> bool {
        let now_ms = self.uptime_ms;
        let process = self.processes.get_mut(&pid);
        process.is_some_and(|process| process.set_throttled(throttled, now_ms))
    }

    /// The processes that are throttled.
    pub(super) fn throttled(&self) -> BTreeSet<u32> {
        let living = self.processes.values().filter(|process| process.is_alive());
        living
            .filter(|process| process.throttled)
            .map(|process| process.pid)
            .collect()
    }
}

fn endless(for_s: u32) -> Option<String> {
    (for_s == 0).then(|| "what does not end by itself is never made".to_owned())
}

fn done(found: bool) -> Done {
    match found {
        true => Done::Changed { undo: Undo::None },
        false => Done::Gone,
    }
}

fn protected(doing: &str, why: String) -> HostError {
    HostError::Protected {
        doing: doing.to_owned(),
        why,
    }
}
