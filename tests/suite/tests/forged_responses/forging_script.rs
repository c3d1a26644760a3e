//! A Python program that acts as a relay and answers by itself. It belongs to the vectors, so it shares
//! no code with this repository.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::binaries::wait_until;
use crate::clients::python_path;
use crate::vectors::vectors;

/// The path of the program, from the folder of the vectors.
const SCRIPT: &str = "../cases/answers/mitm.py";

/// The running program. It is killed on drop.
pub(crate) struct ForgingScript {
    child: Child,
    address: SocketAddr,
}

impl ForgingScript {
    /// Starts the program in this mode in front of a service. Returns `None` if the vectors are absent.
    ///
    /// In the mode `forge`, the program seals bytes of its own to the recipient's key. In the mode
    /// `replay`, the program repeats the first response for a recipient's key.
    pub(crate) fn start(test: &str, mode: &str, service: SocketAddr) -> Option<Self> {
        let script = script(test)?;
        // The program cannot report a port that the kernel chose.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(python_path());
        command.arg(script).arg(mode);
        command.arg(address.port().to_string()).arg(service.port().to_string());
        let command = command.env_clear().stdin(Stdio::null()).stderr(Stdio::null());
        let mut this = Self { child: command.spawn().unwrap(), address };
        wait_until("the program listens", || {
            assert_eq!(this.child.try_wait().unwrap(), None, "the program ended");
            TcpStream::connect(address).ok()
        });
        Some(this)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Returns the path of the program. Reports a skipped test, or fails it, as for absent vectors.
fn script(test: &str) -> Option<PathBuf> {
    let script = vectors(test)?.join(SCRIPT);
    assert!(script.is_file(), "there are vectors, but no {}", script.display());
    Some(script)
}

impl Drop for ForgingScript {
    fn drop(&mut self) {
        // The kill of an exited process fails, and the error is ignored.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
