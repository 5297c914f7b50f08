//! Collectors over a host made of data: what they give, and what they do not take for something.

mod stub;

use deminer_worker::query::{Coverage, FileKind, GapReason, Ownership};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};
use serde_json::{Value, json};
use stub::{Scene, process, run, socket};

const CRONTAB: &str =
    "# m h dom mon dow\nPATH=/tmp/.x:/usr/bin\n*/5 * * * * $HOME/.x/run >/dev/null 2>&1\n@daily backup.sh\n";

fn package(name: &str) -> Ownership {
    Ownership::Owned {
        package: name.to_owned(),
    }
}

/// The rows, each with these fields only.
fn columns(output: &Value, names: &[&str]) -> Vec<String> {
    let rows = output["rows"].as_array().expect("rows");
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = names
                .iter()
                .map(|name| match row.pointer(name).unwrap_or(&Value::Null) {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect();
            cells.join(" | ")
        })
        .collect()
}

#[tokio::test]
async fn host_facts() {
    let ran = run("host.facts", &Scene::default().host(), json!({}))
        .await
        .expect("facts");
    insta::assert_json_snapshot!(ran.output);
}

#[tokio::test]
async fn processes_are_busiest_first_with_user_and_package() {
    let mut busy = process(30, "/tmp/.x/kworker", b"miner", &["kworker", "-o", "pool"]);
    busy.cpu_centi = Some(39_000);
    let mut deleted = process(31, "/tmp/gone", b"gone", &["gone"]);
    deleted.exe.as_mut().expect("has one").deleted = true;
    deleted.uid = 33;
    let mut kernel = process(2, "", b"", &[]);
    (kernel.exe, kernel.kernel_thread, kernel.uid) = (None, true, 0);
    // Another file lies at this path by now, as in another mount namespace.
    let elsewhere = process(32, "/usr/sbin/nginx", b"nginx", &["nginx"]);
    let mut scene = Scene::default()
        .runs(process(29, "/usr/bin/python3", b"python", &["python3", "a.py"]))
        .runs(busy)
        .runs(deleted)
        .runs(kernel)
        .runs(elsewhere)
        .file("/usr/bin/python3", "python")
        .file("/tmp/.x/kworker", "miner")
        .file("/usr/sbin/nginx", "another")
        .owned("/usr/bin/python3", package("python3"))
        .owned("/usr/sbin/nginx", package("nginx"));
    scene.files.get_mut("/usr/sbin/nginx").expect("is there").stat.id.inode = Wide(1);
    let host = scene.host();
    let ran = run("process.list", &host, json!({"sample": "10s"}))
        .await
        .expect("rows");
    let rows = columns(&ran.output, &["/pid", "/user", "/cpu_centi", "/package"]);
    insta::assert_json_snapshot!(rows);
    insta::assert_json_snapshot!("process_row", ran.output["rows"][0]);
    let asked = host.asked.lock().expect("no panic").clone();
    insta::assert_json_snapshot!("process_queries", asked);
}

#[tokio::test]
async fn a_sample_out_of_range_is_refused() {
    for (sample, why) in [
        ("500ms", "parameter `sample`: `500ms` is outside of 1s to 1m"),
        ("2m", "parameter `sample`: `2m` is outside of 1s to 1m"),
    ] {
        let error = run("process.list", &Scene::default().host(), json!({ "sample": sample })).await;
        assert_eq!(error.expect_err("out of range").to_string(), why);
    }
    let error = run("process.list", &Scene::default().host(), json!({"smaple": "5s"})).await;
    assert!(error.expect_err("unknown").to_string().contains("smaple"));
}

#[tokio::test]
async fn sockets_and_accounts() {
    let scene = Scene::default().talks(socket(22, None, "listen", &[1])).talks(socket(
        40_000,
        Some(("198.51.100.7", 3333)),
        "established",
        &[30],
    ));
    let host = scene.host();
    let sockets = run("net.sockets", &host, json!({})).await.expect("rows");
    insta::assert_json_snapshot!("sockets", sockets.output);
    let accounts = run("account.list", &host, json!({})).await.expect("rows");
    insta::assert_json_snapshot!("accounts", accounts.output);
}

#[tokio::test]
async fn cron_starts_what_its_lines_say() {
    let scene = Scene::default()
        .file("/var/spool/cron/crontabs/deploy", CRONTAB)
        .file(
            "/var/spool/cron/root",
            b"REDIS0009\xfa\x00\n\n*/2 * * * * cd /var/tmp && ./a.sh\n\xff\n",
        )
        .file("/etc/cron.d/0.hidden~", "@reboot deploy nohup /bin/sh .y/b.sh%\n")
        .file("/etc/crontab", "17 * * * * root sh%/tmp/fed\r\n")
        .file(
            "/etc/cron.daily/logrotate",
            "#!/bin/sh\n/usr/sbin/logrotate /etc/logrotate.conf\n",
        )
        .file("/etc/cron.hourly/miner", b"\x7fELF\0\0")
        .file("/etc/passwd", "* * * * * root /not/cron\n");
    let ran = run("cron.list", &scene.host(), json!({})).await.expect("rows");
    let names = [
        "/file/path",
        "/number",
        "/user",
        "/schedule",
        "/command",
        "/starts",
        "/settings",
    ];
    insta::assert_json_snapshot!(columns(&ran.output, &names));
    assert!(ran.coverage.is_whole());
}

