#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    deminer_worker::fuzzing::condemned_lines(data);
    deminer_worker::fuzzing::taken_lines(data);
});
