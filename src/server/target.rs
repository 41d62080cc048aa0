//! The paths of the container protocol, read.

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// The role that is meant when none is named.
    Unnamed,
    /// A role of this name, if there is one.
    Role(&'a str),
    /// Where metadata clients fetch their session token.
    MetadataToken,
    /// None of ours.
    Nothing,
}

impl<'a> Target<'a> {
    /// What the path says.
    pub(super) fn of(path: &'a str) -> Self {
        if let Some(rest) = path.strip_prefix("/v1/credentials") {
            return match rest.strip_prefix('/') {
                None if rest.is_empty() => Self::Unnamed,
                Some("") => Self::Unnamed,
                Some(name) => Self::named(name),
                None => Self::Nothing,
            };
        }
        match path.strip_prefix("/v2/credentials/") {
            Some(name) => Self::named(name),
            None if path == "/latest/api/token" => Self::MetadataToken,
            None => Self::Nothing,
        }
    }

    fn named(name: &'a str) -> Self {
        let name = name.strip_suffix('/').unwrap_or(name);
        if name.is_empty() { Self::Nothing } else { Self::Role(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn paths_name_a_role_or_none() {
        let cases = [
            ("/v1/credentials", Target::Unnamed),
            ("/v1/credentials/", Target::Unnamed),
            ("/v1/credentials/app", Target::Role("app")),
            ("/v1/credentials/app/", Target::Role("app")),
            ("/v2/credentials/app", Target::Role("app")),
            ("/v1/credentials/a/b", Target::Role("a/b")),
            ("/v1/credentialsx", Target::Nothing),
            ("/v1/credentials//", Target::Nothing),
            ("/v2/credentials", Target::Nothing),
            ("/v2/credentials/", Target::Nothing),
            ("/latest/api/token", Target::MetadataToken),
            ("/", Target::Nothing),
            ("*", Target::Nothing),
        ];
        for (path, want) in cases {
            assert_eq!(Target::of(path), want, "{path}");
        }
    }
}
