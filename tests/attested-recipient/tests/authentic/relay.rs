//! A relay of the test's own: it passes connections on to an enclave, and forges what a test asks for.

use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{RwLock, RwLockWriteGuard, broadcast, mpsc};
use tokio::task::JoinSet;

use crate::http::Message;

/// A forgery: the bytes that the relay sends for a request and the enclave's true response. `None` closes the
/// connection.
pub(crate) type Forge = dyn FnMut(&Message, Message) -> Option<Vec<u8>> + Send;

/// A running relay. It ends when it is dropped.
pub(crate) struct Relay {
    pub(crate) address: String,
    shared: Arc<Shared>,
    /// The number of each connection that ended.
    pub(crate) closed: mpsc::UnboundedReceiver<usize>,
    _tasks: JoinSet<()>,
}

struct Shared {
    target: Mutex<String>,
    /// Forges the responses to KMS requests.
    answers: Mutex<Box<Forge>>,
    /// Forges the responses to other requests.
    documents: Mutex<Box<Forge>>,
    ended: mpsc::UnboundedSender<usize>,
    /// Responses to KMS requests wait for this lock.
    gate: RwLock<()>,
    /// Bytes for the clients of all connections.
    idle_bytes: broadcast::Sender<Vec<u8>>,
}

fn honest() -> Mutex<Box<Forge>> {
    Mutex::new(Box::new(|_, response| Some(response.to_bytes())))
}

impl Relay {
    /// Starts a relay that passes everything on.
    pub(crate) async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (ended, closed) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            target: Mutex::new(target.to_owned()),
            answers: honest(),
            documents: honest(),
            ended,
            gate: RwLock::default(),
            idle_bytes: broadcast::channel(8).0,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, closed, _tasks: tasks }
    }

    /// Forges the responses to KMS requests from now on.
    pub(crate) fn forge(
        &self,
        forge: impl FnMut(&Message, Message) -> Option<Vec<u8>> + Send + 'static,
    ) {
        *self.shared.answers.lock().unwrap() = Box::new(forge);
    }

    /// Forges the responses to requests for documents from now on.
    pub(crate) fn forge_documents(
        &self,
        mut forge: impl FnMut(Message) -> Vec<u8> + Send + 'static,
    ) {
        let forge = move |_: &Message, response| Some(forge(response));
        *self.shared.documents.lock().unwrap() = Box::new(forge);
    }

    /// Withholds the responses to KMS requests until the guard is dropped.
    pub(crate) async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.shared.gate.write().await
    }

    /// Sends bytes to the clients of all open connections.
    pub(crate) fn send_on_all(&self, bytes: &[u8]) {
        self.shared.idle_bytes.send(bytes.to_vec()).unwrap();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    for number in 0.. {
        let (client, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let target = shared.target.lock().unwrap().clone();
            if let Ok(enclave) = TcpStream::connect(target).await {
                shared.pass(client, enclave).await;
            }
            // The send fails if the test has ended.
            let _ = shared.ended.send(number);
        });
    }
}

impl Shared {
    /// Passes requests and responses on, until one side closes its connection.
    async fn pass(&self, client: TcpStream, enclave: TcpStream) {
        let mut idle_bytes = self.idle_bytes.subscribe();
        let (mut requests, mut to_client) = client.into_split();
        let (mut responses, mut to_enclave) = enclave.into_split();
        let mut byte = [0];
        loop {
            let request = tokio::select! {
                request = Message::read(&mut requests) => request,
                bytes = idle_bytes.recv() => {
                    to_client.write_all(&bytes.unwrap()).await.unwrap();
                    continue;
                }
                // The enclave sends nothing without a request.
                _ = responses.peek(&mut byte) => return,
            };
            let Some(request) = request else { return };
            if to_enclave.write_all(&request.to_bytes()).await.is_err() {
                return;
            }
            let Some(response) = Message::read(&mut responses).await else { return };
            let forge = match request.start_line().starts_with("POST") {
                true => {
                    drop(self.gate.read().await);
                    &self.answers
                }
                false => &self.documents,
            };
            let bytes = (*forge.lock().unwrap())(&request, response);
            match bytes {
                Some(bytes) if to_client.write_all(&bytes).await.is_ok() => {}
                _ => return,
            }
        }
    }
}
