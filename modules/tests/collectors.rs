//! Collectors over a host made of data: what they give, and what they do not take for something.

mod stub;

use deminer_worker::query::{Coverage, FileKind, GapReason, Ownership};
use deminer_worker::text::{HostBytes, HostPath, Wide};
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
