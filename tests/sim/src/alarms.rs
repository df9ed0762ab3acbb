//! Records the alarms in the log. An alarm is an event with the field `alarm`.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, registry};

/// An alarm that was raised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Raised {
    /// The alarm's stable name, as `docs/alarms.md` lists it.
    pub name: String,
    /// The channel that it names, if it names one.
    pub channel: Option<String>,
    /// Its other fields and its message.
    pub text: String,
}

impl Raised {
    /// Whether it names this channel in one of its fields.
    pub fn names(&self, channel: &str) -> bool {
        self.channel.as_deref() == Some(channel) || self.text.contains(channel)
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.channel {
            Some(channel) => write!(f, "{} about {channel} ({})", self.name, self.text.trim()),
            None => write!(f, "{} ({})", self.name, self.text.trim()),
        }
    }
}

/// All alarms that were raised, in their order.
#[derive(Clone, Default)]
pub struct Alarms(Arc<Mutex<Vec<Raised>>>);

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
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The alarms after the first `count` ones.
    pub fn since(&self, count: usize) -> Vec<Raised> {
        self.0.lock().unwrap().iter().skip(count).cloned().collect()
    }
}

/// The fields of an event of the log.
#[derive(Default)]
struct Fields {
    raised: Raised,
    is_alarm: bool,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "alarm" => {
                self.is_alarm = true;
                value.clone_into(&mut self.raised.name);
            }
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "channel" => self.raised.channel = Some(format!("{value:?}")),
            name => self.raised.text.push_str(&format!("{name}={value:?} ")),
        }
    }
}

impl<S: Subscriber> Layer<S> for Alarms {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().fields().field("alarm").is_none() {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.is_alarm {
            self.0.lock().unwrap().push(fields.raised);
        }
    }
}
