//! The client. Each of its connections stays open and sends one request after the other. The client does as little work
//! as possible, because the servers run on the same machine.

use std::time::Instant;

use paychan_channel::ContractId;
use paychan_mpp::wire::{Challenge, Credential, Payload, offers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use super::payers::Payers;

/// How the client pays for its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// The client does not pay.
    Free,
    /// The client sends each request first without a payment, and then again with a voucher for the challenge that came back.
    Anew,
    /// The client asks for one challenge on each connection, and pays all requests of the connection with it.
    Reused,
}

impl Asking {
    pub(crate) const ALL: [Self; 3] = [Self::Anew, Self::Reused, Self::Free];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Free => "no payment",
            Self::Anew => "a new challenge for each request",
            Self::Reused => "one challenge for many requests",
        }
    }
}

/// One measurement.
pub(crate) struct Load {
    pub(crate) address: String,
    pub(crate) connections: usize,
    pub(crate) asking: Asking,
}

impl Load {
    /// Runs the measurement, and returns the answers per second.
    pub(crate) async fn run(&self, payers: &mut Payers, requests: usize) -> u64 {
        let each = requests.div_ceil(self.connections);
        let ready = std::sync::Arc::new(Barrier::new(self.connections + 1));
        let mut connections = tokio::task::JoinSet::new();
        for (channel, vouchers) in payers.sign(self.connections, each) {
            let (address, asking, ready) = (self.address.clone(), self.asking, ready.clone());
            connections.spawn(async move { pay_all(&address, asking, channel, vouchers, &ready).await });
        }
        ready.wait().await;
        let start = Instant::now();
        connections.join_all().await;
        let answers = u128::try_from(each * self.connections).unwrap();
        u64::try_from(answers * 1_000_000_000 / start.elapsed().as_nanos().max(1)).unwrap()
    }
}

async fn pay_all(address: &str, asking: Asking, channel: ContractId, vouchers: Vec<Payload>, ready: &Barrier) {
    let mut connection = Connection::open(address).await;
    let session = format!("payment-session: {channel}\r\n");
    match asking {
        Asking::Free => {
            ready.wait().await;
            for _ in vouchers {
                assert_eq!(connection.get("").await.status, 200);
            }
        }
        Asking::Anew => {
            ready.wait().await;
            for voucher in vouchers {
                let challenge = connection.get(&session).await.challenge();
                let answer = connection.get(&paid(&session, challenge, &voucher)).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
            }
        }
        Asking::Reused => {
            let challenge = connection.get(&session).await.challenge();
            let headers: Vec<String> =
                vouchers.iter().map(|voucher| paid(&session, challenge.clone(), voucher)).collect();
            ready.wait().await;
            for headers in headers {
                let answer = connection.get(&headers).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
            }
        }
    }
}

fn paid(session: &str, challenge: Challenge, voucher: &Payload) -> String {
    let credential = Credential::new(challenge, voucher).unwrap().to_header().unwrap();
    format!("{session}authorization: {credential}\r\n")
}

struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn challenge(&self) -> Challenge {
        let value = self.header("www-authenticate").unwrap_or_else(|| panic!("no challenge: {}", self.text));
        offers([value.as_bytes()]).remove(0).unwrap()
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(8 * 1024) }
    }

    async fn get(&mut self, headers: &str) -> Answer {
        let request = format!("GET /time HTTP/1.1\r\nhost: bench\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.buffer.clear();
        loop {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "the server closed the connection");
            let Some(head) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head]).unwrap();
            let length = text
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse().unwrap());
            if self.buffer.len() < head + 4 + length {
                continue;
            }
            let status = text.split(' ').nth(1).unwrap().parse().unwrap();
            return Answer { status, text: String::from_utf8_lossy(&self.buffer).into_owned() };
        }
    }
}
