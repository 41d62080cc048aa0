//! Causes in the AWS files: reading and parsing.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[
    &FILE_PARSE,
    &FILE_GLUED,
    &FILE_CRLF,
    &FILE_TRAILWS,
    &FILE_WRONGPATH,
    &FILE_NOTMOUNTED,
    &FILE_EACCES,
    &FILE_SELINUX,
    &FILE_SANDBOX,
    &FILE_PARTIAL,
    &FILE_EMPTYVAL,
    &FILE_UNREADABLE,
    &FILE_TORN,
];

/// A line of an AWS file cannot be parsed.
pub static FILE_PARSE: Cause = Cause {
    code: "FILE-PARSE",
    title: "a line of an AWS file cannot be parsed",
    why: "botocore refuses the whole file, so no profile of it can be used, whichever one was meant",
    fix: &["correct the line named above: `[section]`, or `key = value`"],
    rule: "botocore `configloader.raw_config_parse`",
};

/// A section is glued to the end of the line before.
pub static FILE_GLUED: Cause = Cause {
    code: "FILE-GLUED",
    title: "a section is glued to the end of the line before",
    why: "a `[section]` begins only at the beginning of a line: here it is part of a value, and its keys fall to another section",
    fix: &["put the `[section]` on a line of its own; end a file with a line end before appending to it"],
    rule: "aws-cli#915",
};

/// A file has the line ends of Windows.
pub static FILE_CRLF: Cause = Cause {
    code: "FILE-CRLF",
    title: "a file has the line ends of Windows",
    why: "the carriage return is part of what stands before it: no program has that name",
    fix: &["remove the carriage returns: dos2unix FILE, or sed -i 's/\\r$//' FILE"],
    rule: "python `configparser`; what programs pass on keeps the end",
};

/// Something that is no part of it stands around a value.
pub static FILE_TRAILWS: Cause = Cause {
    code: "FILE-TRAILWS",
    title: "something that is no part of it stands around a value",
    why: "botocore takes off plain white space and nothing else: quotes, comments and characters that cannot be seen are kept",
    fix: &["delete what stands around the value on that line"],
    rule: "python `configparser`; aws-sdk-go-v2#3315",
};

/// A variable names a file that is not there.
pub static FILE_WRONGPATH: Cause = Cause {
    code: "FILE-WRONGPATH",
    title: "the AWS files are looked for where they are not",
    why: "the variables are AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE; a file that is not there counts as an empty one",
    fix: &["correct the path, or the name of the variable"],
    rule: "botocore `configprovider.BOTOCORE_DEFAUT_SESSION_VARIABLES`; aws-cli#1037",
};

/// The AWS files are not in this container.
pub static FILE_NOTMOUNTED: Cause = Cause {
    code: "FILE-NOTMOUNTED",
    title: "the AWS files are not in this container",
    why: "a container sees nothing of the host's home folder unless it is mounted",
    fix: &[
        "mount it: docker run --volume \"$HOME/.aws:/root/.aws:ro\" (with the home folder of the container's user)",
        "or pass the keys on: docker run --env AWS_ACCESS_KEY_ID --env AWS_SECRET_ACCESS_KEY --env AWS_SESSION_TOKEN",
    ],
    rule: "aws-aspnet-cognito-identity-provider#202",
};

/// SELinux keeps the file away.
pub static FILE_SELINUX: Cause = Cause {
    code: "FILE-SELINUX",
    title: "SELinux keeps the file away",
    why: "the permissions of the file let this user read it, and the kernel refuses: its label is not one for this process",
    fix: &["mount it with `:z` (shared) or `:Z` (for this container alone), or give it a label with chcon"],
    rule: "mount labels of container engines; aws-cli#5811",
};

/// The sandbox of a snap or flatpak keeps the files away.
pub static FILE_SANDBOX: Cause = Cause {
    code: "FILE-SANDBOX",
    title: "the sandbox of a snap or flatpak keeps the files away",
    why: "a confined program has a home folder of its own and sees no hidden folder of the real one",
    fix: &["grant it the folder, or install the program without confinement"],
    rule: "snapd, interface personal-files; eksctl#1721",
};

/// An AWS file exists and cannot be read.
pub static FILE_EACCES: Cause = Cause {
    code: "FILE-EACCES",
    title: "an AWS file exists and cannot be read",
    why: "the user this runs as has no permission to read the file",
    fix: &["chown or chmod the file so that this user can read it (0600 and owned by this user is right)"],
    rule: "botocore `configloader.raw_config_parse` takes it for absent; aws-cli#5392",
};

/// A profile has a key id without its secret.
pub static FILE_PARTIAL: Cause = Cause {
    code: "FILE-PARTIAL",
    title: "a profile has a key id without its secret",
    why: "both keys must stand in the same file; botocore stops when one is missing and never completes them from elsewhere",
    fix: &["add aws_secret_access_key beside aws_access_key_id, or remove both"],
    rule: "botocore `SharedCredentialProvider._extract_creds_from_mapping`",
};

/// A key in an AWS file is empty.
pub static FILE_EMPTYVAL: Cause = Cause {
    code: "FILE-EMPTYVAL",
    title: "a key in an AWS file is empty",
    why: "an empty value counts as present, so requests would be signed with an empty key",
    fix: &["fill in the value or remove the line"],
    rule: "botocore `SharedCredentialProvider.load`; amazonka#177",
};

/// A file could not be read.
pub static FILE_UNREADABLE: Cause = Cause {
    code: "FILE-UNREADABLE",
    title: "a file could not be read",
    why: "reading it failed for a reason other than permissions",
    fix: &["look at the file: it may be a folder, or on a file system with errors"],
    rule: "errno of the read",
};

/// A file was being written while it was read.
pub static FILE_TORN: Cause = Cause {
    code: "FILE-TORN",
    title: "a file was being written while it was read",
    why: "what was read is half of one state and half of another; it is read again when the writer is done",
    fix: &["write a new file and rename it over the old one"],
    rule: "a writer that does not rename",
};
