#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    deminer_modules::fuzzing::ssh_files(data);
});
