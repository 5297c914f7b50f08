//! The page on which a plan is reviewed, in a real browser: what is ticked there is what its approval says, and nothing that
//! a host wrote does anything in it.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
mod common;

mod browser;

use std::fs;
use std::path::{Path, PathBuf};

use browser::Browser;
use common::command::Deminer;
use common::machine::written;
use deminer_engine::approval::ApprovedPlan;
use deminer_worker::platform::simulated::{World, infected};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A plan with its page.
struct Reviewed {
    folder: TempDir,
    plan: Vec<u8>,
    /// What the command answered.
    json: Value,
    page: PathBuf,
}

impl Reviewed {
    fn of(words: &[&str]) -> Reviewed {
        Reviewed::of_playbook("linux-miner", words, "en")
    }

    fn of_playbook(playbook: &str, words: &[&str], lang: &str) -> Reviewed {
        let folder = tempfile::tempdir().expect("a directory");
        let (plan, page) = (folder.path().join("the.plan"), folder.path().join("review.html"));
        let deminer = Deminer::new();
        let name = written(&plan);
        let made = ["plan", playbook, "-o", &name, "--format", "json"];
        let json = deminer.run(&[&made[..], words].concat()).expect(0).json();
        let show = ["show", &name, "--page", &written(&page), "--lang", lang];
        deminer.run(&show).expect(0);
        Reviewed {
            plan: fs::read(&plan).expect("it was written"),
            folder,
            json,
            page,
        }
    }

    fn short(&self) -> String {
        self.json["hash"].as_str().expect("a hash")[..16].to_owned()
    }

    /// The approval that the page gives now, held against the plan.
    fn approval(&self, browser: &mut Browser) -> (ApprovedPlan, Value) {
        let bytes = browser.download("#download", &format!("{}.approval", self.short()));
        let approval = serde_json::from_slice(&bytes).expect("an approval");
        let approved = ApprovedPlan::of_run(&self.plan, approval).expect("it fits the plan");
        let own = approved.write_approval().expect("JSON");
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&own),
            "one written form"
        );
        (approved, serde_json::from_slice(&bytes).expect("JSON"))
    }

    /// The page's own name: nothing else may be asked for.
    fn address(&self) -> String {
        format!("file://{}", self.page.display())
    }

    /// # Panics
    /// When the page complained or asked for anything but itself and what it gives to download.
    #[track_caller]
    fn assert_silent(&self, browser: &Browser) {
        assert_eq!(browser.complaints, Vec::<String>::new());
        let others = browser
            .requests
            .iter()
            .filter(|url| **url != self.address() && !url.starts_with("blob:"));
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
    }
}

/// Types into the element that this finds.
fn typed(element: &str, text: &str) -> String {
    let text = Value::from(text);
    format!(
        "(() => {{ const field = {element}; field.value = {text}; \
         field.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
    )
}

const NAME: &str = "document.querySelector('footer input[type=text]')";

/// The box of the kill whose row says so.
fn tick_of(words: &str) -> String {
    let words = Value::from(words);
    format!(
        "[...document.querySelectorAll('.action')].find((row) => row.querySelector('.kind').textContent === 'kill' \
         && row.textContent.includes({words})).querySelector('input')"
    )
}

#[test]
fn all_of_it_some_of_it_and_nothing() {
    if !Browser::is_there() {
        return;
    }
    let reviewed = Reviewed::of(&["simulated:infected", "simulated:clean"]);
    let mut browser = Browser::open(&reviewed.page);
    assert_eq!(browser.eval("document.querySelectorAll('.group').length"), 2);
    assert_eq!(
        browser.eval("document.querySelector('#download').disabled"),
        true,
        "nobody said who"
    );

    browser.eval(&typed(NAME, "ana@example.org"));
    let (all, json) = reviewed.approval(&mut browser);
    assert_eq!(json["excluded"], json!([]));
    assert_eq!(json["classes"], json!(["preserve", "contain", "destroy"]));
    assert_eq!(all.hosts().count(), 2);

    // The guardian's kill is left out: what needs it goes with it, what stays is told loudly, and it wants a reason.
    let guardian = "guardian";
    browser.eval(&format!("{}.click()", tick_of(guardian)));
    assert_eq!(
        browser.eval("document.querySelector('#download').disabled"),
        true,
        "no reason is given"
    );
    browser.wait("document.querySelector('.loud')");
    let loud = browser.eval("document.querySelector('.loud').textContent");
    assert!(
        loud.as_str().is_some_and(|text| text.contains("can bring back")),
        "{loud}"
    );
    picture(&mut browser, "review");
    browser.eval(&typed(
        "document.querySelector('.reason input')",
        "the shop team <asks>\u{202e}",
    ));
    let (some, json) = reviewed.approval(&mut browser);
    let excluded = json["excluded"].as_array().expect("a list");
    assert!(!excluded.is_empty());
    let reasons = json["reasons"].as_object().expect("reasons");
    assert_eq!(
        reasons.values().collect::<Vec<_>>(),
        ["the shop team <asks>"],
        "harmless"
    );
    assert_eq!(some.approval().excluded.len(), excluded.len());
    browser.eval(&format!("{}.click()", tick_of(guardian)));
    let (_, json) = reviewed.approval(&mut browser);
    assert_eq!(json["excluded"], json!([]), "put back with all that needs it");

    browser.eval("document.querySelector('input[value=contain]').click()");
    let (_, json) = reviewed.approval(&mut browser);
    assert_eq!(json["classes"], json!(["contain"]));

    browser.eval("document.querySelector('#none').click()");
    assert_eq!(browser.eval("document.querySelector('#download').disabled"), true);
    browser.eval(&typed("document.querySelector('.reason input')", "not tonight"));
    let said = browser.download("#reject", &format!("{}.rejected.md", reviewed.short()));
    let said = String::from_utf8(said).expect("text");
    assert!(
        said.contains("not tonight") && said.contains(reviewed.json["hash"].as_str().expect("a hash")),
        "{said}"
    );
    reviewed.assert_silent(&browser);
}

