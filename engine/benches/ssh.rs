//! What one host over SSH costs on the controller's side, without the ssh program: run it against an sshd of your own.
//!
//! `cargo bench -p deminer-engine --bench ssh -- HOST SSH_CONFIG FOLDER [TIMES] [KEX] [QUESTIONS] [plain]`, where FOLDER
//! holds `deminer-worker`; `plain` sends it as it is.
//! What ssh and the host spend is read from outside, from their cgroups.

use std::sync::Arc;
use std::time::Instant;

use deminer_engine::host::ssh::{Ssh, SshClient, SshTarget, Workers};
use deminer_engine::host::{HostView, Transport};
use deminer_worker::query::Query;
use deminer_worker::text::HostPath;

/// User and system time of this process so far, in ms.
fn spent_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    // Of all threads: tokio runs on this one alone.
    stat.split(' ')
        .next()
        .and_then(|ns| ns.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1e6
}

#[expect(clippy::print_stdout, reason = "a measurement is printed")]
fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let [host, config, folder, rest @ ..] = &arguments[..] else {
        println!("skipped: it wants HOST SSH_CONFIG FOLDER");
        return;
    };
    let times: u32 = rest.first().and_then(|times| times.parse().ok()).unwrap_or(20);
    let questions: u32 = rest.get(2).and_then(|number| number.parse().ok()).unwrap_or(1000);
    let target = SshTarget {
        ssh_config: Some(config.into()),
        kex: rest.get(1).cloned(),
        plain_upload: rest.get(3).is_some_and(|word| word == "plain"),
        ..SshTarget::parse(host).expect("a host")
    };
    let client = Arc::new(SshClient::new(
        std::env::temp_dir(),
        Workers::new(folder, "/nonexistent"),
    ));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (began, before) = (Instant::now(), spent_ms());
        let mut last = None;
        for _ in 0..times {
            let way = Ssh::new(target.clone(), Arc::clone(&client)).expect("a good target");
            last = Some(way.connect("host").await.expect("reached"));
        }
        let each = |value: f64| value / f64::from(times);
        let wall = began.elapsed().as_secs_f64() * 1000.0;
        println!(
            "reach and start: {:.1} ms wall, {:.2} ms of our CPU a host",
            each(wall),
            each(spent_ms() - before)
        );
        let link = last.expect("at least one");
        if questions == 0 {
            return;
        }
        let (began, before) = (Instant::now(), spent_ms());
        for _ in 0..questions {
            let paths = vec![HostPath::from("/etc/passwd")];
            link.observe(Query::Stat { paths, digest: false })
                .await
                .expect("an answer");
        }
        let each = |value: f64| value / f64::from(questions);
        let wall = began.elapsed().as_secs_f64() * 1000.0;
        println!(
            "one more question: {:.3} ms wall, {:.4} ms of our CPU",
            each(wall),
            each(spent_ms() - before)
        );
    });
}
