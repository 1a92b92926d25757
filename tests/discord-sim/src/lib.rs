//! A Discord made of loopback sockets: REST, gateway and CDN, deterministic from a seed, with the truth to compare an archive with.
