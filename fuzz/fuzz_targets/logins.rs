#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    deminer_modules::fuzzing::logins(data);
});
