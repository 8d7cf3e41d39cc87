//! The rules for one file.
//!
//! They read lines, not syntax: good enough for honest authors, not a defence.

use std::path::Path;

/// Lines in a Rust file, at most.
const LINES_MAX: usize = 600;
/// Columns in a line of Rust, at most.
const COLUMNS_MAX: usize = 100;
/// How far above an `unsafe` its proof may begin.
const PROOF_LINES: usize = 12;

/// Where unsafe code may be, as beginnings of paths.
const UNSAFE_PLACES: [&str; 6] = [
    "ebpf/",
    "sensor/crates/capture/",
    "sensor/crates/spool/src/map",
    "sensor/crates/testkit/",
    "sensor/tests/",
    "benches/src/",
];
/// Inputs of fuzzing: any bytes, told apart by nothing but what they make the code do.
const INPUTS: &str = "fuzz/corpus/";
/// Whose code runs for users, and therefore must not panic on a whim.
const SHIPPED: [&str; 3] = ["common/src/", "ebpf/src/", "sensor/"];
/// Words that mean a thing is not finished. Put together here, so that this file passes.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
/// Beginnings of paths that only exist on somebody's own machine.
const MACHINE_PATHS: [&str; 3] =
    [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];
/// The lint exception that needs no reason and never expires.
const ALLOW: [&str; 2] = [concat!("#[al", "low("), concat!("#![al", "low(")];
/// The keyword.
const UNSAFE: &str = "unsafe";
/// Calls that panic.
const PANICS: [&str; 2] = [concat!(".unw", "rap()"), concat!(".exp", "ect(\"")];

/// The modules that a file declares for tests alone, by name.
pub(super) fn test_modules(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().zip(text.lines().skip(1));
    lines.filter(|(line, _)| line.trim() == "#[cfg(test)]").filter_map(|(_, next)| {
        let (_, name) = next.trim().strip_suffix(';')?.rsplit_once("mod ")?;
        Some(name)
    })
}

/// Applies every rule to one file.
///
/// `test_only` says that the whole file is compiled for tests alone.
pub(super) fn file(path: &Path, bytes: &[u8], test_only: bool, breaches: &mut Vec<String>) {
    if path.starts_with(INPUTS) {
        return;
    }
    let shown = path.display();
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) else {
        breaches.push(format!("{shown}: not text; binaries are built, not committed"));
        return;
    };
    let mut say = |line: usize, what: &str| breaches.push(format!("{shown}:{line}: {what}"));
    for (number, line) in numbered(text) {
        if UNFINISHED.iter().any(|word| line.contains(word)) {
            say(number, "marks something as unfinished");
        }
        if MACHINE_PATHS.iter().any(|path| is_path_start(line, path)) {
            say(number, "a path of one particular machine");
        }
    }
    if path.extension().is_some_and(|extension| extension == "rs") {
        rust(&shown.to_string(), text, test_only, &mut say);
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Whether a path begins with `start` in the line, rather than containing it further on.
fn is_path_start(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}*".contains(c))
    })
}

/// The rules for Rust.
fn rust(path: &str, text: &str, test_only: bool, say: &mut impl FnMut(usize, &str)) {
    if !text.starts_with("//!") {
        say(1, "does not open with `//!` and the file's duty");
    }
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > LINES_MAX {
        say(lines.len(), "more than 600 lines");
    }
    let shipped =
        SHIPPED.iter().any(|start| path.starts_with(start)) && !test_only && !is_test_file(path);
    let tests_from = lines
        .windows(2)
        .position(|two| two[0].trim() == "#[cfg(test)]" && two[1].ends_with('{'))
        .unwrap_or(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let number = index + 1;
        if line.chars().count() > COLUMNS_MAX {
            say(number, "more than 100 columns");
        }
        let code = code_of(line);
        if ALLOW.iter().any(|exception| code.contains(exception)) {
            say(number, "use #[expect(…, reason = \"…\")]");
        }
        if shipped && index < tests_from && PANICS.iter().any(|call| code.contains(call)) {
            say(number, "may panic outside of tests");
        }
        if has_unsafe(code) {
            if !UNSAFE_PLACES.iter().any(|start| path.starts_with(start)) {
                say(number, "unsafe code has no place here");
            } else if !has_proof(&lines[index.saturating_sub(PROOF_LINES)..=index]) {
                say(number, "unsafe code without its SAFETY comment");
            }
        }
    }
}

/// Files that are tests as a whole.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.contains("/examples/")
        || path.contains("/tests/")
        || path.contains("/benches/")
        || path.starts_with("sensor/crates/testkit/")
}

