//! A listener that takes one request and answers it with given bytes.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What came in: the request line with the headers, and the body.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Listener {
    pub(crate) url: String,
    task: JoinHandle<Request>,
}

impl Listener {
    /// Answers one request with these bytes, then closes the connection.
    pub(crate) async fn answering(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read(&mut stream).await.unwrap();
            // A client that has read enough may close the connection first.
            let _ = stream.write_all(answer.as_bytes()).await;
            request
        });
        Self { url, task }
    }

    pub(crate) async fn request(self) -> Request {
        let mut this = self;
        (&mut this.task).await.unwrap()
    }

    pub(crate) fn was_left_alone(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An HTTP answer.
pub(crate) fn http(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// The same, and the connection stays open.
pub(crate) fn http_kept(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Reads one request; `None` when the client has closed the connection.
pub(crate) async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await.unwrap_or(0) == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    Some(Request { head, body: String::from_utf8(body).unwrap() })
}
