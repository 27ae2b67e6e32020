//! Servers of somebody's own: what they say is a function of what they got.
//!
//! The protocols that [`super::site`] and [`crate::kube::dns`] do not know are small conversations: a database that greets, a test server
//! that breaks off. One of them holds no state between connections, so that a cluster stays plain data.

use std::fmt::Debug;
use std::net::SocketAddr;

/// A server's side of a conversation.
pub trait Conversation: Debug + Send + Sync {
    /// What a client hears as soon as it is connected.
    fn greeting(&self) -> Reply {
        Reply::default()
    }

    /// Takes what it understands from the front of what a connection has received, and answers. Asked again while it takes something.
    fn on_stream(&self, received: &mut Vec<u8>, peer: SocketAddr) -> Reply {
        let _ = peer;
        received.clear();
        Reply::default()
    }

    /// The answer to a datagram, if there is one.
    fn on_datagram(&self, bytes: &[u8], peer: SocketAddr) -> Option<Vec<u8>> {
        let _ = (bytes, peer);
        None
    }
}

/// What to send, and what to do with the connection then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Bytes to send.
    pub bytes: Vec<u8>,
    /// What follows.
    pub then: Then,
}

/// What a server does after a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// Waits for more.
    #[default]
    Wait,
    /// Ends the connection in good order once everything is sent.
    Close,
    /// Resets it at once.
    Reset,
}

impl Reply {
    /// Sends bytes and waits for more.
    #[must_use]
    pub fn say(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Wait }
    }

    /// Sends bytes and ends the connection.
    #[must_use]
    pub fn farewell(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Close }
    }
}
