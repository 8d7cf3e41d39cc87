//! Agents that come by TLS, and what is wrong with a certificate.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::agent::{Agent, Call};
use crate::sensor::Sensor;
use crate::{PORTS, whole};

/// A certificate for `localhost` with its key, in files; whom to trust.
fn certificate(folder: &Path) -> (String, String, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    (cert.display().to_string(), key.display().to_string(), roots)
}

#[test]
fn by_tls_and_by_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key, roots) = certificate(folder.path());
    let (cert, key) = (format!("hep_tls_cert={cert}"), format!("hep_tls_key={key}"));
    let sensor = Sensor::start(&["hep_tls_port=0", &cert, &key]);
    let at = sensor.at("tls");
    let mut plain = TcpStream::connect(at).unwrap();
    plain.write_all(&Agent::default().hep3(&Call::new(2, PORTS).all()[0])).unwrap();
    sensor.with_event("tls_failed", 1);
    let mut silent = TcpStream::connect(at).unwrap();
    silent.write_all(&[22]).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(tls, TcpStream::connect(at).unwrap());
    let call = Call::new(1, PORTS);
    let bytes: Vec<u8> = call.all().iter().flat_map(|seen| Agent::default().hep3(seen)).collect();
    // A peer that does not finish its greeting is shown out; one that has nothing to say is not.
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    sensor.with_event("connections_slow", 1);
    for piece in bytes.chunks(100) {
        stream.write_all(piece).unwrap();
    }
    whole(&sensor.calls(1)[0]);
    let hep = sensor.settled(6);
    assert_eq!(hep["events"]["connections"], 3);
    assert_eq!(hep["events"]["connections_slow"], 1);
    stream.sock.shutdown(Shutdown::Both).unwrap();
    sensor.end();
}

#[test]
fn a_certificate_that_is_not_usable_has_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(folder.path());
    let (made, nothing) = (folder.path().join("made"), folder.path().join("nothing"));
    fs::write(&made, "no PEM").unwrap();
    let (made, nothing) = (made.display().to_string(), nothing.display().to_string());
    for (cert, key, word) in [
        (Some(&made), Some(&key), "made"),
        (Some(&nothing), Some(&key), "nothing"),
        (Some(&cert), Some(&cert), "cert.pem"),
        (Some(&cert), None, "hep_tls_key"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringtap"));
        let socket = format!("status_socket={}", folder.path().join("status").display());
        command.args(["run", "-O", &socket, "-O", "hep=yes", "-O", "hep_bind_port=0"]);
        cert.map(|cert| command.args(["-O", &format!("hep_tls_cert={cert}")]));
        key.map(|key| command.args(["-O", &format!("hep_tls_key={key}")]));
        let said = command.env("RINGTAP_LOG", "error").output().unwrap();
        let text = String::from_utf8(said.stderr).unwrap();
        assert_eq!(said.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(word), "{word}: {text}");
    }
}
