//! Miners of which the process is all there is to hold: in plain sight, deleted, only in memory, named like the kernel's
//! own, and guarded by two that guard each other.

use super::case::Case;
use super::look_alike::LookAlike;
use crate::world::host::Host;
use crate::world::part::Part;

/// The pool that an alert named.
pub(crate) const POOL: &str = "198.51.100.23:14444";

/// The words of a miner, whatever it calls itself.
pub(crate) const WORDS: &str = "-o 198.51.100.23:14444 --coin monero --donate-level 1 -k";

/// What every miner here does. How busy it is says nothing: a machine with more to do gives each less.
pub(crate) fn mining() -> Part {
    Part::busy(3).mining_at(POOL)
}

/// Starts a program as a dropper does: in a session of its own, its parent gone.
pub(crate) fn start(host: &Host<'_>, line: &str) {
    host.sh(&format!("setsid --fork {line} >/dev/null 2>&1 </dev/null"));
}

pub(crate) fn plain(host: &Host<'_>) -> Case {
    mining().write(host, "/tmp/xmrig");
    start(host, &format!("/tmp/xmrig {WORDS}"));
    Case::new("plain in /tmp")
        .process("miner", "/tmp/xmrig")
        .file("/tmp/xmrig")
}

pub(crate) fn deleted(host: &Host<'_>) -> Case {
    mining().write(host, "/var/tmp/.cache-x/sysupdate");
    start(
        host,
        "/var/tmp/.cache-x/sysupdate --url stratum+tcp://198.51.100.23:3333 --coin monero --nicehash",
    );
    host.wait("the miner that is deleted", || {
        !host.running("/var/tmp/.cache-x/sysupdate").is_empty()
    });
    host.sh("rm /var/tmp/.cache-x/sysupdate");
    Case::new("deleted exe").process("miner", "/var/tmp/.cache-x/sysupdate")
}

pub(crate) fn memfd(host: &Host<'_>) -> Case {
    // memfd_create(2) by its number on x86-64, as droppers in Perl have it.
    mining().write(host, "/root/payload");
    host.sh(r#"perl -e '
            my $name = "";
            my $at = syscall(319, $name, 0);
            open(my $memory, ">&=", $at) or die;
            open(my $from, "<", "/root/payload") or die;
            local $/; print $memory scalar <$from>; close $from; $memory->flush;
            exit 0 if fork;
            exec {"/proc/self/fd/$at"} "kthrotl", "--url", "stratum+tcp://198.51.100.23:3333",
                "--coin", "monero", "--donate-level", "1", "--nicehash";
        ' >/dev/null 2>&1 </dev/null
        rm /root/payload"#);
    Case::new("memfd").process("miner", "/memfd:")
}

pub(crate) fn kernel_thread(host: &Host<'_>) -> Case {
    mining().called("kworker/u8:3-ev").write(host, "/dev/shm/.k/kw");
    start(host, "bash -c \"exec -a '[kworker/u8:3-ev]' /dev/shm/.k/kw\"");
    Case::new("fake kernel thread")
        .process("miner", "/dev/shm/.k/kw")
        .file("/dev/shm/.k/kw")
}

pub(crate) fn guardians(host: &Host<'_>) -> Case {
    let den = "/var/lib/.sysd";
    let (first, second) = (format!("{den}/netd"), format!("{den}/logd"));
    let (miner_copy, first_copy, second_copy) = (format!("{den}/.m"), format!("{den}/.n"), format!("{den}/.l"));
    let run = format!("{den}/xmrig");
    mining().write(host, &miner_copy);
    Part::idle()
        .guarding(&miner_copy, &run)
        .guarding(&second_copy, &second)
        .write(host, &first_copy);
    Part::idle().guarding(&first_copy, &first).write(host, &second_copy);
    host.sh(&format!("cp {second_copy} {second}"));
    start(host, &second);
    let mut case = Case::new("guardian pair")
        .process("miner", &run)
        .process("guardian", &first)
        .process("guardian", &second);
    for path in [&run, &first, &second, &miner_copy, &first_copy, &second_copy] {
        case = case.file(path);
    }
    case
}

/// Programs with habits of miners, at work.
pub(crate) fn look_alikes(host: &Host<'_>) -> Vec<LookAlike> {
    vec![
        LookAlike::start(
            host,
            "a busy java",
            "/opt/jdk/bin/java",
            &Part::busy(12),
            "-Xmx2g -jar /opt/shop/shop.jar --threads 8",
        ),
        LookAlike::start(
            host,
            "a busy ffmpeg",
            "/usr/local/bin/ffmpeg",
            &Part::busy(12),
            "-i /srv/in.mkv -c:v libx264 -threads 8 /srv/out.mp4",
        ),
        LookAlike::start(
            host,
            "a program in /tmp",
            "/tmp/build/conftest",
            &Part::busy(2),
            "--check",
        ),
        LookAlike::start(
            host,
            "a dataminer",
            "/opt/erp/dataminer",
            &Part::busy(12),
            "--pool-size 8 --user erp",
        ),
        LookAlike::start(
            host,
            "an honest client on 3333",
            "/opt/erp/metrics",
            &Part::busy(2).talking_to("203.0.113.10:3333"),
            "203.0.113.10:3333",
        ),
        LookAlike::start(
            host,
            "an honest TLS client on 443",
            "/opt/erp/uplink",
            &Part::busy(2).greeting_tls("203.0.113.10:443"),
            "--server 203.0.113.10:443",
        ),
    ]
}
