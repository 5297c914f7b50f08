//! How busy a host is: CPUs, memory, disks, temperatures, GPUs and who holds them.
//!
//! Shares are in hundredths of a per cent over the sample, sizes in bytes, temperatures in thousandths of a degree
//! Celsius.

use serde::{Deserialize, Serialize};

use crate::text::{HostBytes, HostPath, Wide};

/// What a host uses of what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resources {
    /// Milliseconds over which use was measured.
    pub sample_ms: u64,
    /// All CPUs together: 10000 is every one of them busy.
    pub cpu: CpuUse,
    /// Each CPU that is online, by number.
    pub cores: Vec<CoreUse>,
    /// Load over 1, 5 and 15 minutes, times 100.
    pub load_centi: [u32; 3],
    /// Memory.
    pub memory: MemoryUse,
    /// Whole disks, by name; partitions, loop and memory devices are left out.
    pub disks: Vec<Disk>,
    /// Mounted file systems that hold files, each once, by mount point.
    pub file_systems: Vec<FileSystem>,
    /// Sensors, by place.
    pub temperatures: Vec<Temperature>,
    /// Display and compute devices, by address.
    pub gpus: Vec<Gpu>,
    /// The processes that have a GPU's device open, by pid.
    pub gpu_holders: Vec<GpuHolder>,
}

/// What CPU time went to (proc_stat(5)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CpuUse {
    /// All but idle, waiting and stolen time.
    pub busy_centi: u32,
    /// Programs.
    pub user_centi: u32,
    /// Programs of low priority.
    pub nice_centi: u32,
    /// The kernel, interrupts included.
    pub system_centi: u32,
    /// Idle while a disk was waited for.
    pub wait_centi: u32,
    /// Wanted, but given to another virtual machine.
    pub stolen_centi: u32,
}

/// One CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoreUse {
    /// Its number.
    pub cpu: u32,
    /// What its time went to.
    pub used: CpuUse,
}

/// Memory (proc_meminfo(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemoryUse {
    /// All of it.
    pub total: Wide,
    /// Used for nothing.
    pub free: Wide,
    /// What a program could have without swapping.
    pub available: Wide,
    /// Buffers of block devices.
    pub buffers: Wide,
    /// Contents of files.
    pub cached: Wide,
    /// Shared memory and files in memory.
    pub shared: Wide,
    /// All swap.
    pub swap_total: Wide,
    /// Swap that is free.
    pub swap_free: Wide,
    /// Set aside as huge pages of any size; no process's resident size holds it.
    pub huge: Wide,
    /// Pools of huge pages, by size.
    pub huge_pages: Vec<HugePages>,
}

/// A pool of huge pages (Linux `admin-guide/mm/hugetlbpage`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HugePages {
    /// The bytes of one.
    pub page_bytes: Wide,
    /// Pages in the pool.
    pub total: u32,
    /// Pages that nobody has.
    pub free: u32,
}

/// One disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disk {
    /// `nvme0n1`, `sda`.
    pub name: HostBytes,
    /// Bytes read a second.
    pub read_per_s: Wide,
    /// Bytes written a second.
    pub written_per_s: Wide,
    /// The share of time in which it had something to do.
    pub busy_centi: u32,
}

/// One mounted file system (statfs(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileSystem {
    /// Where; the first of several mounts.
    pub point: HostPath,
    /// Its type.
    pub kind: String,
    /// What was mounted.
    pub source: HostBytes,
    /// All of it.
    pub size: Wide,
    /// In use.
    pub used: Wide,
    /// What an ordinary user can still write.
    pub available: Wide,
    /// Inodes; 0 where the file system makes them as it needs them.
    pub inodes: Wide,
    /// Inodes that are free.
    pub inodes_free: Wide,
}

/// One sensor (Linux `hwmon/sysfs-interface`, `driver-api/thermal/sysfs-api`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Temperature {
    /// The file that was read.
    pub source: HostPath,
    /// The chip and the sensor's own label: `coretemp Package id 0`, `x86_pkg_temp`.
    pub name: HostBytes,
    /// Now.
    pub milli_celsius: i32,
    /// From where on it is critical; `None` where the chip does not say.
    pub critical_milli_celsius: Option<i32>,
}

/// One display or compute device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gpu {
    /// Its address on the bus, `0000:01:00.0`; the card's name where it is on none.
    pub address: HostBytes,
    /// Vendor and device, `10de:2204`; empty where the bus has no such numbers.
    pub id: String,
    /// The driver; empty where none has it.
    pub driver: HostBytes,
    /// What the driver calls it; empty where it does not.
    pub model: HostBytes,
    /// Its names below `/sys/class/drm`.
    pub cards: Vec<HostBytes>,
    /// How busy it is now; `None` where the driver does not say (only amdgpu does without a program of the vendor).
    pub busy_centi: Option<u32>,
    /// Its own memory; `None` where the driver does not say.
    pub memory_total: Option<Wide>,
    /// What of that is in use.
    pub memory_used: Option<Wide>,
    /// The hottest of its sensors.
    pub milli_celsius: Option<i32>,
}

/// A process that has the device of a GPU open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GpuHolder {
    /// Its pid.
    pub pid: u32,
    /// Its start time.
    pub start_ticks: Wide,
    /// Its user.
    pub uid: u32,
    /// Its name.
    pub comm: HostBytes,
    /// The devices, as its descriptors name them.
    pub devices: Vec<HostPath>,
    /// The share of time in which its busiest engine worked for it (Linux `gpu/drm-usage-stats`); `None` where the driver
    /// does not say.
    pub busy_centi: Option<u32>,
    /// Bytes of device memory that it has; `None` where the driver does not say.
    pub memory: Option<Wide>,
}
