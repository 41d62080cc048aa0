//! Writes a registry in the two text formats that scrapers ask for. The library knows OpenMetrics only.

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// OpenMetrics 1.0.
pub(super) fn open_metrics(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _never = text::encode(&mut text, registry);
    text
}

/// Prometheus text 0.0.4: a counter's family carries its suffix, and there are no units, no exemplars, no end mark.
pub(super) fn plain(registry: &Registry) -> String {
    let open = open_metrics(registry);
    let mut text = String::with_capacity(open.len());
    let mut lines = open.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(about) = line.strip_prefix("# HELP ") {
            // The type follows, and tells whether this is a counter.
            let counter = lines.peek().is_some_and(|next| next.ends_with(" counter"));
            let (name, help) = about.split_once(' ').unwrap_or((about, ""));
            push(&mut text, &["# HELP ", name, if counter { "_total " } else { " " }, help]);
        } else if let Some(name) =
            line.strip_prefix("# TYPE ").and_then(|about| about.strip_suffix(" counter"))
        {
            push(&mut text, &["# TYPE ", name, "_total counter"]);
        } else if line.starts_with("# TYPE ") {
            push(&mut text, &[line]);
        } else if !line.starts_with('#') {
            push(&mut text, &[without_exemplar(line)]);
        }
    }
    text
}

fn push(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
    text.push('\n');
}

/// A sample without what follows its value. Label values may hold anything, so the search begins behind them.
fn without_exemplar(sample: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return sample.get(..at).unwrap_or(sample).trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::registry::Unit;

    use super::*;

    #[test]
    fn the_older_format_names_a_counters_family_as_its_samples() {
        let mut registry = Registry::default();
        let (counter, gauge): (Counter, Gauge) = Default::default();
        counter.inc();
        registry.register("a", "Things", counter);
        registry.register_with_unit("b", "Time", Unit::Seconds, gauge);
        assert_eq!(
            plain(&registry),
            "# HELP a_total Things.\n# TYPE a_total counter\na_total 1\n# HELP b_seconds Time.\n\
             # TYPE b_seconds gauge\nb_seconds 0\n"
        );
        assert!(open_metrics(&registry).ends_with("# EOF\n"));
    }

    #[test]
    fn exemplars_are_cut_and_hashes_in_labels_are_not() {
        assert_eq!(without_exemplar("a_total 1 # {trace_id=\"x\"} 1"), "a_total 1");
        assert_eq!(without_exemplar(r##"a{b="x # {y\"#"} 1"##), r##"a{b="x # {y\"#"} 1"##);
    }
}
