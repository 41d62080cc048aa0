//! Causes in the AWS files: reading and parsing.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] =
    &[&FILE_PARSE, &FILE_EACCES, &FILE_PARTIAL, &FILE_EMPTYVAL, &FILE_UNREADABLE, &FILE_TORN];

/// A line of an AWS file cannot be parsed.
pub static FILE_PARSE: Cause = Cause {
    code: "FILE-PARSE",
    title: "a line of an AWS file cannot be parsed",
    why: "botocore refuses the whole file, so no profile of it can be used, whichever one was meant",
    fix: &["correct the line named above: `[section]`, or `key = value`"],
};

/// An AWS file exists and cannot be read.
pub static FILE_EACCES: Cause = Cause {
    code: "FILE-EACCES",
    title: "an AWS file exists and cannot be read",
    why: "the user this runs as has no permission to read the file",
    fix: &["chown or chmod the file so that this user can read it (0600 and owned by this user is right)"],
};

/// A profile has a key id without its secret.
pub static FILE_PARTIAL: Cause = Cause {
    code: "FILE-PARTIAL",
    title: "a profile has a key id without its secret",
    why: "both keys must stand in the same file; botocore stops when one is missing and never completes them from elsewhere",
    fix: &["add aws_secret_access_key beside aws_access_key_id, or remove both"],
};

/// A key in an AWS file is empty.
pub static FILE_EMPTYVAL: Cause = Cause {
    code: "FILE-EMPTYVAL",
    title: "a key in an AWS file is empty",
    why: "an empty value counts as present, so requests would be signed with an empty key",
    fix: &["fill in the value or remove the line"],
};

/// A file could not be read.
pub static FILE_UNREADABLE: Cause = Cause {
    code: "FILE-UNREADABLE",
    title: "a file could not be read",
    why: "reading it failed for a reason other than permissions",
    fix: &["look at the file: it may be a folder, or on a file system with errors"],
};

/// A file was being written while it was read.
pub static FILE_TORN: Cause = Cause {
    code: "FILE-TORN",
    title: "a file was being written while it was read",
    why: "what was read is half of one state and half of another; it is read again when the writer is done",
    fix: &["write a new file and rename it over the old one"],
};
