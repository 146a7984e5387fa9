//! `cargo xtask bench micro`: the hot parts beside their floors, into `bench/MICRO.md`.

use std::fs;
use std::process::Command;

use crate::instructions::{build, program};
use crate::run::{output, root};
use crate::stages::Stages;

const TABLE: &str = "bench/MICRO.md";

const HEAD: &str = "# What the hot parts cost

Written by `cargo xtask bench micro`. Each part is measured in turns with its floor, what has to be done at least, by the thread's processor time;
times are medians of 41 samples of a millisecond, the ratio is the median of the ratios of samples that were taken together. All of it is in
the processor's cache, so memcpy is at its fastest. *GB/s* are bytes on the wire. What stands behind a line: `bench/micro/src/times.rs`.
";

pub(crate) fn micro(stages: &mut Stages) -> Result<(), String> {
    stages.run("build of what is measured", build)?;
    stages.run("micro-benchmarks", || {
        let table = output(Command::new(program()?).arg("times"))?;
        print!("{table}");
        fs::write(root().join(TABLE), format!("{HEAD}\n{}\n\n{table}", machine()?)).map_err(|error| format!("{TABLE}: {error}"))
    })
}

/// Where and when this is measured, in a line.
fn machine() -> Result<String, String> {
    let processors = fs::read_to_string("/proc/cpuinfo").map_err(|error| format!("/proc/cpuinfo: {error}"))?;
    let date = output(Command::new("date").arg("+%F"))?;
    let kernel = output(Command::new("uname").arg("-sr"))?;
    let compiler = output(Command::new("rustc").arg("--version"))?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    let parts = [date.trim(), &processor(&processors), kernel.trim(), compiler.trim(), &format!("load {load}")].join(", ");
    Ok(format!("{parts}."))
}

/// The processors' number and name.
fn processor(cpuinfo: &str) -> String {
    let names: Vec<_> = cpuinfo.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": ")).collect();
    names.first().map_or("a processor without a name".to_owned(), |(_, name)| format!("{} x {name}", names.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_and_named() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name\t: AMD EPYC\n";
        assert_eq!(processor(cpuinfo), "2 x AMD EPYC");
        assert_eq!(processor("Hardware : something"), "a processor without a name");
    }
}
