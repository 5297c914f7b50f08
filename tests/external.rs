//! Modules from outside, by the command: nothing of them runs without leave, the plan states their files, and no other file
//! takes the place of one later.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const ALLOW: [&str; 2] = ["--allow", "module.external"];

/// The shipped playbooks with a step of an external module in front, and the module.
struct Scene {
    home: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let scene = Scene {
            home: tempfile::tempdir().expect("a folder"),
        };
        fs::create_dir_all(scene.modules()).expect("a folder");
        fs::create_dir_all(scene.home.path().join("rules")).expect("a folder");
        let rules = Path::new(ROOT).join("playbooks/rules");
        for entry in fs::read_dir(rules).expect("the rules") {
            let path = entry.expect("can be read").path();
            let name = path.file_name().expect("a name");
            fs::copy(&path, scene.home.path().join("rules").join(name)).expect("a copy");
        }
        scene.install("");
        scene.write("    - {id: outside, use: preload.lines}\n", "");
        scene
    }

    fn modules(&self) -> PathBuf {
        self.home.path().join("modules")
    }

    /// The example's module, with something behind it.
    fn install(&self, behind: &str) {
        let example = Path::new(ROOT).join("examples/modules/preload.lines");
        let text = fs::read_to_string(example).expect("the example");
        let file = self.modules().join("preload.lines");
        fs::write(&file, format!("{text}{behind}")).expect("ours");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    fn write(&self, gather: &str, kill: &str) {
        let shipped = Path::new(ROOT).join("playbooks/linux-miner.yml");
        let text = fs::read_to_string(shipped).expect("the playbook");
        let first = text.find("    - {id: facts").expect("the first step of the playbook");
        let with = format!("{}{gather}{}", &text[..first], &text[first..]);
        let with = match kill {
            "" => with,
            kill => with.replacen("use: process.kill", kill, 1),
        };
        fs::write(self.home.path().join("night.yml"), with).expect("ours");
    }

    fn run(&self, words: &[&str], modules: bool) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deminer"));
        command.args(words).current_dir(self.home.path());
        if modules {
            command.args(ALLOW).args(["--modules", "modules"]);
        }
        command
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .env_remove("DEMINER_MODULES")
            .output()
            .expect("the built program starts")
    }
}

fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn nothing_of_them_runs_without_leave() {
    let scene = Scene::new();
    let mark = scene.home.path().join("mark");
    fs::write(
        scene.modules().join("preload.lines"),
        format!("#!/bin/sh\ntouch {}\n", mark.display()),
    )
    .expect("ours");
    let checked = scene.run(&["check", "night.yml"], false);
    assert!(
        told(&checked).contains("unknown module `preload.lines`"),
        "{}",
        told(&checked)
    );
    let checked = scene.run(&["check", "night.yml", "--modules", "modules"], false);
    assert_eq!(checked.status.code(), Some(2));
    assert!(told(&checked).contains("nobody allowed them"), "{}", told(&checked));
    assert!(!mark.exists(), "it was started");
    let checked = scene.run(&["check", "night.yml"], true);
    assert!(
        told(&checked).contains("preload.lines: it ended (exit status 0) before"),
        "{}",
        told(&checked)
    );
    assert!(mark.exists());
}

#[test]
fn it_has_a_manual_and_takes_no_name_of_ours() {
    let scene = Scene::new();
    let manual = scene.run(&["modules", "preload.lines"], true);
    assert!(manual.status.success(), "{}", told(&manual));
    assert!(
        told(&manual).contains("The lines of /etc/ld.so.preload."),
        "{}",
        told(&manual)
    );
    let text = fs::read_to_string(scene.modules().join("preload.lines")).expect("ours");
    let stolen = scene.modules().join("process.list");
    fs::write(&stolen, text.replace("\"preload.lines\"", "\"process.list\"")).expect("ours");
    fs::set_permissions(&stolen, fs::Permissions::from_mode(0o755)).expect("its mode");
    let listed = scene.run(&["modules"], true);
    assert_eq!(listed.status.code(), Some(2));
    assert!(
        told(&listed).contains("there is a module `process.list` already"),
        "{}",
        told(&listed)
    );
}

#[test]
fn what_it_gives_chooses_nothing_that_is_proposed() {
    let scene = Scene::new();
    let gather = "    - {id: outside, use: preload.lines}\n    - {id: by, let: {found: steps.outside.found}}\n";
    scene.write(gather, "when: steps.by.found, use: process.kill");
    let checked = scene.run(&["check", "night.yml"], true);
    assert_eq!(checked.status.code(), Some(2), "{}", told(&checked));
    let expected = "it proposes changes, and `by` comes from an external module";
    assert!(told(&checked).contains(expected), "{}", told(&checked));
}

#[test]
fn no_other_file_takes_its_place() {
    let scene = Scene::new();
    let planned = scene.run(&["plan", "night.yml", "simulated:infected", "--format", "json"], true);
    assert!(planned.status.success(), "{}", told(&planned));
    let plan: Value = serde_json::from_slice(&planned.stdout).expect("a plan");
    let hash = &plan["hash"].as_str().expect("its hash")[..16];
    let shown = told(&scene.run(&["show", hash], false));
    assert!(
        shown.contains("preload.lines ") && shown.contains("--allow module.external"),
        "{shown}"
    );
    let apply = ["apply", hash, "--approve", hash];
    let refused = scene.run(&apply, false);
    assert_eq!(refused.status.code(), Some(4), "{}", told(&refused));
    assert!(
        told(&refused).contains("give them with `--modules DIR"),
        "{}",
        told(&refused)
    );
    scene.install("# more\n");
    let refused = scene.run(&apply, true);
    assert_eq!(refused.status.code(), Some(4), "{}", told(&refused));
    assert!(
        told(&refused).contains("external module `preload.lines` is another file"),
        "{}",
        told(&refused)
    );
    scene.install("");
    let applied = scene.run(&apply, true);
    assert!(applied.status.success(), "{}", told(&applied));
}
