//! GPUs, from `/sys/bus/pci` and `/sys/class/drm`, and the processes that have one of their devices open.
//!
//! A device is known by its number, not by its name: a node that an intruder made elsewhere counts as well. How busy a
//! GPU is, only amdgpu tells in `/sys` (Linux `gpu/amdgpu/thermal`); the drivers of the kernel tell it for each process
//! (Linux `gpu/drm-usage-stats`), NVIDIA's own driver tells neither.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, StatxFlags, statat, statx};
use rustix::io::Errno;

use super::{names, sensor, share, small, text};
use crate::platform::linux::look::Scene;
use crate::platform::linux::look::crew::Report;
use crate::platform::linux::look::gaps::{Gaps, pid_object};
use crate::platform::linux::look::process::stat::{parse_stat, parse_status};
use crate::platform::linux::look::procfs::{PidDir, Proc, for_each_name, number, read_link, wide};
use crate::query::{GapReason, Gpu, GpuHolder, HostError};
use crate::text::{HostBytes, HostPath, Wide};

const PCI: &str = "/sys/bus/pci/devices";
const DRM: &str = "/sys/class/drm";

/// Devices that are told at most.
const GPUS: usize = 256;

/// The devices of one process that are told at most.
const DEVICES: usize = 64;

/// The PCI classes of displays and of processing accelerators (PCI Code and ID Assignment Specification).
const CLASSES: [&[u8]; 2] = [b"0x03", b"0x12"];

/// Drivers of character devices that lead to a GPU, as `/proc/devices` names them, by the beginning.
const DRIVERS: [&[u8]; 5] = [b"nvidia", b"drm", b"kfd", b"accel", b"habanalabs"];

/// What a process had to do with GPUs at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    start_ticks: u64,
    uid: u32,
    comm: Vec<u8>,
    devices: BTreeSet<Vec<u8>>,
    usage: Usage,
}

/// What drivers say of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Nanoseconds by engine; empty where the driver does not say.
    engines: BTreeMap<Vec<u8>, u64>,
    memory: Option<u64>,
    /// Clients that were counted: several descriptors may show one.
    clients: BTreeSet<Vec<u8>>,
}

/// The numbers of the drivers that lead to a GPU, from `/proc/devices`.
pub(super) fn device_majors(bytes: &[u8]) -> BTreeSet<u32> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let characters = lines.by_ref().skip_while(|line| !line.starts_with(b"Character"));
    let rows = characters.skip(1).take_while(|line| !line.is_empty());
    rows.filter_map(|line| {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let major = number(words.next()?)?;
        let name = words.next()?;
        DRIVERS.iter().any(|driver| name.starts_with(driver)).then_some(major)
    })
    .collect()
}

/// Who has a device of these numbers open now.
pub(super) fn holders(
    scene: &Arc<Scene>,
    proc: &Arc<Proc>,
    majors: &BTreeSet<u32>,
    gaps: &mut Gaps,
) -> Result<BTreeMap<u32, Held>, HostError> {
    if majors.is_empty() {
        return Ok(BTreeMap::new());
    }
    let pids = proc.pids(gaps)?;
    let (reading, majors) = (proc.clone(), majors.clone());
    let harvest = scene.crew.run(
        pids.clone(),
        move |pid: &u32, report: &Report<Result<Held, Errno>>| match held(&reading, *pid, &majors) {
            Ok(None) | Err(Errno::NOENT | Errno::SRCH) => {}
            Ok(Some(held)) => report.give(Ok(held)),
            Err(errno) => report.give(Err(errno)),
        },
    );
    let mut holders = BTreeMap::new();
    for (at, told) in harvest.given {
        match told {
            Ok(held) => drop(holders.insert(pids[at], held)),
            Err(errno) => gaps.errno("fds", pid_object(pids[at]), errno),
        }
    }
    for at in harvest.stuck {
        gaps.note("fds", pid_object(pids[at]), GapReason::TimedOut);
    }
    Ok(holders)
}

fn held(proc: &Proc, pid: u32, majors: &BTreeSet<u32>) -> Result<Option<Held>, Errno> {
    let dir = proc.shared(pid)?;
    let table = dir.list(c"fd")?;
    let (mut devices, mut usage) = (BTreeSet::new(), Usage::default());
    for_each_name(&table, |name| {
        if let Some(link) = device_link(&table, name, majors) {
            if devices.len() < DEVICES {
                devices.insert(link);
            }
            let mut bytes = Vec::new();
            let file = std::ffi::CString::new([b"fdinfo/", name].concat());
            if file.is_ok_and(|file| dir.read(&file, 16 << 10, &mut bytes).is_ok()) {
                usage.add(&bytes);
            }
        }
        true
    })?;
    if devices.is_empty() {
        return Ok(None);
    }
    named(&dir, devices, usage).map(Some)
}

