use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser as _;
use deminer_engine::host::Transport;
use deminer_engine::report::NextStep;
use deminer_worker::platform::simulated::{Simulated, World, clean, infected};

use super::*;
use crate::cli::{Cli, Verb};
use crate::commands::hosts::Ways;
use crate::commands::{plan, resume};
use crate::render::Style;
use crate::render::screen::Screen;

#[test]
fn lines_that_let_somebody_in() {
    let rows = [
        ("ssh-ed25519 AAAAC3Nza worm", true),
        ("no-pty,command=\"x\" ssh-rsa AAAAB3Nza", true),
        ("*/5 * * * * /tmp/.x/run", false),
        ("# ssh", false),
    ];
    for (line, expected) in rows {
        assert_eq!(is_key(&HostBytes::from(line)), expected, "{line}");
    }
}

const MINUTE: u64 = 60_000;

/// Two infected hosts, struck one after the other, and a clock that stands still but for this: when the first host is done
/// with, some time is over.
struct Night {
    desk: Desk,
    now: Arc<AtomicU64>,
    folder: tempfile::TempDir,
}

impl Night {
    /// A quarter of an hour is over after the first host.
    fn under(policy: &str) -> Night {
        Night::of(policy, 15 * MINUTE)
    }

    fn of(policy: &str, later: u64) -> Night {
        Night::on(policy, later, [("web-1", infected()), ("web-2", infected())])
    }

    fn on(policy: &str, later: u64, hosts: [(&str, World); 2]) -> Night {
        let folder = tempfile::tempdir().expect("a folder");
        let (runs, file) = (folder.path().join("runs"), folder.path().join("policy.yml"));
        std::fs::write(&file, policy).expect("written");
        let now = Arc::new(AtomicU64::new(0));
        let (clock, of) = (Arc::clone(&now), runs.clone());
        let host = |(name, world): (&str, World)| {
            let host: Arc<dyn Transport> = Arc::new(Simulated::new(world.of_host(name)));
            (name.to_owned(), host)
        };
        let screen = Screen::on(
            Style::PLAIN,
            false,
            Box::new(std::io::sink()),
            Box::new(std::io::sink()),
        );
        let desk = Desk {
            clock: Arc::new(move || match is_done(&of, "web-1") {
                true => clock.load(Ordering::SeqCst).max(later),
                false => clock.load(Ordering::SeqCst),
            }),
            ways: Ways::staged(hosts.into_iter().map(host).collect()),
            runs,
            by: "uid 0".to_owned(),
            ..Desk::bare(screen).alone(Some(file))
        };
        Night { desk, now, folder }
    }

    /// Plans for both hosts and applies it without acts of these kinds, batch by batch.
    async fn apply(&self, without: &[&str]) -> Report {
        let words = ["deminer", "plan", "linux-miner", "web-1", "web-2", "--set", "sample=1s"];
        let Verb::Plan(asked) = Cli::try_parse_from(words).expect("words").verb else {
            panic!("it plans")
        };
        let order = Order {
            batches: vec!["1".parse().expect("a batch")],
            ..walk::order(&asked.going.walking, None).expect("an order")
        };
        let made = plan::make(&self.desk, &asked.playbook, &asked.looking, &asked.going.reach, &order).await;
        let made = made.expect("a plan");
        let hash = made.plan.hash().to_string();
        let actions = made.plan.hosts().flat_map(|host| &host.orders.actions);
        let exclude = actions.filter(|action| without.contains(&action.act.kind()));
        let exclude: Vec<String> = exclude.map(|action| action.id.to_string()).collect();
        let approving = Approving {
            exclude: &exclude,
            reason: (!exclude.is_empty()).then_some("another night"),
            ..Approving::of(&made.plan, "the.plan")
        };
        let ask = approving.given(&self.desk, &hash).expect("a yes");
        let course = Course {
            only: None,
            watch: Some("1s"),
            answers: None,
            order,
            together: false,
            format: Format::Text,
        };
        apply(&self.desk, &made.plan, ask, course)
            .await
            .expect("it is carried out");
        self.report()
    }

    async fn resume(&self) -> anyhow::Result<Exit> {
        let words = ["deminer", "resume", "--watch", "1s"];
        let Verb::Resume(asked) = Cli::try_parse_from(words).expect("words").verb else {
            panic!("it resumes")
        };
        resume::run(&self.desk, &asked).await
    }

    fn report(&self) -> Report {
        let run = report::find(&self.desk, None).expect("a run");
        Report::from_events(&run.chains().expect("journals"))
    }
}

/// Whether a run is through with a host.
fn is_done(runs: &Path, host: &str) -> bool {
    let runs = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let mut applied = runs.map(|run| run.path()).filter(|run| run.join("plan").is_file());
    applied.any(|run| {
        let journal = std::fs::read_to_string(run.join(format!("journal/host-{host}.ndjson")));
        journal.is_ok_and(|journal| journal.contains("host_finished"))
    })
}

