//! The machine that is measured on, from /proc and /sys.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::sleep;

/// How long the machine is looked at before a figure.
const LOOK: Duration = Duration::from_millis(500);
/// How long a busy machine is waited for before a figure is taken all the same.
const PATIENCE: u32 = 20;
/// Busier than this with other things, a figure is marked.
pub(crate) const BUSY: f64 = 0.1;
/// Units of processor time a second in /proc; the same on every Linux that we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// What stands at the head of a report.
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) load: String,
    pub(crate) date: String,
}

impl Machine {
    pub(crate) fn look() -> anyhow::Result<Self> {
        let info = fs::read_to_string("/proc/cpuinfo")?;
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.trim().to_owned())
        };
        let kernel = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}"));
        let memory = fs::read_to_string("/proc/meminfo")?;
        let memory_kib = memory.split_whitespace().nth(1).context("/proc/meminfo")?.parse::<f64>()?;
        Ok(Self {
            processor: field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: info.lines().filter(|line| line.starts_with("processor")).count(),
            memory_gib: memory_kib / 1024.0 / 1024.0,
            kernel: format!("{} {}", kernel("ostype")?.trim(), kernel("osrelease")?.trim()),
            load: fs::read_to_string("/proc/loadavg")?.split(' ').take(3).collect::<Vec<_>>().join(" "),
            date: today()?,
        })
    }
}

/// Today, as the `date` program writes it.
fn today() -> anyhow::Result<String> {
    let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Waits until the machine is quiet, at most 10 seconds; gives the share of all processor time that
/// others used at last, 0 to 1. To be called while nothing of ours works.
pub(crate) async fn settle() -> anyhow::Result<f64> {
    let mut busy = 1.0;
    for _ in 0..PATIENCE {
        let before = Processors::read()?;
        sleep(LOOK).await;
        busy = Processors::read()?.busy_since(&before);
        if busy < BUSY {
            break;
        }
    }
    Ok(busy)
}

struct Processors {
    busy: f64,
    idle: f64,
}

impl Processors {
    fn read() -> anyhow::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().context("/proc/stat")?;
        let times: Vec<f64> = line.split_whitespace().skip(1).filter_map(|text| text.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guest times are in the first two.
        let idle: f64 = times.iter().skip(3).take(2).sum();
        Ok(Self { busy: times.iter().take(8).sum::<f64>() - idle, idle })
    }

    fn busy_since(&self, before: &Self) -> f64 {
        let (busy, idle) = (self.busy - before.busy, self.idle - before.idle);
        busy / (busy + idle).max(1.0)
    }
}

/// User and system time of a process with all its threads so far, in seconds. A step is 10 ms.
pub(crate) fn processor_seconds(process: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // After the name, which is in brackets and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').context("/proc/PID/stat")?.1.split_whitespace().collect();
    let ticks = |index: usize| -> anyhow::Result<f64> {
        Ok(fields.get(index).context("/proc/PID/stat")?.parse::<f64>()?)
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// Whether a process has children.
pub(crate) fn has_children(process: u32) -> anyhow::Result<bool> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may have ended meanwhile.
        let children = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        if !children.trim().is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The memory of a process in bytes, shared pages counted in proportion (PSS).
pub(crate) fn memory_bytes(process: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| {
        format!("{path} cannot be read: the process is shielded from others of its user; run this as root")
    })?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss in smaps_rollup")?;
    let kib: f64 = line.split_whitespace().next().context("no number after Pss")?.parse()?;
    Ok(kib * 1024.0)
}

/// The bytes that a process caused to be written to disks so far.
pub(crate) fn written_bytes(process: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/io");
    let text =
        fs::read_to_string(&path).with_context(|| format!("{path} cannot be read; run this as root"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:")).context("no write_bytes")?;
    Ok(line.trim().parse()?)
}
