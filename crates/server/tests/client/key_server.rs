//! A server of key sets, as it is told to be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{CertifiedKey, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Answers every request with the same bytes, at first with none, until it is told other ones. It ends with the process.
pub(crate) struct KeyServer {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
}

struct State {
    answer: Mutex<Vec<u8>>,
    asked: AtomicUsize,
}

impl KeyServer {
    pub(crate) fn start() -> Self {
        Self::start_as("http", |state, stream| state.serve(stream))
    }

    /// Speaks TLS, with this certificate.
    pub(crate) fn start_with_tls(issued: &CertifiedKey<KeyPair>) -> Self {
        let config = ServerConfig::builder_with_provider(ring::default_provider().into()).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
        let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![issued.cert.der().clone()], key).unwrap());
        Self::start_as("https", move |state, stream| {
            let connection = ServerConnection::new(config.clone()).unwrap();
            state.serve(StreamOwned::new(connection, stream));
        })
    }

    fn start_as(scheme: &'static str, serve: impl Fn(&State, TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(State { answer: Mutex::default(), asked: AtomicUsize::new(0) });
        let (address, shared, serve) = (listener.local_addr().unwrap(), state.clone(), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, serve) = (shared.clone(), serve.clone());
                thread::spawn(move || serve(&shared, stream.unwrap()));
            }
        });
        Self { address, scheme, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/keys?hush=hush-hush-query", self.scheme, self.address)
    }

    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Serves these keys from now on.
    pub(crate) fn serves(&self, keys: &[serde_json::Value]) {
        self.answers("200 OK", &serde_json::json!({ "keys": keys }).to_string());
    }

    pub(crate) fn answers(&self, status: &str, body: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        self.says(answer.into_bytes());
    }

    /// Accepts connections and ends them.
    pub(crate) fn is_down(&self) {
        self.says(Vec::new());
    }

    pub(crate) fn says(&self, bytes: Vec<u8>) {
        *self.state.answer.lock().unwrap() = bytes;
    }
}

impl State {
    fn serve(&self, mut stream: impl Read + Write) {
        let mut read = Vec::new();
        let mut part = [0; 1024];
        while !read.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut part) {
                Ok(count @ 1..) => read.extend_from_slice(&part[..count]),
                _ => return,
            }
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        let _ = stream.write_all(&answer);
    }
}
