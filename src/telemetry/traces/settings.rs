//! What the `OTEL_*` variables say about traces. A value that cannot be used is told and left aside: a broken
//! telemetry setting never keeps credentials from being served.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderName;

use super::choice::Sampler;
use super::reader::{Reader, Row, pairs};
use super::resource::Resource;
use super::values::{Exporter, address, count, exporter, headers, millis, positive, share, shown, truth};
use crate::config::Problem;
use crate::config::env::Env;
use crate::http::{self, Certificates};
use crate::secret::Secret;

/// Every variable that is honoured.
pub const VARIABLES: [&str; 31] = [
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "POD_NAME",
    "POD_NAMESPACE",
    "POD_UID",
    "NODE_NAME",
    "CONTAINER_NAME",
];

/// All that is to be known before the first span.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) way: Way,
    pub(super) sampler: Sampler,
    pub(super) pace: Pace,
    pub(super) resource: Resource,
}

/// Where spans go.
#[derive(Debug)]
pub(super) enum Way {
    /// Nowhere, and why.
    Off(&'static str),
    /// To stderr, a line of JSON each.
    Console,
    /// To a collector.
    Collector(Collector),
}

/// How a collector is reached.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) url: Uri,
    pub(super) headers: Vec<(HeaderName, Secret)>,
    /// For one request.
    pub(super) timeout: Duration,
    pub(super) certificates: Certificates,
}

/// How many spans are kept and sent, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) delay: Duration,
    /// For one batch, repetitions included.
    pub(super) patience: Duration,
    pub(super) queue: usize,
    pub(super) batch: usize,
}

/// What was found, for people.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) rows: Vec<Row>,
}

impl Settings {
    /// Reads all of them, whatever one of them says.
    pub(super) fn read(env: &Env) -> (Self, Findings) {
        let mut reader = Reader::new(env);
        let settings = reader.settings(env);
        (settings, Findings { problems: reader.problems, rows: reader.rows })
    }
}

