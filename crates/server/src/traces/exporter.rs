//! Sends spans to a collector, by OTLP: protobuf over HTTP, many at once, from a thread of its own with a bounded queue.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer as _;

use super::TARGET;
use crate::log::More;
use crate::otlp_settings::OtlpSettings;

/// How long the collector may take to answer.
const WITHIN: Duration = Duration::from_secs(10);

/// How long the last spans may take when the server stops.
const LAST: Duration = Duration::from_secs(2);

/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// What sends them.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TracesError {
    #[error("the authorities of this system (CA certificates), which otlp.endpoint needs, cannot be read")]
    Authorities(#[from] std::io::Error),
    #[error("otlp.endpoint cannot be used")]
    Exporter(#[from] ExporterBuildError),
}

impl Traces {
    /// `None` where no collector is configured. It is called within the runtime that sends them.
    pub(crate) fn start(settings: &OtlpSettings) -> Result<Option<Self>, TracesError> {
        let Some(endpoint) = settings.traces() else { return Ok(None) };
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        let client = OnRuntime { client: Client::builder(TokioExecutor::new()).build(connector), runtime: Handle::current() };
        let exporter = SpanExporter::builder().with_http().with_http_client(client);
        let exporter = exporter.with_protocol(Protocol::HttpBinary).with_timeout(WITHIN).with_endpoint(endpoint).build()?;
        let resource = Resource::builder_empty().with_service_name("silverback");
        let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample.0)));
        let provider = SdkTracerProvider::builder().with_resource(resource).with_sampler(sampler).with_batch_exporter(exporter).build();
        Ok(Some(Self(provider)))
    }

    /// What takes the spans.
    pub(crate) fn layer(&self) -> More {
        let layer = tracing_opentelemetry::layer().with_tracer(self.0.tracer("silverback"));
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
        layer.with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET)).boxed()
    }

    /// Sends the last of them, in bounded time.
    pub(crate) async fn flush(self) {
        // It waits for its thread, which waits for this runtime.
        let flushed = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Makes it part of a trace of the back end's, by its header `traceparent` (W3C Trace Context), if it has one.
pub(super) fn belongs(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled() {
        let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
    }
}

/// Sends what the exporter's thread gives it, on the server's runtime.
struct OnRuntime {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
}

impl fmt::Debug for OnRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRuntime")
    }
}

impl HttpClient for OnRuntime {
    fn send_bytes<'a, 'future>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'a: 'future,
        Self: 'future,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = async {
                let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
                let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
                Ok::<_, HttpError>(Response::from_parts(head, body))
            };
            let answer = timeout(WITHIN, answer).await.unwrap_or_else(|_| Err("the collector did not answer in time".into()));
            match &answer {
                Err(error) => tracing::warn!(error = %error, "traces could not be sent to otlp.endpoint, and are lost"),
                Ok(response) if !response.status().is_success() => {
                    tracing::warn!(
                        status = response.status().as_u16(),
                        "the collector at otlp.endpoint did not take traces, which are lost"
                    );
                }
                Ok(_) => {}
            }
            answer
        });
        Box::pin(async move { sent.await? })
    }
}
