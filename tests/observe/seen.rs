//! What was collected: spans with their fields, and figures as Prometheus is shown them.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use metrics_exporter_prometheus::PrometheusBuilder;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// A span, as a subscriber is told of it.
#[derive(Debug, Clone)]
pub struct Span {
    pub name: &'static str,
    pub target: &'static str,
    /// Its place among all that were seen.
    pub parent: Option<usize>,
    pub fields: BTreeMap<&'static str, String>,
    pub entered: usize,
    pub left: usize,
    pub closed: bool,
}

impl Span {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Every span since the beginning, in the order in which they began.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Span>>>);

impl Seen {
    pub fn all(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Collects what `work` tells; gives also the figures, as text.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> (T, String) {
        let recorder = PrometheusBuilder::new().build_recorder();
        let subscriber = tracing_subscriber::registry().with(self.clone());
        let done =
            tracing::subscriber::with_default(subscriber, || metrics::with_local_recorder(&recorder, work));
        (done, recorder.handle().render())
    }
}

struct Place(usize);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let parent = span.parent().map(|parent| parent.extensions().get::<Place>().unwrap().0);
        let (name, target) = (span.metadata().name(), span.metadata().target());
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let mut seen = self.0.lock().unwrap();
        span.extensions_mut().insert(Place(seen.len()));
        seen.push(Span { name, target, parent, fields: fields.0, entered: 0, left: 0, closed: false });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.change(id, &context, |span| {
            for (name, value) in fields.0 {
                assert!(span.fields.insert(name, value).is_none(), "{name} is told twice");
            }
        });
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        // Nothing of the crate's own tells events; a dependency's are not its to vouch for.
        assert!(!event.metadata().target().starts_with("docvault"), "{event:?}");
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.change(id, &context, |span| span.entered += 1);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.change(id, &context, |span| span.left += 1);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.change(&id, &context, |span| span.closed = true);
    }
}

impl Seen {
    fn change<S>(&self, id: &Id, context: &Context<'_, S>, change: impl FnOnce(&mut Span))
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let place = context.span(id).unwrap().extensions().get::<Place>().unwrap().0;
        change(&mut self.0.lock().unwrap()[place]);
    }
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
