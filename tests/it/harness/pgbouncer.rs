//! PgBouncer in transaction mode before the test run's PostgreSQL, for one test.

use std::{
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{
    eventually,
    postgres::{free_port, give, ordinary_user},
};

/// It runs until it is dropped.
pub struct PgBouncer {
    child: Child,
    _folder: tempfile::TempDir,
    port: u16,
}

impl PgBouncer {
    /// Before the server of `url`, with this many connections to each of its databases. `None` where it is not
    /// installed: `tests/run` does that, or counts these tests as skipped.
    pub async fn before(url: &str, connections: u32) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else {
            eprintln!("skipped: there is no pgbouncer; see tests/run");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        let (_, place) = url.rsplit_once('@').expect("the URL names a role");
        let (host, server_port) = place.split('/').next().unwrap().split_once(':').expect("the URL names a port");
        let settings = format!(
            "[databases]\n* = host={host} port={server_port} user=backline\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 200\n"
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        give(folder.path());
        let mut command = Command::new(program);
        if let Some((user, ..)) = ordinary_user() {
            command.args(["-u", user]);
        }
        let child = command
            .arg(&file)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bouncer = Self { child, _folder: folder, port };
        eventually(async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        Some(bouncer)
    }

    /// The URL of a database by way of this pooler.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://backline@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