impl Reader<'_> {
    fn settings(&mut self, env: &Env) -> Settings {
        let disabled = self.valued("disabled", &["OTEL_SDK_DISABLED"], false, truth, bool::to_string);
        let exporter =
            self.valued("exporter", &["OTEL_TRACES_EXPORTER"], Exporter::Otlp, exporter, |exporter| {
                let word = match exporter {
                    Exporter::Otlp => "otlp",
                    Exporter::Console => "console",
                    Exporter::None => "none",
                };
                word.to_owned()
            });
        let sampler = self.sampler();
        let collector = self.collector();
        let pace = self.pace();
        let resource = self.resource(env);
        let way = match (exporter, sampler, collector) {
            _ if disabled => Way::Off("OTEL_SDK_DISABLED is true"),
            (Exporter::None, ..) => Way::Off("OTEL_TRACES_EXPORTER is none"),
            (_, None, _) => Way::Off("OTEL_TRACES_SAMPLER is always_off"),
            (Exporter::Console, ..) => Way::Console,
            (Exporter::Otlp, _, Some(collector)) => Way::Collector(collector),
            (Exporter::Otlp, _, None) => Way::Off("no OTEL_EXPORTER_OTLP_ENDPOINT is set"),
        };
        Settings { way, sampler: sampler.unwrap_or(Sampler::Failures), pace, resource }
    }

    /// Which successes are taken; `None` is nothing at all.
    fn sampler(&mut self) -> Option<Sampler> {
        let share = self.read(&["OTEL_TRACES_SAMPLER_ARG"], share).map_or(1.0, |(_, share)| share);
        let words = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or \
                     parentbased_traceidratio";
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "always_on" | "parentbased_always_on" => Ok(Some(Sampler::All)),
            "always_off" => Ok(None),
            // A walk has no parent: this says that successes are not wanted, and failures always are.
            "parentbased_always_off" => Ok(Some(Sampler::Failures)),
            "traceidratio" | "parentbased_traceidratio" => Ok(Some(Sampler::Share(share))),
            _ => Err(words.to_owned()),
        };
        let show = |sampler: &Option<Sampler>| match sampler {
            None => "nothing".to_owned(),
            Some(Sampler::Failures) => "failures".to_owned(),
            Some(Sampler::All) => "failures and all successes".to_owned(),
            Some(Sampler::Share(share)) => format!("failures and {share} of the successes"),
        };
        self.valued("traced", &["OTEL_TRACES_SAMPLER"], Some(Sampler::Failures), parse, show)
    }

    fn collector(&mut self) -> Option<Collector> {
        let url = self.endpoint();
        self.protocol();
        self.compression();
        let names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
        let found = self.read_hidden(&names, headers);
        let origin = found.as_ref().map(|(name, _)| *name);
        let headers = found.map(|(_, headers)| headers).unwrap_or_default();
        let masked: Vec<String> = headers.iter().map(|(name, _)| format!("{name}=***")).collect();
        self.row("headers", if masked.is_empty() { "none".to_owned() } else { masked.join(",") }, origin);
        let names = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
        let timeout = self.valued("timeout", &names, Duration::from_secs(10), positive, shown);
        let certificates = self.certificates();
        Some(Collector { url: url?, headers, timeout, certificates })
    }

    /// The one for traces is taken as it is; the common one is a base.
    fn endpoint(&mut self) -> Option<Uri> {
        const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let own = self.read(&[OWN], address);
        let base = |text: &str| address(&format!("{}/v1/traces", text.trim_end_matches('/')));
        let found = own.or_else(|| self.read(&[BASE], base));
        // Asked for even where the other one wins: it is a variable that is honoured.
        self.asked.push(BASE);
        let (origin, shown) = match &found {
            Some((name, url)) => (Some(*name), http::shown(url)),
            None => (None, "none".to_owned()),
        };
        self.row("endpoint", shown, origin);
        found.map(|(_, url)| url)
    }

    fn protocol(&mut self) {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let only = |text: &str| {
            let known = text.eq_ignore_ascii_case("http/protobuf");
            let want = "http/protobuf: no other protocol is built in; it goes to the same endpoint all the same, \
                        so name the collector's HTTP port (4318, as a rule)";
            known.then_some(()).ok_or_else(|| want.to_owned())
        };
        self.valued("protocol", &names, (), only, |()| "http/protobuf".to_owned());
    }

    fn compression(&mut self) {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
        let only = |text: &str| {
            let known = text.eq_ignore_ascii_case("none");
            known
                .then_some(())
                .ok_or_else(|| "none: compression is not built in; spans go uncompressed".to_owned())
        };
        self.valued("compression", &names, (), only, |()| "none".to_owned());
    }

    fn certificates(&mut self) -> Certificates {
        let mut file = |key: &'static str, names: &[&'static str]| {
            let found = self.read(names, |text| Ok(PathBuf::from(text)));
            let shown = found.as_ref().map_or("none".to_owned(), |(_, path)| path.display().to_string());
            self.row(key, shown, found.as_ref().map(|(name, _)| *name));
            found
        };
        let authority =
            file("certificate", &["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"]);
        let certificate = file(
            "client_certificate",
            &["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"],
        );
        let key =
            file("client_key", &["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"]);
        let own = match (certificate, key) {
            (Some((_, certificate)), Some((_, key))) => Some((certificate, key)),
            (None, None) => None,
            (Some((name, path)), None) | (None, Some((name, path))) => {
                let want = "a client's certificate and its key together; neither is used";
                self.problem(name, format!("{:?} alone", path.display().to_string()), want);
                None
            }
        };
        Certificates { authority: authority.map(|(_, path)| path), own, known: Box::default() }
    }

    fn pace(&mut self) -> Pace {
        // The standard has 30 s. An outage that takes the collector along lasts longer, and its first trace is the one
        // that everybody looks for afterwards.
        let (delay, patience) = (Duration::from_secs(5), Duration::from_mins(10));
        let delay = self.valued("schedule_delay", &["OTEL_BSP_SCHEDULE_DELAY"], delay, millis, shown);
        let patience = self.valued("export_timeout", &["OTEL_BSP_EXPORT_TIMEOUT"], patience, positive, shown);
        let queue = self.valued("queue", &["OTEL_BSP_MAX_QUEUE_SIZE"], 2048, count, usize::to_string);
        let fits = |text: &str| {
            let found = count(text)?;
            let want = || format!("at most the {queue} of OTEL_BSP_MAX_QUEUE_SIZE");
            (found <= queue).then_some(found).ok_or_else(want)
        };
        let batch = ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"];
        let batch = self.valued("batch", &batch, queue.min(512), fits, usize::to_string);
        Pace { delay, patience, queue, batch }
    }

    fn resource(&mut self, env: &Env) -> Resource {
        let want = "name=value pairs with commas between, each value percent-encoded";
        let named = self
            .read(&["OTEL_RESOURCE_ATTRIBUTES"], |text| pairs(text).ok_or_else(|| want.to_owned()))
            .map(|(_, pairs)| pairs.into_iter().collect::<BTreeMap<_, _>>())
            .unwrap_or_default();
        let service = self.first(&["OTEL_SERVICE_NAME"]).map(|(_, name)| name);
        let origin = if named.is_empty() { None } else { Some("OTEL_RESOURCE_ATTRIBUTES") };
        let origin = service.map(|_| "OTEL_SERVICE_NAME").or(origin);
        let resource = Resource::new(env, named, service);
        self.row("resource", resource.shown(), origin);
        resource
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::resource::POD;
    use super::*;

    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const HERE: (&str, &str) = (ENDPOINT, "http://127.0.0.1:4318");

    fn read(vars: &[(&str, &str)]) -> (Settings, Findings) {
        Settings::read(&vars.iter().copied().collect())
    }

    fn collector(vars: &[(&str, &str)]) -> Collector {
        match read(vars).0.way {
            Way::Collector(collector) => collector,
            other => panic!("{other:?}"),
        }
    }

    fn problems(vars: &[(&str, &str)]) -> Vec<String> {
        read(vars).1.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_variable_that_is_read_is_listed_and_every_listed_one_is_read() {
        let env = Env::default();
        let mut reader = Reader::new(&env);
        reader.settings(&env);
        let pod = POD.map(|(name, _)| name);
        let read: BTreeSet<_> = reader.asked.iter().copied().chain(pod).collect();
        assert_eq!(read, VARIABLES.into_iter().collect());
    }

    #[test]
    fn nothing_goes_anywhere_unless_an_endpoint_says_where() {
        let off = |vars: &[(&str, &str)]| match read(vars).0.way {
            Way::Off(why) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(off(&[]), "no OTEL_EXPORTER_OTLP_ENDPOINT is set");
        assert_eq!(off(&[(ENDPOINT, "")]), "no OTEL_EXPORTER_OTLP_ENDPOINT is set");
        assert_eq!(off(&[HERE, ("OTEL_SDK_DISABLED", "TRUE")]), "OTEL_SDK_DISABLED is true");
        assert_eq!(off(&[HERE, ("OTEL_TRACES_EXPORTER", "none")]), "OTEL_TRACES_EXPORTER is none");
        assert_eq!(off(&[HERE, ("OTEL_TRACES_SAMPLER", "always_off")]), "OTEL_TRACES_SAMPLER is always_off");
        assert!(matches!(read(&[("OTEL_TRACES_EXPORTER", "console")]).0.way, Way::Console));
    }

    #[test]
    fn the_common_endpoint_is_a_base_and_the_traces_own_is_taken_as_it_is() {
        const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let url = |vars: &[(&str, &str)]| collector(vars).url.to_string();
        assert_eq!(url(&[HERE]), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(url(&[(ENDPOINT, "https://c.example/base/")]), "https://c.example/base/v1/traces");
        assert_eq!(url(&[HERE, (OWN, "http://h:1/x")]), "http://h:1/x");
        assert_eq!(url(&[(OWN, "http://h:1")]), "http://h:1/");
        assert_eq!(url(&[HERE, (OWN, "h:1")]), "http://127.0.0.1:4318/v1/traces", "what is no address");
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_variable_and_the_default_stays() {
        let milliseconds = "\"soon\"; wanted a number of milliseconds";
        let cases = [
            ("OTEL_SDK_DISABLED", "1", "\"1\"; wanted true or false"),
            ("OTEL_TRACES_EXPORTER", "zipkin", "\"zipkin\"; wanted otlp, console or none"),
            ("OTEL_TRACES_SAMPLER_ARG", "2", "\"2\"; wanted a share from 0 to 1"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon", milliseconds),
            ("OTEL_BSP_EXPORT_TIMEOUT", "0", "\"0\"; wanted a number of milliseconds above 0"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "\"-1\"; wanted a number from 1 to 100000"),
            (
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                "4096",
                "\"4096\"; wanted at most the 2048 of OTEL_BSP_MAX_QUEUE_SIZE",
            ),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "a",
                "\"a\"; wanted name=value pairs with commas between, each value percent-encoded",
            ),
        ];
        for (name, value, wanted) in cases {
            assert_eq!(problems(&[HERE, (name, value)]), [format!("{name}: {wanted}")]);
            let _still_on = collector(&[HERE, (name, value)]);
        }
        for (name, value, wanted) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "no other protocol is built in"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip", "spans go uncompressed"),
            ("OTEL_TRACES_SAMPLER", "jaeger", "wanted always_on, always_off"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/k", "together; neither is used"),
        ] {
            let told = problems(&[HERE, (name, value)]);
            assert!(told.len() == 1 && told[0].starts_with(name) && told[0].contains(wanted), "{told:?}");
        }
        assert_eq!(read(&[HERE, ("OTEL_BSP_SCHEDULE_DELAY", "soon")]).0.pace, read(&[]).0.pace);
        assert_eq!(read(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")]).0.pace.batch, 100, "never above the queue");
    }

    #[test]
    fn the_sampler_governs_successes_alone() {
        let sampler = |vars: &[(&str, &str)]| read(vars).0.sampler;
        let named = |name| sampler(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", "0.25")]);
        assert_eq!(sampler(&[]), Sampler::Failures);
        assert_eq!(named("always_on"), Sampler::All);
        assert_eq!(named("ParentBased_Always_On"), Sampler::All);
        assert_eq!(named("parentbased_always_off"), Sampler::Failures);
        assert_eq!(named("traceidratio"), Sampler::Share(0.25));
        assert_eq!(sampler(&[("OTEL_TRACES_SAMPLER", "traceidratio")]), Sampler::Share(1.0));
    }

    #[test]
    fn headers_are_sent_and_never_shown() {
        let names = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"];
        let vars = [HERE, (names[0], "authorization=hush%20hush"), (names[1], "x-key=hush,tenant=hush2")];
        let found = collector(&vars).headers;
        assert_eq!(found.len(), 2, "the traces' own replace the common ones");
        assert!(found[0].0 == "x-key" && found[0].1.matches(b"hush"));
        assert!(collector(&vars[..2]).headers[0].1.matches(b"hush hush"));
        let bad = [HERE, (names[0], "hush"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "hush@x")];
        for vars in [vars.as_slice(), bad.as_slice()] {
            let (settings, findings) = read(vars);
            let told = format!("{settings:?} {findings:?}");
            assert!(!told.contains("hush"), "{told}");
        }
        assert!(read(&vars).1.rows.iter().any(|row| row.value == "x-key=***,tenant=***"));
    }

    #[test]
    fn each_value_in_force_has_its_origin() {
        let vars = [HERE, ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"), ("OTEL_SERVICE_NAME", "creds")];
        let rows = read(&vars).1.rows;
        let row = |key| rows.iter().find(|row| row.key == key).map(|row| (row.value.as_str(), row.origin));
        assert_eq!(row("endpoint"), Some(("http://127.0.0.1:4318/v1/traces", ENDPOINT)));
        assert_eq!(row("timeout"), Some(("2s500ms", "OTEL_EXPORTER_OTLP_TIMEOUT")));
        assert_eq!(row("exporter"), Some(("otlp", "default")));
        let (resource, origin) = row("resource").unwrap();
        assert!(resource.contains("service.name=creds") && origin == "OTEL_SERVICE_NAME", "{resource}");
    }
}