/// Keeps a picture where somebody wants to look at it.
fn picture(browser: &mut Browser, name: &str) {
    let Some(folder) = std::env::var_os("DEMINER_PICTURES") else {
        return;
    };
    let text = browser.picture();
    let file = Path::new(&folder).join(format!("{name}.png.base64"));
    fs::write(file, text).expect("a place for the picture");
}

#[test]
fn nothing_that_a_host_wrote_does_anything() {
    if !Browser::is_there() {
        return;
    }
    let text = serde_json::to_string(&infected()).expect("JSON");
    let hostile = "<img src=x onerror=document.title='owned'></script><script>document.title='owned'</script>";
    let world = text.replace("/tmp/.x/", &format!("/tmp/{hostile}/"));
    assert_ne!(world, text);
    World::from_json(&world).expect("a world");
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("hostile.json");
    fs::write(&file, world).expect("written");
    let reviewed = Reviewed::of(&[&format!("simulated:{}", file.display())]);
    let mut browser = Browser::open(&reviewed.page);
    let text = browser.eval("document.body.innerText");
    assert!(
        text.as_str()
            .is_some_and(|text| text.contains("onerror=document.title")),
        "it is shown: {text}"
    );
    assert_eq!(browser.eval("document.querySelectorAll('img').length"), 0);
    let title = browser.eval("document.title");
    assert!(
        title.as_str().is_some_and(|title| title.contains("linux-miner")),
        "{title}"
    );
    browser.eval(&typed(NAME, "ana"));
    reviewed.approval(&mut browser);
    picture(&mut browser, "hostile");
    // What the page's own policy is for: a script that got in anyway would not run.
    browser.eval("(() => { const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"'; document.body.append(s); })()");
    assert_ne!(browser.eval("document.title"), "owned");
    assert!(
        browser
            .complaints
            .iter()
            .any(|told| told.contains("Content Security Policy")),
        "{:?}",
        browser.complaints
    );
    assert!(reviewed.folder.path().exists());
}

#[test]
fn what_a_plan_was_made_under_is_read_there_and_does_nothing() {
    if !Browser::is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("written");
        written(&file)
    };
    write("signers", "ada ssh-ed25519 AAAA\n");
    let hostile = "</script><img src=x onerror=document.title='owned'>";
    let environment = write(
        "prod.yml",
        &format!(
            "environment: prod\nvars: {{watch: 20m, ticket: \"{hostile}\"}}\ndisable: {{delete: \"{hostile}\"}}\npolicy:\n  \
             approvals: {{needed: {{contain: 1, destroy: 2}}, signers: signers}}\n  \
             windows: [mon-fri 22:00-05:00 +01:00]\n  protect: [/srv/shop]\n"
        ),
    );
    let words = ["simulated:infected", "--env", &environment];
    for (lang, expected) in [
        (
            "en",
            [
                "it leaves out `delete`",
                "removal only mon-fri 22:00-05:00 +01:00",
                "never /srv/shop",
                "watch = 20m (playbook: 5m)",
                "1 to contain, 2 to destroy, by the list ",
            ],
        ),
        (
            "zh",
            [
                "停用步骤 `delete`",
                "仅允许在 mon-fri 22:00-05:00 +01:00 清除",
                "绝不触碰 /srv/shop",
                "watch = 20m（剧本默认 5m）",
                "遏制 1 份，清除 2 份，依据签名人名单 ",
            ],
        ),
    ] {
        let playbook = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/two-places.yml");
        let reviewed = Reviewed::of_playbook(playbook, &words, lang);
        let mut browser = Browser::open(&reviewed.page);
        let facts = browser.eval("document.querySelector('.facts').innerText");
        let facts = facts.as_str().expect("text");
        let sha256 = reviewed.json["environment"]["sha256"].as_str().expect("a digest");
        for part in expected.into_iter().chain([sha256, "rules/own.yml", hostile]) {
            assert!(facts.contains(part), "{part}: {facts}");
        }
        // The whole of the environment, as the plan holds it.
        let text = browser.eval("document.querySelector('#environment pre').textContent");
        let written = fs::read_to_string(&environment).expect("the environment");
        assert_eq!(text.as_str(), Some(written.as_str()));
        assert_eq!(browser.eval("document.querySelectorAll('img').length"), 0);
        assert_ne!(browser.eval("document.title"), "owned");
        picture(&mut browser, &format!("environment-{lang}"));
        reviewed.assert_silent(&browser);
    }
}

