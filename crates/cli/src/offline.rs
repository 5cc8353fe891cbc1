//! `--offline`: not a promise but a wall, where the system can build one.

use crate::output::Output;

/// Takes this process off every network, or says that it can only promise to open no connection.
///
/// On Linux the process moves into a network namespace of its own, which has no interface, not even a loopback that is
/// up: whatever code runs here, no packet can leave. It must be called before any thread starts, since a namespace
/// is a thread's and those that it starts.
pub(crate) fn seal(output: &Output) {
    match leave_networks() {
        Ok(()) => output.note("offline: this process is in a network namespace without interfaces"),
        Err(reason) => output.note(&format!(
            "offline: no connection will be opened (the system builds no wall around the process: {reason})"
        )),
    }
}

#[cfg(target_os = "linux")]
fn leave_networks() -> Result<(), String> {
    use rustix::thread::{UnshareFlags, unshare_unsafe};
    // SAFETY: a new network or user namespace changes no file descriptor table, memory or signal state.
    let unshare = |flags| unsafe { unshare_unsafe(flags) };
    // Root needs no user namespace; others may be allowed one.
    unshare(UnshareFlags::NEWNET)
        .or_else(|_| unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET))
        .map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn leave_networks() -> Result<(), String> {
    Err("only Linux has network namespaces".to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn behind_the_wall_no_connection_is_possible() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        // A thread of its own: the namespace is this thread's alone.
        let tried = std::thread::spawn(move || {
            super::leave_networks().map(|()| TcpStream::connect(address).is_err())
        });
        match tried.join().expect("no panic") {
            Ok(refused) => assert!(refused),
            Err(reason) => eprintln!("not tested: no namespace here ({reason})"),
        }
        assert!(TcpStream::connect(address).is_ok());
    }
}
