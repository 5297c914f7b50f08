//! Miners that systemd starts: a service with a timer and a piece added to a good one, and units that fight back.

use super::case::{Case, Until};
use super::look_alike::LookAlike;
use super::processes::{WORDS, mining, start};
use crate::world::host::Host;
use crate::world::part::Part;

const UNITS: &str = "/etc/systemd/system";

/// Writes a unit, as a file that a package would bring.
fn unit(host: &Host<'_>, name: &str, text: &str) -> String {
    let path = format!("{UNITS}/{name}");
    host.write(&path, text, 0o644);
    path
}

/// A service that is enabled, the timer that starts it again, and a line added to the service of cron.
pub(crate) fn service(host: &Host<'_>) -> Case {
    let miner = "/usr/local/lib/.agent/agentd";
    mining().write(host, miner);
    let service = unit(
        host,
        "sysmon-agent.service",
        &format!(
            "[Unit]\nDescription=System monitor\n\n[Service]\nExecStart={miner} {WORDS}\nRestart=always\n\n\
             [Install]\nWantedBy=multi-user.target\n"
        ),
    );
    let timer = unit(
        host,
        "sysmon-agent.timer",
        "[Timer]\nOnCalendar=*:*:00\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n",
    );
    let piece = unit(
        host,
        "cron.service.d/10-env.conf",
        &format!("[Service]\nExecStartPost=-/bin/sh -c '{miner} {WORDS} >/dev/null 2>&1 &'\n"),
    );
    host.sh("systemctl daemon-reload; systemctl enable --now sysmon-agent.service sysmon-agent.timer 2>/dev/null");
    Case::new("service with timer and drop-in")
        .process("miner", miner)
        .file(miner)
        .removed("remove_starter", &service)
        .removed("remove_starter", &timer)
        .removed("remove_starter", &piece)
        .link(&format!("{UNITS}/multi-user.target.wants/sysmon-agent.service"))
        .link(&format!("{UNITS}/timers.target.wants/sysmon-agent.timer"))
        .act("reload_units sysmon-agent.service sysmon-agent.timer")
}

/// Where the units that fight back write down when one of their commands ran.
const RAN: &str = "/var/lib/fight";

/// Units that start again, each second, after their end, at a reload and when nobody speaks for them.
pub(crate) fn fighting(host: &Host<'_>) -> Case {
    let (miner, watched) = ("/opt/.mesh/meshd", "/opt/.mesh/linkd");
    mining().write(host, miner);
    mining().write(host, watched);
    host.sh(&format!("mkdir -p {RAN}"));
    let says = |what: &str| format!("/bin/sh -c 'date +%%s.%%N >> {RAN}/{what}'");
    let install = "[Install]\nWantedBy=multi-user.target\n";
    let always = unit(
        host,
        "meshd.service",
        &format!(
            "[Unit]\nOnFailure=fallback.service\nStartLimitIntervalSec=0\n\n[Service]\nExecStart={miner} {WORDS}\n\
             Restart=always\nRestartSec=100ms\nExecStopPost=-{}\n\n{install}",
            says("stop-post")
        ),
    );
    // It serves nothing condemned: it stays, for a person to look at.
    unit(
        host,
        "fallback.service",
        &format!("[Service]\nType=oneshot\nExecStart={}\n", says("on-failure")),
    );
    let tick = unit(
        host,
        "meshd-tick.service",
        &format!(
            "[Service]\nType=oneshot\nExecStartPre=-{}\nExecStart=-/usr/bin/timeout 0.3 {miner} {WORDS}\n",
            says("tick")
        ),
    );
    let timer = unit(
        host,
        "meshd-tick.timer",
        "[Timer]\nOnCalendar=*:*:*\nAccuracySec=100ms\n\n[Install]\nWantedBy=timers.target\n",
    );
    let notify = unit(
        host,
        "linkd.service",
        &format!(
            "[Service]\nType=notify\nWatchdogSec=2\nExecStart={watched} {WORDS}\nRestart=always\nRestartSec=100ms\n\
             ExecStopPost=-{}\n\n{install}",
            says("watchdog")
        ),
    );
    let generator = "/etc/systemd/system-generators/mesh-generator";
    let body = format!("[Service]\\nExecStart={miner} {WORDS}\\n");
    host.write(
        generator,
        format!(
            "#!/bin/sh\nprintf '{body}' > \"$1/meshd-made.service\"\nmkdir -p \"$1/multi-user.target.wants\"\n\
             ln -s ../meshd-made.service \"$1/multi-user.target.wants/\"\n"
        ),
        0o755,
    );
    host.sh("systemctl daemon-reload; \
             systemctl enable --now meshd.service meshd-tick.timer linkd.service 2>/dev/null");
    host.wait("the unit of each second", || host.has(&format!("{RAN}/tick")));
    let made = "/run/systemd/generator/meshd-made.service";
    Case::new("units that fight back")
        .process("miner", miner)
        .process("miner", watched)
        .file(miner)
        .file(watched)
        .removed("remove_starter", &always)
        .removed("remove_starter", &tick)
        .removed("remove_starter", &timer)
        .removed("remove_starter", &notify)
        .removed("remove_starter", generator)
        .removed("remove_starter", made)
        .link(&format!("{UNITS}/multi-user.target.wants/meshd.service"))
        .link(&format!("{UNITS}/multi-user.target.wants/linkd.service"))
        .link(&format!("{UNITS}/timers.target.wants/meshd-tick.timer"))
        .link("/run/systemd/generator/multi-user.target.wants/meshd-made.service")
        .act("reload_units linkd.service meshd-made.service meshd-tick.service meshd-tick.timer meshd.service")
        .silent(
            Until::Frozen,
            &["stop-post", "on-failure", "watchdog"].map(|what| format!("{RAN}/{what}")),
        )
        .silent(Until::Reloaded, &[format!("{RAN}/tick")])
}

/// A service that always starts again, and a daemon whose executable an upgrade replaced.
pub(crate) fn look_alikes(host: &Host<'_>) -> Vec<LookAlike> {
    let shop = "/opt/shop/shopd";
    Part::busy(5).write(host, shop);
    let service = unit(
        host,
        "shop.service",
        &format!(
            "[Service]\nExecStart={shop}\nRestart=always\nRestartSec=1\n\n[Install]\nWantedBy=multi-user.target\n"
        ),
    );
    host.sh("systemctl daemon-reload; systemctl enable --now shop.service 2>/dev/null");
    let exporter = "/usr/local/sbin/exporterd";
    Part::busy(2).write(host, exporter);
    start(host, exporter);
    host.wait("the daemon of before the upgrade", || {
        !host.running(exporter).is_empty()
    });
    host.write("/usr/local/sbin/exporterd.new", Part::busy(2).program(), 0o755);
    host.sh(&format!("mv {exporter}.new {exporter}"));
    vec![
        LookAlike::running("a Restart=always service", shop).with(&service),
        LookAlike::running("a daemon whose executable an upgrade replaced", exporter),
    ]
}
