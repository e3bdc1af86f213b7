//! The metrics page, read back: one metric at a time, with its points.
//!
//! The page is the one snapshot that the recorder gives. It is ours, so what does not read is left out.

use std::collections::BTreeMap;

/// A value and whose it is: labels as on the page, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    pub labels: Vec<(String, String)>,
    /// Of counters and gauges; of histograms the sum.
    pub value: f64,
    /// Of histograms: how many values in all.
    pub count: u64,
    /// Of histograms: upper bounds, and how many values are not above them.
    pub buckets: Vec<(f64, u64)>,
}

/// One metric of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    pub name: String,
    /// `counter`, `gauge`, `histogram`.
    pub kind: String,
    pub points: Vec<Point>,
}

/// Reads a whole page.
pub fn read(page: &str) -> Vec<Family> {
    let mut families = Vec::new();
    let mut points: BTreeMap<Vec<(String, String)>, Point> = BTreeMap::new();
    for line in page.lines() {
        if let Some(of) = line.strip_prefix("# TYPE ") {
            close(&mut families, &mut points);
            let (name, kind) = of.split_once(' ').unwrap_or((of, "untyped"));
            families.push(Family { name: name.to_owned(), kind: kind.to_owned(), points: Vec::new() });
        } else if let (Some(family), Some(sample)) = (families.last(), sample(line)) {
            add(&family.name, &mut points, sample);
        }
    }
    close(&mut families, &mut points);
    families
}

fn close(families: &mut [Family], points: &mut BTreeMap<Vec<(String, String)>, Point>) {
    if let Some(family) = families.last_mut() {
        family.points = std::mem::take(points).into_values().collect();
    }
}

struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: String,
}

fn add(family: &str, points: &mut BTreeMap<Vec<(String, String)>, Point>, mut sample: Sample) {
    let bound = sample.labels.iter().position(|(name, _)| name == "le").map(|at| sample.labels.remove(at).1);
    let point = points.entry(sample.labels.clone()).or_default();
    point.labels = sample.labels;
    match (sample.name.strip_prefix(family), bound) {
        (Some("_bucket"), Some(bound)) => {
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap_or(f64::NAN) };
            point.buckets.push((bound, sample.value.parse().unwrap_or_default()));
        }
        (Some("_count"), None) => point.count = sample.value.parse().unwrap_or_default(),
        (Some("_sum" | ""), None) => point.value = sample.value.parse().unwrap_or_default(),
        _ => {}
    }
}

/// `name{label="value",…} 1`, or without labels.
fn sample(line: &str) -> Option<Sample> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = match head.split_once('{') {
        Some((name, labels)) => (name, pairs(labels.strip_suffix('}')?)?),
        None => (head, Vec::new()),
    };
    Some(Sample { name: name.to_owned(), labels, value: value.to_owned() })
}

/// `label="value"`, separated by commas; in values `\\`, `\"` and `\n` are escaped.
fn pairs(mut text: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => value.push(letter),
            }
        };
        found.push((name.to_owned(), value));
        text = rest[end + 1..].trim_start_matches(',');
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_as_it_was_written() {
        let page = "# HELP a_total What it counts\n# TYPE a_total counter\na_total 3\n\n\
            # TYPE b gauge\nb{x=\"a \\\"quoted\\\", {one}\\\\\",y=\"2\"} -1.5\n\n\
            # TYPE c_seconds histogram\nc_seconds_bucket{x=\"1\",le=\"0.5\"} 2\nc_seconds_bucket{x=\"1\",le=\"+Inf\"} 3\n\
            c_seconds_sum{x=\"1\"} 4.25\nc_seconds_count{x=\"1\"} 3\nnonsense\n";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let families = read(page);
        let kinds: Vec<_> = families.iter().map(|family| (family.name.as_str(), family.kind.as_str())).collect();
        assert_eq!(kinds, [("a_total", "counter"), ("b", "gauge"), ("c_seconds", "histogram")]);
        assert_eq!(families[0].points, [Point { value: 3.0, ..Point::default() }]);
        let labels = vec![pair("x", "a \"quoted\", {one}\\"), pair("y", "2")];
        assert_eq!(families[1].points, [Point { labels, value: -1.5, ..Point::default() }]);
        let buckets = vec![(0.5, 2), (f64::INFINITY, 3)];
        assert_eq!(families[2].points, [Point { labels: vec![pair("x", "1")], value: 4.25, count: 3, buckets }]);
    }
}
