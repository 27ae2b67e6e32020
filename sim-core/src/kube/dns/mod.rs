//! Cluster DNS: the server and the resolvers.
