//! Tests of nftables.
