//! A MariaDB server of the test's own: a new data folder, a socket and a port of loopback.
//!
//! Needs Debian's `mariadb-server`, installed and not started.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long the server may take to answer for the first time.
const START_MAX: Duration = Duration::from_secs(60);

/// A server that ends with this.
#[derive(Debug)]
pub struct MariaDb {
    child: Child,
    folder: PathBuf,
    options: Vec<String>,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl MariaDb {
    /// Makes a data folder in `folder` and starts a server on it. `root` has no password and is
    /// let in from this machine only.
    pub fn start(folder: &Path) -> io::Result<Self> {
        Self::start_with(folder, Vec::new())
    }

    /// The same with further options of `mariadbd`.
    pub fn start_with(folder: &Path, options: Vec<String>) -> io::Result<Self> {
        let data = folder.join("data");
        // Not the machine's: a server that starts takes away what it finds there of others.
        std::fs::create_dir(folder.join("tmp"))?;
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
        install.args(["--skip-test-db", "--user=root"]).arg(option("datadir", &data));
        install.arg(option("tmpdir", &folder.join("tmp")));
        let made = install.stdin(Stdio::null()).output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        // A port that is free now; it is taken again at once.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = spawn(folder, port, &options)?;
        let server = Self { child, folder: folder.to_owned(), options, port };
        server.wait()?;
        Ok(server)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Runs statements as `root`; gives the answer's rows, with tabs between columns.
    pub fn sql(&self, sql: &str) -> io::Result<String> {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "-u", "root", "--batch", "--skip-column-names", "-e", sql]);
        let said = client.arg(option("socket", &self.socket())).stdin(Stdio::null()).output()?;
        if !said.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&said.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// Ends the server at once, as a machine that loses power.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }

    /// Starts it again on the same data and port.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.child = spawn(&self.folder, self.port, &self.options)?;
        self.wait()
    }

    fn wait(&self) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            match self.sql("SELECT 1") {
                Ok(_) => return Ok(()),
                Err(error) if begun.elapsed() > START_MAX => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn spawn(folder: &Path, port: u16, options: &[String]) -> io::Result<Child> {
    let log = std::fs::File::create(folder.join("log"))?;
    let mut server = Command::new("mariadbd");
    server.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"]);
    server.args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M"]);
    server.args(["--skip-log-bin", "--skip-name-resolve=0"]).arg(format!("--port={port}"));
    server.arg(option("datadir", &folder.join("data")));
    server.arg(option("tmpdir", &folder.join("tmp")));
    server.arg(option("socket", &folder.join("socket")));
    server.arg(option("pid-file", &folder.join("pid")));
    server.args(options).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}
