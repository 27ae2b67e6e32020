//! Packet filter: hooks, tables, chains, rules.
