//! Which SDK asks, as far as it says so, and whether its version knows a token that is in a file.

/// From these versions on `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` is read: AWS's list for EKS Pod Identity. Only SDKs
/// that name themselves when they ask for credentials.
const SINCE: [(&str, [u32; 3]); 5] = [
    ("aws-sdk-go/1", [1, 47, 11]),
    ("aws-sdk-go-v2/1", [1, 23, 0]),
    ("aws-sdk-java/1", [1, 12, 746]),
    ("aws-sdk-java/2", [2, 21, 30]),
    ("aws-sdk-ruby3/3", [3, 188, 0]),
];

/// The SDK that is too old, and the version that is not: `aws-sdk-go/1.44.0`, `1.47.11`.
pub(super) fn too_old(user_agent: &str) -> Option<(String, String)> {
    user_agent.split_ascii_whitespace().find_map(|word| {
        let known =
            |(name, _): &&(&str, _)| word.strip_prefix(*name).is_some_and(|rest| rest.starts_with('.'));
        let (_, since) = SINCE.iter().find(known)?;
        let (_, version) = word.split_once('/')?;
        let mut parts = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().ok());
        let theirs = [parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)];
        let shown = word.chars().filter(char::is_ascii_graphic).take(40).collect();
        (theirs < *since).then(|| (shown, since.map(|part| part.to_string()).join(".")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart_by_number() {
        for (agent, wanted) in [
            ("aws-sdk-go/1.44.298 (go1.19; linux; amd64)", Some("1.47.11")),
            ("aws-sdk-go/1.47.11", None),
            ("aws-sdk-go/1.100.0", None),
            ("aws-sdk-go-v2/1.17.1 os/linux", Some("1.23.0")),
            ("aws-sdk-java/1.12.99 Linux/5", Some("1.12.746")),
            ("aws-sdk-java/2.20.0", Some("2.21.30")),
            ("aws-sdk-java/2.21.30", None),
            ("aws-sdk-ruby3/3.170.0", Some("3.188.0")),
            ("aws-sdk-ruby3/30.1.0", None),
            ("aws-sdk-go/1", None),
            ("aws-sdk-go/1.x.0", None),
            ("curl/7.88.1", None),
            ("", None),
        ] {
            assert_eq!(too_old(agent).map(|(_, since)| since).as_deref(), wanted, "{agent}");
        }
    }
}
