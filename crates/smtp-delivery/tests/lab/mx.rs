//! MX hosts on loopback: servers of the testkit, each at its own address and all on one port.
use std::net::{IpAddr, SocketAddr};

use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};
use smtp_client::{Connector, Security, Server as Address, Tls};
use smtp_testkit::{Authority, Server, ServerBuilder};

/// A host: its name, its address, and what it does.
pub struct MxHost {
    pub name: &'static str,
    pub address: &'static str,
    pub behavior: fn(ServerBuilder) -> ServerBuilder,
}

/// Hosts that run until they are dropped.
pub struct MxHosts {
    port: u16,
    servers: Vec<(&'static str, Server)>,
}

impl MxHosts {
    /// Starts these hosts. Each has a certificate of the authority for its name, unless its behavior
    /// sets another one.
    pub fn start(authority: &Authority, hosts: &[MxHost]) -> Self {
        // A port that is free at the first address may be in use at another.
        for _ in 0..100 {
            let mut port = 0;
            let mut servers = Vec::new();
            for host in hosts {
                let address = SocketAddr::new(host.address.parse().unwrap(), port);
                let builder = Server::builder().listen_on(address);
                let builder = builder.authority(authority.clone().name(host.name).unwrap());
                let Ok(server) = (host.behavior)(builder).tcp() else { break };
                port = server.addr().port();
                servers.push((host.name, server));
            }
            if servers.len() == hosts.len() {
                return Self { port, servers };
            }
        }
        panic!("no port is free at all of the addresses");
    }

    /// Returns the port of all hosts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the server of a host.
    pub fn server(&self, name: &str) -> &Server {
        let server = self.servers.iter().find(|(known, _)| *known == name);
        &server.expect("there is a host of this name").1
    }

    /// Returns the address of a host.
    pub fn address(&self, name: &str) -> IpAddr {
        self.server(name).addr().ip()
    }

    /// Returns the SHA-256 digest of the key of a host, as a `3 1 1` record has it. It is that of the
    /// certificate that the host shows, which costs it a connection.
    pub async fn key_digest(&self, name: &str) -> Vec<u8> {
        let at = Address::tcp(self.address(name).to_string(), self.port);
        let connector = Connector::new(at.security(Security::StartTls))
            .hello_name("lab.example".parse().unwrap())
            .tls(Tls::dangerous_accept_any_certificate().unwrap());
        let mut connection = connector.connect().await.unwrap();
        let certificate = connection.tls().unwrap().certificates()[0].clone();
        connection.quit().await.unwrap();
        let certificate = ParsedCertificate::try_from(&certificate).unwrap();
        Sha256::digest(certificate.subject_public_key_info()).to_vec()
    }
}