fn named(dir: &PidDir, devices: BTreeSet<Vec<u8>>, usage: Usage) -> Result<Held, Errno> {
    let mut bytes = Vec::new();
    dir.read_piece(c"stat", 4096, &mut bytes)?;
    let stat = parse_stat(&bytes).ok_or(Errno::INVAL)?;
    dir.read_piece(c"status", 64 << 10, &mut bytes)?;
    Ok(Held {
        start_ticks: stat.start_ticks,
        uid: parse_status(&bytes).uid.ok_or(Errno::INVAL)?,
        comm: stat.comm,
        devices,
        usage,
    })
}

/// What a descriptor's link says, where it leads to a character device of one of these numbers.
fn device_link(table: &OwnedFd, name: &[u8], majors: &BTreeSet<u32>) -> Option<Vec<u8>> {
    let name = std::ffi::CString::new(name).ok()?;
    let link = read_link(table, &name).ok()?;
    if !link.starts_with(b"/") {
        return None;
    }
    // Of a file on a dead server, what is known without asking it is enough.
    let found = statx(
        table,
        &name,
        AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT,
        StatxFlags::TYPE,
    );
    let (mode, major) = match found {
        Ok(found) => (u32::from(found.stx_mode), found.stx_rdev_major),
        Err(Errno::NOSYS) => {
            let found = statat(table, &name, AtFlags::empty()).ok()?;
            (found.st_mode, rustix::fs::major(found.st_rdev))
        }
        Err(_) => return None,
    };
    let is_device = FileType::from_raw_mode(mode) == FileType::CharacterDevice;
    (is_device && majors.contains(&major)).then_some(link)
}

impl Usage {
    /// Takes in the text of one `fdinfo` file; nothing where it is of no driver that counts, or of a client that was
    /// counted before.
    pub(super) fn add(&mut self, fdinfo: &[u8]) {
        let lines = || {
            fdinfo.split(|byte| *byte == b'\n').take(1024).filter_map(|line| {
                let colon = line.iter().position(|byte| *byte == b':')?;
                Some((&line[..colon], line[colon + 1..].trim_ascii()))
            })
        };
        let client = lines().find(|(key, _)| *key == b"drm-client-id");
        let device = lines()
            .find(|(key, _)| *key == b"drm-pdev")
            .map_or(&b""[..], |(_, value)| value);
        if let Some((_, client)) = client
            && !self.clients.insert([device, b" ", client].concat())
        {
            return;
        }
        for (key, value) in lines() {
            let mut words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
            let Some(value) = words.next().and_then(wide) else {
                continue;
            };
            let unit = words.next().unwrap_or_default();
            if let Some(engine) = key.strip_prefix(b"drm-engine-")
                && unit == b"ns"
            {
                let engine = self.engines.entry([device, b" ", engine].concat()).or_default();
                *engine = engine.saturating_add(value);
            }
            // amdgpu's word for it, and i915's and xe's.
            if key == b"drm-memory-vram" || key.starts_with(b"drm-total-vram") || key.starts_with(b"drm-total-local") {
                let bytes = match unit {
                    b"KiB" => value.saturating_mul(1 << 10),
                    b"MiB" => value.saturating_mul(1 << 20),
                    _ => value,
                };
                self.memory = Some(self.memory.unwrap_or(0).saturating_add(bytes));
            }
        }
    }
}

/// The holders as they travel, by pid, each with its share of the time between two looks.
pub(super) fn shares(
    before: Option<&BTreeMap<u32, Held>>,
    after: BTreeMap<u32, Held>,
    elapsed_ms: u64,
) -> Vec<GpuHolder> {
    let elapsed_ns = elapsed_ms.saturating_mul(1_000_000);
    let holder = |(pid, now): (u32, Held)| {
        let then = before
            .and_then(|before| before.get(&pid))
            .filter(|then| then.start_ticks == now.start_ticks);
        let busiest = then.and_then(|then| {
            let spent = now.usage.engines.iter().map(|(engine, ns)| {
                let then = then.usage.engines.get(engine).copied().unwrap_or(*ns);
                ns.saturating_sub(then)
            });
            spent.max()
        });
        GpuHolder {
            pid,
            start_ticks: Wide(now.start_ticks),
            uid: now.uid,
            comm: HostBytes::new(now.comm),
            devices: now.devices.into_iter().map(HostPath::new).collect(),
            busy_centi: busiest.filter(|_| elapsed_ns > 0).map(|ns| share(ns, elapsed_ns)),
            memory: now.usage.memory.map(Wide),
        }
    };
    after.into_iter().map(holder).collect()
}

