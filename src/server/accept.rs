//! What whoever asks would rather have: which of the two formats of metrics, a page or JSON.

use hyper::header::{ACCEPT, HeaderMap};

const OPEN: &str = "application/openmetrics-text";
const PLAIN: &str = "text/plain";

/// Whether OpenMetrics is wanted at least as much as plain text. Of versions and other parameters either side takes any;
/// whoever names neither format gets plain text.
pub(super) fn open_metrics(headers: &HeaderMap) -> bool {
    rather(headers, OPEN, PLAIN)
}

/// Whether a page is wanted at least as much as JSON; whoever names neither gets JSON.
pub(super) fn html(headers: &HeaderMap) -> bool {
    rather(headers, "text/html", "application/json")
}

fn rather(headers: &HeaderMap, wanted: &str, usual: &str) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut open, mut plain) = (0.0_f32, 0.0_f32);
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let weight =
            parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.trim().parse().ok());
        let weight: f32 = weight.unwrap_or_default();
        if kind.eq_ignore_ascii_case(wanted) {
            open = open.max(weight);
        } else if kind.eq_ignore_ascii_case(usual) {
            plain = plain.max(weight);
        }
    }
    open > 0.0 && open >= plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(accept: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        open_metrics(&headers)
    }

    #[test]
    fn scrapers_get_what_they_ask_for() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                            text/plain;version=0.0.4;q=0.2,/;q=0.1";
        let with_protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
                             application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4";
        let plain_first = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5";
        for open in [prometheus_2, prometheus_3, with_protobuf, "Application/OpenMetrics-Text"] {
            assert!(wants(&[open]), "{open}");
        }
        for plain in [
            plain_first,
            "*/*",
            "text/html,*/*;q=0.8",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text; q=x",
        ] {
            assert!(!wants(&[plain]), "{plain}");
        }
        assert!(wants(&["text/plain;q=0.1", "application/openmetrics-text;q=0.2"]));
        assert!(!wants(&[]));
    }
}
