//! What all servers on tokio have in common: one thread, a listener, a task for each connection.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::{TcpSocket, TcpStream};

/// Starts a task with this handler for each connection.
pub(crate) fn each<H, F>(port: u16, handler: H) -> io::Result<()>
where
    H: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async move {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
        let listener = socket.listen(4096)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(handler(stream));
        }
    })
}