/// Every display and compute device, by address.
pub(super) fn gpus(scene: &Arc<Scene>, gaps: &mut Gaps) -> Vec<Gpu> {
    let is_gpu = |address: &String| {
        let class = small(&format!("{PCI}/{address}/class")).unwrap_or_default();
        CLASSES.iter().any(|of_gpus| class.starts_with(of_gpus))
    };
    let mut devices: Vec<Device> = names(PCI).into_iter().filter(is_gpu).map(Device::Pci).collect();
    // A card that is on no PCI bus, as in a system on a chip.
    let cards = names(DRM).into_iter().filter(|name| is_card(name.as_bytes()));
    let elsewhere = cards.filter(|card| {
        let link = std::fs::read_link(format!("{DRM}/{card}")).unwrap_or_default();
        !link.to_string_lossy().contains("/pci")
    });
    devices.extend(elsewhere.map(Device::Card));
    if devices.len() > GPUS {
        devices.truncate(GPUS);
        gaps.note("gpu", "", GapReason::TooMany);
    }
    let addresses: Vec<HostBytes> = devices.iter().map(|device| HostBytes::from(device.address())).collect();
    let harvest = scene.crew.run(devices, |device: &Device, report: &Report<Gpu>| {
        report.give(device.read())
    });
    for at in harvest.stuck {
        gaps.note("gpu", addresses[at].clone(), GapReason::TimedOut);
    }
    let mut found: Vec<Gpu> = harvest.given.into_iter().map(|(_, gpu)| gpu).collect();
    found.sort_by(|a, b| a.address.cmp(&b.address));
    for gpu in found
        .iter()
        .filter(|gpu| gpu.busy_centi.is_none() && !gpu.driver.is_empty())
    {
        gaps.note("gpu", gpu.address.clone(), GapReason::Unsupported);
    }
    found
}

/// Where a device is found.
enum Device {
    Pci(String),
    Card(String),
}

impl Device {
    fn address(&self) -> &str {
        match self {
            Device::Pci(name) | Device::Card(name) => name,
        }
    }

    fn read(&self) -> Gpu {
        let path = match self {
            Device::Pci(address) => format!("{PCI}/{address}"),
            Device::Card(card) => format!("{DRM}/{card}/device"),
        };
        let number_at = |name: &str| small(&format!("{path}/{name}")).and_then(|text| wide(&text));
        let driver = std::fs::read_link(format!("{path}/driver")).unwrap_or_default();
        let driver = driver.file_name().unwrap_or_default().as_encoded_bytes();
        let id = |name: &str| small(&format!("{path}/{name}")).as_deref().and_then(pci_id);
        let cards = match self {
            Device::Pci(_) => names(&format!("{path}/drm")),
            Device::Card(card) => vec![card.clone()],
        };
        let cards = cards.into_iter().filter(|name| is_card(name.as_bytes()));
        Gpu {
            address: HostBytes::from(self.address()),
            id: id("vendor")
                .zip(id("device"))
                .map_or_else(String::new, |(vendor, device)| format!("{vendor}:{device}")),
            driver: text(driver),
            model: text(&self.model(&path)),
            cards: cards.map(|card| HostBytes::from(card.as_str())).collect(),
            busy_centi: number_at("gpu_busy_percent")
                .and_then(|percent| u32::try_from(percent).ok())
                .map(|percent| percent.min(100) * 100),
            memory_total: number_at("mem_info_vram_total").map(Wide),
            memory_used: number_at("mem_info_vram_used").map(Wide),
            milli_celsius: sensor::hottest_below(&path),
        }
    }

    /// amdgpu's word, or that of NVIDIA's driver.
    fn model(&self, path: &str) -> Vec<u8> {
        small(&format!("{path}/product_name"))
            .or_else(|| {
                nvidia_model(&small(&format!(
                    "/proc/driver/nvidia/gpus/{}/information",
                    self.address()
                ))?)
            })
            .unwrap_or_default()
    }
}

