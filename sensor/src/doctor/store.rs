//! Where records go: whether it can be opened and written. Nothing is made, nothing changed.

use std::path::Path;

use ringtap_cdr::store::{Prospect, probe, without_password};

use super::finding::{Finding, State};
use super::nameless_file;
use crate::config::Config;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let Some(url) = &config.store else {
        let what = "no store is named";
        return vec![
            Finding::new(State::Warning, "store", what)
                .means("calls are counted, but their records are kept nowhere")
                .advice("give --store sqlite:PATH, or set `store`"),
        ];
    };
    let shown = without_password(url);
    let found = match probe(url, &config.mysql) {
        Ok(Prospect::Ready { older: false }) => {
            Finding::new(State::Ok, "store", format!("{shown} can be written"))
        }
        Ok(Prospect::Ready { older: true }) => {
            Finding::new(State::Note, "store", format!("{shown} can be written"))
                .means("its schema will be brought up to date by `ringtap run`")
        }
        Ok(Prospect::Absent(path)) => absent(url, &path),
        Ok(Prospect::AbsentDatabase) => {
            let what = format!("{shown}: the server is there, the database is not");
            Finding::new(State::Note, "store", what).means("`ringtap run` makes it")
        }
        Err(error) => refused(&error.to_string()),
    };
    vec![found]
}

fn absent(url: &str, path: &Path) -> Finding {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    match nameless_file(folder) {
        Ok(_) => Finding::new(State::Ok, "store", format!("{url} can be made"))
            .means("`ringtap run` makes it"),
        Err(error) => refused(&format!("{} cannot be made in {} ({error})", url, folder.display())),
    }
}

fn refused(what: &str) -> Finding {
    Finding::new(State::Problem, "store", what)
        .means("`ringtap run` does not start")
        .advice("name another `store`, or give this one to the sensor's user")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_probed_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let states = |store: Option<String>| -> Vec<State> {
            examine(&Config::with(|c| c.store = store)).into_iter().map(|f| f.state).collect()
        };
        let of = |name: &str| Some(format!("sqlite:{}", folder.path().join(name).display()));
        assert_eq!(states(None), [State::Warning]);
        assert_eq!(states(of("calls.db")), [State::Ok]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(ringtap_cdr::open(&of("calls.db").unwrap(), &Config::default().mysql).unwrap());
        assert_eq!(states(of("calls.db")), [State::Ok]);
        std::fs::write(folder.path().join("other"), vec![b'x'; 5000]).unwrap();
        assert_eq!(states(of("other")), [State::Problem]);
        assert_eq!(states(of("absent/calls.db")), [State::Problem]);
    }
}
