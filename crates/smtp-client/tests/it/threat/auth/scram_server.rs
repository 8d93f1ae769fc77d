//! A SCRAM server: it checks the client's proof as the specification requires, and can violate the
//! protocol on request.
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use smtp_codec::SaslResponse;

/// One exchange, on the server's side.
pub(crate) struct ScramServer {
    sha256: bool,
    password: String,
    iterations: u32,
    /// What the server knows of the TLS connection.
    binding: Vec<u8>,
    twist: Twist,
    client_first: String,
    server_first: String,
}

/// A deviation of the server. `{ours}` stands for the client's nonce, `{v}` for the right
/// signature.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Twist {
    None,
    /// Instead of its first message.
    First(&'static str),
    /// Instead of its first reply, as a whole.
    FirstReply(&'static str),
    /// Instead of its last message.
    Last(&'static str),
    /// Instead of its last reply, as a whole; `{v}` is in base64 then.
    LastReply(&'static str),
}

pub(crate) const SALT: &str = "QSXCR+Q6sek8bf92";

impl ScramServer {
    pub(crate) fn new(mechanism: &str, password: &str) -> Self {
        Self {
            sha256: mechanism.starts_with("SCRAM-SHA-256"),
            password: password.to_owned(),
            iterations: 4096,
            binding: Vec::new(),
            twist: Twist::None,
            client_first: String::new(),
            server_first: String::new(),
        }
    }

    pub(crate) fn iterations(mut self, iterations: u32) -> Self {
        self.iterations = iterations;
        self
    }

    pub(crate) fn binding(mut self, binding: &[u8]) -> Self {
        self.binding = binding.to_vec();
        self
    }

    pub(crate) fn twist(mut self, twist: Twist) -> Self {
        self.twist = twist;
        self
    }

    /// The reply to this line.
    pub(crate) fn answer(&mut self, line: &str) -> String {
        if let Some(initial) = line.strip_prefix("AUTH SCRAM-SHA-") {
            let initial = initial.split_once(' ').unwrap().1;
            return self.first(&decode(initial));
        }
        match line {
            "" => "235 2.7.0 proved\r\n".into(),
            "*" => "501 5.7.0 canceled\r\n".into(),
            line => self.last(&decode(line)),
        }
    }

    fn first(&mut self, client_first: &str) -> String {
        self.client_first = client_first.to_owned();
        let ours = client_first.rsplit_once(",r=").unwrap().1;
        if let Twist::FirstReply(reply) = self.twist {
            return format!("{reply}\r\n");
        }
        self.server_first = match self.twist {
            Twist::First(message) => message.replace("{ours}", ours),
            _ => format!("r={ours}3rfcNHYJY1ZVvWVs7j,s={SALT},i={}", self.iterations),
        };
        challenge(&self.server_first)
    }

    fn last(&self, client_final: &str) -> String {
        let Some((without_proof, proof)) = client_final.rsplit_once(",p=") else {
            return "535 5.7.8 no proof\r\n".into();
        };
        let bare = self.client_first.splitn(3, ',').nth(2).unwrap();
        let header = &self.client_first[..self.client_first.len() - bare.len()];
        let mut bound = header.as_bytes().to_vec();
        bound.extend_from_slice(&self.binding);
        let bound = SaslResponse::new(bound).into_base64();
        let nonce = self.server_first.strip_prefix("r=").unwrap().split(',').next().unwrap();
        if without_proof != format!("c={bound},r={nonce}") {
            return "535 5.7.8 bound to something else\r\n".into();
        }
        let signed = format!("{bare},{},{without_proof}", self.server_first);
        let salt = SaslResponse::from_base64(SALT).unwrap().decode().unwrap();
        let salted = self.salted(&salt);
        let client_key = self.hmac(&salted, b"Client Key");
        let signature = self.hmac(&self.digest(&client_key), signed.as_bytes());
        let expected: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        if proof != SaslResponse::new(expected).as_base64() {
            return "535 5.7.8 wrong proof\r\n".into();
        }
        let right = self.hmac(&self.hmac(&salted, b"Server Key"), signed.as_bytes());
        let right = SaslResponse::new(right).into_base64();
        match self.twist {
            Twist::Last(message) => challenge(&message.replace("{v}", &right)),
            Twist::LastReply(reply) => {
                let message = SaslResponse::new(format!("v={right}")).into_base64();
                format!("{}\r\n", reply.replace("{v}", &message))
            }
            _ => challenge(&format!("v={right}")),
        }
    }

    fn salted(&self, salt: &[u8]) -> Vec<u8> {
        let password = self.password.as_bytes();
        let mut salted = vec![0; if self.sha256 { 32 } else { 20 }];
        if self.sha256 {
            pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, self.iterations, &mut salted);
        } else {
            pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, self.iterations, &mut salted);
        }
        salted
    }

    fn digest(&self, data: &[u8]) -> Vec<u8> {
        if self.sha256 { Sha256::digest(data).to_vec() } else { Sha1::digest(data).to_vec() }
    }

    fn hmac(&self, key: &[u8], data: &[u8]) -> Vec<u8> {
        if self.sha256 {
            let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.chain_update(data).finalize().into_bytes().to_vec()
        } else {
            let mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
            mac.chain_update(data).finalize().into_bytes().to_vec()
        }
    }
}

fn challenge(message: &str) -> String {
    format!("334 {}\r\n", SaslResponse::new(message).into_base64())
}

fn decode(encoded: &str) -> String {
    String::from_utf8(SaslResponse::from_base64(encoded).unwrap().decode().unwrap()).unwrap()
}