/// `card0` and no connector of it (`card0-HDMI-A-1`), no `renderD128`.
pub(super) fn is_card(name: &[u8]) -> bool {
    name.strip_prefix(b"card").is_some_and(|number| wide(number).is_some())
}

/// The four digits of `0x10de`.
pub(super) fn pci_id(text: &[u8]) -> Option<String> {
    let digits = text.strip_prefix(b"0x")?;
    let fits = digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit);
    fits.then(|| {
        digits
            .iter()
            .map(|digit| char::from(digit.to_ascii_lowercase()))
            .collect()
    })
}

/// The line `Model:` of `/proc/driver/nvidia/gpus/ADDRESS/information`.
pub(super) fn nvidia_model(bytes: &[u8]) -> Option<Vec<u8>> {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Model:"))?;
    Some(line.trim_ascii().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEVICES_TEXT: &[u8] =
        b"Character devices:\n  1 mem\n195 nvidia-frontend\n226 drm\n234 kfd\n 10 misc\n238 nvidia-uvm\n\n\
        Block devices:\n  7 loop\n226 drm\n";
    const FDINFO: &[u8] = b"pos:\t0\nflags:\t02100002\ndrm-driver:\tamdgpu\ndrm-client-id:\t37\ndrm-pdev:\t0000:03:00.0\n\
        drm-memory-vram:\t2048 KiB\ndrm-engine-gfx:\t1000000 ns\ndrm-engine-compute:\t250000000 ns\ndrm-engine-capacity-gfx:\t1\n";

    fn held(compute_ns: u64) -> Held {
        let mut usage = Usage::default();
        usage.add(FDINFO);
        usage.add(FDINFO);
        for ns in usage.engines.values_mut() {
            *ns = compute_ns;
        }
        Held {
            start_ticks: 7,
            uid: 1000,
            comm: b"x".to_vec(),
            devices: BTreeSet::from([b"/dev/dri/renderD128".to_vec()]),
            usage,
        }
    }

    #[test]
    fn which_numbers_lead_to_a_gpu() {
        assert_eq!(device_majors(DEVICES_TEXT), BTreeSet::from([195, 226, 234, 238]));
        assert!(device_majors(b"Block devices:\n226 drm\n").is_empty());
    }

    #[test]
    fn a_client_with_two_descriptors_counts_once() {
        let mut usage = Usage::default();
        usage.add(FDINFO);
        usage.add(FDINFO);
        usage.add(b"pos:\t0\nflags:\t0\n");
        assert_eq!(usage.memory, Some(2 << 20));
        assert_eq!(usage.engines.get(&b"0000:03:00.0 compute"[..]), Some(&250_000_000));
        assert_eq!(usage.engines.len(), 2, "a capacity is no engine");
    }

    #[test]
    fn shares_over_a_sample() {
        let before = BTreeMap::from([(9, held(1_000_000_000))]);
        let told = shares(
            Some(&before),
            BTreeMap::from([(9, held(1_500_000_000)), (10, held(5))]),
            1000,
        );
        assert_eq!(
            told.iter().map(|h| h.busy_centi).collect::<Vec<_>>(),
            [Some(5000), None]
        );
        let other = Held {
            start_ticks: 8,
            ..held(9)
        };
        assert_eq!(
            shares(Some(&before), BTreeMap::from([(9, other)]), 1000)[0].busy_centi,
            None
        );
    }

    #[test]
    fn names_and_numbers() {
        assert!(is_card(b"card0") && !is_card(b"card0-HDMI-A-1") && !is_card(b"renderD128") && !is_card(b"card"));
        assert_eq!(pci_id(b"0x10DE").as_deref(), Some("10de"));
        assert_eq!(pci_id(b"0x10de0"), None);
        let text = b"Model: \t\t NVIDIA GeForce RTX 3090\nIRQ:   \t\t 100\n";
        assert_eq!(nvidia_model(text).unwrap(), b"NVIDIA GeForce RTX 3090");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, line in "drm-(engine|memory|total)-[a-z0]{0,8}:\t[0-9]{0,20} (ns|KiB|MiB)?") {
            let _ = (device_majors(&bytes), is_card(&bytes), pci_id(&bytes), nvidia_model(&bytes));
            let mut usage = Usage::default();
            usage.add(&bytes);
            usage.add(line.as_bytes());
            usage.add([&bytes[..], b"\n", line.as_bytes()].concat().as_slice());
            prop_assert!(usage.engines.len() <= 2048);
        }
    }
}
