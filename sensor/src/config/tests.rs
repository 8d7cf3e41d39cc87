//! Whole files.

use super::*;
use proptest::prelude::*;
use ringtap_common::classify::Ports;
use ringtap_common::maps::PortSets;
use ringtap_common::tunnel::Kind;

fn file(bytes: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ringtap.conf");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn loaded(text: &str) -> Result<(Config, Vec<String>), String> {
    let (_dir, path) = file(text);
    let shown = path.display().to_string();
    let plain = |error: ConfigError| error.to_string().replace(&shown, "F");
    let (config, warnings) = load(Some(&path)).map_err(plain)?;
    Ok((config, warnings.into_iter().map(plain).collect()))
}

#[test]
fn a_file_changes_what_it_names_and_nothing_else() {
    let (config, warnings) = loaded(
        "[general]\ninterface = eth1, eth2 # mirror\ninterface = eth3\nsipport = 5060\n\
         sipport=5070-5080\nSaveRTP = header\nsavesip=yes\nsavertcp = 1\nid_sensor = 12\n\
         deduplicate = md5\ncpus = 0-1,3\nworker_priority = 2\nbusy_poll = 50\n\
         store = sqlite:/tmp/a.db\n\
         tar_compress_rtp = zstd\ntar_rtp_level_zstd = -3\n",
    )
    .unwrap();
    assert_eq!(warnings, [""; 0]);
    let expected = Config {
        interface: vec!["eth1".into(), "eth2".into(), "eth3".into()],
        sipport: vec![(5060, 5060), (5070, 5080)],
        savertp: SaveRtp::Header,
        savesip: true,
        savertcp: true,
        id_sensor: 12,
        realm: 12,
        cpus: vec![0, 1, 3],
        worker_priority: 2,
        busy_poll: true,
        busy_poll_us: 50,
        store: Some("sqlite:/tmp/a.db".into()),
        tar_compress_rtp: true,
        tar_rtp_level_zstd: -3,
        ..Config::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn ports_of_tunnels_are_replaced_kind_by_kind() {
    let tunnels = |text: &str| {
        let mut sets = PortSets::EMPTY;
        loaded(text).unwrap().0.tunnel_ports.fill(&mut sets, false);
        sets
    };
    let sets =
        tunnels("udp_port_vxlan = 8472,9000-9001\nudp_port_vxlan = 9003\nudp_port_tzsp = no\n");
    for (port, kind) in [
        (4789, None),
        (8472, Some(Kind::Vxlan)),
        (9001, Some(Kind::Vxlan)),
        (9003, Some(Kind::Vxlan)),
        (37_008, None),
        (6081, Some(Kind::Geneve)),
    ] {
        assert_eq!(sets.tunnel(port), kind, "{port}");
    }
    assert!(loaded("tunnel_depth = 9\n").is_err());
    let contested = |text| loaded(text).unwrap().0.tunnel_ports.contested();
    assert_eq!(contested("udp_port_geneve = 4780-4800\n"), Some(4789));
    assert_eq!(contested("udp_port_vxlan = 4790\n"), None);
}

#[test]
fn the_command_line_replaces_lists_and_names_itself() {
    let (mut config, _) = loaded("interface = eth1\nsipport = 5070\nid_sensor = 3\n").unwrap();
    config.set("interface", "lo,eth9", "-i").unwrap();
    config.set("sipport", "5060", "-o").unwrap();
    assert_eq!(config.interface, ["lo", "eth9"]);
    assert_eq!(config.sipport, [(5060, 5060)]);
    let error =
        |config: &mut Config, key, value| config.set(key, value, "-o").unwrap_err().to_string();
    assert_eq!(
        error(&mut config, "savertp", "maybe"),
        "-o: savertp = \"maybe\" is not valid: savertp takes yes, no or header"
    );
    assert_eq!(
        error(&mut config, "sipprot", "1"),
        "-o: there is no key `sipprot`; did you mean `sipport`?"
    );
}

#[test]
fn a_realm_that_is_given_stays_wherever_it_stands() {
    for text in ["realm = 7\nid_sensor = 3\n", "id_sensor = 3\nrealm = 7\n"] {
        assert_eq!(loaded(text).unwrap().0.realm, 7);
    }
    assert_eq!(loaded("id_sensor = -1\n").unwrap().0.realm, 0);
}

#[test]
fn keys_that_have_no_effect_are_warned_of_with_their_line() {
    let (config, warnings) = loaded(
        "# c\nmysqlcompress = db\nringbuffer = 60\nfrobnicate = 1\nribbonsbc = yes\n\
             Bye_Confirmed_Timeout = 600\n",
    )
    .unwrap();
    assert_eq!(config.ringbuffer_mb, 60);
    assert_eq!(
        warnings,
        [
            "F:2: `mysqlcompress` is not supported yet and has no effect",
            "F:4: there is no key `frobnicate`",
            "F:5: `ribbonsbc` is not supported yet and has no effect",
            "F:6: `bye_confirmed_timeout` has no effect: a call is closed half a second after its \
             BYE was confirmed, also where RTP goes on",
        ]
    );
}

#[test]
fn what_is_wrong_gets_one_line_with_its_place() {
    for (text, line) in [
        ("x\n", "F:1: expected `key = value`, a comment, or `[section]`"),
        ("\nsavertpp = yes\n", "F:2: there is no key `savertpp`; did you mean `savertp`?"),
        (
            "sipport = 5060-5050\n",
            "F:1: sipport = \"5060-5050\" is not valid: sipport takes ports and ranges \
             (5060,5070-5080)",
        ),
        (
            "id_sensor = 65536\n",
            "F:1: id_sensor = \"65536\" is not valid: id_sensor takes a number (1 to 65535; 0 \
             or -1: none)",
        ),
        (
            "store = postgres://x\n",
            "F:1: store = \"postgres://x\" is not valid: store takes sqlite:PATH, mysql, \
             mysql://USER@HOST/DATABASE, or none",
        ),
        (
            "interface = a/b\n",
            "F:1: interface = \"a/b\" is not valid: interface takes names of interfaces \
             (eth1,eth2), or any",
        ),
    ] {
        assert_eq!(loaded(text).unwrap_err(), line);
    }
    let (_dir, path) = file(vec![b'#'; 2 << 20]);
    let error = load(Some(&path)).unwrap_err().to_string();
    assert!(error.ends_with("larger than 1048576 bytes: no configuration"), "{error}");
    let error = load(Some(Path::new("/no/such/file"))).unwrap_err().to_string();
    assert!(error.starts_with("/no/such/file: cannot read it: No such file"), "{error}");
}

#[test]
fn every_key_takes_something_and_refuses_nonsense() {
    for key in keys::KEYS {
        let mut config = Config::default();
        let tried = config.set(key.name, "/ \u{1f525} nonsense", "-o");
        let takes_any = [
            "spooldir",
            "status_socket",
            "hep_auth_key",
            "hep_tls_cert",
            "hep_tls_key",
            "mysqlsocket",
            "mysqlpassword",
            "mysqlsslcacert",
            "mysqlsslcert",
            "mysqlsslkey",
        ]
        .contains(&key.name);
        assert_eq!(tried.is_ok(), takes_any, "{}", key.name);
        let good = [
            "yes", "5060", "1", "20", "64", "256", "eth0", "auto", "span", "default", "zstd",
            "none", "::1", "vxlan",
        ];
        let taken = good.iter().any(|value| config.set(key.name, value, "-o").is_ok());
        assert!(taken, "{}", key.name);
    }
}

#[test]
fn our_keys_are_there_once_each() {
    let mut names: Vec<&str> = keys::KEYS.iter().map(|key| key.name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|a, b| a < b));
}

#[test]
fn a_check_tells_everything_and_ends_with_the_sum() {
    let (_dir, path) =
        file("interface = eth1\nsipprot = 1\nmysqlcompress = x\nsavertp = perhaps\n");
    let report = check(Some(&path)).unwrap();
    assert_eq!(report.errors, 2);
    assert!(report.lines[0].starts_with("error: ") && report.lines[0].contains(":2: "));
    assert!(report.lines[1].starts_with("error: ") && report.lines[1].contains(":4: "));
    assert!(report.lines[2].starts_with("warning: ") && report.lines[2].contains(":3: "));
    let last = report.lines.last().unwrap();
    assert!(last.ends_with("not usable (4 keys, 2 errors, 3 warnings)"), "{last}");

    let (_dir, path) = file("interface = eth1\nsavesip = yes\nstore = sqlite:a.db\n");
    let report = check(Some(&path)).unwrap();
    let ok = format!("{}: OK (3 keys, 0 errors, 0 warnings)", path.display());
    assert_eq!(report, Report { lines: vec![ok], errors: 0 });
    assert!(check(Some(Path::new("/no/such/file"))).is_err());
}

#[test]
fn settings_that_contradict_each_other_are_told_and_no_others() {
    for (text, wrong) in [
        ("interface = eth0\nmode = host", None),
        ("interface = eth0\nmode = host\ncapture = tcx", None),
        ("interface = any\nmode = span\ncapture = packet", None),
        ("interface = eth0\nmode = span\ncapture = xdp", None),
        ("interface = any\nmode = host\ncapture = xdp", Some("XDP takes frames")),
        ("interface = eth0\nmode = host\ncapture = xdp-generic", Some("XDP takes frames")),
        ("interface = eth0\ncapture = tcx", Some("mode = host")),
        ("interface = any,eth0", Some("no others")),
        ("interface = any\nmode = pass-rest", Some("mode = host or span")),
    ] {
        let (_dir, path) = file(format!("{text}\nsavesip = yes\nstore = sqlite:a.db\n"));
        let report = check(Some(&path)).unwrap();
        let told = report.lines.iter().find(|line| line.contains("will not start"));
        assert_eq!(told.is_some(), wrong.is_some(), "{text}: {:?}", report.lines);
        assert!(told.is_none_or(|line| line.contains(wrong.unwrap_or_default())), "{told:?}");
    }
}

#[test]
fn the_sample_is_right_and_says_what_is_so_without_it() {
    let sample = include_str!("../../../deploy/ringtap.conf");
    let (config, warnings) = loaded(sample).unwrap();
    assert_eq!(warnings, [""; 0]);
    assert_eq!(config.interface, ["eth1"]);
    // With every comment that is a setting taken for one, nothing differs from the defaults.
    let all: String = sample
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .map(|line| format!("{line}\n"))
        .collect();
    let (config, warnings) = loaded(&all).unwrap();
    assert_eq!(warnings, [""; 0]);
    assert_eq!(config, Config { realm_given: config.realm_given, ..Config::default() });
    for key in keys::KEYS {
        let named = sample.lines().any(|line| {
            line.trim_start_matches('#').split_once(" =").is_some_and(|(name, _)| name == key.name)
        });
        assert!(named, "{} is not in the sample", key.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_value_of_any_key_is_taken_or_refused(key in 0..keys::KEYS.len(), value in ".{0,40}") {
        let name = keys::KEYS[key].name;
        if let Err(error) = Config::default().set(name, &value, "-o") {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn any_key_is_known_or_not(name in "[a-z_]{0,70}") {
        let _ = Config::default().set(&name, "1", "-o");
    }

    #[test]
    fn any_file_is_a_report(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_dir, path) = file(bytes);
        let report = check(Some(&path)).unwrap();
        prop_assert!(report.lines.iter().all(|line| line.lines().count() == 1));
    }
}
