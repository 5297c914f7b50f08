//! Blocks and isolations on a real kernel, in network namespaces of the tests' own: what is held back, what goes on, what
//! is left when everything of ours is killed, and that what is taken back is as it was, byte for byte.

#[allow(dead_code, reason = "the tests of the command use it too")]
mod place;

use std::time::Duration;

use deminer_worker::action::{Act, Arming, Done, Undo};
use deminer_worker::network::Network;
use deminer_worker::platform::Platform;
use deminer_worker::platform::linux::Linux;
use deminer_worker::query::{Answer, Blocks, HostError, Query};

use place::{Part, Place, in_a_place, ruleset, run, until};

const POOL: &str = "198.51.100.23";
const POOL_SIX: &str = "2001:db8:1::23";
const HONEST: &str = "203.0.113.10";
const CLIENT: &str = "192.0.2.7";
const CLIENT_SIX: &str = "2001:db8::7";
const STRANGER: &str = "192.0.2.8";

/// Somebody else's firewall: it must never change.
const FOREIGN: &str = "table inet filter {\n\tset admins {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.7, 192.0.2.8 }\n\t}\n\n\
    \tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tip saddr @admins tcp dport 22 accept\n\
    \t\tct state established,related accept\n\t}\n}\ntable ip nat {\n\tchain postrouting {\n\
    \t\ttype nat hook postrouting priority srcnat; policy accept;\n\t}\n}\n";

fn block(address: &str, for_s: u32) -> Act {
    Act::BlockAddress {
        address: address.to_owned(),
        for_s,
    }
}

fn isolate(for_s: u32, keep: &[&str]) -> Act {
    Act::Isolate {
        for_s,
        keep: keep.iter().map(|net| net.parse().expect("a network")).collect(),
    }
}

fn blocks() -> Blocks {
    match Linux::new().answer(&Query::Blocks {}).expect("root may ask").value {
        Answer::Blocks(blocks) => blocks,
        other => panic!("{other:?}"),
    }
}

fn network() -> Network {
    match Linux::new().answer(&Query::Network {}).expect("this is Linux").value {
        Answer::Network(network) => network,
        other => panic!("{other:?}"),
    }
}

/// Carries out an act that must change something; gives how it is taken back.
fn done(act: &Act) -> Undo {
    match Linux::new().act(act) {
        Ok(Done::Changed { undo }) => undo,
        other => panic!("{act:?}: {other:?}"),
    }
}

fn take_back(undo: &Undo) -> Done {
    Linux::new()
        .undo(undo, None, Arming::Disarmed)
        .expect("it can be taken back")
}

fn with_foreign_tables() -> String {
    let file = format!("/proc/self/fd/{}", {
        use std::io::{Seek, Write};
        use std::os::fd::AsRawFd;
        let fd = rustix::fs::memfd_create("rules", rustix::fs::MemfdFlags::empty()).expect("memory");
        let mut file = std::fs::File::from(fd);
        file.write_all(FOREIGN.as_bytes()).expect("memory");
        file.rewind().expect("a file");
        let number = file.as_raw_fd();
        std::mem::forget(file);
        number
    });
    run(&format!("nft -f {file}"));
    let before = ruleset();
    assert_eq!(before, FOREIGN);
    before
}

#[test]
fn the_pool_is_out_of_reach_both_ways_and_everything_else_goes_on() {
    in_a_place("inside::the_pool_is_out_of_reach_both_ways_and_everything_else_goes_on");
}

#[test]
fn a_block_ends_by_itself_though_everything_of_ours_was_killed() {
    in_a_place("inside::a_block_ends_by_itself_though_everything_of_ours_was_killed");
}

#[test]
fn a_host_is_cut_off_but_for_our_session_and_a_new_login() {
    in_a_place("inside::a_host_is_cut_off_but_for_our_session_and_a_new_login");
}

#[test]
fn an_isolation_ends_by_itself_though_everything_of_ours_was_killed() {
    in_a_place("inside::an_isolation_ends_by_itself_though_everything_of_ours_was_killed");
}

#[test]
fn what_the_host_needs_is_refused_and_what_is_not_ours_stays() {
    in_a_place("inside::what_the_host_needs_is_refused_and_what_is_not_ours_stays");
}

#[test]
fn many_addresses_come_and_go() {
    in_a_place("inside::many_addresses_come_and_go");
}

#[test]
#[ignore = "a process that other tests start"]
fn a_part() {
    place::be_a_part(|words| {
        let act = match words {
            ["block", address, for_s] => block(address, for_s.parse().ok()?),
            ["isolate", for_s] => isolate(for_s.parse().ok()?, &[]),
            _ => return None,
        };
        Some(match Linux::new().act(&act) {
            Ok(Done::Changed { .. }) => "done".to_owned(),
            other => format!("{other:?}"),
        })
    });
}

/// Each runs in a network namespace of its own.
mod inside {
    use super::*;

