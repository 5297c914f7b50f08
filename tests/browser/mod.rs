//! A real browser without a window, spoken to over two pipes (the Chrome DevTools Protocol, `--remote-debugging-pipe`: one
//! JSON message after the other, each ended by a zero byte).

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = "/usr/bin/chromium";

/// What the browser is told. It is shut off from every network but the page's own file.
const WORDS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                     --disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage \
                     --host-resolver-rules='MAP * ~NOTFOUND' --window-size=1280,1600 --remote-debugging-pipe";

/// One browser with one page.
pub(crate) struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
    session: String,
    /// Everything that the page logged or threw, and every address that it asked for.
    pub(crate) complaints: Vec<String>,
    pub(crate) requests: Vec<String>,
    pub(crate) downloads: TempDir,
    _profile: TempDir,
}

impl Browser {
    /// Whether there is one; says so where there is none.
    pub(crate) fn is_there() -> bool {
        let is_there = Path::new(PROGRAM).exists();
        if !is_there {
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: {PROGRAM} is not installed (apt-get install chromium)"
            );
        }
        is_there
    }

    /// Opens a file in it.
    pub(crate) fn open(file: &Path) -> Browser {
        let (profile, downloads) = (
            tempfile::tempdir().expect("a directory"),
            tempfile::tempdir().expect("a directory"),
        );
        let line = format!(
            "exec {PROGRAM} {WORDS} --user-data-dir={} 3<&0 4>&1 </dev/null >/dev/null 2>&1",
            profile.path().display()
        );
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a browser");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut browser = Browser {
            child,
            input,
            output,
            next: 0,
            session: String::new(),
            complaints: Vec::new(),
            requests: Vec::new(),
            downloads,
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        let to = browser.downloads.path().display().to_string();
        browser.ask(
            "Page.setDownloadBehavior",
            json!({"behavior": "allow", "downloadPath": to}),
        );
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser.ask("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        browser.wait("document.readyState === 'complete'");
        browser
    }

    /// Sends a command and gives its answer; what happens meanwhile is noted.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).expect("the browser listens");
        self.input.flush().expect("the browser listens");
        loop {
            let mut line = Vec::new();
            self.output.read_until(0, &mut line).expect("the browser answers");
            assert!(!line.is_empty(), "the browser ended");
            line.pop();
            let answer: Value = serde_json::from_slice(&line).expect("JSON");
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                self.complaints.push(params.to_string());
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                self.requests.push(url.to_owned());
            }
            _ => {}
        }
    }

    /// What an expression gives in the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let given = json!({"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true});
        let answer = self.ask("Runtime.evaluate", given);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression holds in the page.
    #[track_caller]
    pub(crate) fn wait(&mut self, expression: &str) {
        let holds = crate::common::machine::wait_until(std::time::Duration::from_secs(60), || {
            self.eval(&format!("Boolean({expression})")) == true
        });
        assert!(
            holds,
            "{expression} does not come true; the page complains: {:?}",
            self.complaints
        );
    }

    /// The file that a click on this element downloads.
    #[track_caller]
    pub(crate) fn download(&mut self, element: &str, name: &str) -> Vec<u8> {
        let file = self.downloads.path().join(name);
        let _ = std::fs::remove_file(&file);
        self.eval(&format!("document.querySelector('{element}').click()"));
        let is_partial = |path: &Path| path.extension().is_some_and(|extension| extension == "crdownload");
        let there = crate::common::machine::wait_until(std::time::Duration::from_secs(60), || {
            let mut beside = std::fs::read_dir(self.downloads.path()).expect("ours").flatten();
            std::fs::metadata(&file).is_ok_and(|file| file.len() > 0) && !beside.any(|entry| is_partial(&entry.path()))
        });
        assert!(there, "{name} is not downloaded");
        let mut bytes = Vec::new();
        let mut open = std::fs::File::open(file).expect("it is there");
        open.read_to_end(&mut bytes).expect("it is whole");
        bytes
    }

    /// A picture of the page, as PNG in base64.
    pub(crate) fn picture(&mut self) -> String {
        let shot = self.ask("Page.captureScreenshot", json!({"format": "png"}));
        shot["data"].as_str().expect("a picture").to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked first: it takes its helpers with it.
        let _ = self.input.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let ended = || !matches!(self.child.try_wait(), Ok(None));
        if !crate::common::machine::wait_until(std::time::Duration::from_secs(10), ended) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