fn steps(report: &Report) -> Vec<NextStep> {
    report.next.iter().map(|next| next.step).collect()
}

fn statuses(report: &Report) -> Vec<Status> {
    report.hosts.iter().map(|host| host.status).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_closes_meanwhile_leaves_the_other_hosts_for_the_next() {
    let night = Night::under("windows: [daily 00:00-00:10 UTC, daily 00:20-00:30 UTC]\n");
    let report = night.apply(&[]).await;
    assert_eq!(statuses(&report), [Status::Eradicated, Status::Waiting]);
    assert_eq!(steps(&report), [NextStep::Later]);
    assert_eq!(exit(&report), Exit::Again);
    for (style, windows) in [
        (Style::PLAIN, "only daily 00:00-00:10 UTC"),
        (Style::CHINESE, "daily 00:20-00:30 UTC"),
    ] {
        let text = render::report::text(&report, &style, &night.desk.paste());
        assert!(text.contains(windows) && text.contains("00:20:00Z"), "{text}");
        assert!(text.contains("deminer resume "), "{text}");
    }

    let refused = night.resume().await.expect_err("it is closed");
    assert!(refused.to_string().contains("nothing may be removed now"), "{refused}");
    night.now.store(25 * MINUTE, Ordering::SeqCst);
    assert_eq!(night.resume().await.expect("it goes on"), Exit::Done);
    assert_eq!(statuses(&night.report()), [Status::Eradicated, Status::Eradicated]);
    drop(night.folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_opens_when_the_yes_is_over_wants_another_plan() {
    let night = Night::under("windows: [daily 00:00-00:10 UTC]\n");
    let report = night.apply(&[]).await;
    assert_eq!(statuses(&report), [Status::Eradicated, Status::Waiting]);
    assert_eq!(steps(&report), [NextStep::PlanAgain]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_batch_is_one_that_is_changed() {
    let night = Night::on(
        "max_actions: 60\n",
        46 * MINUTE,
        [("web-1", clean()), ("web-2", infected())],
    );
    let report = night.apply(&[]).await;
    // By then the yes would be over for whoever comes second.
    assert_eq!(statuses(&report), [Status::Eradicated, Status::Clean]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_that_is_over_meanwhile_is_none_for_the_other_hosts() {
    let night = Night::of("max_actions: 60\n", 44 * MINUTE);
    let report = night.apply(&[]).await;
    assert_eq!(statuses(&report), [Status::Eradicated, Status::Eradicated]);

    let night = Night::of("max_actions: 60\n", 46 * MINUTE);
    let report = night.apply(&[]).await;
    let ended = [Status::Eradicated, Status::NotApproved];
    assert_eq!((statuses(&report), report.hosts[1].tally.done), (ended.to_vec(), 0));
    assert_eq!(steps(&report), [NextStep::PlanAgain]);
    for (style, said) in [(Style::PLAIN, "is good no longer"), (Style::CHINESE, "批准已不再有效")] {
        let text = render::report::text(&report, &style, &night.desk.paste());
        assert!(text.contains(said), "{text}");
    }
    // It is not taken up either.
    night.resume().await.expect("nothing is open");
    assert_eq!(statuses(&night.report()), ended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_only_contains_ends_contained_with_its_evidence() {
    let night = Night::under("effects: contain\n");
    let report = night.apply(&[]).await;
    assert_eq!(statuses(&report), [Status::Contained, Status::Contained]);
    assert!(
        report.counts.kept.items > 0 && report.counts.changes.done > 0,
        "{:?}",
        report.counts
    );
    assert_eq!(steps(&report), [NextStep::PlanFurther]);
    let text = render::report::text(&report, &Style::PLAIN, &night.desk.paste());
    assert!(text.contains("next  deminer plan linux-miner web-1 web-2\n"), "{text}");
    // There is nothing to go on with.
    assert_eq!(night.resume().await.expect("nothing is open"), Exit::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_that_leaves_out_all_that_destroys_contains() {
    let night = Night::under("windows: [daily 12:00-12:10 UTC]\n");
    let destroys = ["kill", "remove_file", "edit_lines", "clear_flags"];
    let report = night.apply(&destroys).await;
    assert_eq!(statuses(&report), [Status::Contained, Status::Contained]);
    assert!(
        report.counts.changes.excluded > 0 && report.counts.kept.items > 0,
        "{:?}",
        report.counts
    );
    assert_eq!(steps(&report), [NextStep::Apply], "the plan has the rest");
    assert_eq!(night.resume().await.expect("nothing is open"), Exit::Done);

    // What is left out of a stroke leaves it a stroke.
    let night = Night::under("max_actions: 60\n");
    let report = night.apply(&["remove_file", "clear_flags"]).await;
    assert!(
        !statuses(&report).contains(&Status::Contained),
        "{:?}",
        statuses(&report)
    );
    assert!(report.hosts.iter().all(|host| host.stroke_ms.is_some()));
}
