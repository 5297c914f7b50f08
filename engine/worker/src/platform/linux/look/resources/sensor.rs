//! Temperatures, from `/sys/class/hwmon` (Linux `hwmon/sysfs-interface`) and `/sys/class/thermal`
//! (Linux `driver-api/thermal/sysfs-api`).

use std::sync::Arc;

use super::{names, small, text};
use crate::platform::linux::look::Scene;
use crate::platform::linux::look::crew::Report;
use crate::platform::linux::look::gaps::Gaps;
use crate::platform::linux::look::procfs::number;
use crate::query::{GapReason, Temperature};
use crate::text::HostPath;

/// Sensors that are told at most.
const SENSORS: usize = 1024;

/// Every sensor that has a value now, by place. A slow chip does not hold the others.
pub(super) fn temperatures(scene: &Arc<Scene>, gaps: &mut Gaps) -> Vec<Temperature> {
    let chips = names("/sys/class/hwmon")
        .into_iter()
        .map(|chip| format!("/sys/class/hwmon/{chip}"));
    let mut asked: Vec<Sensor> = chips.flat_map(|chip| chip_sensors(&chip)).collect();
    let zones = names("/sys/class/thermal")
        .into_iter()
        .filter(|name| name.starts_with("thermal_zone"));
    asked.extend(zones.map(|zone| Sensor::Zone(format!("/sys/class/thermal/{zone}"))));
    if asked.len() > SENSORS {
        asked.truncate(SENSORS);
        gaps.note("sensor", "", GapReason::TooMany);
    }
    let places: Vec<HostPath> = asked
        .iter()
        .map(|sensor| HostPath::from(sensor.source().as_str()))
        .collect();
    let harvest = scene
        .crew
        .run(asked, |sensor: &Sensor, report: &Report<Option<Temperature>>| {
            report.give(sensor.read())
        });
    for at in harvest.stuck {
        gaps.note("sensor", &places[at], GapReason::TimedOut);
    }
    let mut found: Vec<Temperature> = harvest.given.into_iter().filter_map(|(_, told)| told).collect();
    found.sort_by(|a, b| a.source.cmp(&b.source));
    found
}

/// The hottest sensor of the chips below a device.
pub(super) fn hottest_below(device: &str) -> Option<i32> {
    let chips = names(&format!("{device}/hwmon"));
    let chips = chips.iter().map(|chip| format!("{device}/hwmon/{chip}"));
    chips
        .flat_map(|chip| chip_sensors(&chip))
        .filter_map(|sensor| Some(sensor.read()?.milli_celsius))
        .max()
}

/// Where a temperature is read.
enum Sensor {
    /// A chip's directory, and the number of its sensor.
    Chip(String, u32),
    /// A zone's directory.
    Zone(String),
}

fn chip_sensors(chip: &str) -> Vec<Sensor> {
    let numbers = names(chip).into_iter().filter_map(|name| sensor_number(&name));
    numbers.map(|n| Sensor::Chip(chip.to_owned(), n)).collect()
}

/// The number in `temp1_input`.
pub(super) fn sensor_number(name: &str) -> Option<u32> {
    number(name.strip_prefix("temp")?.strip_suffix("_input")?.as_bytes())
}

impl Sensor {
    fn source(&self) -> String {
        match self {
            Sensor::Chip(chip, n) => format!("{chip}/temp{n}_input"),
            Sensor::Zone(zone) => format!("{zone}/temp"),
        }
    }

    /// What it says now; `None` where it is off or has no value.
    fn read(&self) -> Option<Temperature> {
        let milli = |path: String| milli_celsius(&small(&path)?);
        let source = self.source();
        let milli_celsius = milli(source.clone())?;
        let (name, critical) = match self {
            Sensor::Chip(chip, n) => {
                let own = small(&format!("{chip}/name")).unwrap_or_default();
                let label = small(&format!("{chip}/temp{n}_label")).unwrap_or_else(|| format!("temp{n}").into_bytes());
                ([own, label].join(&b' '), milli(format!("{chip}/temp{n}_crit")))
            }
            Sensor::Zone(zone) => (small(&format!("{zone}/type")).unwrap_or_default(), None),
        };
        Some(Temperature {
            source: HostPath::from(source.as_str()),
            name: text(&name),
            milli_celsius,
            critical_milli_celsius: critical,
        })
    }
}

/// A whole number with its sign; `None` for what no chip measures.
pub(super) fn milli_celsius(text: &[u8]) -> Option<i32> {
    let (digits, sign) = match text.strip_prefix(b"-") {
        Some(digits) => (digits, -1),
        None => (text, 1),
    };
    let value = i32::try_from(number(digits)?).ok()?;
    (value <= 1_000_000).then_some(value * sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_and_names() {
        let rows: [(&[u8], Option<i32>); 6] = [
            (b"45000", Some(45_000)),
            (b"-5000", Some(-5_000)),
            (b"", None),
            (b"--1", None),
            (b"4294967295", None),
            (b"45.0", None),
        ];
        for (text, expected) in rows {
            assert_eq!(milli_celsius(text), expected, "{text:?}");
        }
        assert_eq!(sensor_number("temp12_input"), Some(12));
        assert_eq!(sensor_number("temp1_crit"), None);
        assert_eq!(sensor_number("temp_input"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, name in ".{0,20}") {
            let _ = (milli_celsius(&bytes), sensor_number(&name));
        }
    }
}
