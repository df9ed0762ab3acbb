//! A proxy between a command and the real endpoint, which answers some requests itself.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Proxy {
    pub(crate) url: String,
    /// The requests, in order.
    pub(crate) asked: Arc<Mutex<Vec<Value>>>,
}

impl Proxy {
    /// Starts a proxy. If `instead` returns something, it is the answer instead of the real endpoint's (a whole
    /// JSON-RPC answer without the id). `change` may change the real endpoint's answer.
    pub(crate) async fn start(
        real: &str,
        instead: impl Fn(&Value) -> Option<Value> + Send + Sync + 'static,
        change: impl Fn(&Value, &mut Value) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (real, log) = (real.to_owned(), asked.clone());
        let (instead, change) = (Arc::new(instead), Arc::new(change));
        tokio::spawn(async move {
            let http = paychan_rpc::http::client_of_this_machine(paychan_rpc::http::HttpLimits::default()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (http, real, log) = (http.clone(), real.clone(), log.clone());
                let (instead, change) = (instead.clone(), change.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let request = read_request(&mut stream).await;
                    let answer = match instead(&request) {
                        Some(mut answer) => {
                            answer["jsonrpc"] = json!("2.0");
                            answer["id"] = request["id"].clone();
                            answer
                        }
                        None => {
                            let answer = http.post(&real).json(&request).send().await.unwrap();
                            let mut answer: Value = answer.json().await.unwrap();
                            change(&request, &mut answer);
                            answer
                        }
                    };
                    log.lock().unwrap().push(request);
                    let body = answer.to_string();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                         content-length: {}\r\n\r\n",
                        body.len()
                    );
                    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                });
            }
        });
        Self { url, asked }
    }

    /// The requests of one method, in order.
    pub(crate) fn requests(&self, method: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|request| request["method"] == method).cloned().collect()
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Value {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}