    #[test]
    #[ignore = "runs in a place of its own"]
    fn the_pool_is_out_of_reach_both_ways_and_everything_else_goes_on() {
        let mut place = Place::build();
        let before = with_foreign_tables();
        place.log_in(CLIENT);
        assert!(place.can(POOL, 3333) && place.can(POOL_SIX, 3333) && place.contained_can(POOL, 3333));
        assert!(place.is_reached_from(POOL) && place.is_reached_from(POOL_SIX));

        let undo = [done(&block(POOL, 600)), done(&block(POOL_SIX, 600))];
        assert!(place.cannot(POOL, 3333), "from the host");
        assert!(place.cannot(POOL_SIX, 3333), "from the host, over IPv6");
        assert!(place.is_out_of_reach_from(POOL), "to the host");
        assert!(place.is_out_of_reach_from(POOL_SIX), "to the host, over IPv6");
        assert!(place.contained_cannot(POOL, 3333), "from a container");

        assert!(place.session_works(), "our session goes on");
        assert!(
            place.is_reached_from(CLIENT) && place.is_reached_from(CLIENT_SIX),
            "a new login"
        );
        assert!(place.is_reached_from(STRANGER), "others too");
        assert!(place.can(HONEST, 443) && place.contained_can(HONEST, 443) && place.can("127.0.0.1", 8080));
        let ours = ruleset();
        assert!(ours.starts_with(FOREIGN), "nothing of it changed:\n{ours}");

        assert_eq!(Linux::new().act(&block(POOL, 600)), Ok(Done::Already));
        let seen = blocks();
        let addresses: Vec<&str> = seen.addresses.iter().map(|blocked| &*blocked.address).collect();
        assert_eq!(addresses, [POOL, POOL_SIX]);
        assert!(
            seen.addresses
                .iter()
                .all(|blocked| (500_000..=600_000).contains(&blocked.left_ms.0))
        );
        assert!(
            seen.dropped.output.0 >= 2 && seen.dropped.input.0 >= 2 && seen.dropped.forward.0 >= 1,
            "{seen:?}"
        );
        assert_eq!(
            (&*seen.tables, seen.isolated_ms),
            (&["inet deminer".to_owned()][..], None)
        );

        assert!(matches!(take_back(&undo[0]), Done::Changed { .. }));
        assert!(place.can(POOL, 3333) && place.cannot(POOL_SIX, 3333));
        assert!(matches!(take_back(&undo[1]), Done::Changed { .. }));
        assert_eq!(ruleset(), before, "as before, byte for byte");
        assert_eq!(take_back(&undo[1]), Done::Gone, "done twice is done once");
        assert!(place.can(POOL, 3333) && place.can(POOL_SIX, 3333) && place.is_reached_from(POOL));
    }

    #[test]
    #[ignore = "runs in a place of its own"]
    fn a_block_ends_by_itself_though_everything_of_ours_was_killed() {
        let mut place = Place::build();
        let before = with_foreign_tables();
        place.log_in(CLIENT);
        let mut worker = Part::here();
        assert_eq!(worker.tell(&format!("block {POOL} 20")), "done");
        worker.kill();
        assert!(place.cannot(POOL, 3333) && place.is_out_of_reach_from(POOL));
        until("the pool is there again", Duration::from_secs(60), || {
            place.can(POOL, 3333)
        });
        assert!(place.is_reached_from(POOL) && place.contained_can(POOL, 3333));
        let left = blocks();
        assert_eq!(
            (left.addresses.len(), left.tables.len()),
            (0, 1),
            "rules that match nothing"
        );
        assert!(ruleset().starts_with(FOREIGN));
        // The next contact takes them away.
        Linux::new().tidy(&block(POOL, 20)).expect("they are ours");
        assert_eq!(ruleset(), before, "as before, byte for byte");
    }

