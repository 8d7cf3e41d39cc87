//! The same traffic into SQLite and into a MariaDB server that the test starts: every list by
//! every filter, every call and every capture file are the same.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[expect(dead_code, reason = "each test file uses its own part")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use ringtap_testkit::mariadb::MariaDb;
use ringtap_testkit::pcap::Options;
use ringtap_testkit::traffic::{Loss, Plan, Shares, Truth};
use support::{capture, ringtap, run};

/// What the command line says of two stores.
struct Pair {
    folder: tempfile::TempDir,
    server: MariaDb,
    truth: Truth,
    /// SQLite, and MariaDB by the configuration's keys.
    stores: [Vec<String>; 2],
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = MariaDb::start(folder.path()).unwrap();
        let user = "CREATE USER sensor IDENTIFIED BY 'p@ss:word'; GRANT ALL ON voice.* TO sensor";
        server.sql(user).unwrap();
        let path = folder.path().join("traffic.pcap");
        let shares = Shares { busy: 0.2, rejected: 0.2, pcma: 0.5, ..Shares::default() };
        let plan = Plan {
            seed: 77,
            calls: 40,
            concurrent: 8,
            talk_ms: 1200,
            rtcp_ms: 400,
            shares,
            loss: Loss::Independent(0.02),
            ..Plan::default()
        };
        let truth = capture(&path, &plan, Options { nanos: true, ..Options::default() });
        let conf = folder.path().join("mysql.conf");
        let text = format!(
            "store = mysql\nmysqlhost = 127.0.0.1\nmysqlport = {}\nmysqldb = voice\n\
             mysqlusername = sensor\nmysqlpassword = p@ss:word\n",
            server.port
        );
        fs::write(&conf, text).unwrap();
        let file = format!("sqlite:{}", folder.path().join("calls.db").display());
        let stores = [
            vec!["--store".into(), file],
            vec!["--config".into(), conf.display().to_string(), "--store".into(), "mysql".into()],
        ];
        let pair = Self { folder, server, truth, stores };
        for store in &pair.stores {
            let mut replay = ringtap();
            replay.args(["replay", "--quiet", "--workers", "2"]).args(store);
            run(replay.arg("--spool").arg(pair.spool()).arg(&path)).well();
            // IDs are of the records' times: the second replay makes the same ones.
        }
        pair
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    /// What both say to this, which is the same.
    #[track_caller]
    fn both(&self, asked: &[&str]) -> String {
        let [one, other] = self.stores.each_ref().map(|store| {
            let mut command = ringtap();
            run(command.args(asked).args(store)).well().out
        });
        assert!(one == other, "{asked:?}:\n{one}\n{other}");
        one
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn what_is_asked_of_it_is_answered_as_by_sqlite() {
    let pair = Pair::new();
    let first = &pair.truth.calls[0];
    let middle = (pair.truth.calls[20].invite_ns / 1_000_000_000).to_string();
    let ip = first.caller_addr.ip().to_string();
    let agent = first.caller_agent.to_uppercase();
    let filters: [&[&str]; 13] = [
        &[],
        &["--limit", "3"],
        &["--caller", &first.caller],
        &["--called", &first.called],
        &["--response", "486"],
        &["--codec", "pcma"],
        &["--ip", &ip],
        &["--ip", "0.0.0.0/0"],
        &["--agent", &agent],
        &["--since", &middle],
        &["--until", &middle],
        &["--mos-below", "4.1"],
        &["--sensor", "0"],
    ];
    let with = |command: &[&'static str], filter: &[&str]| {
        let asked: Vec<&str> = command.iter().copied().chain(filter.iter().copied()).collect();
        pair.both(&asked)
    };
    for filter in filters {
        let found = with(&["calls", "--format", "json"], filter).lines().count();
        assert!(found > 0, "{filter:?} finds calls");
        with(&["summary", "--format", "json"], filter);
    }
    let all = pair.both(&["calls", "--format", "json", "--limit", "1000"]).lines().count();
    assert_eq!(all, pair.truth.calls.len());
    for format in ["table", "csv"] {
        pair.both(&["calls", "--format", format]);
    }
    for command in ["registers", "messages", "requests"] {
        pair.both(&[command, "--format", "json"]);
    }
    for call in pair.truth.calls.iter().take(10) {
        let shown = pair.both(&["call", &call.call_id, "--format", "json"]);
        assert!(shown.contains(&call.call_id));
    }
    let files = [0, 1].map(|n| {
        let path = pair.folder.path().join(format!("{n}.pcap"));
        let mut pcap = ringtap();
        pcap.args(["pcap", &first.call_id]).args(&pair.stores[n]);
        run(pcap.arg("--spool").arg(pair.spool()).arg("-o").arg(&path)).well();
        read(&path)
    });
    assert!(files[0].len() > 1000 && files[0] == files[1]);
    // A query that was written for the original's table.
    let sql = "SELECT COUNT(*) FROM voice.cdr WHERE calldate > '2000-01-01' AND bye = 3 AND \
               connect_duration > 0.5 AND a_payload IN (0, 8) AND a_mos_f1_mult10 > 10";
    assert!(pair.server.sql(sql).unwrap().trim().parse::<u32>().unwrap() > 5);
}

#[test]
fn a_password_is_not_told() {
    for store in ["mysql://u:pa55@127.0.0.1:1/d", "mysql://u:pa55@127.0.0.1:x/d"] {
        let said = run(ringtap().args(["calls", "--store", store]));
        assert!(!said.err.contains("pa55"), "{}", said.err);
        said.one_line_with("127.0.0.1");
        let said = run(ringtap().args(["run", "-i", "lo", "-O", &format!("store={store}")]));
        assert!(!said.err.contains("pa55"), "{}", said.err);
    }
}

#[test]
fn the_link_is_tls_where_a_certificate_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for name in ["server", "other"] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(at(&format!("{name}.pem")), made.cert.pem()).unwrap();
        fs::write(at(&format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
    }
    let options =
        vec![format!("--ssl-cert={}", at("server.pem")), format!("--ssl-key={}", at("server.key"))];
    let server = MariaDb::start_with(folder.path(), options).unwrap();
    let user = "CREATE USER sensor IDENTIFIED BY 'x' REQUIRE SSL; GRANT ALL ON voice.* TO sensor";
    server.sql(user).unwrap();
    let path = folder.path().join("traffic.pcap");
    let plan = Plan { seed: 5, calls: 150, concurrent: 50, talk_ms: 100, ..Plan::default() };
    let truth = capture(&path, &plan, Options::default());
    let store = format!("mysql://sensor:x@localhost:{}/voice", server.port);
    let replay = |certificate: &str| {
        let mut replay = ringtap();
        let option = format!("mysqlsslcacert={}", at(certificate));
        run(replay.args(["replay", "--quiet", "--store", &store, "-O", &option]).arg(&path))
    };
    run(ringtap().args(["calls", "--store", &store])).one_line_with("does not let sensor in");
    replay("absent.pem").one_line_with("mysqlsslcacert: /");
    replay("other.pem").one_line_with("did mysqlsslcacert sign its certificate");
    replay("server.pem").well();
    let count = server.sql("SELECT COUNT(*) FROM voice.cdr").unwrap();
    assert_eq!(count.trim(), truth.calls.len().to_string());
}