/// The line without its comment.
fn code_of(line: &str) -> &str {
    let line = line.trim_start();
    if line.starts_with("//") { "" } else { line.split(" // ").next().unwrap_or(line) }
}

/// Whether the code has the keyword `unsafe` before a block, an `impl` or an `extern`. Functions
/// say their conditions in their documentation, and attributes (`#[unsafe(…)]`) prove nothing.
fn has_unsafe(code: &str) -> bool {
    code.match_indices(UNSAFE).any(|(at, word)| {
        let before = code[..at].chars().next_back();
        let rest = code[at + word.len()..].trim_start();
        let whole = code[at + word.len()..].starts_with(' ')
            && !before.is_some_and(|c| c.is_alphanumeric() || "_\"`".contains(c));
        whole && ["{", "impl", "extern"].iter().any(|next| rest.starts_with(next))
    })
}

fn has_proof(lines: &[&str]) -> bool {
    lines.iter().any(|line| line.contains("SAFETY:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let mut breaches = Vec::new();
        file(Path::new(path), text.as_bytes(), false, &mut breaches);
        assert_eq!(breaches, expected);
    }

    #[test]
    fn a_good_file_passes() {
        let text = "//! Duty.\n\n/// Calls `x.unwrap()`.\nfn f() {}\n#[cfg(test)]\nmod t {\n\
            fn t() { None::<u8>.unwrap(); }\n}\n";
        check("sensor/src/a.rs", text, &[]);
    }

    #[test]
    fn the_header_and_the_size_are_checked() {
        check("a.rs", "fn f() {}\n", &["a.rs:1: does not open with `//!` and the file's duty"]);
        let long = format!("//! Duty.\n{}", "\n".repeat(600));
        check("a.rs", &long, &["a.rs:601: more than 600 lines"]);
        let wide = format!("//! Duty.\n// {}\n", "x".repeat(98));
        check("a.rs", &wide, &["a.rs:2: more than 100 columns"]);
    }

    #[test]
    fn exceptions_and_panics_are_found_where_they_count() {
        let exception = format!("//! Duty.\n{}dead_code)]\nfn f() {{}}\n", ALLOW[0]);
        check("a.rs", &exception, &["a.rs:2: use #[expect(…, reason = \"…\")]"]);
        let panics = format!("//! Duty.\nfn f() {{ x{} }}\n", PANICS[0]);
        check("sensor/src/a.rs", &panics, &["sensor/src/a.rs:2: may panic outside of tests"]);
        for tolerated in ["xtask/src/a.rs", "sensor/tests/a.rs", "sensor/crates/sip/src/tests.rs"] {
            check(tolerated, &panics, &[]);
        }
    }

    #[test]
    fn what_is_compiled_for_tests_alone_may_panic() {
        let panics = format!("//! Duty.\nfn f() {{ x{} }}\n", PANICS[0]);
        let mut breaches = Vec::new();
        file(Path::new("sensor/src/fixture.rs"), panics.as_bytes(), true, &mut breaches);
        assert!(breaches.is_empty(), "{breaches:?}");
    }

    #[test]
    fn unsafe_code_needs_its_place_and_its_proof() {
        let bare = format!("//! Duty.\nfn f() {{ {UNSAFE} {{ g() }} }}\n");
        check("sensor/src/a.rs", &bare, &["sensor/src/a.rs:2: unsafe code has no place here"]);
        check("ebpf/src/a.rs", &bare, &["ebpf/src/a.rs:2: unsafe code without its SAFETY comment"]);
        let proven = format!("//! Duty.\n// SAFETY: proven.\n{UNSAFE} {{ g() }}\n");
        check("ebpf/src/a.rs", &proven, &[]);
        let harmless = format!("//! Duty.\n#[{UNSAFE}(no_mangle)]\n// {UNSAFE} {{ }}\n");
        check("sensor/src/a.rs", &harmless, &[]);
    }

    #[test]
    fn every_file_is_read_not_only_rust() {
        let unfinished = format!("{}: later\n", UNFINISHED[0]);
        check("a.md", &unfinished, &["a.md:1: marks something as unfinished"]);
        let machine = format!("cd {}me/project\n", MACHINE_PATHS[1]);
        check("a.sh", &machine, &["a.sh:1: a path of one particular machine"]);
        check("a.sh", "cd $HOME/root/work/home/x\n", &[]);
        check("a.o", "a\0b", &["a.o: not text; binaries are built, not committed"]);
        check("fuzz/corpus/walk/a", "a\0b", &[]);
    }
}
