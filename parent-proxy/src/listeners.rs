//! Every listener of this process: bound here, passed by systemd, or handed over by the process before it.

use std::io;
use std::os::fd::AsFd;

use transport::{Endpoint, ListenError, Listener, SocketFile, listen};

use crate::config::ClientListener;
use crate::handover::NamedListener;
use crate::systemd;

/// The name of the listener that systemd passes.
const SYSTEMD: &str = "systemd";

/// The listeners of this process. Each has its configured endpoint as its name, by which the next process
/// finds it: what is configured as before is handed over, what changed is bound anew.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    /// Those of the process before, as long as nothing here uses them.
    inherited: Vec<NamedListener>,
    /// A second descriptor of each that is in use. The sockets listen until both are closed.
    open: Vec<NamedListener>,
    /// Endpoints of inherited listeners. Their files are the other process's until it gives way.
    adopted: Vec<Endpoint>,
    /// Socket files to remove at the end.
    files: Vec<SocketFile>,
}

impl Listeners {
    /// Creates the list of a process that was handed `inherited`.
    pub(crate) fn with_inherited(inherited: Vec<NamedListener>) -> Self {
        Self { inherited, ..Self::default() }
    }

    /// Listens on `endpoint`: with the inherited listener of that name if there is one.
    ///
    /// # Errors
    /// If the endpoint cannot be listened on.
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

    /// Listens where clients connect.
    ///
    /// # Errors
    /// If the endpoint cannot be listened on, or no socket was passed.
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

    /// Takes out what was inherited under the name of `endpoint`, for a list of its own.
    pub(crate) fn split_off(&mut self, endpoint: &Endpoint) -> Self {
        Self::with_inherited(self.take(&endpoint.to_string()).into_iter().collect())
    }

    /// Owns from now on what was inherited: the process before has given way. Closes what is not used.
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

    /// Returns descriptors for the next process, of all that are in use.
    ///
    /// # Errors
    /// If this process can have no more descriptors.
    pub(crate) fn duplicates(&self) -> io::Result<Vec<NamedListener>> {
        let duplicate = |listener: &NamedListener| {
            let descriptor = listener.descriptor.try_clone()?;
            Ok(NamedListener { name: listener.name.clone(), descriptor })
        };
        self.open.iter().map(duplicate).collect()
    }

    /// Closes the second descriptors: a listener that is dropped then listens no more.
    pub(crate) fn close(&mut self) {
        self.open.clear();
    }

    /// Leaves all to the next process, and socket files where they are.
    pub(crate) fn hand_over(&mut self) {
        self.close();
        self.files.drain(..).for_each(SocketFile::keep);
    }

    /// Takes an inherited listener. Of several with one name, as with port 0, the first is the first bound.
    fn take(&mut self, name: &str) -> Option<NamedListener> {
        let index = self.inherited.iter().position(|listener| listener.name == name)?;
        Some(self.inherited.remove(index))
    }

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

        // One that fails before it is told to go on changes nothing but what it bound itself.
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
        assert_eq!(["a", "b"].map(is_there), [true, false], "`b` is used no more");
        let endpoint = at("a");
        let (client, server) = tokio::join!(connect(&endpoint), adopted.accept());
        drop((client.unwrap(), server.unwrap()));
        drop(second);
        assert!(!is_there("a"));
    }
}