#[test]
fn four_hundred_hosts() {
    if !Browser::is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("hosts.yml");
    let hosts: String = (1..=400)
        .map(|n| {
            let world = if n % 10 == 0 { "clean" } else { "infected" };
            format!("  web-{n:03}: {{connection: 'simulated:{world}'}}\n")
        })
        .collect();
    fs::write(&file, format!("hosts:\n{hosts}")).expect("written");
    let reviewed = Reviewed::of(&["-i", &written(&file)]);
    let mut browser = Browser::open(&reviewed.page);
    let groups = browser.eval("document.querySelectorAll('.group').length");
    assert!(
        groups.as_u64().is_some_and(|groups| groups <= 4),
        "equal hosts are one: {groups}"
    );
    browser.eval(&typed(NAME, "ana"));
    let (all, json) = reviewed.approval(&mut browser);
    assert_eq!(
        (all.hosts().count(), json["hosts"].as_object().map(serde_json::Map::len)),
        (400, Some(400))
    );

    // One host of many is left out.
    browser.eval("[...document.querySelectorAll('.hosts label')].find((label) => label.textContent.includes('web-007')).querySelector('input').click()");
    assert_eq!(browser.eval("document.querySelector('#download').disabled"), true);
    browser.eval(&typed(
        "document.querySelector('.reason input')",
        "it is the customer's",
    ));
    let (some, json) = reviewed.approval(&mut browser);
    assert_eq!(some.hosts().count(), 399);
    assert_eq!(json["reasons"], json!({"web-007": "it is the customer's"}));

    browser.eval(&typed("document.querySelector('input[type=search]')", "no such host"));
    assert_eq!(browser.eval("document.querySelectorAll('.group').length"), 0);
    browser.eval(&typed("document.querySelector('input[type=search]')", "web-010"));
    assert_eq!(browser.eval("document.querySelectorAll('.group').length"), 1);
    reviewed.assert_silent(&browser);
}

#[test]
fn what_the_page_gives_is_signed_and_carried_out() {
    if !Browser::is_there() {
        return;
    }
    let reviewed = Reviewed::of(&["simulated:infected", "--set", "watch=1s"]);
    let mut browser = Browser::open(&reviewed.page);
    browser.eval(&typed(NAME, "ana@example.org"));
    let (_, json) = reviewed.approval(&mut browser);
    let at = |name: &str| reviewed.folder.path().join(name);
    fs::write(
        at("approval"),
        browser.download("#download", &format!("{}.approval", reviewed.short())),
    )
    .expect("written");
    let keygen = |words: &[&str]| {
        let done = std::process::Command::new("ssh-keygen").args(words).output();
        assert!(done.expect("ssh-keygen is installed").status.success(), "{words:?}");
    };
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f", &written(&at("ana"))]);
    keygen(&[
        "-Y",
        "sign",
        "-n",
        "deminer-approval",
        "-f",
        &written(&at("ana")),
        &written(&at("approval")),
    ]);
    let public = fs::read_to_string(at("ana.pub")).expect("a key");
    fs::write(at("signers"), format!("ana@example.org {public}")).expect("written");
    fs::write(
        at("policy.yml"),
        "approvals: {needed: 1, signers: signers, unsigned: false}\n",
    )
    .expect("written");
    let (plan, approval, policy) = (
        written(&at("the.plan")),
        written(&at("approval")),
        written(&at("policy.yml")),
    );
    let words = [
        "apply",
        &plan,
        "--approval",
        &approval,
        "--policy",
        &policy,
        "--format",
        "json",
    ];
    let report = Deminer::new().run(&words).expect(0).json();
    assert_eq!(report["hosts"][0]["status"], "eradicated", "{report:#}");
    assert!(
        report["approval"].to_string().contains("ana@example.org"),
        "{:#}",
        report["approval"]
    );
    assert_eq!(json["means"], "review page");
}
