#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    deminer_worker::fuzzing::netlink(data);
});
