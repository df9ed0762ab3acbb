//! A description of what is sold, for programs that look for it: an OpenAPI document with prices, as the draft
//! payment-discovery-00 of mpp-specs has it. The document is only advice: a 402 answer decides what must be paid.

use std::convert::Infallible;

use axum::Json;
use axum::routing::{MethodRouter, get};
use paychan_channel::Amount;
use serde_json::{Map, Value, json};

use crate::wire::{INTENT, METHOD};

/// What a seller sells. Serve it as `/openapi.json`, the path at which programs look.
#[derive(Debug, Clone)]
pub struct Discovery {
    title: String,
    version: String,
    paths: Map<String, Value>,
}

impl Discovery {
    /// A description of an API with this title and version.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self { title: title.into(), version: version.into(), paths: Map::new() }
    }

    /// Adds a paid operation: its method, its route such as `/items/{id}`, its price in base units (`None` when the price depends
    /// on the request), and what it gives.
    #[must_use]
    pub fn paid(mut self, method: &str, route: &str, price: Option<Amount>, description: &str) -> Self {
        let method = method.to_ascii_lowercase();
        let mut operation = json!({
            "summary": description,
            "responses": {
                "200": { "description": "the answer, with a receipt in the header Payment-Receipt" },
                "402": { "description": "Payment Required: the header WWW-Authenticate says what to pay" },
            },
            "x-payment-info": { "offers": [{ "method": METHOD, "intent": INTENT, "amount": price, "description": description }] },
        });
        if matches!(method.as_str(), "post" | "put" | "patch") {
            operation["requestBody"] = json!({ "content": { "*/*": {} } });
        }
        let path = self.paths.entry(route).or_insert_with(|| Value::Object(Map::new()));
        path[method] = operation;
        self
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({
            "openapi": "3.1.0",
            "info": { "title": self.title, "version": self.version },
            "paths": self.paths,
        })
    }

    /// A route that answers with the document.
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S, Infallible> {
        let document = self.document();
        get(move || std::future::ready(Json(document.clone())))
    }
}
