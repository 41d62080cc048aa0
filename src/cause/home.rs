//! Causes in whose home folder is read.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[&HOME_SUDO, &HOME_CRON, &HOME_SYSTEMD, &HOME_PROTECT, &HOME_NOUSER];

/// Under sudo another user's home folder is read.
pub static HOME_SUDO: Cause = Cause {
    code: "HOME-SUDO",
    title: "under sudo another user's home folder is read",
    why: "`~/.aws` is looked for in HOME, which sudo sets to the home folder of the user it changes to",
    fix: &["run it without sudo, or name the files: AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"],
    rule: "botocore `os.path.expanduser`; aws-cli#3121",
};

/// cron starts its commands with hardly any environment.
pub static HOME_CRON: Cause = Cause {
    code: "HOME-CRON",
    title: "cron starts its commands with hardly any environment",
    why: "no profile of a shell is read by cron: what is exported there is not set here",
    fix: &["set AWS_PROFILE, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE above the line in the crontab"],
    rule: "crontab(5)",
};

/// The unit sets no HOME.
pub static HOME_SYSTEMD: Cause = Cause {
    code: "HOME-SYSTEMD",
    title: "systemd gave the service no HOME",
    why: "without HOME `~/.aws` is looked for in the home folder of the service's user, which is rarely where the files are",
    fix: &["set User= to who has the files, or Environment=AWS_SHARED_CREDENTIALS_FILE=/path in the unit"],
    rule: "systemd.exec(5), User=; ecr-credential-helper#161",
};

/// ProtectHome= hides the home folder.
pub static HOME_PROTECT: Cause = Cause {
    code: "HOME-PROTECT",
    title: "the unit's ProtectHome= hides the home folder",
    why: "the service sees an empty or closed folder in place of /home, /root and /run/user",
    fix: &["show it the folder with BindReadOnlyPaths= in a drop-in of the unit"],
    rule: "systemd.exec(5), ProtectHome=",
};

/// The user has no home folder.
pub static HOME_NOUSER: Cause = Cause {
    code: "HOME-NOUSER",
    title: "the user has no home folder",
    why: "the number of the user is not in the password file, so `~/.aws` is looked for in `/` or nowhere",
    fix: &["set HOME, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"],
    rule: "botocore `os.path.expanduser`; aws-cli#7953",
};
