//! The crate's module is known to playbooks beside those that are shipped, and looks at a host.

use deminer_engine::host::{HostView, Transport};
use deminer_engine::module::Registry;
use deminer_engine::playbook::{Sources, check};
use deminer_example_module::modules;
use deminer_worker::platform::simulated::{Simulated, World};
use serde_json::json;

struct Nothing;

impl Sources for Nothing {
    fn load(&self, _: &str) -> Option<String> {
        None
    }
}

const PLAYBOOK: &str = "playbook: memory\nversion: 1\nphases:\n  gather:\n    - {id: memory, use: memory.files}\n    - {assert: \
                        \"steps.memory.rows | length == 0\"}\n";

#[test]
fn a_playbook_may_use_it() {
    let registry = Registry::new(deminer_modules::all().into_iter().chain(modules()));
    assert!(check("memory.yml", PLAYBOOK, &registry, &Nothing).is_ok());
    let without = Registry::new(deminer_modules::all());
    assert!(check("memory.yml", PLAYBOOK, &without, &Nothing).is_err());
}

#[tokio::test]
async fn it_finds_what_runs_from_memory_and_nothing_else() {
    let world = World::from_json(
        r#"{"processes": [
            {"pid": 10, "comm": "nginx", "exe": "/usr/sbin/nginx", "argv": ["nginx"]},
            {"pid": 11, "comm": "kworker", "exe": "/memfd:x", "argv": ["kworker"]}]}"#,
    )
    .expect("a world");
    let link = Simulated::new(world).connect("node-1").await.expect("a world answers");
    let all = modules();
    let module = all.first().expect("one module");
    let ran = module
        .erased()
        .run(Some(&*link as &dyn HostView), json!({}))
        .await
        .expect("rows");
    assert_eq!(ran.output, json!({"rows": [{"pid": 11, "name": "kworker"}]}));
}
