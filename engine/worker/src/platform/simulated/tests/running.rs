//! A program that a plan runs: the very file, exactly the arguments.

use super::*;
use crate::query::CommandEnd;

const WORLD: &str = r#"{
    "files": [{"path": "/usr/sbin/ipset", "mode": "0755", "content": "\u007fELF ipset"}],
    "commands": [
        {"argv": ["/usr/sbin/ipset", "flush", "pools"], "stdout": "flushed\n"},
        {"argv": ["/usr/sbin/ipset", "restore"], "stderr": "no such set\n", "exit": 1},
        {"argv": ["/usr/sbin/ipset", "list"], "takes_ms": 90000}]
}"#;

fn words(argv: &[&str]) -> Vec<HostBytes> {
    argv.iter().map(|word| HostBytes::from(*word)).collect()
}

fn run(program: FileTarget, argv: &[&str], undo: Option<&[&str]>) -> Act {
    Act::RunArgv {
        program: Box::new(program),
        argv: words(argv),
        timeout_ms: 5_000,
        undo: undo.map(words),
    }
}

#[test]
fn it_says_how_it_ended_and_how_it_is_taken_back() {
    let host = host(WORLD);
    let program = file(&host, "/usr/sbin/ipset");
    let back = ["/usr/sbin/ipset", "restore"];
    let done = host.act(&run(
        program.clone(),
        &["/usr/sbin/ipset", "flush", "pools"],
        Some(&back),
    ));
    let undo = Undo::RunArgv {
        program: Box::new(program.clone()),
        argv: words(&back),
        timeout_ms: 5_000,
    };
    let expected = Done::Ran {
        end: CommandEnd::Exited { code: 0 },
        stdout: "flushed\n".into(),
        stderr: HostBytes::default(),
        cut: false,
        undo: Box::new(undo.clone()),
    };
    assert_eq!(done, Ok(expected));
    let failed = host.undo(&undo, None, Arming::Disarmed);
    assert!(
        matches!(&failed, Err(HostError::Failed { why, .. }) if why == "exit status 1"),
        "{failed:?}"
    );
    let late = host.act(&run(program, &["/usr/sbin/ipset", "list"], None));
    let late = late.expect("it was killed");
    assert!(
        matches!(
            late,
            Done::Ran {
                end: CommandEnd::TimedOut {},
                ..
            }
        ),
        "{late:?}"
    );
    assert_eq!(late.undo(), Some(&Undo::None));
}

#[test]
fn another_program_is_not_run() {
    let host = host(WORLD);
    let argv = ["/usr/sbin/ipset", "flush", "pools"];
    let mut program = file(&host, "/usr/sbin/ipset");
    let refused = host.act(&run(program.clone(), &["/usr/sbin/ipset", "sh", "-c", "x"], None));
    assert!(matches!(refused, Err(HostError::Protected { .. })), "{refused:?}");
    program.sha256 = crate::text::Digest::of(b"else");
    assert!(matches!(
        host.act(&run(program.clone(), &argv, None)),
        Err(HostError::Changed { .. })
    ));
    program.path = path("/usr/sbin/nothing");
    assert!(matches!(
        host.act(&run(program, &["nothing"], None)),
        Err(HostError::Gone { .. })
    ));
}
