//! All listening sockets of this process: opened here, passed by systemd, or inherited from a predecessor.

use std::io;
use std::os::fd::AsFd;

use transport::{Endpoint, ListenError, Listener, SocketFile, listen};

use crate::config::ClientListener;
use crate::handover::NamedListener;
use crate::systemd;

/// Name of the listener that systemd passes.
const SYSTEMD: &str = "systemd";

/// The listeners of this process. The name of a listener is its configured endpoint. A successor inherits
/// each listener whose name is still configured, and opens the others itself.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    /// Inherited listeners that are not in use yet.
    inherited: Vec<NamedListener>,
    /// Duplicate descriptors of the listeners in use. A socket listens until its listener and the duplicate
    /// are closed.
    open: Vec<NamedListener>,
    /// Endpoints of inherited listeners in use. The predecessor owns their socket files until the handover.
    adopted: Vec<Endpoint>,
    /// Socket files to remove when this process ends.
    files: Vec<SocketFile>,
}

impl Listeners {
    /// Creates the listeners of a process that inherited `inherited`.
    pub(crate) fn with_inherited(inherited: Vec<NamedListener>) -> Self {
        Self { inherited, ..Self::default() }
    }

    /// Listens on `endpoint`, with the inherited listener of that name if there is one.
    ///
    /// # Errors
    /// If the endpoint cannot be listened on, the inherited listener is not usable, or this process cannot open
    /// more descriptors.
    pub(crate) async fn listen(&mut self, endpoint: &Endpoint) -> Result<Listener, ListenError> {
        let io_error = |source| ListenError::Io { endpoint: endpoint.clone(), source };
        let name = endpoint.to_string();
        let listener = match self.take(&name) {
            Some(listener) => {
                self.adopted.push(endpoint.clone());
                Listener::from_inherited(listener.descriptor, endpoint).map_err(io_error)?
            }
            None => {
                let mut listener = listen(endpoint).await?;
                self.files.extend(listener.take_socket_file());
                listener
            }
        };
        self.keep_duplicate(name, &listener).map_err(io_error)?;
        Ok(listener)
    }

    /// Listens for clients.
    ///
    /// # Errors
    /// If the endpoint cannot be listened on, or systemd passed no socket.
    pub(crate) async fn listen_for_clients(
        &mut self,
        listen: &ClientListener,
    ) -> Result<Listener, ListenError> {
        let endpoint = match listen {
            ClientListener::Endpoint(endpoint) => return self.listen(endpoint).await,
            ClientListener::Systemd => SYSTEMD.to_owned(),
        };
        let listener = match self.take(&endpoint) {
            Some(listener) => Listener::from_inherited_tcp(listener.descriptor.into()),
            None => Ok(systemd::listener()?),
        };
        let listener = listener.map_err(ListenError::Inherited)?;
        self.keep_duplicate(endpoint, &listener).map_err(ListenError::Inherited)?;
        Ok(listener)
    }

    /// Removes the inherited listener for `endpoint`, and returns it in a set of its own.
    pub(crate) fn split_off(&mut self, endpoint: &Endpoint) -> Self {
        Self::with_inherited(self.take(&endpoint.to_string()).into_iter().collect())
    }

    /// Takes ownership of the inherited listeners, and closes unused listeners. The predecessor must have
    /// handed over before.
    pub(crate) fn take_ownership(&mut self) {
        self.files.extend(
            self.adopted.drain(..).filter_map(|endpoint| SocketFile::for_endpoint(&endpoint)),
        );
        for unused in self.inherited.drain(..) {
            tracing::info!(
                listener = unused.name,
                "inherited listener closed: it is no longer configured"
            );
            let endpoint: Option<Endpoint> = unused.name.parse().ok();
            drop(endpoint.as_ref().and_then(SocketFile::for_endpoint));
        }
    }

    /// Returns duplicate descriptors of all listeners in use, for a successor.
    ///
    /// # Errors
    /// If this process cannot open more descriptors.
    pub(crate) fn duplicates(&self) -> io::Result<Vec<NamedListener>> {
        let duplicate = |listener: &NamedListener| {
            let descriptor = listener.descriptor.try_clone()?;
            Ok(NamedListener { name: listener.name.clone(), descriptor })
        };
        self.open.iter().map(duplicate).collect()
    }

    /// Closes the duplicate descriptors, so that dropping a listener closes its socket.
    pub(crate) fn close(&mut self) {
        self.open.clear();
    }

    /// Hands all listeners over to the successor, and keeps their socket files.
    pub(crate) fn hand_over(&mut self) {
        self.close();
        self.files.drain(..).for_each(SocketFile::keep);
    }

    /// Removes an inherited listener by name. Several listeners with port 0 can have the same name. They are
    /// returned in the order in which they were opened.
    fn take(&mut self, name: &str) -> Option<NamedListener> {
        let index = self.inherited.iter().position(|listener| listener.name == name)?;
        Some(self.inherited.remove(index))
    }

    /// Keeps a duplicate descriptor of a listener in use.
    fn keep_duplicate(&mut self, name: String, listener: &Listener) -> io::Result<()> {
        let descriptor = listener.as_fd().try_clone_to_owned()?;
        self.open.push(NamedListener { name, descriptor });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use transport::connect;

    use super::*;

    fn inherit(listeners: &Listeners) -> Listeners {
        Listeners::with_inherited(listeners.duplicates().unwrap())
    }

    #[tokio::test]
    async fn socket_files_are_handed_over_to_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| Endpoint::Unix(folder.path().join(name));
        let is_there = |name: &str| folder.path().join(name).exists();
        let mut first = Listeners::default();
        let _kept = (first.listen(&at("a")).await.unwrap(), first.listen(&at("b")).await.unwrap());

        // A successor that fails before the handover removes only the files that it created itself.
        let mut failing = inherit(&first);
        let failed =
            (failing.listen(&at("a")).await.unwrap(), failing.listen(&at("c")).await.unwrap());
        drop((failing, failed));
        assert_eq!(["a", "b", "c"].map(is_there), [true, true, false]);

        let mut second = inherit(&first);
        let adopted = second.listen(&at("a")).await.unwrap();
        first.hand_over();
        drop(first);
        second.take_ownership();
        assert_eq!(["a", "b"].map(is_there), [true, false], "`b` is no longer in use");
        let endpoint = at("a");
        let (client, server) = tokio::join!(connect(&endpoint), adopted.accept());
        drop((client.unwrap(), server.unwrap()));
        drop(second);
        assert!(!is_there("a"));
    }
}
