//! `cargo xtask tidy`: the repository's own rules, as a test.
//!
//! It reads every file that git knows or would take, and looks at text alone: what a compiler
//! or clippy can say is theirs to say. One line for each breach, with file and line.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command;

/// Rust files in one folder, at most.
const FILES_MAX: usize = 12;

/// Runs every rule; fails if one is broken.
pub(crate) fn run() -> Result<()> {
    let (files, breaches) = look()?;
    for breach in &breaches {
        eprintln!("{breach}");
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the repository's rules", breaches.len());
    }
    eprintln!("tidy: {files} files follow the repository's rules");
    Ok(())
}

/// The number of files, and every breach.
fn look() -> Result<(usize, Vec<String>)> {
    let files = listed()?;
    let root = command::root();
    let mut contents = Vec::new();
    for path in &files {
        let bytes = std::fs::read(root.join(path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        contents.push((path, bytes));
    }
    let tests: BTreeSet<PathBuf> =
        contents.iter().flat_map(|(path, bytes)| test_files(path, bytes)).collect();
    let mut breaches = Vec::new();
    for (path, bytes) in &contents {
        rules::file(path, bytes, tests.contains(*path), &mut breaches);
    }
    folders(&files, &mut breaches);
    Ok((files.len(), breaches))
}

/// The files that this one declares as modules for tests alone.
fn test_files(path: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let Some(stem) = path.file_stem().filter(|_| path.extension().is_some_and(|e| e == "rs"))
    else {
        return Vec::new();
    };
    let top = ["lib", "main", "mod"].iter().any(|name| stem == *name);
    let folder = if top { folder.to_path_buf() } else { folder.join(stem) };
    let text = String::from_utf8_lossy(bytes);
    rules::test_modules(&text).map(|name| folder.join(format!("{name}.rs"))).collect()
}

/// Every file of the project, as git sees it: no build output, nothing ignored.
fn listed() -> Result<Vec<PathBuf>> {
    let mut git = command::program("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let text = command::text(&mut git).context("tidy needs the project's git checkout")?;
    let root = command::root();
    let exists = |path: &PathBuf| root.join(path).is_file();
    Ok(text.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).filter(exists).collect())
}

/// No folder may hold more Rust files than one takes in at a glance.
fn folders(files: &[PathBuf], breaches: &mut Vec<String>) {
    let mut counts: BTreeMap<&Path, usize> = BTreeMap::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        *counts.entry(path.parent().unwrap_or(Path::new(""))).or_default() += 1;
    }
    for (folder, count) in counts.into_iter().filter(|(_, count)| *count > FILES_MAX) {
        let folder = folder.display();
        breaches.push(format!("{folder}: {count} Rust files, more than {FILES_MAX}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_follows_its_rules() {
        let (files, breaches) = look().unwrap();
        assert!(files > 20, "git lists only {files} files");
        assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
    }

    #[test]
    fn modules_for_tests_alone_are_known_by_their_declaration() {
        let text = b"mod a;\n#[cfg(test)]\nmod fixture;\n#[cfg(test)]\nmod tests {\n";
        let files = |path: &str| test_files(Path::new(path), text);
        assert_eq!(files("sensor/src/lib.rs"), [Path::new("sensor/src/fixture.rs")]);
        assert_eq!(files("sensor/src/sql.rs"), [Path::new("sensor/src/sql/fixture.rs")]);
        assert!(files("README.md").is_empty());
    }

    #[test]
    fn a_full_folder_is_a_breach() {
        let names = |count: usize| (0..count).map(|n| format!("a/{n}.rs").into()).collect();
        let check = |files: Vec<PathBuf>| {
            let mut breaches = Vec::new();
            folders(&files, &mut breaches);
            breaches
        };
        assert!(check(names(FILES_MAX)).is_empty());
        assert_eq!(check(names(FILES_MAX + 1)), ["a: 13 Rust files, more than 12"]);
    }
}
