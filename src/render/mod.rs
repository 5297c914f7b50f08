//! stub
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    unused_variables,
    dead_code
)]
use deminer_engine::event::*;
use deminer_engine::journal::Journals;
#[derive(Clone)]
pub struct Screen;
pub struct Style;
impl Screen {
    pub fn new() -> Self {
        Screen
    }
    pub fn say(&self, t: &str) {
        println!("{t}")
    }
    pub fn json(&self, v: &serde_json::Value) {
        println!("{v}")
    }
    pub fn error(&self, w: &str, h: Option<&str>) {
        eprintln!("error: {w}");
        if let Some(h) = h {
            eprintln!("help: {h}")
        }
    }
    pub fn note(&self, t: &str) {
        eprintln!("{t}")
    }
    pub fn style(&self) -> Style {
        Style
    }
}
#[derive(Clone)]
pub struct ProgressSink(Journals);
impl ProgressSink {
    pub fn new(j: Journals, _: &Screen) -> Self {
        Self(j)
    }
    pub fn finish(&self) {}
}
impl EventSink for ProgressSink {
    fn record(&mut self, host: Option<&str>, kind: EventKind) -> Result<(), SinkError> {
        let t = format!("{kind:?}");
        eprintln!("~ {} {}", host.unwrap_or("-"), t.chars().take(260).collect::<String>());
        self.0.record(host, kind)
    }
}
pub mod plan {
    use super::*;
    use deminer_engine::plan::Plan;
    pub struct About<'a> {
        pub file: Option<&'a str>,
        pub took_ms: Option<u64>,
        pub now_ms: u64,
    }
    pub fn text(p: &Plan, _: &About<'_>, _: &Style) -> String {
        let mut s = String::new();
        for h in p.hosts() {
            s += &format!("{} {:?} {:?}\n", h.orders.host, h.verdict, h.end);
            for f in &h.findings {
                s += &format!(
                    "  {} {:?} {} {} {}\n",
                    f.id,
                    f.bearing,
                    f.points,
                    f.signal,
                    f.sentence()
                );
            }
            for a in &h.orders.actions {
                s += &format!(
                    "  {} {} {:?}\n",
                    a.id,
                    a.act.kind(),
                    a.act
                        .file()
                        .map(|f| f.path.to_string())
                        .or(a.act.process().map(|p| format!("{} {} {}", p.pid, p.comm, p.exe_path)))
                );
            }
            s += &format!(
                "left {:?}\n gaps {:?}\n envelope {:?} settle {:?}\n",
                h.left_alone.len(),
                h.gaps,
                h.orders.components,
                h.settle_because
            );
        }
        s += &format!("hash {}\n", p.hash());
        s
    }
    pub fn json(p: &Plan, _: Option<&str>) -> serde_json::Value {
        serde_json::json!({"hash":p.hash().to_string(),"hosts":p.hosts().map(|h|serde_json::json!({"host":h.orders.host,"verdict":h.verdict})).collect::<Vec<_>>(),"actions":p.hosts().flat_map(|h|h.orders.actions.iter().map(|a|serde_json::to_value(a).unwrap())).collect::<Vec<_>>()})
    }
}
pub mod show {
    use super::*;
    pub fn text(p: &deminer_engine::plan::Plan, a: &plan::About<'_>, s: &Style) -> String {
        plan::text(p, a, s)
    }
    pub fn action(p: &deminer_engine::plan::Plan, x: &str, s: &Style) -> Result<String, String> {
        Ok(String::new())
    }
}
pub mod report {
    use super::*;
    use deminer_engine::report::Report;
    pub fn text(r: &Report, _: &Style) -> String {
        serde_json::to_string_pretty(r).unwrap()
    }
    pub fn markdown(r: &Report) -> String {
        serde_json::to_string_pretty(r).unwrap()
    }
    pub fn json(r: &Report) -> serde_json::Value {
        serde_json::to_value(r).unwrap()
    }
    pub fn settled(r: &Report) -> String {
        String::from("settled")
    }
}
pub mod modules {
    use super::*;
    use deminer_engine::module::*;
    pub fn json(r: &Registry) -> serde_json::Value {
        serde_json::json!({})
    }
    pub fn list(r: &Registry, _: &Style) -> String {
        String::new()
    }
    pub fn one(m: &Module, _: &Style) -> String {
        String::new()
    }
    pub fn one_json(m: &Module) -> serde_json::Value {
        serde_json::json!({})
    }
}
