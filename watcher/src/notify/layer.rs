//! Takes the alarms out of the log events, whatever the log's filter is.

use std::fmt;

use serde_json::{Map, Value};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// The most alarms that wait for the webhook. Further ones are dropped here, but the log has them.
const WAITING: usize = 256;

/// An alarm that was raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its stable name.
    pub alarm: String,
    /// The message.
    pub message: String,
    /// The other fields.
    pub fields: Map<String, Value>,
}

/// Makes a layer that takes alarms, and the receiver that gets them.
pub fn alarms() -> (AlarmLayer, Receiver<Notice>) {
    let (sender, receiver) = channel(WAITING);
    (AlarmLayer(sender), receiver)
}

/// Passes on each event with the field `alarm`. It never waits.
pub struct AlarmLayer(Sender<Notice>);

impl<S: Subscriber> Layer<S> for AlarmLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().fields().field("alarm").is_none() {
            return;
        }
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let mut text = |name| match fields.remove(name) {
            Some(Value::String(text)) => text,
            other => other.map(|value| value.to_string()).unwrap_or_default(),
        };
        let notice = Notice { alarm: text("alarm"), message: text("message"), fields };
        // If nobody receives it or too many wait, it is dropped here; the log has it.
        let _ = self.0.try_send(notice);
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::alarm::raise;

    #[test]
    fn an_alarm_comes_out_with_its_fields_and_other_events_do_not() {
        let (layer, mut alarms) = alarms();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::error!("an error that is no alarm");
            raise!(FeesLow, account = %"GABC", needed = 7, "send it XLM");
        });
        let notice = alarms.try_recv().unwrap();
        assert_eq!((notice.alarm.as_str(), notice.message.as_str()), ("fees_low", "send it XLM"));
        assert_eq!(Value::Object(notice.fields), serde_json::json!({"account": "GABC", "needed": 7}));
        assert!(alarms.try_recv().is_err());
    }
}
