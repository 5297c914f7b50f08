//! Two worlds to begin with.

use super::world::World;

/// The names of the worlds to begin with.
pub const SAMPLES: [&str; 2] = ["infected", "clean"];

/// The world of that name; `None` where it is none of [`SAMPLES`].
pub fn sample(name: &str) -> Option<World> {
    match name {
        "infected" => Some(infected()),
        "clean" => Some(clean()),
        _ => None,
    }
}

/// A small server with a miner on it, and beside the miner everything that only looks like one.
///
/// The miner (pid 2101) runs from `/tmp/.x/xmrig`, which has no name any more, and talks to 198.51.100.23:3333. A guardian
/// (2100) has a copy in `/tmp/.x/.copy` and starts it again within 100 ms; a line in the crontab of `deploy`, between two
/// good ones, starts the guardian by the minute. `/tmp/.x/drop.sh` is immutable, `/tmp/.x/config.json` holds pool and
/// wallet (made up, it is nobody's).
///
/// What only looks like it: a packaged gzip that uses a whole CPU (1510), `/opt/erp/dataminer` (1300), a database that
/// serves port 5432 (1200), a client of an honest server on port 3333 (1400), a packaged library in
/// `/etc/ld.so.preload`, a good script in `/tmp`.
pub fn infected() -> World {
    World::from_json(include_str!("infected.json")).expect("the sample world is free of contradictions")
}

/// The same server without the infection: only what looks like it.
pub fn clean() -> World {
    let mut world = infected();
    let intruder = crate::text::HostPath::from("/tmp/.x");
    world
        .processes
        .retain(|process| process.exe.as_ref().is_none_or(|exe| !exe.is_below(&intruder)));
    world.files.retain(|file| !file.path.is_below(&intruder));
    world.guardians.clear();
    world.cron.clear();
    let crontab = crate::text::HostPath::from("/var/spool/cron/crontabs/deploy");
    for file in world.files.iter_mut().filter(|file| file.path == crontab) {
        if let Some(super::world::Content::Text(text)) = &mut file.content {
            let good = text.as_bytes().split_inclusive(|b| *b == b'\n');
            let good = good.filter(|line| !super::behaviour::contains(line, intruder.as_bytes()));
            *text = crate::text::HostBytes::new(good.collect::<Vec<_>>().concat());
        }
    }
    world
}
