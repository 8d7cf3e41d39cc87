//! Which server, which database, and as whom.
//!
//! It connects to nothing.

use crate::store::StoreError;
use crate::text::safe;
use std::fmt;
use std::path::PathBuf;

/// Where MySQL listens, unless something else is said.
const PORT: u16 = 3306;

/// What the configuration says of the server; a URL's parts go before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MysqlOptions {
    /// Servers, tried in this order, each `HOST` or `HOST:PORT`.
    pub hosts: Vec<String>,
    /// Port of the hosts that name none.
    pub port: u16,
    /// A socket on this machine, instead of the hosts.
    pub socket: Option<PathBuf>,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// Certificates (PEM) that the server's is checked against; with them the link is TLS.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub identity: (Option<PathBuf>, Option<PathBuf>),
    /// How long a server may take to answer, in seconds.
    pub connect_timeout_s: u32,
    /// Whether tables are partitioned by day.
    pub partition: bool,
}

impl Default for MysqlOptions {
    fn default() -> Self {
        Self {
            hosts: vec!["127.0.0.1".into()],
            port: PORT,
            socket: None,
            database: "ringtap".into(),
            user: "root".into(),
            password: Secret::default(),
            ca: None,
            identity: (None, None),
            connect_timeout_s: 60,
            partition: true,
        }
    }
}

/// A password, which no message and no log shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl MysqlOptions {
    /// What a URL means with these options: `mysql`, or
    /// `mysql://[USER[:PASSWORD]@][HOST[:PORT][,HOST…]][/DATABASE]`, where `%XX` stands for a
    /// character that has a meaning of its own.
    pub(crate) fn at(&self, url: &str) -> Result<Self, StoreError> {
        let mut place = self.clone();
        let wrong = || StoreError::Url(crate::store::without_password(url));
        let Some((_, rest)) = url.split_once("://") else { return Ok(place) };
        let (authority, database) = rest.rsplit_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            place.user = decode(user).ok_or_else(wrong)?;
            if login.contains(':') {
                place.password = Secret(decode(password).ok_or_else(wrong)?);
            }
        }
        if !hosts.is_empty() {
            place.hosts = hosts.split(',').map(ToOwned::to_owned).collect();
            place.socket = None;
        }
        if !database.is_empty() {
            place.database = decode(database).ok_or_else(wrong)?;
        }
        let plain = !place.database.contains(['\0', '/', '\\', '.']) && place.database.len() <= 64;
        if place.has_sound_hosts() && plain && !place.database.is_empty() {
            Ok(place)
        } else {
            Err(wrong())
        }
    }

    /// Whether every host is one.
    pub fn has_sound_hosts(&self) -> bool {
        self.hosts.iter().all(|host| address(host, self.port).is_some())
    }

    /// The servers with their ports.
    pub(super) fn servers(&self) -> Vec<(String, u16)> {
        self.hosts.iter().filter_map(|host| address(host, self.port)).collect()
    }
}

/// A host with its port; IPv6 with a port stands in brackets.
fn address(host: &str, port: u16) -> Option<(String, u16)> {
    let bare = |name: &str| {
        let odd = |c: char| !c.is_ascii_alphanumeric() && !".-_:%".contains(c);
        (!name.is_empty() && !name.contains(odd)).then(|| name.to_owned())
    };
    if let Some(rest) = host.strip_prefix('[') {
        let (name, rest) = rest.split_once(']')?;
        let port = match rest.strip_prefix(':') {
            Some(text) => text.parse().ok()?,
            None if rest.is_empty() => port,
            None => return None,
        };
        return Some((bare(name)?, port));
    }
    match host.split_once(':') {
        Some((name, number)) if !number.contains(':') => Some((bare(name)?, number.parse().ok()?)),
        _ => Some((bare(host)?, port)),
    }
}

/// `%XX` (RFC 3986 §2.1) as the byte that it stands for.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}

/// As it is named to people: without the password.
impl fmt::Display for MysqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = match &self.socket {
            Some(socket) => socket.display().to_string(),
            None => {
                let named: Vec<String> = self
                    .servers()
                    .into_iter()
                    .map(|(host, port)| {
                        if host.contains(':') {
                            format!("[{host}]:{port}")
                        } else {
                            format!("{host}:{port}")
                        }
                    })
                    .collect();
                named.join(",")
            }
        };
        write!(f, "mysql://{}@{hosts}/{}", safe(&self.user), safe(&self.database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> String {
        match MysqlOptions::default().at(url) {
            Ok(place) => format!("{place} {}", place.password.0),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_url_goes_before_the_options() {
        assert_eq!(at("mysql"), "mysql://root@127.0.0.1:3306/ringtap ");
        assert_eq!(at("mysql://db1,db2:3307"), "mysql://root@db1:3306,db2:3307/ringtap ");
        assert_eq!(at("mysql://a:b%40c%3a@[::1]:33/v"), "mysql://a@[::1]:33/v b@c:");
        assert_eq!(at("mysql://a:b@c@h/v"), "mysql://a@h:3306/v b@c");
        assert_eq!(at("mysql:///v"), "mysql://root@127.0.0.1:3306/v ");
        let socket = MysqlOptions { socket: Some("/run/s".into()), ..MysqlOptions::default() };
        assert_eq!(socket.at("mysql").unwrap().to_string(), "mysql://root@/run/s/ringtap");
        assert_eq!(socket.at("mysql://h").unwrap().socket, None);
    }

    #[test]
    fn what_is_no_url_is_refused_without_its_password() {
        for url in ["mysql://u:secret@h:x/d", "mysql://u:secret@h/a.b", "mysql://u:secr%zzet@h"] {
            let line = at(url);
            assert!(line.contains("u:***@h") && !line.contains("secr"), "{line}");
        }
        assert!(!format!("{:?}", Secret("secret".into())).contains("secret"));
    }
}
