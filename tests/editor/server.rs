//! The language server, spoken to over its input and output (the Language Server Protocol: JSON with a length before it).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

const PROGRAM: &str = "target/editor/node_modules/yaml-language-server/bin/yaml-language-server";

/// A server that says nothing for so long has nothing more to say.
const LONGEST: Duration = Duration::from_secs(60);

/// One server with its open files.
pub(crate) struct Server {
    child: Child,
    input: ChildStdin,
    output: Receiver<Value>,
    next: u64,
    said: BTreeMap<String, Vec<Value>>,
}

impl Server {
    /// Starts it; says so where there is none.
    pub(crate) fn start() -> Option<Server> {
        let started = Path::new(PROGRAM).exists().then(|| {
            let mut node = Command::new("node");
            node.args([PROGRAM, "--stdio"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            node.spawn()
        });
        let Some(Ok(mut child)) = started else {
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no YAML language server below target/editor (tests/editor/install)"
            );
            return None;
        };
        let input = child.stdin.take().expect("an input");
        let mut reader = BufReader::new(child.stdout.take().expect("an output"));
        let (send, output) = channel();
        std::thread::spawn(move || {
            while let Some(message) = read(&mut reader) {
                if send.send(message).is_err() {
                    return;
                }
            }
        });
        let mut server = Server {
            child,
            input,
            output,
            next: 0,
            said: BTreeMap::new(),
        };
        let root = uri(".");
        server.request(
            "initialize",
            json!({
                "processId": null, "rootUri": root, "workspaceFolders": [{"uri": root, "name": "deminer"}],
                "capabilities": {"textDocument": {"hover": {"contentFormat": ["markdown"]}}},
            }),
        );
        server.notify("initialized", json!({}));
        // Nothing is fetched from anywhere: the schema is a file.
        let yaml = json!({"schemaStore": {"enable": false}, "validate": true, "hover": true, "completion": true});
        server.notify("workspace/didChangeConfiguration", json!({"settings": {"yaml": yaml}}));
        Some(server)
    }

    /// Opens a file with this content; gives what the server calls it.
    pub(crate) fn open(&mut self, file: &str, text: &str) -> String {
        let uri = uri(file);
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document}));
        uri
    }

    /// What is wrong with each of these files.
    pub(crate) fn diagnostics(&mut self, files: &[&String]) -> BTreeMap<String, Vec<Value>> {
        while let Some(waited_for) = files.iter().find(|file| !self.said.contains_key(**file)) {
            let message = self.output.recv_timeout(LONGEST);
            let message = message.unwrap_or_else(|error| panic!("{waited_for}: {error}"));
            self.heard(message);
        }
        std::mem::take(&mut self.said)
    }

    /// Asks about a place of a file; line and column from 0.
    pub(crate) fn ask(&mut self, what: &str, uri: &str, line: usize, column: usize) -> Value {
        let place = json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": column}});
        self.request(what, place)
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            match self.output.recv_timeout(LONGEST) {
                Ok(message) if message["id"] == id && message.get("method").is_none() => {
                    assert!(message.get("error").is_none(), "{method}: {message:#}");
                    return message["result"].clone();
                }
                Ok(message) => self.heard(message),
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: the server ended"),
            }
        }
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn heard(&mut self, message: Value) {
        if message["method"] == "textDocument/publishDiagnostics" {
            let told = &message["params"];
            let uri = told["uri"].as_str().expect("a file").to_owned();
            self.said
                .insert(uri, told["diagnostics"].as_array().cloned().unwrap_or_default());
        } else if message.get("method").is_some() && message.get("id").is_some() {
            // What the server asks of an editor has no answer here.
            self.send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": null}));
        }
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server reads");
        self.input.flush().expect("the server reads");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn uri(file: &str) -> String {
    let path = std::env::current_dir().expect("a directory").join(file);
    format!("file://{}", path.display())
}

/// One message; `None` at the end.
fn read(reader: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(digits) = line.strip_prefix("Content-Length: ") {
            length = digits.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