#[tokio::test]
async fn cron_without_entries_has_no_rows() {
    let scene = Scene::default()
        .file("/etc/crontab", "# nothing\nSHELL=/bin/sh\n\n")
        .file("/etc/cron.d/README", "this is prose and no table of cron at all\n");
    let ran = run("cron.list", &scene.host(), json!({})).await.expect("rows");
    assert_eq!(ran.output["rows"], json!([]));
}

#[tokio::test]
async fn cron_follows_links_as_cron_does() {
    let mut scene = Scene::default()
        .file("/opt/job", "* * * * * root /tmp/x\n")
        .file("/etc/cron.d/job", "");
    let link = &mut scene.files.get_mut("/etc/cron.d/job").expect("is there").stat;
    (link.kind, link.link_target) = (FileKind::Link, Some(HostPath::from("../../opt/job")));
    let ran = run("cron.list", &scene.host(), json!({})).await.expect("rows");
    assert_eq!(
        columns(&ran.output, &["/place", "/file/path", "/command"]),
        ["cron_d | /opt/job | /tmp/x"]
    );
}

#[tokio::test]
async fn what_of_cron_was_not_read_whole_is_a_gap() {
    let mut scene = Scene::default()
        .file("/etc/crontab", "* * * * * root a\n")
        .file("/etc/cron.d/x", "");
    let cut = scene.files.get_mut("/etc/crontab").expect("is there");
    (cut.cut, cut.stat.sha256) = (true, None);
    scene.files.get_mut("/etc/cron.d/x").expect("is there").stat.sha256 = None;
    let ran = run("cron.list", &scene.host(), json!({})).await.expect("rows");
    let mut expected = Coverage::whole();
    expected.note("file", HostBytes::from("/etc/cron.d/x"), GapReason::Denied);
    expected.note("file", HostBytes::from("/etc/crontab"), GapReason::Cut);
    assert_eq!(ran.coverage, expected);
    assert_eq!(ran.output["rows"], json!([]));
}

#[tokio::test]
async fn a_program_that_is_not_its_packages_any_more() {
    let changed = Ownership::Modified {
        package: "procps".to_owned(),
    };
    let mut scene = Scene::default()
        .file("/usr/bin/ps", "#!/bin/sh")
        .file("/usr/bin/ls", "ls")
        .owned("/usr/bin/ps", changed)
        .owned("/usr/bin/ls", package("coreutils"));
    scene.files.get_mut("/usr/bin/ps").expect("is there").stat.sha256 = Some(Digest::of(b"#!/bin/sh"));
    let ran = run("package.verify", &scene.host(), json!({})).await.expect("rows");
    assert_eq!(ran.output["modified"], json!(true));
    let rows = columns(&ran.output, &["/path", "/package/owner"]);
    assert_eq!(rows, ["/usr/bin/ps | modified", "/usr/bin/ls | owned"]);
    let said: Vec<String> = ran.findings.iter().map(|finding| finding.sentence()).collect();
    assert_eq!(
        said,
        ["/usr/bin/ps should be of package procps, but its content is another"]
    );
}

#[tokio::test]
async fn preloaded_libraries() {
    let content = "# /lib/comment.so\n/usr/local/lib/libps.so:/tmp/b.so libc.so\n\n/usr/$LIB/libagent.so\n";
    let scene = Scene::default().file("/etc/ld.so.preload", content);
    let ran = run("preload.list", &scene.host(), json!({})).await.expect("rows");
    insta::assert_json_snapshot!(columns(&ran.output, &["/number", "/line", "/command", "/starts"]));
    let scene = Scene::default().file("/etc/ld.so.preload", "# none\n\n");
    let ran = run("preload.list", &scene.host(), json!({})).await.expect("rows");
    assert_eq!(ran.output["rows"], json!([]));
    let ran = run("preload.list", &Scene::default().host(), json!({}))
        .await
        .expect("rows");
    assert_eq!(ran.output["rows"], json!([]));
}

const JOB: &str = "#!/bin/sh\n# atrun uid=1000 gid=1000\numask 22\ncd /tmp/.x || {\n\t echo 'Execution directory inaccessible' >&2\n\t exit 1\n}\n./run\n";