    #[test]
    #[ignore = "runs in a place of its own"]
    fn a_host_is_cut_off_but_for_our_session_and_a_new_login() {
        let mut place = Place::build();
        let before = with_foreign_tables();
        place.log_in(CLIENT);
        let session = network().session;
        assert_eq!(session.len(), 1, "{session:?}");
        assert_eq!(session[0].remote.ip().to_string(), CLIENT);

        let undo = done(&isolate(600, &[]));
        assert!(place.session_works(), "our session goes on");
        assert!(place.is_reached_from(CLIENT), "a new login");
        assert!(
            place.is_out_of_reach_from(STRANGER)
                && place.is_out_of_reach_from(POOL)
                && place.is_out_of_reach_from(CLIENT_SIX)
        );
        assert!(place.cannot(HONEST, 443) && place.cannot(POOL, 3333) && place.cannot(POOL_SIX, 3333));
        assert!(place.cannot(CLIENT, 443), "nor to our client from here");
        assert!(place.contained_cannot(HONEST, 443), "nor from a container");
        assert!(
            place.can("127.0.0.1", 8080) && place.can("192.0.2.10", 22),
            "the host reaches itself"
        );
        assert!(ruleset().starts_with(FOREIGN));
        assert!(
            blocks()
                .isolated_ms
                .is_some_and(|left| (500_000..=600_000).contains(&left.0))
        );
        assert_eq!(Linux::new().act(&isolate(600, &[])), Ok(Done::Already));

        // With other rules it is made anew, whole; the session goes on all the while.
        done(&isolate(600, &["203.0.113.0/24", "2001:db8:1::/48"]));
        assert!(place.can(HONEST, 443) && place.can(POOL_SIX, 3333) && place.contained_can(HONEST, 443));
        assert!(place.cannot(POOL, 3333) && place.session_works() && place.is_reached_from(CLIENT));

        assert!(matches!(take_back(&undo), Done::Changed { .. }));
        assert_eq!(ruleset(), before, "as before, byte for byte");
        assert_eq!(take_back(&undo), Done::Gone);
        assert!(place.can(HONEST, 443) && place.is_reached_from(STRANGER));
    }

    #[test]
    #[ignore = "runs in a place of its own"]
    fn an_isolation_ends_by_itself_though_everything_of_ours_was_killed() {
        let mut place = Place::build();
        let before = with_foreign_tables();
        place.log_in(CLIENT_SIX);
        let mut worker = Part::here();
        assert_eq!(worker.tell("isolate 20"), "done");
        worker.kill();
        assert!(place.cannot(HONEST, 443) && place.is_out_of_reach_from(STRANGER));
        assert!(
            place.session_works() && place.is_reached_from(CLIENT_SIX),
            "over IPv6 too"
        );
        until("everything is there again", Duration::from_secs(60), || {
            place.can(HONEST, 443)
        });
        assert!(place.is_reached_from(STRANGER) && place.contained_can(HONEST, 443));
        Linux::new().tidy(&isolate(20, &[])).expect("they are ours");
        assert_eq!(ruleset(), before, "as before, byte for byte");
    }

    #[test]
    #[ignore = "runs in a place of its own"]
    fn what_the_host_needs_is_refused_and_what_is_not_ours_stays() {
        let mut place = Place::build();
        let before = with_foreign_tables();
        place.log_in(CLIENT);
        for address in [
            CLIENT,
            "192.0.2.10",
            "192.0.2.1",
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "pool.example",
        ] {
            let refused = Linux::new().act(&block(address, 60));
            assert!(
                matches!(refused, Err(HostError::Protected { .. })),
                "{address}: {refused:?}"
            );
        }
        let endless = Linux::new().act(&block(POOL, 0));
        assert!(matches!(endless, Err(HostError::Protected { .. })), "{endless:?}");
        assert_eq!(ruleset(), before);

        // Tables of that name that somebody else made: one empty, one that looks like ours and is not.
        for foreign in [
            "add table inet deminer",
            "add set inet deminer blocked_ipv4 { type ipv4_addr ; flags timeout ; }",
        ] {
            run(&format!("nft {foreign}"));
            let before = ruleset();
            let refused = Linux::new().act(&block(POOL, 60));
            assert!(matches!(refused, Err(HostError::Protected { .. })), "{refused:?}");
            Linux::new().tidy(&block(POOL, 60)).expect("left alone");
            let undo = Undo::Unblock {
                address: POOL.to_owned(),
                was_until_ms: None,
            };
            let refused = Linux::new().undo(&undo, None, Arming::Disarmed);
            assert!(matches!(refused, Err(HostError::Protected { .. })), "{refused:?}");
            assert_eq!(ruleset(), before);
        }
        let told = Linux::new().answer(&Query::Blocks {}).expect("root may ask");
        assert!(!told.coverage.is_whole(), "what is not ours is said");
        assert!(place.session_works());
    }

    #[test]
    #[ignore = "runs in a place of its own"]
    fn many_addresses_come_and_go() {
        let before = with_foreign_tables();
        let address = |n: u32| std::net::Ipv4Addr::from(0xc633_6400 + n).to_string();
        let undo: Vec<Undo> = (0..300).map(|n| done(&block(&address(n), 600))).collect();
        assert_eq!(blocks().addresses.len(), 300);
        // A longer one, taken back, leaves the shorter one.
        let longer = done(&block(&address(7), 100_000));
        let left = |n: u32| {
            let seen = blocks()
                .addresses
                .into_iter()
                .find(|blocked| blocked.address == address(n));
            seen.map_or(0, |blocked| blocked.left_ms.0)
        };
        assert!(left(7) > 600_000);
        take_back(&longer);
        assert!((500_000..=600_000).contains(&left(7)), "{}", left(7));
        undo.iter().for_each(|undo| drop(take_back(undo)));
        assert_eq!(ruleset(), before, "the last one takes the table with it");
    }
}
