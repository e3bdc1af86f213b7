//! A cable between a server and what it depends on, to be pulled out: nothing is refused then, nothing is answered.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// It lies until it is dropped.
pub struct Cable {
    pub port: u16,
    cut: watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Cable {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, state) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(carry(near, server, state.clone()));
            }
        });
        Self { port, cut, _task: task }
    }

    /// What goes through it now is lost, and whoever connects hears nothing.
    pub fn pull(&self) {
        self.cut.send_replace(true);
    }

    /// For whoever connects from now on; earlier connections stay dead.
    pub fn mend(&self) {
        self.cut.send_replace(false);
    }
}

async fn carry(mut near: TcpStream, server: SocketAddr, mut cut: watch::Receiver<bool>) {
    if !*cut.borrow_and_update() {
        let mut far = TcpStream::connect(server).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            _ = cut.changed() => {}
        }
        return hold((near, far)).await;
    }
    hold(near).await;
}

/// Open, and silent.
async fn hold<T>(_open: T) {
    std::future::pending::<()>().await;
}
