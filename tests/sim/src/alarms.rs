//! Counts the alarms in the log. An alarm is an event with the field `alarm`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, registry};

/// How often each alarm was raised.
#[derive(Clone, Default)]
pub struct Alarms(Arc<Mutex<BTreeMap<String, u64>>>);

impl Alarms {
    /// Listens on this thread until the guard is dropped.
    pub fn listen() -> (Alarms, DefaultGuard) {
        let alarms = Alarms::default();
        // Prints the watcher's own log, if `RUST_LOG` asks for it.
        let log = std::env::var("RUST_LOG").ok().map(|filter| {
            tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(EnvFilter::new(filter))
        });
        let guard = tracing::subscriber::set_default(registry().with(alarms.clone()).with(log));
        (alarms, guard)
    }

    /// The number of all alarms that were raised.
    pub fn count(&self) -> u64 {
        self.0.lock().unwrap().values().sum()
    }
}

struct AlarmField(Option<String>);

impl Visit for AlarmField {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "alarm" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber> Layer<S> for Alarms {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut field = AlarmField(None);
        event.record(&mut field);
        if let Some(name) = field.0 {
            *self.0.lock().unwrap().entry(name).or_default() += 1;
        }
    }
}
