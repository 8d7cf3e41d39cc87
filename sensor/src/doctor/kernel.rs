//! The kernel: how old it is, and whether it takes the capture program.

use std::fs;

use ringtap_capture::Method;
use ringtap_capture::tcx::trial::Trial;
use ringtap_capture::xdp::load::{LoadError, Program};

use super::finding::{Finding, State};
use crate::config::Config;
use crate::plant::options;

/// The oldest that is tried out, and the first that does all (jumbo frames by XDP, TCX).
const TRIED: (u32, u32) = (6, 1);
const FULL: (u32, u32) = (6, 6);

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut found = vec![age(release.trim())];
    let jit = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").unwrap_or_default();
    found.extend(compiler(jit.trim()));
    if config.takes_nothing() && config.capture != Method::Packet {
        found.push(host_program(config));
    }
    if config.tries_xdp() && !config.interface.is_empty() {
        found.push(program(config));
        let free = fs::read_to_string("/proc/meminfo").ok().and_then(|text| huge_pages(&text));
        found.extend(pages(config.huge_pages, free));
    }
    found
}

/// `6.18.44-anything`
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn age(release: &str) -> Finding {
    let new = |state, what: String| Finding::new(state, "kernel", what);
    let what = format!("Linux {release}");
    match version(release) {
        Some(version) if version >= FULL => new(State::Ok, what),
        Some(version) if version >= TRIED => new(State::Note, what)
            .means("XDP takes no frames above 3.5 kB, and `mode = host` uses a packet socket")
            .advice("Linux 6.6 and later take jumbo frames, and have TCX"),
        Some(_) => new(State::Warning, what)
            .means("older than what is tried out (6.1)")
            .advice("upgrade the kernel"),
        None => new(State::Note, format!("unknown version `{release}`")),
    }
}

fn compiler(jit: &str) -> Option<Finding> {
    (jit == "0").then(|| {
        Finding::new(State::Warning, "kernel", "programs are interpreted, not compiled")
            .means("each frame costs several times as much")
            .advice("`sysctl -w net.core.bpf_jit_enable=1`")
    })
}

/// Huge pages that nobody has.
fn huge_pages(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("HugePages_Free:"))?;
    line.trim().parse().ok()
}

fn pages(wanted: bool, free: Option<u64>) -> Option<Finding> {
    (wanted && free == Some(0)).then(|| {
        Finding::new(State::Note, "kernel", "no huge pages are free")
            .means("sockets take small ones, which costs a little of the rate")
            .advice("`sysctl -w vm.nr_hugepages=N`: 16 for each queue, with `xdp_buffers = 8192`")
    })
}

/// Loads the program, attached to nothing.
fn program(config: &Config) -> Finding {
    let interface = config.interface.first().map_or("", String::as_str);
    let (options, _) = options::capture(config, interface, 0);
    match Program::load(&options.program) {
        Ok(program) => {
            let size = program.size().map_or(0, |size| size.instructions);
            let what = format!("takes the capture program, {size} instructions");
            Finding::new(State::Ok, "kernel", what)
        }
        Err(error) => refused(config.capture, &error),
    }
}

/// The same for the programs of a host's own interfaces.
fn host_program(config: &Config) -> Finding {
    let options = options::host(config);
    match Trial::new(&options.tcx.program, options.tcx.rings) {
        Ok(programs) => {
            let size = programs.size().map_or(0, |size| size.instructions);
            let what = format!("takes the host's capture programs, {size} instructions");
            Finding::new(State::Ok, "kernel", what)
        }
        Err(error) => {
            let auto = config.capture == Method::Auto;
            let state = if auto { State::Warning } else { State::Problem };
            let means = if auto { "a packet socket is taken instead" } else { "no capture by TCX" };
            let what = format!("does not take the host's capture programs ({error})");
            Finding::new(state, "kernel", what).means(means)
        }
    }
}

fn refused(capture: Method, error: &LoadError) -> Finding {
    // Without rights no other means is tried either.
    let falls_back = capture == Method::Auto && !matches!(error, LoadError::NotPermitted { .. });
    let state = if falls_back { State::Warning } else { State::Problem };
    let means = if falls_back { "a packet socket is taken instead" } else { "no capture by XDP" };
    let what = format!("does not take the capture program ({error})");
    let finding = Finding::new(state, "kernel", what).means(means);
    // What rights there must be, the error says.
    let is_right = matches!(error, LoadError::NotPermitted { .. });
    if is_right { finding } else { finding.advice("or set `capture = packet`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("6.1.0-28-cloud-amd64"), Some((6, 1)));
        assert_eq!(version("6.18-rc1"), Some((6, 18)));
        assert_eq!(version("strange"), None);
        let states = ["6.18.44", "6.1.0-28", "5.10.0", ""].map(|release| age(release).state);
        assert_eq!(states, [State::Ok, State::Note, State::Warning, State::Note]);
    }

    #[test]
    fn what_is_refused_depends_on_what_else_there_is() {
        let denied = LoadError::NotPermitted { what: "load" };
        assert_eq!(refused(Method::Auto, &denied).state, State::Problem);
        assert_eq!(refused(Method::Auto, &LoadError::NoObject).state, State::Warning);
        assert_eq!(refused(Method::Xdp, &LoadError::NoObject).state, State::Problem);
        assert_eq!(compiler("0").map(|one| one.state), Some(State::Warning));
        assert_eq!(compiler("1"), None);
        assert_eq!(huge_pages("MemFree: 1 kB\nHugePages_Free:       3\n"), Some(3));
        assert_eq!(pages(true, Some(0)).map(|one| one.state), Some(State::Note));
        assert_eq!(
            (pages(true, Some(1)), pages(false, Some(0)), pages(true, None)),
            (None, None, None)
        );
    }
}
