#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    deminer_worker::fuzzing::host_journal(data);
    deminer_engine::fuzzing::captures(data);
    deminer_engine::fuzzing::files(data);
    deminer_engine::fuzzing::signatures(data);
});
