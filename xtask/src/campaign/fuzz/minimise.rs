//! Puts what is worth keeping into the committed corpus: a small set of inputs that together reach
//! what all reach.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::program::{INPUT_BYTES_MAX, Program};
use crate::command;
use crate::lab::process::Process;

/// What a committed corpus may hold at most.
const FILES_MAX: usize = 150;
const BYTES_MAX: u64 = 200 << 10;

/// Replaces the committed corpus by a minimal one, made of it and of what was found since.
pub(super) fn run(program: &Program) -> Result<()> {
    let committed = program.committed();
    let merged = program.folder("minimised")?;
    fs::remove_dir_all(&merged)
        .and_then(|()| fs::create_dir(&merged))
        .with_context(|| format!("cannot clear {}", merged.display()))?;
    let mut merge = program.command();
    merge.arg("-set_cover_merge=1").arg(&merged).arg(&committed).arg(program.folder("corpus")?);
    let line = command::shown(&merge);
    let mut process = Process::spawn(merge.stdout(Stdio::null()).stderr(Stdio::null()))?;
    if !process.wait()?.success() {
        bail!("`{line}` failed");
    }
    let kept = thin(sizes(&merged)?);
    if kept.is_empty() {
        bail!("nothing is left of the corpus of {}", program.name());
    }
    for (path, _) in sizes(&committed)? {
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    let mut bytes = 0;
    for (path, size) in &kept {
        let name = path.file_name().context("a file without a name")?;
        fs::copy(path, committed.join(name))
            .with_context(|| format!("cannot write into {}", committed.display()))?;
        bytes += size;
    }
    eprintln!("xtask: {}: {} inputs, {bytes} bytes", program.name(), kept.len());
    Ok(())
}

/// A folder's files with their sizes, small ones first.
fn sizes(folder: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        files.push((entry.path(), entry.metadata()?.len()));
    }
    files.sort_unstable_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
    Ok(files)
}

/// As many as the limits allow, of all sizes alike: long inputs reach what short ones do not.
fn thin(mut files: Vec<(PathBuf, u64)>) -> Vec<(PathBuf, u64)> {
    files.retain(|(_, size)| *size <= INPUT_BYTES_MAX as u64);
    let mut keep = files.len().min(FILES_MAX);
    loop {
        let places = (0..keep).map(|place| place * files.len() / keep);
        let picked: Vec<_> = places.filter_map(|place| files.get(place)).cloned().collect();
        if picked.iter().map(|(_, size)| size).sum::<u64>() <= BYTES_MAX {
            return picked;
        }
        keep -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_and_all_sizes_are_kept() {
        let files = |sizes: &[u64]| {
            let file = |(number, size): (usize, &u64)| (PathBuf::from(number.to_string()), *size);
            sizes.iter().enumerate().map(file).collect::<Vec<_>>()
        };
        assert_eq!(thin(files(&[1, 2, 5000])), files(&[1, 2]));
        assert!(thin(Vec::new()).is_empty());
        let many = thin(files(&(1..=400).map(|size| size * 10).collect::<Vec<_>>()));
        let bytes: u64 = many.iter().map(|(_, size)| size).sum();
        assert!(bytes <= BYTES_MAX && many.len() <= FILES_MAX);
        assert!(many.len() > 90 && many.last().is_some_and(|(_, size)| *size > 3900), "{many:?}");
    }
}