#[tokio::test]
async fn what_starts_at_one_time_or_is_made_up_for() {
    let mut scene = Scene::default()
        .file(
            "/etc/anacrontab",
            "SHELL=/bin/sh\n1 5 cron.daily nice run-parts /etc/cron.daily\n# 1 5 x /tmp/x\n7 9 sysupd /tmp/x -B\n",
        )
        .file("/var/spool/cron/atjobs/a0000201d0a1b2", JOB)
        .file("/var/spool/cron/atjobs/.SEQ", "00002\n")
        .file("/var/spool/at/spool/a0000201d0a1b2", "its output\n");
    let job = scene
        .files
        .get_mut("/var/spool/cron/atjobs/a0000201d0a1b2")
        .expect("is there");
    job.stat.uid = 1000;
    let ran = run("cron.list", &scene.host(), json!({})).await.expect("rows");
    assert_eq!(
        columns(
            &ran.output,
            &["/place", "/number", "/user", "/schedule", "/command", "/starts"]
        ),
        [
            "anacrontab | 2 |  | 1 | nice run-parts /etc/cron.daily | []",
            "anacrontab | 4 |  | 7 | /tmp/x -B | [\"/tmp/x\"]",
            "at_job | null | deploy | @1827005880 | ./run | [\"/tmp/.x/run\"]",
        ]
    );
}

#[tokio::test]
async fn startup_reads_homes_scripts_and_their_links() {
    let scene = Scene::default()
        .file("/etc/rc.local", "#!/bin/sh -e\n/tmp/x &\nexit 0\n")
        .file("/etc/init.d/shop", "#!/bin/sh\n/opt/erp/server\n")
        .link("/etc/rc3.d/S20shop", "../init.d/shop")
        .link("/etc/rc3.d/S99gone", "/tmp/.x/gone")
        .file("/home/deploy/.bashrc", "alias ll='ls -l'\n~/.x/run &\n")
        // A home that no account of the files has.
        .file("/home/guest/.profile", "if true; then\n/tmp/y\nfi\n")
        .file("/root/.bash_logout", "/tmp/z\n")
        .file("/srv/app/.bashrc", "/tmp/nobodys-home\n")
        .file("/opt/tool.desktop", "[Desktop Entry]\nExec=/opt/tool\n")
        .link("/etc/xdg/autostart/tool.desktop", "/opt/tool.desktop")
        .file("/etc/crontab", "* * * * * root /tmp/cron\n")
        .file("/etc/ld.so.preload", "/tmp/x.so\n");
    let host = scene.host();
    let ran = run("startup.list", &host, json!({})).await.expect("rows");
    insta::assert_json_snapshot!(columns(
        &ran.output,
        &[
            "/place",
            "/link/path",
            "/file/path",
            "/number",
            "/within",
            "/user",
            "/starts"
        ]
    ));
    let with = json!({"places": ["preload", "rc_local"]});
    let ran = run("persistence.list", &host, with).await.expect("rows");
    assert_eq!(
        columns(&ran.output, &["/place", "/starts"]),
        ["preload | [\"/tmp/x.so\"]", "rc_local | [\"/tmp/x\"]"]
    );
    let whole = run("persistence.list", &host, json!({})).await.expect("rows");
    let places = columns(&whole.output, &["/place"]);
    assert!(
        ["cron_d", "preload", "home_shell"]
            .iter()
            .all(|place| places.contains(&(*place).to_owned()))
    );
    run("persistence.list", &host, json!({"places": ["cron"]}))
        .await
        .expect_err("no such place");
}

#[tokio::test]
async fn a_program_among_scripts_is_hashed_whole() {
    let mut scene = Scene::default().file("/etc/cron.daily/miner", b"\x7fELF\0\0");
    let long = scene.files.get_mut("/etc/cron.daily/miner").expect("is there");
    long.cut = true;
    let ran = run("cron.list", &scene.host(), json!({})).await.expect("rows");
    assert_eq!(ran.output["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(ran.coverage, Coverage::whole());
}

#[tokio::test]
async fn a_shared_folder_of_scripts_is_read_once() {
    let mut scene = Scene::default()
        .file("/etc/rc.d/init.d/shop", "#!/bin/sh\n/opt/erp/server\n")
        .file("/etc/init.d/shop", "#!/bin/sh\n/opt/erp/server\n");
    let id = scene.files["/etc/rc.d/init.d/shop"].stat.id;
    scene.files.get_mut("/etc/init.d/shop").expect("is there").stat.id = id;
    let ran = run("startup.list", &scene.host(), json!({})).await.expect("rows");
    assert_eq!(columns(&ran.output, &["/file/path"]), ["/etc/init.d/shop"]);
}

#[test]
fn the_list_is_what_playbooks_may_name() {
    let lines: Vec<String> = deminer_modules::all()
        .iter()
        .map(|module| {
            let about = module.about();
            let phases: Vec<String> = about.phases.iter().map(ToString::to_string).collect();
            format!("{} {} {}", about.name, about.effect, phases.join(" "))
        })
        .collect();
    insta::assert_json_snapshot!(lines);
}
