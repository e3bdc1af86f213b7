//! Metrics to the collector: what the admin port shows, sent again and again.
//!
//! The bridges between `metrics` and OpenTelemetry fit no other release than their own, or lose gauges that are counted up
//! and down. So the page that Prometheus reads is put into OTLP's published messages: one way to record, the same numbers
//! in both places, and nothing on the path of a call.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
        ScopeMetrics, Sum, metric::Data, number_data_point,
    },
    resource::v1::Resource,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, metadata::MetadataMap, transport::Channel};
use tracing::debug;

use super::{
    names,
    page::{self, Family, Point},
};
use crate::kernel::{Clock, Timestamp};

/// Sends the process's metrics.
pub struct Push {
    pub page: PrometheusHandle,
    pub channel: Channel,
    pub metadata: MetadataMap,
    /// Who we are, as with the traces.
    pub resource: Vec<(&'static str, String)>,
    pub clock: Clock,
    pub every: Duration,
    pub timeout: Duration,
}

impl Push {
    /// Sends until `stop`, and once more then. What the collector does not take is sent with the next: values add up.
    pub async fn run(self, stop: CancellationToken) {
        let since = self.clock.now();
        let mut client = MetricsServiceClient::new(self.channel.clone());
        let mut stopped = false;
        while !stopped {
            tokio::select! {
                () = stop.cancelled() => stopped = true,
                () = tokio::time::sleep(self.every) => {}
            }
            let message = request(&page::read(&self.page.render()), &self.resource, since, self.clock.now());
            let mut request = Request::new(message);
            *request.metadata_mut() = self.metadata.clone();
            match tokio::time::timeout(self.timeout, client.export(request)).await {
                Ok(Ok(_)) => {}
                Ok(Err(status)) => debug!(code = ?status.code(), "the collector took no metrics"),
                Err(_) => debug!("the collector did not answer in time"),
            }
        }
    }
}

fn request(
    families: &[Family],
    resource: &[(&'static str, String)],
    since: Timestamp,
    now: Timestamp,
) -> ExportMetricsServiceRequest {
    let times = (nanos(since), nanos(now));
    let attributes = resource.iter().map(|(key, value)| attribute((*key).to_owned(), value.clone())).collect();
    let scope = InstrumentationScope {
        name: "backline".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let metrics = families.iter().filter_map(|family| metric(family, times)).collect();
    let scopes = vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }];
    let resource = Resource { attributes, ..Resource::default() };
    let all = ResourceMetrics { resource: Some(resource), scope_metrics: scopes, schema_url: String::new() };
    ExportMetricsServiceRequest { resource_metrics: vec![all] }
}

fn metric(family: &Family, times: (u64, u64)) -> Option<Metric> {
    let known = names::find(&family.name)?;
    let cumulative = AggregationTemporality::Cumulative.into();
    let numbers = || family.points.iter().map(|point| number(point, times)).collect();
    let data = match family.kind.as_str() {
        "counter" => Data::Sum(Sum { data_points: numbers(), aggregation_temporality: cumulative, is_monotonic: true }),
        "gauge" => Data::Gauge(Gauge { data_points: numbers() }),
        "histogram" => Data::Histogram(Histogram {
            data_points: family.points.iter().map(|point| distribution(point, times)).collect(),
            aggregation_temporality: cumulative,
        }),
        _ => return None,
    };
    Some(Metric {
        name: known.otlp.to_owned(),
        description: known.help.to_owned(),
        unit: known.unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    })
}

fn number(point: &Point, (since, now): (u64, u64)) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(point),
        start_time_unix_nano: since,
        time_unix_nano: now,
        value: Some(number_data_point::Value::AsDouble(point.value)),
        ..NumberDataPoint::default()
    }
}

/// On the page each bucket holds those before it; in OTLP it does not.
fn distribution(point: &Point, (since, now): (u64, u64)) -> HistogramDataPoint {
    let below = std::iter::once(0).chain(point.buckets.iter().map(|(_, count)| *count));
    let alone = point.buckets.iter().zip(below).map(|((_, count), below)| count.saturating_sub(below)).collect();
    let bounds = point.buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect();
    HistogramDataPoint {
        attributes: attributes(point),
        start_time_unix_nano: since,
        time_unix_nano: now,
        count: point.count,
        sum: Some(point.value),
        bucket_counts: alone,
        explicit_bounds: bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(point: &Point) -> Vec<KeyValue> {
    point.labels.iter().map(|(label, value)| attribute(names::otlp_label(label), value.clone())).collect()
}

fn attribute(key: String, value: String) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value)) };
    KeyValue { key, value: Some(value), ..KeyValue::default() }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.micros()).unwrap_or_default().saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_no_longer_hold_those_before_them() {
        let buckets = vec![(0.5, 2), (1.0, 2), (f64::INFINITY, 5)];
        let told = distribution(&Point { count: 5, value: 9.0, buckets, ..Point::default() }, (1, 2));
        assert_eq!((told.bucket_counts, told.explicit_bounds), (vec![2, 0, 3], vec![0.5, 1.0]));
        assert_eq!((told.count, told.sum), (5, Some(9.0)));
    }

    #[test]
    fn only_what_is_listed_is_sent() {
        let family = |name: &str| Family { name: name.to_owned(), kind: "counter".to_owned(), points: Vec::new() };
        assert!(metric(&family("somebody_elses_total"), (0, 0)).is_none());
        assert_eq!(metric(&family("backline_jobs_total"), (0, 0)).unwrap().name, "backline.jobs_ended");
    }
}
