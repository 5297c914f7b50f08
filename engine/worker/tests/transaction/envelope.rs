//! What the envelope admits, and what it leaves alone and tells of.

use deminer_worker::action::Act;
use deminer_worker::frame::{Spared, TransactionEvent};
use deminer_worker::order::HostOrders;
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{Simulated, World, infected};
use deminer_worker::query::{Answer, Query};
use deminer_worker::text::HostPath;

use crate::bench::{Heard, Manner, approved, orders, transact};
use crate::intruder_lives;

/// The sample host whose miner was ended after the look and started again by its guardian, its orders, and the newborn.
fn born_again(world: World) -> (Simulated, HostOrders, u32) {
    let host = Simulated::new(world);
    let orders = orders(&host);
    let miner = *intruder_lives(&host.snapshot()).iter().max().expect("a miner runs");
    let kill = orders
        .actions
        .iter()
        .map(|action| &action.act)
        .find(|act| matches!(act, Act::Kill { process } if process.pid == miner));
    host.act(kill.expect("planned")).expect("an administrator kills it");
    host.pass(5_000);
    let newborn = *intruder_lives(&host.snapshot()).iter().max().expect("another runs");
    assert_ne!(newborn, miner);
    (host, orders, newborn)
}

/// Why the newborn was left alone, which it was and is told once.
fn spared(heard: &Heard, newborn: u32) -> Spared {
    let told: Vec<&Spared> = heard
        .events
        .iter()
        .filter_map(|event| match event {
            TransactionEvent::Spared { process, why, .. } if process.pid == newborn => Some(why),
            TransactionEvent::Born { process, .. } if process.pid == newborn => panic!("it is born"),
            TransactionEvent::Frozen { pid, .. } if *pid == newborn => panic!("it is frozen"),
            TransactionEvent::Struck { pid, .. } if *pid == newborn => panic!("it is struck"),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    told[0].clone()
}

#[test]
fn what_ran_before_the_look_is_no_birth() {
    let (host, mut orders, newborn) = born_again(infected());
    // It ran when the host was looked at, and the plan does not name it.
    let Answer::Host(facts) = host.answer(&Query::Host {}).expect("facts").value else {
        panic!("facts")
    };
    orders.looked_ms = facts.uptime_ms;
    let heard = transact(&host, &approved(&orders), Manner::Good);
    assert_eq!(spared(&heard, newborn), Spared::Older {});
    assert!(host.snapshot().runs(newborn));
}

#[test]
fn a_packages_own_program_is_no_birth() {
    let mut world = infected();
    let content = [HostPath::from("/tmp/.x/.copy")];
    world.packages.insert("shop".to_owned(), content.to_vec());
    let (host, orders, newborn) = born_again(world);
    let heard = transact(&host, &approved(&orders), Manner::Good);
    let package = "shop".to_owned();
    assert_eq!(spared(&heard, newborn), Spared::Owned { package });
    assert!(host.snapshot().runs(newborn));
}

#[test]
fn the_envelope_counts_over_all_rounds() {
    let (host, mut orders, newborn) = born_again(infected());
    orders.components[0].envelope.max_births = 0;
    let heard = transact(&host, &approved(&orders), Manner::Good);
    assert_eq!(spared(&heard, newborn), Spared::Beyond { limit: 0 });
    assert!(
        !heard
            .events
            .iter()
            .any(|event| matches!(event, TransactionEvent::Born { .. })),
        "none was approved"
    );
}
